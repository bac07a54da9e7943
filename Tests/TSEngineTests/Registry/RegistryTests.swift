import Testing

@testable import TSEngine

@Suite struct RegistryTests {
  @Test("T-05: replay equals live, and the digest is the same through checkpoints at any points")
  func digests() throws {
    for seed in 1...60 as ClosedRange<UInt64> {
      let ledger = randomLedger(seed: seed, steps: 120)
      let whole = replay(ledger.log)
      #expect(whole == ledger.registry, "seed \(seed)")
      #expect(whole.digest == ledger.registry.digest, "seed \(seed)")
      let random = SeededRNG(seed ^ 0xFFFF)
      var stepped = Registry()
      for event in ledger.log {
        stepped.apply(event)
        if random.below(10) == 0 {
          let bytes = stepped.checkpoint()
          let restored = try Registry(checkpoint: bytes.span.bytes)
          #expect(restored == stepped, "seed \(seed) lsn \(event.lsn)")
          stepped = restored
        }
      }
      #expect(stepped.digest == whole.digest, "seed \(seed)")
      // Replay to any LSN: a prefix of the log, whatever came after.
      let cut = ledger.log[..<random.below(ledger.log.count)]
      #expect(replay(cut).digest == replay(Array(cut)).digest)
    }
  }

  @Test("T-05: the digest of a fixed log is this, in debug and release, on any machine")
  func goldenDigest() {
    let ledger = randomLedger(seed: 42, steps: 400)
    #expect(Hex.text(ledger.registry.digest) == Golden.digest)
  }

  @Test("T-05: an event applied again, or a replay that overlaps a checkpoint, changes nothing")
  func overlap() {
    let ledger = randomLedger(seed: 3, steps: 60)
    var registry = ledger.registry
    for event in ledger.log { registry.apply(event) }
    #expect(registry == ledger.registry)
  }

  @Test("A copy taken before more events stays as it was")
  func snapshots() {
    let early = randomLedger(seed: 8, steps: 50)
    var late = early
    let digest = early.registry.digest
    for _ in 0..<50 { step(&late) }
    #expect(early.registry.digest == digest)
    #expect(late.registry.digest != digest)
  }

  @Test("A cut or flipped checkpoint is refused, never taken for another; nothing traps")
  func damagedCheckpoints() throws {
    let bytes = randomLedger(seed: 11, steps: 30).registry.checkpoint()
    for count in 0..<bytes.count {
      let cut = Array(bytes[..<count])
      #expect(throws: StorageError.self) { try Registry(checkpoint: cut.span.bytes) }
    }
    for bit in 0..<(bytes.count * 8) {
      var flipped = bytes
      flipped[bit / 8] ^= 1 << (bit % 8)
      // Connections lie outside the digest: the file's checksum covers them.
      if let registry = try? Registry(checkpoint: flipped.span.bytes) {
        #expect(registry.digest == (try Registry(checkpoint: bytes.span.bytes)).digest)
      }
    }
  }

  @Test("L-12 L-14: a repeated retained state is no news; one changed while down is")
  func connections() throws {
    var registry = Registry()
    #expect(registry.connections.isChange(device: "a", connected: true))
    func record(_ lsn: LSN, _ connected: Bool) -> OperationalRecord {
      OperationalRecord(
        lsn: lsn, recordedAt: Int64(lsn) * 10,
        kind: .connectionChanged(
          device: "a", interface: "mqtt", connected: connected, source: "default"))
    }
    let digest = registry.digest
    registry.apply(record(1, true))
    let checkpoint = registry.checkpoint()
    var restarted = try Registry(checkpoint: checkpoint.span.bytes)
    #expect(!restarted.connections.isChange(device: "a", connected: true))
    #expect(restarted.connections.isChange(device: "a", connected: false))
    restarted.apply(record(2, false))
    restarted.apply(record(1, true))
    #expect(restarted.connections["a"]?.isConnected == false)
    #expect(restarted.connections["a"]?.since == 20)
    #expect(restarted.digest == digest)
  }

