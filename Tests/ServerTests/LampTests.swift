import Foundation
import TSEngine
import Testing

@testable import Ingest
@testable import Server

/// Lamps over a real mosquitto: codes that are renewed, devices that go and come again, states, bridges.
@Suite(.serialized) struct LampTests {
  private typealias Watcher = BrokerTests.Watcher
  private let id = "b827eb08451e"
  private var topic: String { BrokerTests.associated(id) }

  private func code(_ payload: String?) -> String? {
    payload?.wholeMatch(of: /\{"associated": false, "code": "([0-9a-f]{32})"\}/).map { String($0.1) }
  }

  private func rows(_ server: ServeProcess, _ sql: String) throws -> [[String: Any]] {
    let body = try server.client().request("POST", "/api/query", Array(sql.utf8))
    #expect(body.status == 200, "\(body.body)")
    return body.list
  }

  @Test("L-26: the code of a device that is connected is renewed when it runs out, and announced")
  func codesAreRenewedWhileConnected() throws {
    let broker = try Broker()
    try broker.start()
    let server = try BrokerTests.server(broker, ["--code-lifetime", "0.3"])
    let person = try Watcher(broker, ["devices/+/lamp/associated"])
    defer { person.end() }
    try person.publish(BrokerTests.state(id), "1")
    try waitUntil("three codes") { Set(person.payloads(topic).compactMap(code)).count >= 3 }
    #expect(server.log.contains("New code for \(id): My LAMPI"))
    let client = server.client()
    _ = try client.post("/api/users", #"{"name":"ann"}"#)
    _ = try client.post("/api/devices/\(id)/associate", #"{"user":"ann"}"#)
    try waitUntil("associated") { person.payloads(topic).last == #"{"associated": true}"# }
    #expect(server.stop() == 0)
    #expect(person.payloads(topic).last == #"{"associated": true}"#, "whose it is has no code")
  }

  @Test("L-20, L-26: the clock alone makes no event; connected devices are renewed, others at their next 1")
  func renewalFollowsTheClock() throws {
    let folder = NSTemporaryDirectory() + "tsq-renew-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var options = StoreOptions()
    let clock = SimClock()
    options.clock = clock
    let store = try Store.open(folder, options)
    defer { try? store.close() }
    let discovery = Discovery(store, DiscoveryPolicy(), ServerMetrics(), log: { _ in })
    let renewal = CodeRenewal(store, log: { _ in }, registryChanged: {})
    func says(_ id: String, _ payload: String) throws {
      _ = try discovery.take([Self.message(BrokerTests.state(id), payload)], broker: "test")
    }
    func code(_ id: String) -> AssociationCode? { store.registry.codes[id]?.code }
    // Recorded before codes existed.
    _ = try store.decide(actor: .system) { _, context in
      Decision(
        events: [
          Event(
            id: EventID(high: 1, low: 1), recordedAt: context.now, actor: .system,
            kind: .deviceDiscovered(device: "0d", type: "lampi", name: "My LAMPI", interface: "mqtt"))
        ], result: .success(()))
    }
    try says("aa", "1")
    try says("bb", "1")
    try says("bb", "0")
    let first = (code("aa"), code("bb"))
    #expect(code("0d") == nil)
    #expect(renewal.step() == .again)
    #expect(code("0d") != nil && code("aa") == first.0)
    let lsn = store.durableLSN
    clock.advance(nanos: 599_000_000_000)
    #expect(renewal.step() == .idle(nanos: 1_000_000_000))
    #expect(store.durableLSN == lsn)
    clock.advance(nanos: 1_000_000_000)
    #expect(renewal.step() == .again)
    #expect(code("aa") != first.0 && code("bb") == first.1)
    try says("bb", "1")
    #expect(code("bb") != first.1)
    renewal.stop()
    #expect(renewal.step() == .done)
  }

  private static func message(_ topic: String, _ payload: String, retained: Bool = false) -> MQTTMessage {
    MQTTMessage(topic: topic, payload: Array(payload.utf8), qos: 1, retained: retained, packetID: 1)
  }

  @Test("L-08, L-14: a deleted device's message is cleared, its history stays; it comes again when it connects")
  func aDeletedDeviceComesAgain() throws {
    let broker = try Broker()
    try broker.start()
    let server = try BrokerTests.server(broker, ["--discovery-prefix", "test/connection"])
    let person = try Watcher(broker, ["devices/+/lamp/associated"])
    defer { person.end() }
    let state = "test/connection/\(id)_broker/state"
    try person.publish(state, "1", retain: true)
    try waitUntil("announced") { person.payloads(topic).count == 1 }
    let first = code(person.payloads(topic).first)
    let answer = try server.client().request("DELETE", "/api/devices/\(id)")
    #expect(answer.count("devices") == 1 && answer.count("codes") == 1, "\(answer.body)")
    try waitUntil("cleared") { person.payloads(topic).last == "" }
    let late = try Watcher(broker, ["devices/#"])
    #expect(late.payloads(topic).isEmpty)
    late.end()
    // What is retained is no device that connects.
    #expect(server.stop() == 0)
    try server.start()
    try waitUntil("the retained state") { server.log.filter { $0.hasPrefix("RECV: '1'") }.count >= 2 }
    try person.publish("test/connection/cc_broker/state", "1")
    try waitUntil("the next one") { server.log.contains("Created cc: My LAMPI") }
    #expect(try server.client().get("/api/devices/\(id)").status == 404)
    try person.publish(state, "1", retain: true)
    try waitUntil("a new code") { code(person.payloads(topic).last) != nil }
    #expect(code(person.payloads(topic).last) != first)
    let history = try server.client().get("/api/devices/\(id)/history").list.compactMap { $0["kind"] as? String }
    #expect(history.filter { $0 == "device.discovered" }.count == 2 && history.contains("device.deleted"))
  }

  @Test("L-12, L-16: every change of a connection is a row, sealed or not; of what is no device nothing is kept")
  func connectionsAreHistory() throws {
    let broker = try Broker()
    try broker.start()
    let server = try BrokerTests.server(broker, ["--discovery-allow", "b8"])
    let person = try Watcher(broker)
    defer { person.end() }
    for payload in ["1", "0", "0", "1"] { try person.publish(BrokerTests.state(id), payload) }
    try person.publish(BrokerTests.state("aa0000000001"), "1")
    try person.publish(BrokerTests.state("aa0000000002"), "0")
    try person.publish(BrokerTests.state("b80000000001"), "1")
    let sql = "select connected, interface, source from connections where device_id = '\(id)' order by lsn"
    func states() throws -> [Bool] { try rows(server, sql).compactMap { $0["connected"] as? Bool } }
    try waitUntil("the last one") { server.log.contains("Created b80000000001: My LAMPI") }
    // The log line comes before the rows of its batch.
    try waitUntil("its rows") { (try? states().count) ?? 0 >= 3 }
    #expect(try states() == [true, false, true])
    #expect(try rows(server, "select device_id from connections where device_id like 'aa%'").isEmpty)
    #expect(server.stop() == 0)
    var options = StoreOptions()
    options.maintainsItself = false
    let store = try Store.open(server.store, options)
    try store.seal()
    try store.close()
    try server.start()
    #expect(try states() == [true, false, true])
  }

  @Test("L-41, L-44: what a lamp says of itself is a row as it was sent, once; what is no state is counted")
  func statesAreRecorded() throws {
    let broker = try Broker()
    try broker.start()
    let server = try BrokerTests.server(broker)
    let lamp = try Watcher(broker)
    defer { lamp.end() }
    try lamp.publish(BrokerTests.state(id), "1")
    let changed = LampTopic.changed(id)
    let state = #"{"color":{"h":0.123456789012,"s":1},"brightness":0.07,"on":true,"client":"lamp_ui"}"#
    for payload in [
      state, state, #"{"on":false,"client":"web"}"#, "", #"{"on":true}"#, #"{"on":"yes","client":"x"}"#, "[]",
      #"{"client":"x"}"#,
    ] { try lamp.publish(changed, payload) }
    try lamp.publish(LampTopic.changed("b800"), #"{"on":true,"client":"x"}"#)
    // Retained: a restart brings it again, which is no news.
    try lamp.publish(changed, state, retain: true)
    func metric(_ name: String) throws -> String? {
      try server.client().get("/metrics").body.split(separator: "\n").first { $0.hasPrefix("\(name) ") }.map(String.init)
    }
    try waitUntil("all are heard") { (try? metric("tsq_states_recorded_total")) == "tsq_states_recorded_total 3" }
    #expect(try metric("tsq_states_refused_total") == "tsq_states_refused_total 5")
    #expect(server.stop() == 0)
    try server.start()
    try waitUntil("subscribed") { server.output.contains("subscribed") }
    try lamp.publish(changed, #"{"on":true,"client":"last"}"#)
    let sql = "select client, hue, saturation, brightness, is_on, state from device_states order by lsn"
    try waitUntil("the last one") { (try? rows(server, sql).last?["client"] as? String) == "last" }
    let found = try rows(server, sql)
    #expect(found.compactMap { $0["client"] as? String } == ["lamp_ui", "web", "lamp_ui", "last"])
    #expect(found[0]["hue"] as? Double == 0.123456789012 && found[0]["brightness"] as? Double == 0.07)
    #expect(found[0]["is_on"] as? Bool == true && found[1]["is_on"] as? Bool == false && found[1]["hue"] is NSNull)
    #expect(try server.client().get("/api/devices/b800").status == 404, "a state makes no device")
  }

  @Test("L-42, L-45: a simulated lamp shows its code, reacts to associated, and to set_config with a client alone")
  func aSimulatedLampPlaysItsPart() throws {
    let broker = try Broker()
    try broker.start()
    let server = try BrokerTests.server(broker)
    let person = try Watcher(broker, [LampTopic.changed("b827eb000001")])
    defer { person.end() }
    let printed = "\(server.folder)/lamp"
    let lamp = try ChildProcess(
      ServeProcess.binary,
      ["simulate", "--kind", "lampi", "--sensors", "1", "--seconds", "100000", "--speed", "100", "--to", "mqtt://127.0.0.1:\(broker.port)"],
      output: printed)
    func lines() -> [String] { String(decoding: fileBytes(printed), as: UTF8.self).split(separator: "\n").map(String.init) }
    try waitUntil("a code") { lines().contains { $0.hasPrefix("b827eb000001 shows ") } }
    let shown = lines().first { $0.hasPrefix("b827eb000001 shows ") }?.split(separator: " ").last ?? ""
    let client = server.client()
    _ = try client.post("/api/users", #"{"name":"ann"}"#)
    #expect(try client.post("/api/claim", #"{"code":"\#(shown)","user":"ann"}"#).status == 200)
    try waitUntil("associated") { lines().contains("b827eb000001 is associated") }
    #expect(try client.get("/api/devices/b827eb000001").object["connected"] as? Bool == true)
    try person.publish(LampTopic.setConfig("b827eb000001"), #"{"brightness":0.75}"#)
    let asked = try client.post("/api/devices/b827eb000001/set_config", #"{"brightness":0.25,"on":true}"#)
    #expect(asked.status == 202 && asked.object["client"] as? String == "tsq", "\(asked.body)")
    try waitUntil("its echo") { lines().contains { $0.hasPrefix("b827eb000001 was set by tsq: ") } }
    #expect(!lines().contains { $0.contains("0.75") }, "what names no client is ignored")
    try waitUntil("recorded") {
      (try? rows(server, "select brightness from device_states where client = 'tsq'").first?["brightness"] as? Double) == 0.25
    }
    try waitUntil("its own changes") {
      (try? rows(server, "select count(*) as n from device_states where client = 'lamp_ui'").first?["n"] as? Int ?? 0) ?? 0 > 3
    }
    #expect(try client.post("/api/devices/b827eb000001/set_config", "{}").status == 400)
    #expect(try client.post("/api/devices/nobody/set_config", #"{"on":true}"#).status == 404)
    // Killed: the broker tells by its Will.
    lamp.end(SIGKILL)
    try waitUntil("gone") {
      (try? client.get("/api/devices/b827eb000001").object["connected"] as? Bool) == false
    }
  }

  @Test("L-10, L-40: a real bridge with the printed configuration is discovered; what waited arrives late")
  func aRealBridgeIsADevice() throws {
    let broker = try Broker()
    try broker.start()
    let server = try BrokerTests.server(broker)
    let own = try Broker(LampBridge.configuration(of: id, to: "127.0.0.1:\(broker.port)"))
    try own.start()
    let lamp = try Watcher(own, ["lamp/associated", "lamp/set_config"])
    defer { lamp.end() }
    try waitUntil("discovered") { server.log.contains("Created \(id): My LAMPI") }
    try waitUntil("the lamp shows its code") { lamp.payloads("lamp/associated").compactMap(code).count == 1 }
    let client = server.client()
    try waitUntil("asked") { (try? client.post("/api/devices/\(id)/set_config", #"{"on":true}"#).status) == 202 }
    try waitUntil("told") { lamp.payloads("lamp/set_config") == [#"{"on":true,"client":"tsq"}"#] }
    broker.stop()
    try lamp.publish("lamp/changed", #"{"on":true,"client":"off_line"}"#)
    try broker.start()
    try waitUntil("late") {
      (try? rows(server, "select client from device_states").compactMap { $0["client"] as? String }) == ["off_line"]
    }
    own.stop()
    try waitUntil("the bridge is gone") {
      (try? client.get("/api/devices/\(id)").object["connected"] as? Bool) == false
    }
  }

  @Test("L-43: tsq's own state is retained, 1 when it is there, 0 by its Will when it was killed")
  func tsqTellsItsOwnState() throws {
    let broker = try Broker()
    try broker.start()
    let server = try BrokerTests.server(broker)
    let person = try Watcher(broker, ["tsq/connection/+/state"])
    defer { person.end() }
    func states() -> [String] {
      person.inbox.messages.withLock { $0.map { String(decoding: $0.payload, as: UTF8.self) } }
    }
    try waitUntil("there") { states().last == "1" }
    server.kill()
    try waitUntil("killed") { states().last == "0" }
  }
}
