import Foundation
import Testing

@testable import Ingest
@testable import Server

/// `ws://host/powermon/data/<sensor>`: meters that keep a channel open.
@Suite(.serialized) struct MeterSocketTests {
  private static let path = "/powermon/data/GRE000205"

  /// A second of `MeterValues` in the ranges that test clients send.
  private static func values(_ id: String, _ timestamp: Int64, power: Int = 800) -> String {
    let probes = (1...3).map { probe in
      func list(_ first: Int) -> String { "[" + (0..<20).map { "\(first + $0)" }.joined(separator: ",") + "]" }
      return #"{"probe":\#(probe),"probeType":"CT","power":\#(list(power)),"powerfactor":\#(list(60)),"voltage":\#(list(209))}"#
    }
    return #"[2,"\#(id)","MeterValues",{"connectorId":1,"transactionId":7,"meterValue":[{"timestamp":\#(timestamp),"#
      + #""sampledValue":[\#(probes.joined(separator: ","))]}]}]"#
  }

  private func rows(_ server: ServeProcess, _ sql: String) throws -> [[String: Any]] {
    let answer = try server.client().request("POST", "/api/query", Array(sql.utf8))
    #expect(answer.status == 200, "\(answer.body)")
    return answer.list
  }

  private func object(_ answer: [Any], _ index: Int = 2) -> [String: Any] { answer[index] as? [String: Any] ?? [:] }

