import TSEngine
import Testing

@testable import Query

/// T-04: what a person or a device sees of a store is what was theirs at the readings' own instants. The judge is a
/// store that never had any other reading: whatever is asked of both, the answers are the same.
@Suite struct VisibilityTests {
  private static let second: Int64 = 1_000_000_000
  private static let start: Int64 = 1_700_000_100 * second
  private static let devices = ["m1", "m2", "m3", "m4"]
  private static let actor = Actor(.operator, "admin-of-the-house")

  private final class World {
    let store: Store
    let clock = SimClock(nanos: VisibilityTests.start)
    private(set) var ann = UserID.parked
    private(set) var bob = UserID.parked

    /// m1 is Ann's, then Bob's from the middle of a second on, nobody's, and Ann's again; m2 is Bob's and m3 nobody's;
    /// m4 is Ann's, is deleted, comes again, and is Bob's then.
    init() throws {
      var options = StoreOptions()
      options.maintainsItself = false
      options.reserveByteCount = 4096
      options.disk = SimDisk(seed: 1)
      options.clock = clock
      options.rng = SimRNG(seed: 1)
      store = try Store.open("s", options)
      for device in VisibilityTests.devices { _ = try decide { $0.createDevice(device, type: "power", $1) } }
      ann = try decide { $0.createUser("ann", $1) }
      bob = try decide { $0.createUser("bob", $1) }
      try give("m2", to: bob, 0)
      try give("m4", to: ann, 0)
      clock.advance(nanos: 1800 * second)
      _ = try decide { $0.deleteDevice("m4", $1) }
      _ = try decide { $0.createDevice("m4", type: "power", $1) }
      clock.advance(nanos: 2200 * second)
      try give("m1", to: ann, 600)
      try give("m1", to: bob, 1200.5)
      _ = try decide { [at = VisibilityTests.instant(2400)] in $0.dissociate("m1", at: at, $1) }
      try give("m1", to: ann, 3000)
      try give("m4", to: bob, 2400)
      for every in [60, 900] {
        _ = try decide { [every = Int64(every) * second] in $0.declareRollup("power", every: every, $1) }
      }
    }

    func decide<Value: Sendable>(
      _ decision: @escaping @Sendable (Registry, DecisionContext) -> Decision<Value>
    ) throws -> Value {
      try store.decide(actor: VisibilityTests.actor, decision).result.get()
    }

    private func give(_ device: String, to user: UserID, _ seconds: Double) throws {
      _ = try decide { [at = VisibilityTests.instant(seconds)] in $0.associate(device, with: user, at: at, $1) }
    }

    /// A reading of each second of `seconds` of which `keeps` wants it.
    func append(_ seconds: Range<Int>, offset: Int64 = 0, keeping keeps: (String, Int) -> Bool) throws {
      for (number, device) in VisibilityTests.devices.enumerated() {
        let kept = seconds.filter { keeps(device, $0) }
        if kept.isEmpty { continue }
        var batch = FrameBatch(table: 1)
        batch.beginFrame(device: device)
        batch.beginRun(probe: 1, times: .explicit(kept.map { VisibilityTests.instant(Double($0)) }))
        batch.add(1, kept.map { Int64(number * 10_000 + $0) + offset })
        batch.add(4, constant: second)
        _ = try store.append(batch, creator: VisibilityTests.actor)
      }
    }

    func rows(_ sql: String, as viewer: Viewer? = nil) throws -> [String] {
      let snapshot = viewer.map { store.snapshot().seen(by: $0) } ?? store.snapshot()
      return try QueryEngine.prepare(sql, StoreCatalog(snapshot)).rows().map { row in
        row.map { $0.text ?? "NULL" }.joined(separator: "|")
      }
    }

    func change(_ sql: String) throws {
      _ = try QueryEngine.execute(sql, on: store, actor: VisibilityTests.actor).rows()
    }
  }

