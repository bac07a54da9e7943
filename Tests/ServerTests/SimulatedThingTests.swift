import Foundation
import Glibc
import Testing

@testable import Ingest
@testable import Server

/// D-34: devices of a declared type that a broker cannot tell from real ones, and somebody who listens.
@Suite(.serialized) struct SimulatedThingTests {
  private static let declaration = "\(Fixtures.root)/weather_station.yaml"

  private func server(_ broker: Broker) throws -> ServeProcess {
    let server = try BrokerTests.server(broker)
    let declared = String(decoding: fileBytes(Self.declaration), as: UTF8.self)
    #expect(try server.client().post("/api/types", declared).status == 201)
    for number in 1...2 {
      let device = #"{"id":"weather_station-00\#(number)","type":"weather_station"}"#
      #expect(try server.client().post("/api/devices", device).status == 201)
    }
    return server
  }

  private func start(_ name: String, _ arguments: [String], in folder: String) throws -> (ChildProcess, () -> [String]) {
    let output = "\(folder)/\(name)"
    let process = try ChildProcess(ServeProcess.binary, arguments, output: output)
    return (process, { String(decoding: fileBytes(output), as: UTF8.self).split(separator: "\n").map(String.init) })
  }

  @Test("D-34: simulated devices report within their bounds, tell their status; tsq listen shows it", arguments: [true, false])
  func theyReport(_ isRealistic: Bool) throws {
    let broker = try Broker()
    try broker.start()
    let server = try server(broker)
    let url = "mqtt://127.0.0.1:\(broker.port)"
    let (listener, heard) = try start("listen", ["listen", url, "things/+/+/data", "mark", "--json"], in: server.folder)
    let marker = try BrokerTests.Watcher(broker)
    defer { marker.end() }
    // It listens once it hears us.
    try waitUntil("it listens") {
      if heard().isEmpty { try? marker.publish("mark", "here") }
      return !heard().isEmpty
    }
    let arguments = [
      "simulate", "--kind", "thing", "--declaration", Self.declaration, "--sensors", "2", "--seconds", "20", "--speed", "0",
      "--start", "2026-01-01T00:00:00Z", "--to", url,
    ]
    let (simulator, printed) = try start("simulate", arguments + (isRealistic ? ["--realistic"] : []), in: server.folder)
    #expect(simulator.waitForStatus() == 0)
    #expect(printed() == ["devices=2 reports=40 confirmed=40 commands=0 refused=0"])
    let client = server.client()
    func query(_ sql: String) throws -> [[String: Any]] { try client.request("POST", "/api/query", Array(sql.utf8)).list }
    try waitUntil("stored") { (try? query("select count(*) as n from weather_station").first?["n"] as? Int) == 40 }
    try waitUntil("processed") {
      (try? query("select count(*) as n from messages where processing_status = 'completed'").first?["n"] as? Int) == 42
    }
    let rows = try query("select temperature, humidity, rain from weather_station")
    for row in rows {
      let temperature = try #require(row["temperature"] as? Double)
      #expect(abs(temperature) <= 80 && (0...100).contains(row["humidity"] as? Double ?? 0))
    }
    #expect(Set(rows.compactMap { $0["temperature"] as? Double }).count > 10)
    let device = try client.get("/api/devices/weather_station-001").object
    #expect(device["status"] as? String == "online" && device["battery_level"] as? Double == 100)
    func reports() -> Int { heard().count { $0.contains(#""temperature":"#) && $0.contains(#""qos":1"#) } }
    try waitUntil("heard") { reports() == 40 }
    listener.end(SIGTERM)
    let (counter, counted) = try start("count", ["listen", url, "mark", "--count", "3"], in: server.folder)
    try waitUntil("three") {
      try? marker.publish("mark", "here")
      return counted().count >= 3
    }
    #expect(counter.waitForStatus() == 0 && counted() == ["mark here", "mark here", "mark here"])
  }

  @Test("D-34: a simulated device does its type's commands and refuses others")
  func theyAnswer() throws {
    let broker = try Broker()
    try broker.start()
    let server = try server(broker)
    let (simulator, printed) = try start(
      "simulate",
      [
        "simulate", "--kind", "thing", "--declaration", Self.declaration, "--type", "weather_station", "--sensors", "1",
        "--seconds", "100000", "--speed", "50", "--to", "mqtt://127.0.0.1:\(broker.port)",
      ], in: server.folder)
    let client = server.client()
    try waitUntil("it is there") {
      (try? client.get("/api/devices/weather_station-001").object["status"] as? String) == "online"
    }
    let sent = try client.post("/api/devices/weather_station-001/commands", #"{"command":"set_interval","payload":{"interval":60}}"#)
    #expect(sent.status == 202, "\(sent.body)")
    try waitUntil("acknowledged") {
      (try? client.get("/api/devices/weather_station-001/commands").list.first?["state"] as? String) == "acknowledged"
    }
    #expect(printed().contains("weather_station-001 does set_interval"))
    let stranger = try BrokerTests.Watcher(broker, ["things/weather_station/weather_station-001/ack"])
    defer { stranger.end() }
    try stranger.publish("things/weather_station/weather_station-001/cmd", #"{"command":"explode"}"#)
    try waitUntil("refused") { printed().contains("weather_station-001 refuses explode") }
    try waitUntil("said so") {
      stranger.payloads("things/weather_station/weather_station-001/ack").contains(#"{"command":"explode","error":"unknown command"}"#)
    }
    // Ctrl-C: its figures, and the exit code of one.
    Glibc.kill(simulator.id, SIGINT)
    #expect(simulator.waitForStatus() == 130)
    #expect(printed().last?.contains("commands=1 refused=1") == true)
  }

  @Test("D-34: what cannot be simulated is said, exit 2", arguments: [
    ["--kind", "thing", "--to", "mqtt://127.0.0.1:1"],
    ["--kind", "thing", "--declaration", declaration, "--to", "http://127.0.0.1:1"],
    ["--kind", "thing", "--declaration", declaration, "--type", "sensor", "--to", "mqtt://127.0.0.1:1"],
  ])
  func wrongUse(_ arguments: [String]) throws {
    #expect(try ChildProcess(ServeProcess.binary, ["simulate"] + arguments).waitForStatus() == 2)
  }
}
