import Foundation
import Testing

@testable import Server

/// Who comes in, and the small endpoints.
@Suite(.serialized) struct DoorTests {
  static let given = "0123456789abcdef0123456789abcdef-given"

  @Test("S2, S4: the first start prints a random admin token once; without it nothing is granted")
  func theFirstStartPrintsAnAdminToken() throws {
    let server = try ServeProcess([])
    let line = server.output.split(separator: "\n").first { $0.hasPrefix("admin token") }
    let token = String(line?.split(separator: " ").last ?? "")
    #expect(token.hasPrefix("tsq_admin_") && token.count == 10 + 64)
    let frame = Frames.json("gresystem000001", 1_666_000_000)
    let wrong = String(token.dropLast()) + (token.hasSuffix("0") ? "1" : "0")
    for bad in [nil, "", wrong, "tsq_nobody_" + String(repeating: "0", count: 64), "admin"] {
      let client = server.client(bad)
      #expect(try client.post("/powermon/data", frame).status == 401)
      #expect(try client.get("/api/devices").status == 401)
      #expect(try client.get("/api/query?q=select+1").status == 401)
      #expect(try client.get("/powermon/").status == 401)
      #expect(try client.get("/metrics").status == 401)
    }
    #expect(try server.client(token).get("/powermon/").list.isEmpty)
    #expect(try server.client(token).post("/powermon/data", frame).status == 200)
    #expect(server.stop() == 0)
    // Neither the store nor the log knows it.
    for path in try FileManager.default.subpathsOfDirectory(atPath: server.folder) {
      guard path != "out" else { continue }
      let bytes = fileBytes("\(server.folder)/\(path)")
      #expect(!String(decoding: bytes, as: UTF8.self).contains(token.dropFirst(10)), "\(path)")
    }
    let mode = try FileManager.default.attributesOfItem(atPath: "\(server.store)/TOKEN-KEY")
    #expect(mode[.posixPermissions] as? Int == 0o600)
    try server.start()
    #expect(!server.output.contains("admin token"))
    #expect(try server.client(token).get("/api/devices").status == 200)
  }

  @Test("TSQ_ADMIN_TOKEN is the admin's, in every way a token can come")
  func aGivenTokenComesInEveryWay() throws {
    let server = try ServeProcess([], environment: ["TSQ_ADMIN_TOKEN=\(Self.given)"])
    #expect(!server.output.contains("admin token"))
    let client = server.client()
    let basic = Data("admin:\(Self.given)".utf8).base64EncodedString()
    for header in [
      "Authorization: Bearer \(Self.given)", "Authorization: Token \(Self.given)",
      "Authorization: Basic \(basic)", "X-API-Key: \(Self.given)",
    ] {
      #expect(try client.request("GET", "/api/devices", headers: [header]).status == 200)
    }
    let inBody = Frames.json("gresystem000001", 1_666_000_000, token: Self.given)
    #expect(try client.post("/powermon/data", inBody).status == 200)
    let stray = Frames.json("gresystem000002", 1_666_000_000, token: "x")
    #expect(try client.post("/powermon/data", "[\(inBody),\(stray)]").status == 401)
    #expect(try server.client(Self.given).get("/api/devices/gresystem000002").status == 404)
    #expect(server.stop() == 0)
    try server.start()
    #expect(try server.client(Self.given).get("/api/devices").status == 200)
    let issued = try server.client(Self.given).get("/api/events").list.filter { $0["kind"] as? String == "token.issued" }
    #expect(issued.count == 1)
  }

  @Test(
    "unsafe or unknown settings are refused with exit 2",
    arguments: [
      ["--dev", "--listen", "0.0.0.0:0"], ["--dev", "--listen", "example.org:0"],
      ["--listen", "0.0.0.0:0"], ["--config", "x.yaml"], ["--tls-cert", "c"], ["--pg", "127.0.0.1:8812"],
      ["--mqtt", "http://x"], ["--mqtt", "mqtt://a", "--mqtt", "mqtt://b"], ["--discovery-prefix", "a/#"],
    ])
  func unsafeSettingsAreRefused(_ arguments: [String]) throws {
    let process = try ChildProcess(ServeProcess.binary, ["serve", "--store", "/nonexistent/store"] + arguments)
    #expect(process.waitForStatus() == 2)
  }

  @Test func aShortAdminTokenIsRefused() throws {
    let process = try ChildProcess(
      "/usr/bin/env", ["TSQ_ADMIN_TOKEN=short", ServeProcess.binary, "serve", "--store", "/nonexistent/store"])
    #expect(process.waitForStatus() == 2)
  }

