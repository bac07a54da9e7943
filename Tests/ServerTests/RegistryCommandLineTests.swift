import Foundation
import Testing

@testable import Server

/// Sensor fields, meter calls and clocks at the command line, over a server and over the store beside it.
@Suite(.serialized) struct RegistryCommandLineTests {
  private static let sensor = "gresystem000001"

  private func tsq(_ server: ServeProcess, _ arguments: String...) throws -> (status: Int32, output: String) {
    try run(server, arguments + ["--connect", "http://127.0.0.1:\(server.port)"])
  }

  private func run(_ server: ServeProcess, _ arguments: [String]) throws -> (status: Int32, output: String) {
    let file = "\(server.folder)/cli-\(UUID().uuidString)"
    let process = try ChildProcess(ServeProcess.binary, arguments, output: file)
    return (process.waitForStatus(), String(decoding: fileBytes(file), as: UTF8.self))
  }

  private func objects(_ text: String) -> [[String: Any]] {
    (try? JSONSerialization.jsonObject(with: Data(text.utf8))) as? [[String: Any]] ?? []
  }

  @Test("P-37: what people say of a sensor is set, shown, searched and paged at the command line")
  func sensorsAreDescribed() throws {
    let server = try ServeProcess()
    let client = server.client()
    _ = try client.post("/api/users", #"{"name":"ann"}"#)
    for index in 1...5 { _ = try client.post("/api/devices", #"{"id":"gresystem00000\#(index)","name":"Meter \#(index)"}"#) }
    for index in [1, 3] { _ = try client.post("/api/devices/gresystem00000\(index)/associate", #"{"user":"ann"}"#) }
    let set = try tsq(
      server, "device", "set", Self.sensor, "category=main", "sensor_status=installed", "address1=12", "address2=Mapo-gu",
      "registered_at=2026-01-01T09:00:00+09:00", "firmware_version=2.1.0")
    #expect(set.status == 0)
    let device = try client.get("/api/devices/\(Self.sensor)").object
    #expect(
      device["fields"] as? [String: String] == [
        "category": "main", "sensor_status": "installed", "address1": "12", "address2": "Mapo-gu",
        "registered_at": "2026-01-01T00:00:00Z",
      ])
    #expect(device["firmware_version"] as? String == "2.1.0" && device["owner"] as? String == "ann")
    let events = try client.get("/api/devices/\(Self.sensor)/history").list.count
    for wrong in [
      "category=mains", "registered_at=yesterday", "owner=bob", "name=x", "part_of=a/b", "created_at=1", "battery_level=much",
    ] {
      let refused = try tsq(server, "device", "set", Self.sensor, "address3=4F", wrong).status
      #expect([1, 2].contains(refused), "\(wrong): \(refused)")
    }
    #expect(try client.get("/api/devices/\(Self.sensor)/history").list.count == events, "all or nothing")
    #expect(try tsq(server, "device", "set", Self.sensor, "address2=").status == 0)
    #expect(try tsq(server, "device", "set", "gresystem000009", "address2=x").status == 1)
    for place in [["--connect", "http://127.0.0.1:\(server.port)"], ["--store", server.store]] {
      func ids(_ arguments: String...) throws -> [String] {
        let listed = try run(server, ["device", "list", "--format", "json"] + arguments + place)
        #expect(listed.status == 0)
        return objects(listed.output).map { String((($0["device_id"] ?? $0["device"]) as? String ?? "").suffix(1)) }
      }
      #expect(try ids("--owner", "ann") == ["3", "1"] && ids("--user", "ann") == ["3", "1"])
      #expect(try ids("--search", "METER 4") == ["4"] && ids("--search", "ann") == ["3", "1"])
      #expect(try ids("--category", "main") == ["1"] && ids("--category", "sub").isEmpty)
      #expect(try ids("--page", "1", "--page-size", "2") == ["5", "4"] && ids("--page", "3", "--page-size", "2") == ["1"])
      #expect(try ids("--page", "4", "--page-size", "2").isEmpty)
      #expect(try run(server, ["device", "list", "--owner", "nobody"] + place).status == 1)
      #expect(try run(server, ["device", "list", "--page", "0"] + place).status == 2)
      let shown = try run(server, ["device", "show", Self.sensor, "--format", "line"] + place).output
      for text in ["installed", "2026-01-01T00:00:00Z", "ann", "Meter 1 (offline)", "owner_id"] {
        #expect(shown.contains(text), "\(text) in \(shown)")
      }
    }
  }

  @Test("P-37, D-22: what a field takes its type in the registry says, at the command line and over HTTP alike")
  func declaredStatesGoBefore() throws {
    let server = try ServeProcess()
    let client = server.client()
    let declared = try client.post(
      "/api/types",
      #"{"type":"plot","readings":{"x":"int"},"state":{"category":"int","part_of":"bool","registered_at":"int","label":"string"}}"#)
    #expect(declared.status == 201, "\(declared.body)")
    _ = try client.post("/api/devices", #"{"id":"plot-1","type":"plot"}"#)
    func states() throws -> NSDictionary? { try client.get("/api/devices/plot-1").object["state"] as? NSDictionary }
    let posted = try client.post("/api/devices/plot-1/fields", #"{"fields":{"registered_at":7,"category":3}}"#)
    #expect(posted.status == 200, "\(posted.body)")
    let set = try tsq(server, "device", "set", "plot-1", "category=4", "part_of=true", "registered_at=8", "label=12")
    #expect(set.status == 0)
    #expect(try states() == ["category": 4, "part_of": true, "registered_at": 8, "label": "12"])
    #expect(try tsq(server, "device", "set", "plot-1", "category=main").status == 1)
    #expect(try client.post("/api/devices/plot-1/fields", #"{"fields":{"registered_at":"2026-01-01T00:00:00Z"}}"#).status == 400)
    _ = server.stop()
    #expect(try run(server, ["device", "set", "plot-1", "category=5", "label=13", "--store", server.store]).status == 0)
    let shown = try run(server, ["device", "show", "plot-1", "--format", "json", "--store", server.store]).output
    let after = try #require(objects(shown).first)
    #expect(after["category"] as? String == "5" && after["label"] as? String == "13", "\(shown)")
  }

  @Test("P-23: a call goes to the meter's channel by the command line, and what it answers is printed")
  func metersAreCalled() throws {
    let server = try ServeProcess()
    _ = try server.client().post("/api/devices", #"{"id":"GRE000205"}"#)
    #expect(try tsq(server, "device", "call", "GRE000205", "Reset").status == 1, "not connected")
    let meter = try WebSocketClient(server.port, "/powermon/data/GRE000205")
    _ = try meter.call(#"[2,"o","StatusNotification",{}]"#)
    for (arguments, name, body, answer, status) in [
      (["Reset", "--type", "Hard"], "Reset", ["type": "Hard"] as NSDictionary, #"[3,"#, Int32(0)),
      (["reset"], "Reset", ["type": "Soft"], #"[3,"#, 0),
      (["RemoteStart", "--connector", "2"], "RemoteStartTransaction", ["connectorId": 2], #"[3,"#, 0),
      (["RemoteStopTransaction", "--transaction", "7"], "RemoteStopTransaction", ["transactionId": 7], #"[4,"#, 1),
    ] {
      let file = "\(server.folder)/call"
      let place = ["--format", "json", "--connect", "http://127.0.0.1:\(server.port)"]
      let process = try ChildProcess(ServeProcess.binary, ["device", "call", "GRE000205"] + arguments + place, output: file)
      let call = try meter.answer()
      #expect(call[0] as? Int == 2 && call[2] as? String == name && call[3] as? NSDictionary == body)
      let rest = answer == "[3," ? #"{"status":"Accepted"}]"# : #""NotSupported","no",{}]"#
      try meter.send("\(answer)\"\(call[1])\",\(rest)")
      #expect(process.waitForStatus() == status)
      let printed = objects(String(decoding: fileBytes(file), as: UTF8.self))
      #expect(status == 1 || printed.first?["result"] as? String == #"{"status":"Accepted"}"#, "\(printed)")
    }
    for wrong in [
      ["Dance"], ["RemoteStop"], ["Reset", "--transaction", "1"], ["Reset", "--type", "Brutal"], ["RemoteStart", "--type", "Soft"],
    ] {
      #expect(try run(server, ["device", "call", "GRE000205"] + wrong).status == 2, "\(wrong)")
    }
    #expect(try run(server, ["device", "call", "GRE000205", "Reset", "--store", server.store]).status == 2, "a server passes it on")
  }

  @Test("P-07: who has not compared their clock in time is asked at the command line, and how one device's moved")
  func clocksAreAskedFor() throws {
    let server = try ServeProcess()
    let client = server.client()
    for id in [Self.sensor, "gresystem000002"] { _ = try client.post("/api/devices", #"{"id":"\#(id)"}"#) }
    _ = try client.post("/api/devices", #"{"id":"b827eb08451e","type":"lampi"}"#)
    for _ in 0..<2 {
      let now = Date().timeIntervalSince1970 * 1000
      let first = try client.post("/time", #"{"sensor_id":"\#(Self.sensor)","t1":\#(now)}"#).object
      let (t2, t3) = (first["t2"] as? Double ?? 0, first["t3"] as? Double ?? 0)
      let stamps = #""t1":\#(t2 - 1510),"t2":\#(t2),"t3":\#(t3),"t4":\#(t3 - 1490)"#
      #expect(try client.post("/time", #"{"sensor_id":"\#(Self.sensor)",\#(stamps)}"#).status == 200)
    }
    for place in [["--connect", "http://127.0.0.1:\(server.port)"], ["--store", server.store]] {
      func clock(_ arguments: String...) throws -> [[String: Any]] {
        let told = try run(server, ["device", "clock", "--format", "json"] + arguments + place)
        #expect(told.status == 0)
        return objects(told.output)
      }
      let all = try clock()
      #expect(all.map { $0["device_id"] as? String } == [Self.sensor, "gresystem000002"], "a lamp compares none")
      #expect(all.map { $0["overdue"] as? Bool } == [false, true])
      #expect(abs((all[0]["offset_ns"] as? Int ?? 0) - 1_500_000_000) < 1_000_000)
      #expect(try clock("--overdue").map { $0["device_id"] as? String } == ["gresystem000002"])
      #expect(try clock(Self.sensor).count == 2 && clock("gresystem000002").isEmpty)
      #expect(try run(server, ["device", "clock", "nobody"] + place).status == 1)
      #expect(try run(server, ["device", "clock", Self.sensor, "--overdue"] + place).status == 2)
    }
  }
}
