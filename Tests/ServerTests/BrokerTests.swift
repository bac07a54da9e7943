import Foundation
import Synchronization
import TSEngine
import Testing

@testable import Ingest
@testable import Server

/// Discovery, association messages and frames over a real mosquitto.
@Suite(.serialized) struct BrokerTests {
  /// What a person with `mosquitto_sub` and `mosquitto_pub` sees and does.
  final class Watcher: Sendable {
    final class Inbox: Sendable {
      let messages = Mutex<[MQTTMessage]>([])
      let subscriptions = Mutex(0)
      let failures = Mutex(0)
    }

    let inbox = Inbox()
    private let loop: MQTTLoop
    private let done = DispatchSemaphore(value: 0)

    /// - Parameter login: user and password.
    init(_ broker: Broker, _ filters: [String] = [], login: (user: String, password: String)? = nil) throws {
      var options = MQTTOptions(
        host: "127.0.0.1", port: broker.port, clientID: "watcher-\(UUID().uuidString)")
      options.filters = filters
      options.firstRetryMillis = 20
      options.username = login?.user
      options.password = login?.password
      let inbox = inbox
      let loop = MQTTLoop(
        options,
        observer: { event in
          switch event {
          case .subscribed, .subscriptionRefused: inbox.subscriptions.withLock { $0 += 1 }
          case .connectionFailed: inbox.failures.withLock { $0 += 1 }
          default: break
          }
        }
      ) { batch in
        inbox.messages.withLock { $0 += batch }
        return .committed([])
      }
      self.loop = loop
      let done = done
      Thread.detachNewThread {
        loop.run()
        done.signal()
      }
      try waitUntil("a watcher subscribed to \(filters)") {
        inbox.subscriptions.withLock { $0 } >= filters.count || (login != nil && inbox.failures.withLock { $0 } > 0)
      }
    }

    func end() {
      loop.stop()
      done.wait()
    }

    func publish(_ topic: String, _ payload: String, retain: Bool = false) throws {
      let confirmed = Flag()
      let sent = MQTTPublication(topic: topic, payload: Array(payload.utf8), qos: 1, retain: retain)
      #expect(loop.publish(sent) { _ in confirmed.raise() })
      try waitUntil("\(topic) published") { confirmed.isRaised }
    }

    func payloads(_ topic: String) -> [String] {
      inbox.messages.withLock {
        $0.filter { $0.topic == topic }.map { String(decoding: $0.payload, as: UTF8.self) }
      }
    }
  }

  final class Flag: Sendable {
    private let value = Mutex(false)
    var isRaised: Bool { value.withLock { $0 } }
    func raise() { value.withLock { $0 = true } }
  }

  static func server(_ broker: Broker, _ extra: [String] = [], waits: Bool = true) throws -> ServeProcess {
    let server = try ServeProcess(["--dev", "--mqtt", "mqtt://127.0.0.1:\(broker.port)"] + extra)
    if waits { try waitUntil("subscribed") { server.output.contains("mqtt mqtt subscribed") } }
    return server
  }

  /// A daemon of this process, subscribed, over a store that the test has at hand.
  static func daemon(
    _ broker: Broker, _ store: Store, _ metrics: ServerMetrics
  ) throws -> BrokerDaemon {
    let subscribed = Flag()
    let address = try #require(ServerOptions.Broker("mqtt://127.0.0.1:\(broker.port)"))
    let daemon = BrokerDaemon(
      address, store, FrameDoor(store), Discovery(store, DiscoveryPolicy(), metrics, log: { _ in }),
      LampStates(store, metrics, log: { _ in }), metrics, log: { _ in }, registryChanged: {}, onReady: { subscribed.raise() })
    daemon.start()
    try waitUntil("subscribed") { subscribed.isRaised }
    return daemon
  }

  static func state(_ id: String) -> String { "$SYS/broker/connection/\(id)_broker/state" }
  static func associated(_ id: String) -> String { "devices/\(id)/lamp/associated" }