  private static func instant(_ seconds: Double) -> Int64 { start + Int64(seconds * 1e9) }

  /// Half-open intervals, as they were made above.
  private static func isAnns(_ device: String, _ second: Int) -> Bool {
    switch device {
    case "m1": 600...1200 ~= second || second >= 3000
    case "m4": second < 1800
    default: false
    }
  }

  private static func isBobs(_ device: String, _ second: Int) -> Bool {
    switch device {
    case "m1": 1201..<2400 ~= second
    case "m2": true
    case "m4": second >= 2400
    default: false
    }
  }

  private static let queries = [
    "SELECT count(*) FROM power",
    "SELECT min(ts), max(ts) FROM power",
    "SELECT count(power), min(power), max(power), sum(power), first(power), last(power) FROM power",
    "SELECT energy(power, 'Wns') FROM power",
    "SELECT sensor, count(*), sum(power), min(ts), max(ts), last(power) FROM power GROUP BY sensor ORDER BY 1",
    "SELECT ts, sensor, probe, power, span FROM power ORDER BY sensor, ts",
    "SELECT ts, sensor, power FROM power WHERE power BETWEEN 1190 AND 1210 ORDER BY ts",
    "SELECT count(*) FROM power WHERE sensor = 'm1'",
    "SELECT count(*) FROM power WHERE sensor IN ('m2', 'm3')",
    "SELECT time_bucket('15m', ts) AS b, count(*), energy(power, 'Wns') FROM power GROUP BY 1 ORDER BY 1",
    "SELECT owner, sensor, count(*), sum(power) FROM power GROUP BY owner, sensor ORDER BY 1, 2",
    "SELECT sensor, ts, power FROM power LATEST ON ts PARTITION BY sensor, probe ORDER BY sensor",
    "SELECT sensor, ts FROM power ORDER BY ts DESC, sensor LIMIT 5",
    "SELECT DISTINCT sensor FROM power ORDER BY 1",
    "SELECT count(*), sum(a.power - b.power) FROM power a JOIN power b ON a.ts = b.ts WHERE a.sensor = 'm1'",
    "SELECT count(*), sum(p.power) FROM power p JOIN (SELECT DISTINCT sensor AS s FROM power) d ON d.s = p.sensor",
    "SELECT count(*) FROM power p CROSS JOIN (SELECT avg(power) AS a FROM power) x WHERE p.power > x.a",
    "SELECT n, total FROM (SELECT sensor, count(*) AS n, sum(power) AS total FROM power GROUP BY 1) x ORDER BY 1, 2",
    "WITH w AS (SELECT * FROM power) SELECT count(*), max(power) FROM w",
    "SELECT count(*) FROM (SELECT power FROM power UNION ALL SELECT power FROM power) x",
    "SELECT count(*), max(power) FROM power AS KNOWN AT 100000",
    "SELECT count(*), max(power) FROM power AS KNOWN AT '2200-01-01'",
    "SELECT ts, sensor, power_count, power_sum, power_min, power_max, power_first, power_last, power_integral, "
      + "power_coverage FROM power_1m ORDER BY sensor, ts",
    "SELECT ts, sensor, power_count, power_sum, power_min, power_max, power_first, power_last, power_integral, "
      + "power_coverage FROM power_15m ORDER BY sensor, ts",
    #"SELECT name, series, "rows", first_ts, last_ts FROM tables WHERE name = 'power'"#,
    #"SELECT sensor, probe, "rows", first_ts, last_ts FROM series WHERE "table" = 'power' ORDER BY 1"#,
    #"SELECT sensor, sum("rows"), min(first_ts), max(last_ts) FROM blocks WHERE "table" = 'power' GROUP BY 1 ORDER BY 1"#,
  ]

  private typealias Kept = @Sendable (String, Int) -> Bool

