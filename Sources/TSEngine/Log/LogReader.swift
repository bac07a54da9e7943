/// Reads the log in order, checks everything, changes nothing.
package struct LogReader {
  private let disk: any Disk
  private let storeID: StoreID
  /// The folder of the segments.
  package let directory: String

  package init(_ disk: any Disk, store: String, storeID: StoreID) {
    self.disk = disk
    self.storeID = storeID
    directory = FileNames.path(store, FileNames.logDirectory)
  }

  /// Ids of the segments present, ascending.
  package func segmentIDs() throws(StorageError) -> [UInt64] {
    guard disk.exists(directory) else { return [] }
    return try disk.list(directory).compactMap(FileNames.logSegmentID).sorted()
  }

  /// Reads every batch from the segment that holds `lsn` on (0: from the start).
  ///
  /// - Parameters:
  ///   - last: segments that begin above this LSN are not read.
  ///   - durableLogLSN: the last LSN that other files (manifest, journal) know to have been durable
  ///     in the log; 0 when nothing is known.
  ///   - onBatch: gets each good batch, those without LSNs too, and its payload, which is valid
  ///     during the call only. `RecordCursor` walks its records.
  /// - Throws: `.io`, `.unsupportedVersion`, what `onBatch` throws. Damage is not thrown: it is
  ///   reported in the result, and reading goes on behind it.
  package func scan(
    from lsn: LSN = 0, through last: LSN = .max, durableLogLSN: LSN = 0,
    onBatch: (LogBatchInfo, RawSpan) throws(StorageError) -> Void
  ) throws(StorageError) -> LogScan {
    let heads = try self.heads(from: lsn).filter { $0.header?.firstLSN ?? 0 <= last }
    var pass = LogPass(storeID: storeID, directory: directory, durableLogLSN: durableLogLSN)
    for (index, head) in heads.enumerated() {
      let next = index + 1 < heads.count ? heads[index + 1] : nil
      let file = try disk.open(path(head.id), .read)
      defer { file.close() }
      try pass.read(head, file, next: next, onBatch)
    }
    pass.scan.settleBurned()
    return pass.scan
  }

  /// Removes every segment before `segmentID`, oldest first and one at a time, so that a crash
  /// leaves no hole. The caller has made durable, and read back, what replaces them, and keeps
  /// segments with damage. Durable on return.
  package func removeSegments(before segmentID: UInt64) throws(StorageError) {
    for id in try segmentIDs() where id < segmentID {
      try disk.remove(path(id))
      try disk.syncDirectory(directory)
    }
  }

  func path(_ id: UInt64) -> String { FileNames.path(directory, FileNames.logSegment(id)) }

  /// Ids and checked headers of the segments to read.
  private func heads(from lsn: LSN) throws(StorageError) -> [SegmentHead] {
    var heads: [SegmentHead] = []
    for id in try segmentIDs() {
      let file = try disk.open(path(id), .read)
      defer { file.close() }
      let head = try SegmentHead(id, file, storeID)
      // A segment that begins at or before `lsn` makes the earlier ones unnecessary.
      if let header = head.header, header.firstLSN <= lsn { heads.removeAll() }
      heads.append(head)
    }
    guard let last = heads.last, last.header == nil else { return heads }
    heads.removeLast()
    if try isPrepared(last) { return heads }
    // It may have begun between the two looks.
    let file = try disk.open(path(last.id), .read)
    defer { file.close() }
    return heads + [try SegmentHead(last.id, file, storeID)]
  }

  /// A file that was made for the next segment and is none yet: zeros, but for a header that was torn. There is one
  /// at most, behind a segment, and it was never shorter than it is.
  private func isPrepared(_ head: SegmentHead) throws(StorageError) -> Bool {
    guard !head.isUnreadable, try segmentIDs().contains(where: { $0 < head.id }) else { return false }
    let file = try disk.open(path(head.id), .read)
    defer { file.close() }
    var window = try SegmentWindow(file)
    let start = LogFormat.SegmentHeader.byteCount
    let isZero = try window.isZero(from: start)
    return isZero && window.byteCount > start && window.unreadable.isEmpty
  }
}

/// A segment file and its header, nil when that is damaged.
struct SegmentHead {
  let id: UInt64
  let header: LogSegmentHeader?
  /// The disk refused to give the header, twice.
  private(set) var isUnreadable = false
  let crc: UInt32

  init(_ id: UInt64, _ file: any DiskFile, _ storeID: StoreID) throws(StorageError) {
    self.id = id
    var bytes = [UInt8](repeating: 0, count: LogFormat.SegmentHeader.byteCount)
    do throws(StorageError) {
      let count: Int
      do throws(StorageError) { count = try bytes.read(0..<bytes.count, from: file, at: 0) } catch {
        // Like the sectors of batches, it is asked for twice before it counts as damaged.
        guard error.code == .io else { throw error }
        count = try bytes.read(0..<bytes.count, from: file, at: 0)
      }
      let found = try LogSegmentHeader(decoding: bytes.rawSpan.extracting(0..<count))
      let isOurs = found.storeID == storeID && found.segmentID == id
      header = isOurs ? found : nil
    } catch {
      guard error.code == .corrupt || error.code == .truncated || error.code == .io else {
        throw StorageError(error.code, error.reason, file: file.path, offset: error.offset)
      }
      header = nil
      isUnreadable = error.code == .io
    }
    crc = header == nil ? 0 : LogSegmentHeader.crc(of: bytes)
  }
}
