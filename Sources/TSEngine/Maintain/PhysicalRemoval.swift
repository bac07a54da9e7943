/// What a rewriting of segments takes for good: rows that an event took whose grace is over.
///
/// Touched by one thread at a time, as the job that has it.
package final class RemovalTally {
  private let lifecycles: Lifecycles
  /// Rows that later events took stay; readers pass them over.
  private let through: LSN
  package private(set) var removed = RemovedRows(limit: RemovedRows.partLimitOfJob)
  /// Told of runs of removed rows, by series.
  private let keeper: LeafKeeper?

  /// - Parameter through: the newest event that may take rows.
  package init(_ lifecycles: Lifecycles, through: LSN, keeper: LeafKeeper? = nil) {
    self.lifecycles = lifecycles
    self.through = through
    self.keeper = keeper
  }

  /// What of a block goes on to live, masked where a part of it may not; nil when nothing does.
  /// - Parameter applied: removals up to this LSN were applied when its segment was written.
  /// - Throws: as the reading of the block's times and LSNs, which a keeper has to know.
  func kept(
    _ block: BlockReader, of key: SeriesKey, applied: LSN
  ) throws(StorageError) -> Stretch.Source? {
    guard let removals = lifecycles.removals(of: key) else { return .block(block) }
    let times = block.firstTime...block.lastTime
    var lsns = block.entry.oldestLSN...block.entry.newestLSN
    if block.isShared {
      // What is said to be gone must not be more than is.
      let own = try block.lsns().map(\.lsn)
      lsns = (own.min() ?? lsns.lowerBound)...(own.max() ?? lsns.upperBound)
    }
    if Planted.has(.purgeTakesLaterReadings) { lsns = 0...0 }
    switch removals.mask(times, lsns: lsns, applied: applied, through: through) {
    case .nothing: return .block(block)
    case .part(let mask): return .masked(.block(block), mask)
    case .everything(let mask):
      // The first that alone takes all: by then the last row was gone.
      let whole = mask.removals.filter {
        $0.lsn > lsns.upperBound && $0.times.lowerBound <= times.lowerBound
          && $0.times.upperBound >= times.upperBound
      }
      let newest = whole.map(\.lsn).min() ?? lsns.upperBound
      removed.insert(.init(times, from: lsns.lowerBound, removedLSN: newest))
      if let keeper { try keeper.note(block, of: key) }
      return nil
    }
  }

  /// `rows` without those that `mask` removes, which are gone then.
  func remove(_ mask: RowMask, from rows: RowSet, of key: SeriesKey) -> RowSet {
    let removers = mask.removers(of: rows)
    let lsns = rows.lsnOfEachRow()
    var row = 0
    while row < rows.count {
      guard removers[row] > 0 else {
        row += 1
        continue
      }
      let start = row
      while row < rows.count, removers[row] > 0 { row += 1 }
      removed.insert(
        .init(
          rows.times.tick(start)...rows.times.tick(row - 1), from: lsns[start..<row].min() ?? 0,
          removedLSN: removers[start..<row].max() ?? 0))
      keeper?.note(rows, start..<row, lsns, of: key)
    }
    return rows.leavingOut(removers.map { $0 > 0 })
  }
}

extension SeriesRemovals {
  /// Element r tells whether row r is removed.
  func hidden(of rows: RowSet) -> [Bool] {
    guard rows.count > 0, let low = rows.lsns.map(\.lsn).min(), let high = rows.lsns.map(\.lsn).max()
    else { return [Bool](repeating: false, count: rows.count) }
    switch mask(rows.times.first...rows.times.last, lsns: low...high) {
    case .nothing: return [Bool](repeating: false, count: rows.count)
    case .part(let mask), .everything(let mask): return mask.hidden(of: rows)
    }
  }
}

extension DataSegmentReader {
  /// About how many of its rows events up to `through` took since it was written. Blocks that are cut
  /// count by their share of time.
  /// - Complexity: O(blocks · log removals).
  /// - Throws: `.io`; a damaged segment is not touched.
  package func removableRowCount(
    by lifecycles: Lifecycles, through: LSN
  ) throws(StorageError) -> Int {
    guard let directory = try directoryIfWhole() else { return 0 }
    var count = 0.0
    for (series, key) in directory.series.enumerated() {
      guard let removals = lifecycles.removals(of: key) else { continue }
      for block in directory.rows(ofSeries: series) {
        let times = block.firstTime...block.lastTime
        switch removals.mask(
          times, lsns: block.oldestLSN...block.newestLSN, applied: meta.appliedLSN, through: through)
        {
        case .nothing: break
        case .everything: count += Double(block.rowCount)
        case .part(let mask):
          let width = Double(times.upperBound) - Double(times.lowerBound) + 1
          let share = mask.removals.reduce(0.0) { sum, removal in
            let part = removal.times.clamped(to: times)
            let covered = Double(part.upperBound) - Double(part.lowerBound) + 1
            return sum + max(covered / width, 1 / Double(max(1, block.rowCount)))
          }
          count += min(1, share) * Double(block.rowCount)
        }
      }
    }
    return Int(count.rounded(.up))
  }
}
