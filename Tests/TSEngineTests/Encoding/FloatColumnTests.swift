import Testing

@testable import TSEngine

@Suite struct FloatColumnTests {
  static func slot(_ value: Double) -> Int64 { Int64(bitPattern: value.bitPattern) }

  @Test func everyBitPatternComesBack() throws {
    let odd: [Double] = [
      0.0, -0.0, .infinity, -.infinity, .nan, Double(nan: 5, signaling: false),
      Double(bitPattern: 0xFFF8_0000_0000_0001), .greatestFiniteMagnitude, .leastNonzeroMagnitude,
      -.leastNonzeroMagnitude, 1.5, -1e300, .pi,
    ]
    for count in [1, 13, 256, 257, 1_000] {
      try expectRoundTrip((0..<count).map { Self.slot(odd[$0 % odd.count]) }, .float)
    }
    var random = SeededGenerator(seed: 1)
    try expectRoundTrip((0..<700).map { _ in Int64(bitPattern: random.next()) }, .float)
    try expectRoundTrip(
      (0..<700).map { _ in random.next() % 4 == 0 ? nil : Int64(bitPattern: random.next()) }, .float)
  }

  @Test func keysFollowPostgresOrderAndAreABijection() {
    let ascending: [Double] = [
      -.infinity, -1e300, -1, -.leastNonzeroMagnitude, -0.0, 0.0, .leastNonzeroMagnitude, 1, 1e300,
      .infinity, .nan,
    ]
    for (low, high) in zip(ascending, ascending.dropFirst()) {
      #expect(FloatOrder.key(low) < FloatOrder.key(high), "\(low) \(high)")
    }
    #expect(FloatOrder.key(Double(bitPattern: 0xFFF8_0000_0000_0001)) > FloatOrder.key(.infinity))
    for bits: Int64 in [.min, .max, -1, 0, 1, slotOfNegativeInfinity] {
      #expect(FloatOrder.bits(key: FloatOrder.key(bits: bits)) == bits)
    }
    #expect(FloatOrder.lowestKey(equalTo: 0.0) == FloatOrder.key(-0.0))
    #expect(FloatOrder.highestKey(equalTo: -0.0) == FloatOrder.key(0.0))
    #expect(FloatOrder.lowestKey(equalTo: .nan) <= FloatOrder.key(.nan))
  }
  private var slotOfNegativeInfinity: Int64 { Self.slot(-.infinity) }

  @Test(arguments: 0...6) func decimalsPackAsIntegers(exponent: Int) throws {
    var random = SeededGenerator(seed: UInt64(exponent))
    var power = 1.0
    for _ in 0..<exponent { power *= 10 }
    let column: Column = (0..<1_000).map { _ in
      Self.slot(Double(Int64(random.next() % 1_000) - 200) / power)
    }
    // -0.0 is no such decimal: -0 / 10^e is +0.
    try expectRoundTrip(column.map { $0 == .min ? 0 : $0 }, .float)
    #expect(encoded(column).bytes.count > 1_000 * 2)
    #expect(encoded(column.map { $0 == .min ? 0 : $0 }, .float).bytes.count < 1_000 * 11 / 8 + 32)
    try expectRoundTrip(column.map { $0 == .min ? 0 : $0 } + [Self.slot(-0.0)], .float)
    try expectRoundTrip(column.map { $0 == .min ? 0 : $0 } + [Self.slot(.nan)], .float)
  }

  /// A sensor that sends NaN now and then must not cost its decimals.
  @Test func oddDoublesAmongDecimalsArePatches() throws {
    let odd: [Double] = [.nan, Double(nan: 7, signaling: false), -0.0, .infinity, -.infinity, .pi]
    for seed in 0..<12 as Range<UInt64> {
      var random = SeededGenerator(seed: seed)
      var column: Column = []
      for _ in 0..<1_500 {
        let isOdd = random.next() % (seed < 6 ? 40 : 200) == 0
        let reading = Double(2_300 + Int64(random.next() % 16)) / 10
        column.append(Self.slot(isOdd ? odd[Int(random.next() % 6)] : reading))
      }
      column[0] = Self.slot(odd[Int(seed % 6)])
      column[1_499] = Self.slot(odd[Int(seed % 6)])
      try expectRoundTrip(column, .float, "seed \(seed)")
      let patchCount = column.count { $0.map { !Self.isTenth($0) } ?? false }
      #expect(encoded(column, .float).bytes.count < 1_500 * 6 / 8 + patchCount * 11 + 64)
      for index in column.indices where random.next() % 9 == 0 { column[index] = nil }
      try expectRoundTrip(column, .float, "nulls, seed \(seed)")
    }
    // A constant but for one.
    for count in [2, 9, 300] {
      var column = Column(repeating: Self.slot(1.5), count: count)
      column[count / 2] = Self.slot(.nan)
      try expectRoundTrip(column, .float, "count \(count)")
    }
  }

  private static func isTenth(_ slot: Int64) -> Bool {
    let value = Double(bitPattern: UInt64(bitPattern: slot))
    return DecimalScale.integer(value, power: 10) != nil
  }

  /// One reading with many digits does not make all others wide.
  @Test func aLongDecimalIsAPatch() throws {
    var column: Column = (0..<1_000).map { Self.slot(Double($0 % 32) / 10) }
    column[500] = Self.slot(0.123_456_789)
    try expectRoundTrip(column, .float)
    #expect(encoded(column, .float).bytes.count < 1_000 * 6 / 8 + 64)
  }

  @Test func fewDistinctDoublesMakeADictionary() throws {
    var random = SeededGenerator(seed: 5)
    let levels = (0..<5).map { _ in Self.slot(Double.random(in: -1...1, using: &random)) }
    let column: Column = (0..<2_000).map { _ in levels[Int(random.next() % 5)] }
    try expectRoundTrip(column, .float)
    #expect(encoded(column, .float).bytes.count < 2_000)
  }
}
