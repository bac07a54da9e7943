/// Writes the rows of one series into a data segment: merged, cut on the grid, superseded versions
/// in side blocks behind the main ones. What is removed goes when the sources come masked, and a
/// `tally` is told; what is `hidden` but must stay does not win.
///
/// A block that would come out as it went in is copied, not decoded: most of what compaction meets.
package struct SeriesRewrite {
  /// Rows after which whole cells are written, so that a series of any length fits in memory.
  private static let flushRows = 4 * BlockGrid.maxRows

  /// Rows that another row repeats in every value; they are dropped.
  package private(set) var identicalCount = 0
  package private(set) var supersededCount = 0
  private var rows = RowAccumulator()
  private var superseded: [RowSet]
  private let order: VersionOrder
  private let hidden: SeriesRemovals?
  private let tally: RemovalTally?

  /// - Parameter superseded: side rows of earlier segments, to be kept.
  private init(
    superseded: [RowSet], _ order: VersionOrder, hidden: SeriesRemovals?, _ tally: RemovalTally?
  ) {
    self.superseded = superseded
    self.order = order
    self.hidden = hidden
    self.tally = tally
  }

  /// - Returns: how many rows were dropped as identical, and superseded; and how many blocks were copied.
  @discardableResult
  package static func append(
    _ sources: [Stretch.Source], superseded: [RowSet] = [], of key: SeriesKey,
    order: VersionOrder = VersionOrder(), hidden: SeriesRemovals? = nil,
    tally: RemovalTally? = nil,
    to writer: inout some BlockSink & ~Copyable, builder: inout BlockBuilder
  ) throws(StorageError) -> (identical: Int, superseded: Int, copiedBlocks: Int) {
    var copied = 0
    var rewrite = SeriesRewrite(superseded: superseded, order, hidden: hidden, tally)
    let groups = Stretch.Source.grouped(sources, order)
    for (index, group) in groups.enumerated() {
      let next = index + 1 < groups.count ? groups[index + 1].firstTime : nil
      if case .block(let block) = group, rewrite.isFinal(block, before: next, builder) {
        try rewrite.flush(isLast: true, key, &writer, &builder)
        try writer.append(block.encoded(), of: key)
        copied += 1
        continue
      }
      try rewrite.add(group, key)
      if rewrite.rows.count >= flushRows { try rewrite.flush(isLast: false, key, &writer, &builder) }
    }
    try rewrite.flush(isLast: true, key, &writer, &builder)
    // Versions of different depth may overlap each other in time: blocks in order of time.
    for set in rewrite.superseded.sorted(by: { $0.times.first < $1.times.first }) {
      try check(set, builder)
      for cut in BlockGrid.cuts(set.times) {
        try writer.append(builder.build(set, cut, series: 0, kind: .superseded), of: key)
      }
    }
    return (rewrite.identicalCount, rewrite.supersededCount, copied)
  }

  /// Fewer rows are written anew: they may come to lie with others.
  private static let leastCopiedRows = BlockGrid.maxRows / 64

  /// Whether writing the rows of `block` anew would give the same block: alone in its cell of the grid,
  /// of the form that is wanted, with LSNs that mean the same in another file.
  private func isFinal(_ block: BlockReader, before next: Int64?, _ builder: BlockBuilder) -> Bool {
    guard !block.isShared, (Self.leastCopiedRows...BlockGrid.maxRows).contains(block.rowCount), builder.isCold(block.lastTime) == block.entry.isCold,
      block.hasPortableLSNs, builder.knows(columns: block.columns),
      let cell = BlockGrid.cell(first: block.firstTime, last: block.lastTime, rowCount: block.rowCount)
    else { return false }
    return cell.contains(block.lastTime) && next.map { !cell.contains($0) } ?? true
      && (rows.count == 0 || !cell.contains(rows.lastTime))
  }

  private mutating func add(_ group: Stretch.Source, _ key: SeriesKey) throws(StorageError) {
    guard case .merged(let overlapping, _) = group else {
      let set = try rows(of: group, key)
      rows.append(set, 0..<set.count)
      return
    }
    var sets: [RowSet] = []
    for source in overlapping { sets.append(try rows(of: source, key)) }
    let split = RowMerge.split(sets, order, hiding: hidden)
    rows.append(split.winners, 0..<split.winners.count)
    superseded += split.superseded
    identicalCount += split.identicalCount
    supersededCount += split.superseded.reduce(0) { $0 + $1.count }
  }

  private func rows(of source: Stretch.Source, _ key: SeriesKey) throws(StorageError) -> RowSet {
    guard let tally, case .masked(let inner, let mask) = source else { return try source.rows() }
    return tally.remove(mask, from: try inner.rows(), of: key)
  }

  /// The registry may have lost the declaration of a column to damage; its values must not go too.
  private static func check(_ rows: RowSet, _ builder: BlockBuilder) throws(StorageError) {
    guard builder.knows(rows.columns) else {
      throw StorageError(.corrupt, "rows with a column that their type does not have")
    }
  }

  /// Writes the rows gathered; all but the last cell's unless `isLast`.
  private mutating func flush(
    isLast: Bool, _ key: SeriesKey, _ writer: inout some BlockSink & ~Copyable,
    _ builder: inout BlockBuilder
  ) throws(StorageError) {
    guard rows.count > 0 else { return }
    let all = rows.rows()
    try Self.check(all, builder)
    var cuts = BlockGrid.cuts(all.times)
    rows = RowAccumulator()
    if !isLast, let open = cuts.popLast() { rows.append(all, open) }
    for cut in cuts {
      if cut.count < builder.sharing.rowsBelow, all.times.mayBeShared(cut) {
        try writer.append(few: all.slice(cut), of: key, builder)
      } else {
        try writer.append(builder.build(all, cut, series: 0), of: key)
      }
    }
  }
}

extension SampleTimes {
  /// Whether a shared block can say the instants of `range`: whole steps that do not overflow.
  fileprivate func mayBeShared(_ range: Range<Int>) -> Bool {
    let (first, last) = (tick(range.lowerBound), tick(range.upperBound - 1))
    if last.subtractingReportingOverflow(first).overflow { return false }
    guard case .regular(let regular) = self, range.count > 1 else { return true }
    return regular.stepDenominator == 1
  }
}

extension RowSet {
  /// Rows of `range` alone, ticks of a regular stretch said as such.
  package func slice(_ range: Range<Int>) -> RowSet {
    if range == 0..<count { return compacted() }
    var part = RowAccumulator()
    part.append(self, range)
    return part.rows().compacted()
  }

  /// Times and LSNs of `range` alone, ticks of a regular stretch said as such.
  func frame(_ range: Range<Int>) -> RowSet {
    var part = RowAccumulator()
    part.append(RowSet(times: times, columns: [], lsns: lsns), range)
    return part.rows().compacted()
  }
}
