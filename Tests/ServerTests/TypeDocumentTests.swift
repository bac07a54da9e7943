import Foundation
import TSEngine
import Testing

@testable import Server

/// D-01, D-10: types from files and requests, devices as the API shows them.
@Suite(.serialized) struct TypeDocumentTests {
  static let weather = """
    # A station on a roof
    - type: sensor
      abstract: true
      readings:
        temperature: {type: float, unit: °C, range: [-80, 80], required: true}
      commands:
        reboot:
      meta: {heartbeat_interval: 60}
    - type: weather_station
      label: Weather Station
      parent: sensor
      readings:
        humidity: {type: float, range: [0, null]}
        rain: int
        note: string
        extra: json
      commands:
        set_interval: {interval: int}
      state:
        mode: {type: string, default: auto, choices: [auto, manual]}
        limit: {type: float, default: 1}
    """

  @Test("D-01: a YAML file says readings, commands, state, meta, parent and abstract; JSON says the same")
  func aFileIsRead() throws {
    let drafts = try TypeDocument.parse(Self.weather)
    #expect(drafts.map(\.name) == ["sensor", "weather_station"])
    #expect(drafts[0].details.isAbstract && drafts[0].meta?.heartbeatSeconds == 60)
    let temperature = drafts[0].columns[0]
    #expect(temperature.type == .float && temperature.unit == "°C" && temperature.isRequired)
    #expect(temperature.boundsText == "-80.0 to 80.0")
    #expect(drafts[1].columns.map(\.name) == ["humidity", "rain", "note", "extra"])
    #expect(drafts[1].columns.map(\.type) == [.float, .int, .text, .text] && drafts[1].columns[3].isJSON)
    #expect(drafts[1].columns[0].boundsText == "at least 0.0")
    #expect(drafts[1].details[command: "set_interval"]?.parameters == [.init(name: "interval", type: .int)])
    #expect(drafts[1].details[state: "mode"]?.choices == [.text("auto"), .text("manual")])
    #expect(drafts[1].details[state: "limit"]?.defaultValue == .float(1))
    let json = #"{"type":"w","readings":{"b":{"type":"int","range":[0,null]},"a":"bool"},"commands":{"go":{}}}"#
    #expect(try TypeDocument.parse(json)[0].columns.map(\.name) == ["b", "a"])
  }

  @Test(
    "D-01: what a declaration cannot mean is refused with its line",
    arguments: [
      ("type: w\nreadings:\n  t: {type: double}\n", "line 3"), ("type: w\nreading: {}\n", "line 2"),
      ("type: w\nreadings:\n  t: {type: int, range: [0.5, 2]}\n", "line 3"),
      ("type: w\nreadings:\n  t: {type: int, range: [2, 1]}\n", "line 3"),
      ("type: w\nreadings:\n  t: {type: string, range: [1, 2]}\n", "line 3"),
      ("type: w\nstate:\n  m: {type: string, default: x, choices: [a]}\n", "line 3"),
      ("type: w\nstate:\n  m: {type: int, default: x}\n", "line 3"),
      ("type: w\nmeta: {heartbeat_interval: soon}\n", "line 2"), ("readings: {t: int}\n", "no name"),
      ("type: w\ntype: v\n", "twice"), ("type: [a\n", "line"), ("", "no type"), ("7", "type"),
    ])
  func aBadFileIsRefused(_ text: String, _ place: String) {
    do {
      _ = try TypeDocument.parse(text)
      Issue.record("taken: \(text.prefix(80))")
    } catch {
      #expect(error.sentence.contains(place), "\(error.sentence)")
    }
  }

  @Test func aHugeOrDeepFileIsRefusedUnread() {
    for text in [
      String(repeating: "[", count: 5000), String(repeating: "- ", count: 5000) + "a",
      String(repeating: "a", count: 70_000),
    ] {
      #expect(throws: TypeDocument.Wrong.self) { try TypeDocument.parse(text) }
    }
  }

