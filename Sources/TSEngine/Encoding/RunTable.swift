/// Runs of equal values across a whole section: provenance (one LSN a frame), states, settings.
///
/// Lengths and values are sections of their own, so that equal lengths and evenly rising values
/// cost a few bytes for any number of runs.
struct RunTable: Sendable {
  /// One past the last value of each run, ascending; the last is the section's count.
  var ends: [Int32] = []
  var values: [Int64] = []

  /// Layout: varint run count, varint byte count of the lengths' section, that section, then the
  /// values' section to the end.
  static func parse(
    _ reader: inout ByteReader, _ bytes: [UInt8], count: Int
  ) throws(StorageError) -> RunTable {
    let at = reader.offset
    let runCount = try reader.count(limit: count)
    let lengthBytes = try reader.count(limit: reader.remaining)
    let lengthsStart = reader.offset
    _ = try reader.take(lengthBytes)
    let valuesStart = reader.offset
    _ = try reader.take(reader.remaining)
    let lengths = try flat(bytes, lengthsStart..<valuesStart, count: runCount)
    let values = try flat(bytes, valuesStart..<reader.offset, count: runCount)
    var table = RunTable()
    table.values = values
    table.ends.reserveCapacity(runCount)
    var end: Int64 = 0
    for length in lengths {
      guard length > 0, length <= Int64(count) - end else {
        throw StorageError(.corrupt, "run length \(length)", offset: at)
      }
      end += length
      table.ends.append(Int32(end))
    }
    guard end == Int64(count) else {
      throw StorageError(.corrupt, "runs of \(end) values, not \(count)", offset: at)
    }
    return table
  }

  /// Decodes a nested section, which must be of a form that nests no further and has no nulls.
  static func flat(
    _ bytes: [UInt8], _ range: Range<Int>, count: Int
  ) throws(StorageError) -> [Int64] {
    guard let first = range.isEmpty ? nil : bytes[range.lowerBound],
      first == SectionForm.constant.rawValue
        || first & ~SectionFlag.divisor == SectionForm.paged.rawValue
        || first & ~SectionFlag.divisor == SectionForm.cold.rawValue
    else { throw StorageError(.corrupt, "nested section", offset: range.lowerBound) }
    let section = try ColumnSection(bytes, in: range, count: count)
    for page in 0..<section.pageCount where section.hasNulls(page: page) {
      throw StorageError(.corrupt, "null run", offset: range.lowerBound)
    }
    var values = [Int64](repeating: 0, count: count)
    var out = values.mutableSpan
    section.decode(pages: 0..<section.pageCount, into: &out)
    return values
  }

  /// The run that holds value `index`. O(log runs).
  func run(of index: Int) -> Int {
    var (low, high) = (0, ends.count)
    while low < high {
      let middle = (low + high) / 2
      if Int(ends[middle]) <= index { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Calls `body` with each stretch of equal values that overlaps `rows`, clipped to it and
  /// counted from its start.
  @inline(__always) func forEachRun(in rows: Range<Int>, _ body: (Range<Int>, Int64) -> Void) {
    var run = run(of: rows.lowerBound)
    var start = rows.lowerBound
    while start < rows.upperBound {
      let end = min(Int(ends[run]), rows.upperBound)
      body(start &- rows.lowerBound..<end &- rows.lowerBound, values[run])
      start = end
      run += 1
    }
  }

  func bounds(_ rows: Range<Int>) -> ClosedRange<Int64> {
    var (low, high) = (Int64.max, Int64.min)
    forEachRun(in: rows) { _, value in
      low = min(low, value)
      high = max(high, value)
    }
    return low...max(low, high)
  }
}
