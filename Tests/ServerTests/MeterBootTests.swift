import Foundation
import TSEngine
import Testing

@testable import Server

/// What meters ask at boot and once a day: their token, and the time.
@Suite(.serialized) struct MeterBootTests {
  private let sensor = "gresystem000001"

  private func server() throws -> (server: ServeProcess, admin: HTTPClient) {
    let server = try ServeProcess(["--public-url", "https://tsq.example"], environment: ["TSQ_ADMIN_TOKEN=\(DoorTests.given)"])
    let admin = server.client(DoorTests.given)
    for id in [sensor, "gresystem000002"] { _ = try admin.post("/api/devices", #"{"id":"\#(id)"}"#) }
    return (server, admin)
  }

  private func boot(_ server: ServeProcess, _ sensor: String, _ secret: String) throws -> HTTPClient.Answer {
    try server.client().post("/powermon/boot", #"{"sensor_id":"\#(sensor)","version":"221013","secret":"\#(secret)"}"#)
  }

  @Test("P-07, P-08: the api_key gives a token at boot, good for the meter's own frames; a wrong, old or foreign one is refused")
  func theServerGivesTheToken() throws {
    let (server, admin) = try server()
    let key = try admin.post("/api/devices/\(sensor)/credentials", "").object["api_key"] as? String ?? ""
    #expect(key.count == 64)
    for (who, secret) in [
      (sensor, ""), (sensor, "wrong"), ("gresystem000002", key), ("gresystem000009", key), (sensor, DoorTests.given),
    ] {
      #expect(try boot(server, who, secret).status == 401, "\(who)")
    }
    let answer = try boot(server, sensor, key)
    let token = answer.object["token"] as? String ?? ""
    #expect(answer.status == 200 && token.count <= 256, "\(answer.body)")
    #expect(answer.object["host"] as? String == "tsq.example")
    #expect(answer.object["url"] as? String == "https://tsq.example/powermon/data")
    #expect(answer.object["interval"] as? Int == 1 && answer.object["sync_interval"] as? Int == 86_400)
    #expect((answer.object["time"] as? Int ?? 0) / 1000 < answer.object["expires"] as? Int ?? 0)
    _ = try admin.post("/api/types/power", #"{"settings":{"sync_interval":"1w"}}"#)
    #expect(try boot(server, sensor, key).object["sync_interval"] as? Int == 604_800)
    #expect(try admin.post("/api/types/power", #"{"settings":{"sync_interval":"1h"}}"#).status == 400)

    let meter = server.client(token)
    #expect(try meter.post("/powermon/data", Frames.json(sensor, 1_666_000_000)).count("new") == 60)
    #expect(try server.client().post("/powermon/data", Frames.json(sensor, 1_666_000_001, token: token)).count("new") == 60)
    // Its own sensor alone, and nothing else.
    #expect(try meter.post("/powermon/data", Frames.json("gresystem000002", 1_666_000_000)).status == 403)
    let both = "[\(Frames.json(sensor, 1_666_000_002)),\(Frames.json("gresystem000002", 1_666_000_002))]"
    #expect(try meter.post("/powermon/data", both).status == 403)
    for path in ["/api/devices", "/powermon/", "/metrics", "/api/query?q=select+*+from+segments"] {
      #expect(try meter.get(path).status == 403, "\(path)")
    }
    let altered = String(token.dropLast()) + (token.hasSuffix("0") ? "1" : "0")
    #expect(try server.client(altered).post("/powermon/data", Frames.json(sensor, 1_666_000_003)).status == 401)
    #expect(server.stop() == 0)
    try server.start()
    #expect(try server.client(token).post("/powermon/data", Frames.json(sensor, 1_666_000_003)).count("new") == 60)
    // New secrets void what the old ones brought.
    _ = try server.client(DoorTests.given).post("/api/devices/\(sensor)/credentials", "")
    #expect(try server.client(token).post("/powermon/data", Frames.json(sensor, 1_666_000_004)).status == 401)
    #expect(try boot(server, sensor, key).status == 401)
    let count = try server.client(DoorTests.given).get("/api/query?q=select+count(*)+as+n+from+power").list.first?["n"] as? Int
    #expect(count == 180, "what was refused is not stored")
    for path in try FileManager.default.subpathsOfDirectory(atPath: server.store) {
      let text = String(decoding: fileBytes("\(server.store)/\(path)"), as: UTF8.self)
      #expect(!text.contains(key) && !text.contains(token), "\(path)")
    }
  }

  @Test("P-08: a boot token ends with its time and with the key it was given for")
  func tokensEnd() throws {
    let folder = NSTemporaryDirectory() + "tsq-boot-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let clock = SimClock()
    var options = StoreOptions()
    options.clock = clock
    let store = try Store.open(folder, options)
    defer { try? store.close() }
    let actor = Actor(.system, "test")
    _ = try store.decide(actor: actor) { $0.createDevice("gresystem000001", type: "power", $1) }
    let keys = try DeviceKeys(store)
    let issued = try keys.issue(for: "gresystem000001", actor: actor).get()
    let tokens = try BootTokens(store)
    let token = try #require(tokens.token(for: "gresystem000001", secret: issued.apiKey)).text
    #expect(tokens.device(of: token) == "gresystem000001")
    for bad in ["", "tsq_boot.", "tsq_boot.gresystem000001.99999999999._", token + "0", token.replacing("000001", with: "000002")] {
      #expect(tokens.device(of: bad) == nil, "\(bad)")
    }
    _ = try keys.issue(for: "gresystem000001", overlapNanos: 600_000_000_000, actor: actor).get()
    #expect(tokens.device(of: token) != nil, "the old key is good a while longer")
    clock.advance(nanos: 600_000_000_000)
    #expect(tokens.device(of: token) == nil)
    let next = try keys.issue(for: "gresystem000001", actor: actor).get()
    let second = try #require(tokens.token(for: "gresystem000001", secret: next.apiKey)).text
    clock.advance(nanos: BootTokens.lifetimeNanos - 1_000_000_000)
    #expect(tokens.device(of: second) != nil)
    clock.advance(nanos: 1_000_000_000)
    #expect(tokens.device(of: second) == nil)
  }

  @Test("P-07: the exchange of four stamps logs the offset; offset, drift and who is overdue are asked of history")
  func clocksAreCompared() throws {
    let (server, admin) = try server()
    #expect(try server.client().get("/time").object["time_ms"] as? Int ?? 0 > 1_700_000_000_000)
    // The meter's clock is 1500 ms behind, then 1800 ms.
    for behind in [1_500.0, 1_800.0] {
      let now = Date().timeIntervalSince1970 * 1000
      let first = try admin.post("/time", #"{"sensor_id":"\#(sensor)","t1":\#(now - behind)}"#)
      let (t2, t3) = (first.object["t2"] as? Double ?? 0, first.object["t3"] as? Double ?? 0)
      #expect(first.status == 200 && t3 >= t2 && t2 >= now - 1, "\(first.body)")
      let body = #"{"sensor_id":"\#(sensor)","t1":\#(t2 - behind - 10),"t2":\#(t2),"t3":\#(t3),"t4":\#(t3 - behind + 10)}"#
      let second = try admin.post("/time", body)
      #expect(abs((second.object["offset_ms"] as? Double ?? 0) - behind) < 0.01, "\(second.body)")
      #expect(abs((second.object["round_trip_ms"] as? Double ?? 0) - 20) < 0.01)
    }
    func query(_ sql: String) throws -> [[String: Any]] {
      let answer = try admin.request("POST", "/api/query", Array(sql.utf8))
      #expect(answer.status == 200, "\(answer.body)")
      return answer.list
    }
    let syncs = try query("select device_id, offset_ns, drift_ppm from clock order by lsn")
    #expect(syncs.map { (($0["offset_ns"] as? Int ?? 0) + 50_000) / 100_000 } == [15_000, 18_000])
    #expect(syncs[0]["drift_ppm"] is NSNull && syncs[1]["drift_ppm"] as? Double ?? 0 > 0)
    let overdue = """
      select d.device_id from devices d left join (select device_id, max(due_at) as due from clock group by device_id) c
      on c.device_id = d.device_id where c.due is null or c.due < now() order by d.device_id
      """
    #expect(try query(overdue).compactMap { $0["device_id"] as? String } == ["gresystem000002"])
    let now = Date().timeIntervalSince1970 * 1000
    for bad in [
      #"{"sensor_id":"\#(sensor)"}"#, #"{"t1":1}"#, "[]",
      #"{"sensor_id":"\#(sensor)","t1":1,"t4":2}"#,
      #"{"sensor_id":"\#(sensor)","t1":5,"t2":\#(now),"t3":\#(now),"t4":4}"#,
      #"{"sensor_id":"\#(sensor)","t1":1,"t2":\#(now),"t3":\#(now - 1),"t4":9}"#,
      #"{"sensor_id":"\#(sensor)","t1":1,"t2":1,"t3":2,"t4":9}"#,
      #"{"sensor_id":"\#(sensor)","t1":1,"t2":\#(now + 100000),"t3":\#(now + 100000),"t4":9}"#,
    ] { #expect(try admin.post("/time", bad).status == 400, "\(bad)") }
    #expect(try admin.post("/time", #"{"sensor_id":"gresystem000009","t1":1}"#).status == 404)
    #expect(try server.client().post("/time", #"{"sensor_id":"\#(sensor)","t1":1}"#).status == 401)
    #expect(server.stop() == 0)
    var options = StoreOptions()
    options.maintainsItself = false
    let store = try Store.open(server.store, options)
    try store.seal()
    try store.close()
    try server.start()
    let sealed = try server.client(DoorTests.given).get("/api/query?q=select+count(*)+as+n+from+clock").list.first?["n"] as? Int
    #expect(sealed == 2)
  }
}
