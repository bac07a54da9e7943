/// One stretch of one series as a snapshot shows it: the unit of pruning, of statistics and of
/// parallel work. Rows are in time order, one row an instant; the stretches of a series do not
/// overlap in time and come in time order.
public struct Stretch: Sendable {
  package enum Source: Sendable {
    case rows(RowSet)
    /// Rows of a head that still grow; these are those the snapshot shows.
    case open(OpenRows)
    case block(BlockReader)
    /// Sources that overlap in time: merged when read.
    case merged([Source], VersionOrder = VersionOrder())
    /// Rows of which some may not count; possibly none is left.
    indirect case masked(Source, RowMask)
  }

  public let series: SeriesKey
  /// Rows, or at most so many while `hasExactRowCount` is false.
  public let rowCount: Int
  /// Instants of the first and last row, nanoseconds since the Unix epoch.
  public let firstTime: Int64
  public let lastTime: Int64
  package let source: Source

  package init(series: SeriesKey, source: Source) {
    self.series = series
    self.source = source
    rowCount = source.rowCount
    firstTime = source.firstTime
    lastTime = source.lastTime
  }

  package init(series: SeriesKey, rows: RowSet) { self.init(series: series, source: .rows(rows)) }

  /// False where overlapping sources may hold the same instant more than once, and where rows may
  /// be removed.
  public var hasExactRowCount: Bool {
    switch source {
    case .rows, .open, .block: true
    case .merged, .masked: false
    }
  }

  /// True when the rows lie in sealed or encoded blocks, false while they are only in the head.
  public var isBlock: Bool { if case .block = source { true } else { false } }

  /// Encoded bytes of the column, for plans and statistics of a query; 0 when unknown.
  public func byteCount(of column: ColumnID) -> Int {
    if case .block(let block) = source { block.byteCount(column) } else { 0 }
  }

  /// All ticks as one regular run, when they are one. O(1), no I/O.
  public var regularTimes: RegularTimes? {
    switch source {
    case .rows(let rows): if case .regular(let times) = rows.times { times } else { nil }
    case .open(let rows): rows.regularTimes
    case .block(let block): block.entry.regular
    case .merged, .masked: nil
    }
  }

  /// LSNs that brought the rows, oldest and newest. O(runs), no I/O.
  public var lsnBounds: ClosedRange<LSN> { source.lsnBounds }

  /// Statistics over all rows of the stretch, or nil where reading is the only way to know.
  /// O(columns), no I/O. A column that the rows do not have is null throughout.
  package func statistics(of column: ColumnID) -> ColumnStatistics? {
    guard case .block(let block) = source, !block.isShared else { return nil }
    return block.statistics(column)
      ?? ColumnStatistics(count: rowCount, nullCount: rowCount)
  }

  /// Opens the named columns for reading; column i of the reader is `columns[i]`.
  /// - Throws: `.io`, `.corrupt` when the bytes on disk fail their check.
  package func reader(_ columns: [ColumnID]) throws(StorageError) -> StretchReader {
    switch source {
    case .rows(let rows): return StretchReader(rows: rows, columns: columns)
    case .block(let block): return try StretchReader(block: block, columns: columns)
    case .open, .merged, .masked:
      return StretchReader(rows: try source.rows(), columns: columns)
    }
  }

  /// Everything, decoded and merged. O(rows × columns).
  package func rows() throws(StorageError) -> RowSet { try source.rows() }
}

extension Stretch.Source {
  var rowCount: Int {
    switch self {
    case .rows(let rows): rows.count
    case .open(let rows): rows.count
    case .block(let block): block.rowCount
    case .merged(let sources, _): sources.reduce(0) { $0 + $1.rowCount }
    case .masked(let source, _): source.rowCount
    }
  }
  package var firstTime: Int64 {
    switch self {
    case .rows(let rows): rows.times.first
    case .open(let rows): rows.firstTime
    case .block(let block): block.firstTime
    case .merged(let sources, _): sources.map(\.firstTime).min() ?? 0
    case .masked(let source, _): source.firstTime
    }
  }
  package var lastTime: Int64 {
    switch self {
    case .rows(let rows): rows.times.last
    case .open(let rows): rows.lastTime
    case .block(let block): block.lastTime
    case .merged(let sources, _): sources.map(\.lastTime).max() ?? 0
    case .masked(let source, _): source.lastTime
    }
  }
  var lsnBounds: ClosedRange<LSN> {
    switch self {
    case .rows(let rows):
      return (rows.lsns.map(\.lsn).min() ?? 0)...(rows.lsns.map(\.lsn).max() ?? 0)
    case .open(let rows): return rows.lsnBounds
    case .block(let block): return block.entry.oldestLSN...block.entry.newestLSN
    case .masked(let source, let mask):
      let bounds = source.lsnBounds
      return min(bounds.lowerBound, mask.through)...min(bounds.upperBound, mask.through)
    case .merged(let sources, _):
      let bounds = sources.map(\.lsnBounds)
      return (bounds.map(\.lowerBound).min() ?? 0)...(bounds.map(\.upperBound).max() ?? 0)
    }
  }

  package func rows() throws(StorageError) -> RowSet {
    switch self {
    case .rows(let rows): return rows
    case .open(let rows): return rows.rows()
    case .block(let block): return try block.rows()
    case .merged(let sources, let order):
      var decoded: [RowSet] = []
      for source in sources { decoded.append(try source.rows()) }
      return RowMerge.winners(decoded, order)
    case .masked(let source, let mask): return mask.applied(to: try source.rows())
    }
  }

  /// `sources` of one series, in order of arrival, put in time order and grouped so that groups do
  /// not overlap. Within a group they stay in order of arrival: it decides between equal LSNs.
  package static func grouped(
    _ sources: [Stretch.Source], _ order: VersionOrder = VersionOrder()
  ) -> [Stretch.Source] {
    if areInOrder(sources) { return sources }
    let sorted = sources.enumerated().sorted {
      ($0.element.firstTime, $0.offset) < ($1.element.firstTime, $1.offset)
    }
    var groups: [Stretch.Source] = []
    var open: [(offset: Int, element: Stretch.Source)] = []
    func close() {
      if open.count == 1 { groups.append(open[0].element) }
      if open.count > 1 {
        groups.append(.merged(open.sorted { $0.offset < $1.offset }.map(\.element), order))
      }
      open.removeAll()
    }
    var end = Int64.min
    for source in sorted {
      if !open.isEmpty, source.element.firstTime > end { close() }
      open.append(source)
      end = max(end, source.element.lastTime)
    }
    close()
    return groups
  }
  /// The common case: blocks one behind another.
  private static func areInOrder(_ sources: [Stretch.Source]) -> Bool {
    guard var end = sources.first?.lastTime else { return true }
    for source in sources.dropFirst() {
      if source.firstTime <= end { return false }
      end = source.lastTime
    }
    return true
  }
}