  @Test("P-20, P-21, P-25: each call is answered in its way, and recorded with what was answered")
  func callsAreAnsweredAndRecorded() throws {
    let server = try ServeProcess()
    let meter = try WebSocketClient(server.port, Self.path, headers: ["Sec-WebSocket-Protocol: ocpp1.6"])
    #expect(meter.headers.contains { $0.lowercased() == "sec-websocket-protocol: ocpp1.6" })
    let boot = try meter.call(#"[2,"a1","BootNotification",{"chargePointModel":"m","token":"hush"}]"#)
    #expect(boot[0] as? Int == 3 && boot[1] as? String == "a1" && object(boot)["status"] as? String == "Accepted")
    let begun = try meter.call(#"[2,"a2","StartTransaction",{"connectorId":1}]"#)
    let transaction = try #require(object(begun)["transactionId"] as? Int)
    #expect(object(begun)["status"] as? String == "Accepted" && transaction > 0)
    let again = try meter.call(#"[2,"a3","StartTransaction",{"connectorId":1}]"#)
    #expect(object(again)["transactionId"] as? Int != transaction)
    let ended = try meter.call(#"[2,"a4","StopTransaction",{"transactionId":\#(transaction)}]"#)
    #expect(object(ended)["status"] as? String == "Accepted" && object(ended)["transactionId"] as? Int == transaction)
    let status = try meter.call(#"[2,"a5","StatusNotification",{"status":"Available"}]"#)
    #expect(status[0] as? Int == 3 && object(status).isEmpty)
    #expect(object(try meter.call(#"[2,"a6","Dance",{}]"#))["status"] as? String == "Message unknown")
    // Two fragments are one message; a ping is answered.
    try meter.send(#"[2,"a7","Dance","#, isLast: false)
    try meter.send(#"{}]"#, opcode: 0)
    #expect(try meter.answer()[1] as? String == "a7")
    try meter.send("hi", opcode: 9)
    let pong = try meter.receive()
    #expect(pong.opcode == 10 && pong.text == "hi")
    for bad in ["", "{}", "[2]", #"[2,"x"]"#, #"[2,"x","y",[]]"#, #"[7,"x",{}]"#, #"[2,"","y",{}]"#, #"[2,"x","y",{}] "a"#] {
      #expect(try meter.call(bad)[0] as? Int == 4, "\(bad)")
    }
    let calls = try rows(server, "select device_id, direction, sent, id, name, body from calls order by lsn")
    #expect(calls.count == 14 && calls.allSatisfy { $0["device_id"] as? String == "GRE000205" })
    #expect(calls.map { $0["direction"] as? Int } == (0..<14).map { $0 % 2 == 0 ? 2 : 3 })
    #expect(calls.map { $0["sent"] as? Bool } == (0..<14).map { $0 % 2 == 1 })
    #expect(calls[0]["name"] as? String == "BootNotification" && calls[1]["body"] as? String == #"{"status":"Accepted"}"#)
    #expect(calls[0]["body"] as? String == #"{"chargePointModel":"m","token":"***"}"#)
  }

  @Test("P-21, P-22, P-24: values go the way of all frames and are answered once durable; rollups follow them, not the channel")
  func valuesAreStored() throws {
    let server = try ServeProcess()
    let client = server.client()
    let meter = try WebSocketClient(server.port, Self.path)
    let start: Int64 = 1_665_999_900
    for second in [0, 0, 1] as [Int64] {
      let answer = try meter.call(Self.values("m\(second)", start + second))
      #expect(answer[0] as? Int == 3 && object(answer)["status"] as? String == "MVAccepted", "\(answer)")
    }
    let counts = try rows(server, "select probe, count(*) as n, min(voltage) as v from power where sensor = 'GRE000205' group by probe order by probe")
    #expect(counts.compactMap { $0["n"] as? Int } == [40, 40, 40])
    #expect(try client.get("/powermon/?limit=1").list.first?["interface"] as? String == "websocket")
    let extras = try client.get("/powermon/?limit=1").list.first?["extras"] as? [String: Any]
    #expect(extras?["connectorId"] as? Int == 1 && extras?["transactionId"] as? Int == 7)
    // An off-line meter at minute 15 keeps its energy.
    try meter.send("", opcode: 8)
    #expect(try meter.receive().opcode == 8)
    let late = try WebSocketClient(server.port, Self.path)
    _ = try late.call(Self.values("late", start + 2))
    late.close()
    let energy = try rows(server, "select energy(power) as wh from power where sensor = 'GRE000205' and ts < '2022-10-17T10:00:00Z'")
    // 3 s x 3 probes of 800 to 819 W.
    #expect(abs((energy.first?["wh"] as? Double ?? 0) - 809.5 * 9 / 3600) < 1e-9, "\(energy)")
    let bad = try WebSocketClient(server.port, Self.path)
    for (body, path) in [
      (#"{"meterValue":[{"timestamp":1666000000,"sampledValue":[{"probe":1,"power":[1,"x"],"pf":[1,1],"voltage":1}]}]}"#, "meterValue[0].sampledValue[0].power[1]"),
      (#"{"meterValue":[{"timestamp":"yesterday","sampledValue":[]}]}"#, "meterValue[0].timestamp"),
      (#"{"meterValue":[{"timestamp":1666000000}]}"#, "meterValue[0]"), (#"{"meterValue":{}}"#, "meterValue"),
      (#"{"connectorId":1}"#, "meterValue"), (#"{"sensor_id":"x","meterValue":[]}"#, "sensor_id"),
    ] {
      let answer = try bad.call(#"[2,"b","MeterValues",\#(body)]"#)
      #expect(answer[0] as? Int == 4 && answer[2] as? String == "FormationViolation", "\(answer)")
      #expect((answer.last as? [String: Any])?["path"] as? String == path, "\(answer)")
    }
    #expect(try rows(server, "select count(*) as n from power").first?["n"] as? Int == 180)
    #expect(try rows(server, "select name from calls").isEmpty, "values are readings, not calls")
  }

  @Test("P-23: an order goes to the one channel of its meter, the newest, and comes back with its answer")
  func ordersReachTheChannel() throws {
    let server = try ServeProcess()
    _ = try server.client().post("/api/devices", #"{"id":"GRE000205"}"#)
    @Sendable func order(_ body: String) throws -> HTTPClient.Answer {
      try server.client().post("/api/devices/GRE000205/call", body)
    }
    #expect(try order(#"{"name":"Reset"}"#).object["code"] as? String == "notConnected")
    let old = try WebSocketClient(server.port, Self.path)
    _ = try old.call(#"[2,"o","StatusNotification",{}]"#)
    let new = try WebSocketClient(server.port, Self.path)
    _ = try new.call(#"[2,"n","StatusNotification",{}]"#)
    #expect(throws: WebSocketClient.Gone.self, "the new channel replaces the old") { try old.receive() }
    for (asked, name, body) in [
      (#"{"name":"Reset","body":{"type":"Soft"}}"#, "Reset", ["type": "Soft"] as NSDictionary),
      (#"{"name":"RemoteStartTransaction","body":{"connectorId":1}}"#, "RemoteStartTransaction", ["connectorId": 1]),
      (#"{"name":"RemoteStopTransaction","body":{"transactionId":7}}"#, "RemoteStopTransaction", ["transactionId": 7]),
    ] {
      let done = DispatchSemaphore(value: 0)
      let answer = Box<HTTPClient.Answer?>(nil)
      Thread.detachNewThread {
        answer.value = try? order(asked)
        done.signal()
      }
      let call = try new.answer()
      #expect(call[0] as? Int == 2 && call[2] as? String == name && call[3] as? NSDictionary == body)
      try new.send(#"[3,"\#(call[1])",{"status":"Accepted"}]"#)
      done.wait()
      #expect(answer.value?.status == 200 && answer.value?.body.contains(#""result":{"status":"Accepted"}"#) == true)
    }
    for bad in [#"{"name":"Explode"}"#, #"{"name":"RemoteStopTransaction"}"#, "{}"] {
      #expect(try order(bad).status == 400)
    }
    let named = try rows(server, "select direction, sent, name from calls where name = 'Reset' order by lsn")
    #expect(named.map { $0["direction"] as? Int } == [2, 3] && named.map { $0["sent"] as? Bool } == [true, false])
  }

  private final class Box<Value>: @unchecked Sendable {
    // Sendable: a semaphore orders its uses.
    var value: Value
    init(_ value: Value) { self.value = value }
  }

  @Test("P-24: a row for each channel that comes; one for going only when it is still the sensor's")
  func connectionsAreRecorded() throws {
    let server = try ServeProcess()
    let sql = "select connected, source from connections where device_id = 'GRE000205' order by lsn"
    func states() throws -> [Bool] { try rows(server, sql).compactMap { $0["connected"] as? Bool } }
    let first = try WebSocketClient(server.port, Self.path)
    try waitUntil("the first") { (try? states()) == [true] }
    let second = try WebSocketClient(server.port, Self.path)
    #expect(throws: WebSocketClient.Gone.self) { try first.receive() }
    _ = try second.call(#"[2,"n","StatusNotification",{}]"#)
    #expect(try states() == [true, true])
    second.close()
    try waitUntil("gone") { (try? states()) == [true, true, false] }
    let third = try WebSocketClient(server.port, Self.path)
    try waitUntil("again") { (try? states().count) == 4 }
    server.kill()
    try server.start()
    #expect(try states() == [true, true, false, true, false], "a channel ends with its process")
    _ = third
    let last = try WebSocketClient(server.port, Self.path)
    #expect(server.stop() == 0, "an open channel does not hold up the end")
    #expect(throws: WebSocketClient.Gone.self) { while true { _ = try last.receive() } }
  }

  @Test("P-20: who has no token, another sensor's token or a malformed sensor gets no channel; plain HTTP is told so")
  func channelsNeedAToken() throws {
    let server = try ServeProcess([], environment: ["TSQ_ADMIN_TOKEN=\(DoorTests.given)"])
    for (path, headers, status) in [
      (Self.path, [], 401), (Self.path, ["Authorization: Bearer wrong"], 401),
      ("/powermon/data/nobody", ["Authorization: Bearer \(DoorTests.given)"], 404),
    ] as [(String, [String], Int)] {
      #expect(throws: WebSocketClient.Refused.self) { try WebSocketClient(server.port, path, headers: headers) }
      do { _ = try WebSocketClient(server.port, path, headers: headers) } catch let refused as WebSocketClient.Refused {
        #expect(refused.status == status, "\(path)")
      }
    }
    let basic = Data("GRE000205:\(DoorTests.given)".utf8).base64EncodedString()
    let meter = try WebSocketClient(server.port, Self.path, headers: ["Authorization: Basic \(basic)"])
    #expect(try meter.call(Self.values("m", 1_666_000_000))[0] as? Int == 3)
    #expect(try server.client(DoorTests.given).get(Self.path).status == 426)
  }

  @Test("P-22: every cut and every flipped bit of a message is an error or a message; nothing traps")
  func hostileMessages() {
    let text = Self.values("m", 1_666_000_000)
    let bytes = Array(text.utf8)
    for count in stride(from: 0, to: bytes.count, by: 7) { check(String(decoding: bytes[..<count], as: UTF8.self)) }
    for bit in stride(from: 0, to: bytes.count * 8, by: 3) {
      var flipped = bytes
      flipped[bit / 8] ^= 1 << (bit % 8)
      check(String(decoding: flipped, as: UTF8.self))
    }
    let whole = try? CallMessage(text)
    #expect(whole?.kind == .call && whole?.name == "MeterValues")
    #expect((try? CallMessage(#"[4,"x","GenericError","why",{"a":1}]"#))?.body == #"["why",{"a":1}]"#)
  }

  private func check(_ text: String) {
    guard let message = try? CallMessage(text) else { return }
    _ = try? MeterValues.frames(message.body, of: "GRE000205")
  }
}
