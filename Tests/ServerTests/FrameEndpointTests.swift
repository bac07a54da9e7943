import Foundation
import Testing

@testable import Server

/// `POST /powermon/data` and `GET /powermon/` of a real server.
@Suite(.serialized) struct FrameEndpointTests {
  let server: ServeProcess
  let client: HTTPClient

  init() throws {
    server = try ServeProcess()
    client = server.client()
  }

  func rows() throws -> Int {
    let answer = try client.get("/api/query?q=select+count(*)+as+n+from+power")
    return answer.list.first?["n"] as? Int ?? -1
  }

  @Test("P-01, P-02, P-05: a frame is stored once, its retransmission counts as same")
  func aFrameSentTwiceIsStoredOnce() throws {
    for path in ["/powermon/data", "/powermon/data/"] {
      let answer = try client.post(path, Frames.json("gresystem000001", 1_666_000_000))
      #expect(answer.status == 200)
      #expect(answer.count("new") == (path.hasSuffix("/") ? 0 : 60))
      #expect(answer.count("same") == (path.hasSuffix("/") ? 60 : 0))
      #expect(answer.count("lsn") > 0)
    }
    #expect(try rows() == 60)
    let spaced = try client.get(
      "/api/query?q=select+ts+from+power+where+probe=2+order+by+ts+limit+2")
    #expect(spaced.list.compactMap { $0["ts"] as? String } == ["2022-10-17T09:46:40Z", "2022-10-17T09:46:40.05Z"])
  }

  @Test("P-06: other values are a conflict, the later wins, both are kept")
  func otherValuesAreAConflict() throws {
    _ = try client.post("/powermon/data", Frames.json("gresystem000001", 1_666_000_000))
    let answer = try client.post("/powermon/data", Frames.json("gresystem000001", 1_666_000_000, power: 900))
    #expect(answer.status == 200 && answer.count("conflict") == 60)
    #expect(try rows() == 60)
    let power = try client.get("/api/query?q=select+min(power)+as+p+from+power")
    #expect(power.list.first?["p"] as? Int == 1000)
  }

  @Test("P-03: one voltage for the second is one reading, not twenty")
  func aScalarVoltageIsOneReading() throws {
    _ = try client.post("/powermon/data", Frames.json("gresystem000001", 1_666_000_000))
    let answer = try client.get(
      "/api/query?q=select+count(voltage)+as+n,max(voltage_span)+as+s+from+power+where+probe=1")
    #expect(answer.list.first?["n"] as? Int == 1)
    #expect(answer.list.first?["s"] as? Int == 1_000_000_000)
  }

  @Test("P-04, P-09, P-10: every bad frame is 400 with a path, and nothing is stored")
  func badFramesAreRefusedAndNothingIsStored() throws {
    for name in Fixtures.names(in: "payloads/bad", suffix: ".json") {
      let body = Fixtures.bytes("payloads/bad/\(name).json")
      let answer = try client.request("POST", "/powermon/data", body)
      #expect(answer.status == 400, "\(name): \(answer.status)")
      #expect(answer.object["error"] is String && answer.object["path"] is String, "\(name)")
    }
    #expect(try rows() == 0)
    #expect(try client.get("/api/devices").list.isEmpty)
    #expect(try client.get("/powermon/").list.isEmpty)
  }

  @Test func goodFramesAreStored() throws {
    for name in Fixtures.names(in: "payloads/good", suffix: ".json") {
      let body = Fixtures.bytes("payloads/good/\(name).json")
      let answer = try client.request("POST", "/powermon/data", body)
      #expect(answer.status == 200, "\(name): \(answer.body)")
    }
  }

  @Test("S1: mutilated bodies get an answer of the 4xx or are good; the server stays")
  func mutilatedBodiesNeverGetAServerError() throws {
    var random = SeededRandom(7)
    let good = Array(Frames.json("gresystem000001", 1_666_000_000).utf8)
    for _ in 0..<300 {
      var body = good
      for _ in 0...(random.next() % 4) {
        let at = Int(random.next() % UInt64(body.count))
        switch random.next() % 3 {
        case 0: body[at] = UInt8(truncatingIfNeeded: random.next())
        case 1: body.removeSubrange(at..<min(body.count, at + Int(random.next() % 16)))
        default: body.insert(contentsOf: good[..<Int(random.next() % 32)], at: at)
        }
      }
      let answer = try client.request("POST", "/powermon/data", body)
      #expect(answer.status == 200 || (400..<500).contains(answer.status))
    }
    #expect(try client.get("/ready").status == 200)
  }

