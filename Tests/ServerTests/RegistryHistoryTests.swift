import Foundation
import Testing

@testable import Server

/// The registry as it was, and what people say of sensors.
@Suite(.serialized) struct RegistryHistoryTests {
  private func query(_ client: HTTPClient, _ sql: String) throws -> HTTPClient.Answer {
    try client.request("POST", "/api/query", Array(sql.utf8))
  }

  @Test("T-04: FOR SYSTEM_TIME AS OF gives the registry as it was recorded; the journal of one device is its history")
  func theRegistryAsOfAnInstant() throws {
    let server = try ServeProcess()
    let client = server.client()
    for name in ["ann", "bob"] { _ = try client.post("/api/users", #"{"name":"\#(name)"}"#) }
    let id = "b827eb08451e"
    _ = try client.post("/api/devices", #"{"id":"\#(id)","type":"lampi"}"#)
    _ = try client.post("/api/devices/\(id)/associate", #"{"user":"ann"}"#)
    _ = try client.post("/api/devices/\(id)/rename", #"{"name":"Hall"}"#)
    _ = try client.post("/api/devices/\(id)/associate", #"{"user":"bob"}"#)
    _ = try client.request("DELETE", "/api/devices/\(id)")
    let events = try query(client, "select kind, recorded_at from events where device_id = '\(id)' order by lsn").list
    let kinds = events.compactMap { $0["kind"] as? String }
    #expect(kinds == ["device.created", "code.issued", "device.associated", "device.renamed", "device.associated", "device.deleted"])
    #expect(try client.get("/api/devices/\(id)/history").list.compactMap { $0["kind"] as? String } == kinds)
    let times = events.compactMap { $0["recorded_at"] as? String }
    func asOf(_ index: Int) throws -> [[String]] {
      let answer = try query(client, "select name, owner from devices for system_time as of '\(times[index])'")
      #expect(answer.status == 200, "\(answer.body)")
      return answer.list.map { [$0["name"] as? String ?? "", $0["owner"] as? String ?? ""] }
    }
    #expect(try asOf(0) == [["My LAMPI", "parked_device_user"]])
    #expect(try asOf(2) == [["My LAMPI", "ann"]])
    #expect(try asOf(3) == [["Hall", "ann"]])
    #expect(try asOf(4) == [["Hall", "bob"]])
    #expect(try asOf(5).isEmpty)
    #expect(try query(client, "select count(*) as n from devices for system_time as of '2001-01-01'").list.first?["n"] as? Int == 0)
    let count = try query(client, "select count(*) as n from events for system_time as of '\(times[2])' where device_id = '\(id)'")
    #expect(count.list.first?["n"] as? Int == 3, "\(count.body)")
    let joined = try query(
      client,
      "select a.name as before, b.name as after from devices for system_time as of '\(times[2])' a "
        + "join devices for system_time as of '\(times[3])' b on a.device_id = b.device_id")
    #expect(joined.list.first?["before"] as? String == "My LAMPI" && joined.list.first?["after"] as? String == "Hall")
    for wrong in ["power", "segments"] {
      #expect(try query(client, "select * from \(wrong) for system_time as of '2026-01-01'").status == 501)
    }
  }

  @Test("P-37: a sensor has status, category, address and when it was registered; they are listed by owner, sensor and page")
  func sensorsAreDescribed() throws {
    let server = try ServeProcess()
    let client = server.client()
    _ = try client.post("/api/users", #"{"name":"ann"}"#)
    for index in 1...5 { _ = try client.post("/api/devices", #"{"id":"gresystem00000\#(index)","name":"Meter \#(index)"}"#) }
    for index in 1...3 { _ = try client.post("/api/devices/gresystem00000\(index)/associate", #"{"user":"ann"}"#) }
    let path = "/api/devices/gresystem000001/sensor"
    let told = try client.post(
      path,
      #"{"sensor":{"category":"main","status":"installed","registered_at":"2026-01-01T09:00:00+09:00"},"address":["Seoul","Mapo-gu","4F"]}"#)
    let fields = told.object["fields"] as? [String: String]
    #expect(
      fields == [
        "category": "main", "sensor_status": "installed", "registered_at": "2026-01-01T00:00:00Z", "address1": "Seoul",
        "address2": "Mapo-gu", "address3": "4F",
      ], "\(told.body)")
    #expect(told.object["owner"] as? String == "ann" && (told.object["owner_id"] as? String)?.count == 16)
    let events = try client.get("/api/devices/gresystem000001/history").list.count
    for bad in [
      #"{"sensor":{"category":"mains"}}"#, #"{"sensor":{"colour":"red"}}"#, #"{"address":["a","b","c","d"]}"#, "{}",
      #"{"sensor":{"registered_at":"yesterday"}}"#, #"{"sensor":{"category":"sub","status":""}}"#,
      #"{"sensor":{"registered_at":1767225600}}"#, #"{"sensor":{"registered_at":true}}"#,
    ] { #expect(try client.post(path, bad).status == 400, "\(bad)") }
    for bad in ["1767225600", "true", "1.5", #""1767225600""#, #"{"at":1}"#] {
      let answer = try client.post("/api/devices/gresystem000001/fields", #"{"fields":{"registered_at":\#(bad)}}"#)
      #expect(answer.status == 400, "\(bad): \(answer.body)")
      if !bad.hasPrefix("{") { #expect(answer.body.contains("registered_at"), "\(bad): \(answer.body)") }
    }
    let kept = try client.get("/api/devices/gresystem000001").object["fields"] as? [String: String]
    #expect(kept?["registered_at"] == "2026-01-01T00:00:00Z", "no wrong value takes it away")
    #expect(try client.get("/api/devices/gresystem000001/history").list.count == events, "all or nothing")
    for none in ["null", #""""#] {
      _ = try client.post(path, #"{"sensor":{"registered_at":"2026-01-01T00:00:00Z"}}"#)
      let taken = try client.post("/api/devices/gresystem000001/fields", #"{"fields":{"registered_at":\#(none)}}"#)
      #expect(taken.status == 200 && (taken.object["fields"] as? [String: String])?["registered_at"] == nil, "\(none)")
    }
    let less = try client.post(path, #"{"sensor":{"status":null},"address":["Busan"]}"#).object["fields"] as? [String: String]
    #expect(less?["sensor_status"] == nil && less?["address1"] == "Busan" && less?["address2"] == nil)
    func ids(_ query: String) throws -> [String] {
      try client.get("/api/devices?\(query)").list.compactMap { ($0["device_id"] as? String).map { String($0.suffix(1)) } }
    }
    #expect(try ids("owner=ann") == ["3", "2", "1"])
    #expect(try ids("owner=ann&limit=2") == ["3", "2"])
    #expect(try ids("owner=ann&limit=2&after=gresystem000002") == ["1"])
    #expect(try ids("sensor=METER%204") == ["4"] && ids("sensor=000005") == ["5"] && ids("category=main") == ["1"])
    #expect(try client.get("/api/devices?owner=nobody").status == 404)
  }

  @Test("P-37: the sum of the parts is checked against the whole by the category and part_of of the sensors")
  func theHierarchyIsChecked() throws {
    let server = try ServeProcess()
    let client = server.client()
    for (index, power) in [(1, 1000), (2, 400), (3, 500)] {
      let id = "gresystem00000\(index)"
      let probe = #"[{"power":[\#(power)],"pf":[990],"voltage":[2300]}]"#
      _ = try client.post("/powermon/data", #"{"sensor_id":"\#(id)","timestamp":1666000000,"data":\#(probe)}"#)
      let sensor = index == 1 ? #"{"category":"main"}"# : #"{"category":"sub","part_of":"gresystem000001"}"#
      #expect(try client.post("/api/devices/\(id)/sensor", #"{"sensor":\#(sensor)}"#).status == 200)
    }
    let loss = try query(
      client,
      """
      select m.wns - s.wns as loss from
        (select sum(power * span) as wns from power p join devices d on d.device_id = p.sensor where d.category = 'main') m
        cross join
        (select sum(power * span) as wns from power p join devices d on d.device_id = p.sensor where d.part_of = 'gresystem000001') s
      """)
    #expect(loss.status == 200, "\(loss.body)")
    #expect("\(loss.list.first?["loss"] ?? "")" == "100000000000")
  }
}
