/// The manifest on disk: a log of edits in a folder of its own, in the framing of the log
/// (FORMAT.md, "Manifest"). The edits of one batch are atomic; `commit` returns when they are
/// durable. Confined to one thread at a time by its owner.
package final class ManifestLog {
  /// Edits after which the state is written anew, at least; and not before they are twice the
  /// state's own, so that rolling costs an edit twice its bytes however many segments there are.
  private static let rollEditCount = 4096
  private static let spareByteCount = 1 << 20

  private let reader: LogReader
  private let writer: LogWriter
  private var editCount: Int
  package private(set) var state: Manifest
  /// What the opening found damaged; no edit was lost to it.
  package let damages: [Manifest.Damage]

  private var isRollDue: Bool {
    editCount > max(Self.rollEditCount, 2 * state.editCount)
  }

  /// Recovers the manifest of a store and opens it for writing.
  /// - Throws: `.corrupt` when edits were lost: which files are live is unknown then.
  package init(
    _ disk: any Disk, clock: any Clock, store: String, storeID: StoreID, log: LogWriter.Options = .init()
  ) throws(StorageError) {
    let directory = FileNames.path(store, FileNames.manifestDirectory)
    reader = LogReader(disk, store: directory, storeID: storeID)
    try disk.createDirectory(directory)
    try disk.syncDirectory(store)
    var manifest = Manifest()
    var count = 0
    let outcome = try LogRepair(disk, store: directory, storeID: storeID).run {
      info, payload throws(StorageError) in
      var cursor = RecordCursor(payload, header: info.header)
      while let record = try cursor.next() {
        guard record.kind == .edit else { continue }
        manifest.apply(try ManifestEdit(decoding: record.body))
        count += 1
      }
    }
    try outcome.scan.requireWholeManifest()
    damages = outcome.scan.damaged.map {
      Manifest.Damage(
        file: $0.file, offset: $0.bytes.lowerBound, byteCount: $0.bytes.count, firstLSN: 0, lastLSN: 0)
    }
    var options = LogWriter.Options()
    options.preallocatedByteCount = min(log.preallocatedByteCount, Self.spareByteCount)
    writer = try LogWriter(
      disk, clock: clock, store: directory, storeID: storeID, after: outcome.scan, options: options)
    state = manifest
    editCount = count
    // Every open starts a segment; two kept ones hold the state twice at most.
    if outcome.scan.segments.count > 1 || isRollDue { try roll() }
  }

  /// Makes `edits` durable and applies them.
  /// - Throws: `.io`, `.diskFull` (nothing changed), `.failStopped`.
  package func commit(_ edits: [ManifestEdit]) throws(StorageError) {
    guard !edits.isEmpty else { return }
    if isRollDue {
      try writer.rotate()
      try roll()
    }
    try write(edits)
    for edit in edits { state.apply(edit) }
  }

  /// The LSN of the newest edit in this log: what a reader pins.
  package var newestLSN: LSN { writer.nextLSN - 1 }

  /// A sync failed: whether the last edits are durable is not known.
  package var isFailStopped: Bool { writer.isFailStopped }

  package func close() throws(StorageError) { try writer.close() }

  var spares: LogSpares { writer.spares }

  /// As `close`, for a manifest that is complete: also says when the witness of its last edits did
  /// not reach the disk.
  /// - Throws: `.failStopped`, `.io`.
  package func end() throws(StorageError) {
    let hasFailed = isFailStopped
    try close()
    if hasFailed { throw StorageError(.failStopped, "a sync of the manifest failed") }
  }

  private func write(_ edits: [ManifestEdit]) throws(StorageError) {
    var batch = LogBatchBuilder(reserving: 64 * edits.count)
    for edit in edits { batch.add(.edit) { edit.encode(into: &$0) } }
    _ = try writer.append(&batch)
    try writer.sync()
    editCount += edits.count
    // The witness that tells damage of this edit from a torn write. The edits are durable without
    // it, so a full disk is no failure; but behind a failed sync nothing is promised any more.
    do throws(StorageError) {
      try writer.writeIdleSeal()
    } catch {
      if writer.isFailStopped { throw error }
    }
  }

  /// Writes the whole state into the current segment and removes the older ones.
  private func roll() throws(StorageError) {
    let edits = state.edits
    try write(edits)
    editCount = edits.count
    // Oldest first, each durably: a hole between segments would read as lost edits.
    try reader.removeSegments(before: writer.segmentID)
  }
}
