/// Blocks end on a wall-clock grid, so that time buckets are answered from statistics. The cell
/// suits the rate: 5 min at 20 samples a second, 1 h, 6 h or 1 day for slower series.
package enum BlockGrid {
  private static let minute: Int64 = 60_000_000_000
  /// Cells in nanoseconds, each a multiple of the one before.
  static let cells: [Int64] = [5 * minute, 60 * minute, 360 * minute, 1440 * minute]

  /// Rows a block may hold.
  package static let maxRows = 1 << 16

  /// The smallest cell that gives a block at least 3,000 rows at `stepNanos` between rows.
  package static func cell(stepNanos: Int64) -> Int64 {
    cells.first { $0 / max(stepNanos, 1) >= 3_000 } ?? cells[cells.count - 1]
  }

  /// The cell that holds `first`, for rows as dense as those of a block; nil at the end of time.
  static func cell(first: Int64, last: Int64, rowCount: Int) -> Range<Int64>? {
    let span = last.subtractingReportingOverflow(first)
    guard rowCount > 1, !span.overflow else { return nil }
    let cell = cell(stepNanos: span.partialValue / Int64(rowCount - 1))
    let (start, isBefore) = first.subtractingReportingOverflow(((first % cell) + cell) % cell)
    let (end, isBehind) = start.addingReportingOverflow(cell)
    return isBefore || isBehind ? nil : start..<end
  }

  /// Where `rows` are cut into blocks: row ranges, none crossing a cell, none over `maxRows`.
  package static func cuts(_ times: SampleTimes) -> [Range<Int>] {
    let count = times.count
    guard count > 1 else { return [0..<count] }
    let span = times.last.subtractingReportingOverflow(times.first)
    let cell = cell(stepNanos: (span.overflow ? .max : span.partialValue) / Int64(count - 1))
    var cuts: [Range<Int>] = []
    var start = 0
    while start < count {
      let first = times.tick(start)
      // Where the cell of `first` ends; no such instant exists near the end of time.
      let (boundary, overflow) = first.addingReportingOverflow(
        cell - ((first % cell) + cell) % cell)
      var end = overflow ? count : firstRow(of: times, atOrAfter: boundary, from: start)
      end = min(end, start + maxRows)
      cuts.append(start..<end)
      start = end
    }
    return cuts
  }

  private static func firstRow(of times: SampleTimes, atOrAfter instant: Int64, from: Int) -> Int {
    if case .regular(let regular) = times { return regular.lowerBound(instant) }
    var (low, high) = (from, times.count)
    while low < high {
      let middle = (low + high) / 2
      if times.tick(middle) < instant { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