  @Test("A clock set back does not take recorded time back")
  func clockSetBack() throws {
    var ledger = Ledger()
    let (id, alice) = (ledger.device(), ledger.user("alice"))
    let before = ledger.now
    ledger.now -= 3_600_000_000_000
    ledger.decide { $0.associate(id, with: alice, $1) }
    #expect(ledger.log.last?.recordedAt == before)
    #expect(ledger.registry.associations.owner(of: id) == alice)
  }

  @Test("Users: names are unique while alive; passwords and flags are set by events")
  func users() {
    var ledger = Ledger()
    let alice = ledger.user("alice")
    #expect(ledger.decide { $0.createUser("alice", $1) }.failure == .nameTaken)
    #expect(ledger.decide { $0.createUser(Users.parkedName, $1) }.failure == .nameTaken)
    for name in ["", " x", "a\nb", String(repeating: "n", count: 151)] {
      #expect(ledger.decide { $0.createUser(name, $1) }.failure == .invalidName)
    }
    #expect(ledger.decide { $0.setPassword(of: alice, hash: "plain", $1) }.failure == .invalidValue)
    ledger.decide { $0.setPassword(of: alice, hash: "$7$x", $1) }
    #expect(ledger.registry.users[alice]?.passwordHash == "$7$x")
    ledger.decide { $0.setUserField(alice, "is_admin", .bool(true), $1) }
    #expect(ledger.registry.users[alice]?.isAdmin == true)
  }

  @Test("Tokens: revoked by event, and with their user or device; a public id is given once")
  func tokens() {
    var ledger = Ledger()
    let (id, alice) = (ledger.device(), ledger.user("alice"))
    func grant(_ publicID: String, user: UserID? = nil, device: String? = nil) -> TokenGrant {
      TokenGrant(
        publicID: publicID, hmac: Array(repeating: 1, count: 32),
        role: device != nil ? .device : user != nil ? .user : .admin, expiresAt: ledger.now + 100,
        user: user, device: device)
    }
    let admin = grant("adm")
    for token in [admin, grant("usr", user: alice), grant("dev", device: id)] {
      #expect(ledger.decide { $0.issueToken(token, $1) }.success != nil)
    }
    #expect(ledger.decide { $0.issueToken(admin, $1) }.failure == .exists)
    #expect(ledger.registry.tokens["adm"]?.isValid(at: ledger.now + 99) == true)
    #expect(ledger.registry.tokens["adm"]?.isValid(at: ledger.now + 100) == false)
    #expect(ledger.decide { $0.deleteDevice(id, $1) }.success?.tokens == 1)
    ledger.decide { $0.deleteUser(alice, $1) }
    ledger.decide { $0.revokeToken("adm", $1) }
    #expect(ledger.registry.tokens.sorted().allSatisfy { !$0.isValid(at: ledger.now) })
    #expect(ledger.decide { $0.revokeToken("adm", $1) }.failure == .unknownToken)
    #expect(ledger.decide { $0.issueToken(admin, $1) }.failure == .exists)
  }

  @Test("D-03: a type gets columns added under new ids; others stay; power is always there")
  func types() throws {
    var ledger = Ledger()
    #expect(ledger.registry.types["power"]?.schema == .power)
    let temperature = ColumnSchema(id: 0, name: "temperature", type: .float, unit: "°C")
    let humidity = ColumnSchema(id: 0, name: "hum", type: .int)
    func declare(_ name: String, _ columns: [ColumnSchema]) -> Result<TableSchema, Refusal> {
      ledger.decide {
        $0.declareType(name, columns: columns, defaultSpanNanos: 1_000_000_000, $1)
      }
    }
    let first = try #require(declare("weather", [temperature]).success)
    #expect(first.id == 16 && first.columns.map(\.id) == [1])
    let second = try #require(declare("weather", [temperature, humidity]).success)
    #expect(second.id == 16 && second.columns.map(\.id) == [1, 2])
    #expect(ledger.registry.types["weather"]?.version == 2)
    #expect(declare("weather", [humidity]).failure == .incompatibleType)
    #expect(declare("soil", [humidity]).success?.id == 17)
    #expect(declare("soil2", [ColumnSchema(id: 0, name: "ts", type: .int)]).failure == .invalidValue)
    #expect(declare("Bad", [humidity]).failure == .invalidName)
    #expect(ledger.decide { $0.createDevice("w1", type: "weather", $1) }.success != nil)
    #expect(ledger.decide { $0.createDevice("w2", type: "nope", $1) }.failure == .unknownType)
  }

