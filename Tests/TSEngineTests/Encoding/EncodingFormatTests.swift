import Testing

@testable import TSEngine

/// Hand-written bytes to values and back: Docs/FORMAT.md (9) in examples.
@Suite struct EncodingFormatTests {
  /// One row of sixteen values, packed with one bit: each lane is a 16-bit word.
  private func word(_ lanes: [UInt16]) -> [UInt8] {
    lanes.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
  }

  private func expect(
    _ bytes: [UInt8], _ column: Column, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let section = try ColumnSection(bytes, count: column.count)
    #expect(decoded(section) == column, sourceLocation: sourceLocation)
    // What we write is this, or smaller by another codec.
    let ours = encoded(column).bytes
    #expect(ours == bytes || ours.count < bytes.count, sourceLocation: sourceLocation)
  }

  @Test func constantSection() throws {
    // Form 1; zigzag 50,000,000 = 100,000,000 as varint.
    try expect([0x01, 0x80, 0xC2, 0xD7, 0x2F], Column(repeating: 50_000_000, count: 6_000))
  }

  @Test func nullSection() throws { try expect([0x02], Column(repeating: nil, count: 9)) }

  @Test func frameOfReference() throws {
    // Form 3, minimum 2,300 (zigzag 4,600), range 5; codec 1 width 3, reference 0; sixteen lanes.
    let lanes: [UInt16] = [0, 1, 2, 3, 4, 5, 0, 3, 2, 1, 0, 5, 4, 3, 2, 1]
    try expect(
      [0x03, 0xF8, 0x23, 5, 0x23, 0] + word(lanes), Column(lanes.map { 2_300 + Int64($0) }))
  }

  @Test func lanesHoldRowsOneAboveTheOther() throws {
    // 32 values of 2 bits: lane l holds value l in bits 0-1 and value 16 + l in bits 2-3.
    let column = (0..<32).map { Int64($0 * $0 * 7 % 11 % 4) }
    let lanes = (0..<16).map { UInt16(column[$0] | column[16 + $0] << 2) }
    try expect([0x03, 0, 3, 0x22, 0] + word(lanes), Column(column))
  }

  @Test func patchedFrame() throws {
    // Codec 2 width 1, reference 0, one exception of code width 9: position 16, high 100 → code 198.
    var column = (0..<32).map { Int64($0 & 1) }
    column[16] = 200
    let lanes = (0..<16).map { UInt16($0 & 1) | UInt16($0 & 1) << 1 }
    let bytes: [UInt8] =
      [0x03, 0, 0xC8, 0x01, 0x41, 0, 6 << 5 | 1] + word(lanes) + [16, 198, 0]
    let section = try ColumnSection(bytes, count: 32)
    #expect(decoded(section) == Column(column))
    #expect(section.bounds(page: 0) == 0...200)
  }

  @Test func deltaSteps() throws {
    // Codec 3 width 0: first 0, each step 7. The divisor 7 is found first, so steps are 1.
    try expect([0x13, 0, 31, 7, 0x60, 0, 2], (0..<32).map { Int64($0) * 7 })
  }

  @Test func steppedFrame() throws {
    // Codec 5 width 0: 1 until position 5, 9 from there; no exceptions.
    let section = try ColumnSection([0x03, 2, 8, 0xA0, 0, 5, 8, 0], count: 20)
    #expect(decoded(section) == (0..<20).map { $0 < 5 ? 1 : 9 })
  }

  @Test func runLengthPage() throws {
    // Three runs of 4-bit values 9, 0, 3 which start at 0, 2 and 7.
    let section = try ColumnSection([0x03, 0, 9, 0xC3, 2, 4, 0, 2, 7, 0x09, 0x03], count: 10)
    #expect(decoded(section) == [9, 9, 0, 0, 0, 0, 0, 3, 3, 3])
  }

  @Test func dictionaryPage() throws {
    // Two entries of 8 bits, codes of one bit.
    let codes = (0..<16).map { UInt16($0 % 3 == 0 ? 1 : 0) }
    let section = try ColumnSection(
      [0x03, 0, 200, 1, 0xC4, 1, 8, 0, 200, 0] + word(codes), count: 16)
    #expect(decoded(section) == (0..<16).map { $0 % 3 == 0 ? 0 : 200 })
  }

  @Test func validityBitmap() throws {
    // Values 1 and 3 of four are null.
    let section = try ColumnSection([0x03, 10, 0, 0xC1, 0b0101, 0, 0x20, 0], count: 4)
    #expect(decoded(section) == [5, nil, 5, nil])
  }

  @Test func runsSection() throws {
    // Ten runs of 20; values 0, 3 … 27: lengths constant, values a delta page with divisor 3.
    let bytes: [UInt8] = [0x04, 10, 2, 0x01, 40, 0x13, 0, 9, 3, 0x60, 0, 2]
    try expect(bytes, (0..<200).map { Int64($0 / 20) * 3 })
  }

