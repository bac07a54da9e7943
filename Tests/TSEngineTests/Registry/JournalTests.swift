import Testing

@testable import TSEngine

@Suite struct JournalTests {
  private func decode(_ bytes: [UInt8]) throws(StorageError) -> Event {
    try Journal.decodeEvent(bytes.span.bytes, lsn: 7)
  }

  @Test("The bytes of each kind of event decode for ever and are written the same for ever")
  func goldenEvents() throws {
    #expect(Golden.events.count == EventSamples.kinds.count)
    for (kind, hex) in zip(EventSamples.kinds, Golden.events) {
      let event = EventSamples.event(kind)
      #expect(Hex.text(try Journal.encode(event)) == hex, "\(kind.name)")
      #expect(try decode([UInt8](hex: hex)) == event, "\(kind.name)")
    }
    // Every kind has a sample.
    #expect(Set(EventSamples.kinds.map(\.name)).count == 27)
  }

  @Test("The bytes of each kind of operational record decode for ever")
  func goldenRecords() throws {
    #expect(Golden.records.count == EventSamples.records.count)
    for (kind, hex) in zip(EventSamples.records, Golden.records) {
      let record = OperationalRecord(lsn: 7, recordedAt: 1_700_000_000_000_000_000, kind: kind)
      #expect(Hex.text(try Journal.encode(record)) == hex, "\(kind.name)")
      let bytes = [UInt8](hex: hex)
      #expect(try Journal.decodeRecord(bytes.span.bytes, lsn: 7) == record, "\(kind.name)")
    }
  }

  @Test("Truncated and flipped bytes throw or decode to what encodes again; nothing traps")
  func hostileBytes() throws {
    for kind in EventSamples.kinds {
      let bytes = try Journal.encode(EventSamples.event(kind))
      for count in 0..<bytes.count { check(Array(bytes[..<count])) }
      for bit in 0..<(bytes.count * 8) {
        var flipped = bytes
        flipped[bit / 8] ^= 1 << (bit % 8)
        check(flipped)
      }
    }
    let random = SeededRNG(5)
    for _ in 0..<20_000 {
      check((0..<random.below(64)).map { _ in UInt8(truncatingIfNeeded: random.next()) })
    }
  }

  private func check(_ bytes: [UInt8]) {
    do {
      _ = try Journal.encode(try decode(bytes))
    } catch {
      #expect(error.code == .corrupt || error.code == .unsupportedVersion)
    }
    do {
      _ = try Journal.encode(try Journal.decodeRecord(bytes.span.bytes, lsn: 1))
    } catch {
      #expect(error.code == .corrupt || error.code == .unsupportedVersion)
    }
  }

  @Test("A kind or field of a newer version is refused as such, not skipped")
  func newerVersion() throws {
    let known = try Journal.encode(EventSamples.event(.deviceDeleted(device: "a")))
    // Field 250, length-delimited, empty.
    let newer = known + [0xD2, 0x0F, 0x00]
    #expect(throws: StorageError(.unsupportedVersion, "a field that this version does not know")) {
      try decode(newer)
    }
  }

  @Test("An event without kind or actor, with a bad id or time out of range is corrupt")
  func impossibleEvents() throws {
    var messages: [PBEvent] = []
    let good = try PBEvent(
      serializedBytes: try Journal.encode(EventSamples.event(.deviceDeleted(device: "a"))))
    for change: (inout PBEvent) -> Void in [
      { $0.kind = nil }, { $0.actorKind = .unspecified }, { $0.deviceDeleted.device = "a/b" },
      { $0.deviceDeleted.device = "" }, { $0.recordedAt = .max; $0.effectiveOffset = 1 },
      { $0.codeIssued = .with { $0.device = "a"; $0.code = "ABCDEF" } },
      { $0.tokenIssued = .with { $0.publicID = "p"; $0.role = .admin } },
      { $0.typeDeclared = .with { $0.table = 1; $0.name = "x"; $0.defaultSpan = 0 } },
      { $0.deviceAssociated = .with { $0.device = "a" } },
    ] {
      var message = good
      change(&message)
      messages.append(message)
    }
    for message in messages {
      let bytes: [UInt8] = try message.serializedBytes()
      #expect { try decode(bytes) } throws: { ($0 as? StorageError)?.code == .corrupt }
    }
  }

  @Test("Overlong bodies are refused before they are parsed, and never written")
  func sizeLimit() {
    let long = String(repeating: "x", count: Journal.maximumByteCount + 1)
    #expect { try decode(Array(long.utf8)) } throws: { ($0 as? StorageError)?.code == .corrupt }
    let event = EventSamples.event(.deviceRenamed(device: "a", name: long))
    #expect { try Journal.encode(event) } throws: { ($0 as? StorageError)?.code == .invalid }
  }

  @Test("Events shown as JSON escape what they must and show no secret")
  func json() {
    let event = EventSamples.event(.deviceRenamed(device: "a", name: "\"\\\n\u{1}é"))
    #expect(event.kind.json == #"{"device":"a","name":"\"\\\n\u0001é"}"#)
    #expect(
      event.json.hasPrefix(
        #"{"lsn":7,"id":"01020304050607081112131415161718","recorded_at":1700000000000000000,"#))
    let secrets = [EventSamples.code.text, "$argon2id", "000102030405", "$7$"]
    for kind in EventSamples.kinds {
      #expect(secrets.allSatisfy { !kind.json.contains($0) }, "\(kind.name)")
    }
  }

  @Test("SHA-256 gives the digests of FIPS 180-4's examples and of every padding length")
  func sha256() {
    func hex(_ text: String) -> String { Hex.text(SHA256.hash(Array(text.utf8))) }
    #expect(hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
        == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    #expect(
      hex(String(repeating: "a", count: 1_000_000))
        == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    // SHA-256 over the digests of 0, 1, ... 130 zero bytes, from Python's hashlib.
    let digests = (0...130).flatMap { SHA256.hash([UInt8](repeating: 0, count: $0)) }
    #expect(Hex.text(SHA256.hash(digests)) == "d6e99a52e4f306ac462a8669cfa9744fc9ac0cd54f1c1c92b91d2e3257397ead")
  }
}
