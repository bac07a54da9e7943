import Foundation
import Query
import TSEngine
import Testing

@testable import Ingest
@testable import Server

/// D-20 to D-22, D-25: devices of declared types over MQTT.
@Suite(.serialized) struct ThingTests {
  private let start: Int64 = 1_700_000_000_000_000_000

  /// A store with a type and the device ws-1, in a folder of its own.
  private func withStore(_ body: (Store, SimClock) throws -> Void) throws {
    let folder = NSTemporaryDirectory() + "tsq-things-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let clock = SimClock(nanos: start)
    var options = StoreOptions()
    options.clock = clock
    let store = try Store.open(folder, options)
    defer { try? store.close() }
    try Self.declare(store)
    try body(store, clock)
  }

  private static func declare(_ store: Store) throws {
    let drafts = try TypeDocument.parse(
      """
      type: weather
      readings:
        temperature: {type: float, range: [-80, 80]}
        humidity: float
        wet: bool
        note: string
        extra: json
      state:
        mode: {type: string, default: auto, choices: [auto, manual]}
      """)
    let actor = Actor(.operator, "test")
    _ = try store.decide(actor: actor) { $0.declareTypes(drafts, $1) }.result.get()
    _ = try store.decide(actor: actor) { $0.createDevice("ws-1", type: "weather", $1) }.result.get()
  }

  private func message(_ channel: String, _ payload: String, device: String = "ws-1", id: UInt16 = 0) -> MQTTMessage {
    MQTTMessage(
      topic: "things/weather/\(device)/\(channel)", payload: Array(payload.utf8), qos: 1, retained: false, packetID: id)
  }

  private func rows(_ store: Store, _ sql: String) throws -> [[String]] {
    try QueryEngine.prepare(sql, StoreCatalog(store.snapshot())).rows().map { row in row.map { $0.text ?? "null" } }
  }