  @Test(
    "T-04: every query of a person answers as a store that has only what was theirs, from the head, sealed, compacted, and with rollups",
    arguments: ["ann", "bob", "m3", "m1", "m4"])
  func aPersonSeesTheirIntervals(_ who: String) throws {
    let keeps: Kept =
      switch who {
      case "ann": Self.isAnns
      case "bob": Self.isBobs
      // A device sees itself since it last changed hands.
      default: { device, second in device == who && second >= (who == "m1" ? 3000 : who == "m4" ? 2400 : 0) }
      }
    let (world, judge) = (try World(), try World())
    let viewer: Viewer = who == "ann" ? .user(world.ann) : who == "bob" ? .user(world.bob) : .device(who)
    let expected = ["ann": 601 + 600 + 1800, "bob": 1199 + 3600 + 1200, "m3": 3600, "m1": 600, "m4": 1200][who] ?? 0
    func compare(_ stage: String) throws {
      for sql in Self.queries {
        // Of people a device is told nothing, so not whose its readings were.
        if who.hasPrefix("m"), sql.contains("owner") { continue }
        let (seen, right) = (try world.rows(sql, as: viewer), try judge.rows(sql))
        #expect(seen == right, "\(stage): \(sql)")
      }
      #expect(try world.rows("SELECT count(*) FROM power", as: viewer) == ["\(expected)"])
      #expect(try world.rows("SELECT count(*) FROM power") == ["14400"], "an administrator sees all")
    }
    for (world, keeps) in [(world, { _, _ in true }), (judge, keeps)] { try world.append(0..<1000, keeping: keeps) }
    for world in [world, judge] { try world.store.seal() }
    for (world, keeps) in [(world, { _, _ in true }), (judge, keeps)] { try world.append(1000..<3600, keeping: keeps) }
    try compare("head and segment")
    for world in [world, judge] { try world.store.seal() }
    try compare("sealed")
    for world in [world, judge] { try world.store.compact() }
    try compare("compacted, with rollups")
  }

  @Test("T-04: a view of the past shows nobody more; what was deleted since is there again, of their own time")
  func thePastIsBoundedToo() throws {
    let world = try World()
    try world.append(0..<3600) { _, _ in true }
    try world.store.compact()
    let before = world.store.durableLSN
    try world.change("DELETE FROM power WHERE ts < '2023-11-14 22:35:00Z'")
    try world.append(700..<710, offset: 5) { _, _ in true }
    for compacts in [false, true] {
      if compacts { try world.store.compact() }
      let now = try world.rows("SELECT count(*) FROM power WHERE sensor = 'm1'", as: .user(world.ann))
      let right = try remaining(world)
      #expect(now == [right])
      for user in [world.ann, world.bob] {
        let past = try world.rows("SELECT count(*), min(ts), max(ts) FROM power AS KNOWN AT \(before)", as: .user(user))
        #expect(past[0].hasPrefix(user == world.ann ? "3001|" : "5999|"), "\(past)")
      }
      let none = try world.rows("SELECT count(*) FROM power AS KNOWN AT \(before) WHERE sensor = 'm3'", as: .user(world.ann))
      #expect(none == ["0"])
    }
  }

  /// Ann's readings of m1 that an administrator counts.
  private func remaining(_ world: World) throws -> String {
    let (a, b, c) = (Self.instant(600), Self.instant(1200.5), Self.instant(3000))
    let texts = [a, b, c].map { TimestampText.format($0) }
    return try world.rows(
      "SELECT count(*) FROM power WHERE sensor = 'm1' AND (ts >= '\(texts[0])' AND ts < '\(texts[1])' OR ts >= '\(texts[2])')")[0]
  }