  @Test func sparseSection() throws {
    // 15 values valid from position 3 on, 20 apart: the gaps are constant (zigzag 40), and so are
    // the values (zigzag 4,600).
    let bytes: [UInt8] = [0x07, 15, 3, 2, 0x01, 40, 0x01, 0xF8, 0x23]
    try expect(bytes, (0..<300).map { $0 % 20 == 3 ? 2_300 : nil })
    // One value alone has no gaps.
    try expect([0x07, 1, 9, 0, 0x01, 10], (0..<40).map { $0 == 9 ? 5 : nil })
  }

  @Test func sparseSectionsWithPositionsOutsideAreRefused() {
    for bytes: [UInt8] in [
      [0x07, 0, 3, 0, 0x01, 10],  // No value.
      [0x07, 1, 40, 0, 0x01, 10],  // The first past the end.
      [0x07, 2, 3, 2, 0x01, 0, 0x01, 10],  // A gap of 0.
      [0x07, 2, 3, 2, 0x01, 74, 0x01, 10],  // A gap past the end.
      [0x07, 2, 3, 0, 0x01, 10],  // Gaps left out.
      [0x07, 2, 3, 1, 0x02, 0x01, 10],  // Null gaps.
      [0x17, 1, 9, 0, 0x01, 10],  // A divisor of the whole.
    ] {
      #expect(throws: StorageError.self) { _ = try ColumnSection(bytes, count: 40) }
    }
  }

  @Test func repeatedWideValuesGoThroughLZ4() throws {
    // 200 random numbers over and over: no page sees the repetition, LZ4 does.
    var random = SeededGenerator(seed: 8)
    let pool = (0..<200).map { _ in Int64(bitPattern: random.next()) }
    let column = Column((0..<4_000).map { pool[$0 * 7 / 5 % 200] })
    let bytes = encoded(column).bytes
    #expect(bytes[0] == 5)
    #expect(bytes.count < 4_000 * 8 * 9 / 10)
    try expectRoundTrip(column)
    for length in stride(from: 0, to: bytes.count, by: 37) {
      #expect(throws: StorageError.self) {
        _ = try ColumnSection(Array(bytes[..<length]), count: column.count)
      }
    }
  }

  @Test func statisticsTakeAboutTwelveBytesAndMerge() throws {
    let a = encoded((0..<6_000).map { 2_300 + Int64($0 % 17) }).statistics
    var writer = ByteWriter()
    a.encode(into: &writer)
    #expect(writer.count <= 13)
    var reader = ByteReader(writer.bytes.rawSpan)
    #expect(try ColumnStatistics.decode(&reader) == a)
    for seed in 0..<UInt64(50) {
      var random = SeededGenerator(seed: seed)
      let column: Column = (0..<1 + Int(random.next() % 60)).map { _ in
        random.next() % 3 == 0 ? nil : Int64(bitPattern: random.next())
      }
      let cut = Int(random.next() % UInt64(column.count)) + 1
      var merged = encoded(Column(column[..<cut])).statistics
      if cut < column.count { merged.merge(encoded(Column(column[cut...])).statistics) }
      #expect(merged == encoded(column).statistics, "seed \(seed)")
      var writer = ByteWriter()
      merged.encode(into: &writer)
      var reader = ByteReader(writer.bytes.rawSpan)
      #expect(try ColumnStatistics.decode(&reader) == merged, "seed \(seed)")
      for length in 0..<writer.count {
        var short = ByteReader(writer.bytes.rawSpan.extracting(0..<length))
        #expect(throws: StorageError.self) { _ = try ColumnStatistics.decode(&short) }
      }
    }
  }

  @Test func symbolsGoByTheirTexts() throws {
    let texts = ["CT", "rogow_coil", "221013"]
    var encoder = ColumnEncoder()
    var writer = ByteWriter()
    let constant = [Int64](repeating: 2, count: 6_000)
    _ = SymbolColumn.encode(
      constant.span, valid: nil, text: { texts[Int($0)] }, using: &encoder, into: &writer)
    // One text, its length and bytes, the constant section of local code 0.
    #expect(writer.bytes == [1, 6] + Array("221013".utf8) + [1, 0])
    writer = ByteWriter()
    let mixed = (0..<1_000).map { Int64($0 / 7 % 3) }
    let valid = (0..<1_000).map { $0 % 5 != 0 }
    _ = SymbolColumn.encode(
      mixed.span, valid: valid.span, text: { texts[Int($0)] }, using: &encoder, into: &writer)
    // Another process: other codes.
    let column = try SymbolColumn(writer.bytes, count: 1_000) { Int64($0.utf8.count) * 100 }
    var slots = [Int64](repeating: 0, count: 1_000)
    var out = slots.mutableSpan
    column.decode(pages: 0..<4, into: &out)
    for index in 0..<1_000 where valid[index] {
      #expect(slots[index] == Int64(texts[Int(mixed[index])].utf8.count) * 100)
    }
    let hits = (0..<4).map { column.select(page: $0, code: 200).nonzeroBitCount }.reduce(0, +)
    #expect(hits == (0..<1_000).count { valid[$0] && mixed[$0] == 0 })
    for length in 0..<writer.count {
      #expect(throws: StorageError.self) {
        _ = try SymbolColumn(Array(writer.bytes[..<length]), count: 1_000) { _ in 0 }
      }
    }
  }
}
