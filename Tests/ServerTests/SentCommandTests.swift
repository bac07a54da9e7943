import Foundation
import Synchronization
import TSEngine
import Testing

@testable import Ingest
@testable import Server

/// D-23, D-24: commands to devices of declared types.
@Suite(.serialized) struct SentCommandTests {
  static let type = """
    type: weather
    readings: {temperature: float}
    commands:
      set_interval: {interval: int}
      reboot:
    """

  private final class Sent: Sendable {
    let all = Mutex<[(publication: MQTTPublication, confirmed: @Sendable (Bool) -> Void)]>([])
    var count: Int { all.withLock { $0.count } }
  }

  @Test("D-24: the outbox publishes after the commit, again what was refused; expiry and time-out go by the clock")
  func theOutbox() throws {
    let folder = NSTemporaryDirectory() + "tsq-commands-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let clock = SimClock()
    var options = StoreOptions()
    options.clock = clock
    let store = try Store.open(folder, options)
    defer { try? store.close() }
    let (drafts, actor) = (try TypeDocument.parse(Self.type), Actor(.operator, "test"))
    _ = try store.decide(actor: actor) { $0.declareTypes(drafts, $1) }
    _ = try store.decide(actor: actor) { $0.createDevice("ws-1", type: "weather", $1) }
    func send(_ broker: String? = nil) throws -> String {
      try store.decide(actor: actor) { $0.sendCommand("reboot", to: "ws-1", broker: broker, $1) }.result.get().id
    }
    func states() throws -> [String] { try store.snapshot().commandHistory().entries.map(\.state) }
    let sent = Sent()
    let outbox = CommandOutbox(
      store, prefix: "things",
      brokers: [("plant", { publication, confirmed in
        sent.all.withLock { $0.append((publication, confirmed)) }
        return true
      })])
    #expect(outbox.brokerNames == ["plant", "default"])
    let id = try send()
    outbox.step()
    outbox.step()
    #expect(sent.count == 1)
    let first = sent.all.withLock { $0[0] }
    #expect(first.publication.topic == "things/weather/ws-1/cmd" && first.publication.responseTopic == "things/weather/ws-1/ack")
    #expect(first.publication.correlationData == Array(id.utf8) && first.publication.qos == 1)
    first.confirmed(false)
    outbox.step()
    #expect(sent.count == 2)
    #expect(try states() == ["pending"])
    sent.all.withLock { $0[1] }.confirmed(true)
    outbox.step()
    #expect(try states() == ["published"])
    clock.advance(nanos: 30_000_000_000 - 1)
    outbox.step()
    #expect(try states() == ["published"])
    clock.advance(nanos: 1)
    outbox.step()
    #expect(try states() == ["timed_out"])
    _ = try send("nowhere")
    outbox.step()
    #expect(try states() == ["timed_out", "failed"])
    _ = try send("plant")
    outbox.step()
    clock.advance(nanos: 3_600_000_000_000)
    outbox.step()
    #expect(try states() == ["timed_out", "failed", "expired"])
    #expect(sent.count == 3)
  }

  @Test("D-23 D-24: a command goes to its device over a real broker, its answer comes back; codes of what is wrong")
  func overABroker() throws {
    let broker = try Broker()
    try broker.start()
    let server = try BrokerTests.server(broker)
    let client = server.client()
    #expect(try client.post("/api/types", Self.type).status == 201)
    #expect(try client.post("/api/devices", #"{"id":"ws-1","type":"weather"}"#).status == 201)
    let device = try BrokerTests.Watcher(broker, ["things/weather/ws-1/cmd"])
    defer { device.end() }
    let path = "/api/devices/ws-1/commands"
    let sent = try client.post(path, #"{"command":"set_interval","payload":{"interval":60}}"#)
    #expect(sent.status == 202 && (sent.object["id"] as? String)?.count == 32, "\(sent.body)")
    try waitUntil("the command") { !device.payloads("things/weather/ws-1/cmd").isEmpty }
    #expect(device.payloads("things/weather/ws-1/cmd") == [#"{"command":"set_interval","payload":{"interval":60}}"#])
    let message = device.inbox.messages.withLock { $0[0] }
    #expect(message.responseTopic == "things/weather/ws-1/ack")
    let id = String(decoding: message.correlationData ?? [], as: UTF8.self)
    #expect(id == sent.object["id"] as? String)
    try device.publish("things/weather/ws-1/ack", #"{"correlation_id":"\#(id)","ok":true}"#)
    try waitUntil("the answer") { (try? client.get(path).list.first?["state"] as? String) == "acknowledged" }

    for (body, code, status) in [
      (#"{"command":"fly"}"#, "unknownCommand", 404), (#"{"command":"reboot","broker":"x"}"#, "unknownBroker", 400),
      (#"{"command":"set_interval"}"#, "invalidPayload", 400),
      (#"{"command":"set_interval","payload":{"interval":"60"}}"#, "wrongType", 400), ("{}", "invalid", 400),
    ] as [(String, String, Int)] {
      let refused = try client.post(path, body)
      #expect(refused.status == status && refused.object["code"] as? String == code, "\(refused.body)")
    }
    #expect(try client.post("/api/devices/nobody/commands", #"{"command":"reboot"}"#).object["code"] as? String == "unknownDevice")

    func tsq(_ arguments: [String]) throws -> (Int32, String) {
      let printed = "\(server.folder)/printed"
      let status = try ChildProcess(ServeProcess.binary, ["command"] + arguments, output: printed).waitForStatus()
      return (status, String(decoding: fileBytes(printed), as: UTF8.self))
    }
    let url = "http://127.0.0.1:\(server.port)"
    #expect(try tsq(["send", "ws-1", "reboot", "--connect", url]).0 == 0)
    try waitUntil("the second") { device.payloads("things/weather/ws-1/cmd").count == 2 }
    #expect(device.payloads("things/weather/ws-1/cmd").last == #"{"command":"reboot"}"#)
    try device.publish("things/weather/ws-1/ack", #"{"command":"reboot","error":"busy"}"#)
    try waitUntil("refused") { (try? client.get(path).list.first?["state"] as? String) == "refused" }
    #expect(try tsq(["list", "--connect", url, "--format", "csv"]).1.contains("refused"))
    // What is sent into the store of a stopped server goes out at its start.
    #expect(server.stop() == 0)
    #expect(try tsq(["send", "ws-1", "set_interval", #"{"interval": 5}"#, "--store", server.store]).0 == 0)
    #expect(try tsq(["send", "ws-1", "set_interval", #"{"interval": "5"}"#, "--store", server.store]).0 == 1)
    try server.start()
    try waitUntil("the third") { device.payloads("things/weather/ws-1/cmd").count == 3 }
    let rows = try server.client().get("/api/query?q=select+command,payload+from+commands+order+by+sent_at").list
    #expect(rows.count == 3 && rows.last?["payload"] as? String == #"{"interval":5}"#)
  }
}