  @Test("D-01 D-03 D-10 D-11 D-12: types and devices over HTTP and at the command line")
  func overHTTP() throws {
    let server = try ServeProcess()
    let client = server.client()
    let made = try client.post("/api/types", Self.weather)
    #expect(made.status == 201 && made.object["types"] as? [String] == ["sensor", "weather_station"], "\(made.body)")
    #expect(try client.post("/api/types", "type: w\nreadings: {t: double}").status == 400)
    #expect(try client.post("/api/types", "type: sensor\nreadings: {t: int}").status == 409)
    let shown = try client.get("/api/types/weather_station").body
    #expect(shown.contains(#""commands":[{"name":"reboot","payload":{}},"#) && shown.contains(#""parent":"sensor""#))
    #expect(try client.get("/api/types/sensor").body.contains(#""abstract":true"#))
    #expect(try client.post("/api/devices", #"{"id":"ws-1","type":"sensor"}"#).status == 404)
    for id in ["ws-1", "ws-2"] {
      #expect(try client.post("/api/devices", #"{"id":"\#(id)","type":"weather_station"}"#).status == 201)
    }
    #expect(try client.get("/api/devices").list.map { $0["device_id"] as? String } == ["ws-2", "ws-1"])
    let device = try client.get("/api/devices/ws-1").object
    #expect(device["status"] as? String == "offline" && device["status_label"] as? String == "Offline")
    #expect(device["text"] as? String == "ws-1 (offline)" && device["last_seen"] is NSNull)
    #expect(device["battery_level"] is NSNull && device["is_active"] as? Bool == true)
    #expect((device["metadata"] as? [String: Any])?.isEmpty == true)
    #expect((device["state"] as? [String: Any])?["mode"] as? String == "auto")
    let path = "/api/devices/ws-1"
    #expect(try client.post("\(path)/status", #"{"status":"online"}"#).object["last_seen"] is String)
    #expect(try client.post("\(path)/status", #"{"status":"asleep"}"#).status == 400)
    let set = try client.post("\(path)/fields", #"{"fields":{"mode":"manual","battery_level":85.5,"metadata":"{\"a\":1}"}}"#)
    #expect(set.status == 200 && set.object["battery_level"] as? Double == 85.5, "\(set.body)")
    #expect((set.object["metadata"] as? [String: Any])?["a"] as? Int == 1)
    #expect(try client.post("\(path)/fields", #"{"fields":{"mode":3}}"#).object["code"] as? String == "wrongType")
    #expect(try client.post("\(path)/fields", #"{"fields":{"mode":"x"}}"#).object["code"] as? String == "invalidValue")
    let sql = "select+status,battery_level,fields+from+devices+where+device_id='ws-1'"
    let row = try client.get("/api/query?q=\(sql)").list.first
    #expect(row?["status"] as? String == "online" && row?["battery_level"] as? Double == 85.5)
    #expect((row?["fields"] as? String)?.contains(#""mode":"manual""#) == true)

    let file = "\(server.folder)/solar.yaml"
    try "type: solar\nreadings: {power: float}\n".write(toFile: file, atomically: true, encoding: .utf8)
    func tsq(_ arguments: [String]) throws -> Int32 {
      try ChildProcess(ServeProcess.binary, arguments, output: "\(server.folder)/printed").waitForStatus()
    }
    let url = "http://127.0.0.1:\(server.port)"
    #expect(try tsq(["type", "create", file, "--connect", url]) == 0)
    #expect(try client.get("/api/query?q=select+count(*)+as+n+from+solar").list.first?["n"] as? Int == 0)
    #expect(try tsq(["device", "set", "ws-2", "status=error", "limit=2.5", "--connect", url]) == 0)
    #expect(try client.get("/api/devices/ws-2").object["status"] as? String == "error")
    #expect(server.stop() == 0)
    let more = "type: solar\nreadings: {power: float, voltage: {type: float, unit: V}}\n"
    try more.write(toFile: file, atomically: true, encoding: .utf8)
    #expect(try tsq(["type", "create", file, "--store", server.store]) == 0)
    #expect(try tsq(["device", "set", "ws-2", "mode=never", "--store", server.store]) == 1)
    #expect(try tsq(["device", "set", "ws-2", "mode=manual", "--store", server.store]) == 0)
    try server.reading { snapshot in
      #expect(snapshot.registry.types["solar"]?.version == 2)
      #expect(snapshot.registry.devices["ws-2"]?.fields["mode"] == .text("manual"))
    }
  }

  @Test("D-13: the watch turns a silent device offline once, by the clock it is given")
  func theWatchLooksAtTheClock() throws {
    let folder = NSTemporaryDirectory() + "tsq-watch-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let clock = SimClock()
    var options = StoreOptions()
    options.clock = clock
    let store = try Store.open(folder, options)
    defer { try? store.close() }
    let actor = Actor(.operator, "test")
    _ = try store.decide(actor: actor) { $0.createDevice("m1", type: "power", $1) }
    _ = try store.decide(actor: actor) { $0.markOnline("m1", $1) }
    let watch = HeartbeatWatch(store, log: { _ in })
    func changes() throws -> Int {
      try store.snapshot().events(from: 0, limit: 100).count { $0.kind.name == "device.status_changed" }
    }
    clock.advance(nanos: 750_000_000_000)
    watch.step()
    #expect(try changes() == 1)
    clock.advance(nanos: 1_000_000_000)
    for _ in 0..<3 { watch.step() }
    #expect(try changes() == 2 && store.registry.devices["m1"]?.status == .offline)
  }
}