  @Test("S9: a body over 8 MiB is 413, with and without a length, headers over 16 KiB are refused")
  func oversizedRequestsAreRefused() throws {
    let big = [UInt8](repeating: 0x20, count: (8 << 20) + 1)
    #expect(try client.request("POST", "/powermon/data", big).status == 413)
    let head = "POST /powermon/data HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
    let size = String(big.count, radix: 16)
    let chunked = Array((head + size + "\r\n").utf8) + big + Array("\r\n0\r\n\r\n".utf8)
    #expect(try server.client().raw(chunked).status == 413)
    let long = "GET /ping HTTP/1.1\r\nHost: t\r\nX-A: \(String(repeating: "a", count: 17 << 10))\r\n\r\n"
    #expect(try server.client().raw(Array(long.utf8)).status == 400)
    #expect(try client.get("/ping").status == 204)
  }

  @Test("an array is all or nothing, and its errors name the frame")
  func anArrayIsAllOrNothing() throws {
    let good = (0..<50).map { Frames.json("gresystem\(String(format: "%06d", $0))", 1_666_000_000) }
    let bad = #"{"sensor_id":"gresystem000001","timestamp":1,"data":[{"power":[1],"pf":["x"],"voltage":1}]}"#
    let refused = try client.post("/powermon/data", "[" + (good.prefix(3) + [bad]).joined(separator: ",") + "]")
    #expect(refused.status == 400)
    #expect(refused.object["path"] as? String == "[3].data[0].pf[0]")
    #expect(try rows() == 0)
    let answer = try client.post("/powermon/data", "[" + good.joined(separator: ",") + "]")
    #expect(answer.count("new") == 3000)
  }

  @Test("P-10, P-11: frames are listed newest first, paged, with unknown keys and without tokens")
  func framesAreListed() throws {
    for second in 0..<5 {
      let extra = #""rssi":-\#(second),"secret":"s3cr3t","#
      _ = try client.post(
        "/powermon/data",
        Frames.json("gresystem000001", 1_666_000_000 + Int64(second), token: "t0k3n-of-the-meter", extra: extra))
    }
    let page = try client.get("/powermon/?limit=3")
    #expect(page.list.compactMap { $0["timestamp"] as? Int } == [1_666_000_004, 1_666_000_003, 1_666_000_002])
    #expect(!page.body.contains("t0k3n") && !page.body.contains("s3cr3t"))
    let before = page.list.last?["id"] as? Int ?? 0
    let rest = try client.get("/powermon/?limit=3&before=\(before)")
    #expect(rest.list.compactMap { $0["timestamp"] as? Int } == [1_666_000_001, 1_666_000_000])
    let frame = rest.list[0]
    #expect(frame["version"] as? String == "221013" && frame["sensor_id"] as? String == "gresystem000001")
    #expect((frame["extras"] as? [String: Any])?["rssi"] as? Int == -1)
    #expect(frame["created"] is String)
    let probes = frame["data"] as? [[String: Any]] ?? []
    #expect(probes.map { $0["probe_id"] as? Int } == [1, 2, 3])
    #expect(probes[0]["voltage"] as? Int == 2300)
    #expect(probes[1]["power"] as? [Int] == (0..<20).map { 1000 + $0 })
  }

  @Test("a frame of an unknown sensor makes the device, parked (INTERFACES 3)")
  func anUnknownSensorBecomesAParkedDevice() throws {
    _ = try client.post("/powermon/data", Frames.json("gresystem000042", 1_666_000_000))
    let device = try client.get("/api/devices/gresystem000042").object
    #expect(device["type"] as? String == "power" && device["owner"] as? String == "parked_device_user")
    let history = try client.get("/api/devices/gresystem000042/history").list
    #expect(history.first?["kind"] as? String == "device.created")
    #expect(history.first?["actor"] as? String == "operator:dev")
  }

  @Test("P-09: a frame far in the future is quarantined, not indexed")
  func aFutureFrameIsQuarantined() throws {
    let answer = try client.post("/powermon/data", Frames.json("gresystem000001", 4_000_000_000))
    #expect(answer.status == 200 && answer.count("quarantined") == 60)
    #expect(try rows() == 0)
    #expect(try client.get("/powermon/").list.count == 1)
  }

  @Test("R9: a store that was stopped in order and one that goes on agree; the exit is 0")
  func aGracefulStopKeepsEverything() throws {
    for second in 0..<20 {
      _ = try client.post("/powermon/data", Frames.json("gresystem000001", 1_666_000_000 + Int64(second)))
    }
    #expect(server.stop() == 0)
    try server.start()
    let again = server.client()
    let answer = try again.get("/api/query?q=select+count(*)+as+n+from+power")
    #expect(answer.list.first?["n"] as? Int == 1200)
  }
}