  @Test("T-04: no table tells of other people, of their devices or of what happened to a device in their time")
  func noTableTellsOfOthers() throws {
    let world = try World()
    try world.append(0..<3600) { _, _ in true }
    // Different values for what is there, and readings from far in the future.
    try world.append(690..<700, offset: 1) { _, _ in true }
    try world.append(1300..<1310, offset: 1) { _, _ in true }
    try world.append(40_000_000..<40_000_003) { _, _ in true }
    for (device, seconds) in [("m1", 4000.0), ("m2", 4001), ("m3", 4002), ("m4", 4003)] {
      let message = ReceivedMessage(device: device, interface: "mqtt", topic: "t/\(device)", payload: Array("{\"x\":1}".utf8))
      _ = try world.store.record([
        OperationalRecord(recordedAt: Self.instant(seconds), kind: .messageReceived(message)),
        OperationalRecord(
          recordedAt: Self.instant(seconds),
          kind: .connectionChanged(device: device, interface: "mqtt", connected: true, source: "s")),
        OperationalRecord(recordedAt: Self.instant(seconds), kind: .clockSynced(device: device, offset: 1, roundTrip: 2)),
      ])
    }
    let hmac = [UInt8](repeating: 7, count: 32)
    for user in [world.ann, world.bob] {
      let grant = TokenGrant(
        publicID: "of-\(user == world.ann ? "ann" : "bob")", hmac: hmac, role: .user, expiresAt: .max, user: user)
      _ = try world.decide { $0.issueToken(grant, $1) }
    }
    for device in Self.devices {
      let secrets = DeviceSecrets(passwordHash: "$7$1$AA==$AA==", apiKeyHMAC: hmac)
      _ = try world.decide { $0.issueCredentials(of: device, secrets, $1) }
    }
    for seals in [false, true] {
      if seals { try world.store.compact() }
      try sweep(world)
    }
  }

