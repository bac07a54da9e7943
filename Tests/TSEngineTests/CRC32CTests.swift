import Testing

@testable import TSEngine

@Suite struct CRC32CTests {
  @Test func knownVectorsOfRFC3720() {
    #expect(CRC32C.checksum([UInt8]("123456789".utf8)) == 0xE306_9283)
    #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(CRC32C.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
    #expect(CRC32C.checksum([UInt8](0..<32)) == 0x46DD_794E)
    #expect(CRC32C.checksum([]) == 0)
  }

  @Test func hardwareAndTablesAgreeAtEveryLengthAndAlignment() {
    var random = SimRandom(seed: 1)
    let bytes = (0..<20_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    var lengths = Array(0...300) + [767, 768, 769, 6143, 6144, 6145, 12_288, 19_000]
    for _ in 0..<50 { lengths.append(random.below(19_000)) }
    for length in lengths {
      let start = random.below(64)
      let part = bytes.rawSpan.extracting(start..<(start + length))
      let seed = UInt32(truncatingIfNeeded: random.next())
      #expect(
        CRC32C.checksum(part, continuing: seed) == CRC32C.portableChecksum(part, continuing: seed),
        "length \(length) start \(start)")
    }
  }

  @Test func aChecksumGoesOnWhereThePieceBeforeEnded() {
    let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let whole = CRC32C.checksum(bytes)
    for cut in [0, 1, 7, 768, 6144, 9_999, 10_000] {
      let head = CRC32C.checksum(bytes.rawSpan.extracting(0..<cut))
      let tail = bytes.rawSpan.extracting(cut..<bytes.count)
      #expect(CRC32C.checksum(tail, continuing: head) == whole)
    }
  }
}
