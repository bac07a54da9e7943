import Testing

@testable import TSEngine

/// Texts of a column, compressed: they come back as they were, damage is refused or gives some
/// texts, and nothing is allocated on a damaged claim's word.
@Suite struct TextTableTests {
  /// Texts as devices and programs send them, all distinct.
  static func samples() -> [(name: String, texts: [String])] {
    var random = SeededGenerator(seed: 5)
    func next(_ bound: UInt64) -> Int { Int(random.next() % bound) }
    func hex(_ count: Int) -> String { String((0..<count).map { _ in "0123456789abcdef".randomElement(using: &random) ?? "0" }) }
    let codes = ["ok", "standby", "fault: overvoltage", "fault: phase missing", "", "Störung: Zähler öffnet"]
    let messages = (0..<400).map { index in
      #"{"src":"shellyemg3-dcb4d9c5\#(hex(4))","method":"NotifyStatus","params":{"ts":\#(1_788_820_998 + index),"em1:0":{"act_power":-\#(1_850 + next(99)).\#(next(10))}}}"#
    }
    let errors = (0..<400).map { "checksum mismatch in frame \($0 * 7): expected \(hex(8)), found \(hex(8))" }
    let uuids = (0..<300).map { _ in "\(hex(8))-\(hex(4))-4\(hex(3))-a\(hex(3))-\(hex(12))" }
    return [
      ("status", codes), ("messages", messages), ("errors", errors), ("uuids", uuids),
      ("names", (0..<1_000).map { "meter-\(100_000 + $0)" }),
      ("one long text", [String(repeating: "ab", count: 5_000)]),
      ("one of each letter", ["abcdefghijklmnopqrstuvwxyz", ""]),
      ("lengths of all kinds", (0..<40).map { String(repeating: "x", count: $0 * $0) }),
    ]
  }

  private static func column(_ texts: [String], isCold: Bool) -> [UInt8] {
    var encoder = ColumnEncoder(isCold: isCold)
    var writer = ByteWriter()
    let codes = texts.indices.map(Int64.init)
    _ = SymbolColumn.encode(codes.span, valid: nil, text: { texts[Int($0)] }, using: &encoder, into: &writer)
    return writer.bytes
  }

  private static func texts(_ bytes: [UInt8], count: Int) throws -> [String] {
    var found: [String] = []
    let column = try SymbolColumn(bytes, count: count) {
      found.append($0)
      return Int64(found.count - 1)
    }
    // Damage may give codes that no text has.
    return column.section.allSlots().map { found.indices.contains(Int($0)) ? found[Int($0)] : "" }
  }

  private static func form(_ bytes: [UInt8]) throws -> Int {
    var reader = ByteReader(bytes.rawSpan)
    return try reader.count(limit: .max) - TextSectionForm.base
  }

  @Test(arguments: 0..<8, [false, true]) func textsComeBack(sample: Int, isCold: Bool) throws {
    let (name, texts) = Self.samples()[sample]
    let bytes = Self.column(texts, isCold: isCold)
    #expect(try Self.texts(bytes, count: texts.count) == texts, "\(name)")
  }

  @Test func repetitionIsNotStored() throws {
    for (name, texts) in Self.samples() where ["messages", "errors", "names"].contains(name) {
      let plain = texts.reduce(0) { $0 + $1.utf8.count + 1 }
      let (packed, cold) = (Self.column(texts, isCold: false), Self.column(texts, isCold: true))
      #expect(try Self.form(packed) == TextSectionForm.lz4.rawValue, "\(name)")
      #expect(try Self.form(cold) == TextSectionForm.coded.rawValue, "\(name)")
      #expect(packed.count * 10 < plain * 9, "\(name): \(plain) \(packed.count)")
      #expect(cold.count * 10 < packed.count * 9, "\(name): \(packed.count) \(cold.count)")
    }
    // Nothing repeats in these, but their digits are few.
    let uuids = try #require(Self.samples().first { $0.name == "uuids" }).texts
    let cold = Self.column(uuids, isCold: true)
    #expect(try Self.form(cold) == TextSectionForm.coded.rawValue)
    #expect(cold.count * 10 < uuids.count * 37 * 7)
  }

