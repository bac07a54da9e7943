/// Builds the tree over one stretch of the log as it is sealed: frames and events as the log has
/// them, in order, and the bulk appends whose LSNs the log jumps over. Reads beside the writer.
///
/// What is complete of the log may be taken in before, segment by segment, so that a sealing finds little left.
struct StretchTree: Sendable {
  let disk: any Disk
  let directory: String
  let shared: Shared
  /// The first LSN of the stretch.
  let first: LSN
  private var log: LogReader.Following
  private var grouper = LeafGrouper()
  private var frames: FrameLeaves
  /// Bulk appends up to this LSN are in.
  private var bulkLSN: LSN

  struct Built {
    var root: Digest
    var leafCount: UInt64
    var groups: [LeafGroup]
  }

  init(disk: any Disk, directory: String, storeID: StoreID, shared: Shared, from first: LSN) {
    (self.disk, self.directory, self.shared, self.first) = (disk, directory, shared, first)
    log = LogReader(disk, store: directory, storeID: storeID).following(from: first)
    frames = FrameLeaves(symbols: shared.symbols)
    bulkLSN = first - 1
  }

  /// The segment that is taken in next.
  var nextSegmentID: UInt64 { log.nextID ?? 0 }

  /// Takes in the oldest complete segment of the log that is not; false when there is none.
  /// - Parameter current: the segment that was written a moment ago: what the registry and the manifest say by now
  ///   holds for all before it.
  /// - Throws: as `finish`; the tree is of no use then.
  mutating func follow(before current: UInt64) throws(StorageError) -> Bool {
    try read { (log, body) throws(StorageError) in try log.readComplete(before: current, body) }
  }

  /// Takes in the rest through `last`.
  /// - Throws: `.io`; `.corrupt` for rows of an unknown type. Records and blocks that fail their
  ///   check are left out: their damage is known by other ways, and sealing must go on.
  /// - Complexity: reads and decodes the log; holds one batch and 256 hashes.
  mutating func finish(through last: LSN) throws(StorageError) -> Built {
    _ = try read(through: last) { (log, body) throws(StorageError) in try log.readRest(through: last, body) }
    let root = grouper.finish()
    return Built(root: root, leafCount: grouper.count, groups: grouper.groups)
  }

  private typealias Body = (LogBatchInfo, RawSpan) throws(StorageError) -> Void

  private mutating func read(
    through last: LSN = .max,
    _ pass: (inout LogReader.Following, Body) throws(StorageError) -> Bool
  ) throws(StorageError) -> Bool {
    let live = shared.live.withLock { $0 }
    // Bound once: a registry is not copied for every record.
    let schema = live.registry.schema
    // Columns may have come since.
    frames.forgetSchemas()
    let bulk = SealedLeaves(segments: live.segments, schema: schema, symbols: shared.symbols)
    let bulks = live.manifest.bulks.sorted { $0.first < $1.first }
    var (log, grouper, frames, bulkLSN) = (self.log, self.grouper, self.frames, self.bulkLSN)
    func addBulks(before end: LSN) throws(StorageError) {
      for lsns in bulks where lsns.last > bulkLSN && lsns.first <= last {
        for next in max(lsns.first, bulkLSN + 1)...lsns.last where next < end && next <= last {
          let bounds = SealedLeaves.Bounds(
            start: LeafKey(lsn: next, time: .min), end: nil, lastLSN: next)
          try bulk.forEach(bounds, skipsDamage: true) { (key, leaf) throws(StorageError) in
            grouper.add(key, leaf.digest())
          }
          bulkLSN = next
        }
      }
    }
    let lsns = first...max(first, last)
    let hasRead = try pass(&log) { (info, payload) throws(StorageError) in
      guard info.header.lsnCount > 0, info.header.firstLSN <= lsns.upperBound,
        info.header.nextLSN > lsns.lowerBound
      else { return }
      try addBulks(before: info.header.firstLSN)
      try add(payload, info.header, lsns, schema, &frames, to: &grouper)
    }
    // Behind the last batch there may be one more, where the stretch ends.
    if last < .max { try addBulks(before: .max) }
    (self.log, self.grouper, self.frames, self.bulkLSN) = (log, grouper, frames, bulkLSN)
    return hasRead
  }

  private func add(
    _ payload: RawSpan, _ header: LogBatchHeader, _ lsns: ClosedRange<LSN>,
    _ schema: (TableID) -> TableSchema?, _ frames: inout FrameLeaves, to grouper: inout LeafGrouper
  ) throws(StorageError) {
    var cursor = RecordCursor(payload, header: header)
    while let record = try cursor.next() {
      guard lsns.contains(record.lsn) else { continue }
      switch record.kind {
      case .event:
        let leaf = Leaf(event: [UInt8](record.body), lsn: record.lsn)
        grouper.add(leaf.key, leaf.digest)
      case .frame:
        try frames.add(record.body, lsn: record.lsn, schema: schema, to: &grouper)
      case .message, .gap, .seal, .edit: break
      }
    }
  }
}
