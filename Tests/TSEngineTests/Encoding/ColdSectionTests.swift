import Testing

@testable import TSEngine

@Suite struct ColdSectionTests {
  private func isCold(_ bytes: [UInt8]) -> Bool { bytes.first.map { $0 & 15 == 6 } ?? false }

  /// A load that is off, on and off again: nothing, noise, and the jumps between.
  static func load(_ count: Int, seed: UInt64) -> [Int64] {
    var random = SeededGenerator(seed: seed)
    var values: [Int64] = []
    var level: Int64 = 0
    while values.count < count {
      level = level == 0 ? 200 + Int64(random.next() % 2_000) : 0
      for _ in 0..<min(100 + Int(random.next() % 900), count - values.count) {
        let noise = (0..<4).reduce(Int64(0)) { sum, _ in sum + Int64(random.next() % 5) } - 8
        values.append(level == 0 ? (random.next() % 9 == 0 ? 1 : 0) : level + noise)
      }
    }
    return values
  }

  @Test(arguments: [64, 65, 66, 67, 255, 256, 257, 1_000, 6_000, 65_536])
  func everyCountComesBack(count: Int) throws {
    for seed in 0..<3 as Range<UInt64> {
      try expectRoundTrip(Column(Self.load(count, seed: seed)), .int, "seed \(seed)")
    }
  }

  /// A program written after Docs/FORMAT.md alone decoded these bytes to the same values.
  @Test func bytesOfVersion1ComeBack() throws {
    let bytes: [UInt8] = [
      0x06, 0x00, 0x87, 0x11, 0x00, 0x23, 0x10, 0x41, 0x00, 0x00, 0x00, 0xFF, 0x10, 0x00,
      0x00, 0x01, 0x1D, 0x9C, 0x2F, 0x52, 0x1C, 0x47, 0xFF, 0x3F, 0xB3, 0x74, 0xB0, 0x44,
      0x80, 0xAE, 0xEF, 0x09, 0x11, 0xB6, 0x05, 0xE4, 0x24, 0x17, 0xF5, 0xFF, 0xFF, 0xFF,
      0x3F, 0x26, 0xFC, 0x03, 0x6F, 0x72, 0x08, 0x00, 0xCF, 0xAD, 0x92, 0x03, 0x2A, 0x59,
      0x10, 0x00, 0x47, 0x46, 0x62, 0x91, 0x12, 0xEF, 0x85, 0x67, 0x86, 0x4C, 0x34, 0xEF,
      0x81, 0x73, 0x21, 0xB5, 0xBC, 0x03, 0x0D, 0x98, 0xCB, 0xFE, 0xF5, 0xC5, 0x0C, 0xA7,
      0x49, 0xDB, 0xFB, 0x16, 0x9C, 0x6D, 0xCD, 0xBA, 0xA3, 0x8E, 0x21, 0xA1, 0x9F, 0xC5,
      0xEE, 0x74, 0xA1, 0xB1, 0xE8, 0x67, 0x76, 0x67, 0x86, 0xE7, 0xF1, 0x23, 0x84, 0x99,
      0xB1, 0x19, 0xFA, 0x38, 0x58, 0x61, 0xAC, 0xB2, 0xCE, 0x9E, 0x89, 0x21, 0xC4, 0xF9,
      0x75, 0x41, 0x81, 0x2C, 0x5C, 0x86, 0x25, 0x2B, 0x57, 0xF8, 0xB8, 0x18, 0x38, 0x2D,
      0x27, 0xE2, 0xBC, 0xA1, 0xCA, 0x2F, 0x52, 0xE1, 0x7A, 0xF3, 0xA2, 0xB9,
    ]
    #expect(decoded(try ColumnSection(bytes, count: 700)) == Column(Self.load(700, seed: 4)))
  }

  @Test func aSwitchedLoadIsAFifthSmaller() {
    let column = Column(Self.load(6_000, seed: 1))
    let (packed, cold) = (encoded(column).bytes, encoded(column, isCold: true).bytes)
    #expect(isCold(cold))
    #expect(cold.count * 5 < packed.count * 4)
  }

  /// The activity chooses the table: the bits come near the entropy given what the load does.
  @Test func noiseCostsItsEntropy() {
    var random = SeededGenerator(seed: 2)
    // Sums of two uniform numbers of 0 ... 7: 3.70 bits each.
    var column: Column = []
    for _ in 0..<6_000 {
      let sum = random.next() % 8 + random.next() % 8
      column.append(2_300 + Int64(sum))
    }
    let cold = encoded(column, isCold: true).bytes
    #expect(isCold(cold))
    #expect(Double(cold.count * 8) < 6_000 * 3.70 * 1.05)
  }