  @Test func aSectionOfAsManyTextsAsThereMayBe() throws {
    // 65,536 plain texts: the greatest number that is no form.
    var writer = ByteWriter()
    writer.varint(65_536)
    for index in 0..<65_536 { writer.string("\(index)") }
    var encoder = ColumnEncoder()
    let codes = (0..<65_536).map(Int64.init)
    _ = encoder.encode(codes.span, type: .int, into: &writer)
    #expect(try Self.texts(writer.bytes, count: 65_536) == codes.map { "\($0)" })
    let texts = codes.map { "number \($0)" }
    #expect(try Self.texts(Self.column(texts, isCold: true), count: 65_536) == texts)
  }

  @Test(arguments: 0..<8, [false, true]) func aColumnCutAnywhereIsRefused(sample: Int, isCold: Bool) {
    let (name, texts) = Self.samples()[sample]
    let bytes = Self.column(texts, isCold: isCold)
    for length in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 100)) {
      #expect(throws: StorageError.self, "\(name) cut at \(length)") {
        _ = try SymbolColumn(Array(bytes[..<length]), count: texts.count) { _ in 0 }
      }
    }
  }

  @Test(arguments: 0..<8, [false, true]) func noFlippedBitTraps(sample: Int, isCold: Bool) {
    let texts = Self.samples()[sample].texts
    var bytes = Self.column(texts, isCold: isCold)
    for bit in stride(from: 0, to: bytes.count * 8, by: max(1, bytes.count * 8 / 400)) {
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      _ = try? Self.texts(bytes, count: texts.count)
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
    }
  }

  @Test func noRandomBytesTrap() {
    for seed in 0..<UInt64(4_000) {
      var random = SeededGenerator(seed: seed)
      func next(_ bound: UInt64) -> Int { Int(random.next() % bound) }
      var writer = ByteWriter()
      // Past the head, then past the lengths, then past the sizes.
      writer.varint(TextSectionForm.base + 1 + next(2))
      if seed % 4 > 0 {
        writer.varint(3)
        writer.append([2, 1, UInt8(2 * next(40))])
      }
      if seed % 4 > 1 {
        writer.varint(next(120))
        writer.varint(next(60))
      }
      if seed % 4 > 2 { writer.append([UInt8(next(30)), UInt8(next(4))]) }
      for _ in 0..<next(120) { writer.put(UInt8(truncatingIfNeeded: random.next())) }
      _ = try? SymbolColumn(writer.bytes, count: 5) { Int64($0.utf8.count) }
    }
  }

  @Test func aClaimOfManyBytesInFewAllocatesNothing() {
    for form in [TextSectionForm.lz4, .coded] {
      var writer = ByteWriter()
      writer.varint(TextSectionForm.base + form.rawValue)
      // 1,000 texts of 2^20 bytes each: a constant section.
      writer.varint(1_000)
      var lengths = ByteWriter()
      lengths.put(SectionForm.constant.rawValue)
      lengths.zigzag(1 << 20)
      writer.varint(lengths.count)
      writer.append(lengths.bytes)
      writer.varint(1_000 << 20)
      writer.varint(1_000 << 20)
      // A part of one byte repeated for all of it: refused for what it claims in so few bytes.
      writer.append([0x80, 0x80, 0x80, 0xF4, 0x03, 2, 0x11])
      #expect(throws: StorageError.self) { _ = try SymbolColumn(writer.bytes, count: 1_000) { _ in 0 } }
    }
  }

  @Test func codedBytesComeBack() throws {
    var random = SeededGenerator(seed: 9)
    for count in [0, 1, 2, 3, 100, 1_001] {
      for spread in [1, 2, 40, 256] as [UInt64] {
        let bytes = (0..<count).map { _ in UInt8(random.next() % spread) }
        var writer = ByteWriter()
        CodedBytes.write(bytes, into: &writer)
        var reader = ByteReader(writer.bytes.rawSpan)
        var left = count + 7
        let read = try CodedBytes.read(&reader, &left)
        let (remaining, isAtEnd) = (left, reader.isAtEnd)
        #expect(read == bytes)
        #expect(remaining == 7)
        #expect(isAtEnd)
      }
    }
  }
}