  private func sweep(_ world: World) throws {
    let catalog = StoreCatalog(world.store.snapshot())
    let tables = (catalog.rowTables + SystemTables.tables(of: catalog)).map(\.name) + catalog.snapshot.tables.map(\.name)
    // m1 is Ann's now, m4 Bob's; both had both.
    let foreign: [(Viewer, [String])] = [
      (.user(world.ann), ["bob", world.bob.text, "m2", "m3", "of-bob", "admin-of-the-house"]),
      (.user(world.bob), ["ann", world.ann.text, "m3", "of-ann", "admin-of-the-house"]),
      (.device("m3"), ["ann", "bob", world.ann.text, world.bob.text, "m1", "m2", "m4", "of-ann", "of-bob"]),
    ]
    for (viewer, words) in foreign {
      for table in tables {
        for tail in ["", " FOR SYSTEM_TIME AS OF '2200-01-01'", " AS KNOWN AT 100000"] {
          do throws(SQLError) {
            let found = try QueryEngine.prepare(
              "SELECT * FROM \"\(table)\"\(tail)", StoreCatalog(world.store.snapshot().seen(by: viewer))
            ).rows()
            for word in words {
              let leak = found.first { $0.contains { ($0.text ?? "").contains(word) } }
              #expect(leak == nil, "\(viewer) finds \(word) in \(table)\(tail)")
            }
          } catch {
            let known: [SQLState] = [.insufficientPrivilege, .featureNotSupported]
            #expect(known.contains(error.state), "\(table)\(tail): \(error.message)")
          }
        }
      }
      for table in ["segments", "rollups"] { #expect(state(world, "SELECT * FROM \(table)", viewer) == .insufficientPrivilege) }
      for change in [
        "DELETE FROM power", "EXPLAIN DELETE FROM power", "EXPLAIN DROP TABLE power", "DROP TABLE power",
        "INSERT INTO power (ts, sensor, probe, power) VALUES ('2026-01-01', 'm1', 1, 1)", "CREATE TABLE t (ts TIMESTAMP, x INT)",
      ] { #expect(state(world, change, viewer) == .insufficientPrivilege, "\(change)") }
    }
    func seen(_ sql: String, _ user: UserID) throws -> [String] { try world.rows(sql, as: .user(user)) }
    #expect(try seen("SELECT device_id, owner FROM devices ORDER BY 1", world.ann) == ["m1|ann"])
    #expect(try seen("SELECT device_id, owner FROM devices ORDER BY 1", world.bob) == ["m2|bob", "m4|bob"])
    #expect(try seen("SELECT name FROM users", world.bob) == ["bob"])
    #expect(try seen("SELECT device_id, owner FROM associations ORDER BY since, 1", world.ann) == ["m4|ann", "m1|ann", "m1|ann"])
    #expect(try seen("SELECT public_id FROM credentials ORDER BY 1", world.ann) == ["of-ann", "tsq-powerdevice-m1"])
    // What was received when: m1 is Ann's by then.
    for table in ["messages", "connections", "clock"] {
      #expect(try seen("SELECT device_id FROM \(table) ORDER BY 1", world.ann) == ["m1"], "\(table)")
      #expect(try seen("SELECT device_id FROM \(table) ORDER BY 1", world.bob) == ["m2", "m4"], "\(table)")
    }
    #expect(try seen("SELECT payload_json FROM messages", world.ann) == ["NULL"], "bytes may hold readings of any time")
    // Of conflicting readings and of those held back each sees those of their own instants.
    let conflicts = "SELECT sensor, count(*) FROM conflicts GROUP BY 1 ORDER BY 1"
    #expect(try seen(conflicts, world.ann) == ["m1|10", "m4|20"])
    #expect(try seen(conflicts, world.bob) == ["m1|10", "m2|20"])
    let held = "SELECT sensor, count(*) FROM quarantine GROUP BY 1 ORDER BY 1"
    // Held back for instants that are wrong: they cannot tell whose the rows are.
    #expect(state(world, held, .user(world.ann)) == .insufficientPrivilege)
    #expect(try world.rows(held).count == 4)
    // An event of a device's is its owner's of that moment; who else did what stays out.
    #expect(try seen("SELECT count(*) FROM events WHERE device_id = 'm2' AND kind = 'device.associated'", world.bob) == ["1"])
    #expect(try seen("SELECT count(*) FROM events WHERE device_id = 'm1' AND kind = 'device.associated'", world.ann) == ["2"])
    #expect(try seen("SELECT count(*) FROM events WHERE kind LIKE 'code%' OR kind = 'user.deleted'", world.ann) == ["0"])
  }

  private func state(_ world: World, _ sql: String, _ viewer: Viewer) -> SQLState? {
    do throws(SQLError) {
      _ = try QueryEngine.prepare(sql, StoreCatalog(world.store.snapshot().seen(by: viewer)))
      return nil
    } catch {
      return error.state
    }
  }

  @Test("T-04: who comes later under an old name, or is nobody, sees nothing; a deleted person's time stays theirs")
  func namesAreNoTitles() throws {
    let world = try World()
    try world.append(0..<3600) { _, _ in true }
    let old = world.ann
    _ = try world.decide { $0.deleteUser(old, $1) }
    let new = try world.decide { $0.createUser("ann", $1) }
    #expect(new != old)
    for viewer in [Viewer.user(new), .user(.parked), .device("nobody")] {
      #expect(try world.rows("SELECT count(*) FROM power", as: viewer) == ["0"], "\(viewer)")
      #expect(try world.rows("SELECT min(ts), last(power) FROM power", as: viewer) == ["NULL|NULL"], "\(viewer)")
      #expect(try world.rows("SELECT sum(\"rows\") FROM tables", as: viewer) == ["0"], "\(viewer)")
      #expect(try world.rows("SELECT count(*) FROM power_1m", as: viewer) == ["0"], "\(viewer)")
      #expect(try world.rows("SELECT count(*) FROM devices FOR SYSTEM_TIME AS OF '2023-11-14 22:45:00Z'", as: viewer) == ["0"])
      #expect(try world.rows("SELECT count(*) FROM associations", as: viewer) == ["0"], "\(viewer)")
    }
    #expect(try world.rows("SELECT count(*) FROM power", as: .user(world.bob)) == ["5999"])
  }
}
