import Testing

@testable import TSEngine

@Suite struct StatusTests {
  private let second: Int64 = 1_000_000_000

  private func station(_ id: String = "ws-1", name: String = "") -> Ledger {
    var ledger = Ledger()
    var draft = TypeDraft(name: "weather")
    draft.columns = [ColumnSchema(id: 0, name: "temperature", type: .float)]
    draft.details.states = [
      StateField(name: "mode", type: .string, defaultValue: .text("auto"), choices: [.text("auto"), .text("manual")]),
      StateField(name: "level", type: .float),
    ]
    #expect(ledger.decide { $0.declareTypes([draft], $1) }.success == ["weather"])
    #expect(ledger.decide { $0.createDevice(id, type: "weather", name: name, $1) }.success != nil)
    return ledger
  }

  private func message(_ device: String, at time: Int64, lsn: LSN) -> OperationalRecord {
    let received = ReceivedMessage(device: device, interface: "mqtt", topic: "t", payload: [1])
    return OperationalRecord(lsn: lsn, recordedAt: time, kind: .messageReceived(received))
  }

  @Test("D-10 D-11: a device is offline, active, without battery, firmware and sign of life; its text form")
  func defaults() throws {
    var ledger = station()
    let device = try #require(ledger.registry.devices["ws-1"])
    #expect(device.status == .offline && device.isActive && device.metadata == "{}" && device.firmwareVersion.isEmpty)
    #expect(device.batteryLevel == nil && ledger.registry.lastSeen(of: "ws-1") == nil)
    #expect(device.statusText == "ws-1 (offline)")
    ledger.decide { $0.renameDevice("ws-1", to: "Roof", $1) }
    #expect(ledger.registry.devices["ws-1"]?.statusText == "Roof (offline)")
    #expect(
      DeviceStatus.allCases.map(\.label)
        == ["Online", "Offline", "Error", "Maintenance", "Low Battery", "Provisioning"])
    #expect(DeviceStatus.lowBattery.rawValue == "low_battery")
    ledger.decide { $0.createDevice("ws-0", type: "weather", $1) }
    #expect(ledger.registry.devices.newestFirst().map(\.id) == ["ws-0", "ws-1"])
  }

  @Test("D-10: fields keep type and length; state fields their choices; null sets back; nothing is recorded twice")
  func fields() throws {
    var ledger = station()
    func set(_ name: String, _ value: FieldValue) -> Refusal? {
      ledger.decide { $0.setDeviceField("ws-1", name, value, $1) }.failure
    }
    #expect(set("battery_level", .int(80)) == nil && ledger.registry.devices["ws-1"]?.batteryLevel == 80)
    #expect(set("battery_level", .text("80")) == .wrongType && set("battery_level", .float(.nan)) == .wrongType)
    #expect(set("firmware_version", .text(String(repeating: "1", count: 50))) == nil)
    #expect(set("firmware_version", .text(String(repeating: "1", count: 51))) == .invalidValue)
    #expect(set("is_active", .bool(false)) == nil && ledger.registry.devices["ws-1"]?.isActive == false)
    #expect(set("is_active", .int(1)) == .wrongType)
    #expect(set("metadata", .text(#"{"roof":true}"#)) == nil)
    #expect(set("metadata", .text("[1]")) == .invalidValue && set("metadata", .text("{")) == .invalidValue)
    #expect(set("status", .text("asleep")) == .invalidValue && set("status", .null) == .invalidValue)
    #expect(set("last_seen", .int(1)) == .invalidValue)
    #expect(set("mode", .text("manual")) == nil)
    #expect(set("mode", .text("never")) == .invalidValue && set("mode", .int(1)) == .wrongType)
    #expect(set("level", .int(2)) == nil)
    func states() throws -> [FieldValue] {
      ledger.registry.stateFields(of: try #require(ledger.registry.devices["ws-1"])).map(\.value)
    }
    #expect(try states() == [.text("manual"), .float(2)])
    let count = ledger.log.count
    #expect(set("mode", .text("manual")) == nil && ledger.log.count == count)
    #expect(set("mode", .null) == nil && set("level", .null) == nil)
    #expect(try states() == [.text("auto"), .null])
    let before = ledger.registry.devices["ws-1"]?.updatedAt
    ledger.now += second
    #expect(set("status", .text("maintenance")) == nil)
    #expect(ledger.registry.devices["ws-1"]?.status == .maintenance)
    #expect(ledger.registry.devices["ws-1"]?.updatedAt == before.map { $0 + second })
    // All of a report or nothing.
    let report: [(name: String, value: FieldValue)] = [("level", .int(9)), ("mode", .text("never"))]
    #expect(ledger.decide { $0.reportStatus("ws-1", status: .online, fields: report, $1) }.failure == .invalidValue)
    #expect(try states() == [.text("auto"), .null] && ledger.registry.devices["ws-1"]?.status == .maintenance)
  }

  @Test("D-12: marked online it was seen now; marked offline it was last seen when it was")
  func marking() {
    var ledger = station()
    ledger.decide { $0.markOnline("ws-1", $1) }
    let seen = ledger.now
    #expect(ledger.registry.devices["ws-1"]?.status == .online && ledger.registry.lastSeen(of: "ws-1") == seen)
    ledger.now += 10 * second
    ledger.decide { $0.markOffline("ws-1", $1) }
    #expect(ledger.registry.devices["ws-1"]?.status == .offline && ledger.registry.lastSeen(of: "ws-1") == seen)
    let count = ledger.log.count
    ledger.decide { $0.markOffline("ws-1", $1) }
    #expect(ledger.log.count == count)
    #expect(ledger.decide { $0.markOnline("nobody", $1) }.failure == .unknownDevice)
  }

  @Test("D-13: never seen is overdue; else 749 and 750 s are not, 751 s are, at 300 s x 2.5")
  func overdue() {
    #expect(Device.isHeartbeatOverdue(lastSeen: nil, now: 0))
    for (seconds, isOverdue) in [(749, false), (750, false), (751, true)] as [(Int64, Bool)] {
      #expect(Device.isHeartbeatOverdue(lastSeen: 5, now: 5 + seconds * second) == isOverdue, "\(seconds)")
    }
    #expect(Device.isHeartbeatOverdue(lastSeen: 0, now: 11 * second, intervalNanos: 10 * second, multiplier: 1))
    #expect(!Device.isHeartbeatOverdue(lastSeen: 0, now: 10 * second, intervalNanos: 10 * second, multiplier: 1))
  }

  @Test("D-13: overdue devices turn offline once, by one event each; a message puts that off, and is no event")
  func silence() {
    var ledger = station()
    for id in ["ws-2", "ws-3"] { ledger.decide { $0.createDevice(id, type: "weather", $1) } }
    for id in ["ws-1", "ws-2"] { ledger.decide { $0.markOnline(id, $1) } }
    let start = ledger.now
    let count = ledger.log.count
    ledger.registry.apply(message("ws-2", at: start + 300 * second, lsn: 1000))
    ledger.registry.apply(message("stranger", at: start + 300 * second, lsn: 1001))
    #expect(ledger.registry.presence["stranger"] == nil)
    ledger.now = start + 750 * second
    #expect(ledger.decide { $0.markOverdueOffline($1) }.success == [])
    ledger.now = start + 751 * second
    #expect(ledger.decide { $0.markOverdueOffline($1) }.success == ["ws-1"])
    #expect(ledger.decide { $0.markOverdueOffline($1) }.success == [])
    #expect(ledger.log.count == count + 1 && ledger.log.last?.kind.name == "device.status_changed")
    ledger.now = start + 1051 * second
    #expect(ledger.decide { $0.markOverdueOffline($1) }.success == ["ws-2"])
    // What was known of the last sign of life is in the event: a replay of events alone has it.
    #expect(replay(ledger.log).lastSeen(of: "ws-2") == start + 300 * second)
    #expect(replay(ledger.log).digest == ledger.registry.digest)
    ledger.decide { $0.deleteDevice("ws-2", $1) }
    #expect(ledger.registry.presence["ws-2"] == nil)
  }

  @Test("D-13: a reopened store knows when devices were last heard of, sealed messages or not")
  func recall() throws {
    let disk = SimDisk()
    let clock = SimClock()
    var options = StoreOptions()
    options.disk = disk
    options.clock = clock
    options.maintainsItself = false
    let start = clock.nowNanos()
    do {
      let store = try Store.open("/s", options)
      var draft = TypeDraft(name: "weather")
      draft.columns = [ColumnSchema(id: 0, name: "temperature", type: .float)]
      let (wanted, actor) = (draft, Actor(.operator, "test"))
      _ = try store.decide(actor: actor) { $0.declareTypes([wanted], $1) }
      for id in ["a", "b", "c"] {
        _ = try store.decide(actor: actor) { $0.createDevice(id, type: "weather", $1) }
        _ = try store.decide(actor: actor) { $0.markOnline(id, $1) }
      }
      for (id, seconds) in [("a", 100), ("b", 200), ("a", 300)] as [(String, Int64)] {
        clock.jump(toNanos: start + seconds * second)
        _ = try store.record([message(id, at: clock.nowNanos(), lsn: 0)])
      }
      try store.seal()
      clock.jump(toNanos: start + 400 * second)
      _ = try store.record([message("b", at: clock.nowNanos(), lsn: 0)])
      #expect(store.registry.lastSeen(of: "a") == start + 300 * second)
      try store.close()
    }
    for isReadOnly in [true, false] {
      options.isReadOnly = isReadOnly
      let store = try Store.open("/s", options)
      let registry = store.registry
      #expect(registry.lastSeen(of: "a") == start + 300 * second && registry.lastSeen(of: "b") == start + 400 * second)
      #expect(registry.lastSeen(of: "c") == start)
      #expect(registry.overdue(at: start + 1051 * second).map(\.id).sorted() == ["a", "c"])
      // Nobody listened before: a server that was away does not turn its fleet offline.
      let since = start + 400 * second
      #expect(registry.overdue(at: start + 1150 * second, listeningSince: since).isEmpty)
      #expect(registry.overdue(at: start + 1151 * second, listeningSince: since).count == 3)
      try store.close()
    }
  }
}