  @Test("P-12: wire scales are settings of the type; one that loses digits is refused")
  func wireScales() {
    var ledger = Ledger()
    func multiplier(_ column: String) -> Int64? {
      ledger.registry.types.wireMultiplier(type: "power", column: column)
    }
    #expect([multiplier("power"), multiplier("pf"), multiplier("voltage")] == [1, 1, 1])
    ledger.decide { $0.setTypeSetting("power", "voltage.wire", "1V", $1) }
    ledger.decide { $0.setTypeSetting("power", "pf.wire", "1/100", $1) }
    #expect([multiplier("power"), multiplier("pf"), multiplier("voltage")] == [1, 10, 10])
    ledger.decide { $0.setTypeSetting("power", "voltage.wire", "", $1) }
    #expect(multiplier("voltage") == 1)
    for (key, value, refusal) in [
      ("voltage.wire", "1/100 V", Refusal.invalidValue), ("voltage.wire", "1W", .invalidValue),
      ("voltage.wire", "0V", .invalidValue), ("voltage.wire", "99999999999V", .invalidValue),
      ("nope.wire", "1V", .unknownSetting), ("voltage", "1V", .unknownSetting),
    ] {
      #expect(ledger.decide { $0.setTypeSetting("power", key, value, $1) }.failure == refusal)
    }
  }
}

/// A log of random requests, wrong ones among them.
func randomLedger(seed: UInt64, steps: Int) -> Ledger {
  var ledger = Ledger(seed: seed)
  for _ in 0..<steps { step(&ledger) }
  return ledger
}

func step(_ ledger: inout Ledger) {
  let random = ledger.random
  ledger.now += Int64(random.below(200_000_000_000))
  let device = String(random.below(12), radix: 16)
  let names = ["alice", "bob", "carol", "dan"]
  let name = names[random.below(names.count)]
  let user = ledger.registry.users[named: name]?.id ?? .parked
  let code = ledger.code(device)
  let prefix = String(code.prefix(4 + random.below(8)))
  switch random.below(16) {
  case 0...2: ledger.decide { $0.discover(lampi: device, interface: "mqtt", $1) }
  case 3: ledger.decide { $0.createUser(name, isAdmin: name == "dan", $1) }
  case 4...5: ledger.decide { $0.claim(code: prefix, by: user, $1) }
  case 6:
    let at = random.below(2) == 0 ? nil : ledger.now - Int64(random.below(400_000_000_000))
    ledger.decide { $0.associate(device, with: user, at: at, $1) }
  case 7: ledger.decide { $0.dissociate(device, $1) }
  case 8: ledger.decide { $0.renewCode(of: device, $1) }
  case 9: if random.below(4) == 0 { ledger.decide { $0.deleteUser(user, $1) } }
  case 10: if random.below(3) == 0 { ledger.decide { $0.deleteDevice(device, $1) } }
  case 11: ledger.decide { $0.renameDevice(device, to: "Lamp \(random.below(9))", $1) }
  case 12:
    ledger.decide { $0.setDeviceField(device, "level", .int(Int64(random.below(5))), $1) }
  case 13:
    if let entry = ledger.registry.announcements[device] {
      ledger.decide { $0.confirmAnnouncement(of: device, stateLSN: entry.stateLSN, $1) }
    }
  case 14:
    let grant = TokenGrant(
      publicID: "t\(random.below(20))", hmac: Array(repeating: 2, count: 32), role: .user,
      expiresAt: ledger.now + 1_000, user: user)
    ledger.decide { $0.issueToken(grant, $1) }
  default: ledger.decide { $0.setTypeSetting("power", "voltage.wire", "\(random.below(3))V", $1) }
  }
}
