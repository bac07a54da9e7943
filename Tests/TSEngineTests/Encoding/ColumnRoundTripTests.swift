import Testing

@testable import TSEngine

@Suite struct ColumnRoundTripTests {
  static let counts = [1, 2, 15, 16, 17, 255, 256, 257, 511, 512, 6_000]

  @Test(arguments: counts) func constantsComeBackAtEveryLength(count: Int) throws {
    for value in [0, 1, -1, 50_000_000, Int64.max, .min] {
      let column = Column(repeating: value, count: count)
      try expectRoundTrip(column)
      let size = encoded(column).bytes.count
      #expect(size <= (value.magnitude < 1 << 40 ? 8 : 11))
    }
  }

  @Test(arguments: counts) func allNullsCostOneByte(count: Int) throws {
    let column = Column(repeating: nil, count: count)
    try expectRoundTrip(column)
    #expect(encoded(column).bytes.count == 1)
  }

  @Test(arguments: 0...64) func everyWidthComesBack(width: Int) throws {
    var random = SeededGenerator(seed: UInt64(width))
    let mask: UInt64 = width == 64 ? .max : (1 << UInt64(width)) - 1
    for count in [1, 100, 256, 300, 1_000] {
      for base: Int64 in [0, -1_000_000_007, .min] {
        let column: Column = (0..<count).map { _ in
          base &+ Int64(bitPattern: random.next() & mask)
        }
        try expectRoundTrip(column, .int, "width \(width) count \(count) base \(base)")
      }
    }
  }

  @Test(arguments: counts) func extremesComeBack(count: Int) throws {
    let values: [Int64] = [.min, .max, 0, -1, 1, .min + 1, .max - 1]
    try expectRoundTrip((0..<count).map { values[$0 % values.count] })
    try expectRoundTrip((0..<count).map { $0 % 200 == 7 ? (.max) : Int64($0 % 5) })
    try expectRoundTrip((0..<count).map { $0 % 200 == 7 ? (.min) : Int64($0 % 5) })
  }

  /// A step of 2^63 or more is told modulo 2^64: bounds of a delta page once believed its sign, and
  /// a filter passed over the page.
  @Test func stepsAcrossAllOfInt64KeepTheirPageInView() throws {
    for seed in 0..<40 as Range<UInt64> {
      var random = SeededGenerator(seed: seed)
      let column: Column = (0..<300).map { _ in
        random.next() % 9 == 0 ? [.min, .max, .min + 1][Int(random.next() % 3)] : Int64(random.next() % 5)
      }
      try expectRoundTrip(column, .int, "seed \(seed)")
    }
  }

  @Test func mixedNullsComeBackAndDoNotSpoilPacking() throws {
    for seed in 0..<UInt64(20) {
      var random = SeededGenerator(seed: seed)
      let share = UInt64(1) + seed % 9
      let column: Column = (0..<1_500).map { index in
        // Whole pages of nulls, whole pages without, and mixed ones.
        if (256..<512).contains(index) { return nil }
        if (512..<768).contains(index) { return 2_300 + Int64(random.next() % 16) }
        return random.next() % 10 < share ? nil : 2_300 + Int64(random.next() % 16)
      }
      try expectRoundTrip(column, .int, "seed \(seed)")
      #expect(encoded(column).bytes.count < 1_500 / 2 + 5 * 32 + 40, "seed \(seed)")
    }
  }

  /// A voltage a second among twenty rows of power costs what the voltages do.
  @Test func aValueInTwentyCostsAFewBytesAPage() throws {
    for count in [1_024, 6_000] {
      for phase in [0, 7, 19] {
        var random = SeededGenerator(seed: UInt64(count + phase))
        let column: Column = (0..<count).map {
          $0 % 20 == phase ? 2_300 + Int64(random.next() % 8) : nil
        }
        try expectRoundTrip(column, .int, "count \(count) phase \(phase)")
        // Three bits a value, four rows of lanes at least, and a dozen bytes for the positions.
        #expect(encoded(column).bytes.count <= max(count / 20 * 4 / 8, 32) + 32)
      }
    }
  }

  @Test func fewValuesAnywhereComeBack() throws {
    for seed in 0..<UInt64(60) {
      var random = SeededGenerator(seed: seed)
      let count = 1 + Int(random.next() % 1_500)
      let share = 1 + random.next() % 300
      let spread = UInt64(1) << (random.next() % 62)
      var column: Column = (0..<count).map { _ in
        random.next() % 1_000 < share ? Int64(bitPattern: random.next() % spread) : nil
      }
      column[Int(random.next() % UInt64(count))] = [.min, .max, 0][Int(seed % 3)]
      try expectRoundTrip(column, .int, "seed \(seed)")
      try expectRoundTrip(column, .float, "float, seed \(seed)")
    }
  }

