import Foundation
import Testing

@testable import Server

/// P-12: what the numbers of a frame mean is a setting of the device type.
@Suite(.serialized) struct TypeSettingTests {
  private func frame(_ second: Int64, voltage: String, power: String = "800") -> String {
    #"{"version":"221013","sensor_id":"gresystem000001","timestamp":\#(second),"#
      + #""data":[{"probe_id":1,"probe_type":"CT","power":[\#(power)],"pf":[990],"voltage":[\#(voltage)]}]}"#
  }

  /// `tsq` with its exit status and what it wrote to standard output.
  private func tsq(_ server: ServeProcess, _ arguments: [String]) throws -> (status: Int32, output: String) {
    let path = "\(server.folder)/printed"
    let process = try ChildProcess(ServeProcess.binary, arguments, output: path)
    return (process.waitForStatus(), String(decoding: fileBytes(path), as: UTF8.self))
  }

  private func voltages(_ server: ServeProcess) throws -> [Int] {
    let answer = try server.client().get("/api/query?q=select+voltage+from+power+order+by+ts")
    return answer.list.compactMap { $0["voltage"] as? Int }
  }

  @Test("P-12: tsq type set --connect scales the frames that follow over HTTP and MQTT; what does not fit is 400")
  func aScaleIsSetOverTheNetworkAndAppliedFromThenOn() throws {
    let broker = try Broker()
    try broker.start()
    let server = try BrokerTests.server(broker)
    let meter = try BrokerTests.Watcher(broker, ["powermon/+/ack"])
    defer { meter.end() }
    let url = "http://127.0.0.1:\(server.port)"
    let client = server.client()
    #expect(try client.post("/powermon/data", frame(1_666_000_000, voltage: "2301")).status == 200)

    #expect(try tsq(server, ["type", "set", "power", "voltage.wire=1V", "--connect", url]).status == 0)
    #expect(try client.post("/powermon/data", frame(1_666_000_001, voltage: "230")).count("new") == 1)
    // 230.5 V is a whole number of tenths, 230.55 V is not.
    #expect(try client.post("/powermon/data", frame(1_666_000_002, voltage: "230.5")).status == 200)
    for (voltage, why) in [("230.55", "between two stored values"), ("1000000000000000000", "past Int64 in tenths")] {
      let refused = try client.post("/powermon/data", frame(1_666_000_003, voltage: voltage))
      #expect(refused.status == 400 && refused.object["path"] as? String == "data[0].voltage[0]", "\(why)")
    }
    try meter.publish("powermon/gresystem000001/data", frame(1_666_000_004, voltage: "231"))
    try meter.publish("powermon/gresystem000001/data", frame(1_666_000_005, voltage: "231.55"))
    let ack = "powermon/gresystem000001/ack"
    try waitUntil("two answers") { meter.payloads(ack).count == 2 }
    #expect(meter.payloads(ack).contains { $0.contains(#""path":"data[0].voltage[0]""#) })
    #expect(try voltages(server) == [2301, 2300, 2305, 2310])
    // Frames are shown as they came.
    let shown = try client.get("/powermon/?limit=1").list.first?["data"] as? [[String: Any]]
    #expect(shown?.first?["voltage"] as? [Int] == [231])

    // What is shown, and the event.
    #expect(try client.get("/api/types/power").body.contains(#""settings":{"voltage.wire":"1V"}"#))
    let show = try tsq(server, ["type", "show", "power", "--format", "csv", "--connect", url])
    #expect(show.output.contains("voltage,int,1/10 V,1V,,false\n"), "\(show.output)")
    let list = try tsq(server, ["type", "list", "--format", "ndjson", "--connect", url])
    #expect(list.status == 0 && list.output.contains(#""name":"power""#))
    let events = try client.get("/api/events").list.filter { $0["kind"] as? String == "type.setting_changed" }
    #expect(events.count == 1)

    // Set back, frames mean tenths again; what was stored stays.
    #expect(try tsq(server, ["type", "set", "power", "voltage.wire=", "--connect", url]).status == 0)
    #expect(try client.post("/powermon/data", frame(1_666_000_006, voltage: "2320")).status == 200)
    #expect(try voltages(server) == [2301, 2300, 2305, 2310, 2320])
  }

  @Test("P-12: tsq type set on a store holds for the server that opens it; impossible settings change nothing")
  func aScaleIsSetOnAStore() throws {
    let server = try ServeProcess()
    #expect(server.stop() == 0)
    let store = ["--store", server.store]
    for wrong in ["voltage.wire=1A", "voltage.wire=1/100 V", "voltage.wire=0V", "version.wire=1", "current.wire=1A", "x=1"] {
      #expect(try tsq(server, ["type", "set", "power", wrong] + store).status == 1, "\(wrong)")
    }
    #expect(try tsq(server, ["type", "set", "power", "voltage.wire"] + store).status == 2)
    #expect(try tsq(server, ["type", "set", "nothing", "voltage.wire=1V"] + store).status == 1)
    // All of a command or nothing.
    #expect(try tsq(server, ["type", "set", "power", "pf.wire=1/100", "voltage.wire=1A"] + store).status == 1)
    let before = try tsq(server, ["type", "show", "power", "--format", "csv"] + store).output
    #expect(before.contains("voltage,int,1/10 V,1/10 V,,false\n") && before.contains("pf,int,1/1000,1/1000,,false\n"), "\(before)")
    #expect(try tsq(server, ["type", "set", "power", "pf.wire=1/100", "voltage.wire=1V"] + store).status == 0)
    try server.start()
    #expect(try server.client().post("/powermon/data", frame(1_666_000_000, voltage: "229").replacingOccurrences(of: "990", with: "99")).status == 200)
    let row = try server.client().get("/api/query?q=select+pf,voltage+from+power").list.first
    #expect(row?["pf"] as? Int == 990 && row?["voltage"] as? Int == 2290)
  }

  @Test("P-12: only an administrator changes a type")
  func onlyAnAdministratorChangesAType() throws {
    let server = try ServeProcess([], environment: ["TSQ_ADMIN_TOKEN=\(DoorTests.given)"])
    let body = #"{"settings":{"voltage.wire":"1V"}}"#
    #expect(try server.client().post("/api/types/power", body).status == 401)
    #expect(try server.client("wrong").post("/api/types/power", body).status == 401)
    let admin = server.client(DoorTests.given)
    #expect(try admin.post("/api/types/power", "{}").status == 400)
    #expect(try admin.post("/api/types/power", #"{"settings":{"voltage.wire":"1A"}}"#).object["code"] as? String == "invalidValue")
    #expect(try admin.post("/api/types/nothing", body).status == 404)
    #expect(try admin.request("DELETE", "/api/types/power").status == 405)
    #expect(try admin.get("/api/types/power").body.contains(#""settings":{}"#))
    #expect(try admin.post("/api/types/power", body).status == 200)
  }
}