  @Test("L-03, L-10, L-11, L-15, L-17, L-20, L-21: a bridge that connects becomes a device with a code")
  func aConnectingBridgeBecomesADevice() throws {
    let broker = try Broker()
    try broker.start()
    let server = try Self.server(broker)
    let person = try Watcher(broker, ["devices/+/lamp/associated"])
    defer { person.end() }
    let id = "b827eb08451e"
    for payload in ["1", "1", "0", "1"] { try person.publish(Self.state(id), payload) }
    try waitUntil("found again") { server.log.filter { $0 == "Found \(id): My LAMPI" }.count == 2 }
    try waitUntil("announced") { !person.payloads(Self.associated(id)).isEmpty }
    let interesting = server.log.filter { !$0.hasPrefix("mqtt ") }
    #expect(interesting.first == "Created user parked_device_user to own new LAMPI devices")
    #expect(interesting.contains("RECV: '1' on '\(Self.state(id))'"))
    #expect(interesting.filter { $0 == "Created \(id): My LAMPI" }.count == 1)
    let message = person.payloads(Self.associated(id))[0]
    let code = message.wholeMatch(of: /\{"associated": false, "code": "([0-9a-f]{32})"\}/)?.1 ?? ""
    #expect(code.count == 32, "\(message)")
    #expect(person.payloads(Self.associated(id)).count == 1, "known devices are not announced again")
    let device = try server.client().get("/api/devices/\(id)").object
    #expect(device["owner"] as? String == "parked_device_user" && device["connected"] as? Bool == true)
    // The message is retained: who subscribes later sees it.
    let late = try Watcher(broker, ["devices/#"])
    try waitUntil("retained") { late.payloads(Self.associated(id)) == [message] }
    late.end()
    #expect(server.stop() == 0)
    try server.start()
    #expect(server.log.filter { $0.hasPrefix("Created user") }.count == 1)
  }

  @Test("L-13, L-27: what is not a discovery is counted and creates nothing")
  func strayMessagesCreateNothing() throws {
    let broker = try Broker()
    try broker.start()
    let server = try Self.server(broker)
    let person = try Watcher(broker)
    defer { person.end() }
    for (topic, payload) in [
      (Self.state(""), "1"), (Self.state("b827eb08451e0"), "1"), (Self.state("nothex"), "1"),
      ("$SYS/broker/connection/b827eb08451e/state", "1"), (Self.state("b827eb08451e"), "2"),
      (Self.state("b827eb08451e"), ""), ("powermon/gresystem000001/data", ""),
    ] { try person.publish(topic, payload) }
    // The daemon goes on; ids are matched without regard to case.
    try person.publish("$SYS/broker/connection/B827EB000001_broker/state", "1")
    try waitUntil("the last one") { server.log.contains("Created b827eb000001: My LAMPI") }
    #expect(try server.client().get("/api/devices").list.count == 1)
    let metrics = try server.client().get("/metrics").body
    for reason in ["emptyID", "longID", "notHex", "notABroker", "unknownPayload"] {
      #expect(metrics.contains("tsq_discovery_ignored_total{reason=\"\(reason)\"} 1\n"), "\(reason)")
    }
    #expect(metrics.contains("\ntsq_mqtt_refusals_total 0\n"))
  }

  @Test("L-14: a restart records nothing that is known, and what changed meanwhile")
  func aRestartRecordsOnlyChanges() throws {
    let broker = try Broker()
    try broker.start()
    let server = try Self.server(broker, ["--discovery-prefix", "test/connection"])
    let person = try Watcher(broker)
    defer { person.end() }
    func topic(_ id: String) -> String { "test/connection/\(id)_broker/state" }
    try person.publish(topic("aa"), "1", retain: true)
    try person.publish(topic("bb"), "1", retain: true)
    try waitUntil("both") { server.log.contains("Created bb: My LAMPI") }
    let events = { try server.client().get("/api/events").list.filter { $0["kind"] as? String != "announcement.confirmed" }.count }
    let before = try events()
    #expect(server.stop() == 0)
    try person.publish(topic("bb"), "0", retain: true)
    try server.start()
    try waitUntil("retained states") { server.log.filter { $0.hasPrefix("RECV: '0'") }.count >= 1 }
    try waitUntil("recorded") {
      (try? server.client().get("/api/devices/bb").object["connected"] as? Bool) == false
    }
    #expect(try events() == before)
    #expect(try server.client().get("/api/devices/aa").object["connected"] as? Bool == true)
  }

