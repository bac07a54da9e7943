import Foundation
import Testing

@testable import Server

/// Who comes in where (S8): the whole table of paths against all roles, and what the roles writer and reader do.
@Suite(.serialized) struct RoleTests {
  private static let admin = "0123456789abcdef0123456789abcdef-admin"
  private static let start: Int64 = 1_666_000_000
  private static let own = "gresystem000001"

  /// What a request by one path is answered. Bodies are such that who is let in changes nothing and is told so.
  private struct Case {
    var route: String
    /// In place of the pattern.
    var path: String
    var body: String
    /// Of nobody, admin, writer, reader, device and user.
    var codes: [Int]

    init(_ route: String, _ codes: [Int]) { self.init(route, nil, "", codes) }
    init(_ route: String, _ path: String, _ codes: [Int]) { self.init(route, path, "", codes) }
    init(_ route: String, _ path: String?, _ body: String, _ codes: [Int]) {
      (self.route, self.body, self.codes) = (route, body, codes)
      self.path = path ?? String(route.split(separator: " ")[1])
    }
  }

  private static func cases(token: String) -> [Case] {
    func open(_ code: Int) -> [Int] { Array(repeating: code, count: 6) }
    func administered(_ code: Int) -> [Int] { [401, code, 403, 403, 403, 403] }
    let read = [401, 200, 403, 200, 200, 200]
    let readAll = [401, 200, 403, 200, 403, 403]
    let people = [401, 200, 403, 200, 403, 200]
    let device = "/api/devices/\(own)"
    return [
      Case("GET /", open(200)), Case("GET /ping", open(204)), Case("GET /health", open(200)), Case("GET /ready", open(200)),
      Case("GET /time", open(200)), Case("POST /powermon/boot", nil, "{}", open(400)),
      Case("POST /time", nil, #"{"sensor_id":"\#(own)","t1":1}"#, [401, 200, 200, 403, 200, 403]),
      Case("POST /powermon/data", nil, Frames.json(own, start), [401, 200, 200, 403, 200, 403]),
      Case("GET /powermon/data/*", "/powermon/data/\(own)", [401, 426, 403, 403, 426, 403]),
      Case("GET /powermon", readAll), Case("GET /metrics", readAll),
      Case("GET /api/query", "/api/query?q=select+1", read),
      Case("POST /api/query", nil, "SELECT count(*) FROM power", read),
      Case("GET /api/devices", people), Case("POST /api/devices", nil, "{}", administered(400)),
      Case("GET /api/devices/*", device, read),
      Case("DELETE /api/devices/*", "\(device)?dry_run", administered(200)),
      Case("DELETE /api/devices/*/credentials", "/api/devices/gresystem999999/credentials", administered(404)),
      Case("GET /api/users", people), Case("POST /api/users", nil, "{}", administered(400)),
      Case("GET /api/users/*", "/api/users/ann", people),
      Case("DELETE /api/users/*", "/api/users/ann?dry_run", administered(200)),
      Case("GET /api/types", read), Case("POST /api/types", nil, "?", administered(400)),
      Case("GET /api/types/*", "/api/types/power", read), Case("POST /api/types/*", "/api/types/power", "{}", administered(400)),
      Case("GET /api/tokens", read), Case("POST /api/tokens", nil, "{}", administered(400)),
      Case("GET /api/tokens/*", "/api/tokens/\(token)", [401, 200, 403, 200, 404, 404]),
      Case("DELETE /api/tokens/*", "/api/tokens/\(token)?dry_run", administered(200)),
      Case("GET /api/events", read), Case("GET /api/commands", read), Case("POST /api/claim", nil, "{}", administered(400)),
    ]
      + ["history", "commands", "readings", "messages", "credentials"].map {
        Case("GET /api/devices/*/\($0)", "\(device)/\($0)", read)
      }
      + ["associate", "rename", "status", "fields", "set_config", "sensor", "call", "commands"].map {
        Case("POST /api/devices/*/\($0)", "\(device)/\($0)", "{}", administered(400))
      }
      + [
        Case("POST /api/devices/*/dissociate", "\(device)/dissociate", #"{"at":"?"}"#, administered(400)),
        Case("POST /api/devices/*/credentials", "\(device)/credentials", #"{"overlap":"?"}"#, administered(400)),
        Case("POST /api/devices/*/announce", "/api/devices/gresystem999999/announce", "{}", administered(404)),
      ]
      + ["auth", "superuser", "acl"].map { Case("POST /api/broker/\($0)", nil, "{", administered(400)) }
      + ["/write", "/api/v2/write", "/api/v3/write_lp", "/api/login", "/api/logout"].map { Case("POST \($0)", open(501)) }
      + ["/live", "/ws/live", "/ws/chat/*", "/api/chat/*", "/api/openapi.json"].map { Case("GET \($0)", open(501)) }
  }

  private func token(_ admin: HTTPClient, _ body: String) throws -> (text: String, id: String) {
    let answer = try admin.post("/api/tokens", body)
    #expect(answer.status == 201, "\(answer.body)")
    return (answer.object["token"] as? String ?? "", answer.object["public_id"] as? String ?? "")
  }

  private func query(_ client: HTTPClient, _ sql: String) throws -> HTTPClient.Answer {
    try client.request("POST", "/api/query", Array(sql.utf8))
  }

  private func serve(_ arguments: [String] = []) throws -> (server: ServeProcess, admin: HTTPClient) {
    let server = try ServeProcess(arguments, environment: ["TSQ_ADMIN_TOKEN=\(Self.admin)"])
    return (server, server.client(Self.admin))
  }

  @Test("S8: every path is decided for every role, by default closed: a path without a decision fails here")
  func everyPathIsDecidedForEveryRole() throws {
    let (server, admin) = try serve(["--broker-backend"])
    _ = try admin.post("/api/users", #"{"name":"ann"}"#)
    #expect(try admin.post("/powermon/data", Frames.json(Self.own, Self.start)).status == 200)
    #expect(try admin.post("/api/devices/\(Self.own)/associate", #"{"user":"ann"}"#).status == 200)
    #expect(try admin.post("/api/devices/\(Self.own)/credentials", "").status == 201)
    let reader = try token(admin, #"{"role":"reader"}"#)
    let tokens = [
      nil, Self.admin, try token(admin, #"{"role":"writer"}"#).text, reader.text,
      try token(admin, #"{"role":"device","device":"\#(Self.own)"}"#).text, try token(admin, #"{"role":"user","user":"ann"}"#).text,
    ]
    let cases = Self.cases(token: reader.id)
    let routes = HTTPRoute.all.map { "\($0.method.rawValue) /\($0.pattern.joined(separator: "/"))" }
    #expect(Set(routes).count == routes.count)
    #expect(Set(routes) == Set(cases.map(\.route)), "\(Set(routes).symmetricDifference(cases.map(\.route)))")
    let events = try query(admin, "SELECT count(*) AS n FROM events").body
    for (who, name) in ["nobody", "admin", "writer", "reader", "device", "user"].enumerated() {
      let client = server.client(tokens[who])
      for entry in cases {
        let method = String(entry.route.prefix { $0 != " " })
        // As from elsewhere: a broker on this machine needs no token.
        let answer = try client.request(
          method, entry.path, Array(entry.body.utf8),
          headers: ["X-Forwarded-For: 192.0.2.1"] + (entry.body.hasPrefix("{") ? ["Content-Type: application/json"] : []))
        #expect(answer.status == entry.codes[who], "\(entry.route) as \(name): \(answer.status) \(answer.body)")
      }
    }
    #expect(try query(admin, "SELECT count(*) AS n FROM events").body == events, "nothing was changed")
    // What is not in the table is not there, whoever asks.
    for path in ["/nowhere", "/api", "/api/devices/\(Self.own)/secrets", "/api/broker", "/powermon/data/x/y"] {
      #expect(try admin.get(path).status == 404, "\(path)")
    }
    for path in ["/powermon/data", "/powermon/data/", "/powermon/data//", "//powermon/data"] {
      let posted = try admin.post(path, Frames.json(Self.own, Self.start))
      #expect(posted.status == 200 && posted.count("same") == 60, "\(path): \(posted.body)")
      let got = try admin.get(path)
      #expect(got.status == 405 && got.headers["allow"] == "POST", "\(path)")
    }
    let wrong = try admin.request("PUT", "/api/devices")
    #expect(wrong.status == 405 && wrong.headers["allow"] == "GET, POST")
  }

  @Test("a writer sends readings of any device, which makes those that are not there; a device does not; a reader nothing")
  func aWriterSends() throws {
    let (server, admin) = try serve()
    let writer = try token(admin, #"{"role":"writer","label":"gateway"}"#).text
    let reader = try token(admin, #"{"role":"reader"}"#).text
    #expect(try admin.post("/powermon/data", Frames.json(Self.own, Self.start)).status == 200)
    let device = try token(admin, #"{"role":"device","device":"\#(Self.own)"}"#).text
    let (unknown, other) = ("gresystem000002", "gresystem000003")
    #expect(try server.client(device).post("/powermon/data", Frames.json(unknown, Self.start)).status == 403)
    #expect(try server.client(reader).post("/powermon/data", Frames.json(unknown, Self.start)).status == 403)
    #expect(try admin.get("/api/devices/\(unknown)").status == 404)
    let client = server.client(writer)
    let both = "[\(Frames.json(unknown, Self.start)),\(Frames.json(Self.own, Self.start + 1))]"
    #expect(try client.post("/powermon/data", both).count("new") == 120)
    #expect(try server.client().post("/powermon/data", Frames.json(unknown, Self.start + 1, token: writer)).status == 200)
    #expect(try admin.get("/api/devices/\(unknown)").object["owner"] as? String == "parked_device_user")
    // A channel takes the place of the meter's own and hears what the meter is asked: it is the meter's.
    for token in [writer, reader] {
      #expect(throws: WebSocketClient.Refused.self) {
        _ = try WebSocketClient(server.port, "/powermon/data/\(Self.own)", headers: ["Authorization: Bearer \(token)"])
      }
    }
    _ = try WebSocketClient(server.port, "/powermon/data/\(Self.own)", headers: ["Authorization: Bearer \(device)"])
    // Rows of VALUES are readings, too.
    let insert = "INSERT INTO power (ts, device, power) VALUES"
    let rows = try query(client, "\(insert) ('2026-01-01T00:00:00Z', '\(other)', 5), ('2026-01-01T00:00:01Z', '\(other)', 6)")
    #expect(rows.status == 200 && rows.list.first?["new"] as? Int == 2, "\(rows.body)")
    #expect(try admin.get("/api/devices/\(other)").status == 200)
    let issued = try query(admin, "SELECT actor FROM events WHERE kind = 'device.created' AND device_id = '\(other)'").list
    #expect((issued.first?["actor"] as? String)?.hasPrefix("token:writer-") == true)
    for sql in [
      "SELECT 1", "DELETE FROM power", "DROP TABLE power", "CREATE TABLE t (a INT)", "EXPLAIN DELETE FROM power",
      "INSERT INTO power (ts, device, power) SELECT ts, device, power FROM power",
      "WITH x AS (SELECT 1) INSERT INTO power (ts, device, power) VALUES ('2026-01-01T00:00:03Z', '\(other)', 1)",
    ] {
      let answer = try query(client, sql)
      #expect([403, 400].contains(answer.status), "\(sql): \(answer.body)")
      if answer.status == 403 { #expect(answer.object["code"] as? String == "42501" && answer.object["hint"] != nil, "\(answer.body)") }
    }
    for hidden in ["(SELECT max(power) FROM power)", "(SELECT count(*) FROM devices)", "(SELECT max(lsn) FROM events)"] {
      let answer = try query(client, "\(insert) ('2026-01-01T00:00:02Z', '\(other)', \(hidden))")
      // Once sub-queries stand in expressions: of a store in which there is no such table.
      let said = [answer.object["code"], answer.object["message"]].map { $0 as? String ?? "" }
      #expect(
        said[0] == "0A000" && said[1].contains("a sub-query in an expression")
          || said[0] == "42P01" && said[1].contains("there is no table"), "\(hidden): \(answer.body)")
    }
    #expect(try query(admin, "SELECT power FROM power WHERE device = '\(other)'").list.compactMap { $0["power"] as? Int } == [5, 6])
  }

  @Test("a reader sees everything but codes to claim devices by, and changes nothing: 403 with who may")
  func aReaderReads() throws {
    let (server, admin) = try serve()
    _ = try admin.post("/api/users", #"{"name":"ann"}"#)
    _ = try admin.post("/powermon/data", Frames.json(Self.own, Self.start))
    _ = try admin.post("/api/devices", #"{"id":"b827eb08451e","type":"lampi"}"#)
    let code = try #require(try admin.get("/api/devices/b827eb08451e").object["code"] as? String)
    #expect(try admin.get("/api/events").body.contains(code))
    let client = server.client(try token(admin, #"{"role":"reader","label":"grafana"}"#).text)
    #expect(try query(client, "SELECT count(*) AS n FROM power").list.first?["n"] as? Int == 60)
    #expect(try client.get("/api/devices/\(Self.own)/readings").list.count == 60)
    #expect(try client.get("/api/devices/\(Self.own)/messages").list.count == 1 && client.get("/powermon/").list.count == 1)
    #expect(try client.get("/api/users").list.count == 2 && client.get("/api/devices").list.count == 2)
    let audit = try query(client, "SELECT count(*) AS n FROM segments")
    #expect(audit.status == 200, "what tells of everybody's is a reader's, too: \(audit.body)")
    for path in ["/api/devices", "/api/devices/b827eb08451e", "/api/devices/b827eb08451e/history", "/api/events"] {
      let answer = try client.get(path)
      #expect(answer.status == 200 && !answer.body.contains(code) && !answer.body.contains("code.issued"), "\(path)")
    }
    for sql in [
      "SELECT * FROM events", "SELECT * FROM devices", "SELECT * FROM devices FOR SYSTEM_TIME AS OF now()",
      "SELECT * FROM events FOR SYSTEM_TIME AS OF now()",
    ] {
      let answer = try query(client, sql)
      #expect(answer.status == 200 && !answer.body.contains(code) && !answer.body.contains("code.issued"), "\(sql): \(answer.body)")
    }
    let events = try query(admin, "SELECT count(*) AS n FROM events").body
    for sql in [
      "DELETE FROM power", "DROP TABLE power", "CREATE TABLE t (ts TIMESTAMP, device SYMBOL, a INT)",
      "INSERT INTO power (ts, device, power) VALUES ('2026-01-01T00:00:00Z', 'x', 5)",
    ] {
      let answer = try query(client, sql)
      #expect(answer.status == 403 && answer.object["code"] as? String == "42501", "\(answer.body)")
      #expect((answer.object["hint"] as? String)?.contains("admin") == true)
    }
    #expect(try query(client, "EXPLAIN DELETE FROM power").status == 200)
    #expect(try query(admin, "SELECT count(*) AS n FROM events").body == events)
    #expect(try query(admin, "SELECT count(*) AS n FROM power").list.first?["n"] as? Int == 60)
  }

  @Test("tokens are listed and shown without what is secret; a revocation can be tried")
  func tokensAreListed() throws {
    let (server, admin) = try serve()
    let writer = try token(admin, #"{"role":"writer","label":"gateway","lifetime":"1h"}"#)
    let shown = try admin.get("/api/tokens/\(writer.id)")
    #expect(shown.object["role"] as? String == "writer" && shown.object["label"] as? String == "gateway")
    #expect(shown.object["state"] as? String == "valid" && !shown.body.contains(writer.text.suffix(64)))
    #expect(try admin.request("DELETE", "/api/tokens/\(writer.id)?dry_run").object["dry_run"] as? Bool == true)
    #expect(try server.client(writer.text).post("/powermon/data", Frames.json(Self.own, Self.start)).status == 200)
    #expect(try admin.request("DELETE", "/api/tokens/\(writer.id)").object["role"] as? String == "writer")
    #expect(try server.client(writer.text).post("/powermon/data", Frames.json(Self.own, Self.start)).status == 401)
    func ids(_ path: String) throws -> [String] { try admin.get(path).list.compactMap { $0["public_id"] as? String } }
    #expect(try ids("/api/tokens") == ["admin"] && ids("/api/tokens?all") == ["admin", writer.id])
    #expect(try admin.get("/api/tokens/\(writer.id)").object["state"] as? String == "revoked")
    #expect(try admin.get("/api/tokens/nobody").status == 404)
    #expect(try admin.request("DELETE", "/api/tokens/\(writer.id)?dry_run").status == 404)
  }
}
