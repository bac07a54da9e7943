/// Makes the log fit for writing after any end of the writer: keeps and cuts off a torn tail, sets
/// damage aside, and says what it found. May be killed at any operation and run again; the second
/// run ends in the same bytes.
package struct LogRepair {
  package struct Outcome: Sendable, Equatable {
    package var scan: LogScan
    /// Where the bytes of a torn tail were kept; nil when there was none, or no room.
    package var tornCopy: String?
    /// Bytes cut off the torn tail.
    package var tornByteCount = 0
    /// Copies of damaged bytes; the originals stay where they are.
    package var damagedCopies: [String] = []
  }

  private let disk: any Disk
  private let store: String
  private let reader: LogReader

  /// - Parameter store: the folder of the store, which exists and is locked by this process.
  package init(_ disk: any Disk, store: String, storeID: StoreID) {
    self.disk = disk
    self.store = store
    reader = LogReader(disk, store: store, storeID: storeID)
  }

  /// Recovers the log; each good batch goes to `onBatch` in order (see `LogReader.scan`) and is
  /// durable by then.
  ///
  /// - Parameters:
  ///   - lsn: replay starts with the segment that holds it; 0 checks and replays all.
  ///   - durableLogLSN: see `LogReader.scan`.
  /// - Throws: `.io`, `.diskFull`, `.unsupportedVersion`, what `onBatch` throws.
  package func run(
    from lsn: LSN = 0, durableLogLSN: LSN = 0,
    onBatch: (LogBatchInfo, RawSpan) throws(StorageError) -> Void
  ) throws(StorageError) -> Outcome {
    try prepareDirectory()
    try settleLastSegment()
    let scan = try reader.scan(from: lsn, durableLogLSN: durableLogLSN, onBatch: onBatch)
    var outcome = Outcome(scan: scan)
    for range in scan.damaged where !range.bytes.isEmpty && range.reason != .padding {
      let name = FileNames.damaged(segment: range.segmentID, offset: range.bytes.lowerBound)
      if try keep(range.bytes, of: range.segmentID, as: name) {
        outcome.damagedCopies.append(name)
      }
    }
    try trimTail(scan, &outcome)
    try removePrepared(behind: scan)
    return outcome
  }

  private func prepareDirectory() throws(StorageError) {
    try disk.createDirectory(reader.directory)
    // Also when it was there: a process killed behind its making has not made it durable.
    try disk.syncDirectory(store)
    for name in try disk.list(reader.directory) where FileNames.isTemporary(name) {
      try disk.remove(FileNames.path(reader.directory, name))
    }
  }

  /// What a killed writer left in memory becomes durable before anybody believes it; what a failed
  /// sync left there as clean is dropped, so that the scan sees the disk. The last file may be prepared alone.
  private func settleLastSegment() throws(StorageError) {
    if Planted.has(.tailNotSettled) { return }
    for id in try reader.segmentIDs().suffix(2) {
      let file = try disk.open(reader.path(id), .readWrite)
      defer { file.close() }
      try file.sync()
      try file.discardCached()
    }
  }

  /// A file that was made for the next segment gives its name back.
  private func removePrepared(behind scan: LogScan) throws(StorageError) {
    guard let last = scan.segments.last?.id else { return }
    let prepared = try reader.segmentIDs().filter { $0 > last }
    for id in prepared { try disk.remove(reader.path(id)) }
    if !prepared.isEmpty { try disk.syncDirectory(reader.directory) }
  }

  private func trimTail(_ scan: LogScan, _ outcome: inout Outcome) throws(StorageError) {
    guard let end = scan.end, let last = scan.segments.last else { return }
    let cut: Int
    switch scan.tail {
    case .damaged: return
    case .clean: cut = end.offset
    case .torn(let offset):
      cut = offset
      let name = FileNames.torn(segment: end.segmentID, offset: offset)
      if try keep(offset..<last.byteCount, of: end.segmentID, as: name) { outcome.tornCopy = name }
      outcome.tornByteCount = last.byteCount - offset
    }
    guard cut < last.byteCount, !Planted.has(.tornTailLeft) else { return }
    let file = try disk.open(reader.path(end.segmentID), .readWrite)
    defer { file.close() }
    try file.truncate(to: cut)
    try file.sync()
  }

  /// Copies bytes of a segment into a file of their own, durably. False when there is no room: a
  /// copy is a courtesy, a full disk must not keep the store closed.
  private func keep(
    _ bytes: Range<Int>, of segmentID: UInt64, as name: String
  ) throws(StorageError) -> Bool {
    let path = FileNames.path(reader.directory, name)
    if disk.exists(path) { return true }
    let temporary = FileNames.temporary(path)
    if disk.exists(temporary) { try disk.remove(temporary) }
    do throws(StorageError) {
      try copy(bytes, of: segmentID, to: temporary)
    } catch {
      guard error.code == .diskFull else { throw error }
      if disk.exists(temporary) { try disk.remove(temporary) }
      return false
    }
    try disk.rename(temporary, to: path)
    try disk.syncDirectory(reader.directory)
    return true
  }

  private func copy(
    _ bytes: Range<Int>, of segmentID: UInt64, to path: String
  ) throws(StorageError) {
    let source = try disk.open(reader.path(segmentID), .read)
    defer { source.close() }
    var window = try SegmentWindow(source)
    let target = try disk.open(path, .create)
    defer { target.close() }
    var at = bytes.lowerBound
    while at < min(bytes.upperBound, window.byteCount) {
      let end = min(bytes.upperBound, window.byteCount, at + SegmentWindow.stepByteCount)
      try window.load(at..<end)
      try target.write(window.bytes(at..<end), at: at - bytes.lowerBound)
      at = end
    }
    try target.sync()
  }
}
