import Testing

@testable import TSEngine

/// SplitMix64: columns of a test come from one printed seed.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// A column as a test has it; nil is null.
typealias Column = [Int64?]

func encoded(_ column: Column, _ type: ColumnType = .int, isCold: Bool = false) -> (
  bytes: [UInt8], statistics: ColumnStatistics
) {
  var encoder = ColumnEncoder()
  encoder.isCold = isCold
  var writer = ByteWriter()
  let slots = column.map { $0 ?? .min }
  let statistics: ColumnStatistics
  if column.contains(nil) {
    let valid = column.map { $0 != nil }
    statistics = encoder.encode(slots.span, valid: valid.span, type: type, into: &writer)
  } else {
    statistics = encoder.encode(slots.span, type: type, into: &writer)
  }
  return (writer.bytes, statistics)
}

func decoded(_ section: ColumnSection) -> Column {
  var slots = [Int64](repeating: 0, count: section.count)
  var out = slots.mutableSpan
  section.decode(pages: 0..<section.pageCount, into: &out)
  var column = Column(slots)
  for page in 0..<section.pageCount {
    let valid = section.validity(page: page)
    for index in 0..<section.valueCount(page: page) where !valid.contains(bit: index) {
      column[page * 256 + index] = nil
    }
  }
  return column
}

/// Encodes, decodes and compares everything a section answers with a scalar reading of `column`;
/// packed and cold.
func expectRoundTrip(
  _ column: Column, _ type: ColumnType = .int, _ note: String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  for isCold in [false, true] {
    try expectRoundTrip(
      column, type, isCold: isCold, isCold ? "cold \(note)" : note, sourceLocation: sourceLocation)
  }
}

private func expectRoundTrip(
  _ column: Column, _ type: ColumnType, isCold: Bool, _ note: String,
  sourceLocation: SourceLocation
) throws {
  let (bytes, statistics) = encoded(column, type, isCold: isCold)
  let section = try ColumnSection(bytes, count: column.count)
  #expect(decoded(section) == column, "\(note)", sourceLocation: sourceLocation)
  let order = column.map { slot in slot.map { type == .float ? FloatOrder.key(bits: $0) : $0 } }
  let valid = order.compactMap { $0 }
  #expect(statistics.count == column.count, sourceLocation: sourceLocation)
  #expect(statistics.nullCount == column.count - valid.count, sourceLocation: sourceLocation)
  #expect(
    statistics.bounds == valid.min().map { $0...valid.max()! }, "\(note)",
    sourceLocation: sourceLocation)
  if !valid.isEmpty {
    #expect(statistics.first == valid.first, "\(note)", sourceLocation: sourceLocation)
    #expect(statistics.last == valid.last, "\(note)", sourceLocation: sourceLocation)
  }
  if type != .float {
    #expect(
      statistics.sum == valid.reduce(0) { $0 + Int128($1) }, "\(note)",
      sourceLocation: sourceLocation)
  }
  expectScans(section, order, note, sourceLocation: sourceLocation)
}

/// Bounds, exact bounds, filters and sums of each page against the values in order space.
private func expectScans(
  _ section: ColumnSection, _ order: Column, _ note: String, sourceLocation: SourceLocation
) {
  for page in 0..<section.pageCount {
    let values = Array(order[page * 256..<page * 256 + section.valueCount(page: page)])
    let valid = values.compactMap { $0 }
    let exact = valid.min().map { $0...valid.max()! }
    #expect(section.minMax(page: page) == exact, "\(note)", sourceLocation: sourceLocation)
    guard let exact else { continue }
    let bounds = section.bounds(page: page)
    #expect(
      bounds.map { $0.lowerBound <= exact.lowerBound && $0.upperBound >= exact.upperBound } == true,
      "\(note): \(String(describing: bounds)) \(exact)", sourceLocation: sourceLocation)
    if !section.isFloat {
      #expect(
        section.sum(page: page) == valid.reduce(0) { $0 + Int128($1) }, "\(note)",
        sourceLocation: sourceLocation)
    }
    let middle = valid[valid.count / 2]
    let other = valid[valid.count / 3]
    let ranges = [
      Int64.min...Int64.max, middle...middle, min(middle, other)...max(middle, other),
      Int64.min...middle, middle...Int64.max, exact.upperBound...Int64.max,
      Int64.min...exact.lowerBound,
    ]
    for range in ranges {
      var expected = PageMask.zero
      for (index, value) in values.enumerated() {
        if let value, range.contains(value) { expected.set(bit: index, to: true) }
      }
      #expect(
        section.select(page: page, in: range) == expected, "\(note) page \(page) \(range)",
        sourceLocation: sourceLocation)
    }
  }
}
