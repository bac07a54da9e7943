import Testing

@testable import TSEngine

/// Damaged sections give an error or some values; never a trap. (That values are right is the
/// business of the block's checksum.)
@Suite struct EncodingDamageTests {
  /// One section of each form and page codec.
  static func samples() -> [(name: String, column: Column, type: ColumnType)] {
    var random = SeededGenerator(seed: 77)
    let next = { (bound: UInt64) in Int64(random.next() % bound) }
    let doubles = (0..<3).map { _ in Double(next(1 << 50)).squareRoot() }
    return [
      ("constant", Column(repeating: 50_000_000, count: 300), .int),
      ("null", Column(repeating: nil, count: 300), .int),
      ("frame", (0..<300).map { _ in 7 + next(16) }, .int),
      ("patched", (0..<300).map { $0 % 90 == 5 ? next(9_000) : next(8) }, .int),
      ("delta", (0..<300).map { Int64($0) * 37 + next(3) }, .int),
      ("stepped", (0..<300).map { ($0 < 100 ? 0 : 2_000) + next(8) }, .int),
      ("runs of a page", (0..<256).map { Int64($0 / 70) * 977 % 1_000 } + (0..<60).map { _ in next(99) }, .int),
      ("runs", (0..<600).map { Int64($0 / 20) * 3 }, .int),
      ("wide", (0..<300).map { _ in next(1 << 40) }, .int),
      ("wide delta", (0..<300).map { 1_767_225_600_000_000_000 + Int64($0) * 1_000_000_007 + next(999) }, .int),
      ("divisor", (0..<300).map { _ in next(200) * 10 }, .int),
      ("nulls", (0..<300).map { _ in next(3) == 0 ? nil : next(50) }, .int),
      ("dictionary", (0..<300).map { _ in FloatColumnTests.slot(doubles[Int(next(3))]) }, .float),
      ("sparse", (0..<600).map { $0 % 20 == 3 ? 2_300 + next(16) : nil }, .int),
      ("sparse gaps", (0..<600).map { _ in next(9) == 0 ? next(1 << 30) : nil }, .int),
      ("sparse decimal", (0..<300).map { $0 % 20 == 0 ? FloatColumnTests.slot(Double(next(500)) / 10) : nil }, .float),
      ("cold noise", (0..<301).map { _ in 2_300 + next(9) + next(9) }, .int),
      ("cold load", (0..<500).map { $0 / 100 % 2 == 0 ? next(2) : 1_500 + next(16) }, .int),
      ("cold wide", (0..<300).map { _ in next(1 << 40) * next(1 << 20) }, .int),
      ("cold clock", (0..<400).map { 1_767_225_600_000_000_000 + ($0 * 1_000 + next(5)) * 1_000_000 }, .int),
      ("cold decimal", (0..<300).map { _ in FloatColumnTests.slot(Double(next(12) * next(12)) / 10) }, .float),
      ("cold nulls", (0..<900).map { _ in next(30) == 0 ? nil : next(6) * next(9) }, .int),
      ("patched decimal", (0..<300).map { $0 % 50 == 7 ? FloatColumnTests.slot(.nan) : FloatColumnTests.slot(Double(next(500)) / 10) }, .float),
      ("decimal", (0..<300).map { _ in FloatColumnTests.slot(Double(next(500)) / 10) }, .float),
    ]
  }

  private func read(_ bytes: [UInt8], count: Int) {
    guard let section = try? ColumnSection(bytes, count: count) else { return }
    _ = decoded(section)
    for page in 0..<section.pageCount {
      _ = section.bounds(page: page)
      _ = section.minMax(page: page)
      _ = section.select(page: page, in: 3...2_000)
      if !section.isFloat { _ = section.sum(page: page) }
    }
    if !section.isFloat, section.fitsInt32 {
      var slots = [Int32](repeating: 0, count: count)
      var out = slots.mutableSpan
      section.decode(pages: 0..<section.pageCount, into: &out)
    }
  }

  @Test(arguments: 0..<24) func everySampleReadsBack(sample: Int) throws {
    let (name, column, type) = Self.samples()[sample]
    try expectRoundTrip(column, type, name)
  }

  @Test(arguments: 0..<24) func aSectionCutAnywhereIsRefused(sample: Int) {
    let (name, column, type) = Self.samples()[sample]
    let bytes = encoded(column, type, isCold: name.hasPrefix("cold")).bytes
    for length in 0..<bytes.count {
      #expect(throws: StorageError.self, "\(name) cut at \(length)") {
        _ = try ColumnSection(Array(bytes[..<length]), count: column.count)
      }
    }
  }

  @Test(arguments: 0..<24) func noFlippedBitTraps(sample: Int) {
    let (name, column, type) = Self.samples()[sample]
    var bytes = encoded(column, type, isCold: name.hasPrefix("cold")).bytes
    for bit in 0..<min(bytes.count, 700) * 8 {
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      read(bytes, count: column.count)
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
    }
  }

  @Test func noRandomBytesTrap() {
    for seed in 0..<UInt64(2_000) {
      var random = SeededGenerator(seed: seed)
      var bytes = (0..<Int(random.next() % 200)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      // Half of them get past the first byte.
      if seed % 2 == 0, !bytes.isEmpty { bytes[0] = [1, 2, 3, 4, 5, 7, 0x13, 0x23, 0x63, 6, 0x16, 0x66, 0xE3, 0xE6][Int(seed / 2 % 14)] }
      read(bytes, count: 1 + Int(random.next() % 600))
      _ = try? SymbolColumn(bytes, count: 5) { Int64($0.utf8.count) }
    }
  }

  @Test func aClaimOfManyPagesInFewBytesAllocatesNothing() {
    #expect(throws: StorageError.self) {
      _ = try ColumnSection([3, 0, 5, 0x20, 0], count: 65_536)
    }
    #expect(throws: StorageError.self) {
      _ = try ColumnSection([5, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0], count: 65_536)
    }
  }
}