  @Test("time, health, readiness, metrics and what is not there answer as the contract says")
  func smallEndpointsAnswer() throws {
    let server = try ServeProcess()
    let client = server.client()
    #expect(server.output.hasSuffix("\nready\n"))
    #expect(try client.get("/ping").status == 204)
    #expect(try client.get("/health").object["status"] as? String == "pass")
    #expect(try client.get("/ready").status == 200)
    #expect(try client.get("/time").object["time_ms"] as? Int ?? 0 > 1_700_000_000_000)
    _ = try client.post("/powermon/data", Frames.json("gresystem000001", 1_666_000_000))
    let metrics = try client.get("/metrics").body
    #expect(metrics.contains("\ntsq_http_frames_total 1\n") && metrics.contains("\ntsq_rows_new_total 60\n"))
    #expect(try client.get("/nowhere").status == 404)
    #expect(try client.request("DELETE", "/powermon/data").status == 405)
    for path in ["/write", "/live", "/api/login", "/api/v2/write"] {
      #expect(try client.post(path, "{}").status == 501)
    }
  }

  @Test("queries answer in each format; errors carry code, line, column and hint")
  func queriesAnswer() throws {
    let server = try ServeProcess()
    let client = server.client()
    _ = try client.post("/powermon/data", Frames.json("gresystem000001", 1_666_000_000))
    let sql = "select+probe,count(*)+as+n+from+power+group+by+probe+order+by+probe"
    let json = try client.get("/api/query?q=\(sql)")
    #expect(json.body == "[\n{\"probe\":1,\"n\":20},\n{\"probe\":2,\"n\":20},\n{\"probe\":3,\"n\":20}\n]\n")
    #expect(Double(json.headers["x-tsq-time-ms"] ?? "") != nil)
    #expect(try client.get("/api/query?q=\(sql)&format=csv").body == "probe,n\n1,20\n2,20\n3,20\n")
    #expect(
      try client.get("/api/query?q=\(sql)&format=ndjson").body
        == "{\"probe\":1,\"n\":20}\n{\"probe\":2,\"n\":20}\n{\"probe\":3,\"n\":20}\n")
    let body = #"{"q":"select count(*) as n from power where probe = $1","params":[2]}"#
    let posted = try client.request(
      "POST", "/api/query", Array(body.utf8), headers: ["Content-Type: application/json"])
    #expect(posted.list.first?["n"] as? Int == 20)
    let raw = try client.request("POST", "/api/query", Array("select 1 as one".utf8))
    #expect(raw.list.first?["one"] as? Int == 1)
    let error = try client.get("/api/query?q=select+1%0A+form+power")
    #expect(error.status == 400 && error.object["code"] as? String == "42601")
    #expect(error.object["line"] as? Int == 2 && error.object["column"] is Int)
    #expect(try client.get("/api/query").status == 400)
    #expect(try client.get("/api/query?q=select+1&format=xml").status == 400)
  }

  @Test("L-04, L-07, L-22, L-24, L-25: the registry over HTTP")
  func theRegistryChangesOverHTTP() throws {
    let server = try ServeProcess()
    let client = server.client()
    #expect(try client.post("/api/users", #"{"name":"ann"}"#).status == 201)
    #expect(try client.post("/api/users", #"{"name":"ann"}"#).status == 409)
    #expect(try client.post("/api/devices", #"{"id":"b827eb08451e","type":"lampi"}"#).status == 201)
    let code = try client.get("/api/devices/b827eb08451e").object["code"] as? String ?? ""
    #expect(code.count == 6)
    #expect(try client.post("/api/claim", #"{"code":"","user":"ann"}"#).object["code"] as? String == "emptyCode")
    let claimed = try client.post("/api/claim", #"{"code":"\#(code)","user":"ann"}"#)
    #expect(claimed.status == 200 && claimed.object["device_id"] as? String == "b827eb08451e")
    #expect(try client.post("/api/claim", #"{"code":"\#(code)","user":"ann"}"#).status == 409)
    #expect(try client.post("/api/devices/b827eb08451e/rename", #"{"name":"Hall"}"#).object["name"] as? String == "Hall")
    #expect(try client.post("/api/devices/b827eb08451e/dissociate", "").object["associated"] as? Bool == false)
    let back = try client.post("/api/devices/b827eb08451e/associate", #"{"user":"ann"}"#)
    #expect(back.object["owner"] as? String == "ann")
    #expect(try client.request("DELETE", "/api/users/ann?dry_run=1").count("parked") == 1)
    #expect(try client.request("DELETE", "/api/users/ann").count("parked") == 1)
    #expect(try client.get("/api/devices/b827eb08451e").object["owner"] as? String == "parked_device_user")
    #expect(try client.request("DELETE", "/api/devices/b827eb08451e").count("devices") == 1)
    #expect(try client.get("/api/devices/b827eb08451e").status == 404)
    #expect(try client.post("/api/devices/x/associate", "[1]").status == 400)
    let events = try client.get("/api/events").list
    let lsns = events.compactMap { $0["lsn"] as? Int }
    #expect(lsns == lsns.sorted() && lsns.count == events.count)
    let tail = try client.get("/api/events?from=\(lsns[3])&limit=2").list.compactMap { $0["lsn"] as? Int }
    #expect(tail == Array(lsns[3...4]))
  }
}
