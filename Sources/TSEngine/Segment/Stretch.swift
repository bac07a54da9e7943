/// One stretch of one series as a snapshot shows it: the unit of pruning, of statistics and of
/// parallel work. Rows are in time order, one row an instant; the stretches of a series do not
/// overlap in time and come in time order.
public struct Stretch: Sendable {
  package enum Source: Sendable {
    case rows(RowSet)
  }

  public let series: SeriesKey
  public let rowCount: Int
  /// Instants of the first and last row, nanoseconds since the Unix epoch.
  public let firstTime: Int64
  public let lastTime: Int64
  package let source: Source

  package init(series: SeriesKey, rows: RowSet) {
    self.series = series
    rowCount = rows.count
    firstTime = rows.times.first
    lastTime = rows.times.last
    source = .rows(rows)
  }

  /// Statistics over all rows of the stretch, or nil where reading is the only way to know.
  /// O(1), no I/O.
  public func statistics(of column: ColumnID) -> ColumnStatistics? { nil }

  /// Opens the named columns for reading; column i of the reader is `columns[i]`.
  /// - Throws: `.io`, `.corrupt` when the bytes on disk fail their check.
  public func reader(_ columns: [ColumnID]) throws(StorageError) -> StretchReader {
    switch source {
    case .rows(let rows):
      return StretchReader(rows: rows, columns: columns)
    }
  }
}

/// Decodes columns of a stretch by pages of 256 rows: page p is rows 256·p ..< 256·(p+1), the
/// last one partial. A value type; one per worker.
public struct StretchReader: Sendable {
  public static let pageRows = 256

  private let rows: RowSet
  private let columns: [RowSet.Column?]

  package init(rows: RowSet, columns ids: [ColumnID]) {
    self.rows = rows
    columns = ids.map { rows.column($0) }
  }

  public var rowCount: Int { rows.count }
  public var pageCount: Int { (rows.count + Self.pageRows - 1) / Self.pageRows }
  public func rowCount(page: Int) -> Int {
    Swift.min(Self.pageRows, rows.count - page * Self.pageRows)
  }

  /// The whole stretch as one regular run, when it is one: then instants need no array.
  public var regularTimes: RegularTimes? {
    if case .regular(let times) = rows.times { times } else { nil }
  }

  /// The first row at or after `instant`; `rowCount` when there is none. O(log rows).
  public func firstRow(atOrAfter instant: Int64) -> Int {
    switch rows.times {
    case .regular(let times): return times.lowerBound(instant)
    case .explicit(let instants):
      var (low, high) = (0, instants.count)
      while low < high {
        let middle = (low + high) / 2
        if instants[middle] < instant { low = middle + 1 } else { high = middle }
      }
      return low
    }
  }

  /// Instants of `range`, nanoseconds since the epoch, into the first `range.count` slots.
  public func times(_ range: Range<Int>, into out: inout MutableSpan<Int64>) {
    for (slot, row) in range.enumerated() { out[slot] = rows.times.tick(row) }
  }

  /// The same value in every row of the stretch, validity aside; nil when it varies.
  public func constant(_ column: Int) -> Int64? {
    guard let column = columns[column] else { return nil }
    if case .constant(let value) = column.content { return value }
    return nil
  }

  /// True when every row of the column is null.
  public func isAllNull(_ column: Int) -> Bool { columns[column] == nil }

  /// Bounds that hold for every non-null value of the page (tight or not), or nil when unknown.
  public func bounds(_ column: Int, page: Int) -> ClosedRange<Int64>? {
    constant(column).map { $0...$0 }
  }

  /// Slots of whole pages into the first rows of `out`; null rows hold any value.
  /// - Throws: `.corrupt` when a page does not decode.
  public func decode(
    _ column: Int, pages: Range<Int>, into out: inout MutableSpan<Int64>
  ) throws(StorageError) {
    let first = pages.lowerBound * Self.pageRows
    let end = Swift.min(pages.upperBound * Self.pageRows, rows.count)
    guard first < end else { return }
    switch columns[column]?.content {
    case .values(let slots):
      for row in first..<end { out[row &- first] = slots[row] }
    case .constant(let value):
      for row in first..<end { out[row &- first] = value }
    case nil:
      for row in first..<end { out[row &- first] = 0 }
    }
  }

  /// Bit r%64 of lane r/64 is 1 where row r of the page is not null; nil when none is null.
  /// Bits past the page's rows are 0.
  public func validity(_ column: Int, page: Int) -> SIMD4<UInt64>? {
    guard let column = columns[column] else { return SIMD4(repeating: 0) }
    guard let words = column.validity else { return nil }
    var mask = SIMD4<UInt64>(repeating: 0)
    for word in 0..<4 where page * 4 + word < words.count { mask[word] = words[page * 4 + word] }
    return mask & Self.rowMask(rowCount(page: page))
  }

  /// Rows of the page that are not null and lie in `range`, computed without decoding where the
  /// page's form allows it.
  public func select(
    _ column: Int, page: Int, in range: ClosedRange<Int64>
  ) throws(StorageError) -> SIMD4<UInt64> {
    let count = rowCount(page: page)
    var mask = SIMD4<UInt64>(repeating: 0)
    guard let content = columns[column]?.content else { return mask }
    switch content {
    case .constant(let value):
      if range.contains(value) { mask = Self.rowMask(count) }
    case .values(let slots):
      for row in 0..<count where range.contains(slots[page * Self.pageRows + row]) {
        mask[row / 64] |= 1 << UInt64(row % 64)
      }
    }
    if let valid = validity(column, page: page) { mask &= valid }
    return mask
  }

  /// The LSN that brought each row of `range`, into the first `range.count` slots.
  public func lsns(_ range: Range<Int>, into out: inout MutableSpan<UInt64>) {
    var run = 0
    for (slot, row) in range.enumerated() {
      while rows.lsns[run].end <= row { run += 1 }
      out[slot] = rows.lsns[run].lsn
    }
  }

  /// The lowest `count` of 256 bits set.
  static func rowMask(_ count: Int) -> SIMD4<UInt64> {
    var mask = SIMD4<UInt64>(repeating: 0)
    for word in 0..<4 {
      let bits = Swift.min(Swift.max(count - word * 64, 0), 64)
      mask[word] = bits == 64 ? .max : (1 << UInt64(bits)) - 1
    }
    return mask
  }
}