  @Test("D-21: flat objects and lists of readings become rows; without a timestamp the time of receipt counts")
  func bothForms() throws {
    try withStore { store, clock in
      let door = ThingDoor(store, ServerMetrics())
      _ = try door.take([
        message("data", #"{"temperature":25.3,"humidity":80,"wet":true,"timestamp":"2023-11-14T22:13:21+00:00","x":1}"#),
        message("data", #"{"readings":[{"type":"temperature","value":-3},{"type":"note","value":"ok"},{"type":"x","value":1}]}"#),
        message("data", #"{"timestamp":1700000002,"extra":{"b":[1,2],"a":null}}"#),
        message("data", #"{"nothing":"known"}"#),
      ])
      #expect(
        try rows(store, "SELECT ts, temperature, humidity, wet, note, extra FROM weather ORDER BY ts") == [
          ["2023-11-14T22:13:20Z", "-3", "null", "null", "ok", "null"],
          ["2023-11-14T22:13:21Z", "25.3", "80", "true", "null", "null"],
          ["2023-11-14T22:13:22Z", "null", "null", "null", "null", #"{"a":null,"b":[1,2]}"#],
        ])
      #expect(try rows(store, "SELECT processing_status, count(*) FROM messages GROUP BY 1") == [["completed", "4"]])
      #expect(store.registry.devices["ws-1"]?.status == .online && store.registry.lastSeen(of: "ws-1") == start)
    }
  }

  @Test("D-20: every message is stored; what is wrong with it is told beside it, and nothing else of it is")
  func failures() throws {
    try withStore { store, clock in
      let door = ThingDoor(store, ServerMetrics())
      var long = message("data", #"{"temperature":1}"#)
      long.topic = "things/weather/\(String(repeating: "d", count: 600))/data"
      var type = message("data", #"{"temperature":1}"#)
      type.contentType = String(repeating: "t", count: 101)
      var correlated = message("data", #"{"temperature":1}"#)
      correlated.correlationData = [UInt8](repeating: 1, count: 257)
      var stray = message("data", #"{"temperature":1}"#)
      stray.topic = "things/solar/ws-1/data"
      var retained = message("data", #"{"temperature":1}"#)
      retained.retained = true
      var large = message("data", "")
      large.isOversized = true
      let bad = [
        message("data", "{"), message("data", "[1]"), message("data", #"{"temperature":"hot"}"#),
        message("data", #"{"temperature":81}"#), message("data", #"{"temperature":1,"timestamp":"soon"}"#),
        message("data", #"{"temperature":1}"#, device: "nobody"), message("data", #"{"readings":[{"value":1}]}"#),
        long, type, correlated, stray, large,
        message("data", #"{"temperature":1,"timestamp":9223372037}"#),
        message("data", #"{"temperature":1,"timestamp":-99999999999999}"#),
        message("data", #"{"temperature":1,"timestamp":99999999999999999}"#), retained,
      ]
      clock.advance(nanos: 5)
      _ = try door.take(bad)
      #expect(try rows(store, "SELECT count(*) FROM messages WHERE processing_status = 'failed' AND processed_at = received_at")
        == [["\(bad.count)"]])
      let errors = try rows(store, "SELECT processing_error FROM messages ORDER BY lsn").map { $0[0] }
      #expect(errors[2] == "temperature is not of type float" && errors[3].contains("out of its range"))
      #expect(errors[5] == "unknown device" && errors[11] == MQTTMessage.oversizedText && Set(errors).count >= 9)
      #expect(try rows(store, "SELECT count(*) FROM weather") == [["0"]])
      #expect(store.registry.devices["nobody"] == nil && store.registry.devices["ws-1"]?.status == .offline)
      #expect(errors[12...14].allSatisfy { $0 == "timestamp is no instant" } && errors[15].hasPrefix("a retained reading"))
      #expect(try rows(store, "SELECT payload_raw, payload_json IS NULL FROM messages ORDER BY lsn LIMIT 1") == [["7b", "true"]])
    }
  }

  @Test("D-22: the status channel sets status, battery, firmware and state; one that is none changes nothing")
  func statusChannel() throws {
    try withStore { store, clock in
      let door = ThingDoor(store, ServerMetrics())
      #expect(try door.take([
        message("status", #"{"status":"online","battery_level":85.5,"firmware_version":"2.1.0","mode":"manual","x":1}"#)
      ]))
      let device = try #require(store.registry.devices["ws-1"])
      #expect(device.status == .online && device.batteryLevel == 85.5 && device.firmwareVersion == "2.1.0")
      #expect(device.fields["mode"] == .text("manual"))
      let before = store.registry.digest
      for wrong in [
        #"{"status":"asleep","battery_level":1}"#, #"{"status":1}"#, #"{"battery_level":"full","status":"error"}"#,
        #"{"status":"error","mode":"never"}"#, "no",
      ] { _ = try door.take([message("status", wrong)]) }
      #expect(store.registry.digest == before)
      #expect(try rows(store, "SELECT count(*) FROM messages WHERE processing_status = 'failed'") == [["5"]])
      // The same again, and a sign of life alone, are no events.
      clock.advance(nanos: 100)
      _ = try door.take([message("status", #"{"status":"online","battery_level":85.5}"#), message("data", "{}")])
      #expect(store.registry.digest == before && store.registry.lastSeen(of: "ws-1") == start + 100)
    }
  }

  @Test("D-20: a message that comes again after a kill takes up its record; its readings are there once")
  func redelivery() throws {
    try withStore { store, clock in
      let again = message("data", #"{"temperature":7}"#, id: 9)
      // As a process leaves it that is killed behind the first of its commits.
      var received = ReceivedMessage(device: "ws-1", interface: "mqtt", topic: again.topic, payload: again.payload)
      received.packetID = 9
      _ = try store.record([OperationalRecord(recordedAt: start, kind: .messageReceived(received))])
      #expect(try rows(store, "SELECT processing_status FROM messages") == [["pending"]])
      clock.advance(nanos: 60_000_000_000)
      let door = ThingDoor(store, ServerMetrics())
      _ = try door.take([again])
      #expect(try rows(store, "SELECT processing_status, received_at FROM messages") == [["completed", "2023-11-14T22:13:20Z"]])
      #expect(try rows(store, "SELECT ts, temperature FROM weather") == [["2023-11-14T22:13:20Z", "7"]])
      // Another of the same bytes later is another.
      _ = try door.take([again])
      #expect(try rows(store, "SELECT count(*) FROM messages") == [["2"]])
    }
  }

  @Test("D-20: what was processed and not acknowledged is not processed again when the session goes on")
  func redeliveryOfWhatIsDone() throws {
    try withStore { store, clock in
      let (one, two) = (message("data", #"{"temperature":7}"#, id: 9), message("data", #"{"temperature":7}"#, id: 10))
      var door = ThingDoor(store, ServerMetrics())
      _ = try door.take([one])
      for isRestart in [false, true] {
        clock.advance(nanos: 1_000_000_000)
        if isRestart { door = ThingDoor(store, ServerMetrics()) }
        door.connected(sessionPresent: true)
        _ = try door.take([one])
        #expect(try rows(store, "SELECT count(*) FROM messages") == [["1"]])
        #expect(try rows(store, "SELECT ts FROM weather") == [["2023-11-14T22:13:20Z"]])
      }
      // Once; another id is another message, and in a new session ids begin anew.
      _ = try door.take([two])
      #expect(try rows(store, "SELECT count(*) FROM messages") == [["2"]])
      clock.advance(nanos: 1_000_000_000)
      door.connected(sessionPresent: false)
      _ = try door.take([one])
      #expect(try rows(store, "SELECT count(*) FROM messages") == [["3"]])
      // What comes again comes first: behind something new nothing is taken for it.
      clock.advance(nanos: 1_000_000_000)
      door.connected(sessionPresent: true)
      _ = try door.take([message("data", #"{"temperature":7}"#, id: 11), one])
      #expect(try rows(store, "SELECT count(*) FROM messages") == [["5"]])
    }
  }

  @Test("D-25: topics of the prefix alone are ours, a group shares them")
  func topics() {
    #expect(ThingTopic.filters(prefix: "things", group: nil) == ["things/+/+/data", "things/+/+/status", "things/+/+/ack"])
    #expect(ThingTopic.filters(prefix: "a/b", group: "g") == ["$share/g/a/b/+/+/data", "$share/g/a/b/+/+/status", "$share/g/a/b/+/+/ack"])
    #expect(ThingTopic("a/b/weather/ws-1/data", prefix: "a/b")?.device == "ws-1")
    for topic in ["things/weather/ws-1", "things/weather/ws-1/cmd", "things/weather/ws-1/data/x", "thing/w/d/data"] {
      #expect(ThingTopic(topic, prefix: "things") == nil)
    }
  }

  @Test("D-20 D-25: over a real broker, with the properties of MQTT 5, also in a group")
  func overABroker() throws {
    let broker = try Broker()
    try broker.start()
    let server = try BrokerTests.server(broker, ["--mqtt-group", "fleet"])
    let client = server.client()
    #expect(try client.post("/api/types", "type: weather\nreadings: {temperature: float}\n").status == 201)
    #expect(try client.post("/api/devices", #"{"id":"ws-1","type":"weather"}"#).status == 201)
    let sent = try ChildProcess(
      "/usr/bin/mosquitto_pub",
      [
        "-h", "127.0.0.1", "-p", "\(broker.port)", "-V", "5", "-q", "1", "-t", "things/weather/ws-1/data",
        "-m", #"{"temperature":21.5}"#, "-D", "publish", "content-type", "application/json", "-D", "publish",
        "correlation-data", "req-7", "-D", "publish", "user-property", "site", "roof", "-D", "publish", "user-property",
        "unit", "C",
      ]).waitForStatus()
    #expect(sent == 0)
    try waitUntil("processed") {
      (try? client.get("/api/query?q=select+count(*)+as+n+from+messages+where+processed_at+is+not+null").list.first?["n"] as? Int) == 1
    }
    let shown = try client.get("/api/query?q=select+*+from+messages").list.first ?? [:]
    #expect(shown["content_type"] as? String == "application/json" && shown["correlation_id"] as? String == "req-7")
    #expect(shown["user_properties"] as? String == #"{"site":"roof","unit":"C"}"#)
    #expect(shown["payload_json"] as? String == #"{"temperature":21.5}"# && shown["processing_status"] as? String == "completed")
    #expect(try client.get("/api/query?q=select+temperature+from+weather").list.first?["temperature"] as? Double == 21.5)
    #expect(try client.get("/api/devices/ws-1").object["status"] as? String == "online")

    // Another server in the group: each message is processed once, by one of the two.
    let second = try BrokerTests.server(broker, ["--mqtt-group", "fleet"])
    #expect(try second.client().post("/api/types", "type: weather\nreadings: {temperature: float}\n").status == 201)
    #expect(try second.client().post("/api/devices", #"{"id":"ws-1","type":"weather"}"#).status == 201)
    let device = try BrokerTests.Watcher(broker)
    defer { device.end() }
    for second in 0..<40 {
      try device.publish("things/weather/ws-1/data", #"{"temperature":1,"timestamp":\#(1_700_000_000 + second)}"#)
    }
    func count(_ server: ServeProcess) -> Int {
      let sql = "select+count(*)+as+n+from+weather+where+temperature+=+1"
      return (try? server.client().get("/api/query?q=\(sql)").list.first?["n"] as? Int) ?? 0
    }
    try waitUntil("all processed") { count(server) + count(second) == 40 }
    #expect(count(server) > 0 && count(second) > 0)
  }

  @Test("D-25: what an earlier start was subscribed to and this one is not is ended, or each message would come twice")
  func oldSubscriptionsEnd() throws {
    let broker = try Broker()
    try broker.start()
    let server = try BrokerTests.server(broker)
    #expect(try server.client().post("/api/types", "type: weather\nreadings: {temperature: float}\n").status == 201)
    #expect(try server.client().post("/api/devices", #"{"id":"ws-1","type":"weather"}"#).status == 201)
    #expect(server.stop() == 0)
    // Behind the second stop the broker has heard of it.
    for _ in 0..<2 {
      try server.start(["--mqtt-group", "fleet"])
      try waitUntil("ended") { server.log.contains { $0.hasSuffix("things/+/+/data of an earlier start is ended") } }
      try waitUntil("subscribed") { server.output.contains("mqtt mqtt subscribed") }
      #expect(server.stop() == 0)
    }
    #expect(!server.log.contains { $0.contains("powermon/+/data of an earlier") }, "what is still wanted stays")
    try server.start(["--mqtt-group", "fleet"])
    let device = try BrokerTests.Watcher(broker)
    defer { device.end() }
    for second in 0..<20 {
      try device.publish("things/weather/ws-1/data", #"{"temperature":1,"timestamp":\#(1_700_000_000 + second)}"#)
    }
    func count() -> Int {
      (try? server.client().get("/api/query?q=select+count(*)+as+n+from+messages").list.first?["n"] as? Int) ?? 0
    }
    try waitUntil("all processed") { count() >= 20 }
    #expect(server.stop() == 0)
    #expect(try server.reading { try $0.newestRecords(limit: 100) { $0.kind.name == "message.received" }.count } == 20)
  }
}