  @Test("L-16: new devices come at a bounded rate, by the allow rule; known ones are not held back")
  func newDevicesAreLimited() throws {
    let broker = try Broker()
    try broker.start()
    let server = try Self.server(broker, ["--discovery-rate", "3", "--discovery-allow", "b8"])
    let person = try Watcher(broker)
    defer { person.end() }
    try person.publish(Self.state("aa0000000001"), "1")
    for index in 1...6 { try person.publish(Self.state("b8000000000\(index)"), "1") }
    try person.publish(Self.state("b80000000001"), "1")
    try waitUntil("the known one") { server.log.contains("Found b80000000001: My LAMPI") }
    let created = server.log.filter { $0.hasPrefix("Created b8") }.count
    #expect((3...4).contains(created))
    #expect(server.log.contains("Refused aa0000000001: no --discovery-allow admits it"))
    #expect(server.log.contains { $0.hasSuffix("more than 3 new devices a minute") })
  }

  @Test("L-07, L-25, L-30: association is announced after the commit; what was not confirmed, at start")
  func associationsAreAnnounced() throws {
    let broker = try Broker()
    try broker.start()
    let server = try Self.server(broker)
    let person = try Watcher(broker, ["devices/+/lamp/associated"])
    let id = "b827eb08451e"
    let topic = Self.associated(id)
    try person.publish(Self.state(id), "1")
    try waitUntil("unassociated") { person.payloads(topic).count == 1 }
    let client = server.client()
    _ = try client.post("/api/users", #"{"name":"ann"}"#)
    _ = try client.post("/api/devices/\(id)/associate", #"{"user":"ann"}"#)
    try waitUntil("associated") { person.payloads(topic).last == #"{"associated": true}"# }
    _ = try client.post("/api/devices/\(id)/dissociate", "")
    try waitUntil("a new code") { person.payloads(topic).count == 3 }
    #expect(person.payloads(topic)[2] != person.payloads(topic)[0])
    try waitUntil("confirmed") {
      (try? server.client().get("/metrics").body.contains("tsq_announcements_confirmed_total 3")) == true
    }
    // Cleared by hand: it stays cleared over a restart until it is asked for.
    try person.publish(topic, "", retain: true)
    #expect(server.stop() == 0)
    person.end()
    try server.start()
    try waitUntil("subscribed") { server.output.contains("subscribed") }
    let second = try Watcher(broker, ["devices/+/lamp/associated"])
    #expect(second.payloads(topic).isEmpty)
    _ = try server.client().post("/api/devices/\(id)/announce", "")
    try waitUntil("announced again") { second.payloads(topic).count == 1 }
    try waitUntil("confirmed") {
      (try? server.client().get("/metrics").body.contains("tsq_announcements_confirmed_total 1")) == true
    }
    // Associated while the broker is away, and killed: announced at the next start.
    second.end()
    broker.stop()
    _ = try server.client().post("/api/devices/\(id)/associate", #"{"user":"ann"}"#)
    server.kill()
    try broker.start()
    try server.start()
    let third = try Watcher(broker, ["devices/+/lamp/associated"])
    try waitUntil("the outbox") { third.payloads(topic).last == #"{"associated": true}"# }
    third.end()
  }

  @Test("frames over MQTT are answered on the ack topic once durable, errors with the path")
  func framesAreAnswered() throws {
    let broker = try Broker()
    let server = try ServeProcess(["--dev", "--mqtt", "plant=mqtt://127.0.0.1:\(broker.port)"])
    // L-17: it waits for an absent broker.
    try waitUntil("a failed try") { server.log.contains { $0.contains("next try in") } }
    try broker.start()
    try waitUntil("subscribed") { server.output.contains("mqtt plant subscribed") }
    let meter = try Watcher(broker, ["powermon/+/ack", "tsq/connection/+/state"])
    defer { meter.end() }
    let (topic, ack) = ("powermon/gresystem000001/data", "powermon/gresystem000001/ack")
    for _ in 0..<2 { try meter.publish(topic, Frames.json("gresystem000001", 1_666_000_000)) }
    try meter.publish(topic, #"{"sensor_id":"gresystem000001","timestamp":1666000001,"data":[{"power":[1,"x"]}]}"#)
    try meter.publish(topic, Frames.json("gresystem000002", 1_666_000_000))
    try waitUntil("four answers") { meter.payloads(ack).count == 4 }
    let answers = meter.payloads(ack).map {
      (try? JSONSerialization.jsonObject(with: Data($0.utf8))) as? [String: Any] ?? [:]
    }
    #expect(Set(answers.compactMap { $0["new"] as? Int }) == [0, 60])
    #expect(answers.allSatisfy { $0["timestamp"] is Int })
    #expect(answers.contains { $0["path"] as? String == "data[0].power[1]" })
    #expect(answers.contains { $0["path"] as? String == "sensor_id" })
    #expect(try server.client().get("/api/devices").list.map { $0["device_id"] as? String } == ["gresystem000001"])
    // L-43
    let state = meter.inbox.messages.withLock { $0.first { $0.topic.hasPrefix("tsq/connection/tsq-plant-") } }
    #expect(state?.payload == [0x31])
    #expect(server.stop() == 0)
    try waitUntil("gone") { meter.payloads(state?.topic ?? "").last == "0" }
  }

  /// A round that the store could take in part only: what was stored is not stored, counted,
  /// recorded and answered again in the rounds that follow.
  @Test("what the store took of a round is settled, only the rest is tried again")
  func aRoundThatFailsInPartIsFinishedInPart() throws {
    let broker = try Broker()
    try broker.start()
    let folder = NSTemporaryDirectory() + "tsq-part-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var options = StoreOptions()
    // Room for a few frames; the others of a round are refused as overload.
    options.queueByteLimit = 20_000
    let store = try Store.open(folder, options)
    defer { try? store.close() }
    let metrics = ServerMetrics()
    // The session stays: what is sent while nobody is there comes at once.
    try Self.daemon(broker, store, metrics).stop()
    let meter = try Watcher(broker, ["powermon/+/ack"])
    defer { meter.end() }
    for second in 0..<60 as Range<Int64> {
      try meter.publish("powermon/gresystem000001/data", Frames.json("gresystem000001", 1_666_000_000 + second))
    }
    // One comes twice, so that each frame is a request of its own.
    try meter.publish("powermon/gresystem000001/data", Frames.json("gresystem000001", 1_666_000_000))
    let running = try Self.daemon(broker, store, metrics)
    try waitUntil("all stored") { metrics[.mqttFrames] == 61 }
    let ack = "powermon/gresystem000001/ack"
    try waitUntil("all answered") { meter.payloads(ack).count >= 61 }
    running.stop()
    #expect(metrics[.mqttRetries] > 0)
    #expect(metrics[.rowsNew] == 3600 && metrics[.rowsSame] == 60 && metrics[.mqttMessages] == 61)
    let answers = meter.payloads(ack)
    #expect(answers.count == 61 && answers.count { $0.contains("\"new\":60,\"same\":0") } == 60)
    #expect(answers.count { $0.contains("\"new\":0,\"same\":60") } == 1)
    let records = try store.snapshot().newestRecords(limit: .max) {
      if case .messageReceived = $0.kind { true } else { false }
    }
    #expect(records.count == 61)
  }

  /// One meter that sends an instant again with another value must not keep all the others out.
  @Test("a frame that its table's policy rejects is answered, and the session goes on (T-03)")
  func aRejectedFrameKeepsNobodyOut() throws {
    let broker = try Broker()
    try broker.start()
    let folder = NSTemporaryDirectory() + "tsq-reject-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let store = try Store.open(folder)
    defer { try? store.close() }
    let set = try store.decide(actor: Actor(.system, "test")) {
      $0.setTypeSetting("power", "conflicts", "reject", $1)
    }
    _ = try set.result.get()
    let metrics = ServerMetrics()
    let daemon = try Self.daemon(broker, store, metrics)
    defer { daemon.stop() }
    let meter = try Watcher(broker, ["powermon/+/ack"])
    defer { meter.end() }
    let frame = Frames.json("gresystem000001", 1_666_000_000)
    try meter.publish("powermon/gresystem000001/data", frame)
    try waitUntil("stored") { metrics[.mqttFrames] == 1 }
    let altered = frame.replacingOccurrences(of: "\"power\":[", with: "\"power\":[7")
    try meter.publish("powermon/gresystem000001/data", altered)
    try meter.publish("powermon/gresystem000002/data", Frames.json("gresystem000002", 1_666_000_000))
    try waitUntil("the other meter is stored") { metrics[.mqttFrames] == 2 }
    try waitUntil("both answered") { meter.payloads("powermon/gresystem000001/ack").count == 2 }
    #expect(meter.payloads("powermon/gresystem000001/ack").last?.contains("\"error\"") == true)
    #expect(metrics[.mqttRefusals] == 1 && metrics[.mqttRetries] == 0 && metrics[.rowsConflict] == 0)
  }
}
