/// Builds the tree over one stretch of the log as it is sealed: frames and events as the log has
/// them, in order, and the bulk appends whose LSNs the log jumps over. Reads beside the writer.
struct StretchTree {
  let disk: any Disk
  let directory: String
  let storeID: StoreID
  let shared: Shared

  struct Built {
    var root: Digest
    var leafCount: UInt64
    var groups: [LeafGroup]
  }

  /// - Throws: `.io`; `.corrupt` for rows of an unknown type. Records and blocks that fail their
  ///   check are left out: their damage is known by other ways, and sealing must go on.
  /// - Complexity: reads and decodes the log of `lsns`; holds one batch and 256 hashes.
  func build(_ lsns: ClosedRange<LSN>) throws(StorageError) -> Built {
    let live = shared.live.withLock { $0 }
    // Bound once: a registry is not copied for every record.
    let schema = live.registry.schema
    let bulk = SealedLeaves(segments: live.segments, schema: schema, symbols: shared.symbols)
    let bulks = live.manifest.bulks.sorted { $0.first < $1.first }
    var grouper = LeafGrouper()
    var frames = FrameLeaves(symbols: shared.symbols)
    // Bulk appends up to this LSN are in.
    var bulkLSN = lsns.lowerBound - 1
    func addBulks(before end: LSN) throws(StorageError) {
      for range in bulks where range.last > bulkLSN && range.first <= lsns.upperBound {
        for next in max(range.first, bulkLSN + 1)...range.last where next < end && next <= lsns.upperBound {
          let bounds = SealedLeaves.Bounds(
            start: LeafKey(lsn: next, time: .min), end: nil, lastLSN: next)
          try bulk.forEach(bounds, skipsDamage: true) { (key, leaf) throws(StorageError) in
            grouper.add(key, leaf.digest())
          }
          bulkLSN = next
        }
      }
    }
    _ = try LogReader(disk, store: directory, storeID: storeID)
      .scan(from: lsns.lowerBound, through: lsns.upperBound) { info, payload throws(StorageError) in
        guard info.header.lsnCount > 0, info.header.firstLSN <= lsns.upperBound,
          info.header.nextLSN > lsns.lowerBound
        else { return }
        try addBulks(before: info.header.firstLSN)
        try add(payload, info.header, lsns, schema, &frames, to: &grouper)
      }
    try addBulks(before: .max)
    let root = grouper.finish()
    return Built(root: root, leafCount: grouper.count, groups: grouper.groups)
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
