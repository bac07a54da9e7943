/// What a rewriting of segments leaves out for good.
package struct PhysicalRemoval {
  private let lifecycles: Lifecycles
  /// The newest event that removed rows of what was asked for so far; 0 when none did.
  package private(set) var newestLSN: LSN = 0

  package init(_ lifecycles: Lifecycles) { self.lifecycles = lifecycles }

  /// The rows of a block that go on to live; nil when none does.
  /// - Parameter applied: removals up to this LSN were applied when its segment was written.
  package mutating func kept(
    _ block: BlockReader, of key: SeriesKey, applied: LSN
  ) -> Stretch.Source? {
    switch lifecycles.removals(of: key)?.mask(
      block.firstTime...block.lastTime, lsns: block.entry.oldestLSN...block.entry.newestLSN,
      applied: applied)
    {
    case .nothing, nil: return .block(block)
    case .part(let mask):
      newestLSN = max(newestLSN, mask.newestRemovalLSN)
      return .masked(.block(block), mask)
    case .everything(let mask):
      newestLSN = max(newestLSN, mask.newestRemovalLSN)
      return nil
    }
  }
}

extension DataSegmentReader {
  /// Whether rows of it may have been removed since it was written. O(blocks).
  /// - Throws: `.io`; a damaged segment is not touched.
  package func isTouched(by lifecycles: Lifecycles) throws(StorageError) -> Bool {
    guard lifecycles[table]?.removesNothing == false,
      let directory = try directoryIfWhole()
    else { return false }
    for (series, key) in directory.series.enumerated() {
      guard let removals = lifecycles.removals(of: key) else { continue }
      for block in directory.table.rows[directory.blocks(ofSeries: series)] {
        let verdict = removals.mask(
          block.firstTime...block.lastTime, lsns: block.oldestLSN...block.newestLSN,
          applied: meta.appliedLSN)
        if case .nothing = verdict { continue }
        return true
      }
    }
    return false
  }
}