  @Test func nullsAtEitherEndTakeNoPartInFirstAndLast() throws {
    var column = Column(repeating: nil, count: 700)
    column[300] = 5
    column[301] = -7
    try expectRoundTrip(column)
  }

  @Test func aFullSectionOf65536ValuesComesBack() throws {
    var random = SeededGenerator(seed: 65_536)
    try expectRoundTrip((0..<65_536).map { _ in Int64(random.next() % 4_000) })
  }

  /// P-04, P-09: clocks of any rate, regular or jittered.
  @Test func clocksComeBackAndAreSmall() throws {
    var random = SeededGenerator(seed: 3)
    var instant: Int64 = 1_767_225_600_000_000_000
    var jittered: Column = []
    for _ in 0..<6_000 {
      jittered.append(instant)
      instant += 1_000_000 * (995 + Int64(random.next() % 11))
    }
    try expectRoundTrip(jittered)
    #expect(encoded(jittered).bytes.count * 8 < 6_000 * 5)
    let thirds: Column = (0..<6_000).map { Int64($0) * 1_000_000_000 / 30 / 1_000_000 * 1_000_000 }
    try expectRoundTrip(thirds)
    #expect(encoded(thirds).bytes.count * 8 < 6_000 * 2)
  }

  @Test func provenanceCostsLittle() throws {
    // One LSN a frame of 20 rows, 100 meters in turn.
    let regular: Column = (0..<6_000).map { 7_000_000 + Int64($0 / 20) * 100 }
    try expectRoundTrip(regular)
    #expect(encoded(regular).bytes.count < 40)
    var random = SeededGenerator(seed: 9)
    var lsn: Int64 = 1
    var jittered: Column = []
    for index in 0..<6_000 {
      if index % 20 == 0 { lsn += 90 + Int64(random.next() % 20) }
      jittered.append(lsn)
    }
    try expectRoundTrip(jittered)
    #expect(encoded(jittered).bytes.count * 8 < 6_000 / 2)
  }

  @Test func aSwitchedLoadPacksItsTwoLevels() throws {
    var random = SeededGenerator(seed: 4)
    for at in [1, 15, 16, 100, 255] {
      let column: Column = (0..<256).map { ($0 < at ? 3 : 2_000) + Int64(random.next() % 8) }
      try expectRoundTrip(column, .int, "step at \(at)")
      #expect(encoded(column).bytes.count < 96 + 48)
    }
  }

  /// Shapes that between them reach every codec, mixed at random.
  @Test(arguments: UInt64(0)..<150) func randomMixesComeBack(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    var column: Column = []
    let count = 1 + Int(random.next() % 1_400)
    var level = Int64(random.next() % 5_000)
    while column.count < count {
      let length = 1 + Int(random.next() % 400)
      let shape = random.next() % 9
      if shape < 4 { level = Int64(truncatingIfNeeded: random.next()) >> Int64(random.next() % 60) }
      let spread = UInt64(1) << (random.next() % 20)
      for index in 0..<length {
        switch shape {
        case 0: column.append(level)
        case 1, 2, 3: column.append(level &+ Int64(random.next() % spread))
        case 4: column.append(random.next() % 20 == 0 ? level &+ 100_000 : level &+ Int64(random.next() % 8))
        case 5: column.append(Int64(index) &* 1_000 &+ Int64(random.next() % 16))
        case 6: column.append(random.next() % 3 == 0 ? nil : level)
        case 7: column.append([level, ~level, 12_345_678_901][Int(random.next() % 3)])
        default: column.append(Int64(index / 20) &* 7)
        }
      }
    }
    try expectRoundTrip(column, .int, "seed \(seed)")
  }

  @Test func int32DecodingAgreesWhereBoundsFit() throws {
    var random = SeededGenerator(seed: 32)
    for spread: UInt64 in [1, 2, 100, 40_000, 1 << 20, 1 << 31] {
      let column = (0..<900).map { _ in Int64(random.next() % spread) - 1_000 }
      let section = try ColumnSection(encoded(Column(column)).bytes, count: 900)
      #expect(section.fitsInt32)
      var slots = [Int32](repeating: 0, count: 900 - 256)
      var out = slots.mutableSpan
      section.decode(pages: 1..<4, into: &out)
      #expect(slots.map(Int64.init) == Array(column[256...]))
    }
  }
}
