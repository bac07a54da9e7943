import Testing

@testable import TSEngine

@Suite struct DeviceTests {
  @Test("L-01 L-05 L-11: a discovered LAMPI is parked, has the default name and its text form")
  func discovery() throws {
    var ledger = Ledger()
    let found = try #require(
      ledger.decide { $0.discover(lampi: "b827eb08451e", interface: "mqtt", $1) }.success)
    #expect(found.arrival == .created)
    #expect(found.text == "b827eb08451e: My LAMPI")
    let device = try #require(ledger.registry.devices["b827eb08451e"])
    #expect(device.name == "My LAMPI")
    #expect(device.createdAt == ledger.now)
    #expect(device.text == "b827eb08451e: My LAMPI")
    #expect(ledger.registry.associations.owner(of: device.id) == .parked)
    ledger.now += 5
    ledger.decide { $0.renameDevice("b827eb08451e", to: "Lamp", $1) }
    #expect(ledger.registry.devices["b827eb08451e"]?.createdAt == ledger.now - 5)
    #expect(
      ledger.decide { $0.renameDevice("b827eb08451e", to: "", $1) }.failure == .invalidName)
    let long = String(repeating: "é", count: 51)
    #expect(
      ledger.decide { $0.renameDevice("b827eb08451e", to: long, $1) }.failure == .invalidName)
  }

  @Test("L-02: a second discovery of an id records nothing and says found")
  func secondDiscovery() throws {
    var ledger = Ledger()
    _ = ledger.device()
    let before = ledger.log.count
    let again = try #require(
      ledger.decide { $0.discover(lampi: "b827eb08451e", interface: "mqtt", $1) }.success)
    #expect(again.arrival == .found)
    #expect(again.text == "b827eb08451e: My LAMPI")
    #expect(ledger.log.count == before)
  }

  @Test("L-03 L-17: the parked user is made once, before the first device, and is inactive")
  func parkedUser() throws {
    var ledger = Ledger()
    let first = ledger.decide { $0.discover(lampi: "aa", interface: "mqtt", $1) }
    let second = ledger.decide { $0.discover(lampi: "bb", interface: "mqtt", $1) }
    #expect(first.success?.madeParkedUser == true)
    #expect(second.success?.madeParkedUser == false)
    #expect(ledger.log.map(\.kind.name).prefix(2) == ["user.created", "device.discovered"])
    #expect(ledger.log.filter { $0.kind.name == "user.created" }.count == 1)
    var restarted = ledger
    restarted.registry = replay(ledger.log)
    _ = restarted.device("cc")
    #expect(restarted.log.filter { $0.kind.name == "user.created" }.count == 1)
    let parked = try #require(ledger.registry.users[named: "parked_device_user"])
    #expect(parked.id == .parked && !parked.isActive)
    #expect(ledger.decide { $0.deleteUser(.parked, $1) }.failure == .parkedUser)
    #expect(
      ledger.decide { $0.setPassword(of: .parked, hash: "$x", $1) }.failure == .parkedUser)
    #expect(
      ledger.decide { $0.setUserField(.parked, "is_active", .bool(true), $1) }.failure
        == .parkedUser)
  }

  @Test("L-13: ids that are empty, too long or not hex create no LAMPI")
  func malformedIDs() {
    var ledger = Ledger()
    for id in ["", "b827eb08451e0", "B827EB08451E", "xyz", "a/b", "a b", "é"] {
      #expect(
        ledger.decide { $0.discover(lampi: id, interface: "mqtt", $1) }.failure == .invalidDevice)
    }
    for id in ["", "a+", "a#", "a/b", "a\0", String(repeating: "a", count: 129), "ä"] {
      #expect(ledger.decide { $0.createDevice(id, type: "power", $1) }.failure == .invalidDevice)
    }
    #expect(ledger.log.isEmpty)
    #expect(ledger.decide { $0.createDevice("gresystem000001", type: "power", $1) }.success != nil)
  }

  @Test("L-08: deletion counts by kind, keeps history; coming again gives a new code")
  func deletion() throws {
    var ledger = Ledger()
    let (id, alice) = (ledger.device(), ledger.user("alice"))
    let code = ledger.code(id)
    ledger.decide { $0.claim(code: code, by: alice, $1) }
    let associatedAt = ledger.now
    ledger.now += 1_000
    let gone = try #require(ledger.decide { $0.deleteDevice(id, $1) }.success)
    #expect(gone == Registry.Deletion(devices: 1, codes: 1, tokens: 0))
    #expect(ledger.registry.devices[id] == nil)
    #expect(ledger.registry.announcements.pending().last?.payload(of: id) == "")
    #expect(ledger.registry.associations.owner(of: id, at: associatedAt) == alice)
    #expect(ledger.registry.associations.owner(of: id) == .parked)
    #expect(ledger.registry.associations.devices(of: alice).isEmpty)
    _ = ledger.device()
    #expect(ledger.code(id) != code && ledger.code(id).count == 32)
    #expect(ledger.decide { $0.claim(code: code, by: alice, $1) }.failure == .invalidCode)
    var history = DeviceHistory(of: id)
    for event in ledger.log { history.apply(event) }
    #expect(
      history.events.map(\.kind.name) == [
        "device.discovered", "code.issued", "device.associated", "device.deleted",
        "device.discovered", "code.issued",
      ])
  }

  @Test("Q-10: a field set is an event with its actor; setting the same records nothing")
  func fields() {
    var ledger = Ledger()
    let id = ledger.device()
    ledger.decide { $0.setDeviceField(id, "firmware_version", .text("2.1.0"), $1) }
    #expect(ledger.registry.devices[id]?.fields["firmware_version"] == .text("2.1.0"))
    #expect(ledger.log.last?.actor == Actor(.operator, "root"))
    let count = ledger.log.count
    ledger.decide { $0.setDeviceField(id, "firmware_version", .text("2.1.0"), $1) }
    #expect(ledger.log.count == count)
    ledger.decide { $0.setDeviceField(id, "firmware_version", .null, $1) }
    #expect(ledger.registry.devices[id]?.fields.isEmpty == true)
    #expect(ledger.decide { $0.setDeviceField(id, "a b", .null, $1) }.failure == .invalidName)
  }
}

extension Announcements.Entry {
  /// The payload, when it is this device's.
  func payload(of device: String) -> String? { self.device == device ? state.payload : nil }
}
