import TSEngine
import Testing

@testable import Query

/// Kernels and folds against the plainest Swift that says the same.
@Suite struct KernelTests {
  /// A small generator of its own, so that a failure names its seed.
  struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
  }

  static let corners: [Int64] = [.min, .min + 1, -(1 << 50), -2, -1, 0, 1, 2, 1 << 50, .max - 1, .max]

  static func vector(_ random: inout Random, _ count: Int, nulls: Bool, wild: Bool) -> Vector {
    let vector = Vector(.int)
    for row in 0..<count {
      vector[row] = wild && random.next() % 8 == 0 ? corners.randomElement(using: &random)! : Int64.random(in: -3000...3000, using: &random)
      if nulls, random.next() % 5 == 0 || (row / 70) % 3 == 1 { vector.setNull(row) }
    }
    return vector
  }

  @Test(arguments: 0..<60 as Range<UInt64>) func foldsAgreeWithPlainLoops(seed: UInt64) {
    var random = Random(state: seed)
    let count = [1, 2, 63, 64, 65, 255, 256, 1000, 2047, 2048][Int(seed % 10)]
    let vector = Self.vector(&random, count, nulls: seed % 3 != 0, wild: seed % 2 == 0)
    let low = Int.random(in: 0..<count, using: &random)
    let rows = low..<Int.random(in: low...count, using: &random)
    let valid = rows.filter { vector.isValid($0) }.map { vector[$0] }
    #expect(vector.validCount(rows) == valid.count)
    #expect(vector.sum(rows) == valid.reduce(Int128(0)) { $0 + Int128($1) })
    #expect(vector.extremes(rows)?.min == valid.min())
    #expect(vector.extremes(rows)?.max == valid.max())
    var seen: [Int64] = []
    vector.forEachValid(rows) { _, slot in seen.append(slot) }
    #expect(seen == valid)
  }

  @Test(arguments: 0..<40 as Range<UInt64>) func arithmeticKernelsReportExactlyTheRowsThatOverflow(seed: UInt64) {
    var random = Random(state: seed &+ 1000)
    let (a, b) = (Self.vector(&random, 100, nulls: false, wild: true), Self.vector(&random, 100, nulls: false, wild: true))
    let out = Vector(.int)
    for operation in [Arithmetic.add, .subtract, .multiply, .divide, .modulo] {
      let failed = ArithmeticKernels.integer(operation)(a, b, out, 100)
      var mustFail = false
      for row in 0..<100 {
        let (x, y) = (a[row], b[row])
        let wide: Int128? =
          switch operation {
          case .add: Int128(x) + Int128(y)
          case .subtract: Int128(x) - Int128(y)
          case .multiply: Int128(x) * Int128(y)
          case .divide: y == 0 ? nil : Int128(x) / Int128(y)
          default: y == 0 ? nil : Int128(x) % Int128(y)
          }
        let expected = wide.flatMap { Int64(exactly: $0) }
        #expect((ArithmeticKernels.integerFailure(operation, x, y) != nil) == (expected == nil))
        if let expected { #expect(out[row] == expected) } else { mustFail = true }
      }
      #expect(failed == mustFail)
    }
  }

  @Test(arguments: 0..<30 as Range<UInt64>) func exactSumsAreTheSameInAnyOrderAndGrouping(seed: UInt64) {
    var random = Random(state: seed)
    var terms = (0..<3000).map { _ -> Double in
      let value = Double(bitPattern: random.next())
      return value.isFinite ? value : 1
    }
    if seed % 2 == 0 { terms = terms.map { Double(sign: $0.sign, exponent: Int($0.exponent) % 60, significand: $0.significand) } }
    func sum(_ values: some Sequence<Double>) -> ExactSum {
      var sum = ExactSum()
      for value in values { sum.add(value) }
      return sum
    }
    let whole = sum(terms).value
    #expect(sum(terms.shuffled(using: &random)).value.bitPattern == whole.bitPattern)
    var parts = ExactSum()
    for start in stride(from: 0, to: terms.count, by: 7) { parts.add(sum(terms[start..<min(start + 7, terms.count)])) }
    #expect(parts.value.bitPattern == whole.bitPattern)
  }

  @Test func exactSumsRoundOnce() {
    func sum(_ values: [Double]) -> Double {
      var sum = ExactSum()
      for value in values { sum.add(value) }
      return sum.value
    }
    #expect(sum([1e16, 1, -1e16]) == 1)
    #expect(sum([0.1, 0.2, 0.3, -0.6]) == 2.7755575615628914e-17)
    #expect(sum([.greatestFiniteMagnitude, .greatestFiniteMagnitude, -.greatestFiniteMagnitude]) == .greatestFiniteMagnitude)
    #expect(sum([.leastNonzeroMagnitude, .leastNonzeroMagnitude]) == 2 * .leastNonzeroMagnitude)
    #expect(sum([1, Double(sign: .plus, exponent: -53, significand: 1)]) == 1)
    #expect(sum([1, Double(sign: .plus, exponent: -53, significand: 1), .leastNonzeroMagnitude]) == 1.0.nextUp)
    #expect(sum([.infinity, 1]) == .infinity)
    #expect(sum([.infinity, -.infinity]).isNaN)
    #expect(sum([-0.0]) == 0)
  }

  @Test func quotientsRoundOnce() {
    #expect(roundedQuotient(779_700_000_000_000, 3_600_000_000_000) == 216.58333333333334)
    #expect(roundedQuotient(-7, 2) == -3.5)
    #expect(roundedQuotient(Int128(1) << 100, 1) == 0x1p100)
    #expect(roundedQuotient((Int128(1) << 53) + 1, 1) == 0x1p53)
    #expect(roundedQuotient((Int128(1) << 53) + 3, 1) == 0x1p53 + 4)
    #expect(roundedQuotient(1, 3) == 1.0 / 3.0)
  }

  @Test func floatKeysOrderAsPostgreSQLDoes() {
    let ordered: [Double] = [-.infinity, -1e300, -1, -.leastNonzeroMagnitude, 0, .leastNonzeroMagnitude, 1, .infinity, .nan]
    for (a, b) in zip(ordered, ordered.dropFirst()) { #expect(orderedKey(a) < orderedKey(b)) }
    #expect(orderedKey(-0.0) == orderedKey(0))
    for value in ordered.dropLast() { #expect(doubleOfOrderedKey(orderedKey(value)) == value) }
  }

  @Test func everyDayOfFourCenturiesComesBackFromItsDate() {
    var day = Calendar.day(year: 1800, month: 1, day: 1)
    let end = Calendar.day(year: 2200, month: 1, day: 1)
    var expected = Calendar.Date(year: 1800, month: 1, day: 1)
    while day < end {
      #expect(Calendar.date(ofDay: day) == expected)
      day += 1
      expected.day += 1
      if expected.day > Calendar.daysInMonth(year: expected.year, month: expected.month) {
        expected.day = 1
        expected.month += 1
        if expected.month == 13 { (expected.month, expected.year) = (1, expected.year + 1) }
      }
    }
  }

  @Test func timestampsReadBackAsPrinted() {
    var random = Random(state: 4)
    for instant in [Int64.min, -1, 0, 1, .max] + (0..<2000).map({ _ in Int64(bitPattern: random.next()) }) {
      #expect(TimestampText.parse(TimestampText.format(instant)) == instant)
    }
    for wrong in ["", "2026", "2026-13-01", "2026-02-29", "2026-01-01T24:00", "2026-01-01 10:00x", "9999-01-01", "2026-1-1"] {
      #expect(TimestampText.parse(wrong) == nil, "\(wrong)")
    }
  }

  /// P-31 in UTC: buckets touch, and every instant lies in the one that its start names.
  @Test func bucketsPartitionTime() {
    var random = Random(state: 9)
    let grids: [TimeGrid] = [
      .fixed(width: 1, origin: 0), .fixed(width: 900_000_000_000, origin: 7), .fixed(width: 7 * Calendar.nanosPerDay, origin: 946_857_600_000_000_000),
      .months(1, origin: 24_000), .months(5, origin: 24_001), .months(12, origin: 0),
    ]
    for grid in grids {
      for _ in 0..<500 {
        let instant = Int64.random(in: -(1 << 61)...(1 << 61), using: &random)
        let (start, next) = (grid.start(of: instant), grid.next(after: instant))
        #expect(start <= instant && instant < next)
        #expect(grid.start(of: start) == start && grid.start(of: next) == next && grid.start(of: next - 1) == start)
      }
    }
  }

  @Test func groupsFindTheirKeysThroughGrowthAndMerging() {
    var random = Random(state: 2)
    let (a, b) = (Vector(.int), Vector(.float))
    var table = GroupTable(types: [.int, .float])
    var other = table
    var seen: [String: Int] = [:]
    for round in 0..<4000 {
      a.clearNulls()
      b.clearNulls()
      let key = Int64(random.next() % 700)
      a[0] = key % 50
      b[0] = slot(of: Double(key / 50))
      if key == 3 { a.setNull(0) }
      if key == 4 { b.setNull(0) }
      let name = "\(a.isValid(0) ? "\(a[0])" : "-")/\(b.isValid(0) ? "\(double(b[0]))" : "-")"
      let group = table.find([a, b], row: 0, sequence: UInt64(round))
      #expect(seen[name, default: group] == group)
      seen[name] = group
      if round % 2 == 0 { _ = other.find([a, b], row: 0, sequence: UInt64(round)) }
    }
    #expect(table.count == seen.count)
    let map = table.merge(other)
    #expect(table.count == seen.count && Set(map).count == other.count)
  }
}