  @Test func aJitteredClockCostsItsJitter() throws {
    var random = SeededGenerator(seed: 3)
    var column: Column = []
    for index in 0..<3_600 as Range<Int64> {
      let millis = index * 1_000 + Int64(random.next() % 8)
      column.append(1_767_225_600_000_000_000 + millis * 1_000_000)
    }
    try expectRoundTrip(column)
    let cold = encoded(column, isCold: true).bytes
    #expect(isCold(cold))
    #expect(Double(cold.count * 8) < 3_600 * 3.5)
  }

  @Test func whatItDoesNotSaveStaysPacked() {
    var random = SeededGenerator(seed: 4)
    let even: Column = (0..<6_000).map { _ in Int64(random.next() % 1_024) }
    #expect(encoded(even, isCold: true).bytes == encoded(even).bytes)
    let constant = Column(repeating: 7, count: 6_000)
    #expect(encoded(constant, isCold: true).bytes == encoded(constant).bytes)
    let few: Column = (0..<40).map { Int64($0 % 7) }
    #expect(encoded(few, isCold: true).bytes == encoded(few).bytes)
  }

  @Test func nullsAmongNoiseCostLittle() throws {
    var random = SeededGenerator(seed: 5)
    let column: Column = Self.load(6_000, seed: 5).map { random.next() % 50 == 0 ? nil : $0 }
    try expectRoundTrip(column)
    let (packed, cold) = (encoded(column).bytes, encoded(column, isCold: true).bytes)
    #expect(cold.count * 4 < packed.count * 3)
  }

  @Test(arguments: UInt64(0)..<60) func extremesComeBack(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let odd: [Int64] = [.min, .max, 0, -1, .min + 1, .max - 1, 1 << 62]
    let share = 1 + random.next() % 40
    let column: Column = (0..<(64 + Int(random.next() % 500))).map { _ in
      random.next() % share == 0 ? odd[Int(random.next() % 7)] : Int64(random.next() % 5)
    }
    try expectRoundTrip(column, .int, "seed \(seed)")
    try expectRoundTrip(column, .float, "float, seed \(seed)")
  }

  @Test func aSectionThatDoesNotComeOutEvenIsRefused() throws {
    let values = Self.load(600, seed: 6)
    let bytes = encoded(Column(values), isCold: true).bytes
    try #require(isCold(bytes))
    // A value more or less, and words behind the end.
    for count in [596, 604] {
      #expect(throws: StorageError.self) { _ = try ColumnSection(bytes, count: count) }
    }
    #expect(throws: StorageError.self) { _ = try ColumnSection(bytes + [0, 0], count: 600) }
    #expect(throws: StorageError.self) { _ = try ColumnSection(bytes + [0], count: 600) }
  }

  @Test func frequenciesComeBackAndAddUp() throws {
    for seed in 0..<200 as Range<UInt64> {
      var random = SeededGenerator(seed: seed)
      var counts = [UInt32](repeating: 0, count: 256)
      for _ in 0...(random.next() % 256) {
        counts[Int(random.next() % 256)] = UInt32(random.next() % (1 << (random.next() % 17)))
      }
      counts[Int(random.next() % 256)] += 1
      let table = FrequencyTable(scaling: counts.span)
      #expect(table.frequencies.reduce(0) { $0 + Int($1) } == 1_024, "seed \(seed)")
      for symbol in 0..<256 {
        #expect((table.frequencies[symbol] > 0) == (counts[symbol] > 0), "seed \(seed)")
      }
      var stream = BitStream.Writer()
      var bytes: [UInt8] = []
      table.write(&stream, into: &bytes)
      stream.finish(into: &bytes)
      var cursor = BitCursor(bytes.rawSpan)
      #expect(try FrequencyTable(reading: &cursor).frequencies == table.frequencies, "seed \(seed)")
      for length in 0..<bytes.count {
        var short = BitCursor(bytes.rawSpan.extracting(0..<length))
        #expect(throws: StorageError.self) { _ = try FrequencyTable(reading: &short) }
      }
    }
  }

  @Test func symbolsOfDistancesTileAllNumbers() {
    var next: UInt64 = 0
    for symbol in 0..<256 {
      #expect(DistanceCode.base(symbol) == next)
      let last = next &+ (1 << UInt64(DistanceCode.extraBits(symbol))) &- 1
      #expect(DistanceCode.symbol(next) == symbol && DistanceCode.symbol(last) == symbol)
      next = last &+ 1
    }
    #expect(next == 0, "the last symbol ends at 2^64 - 1")
  }
}
