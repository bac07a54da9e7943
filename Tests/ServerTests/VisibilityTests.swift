import Foundation
import Testing

@testable import Server

/// T-04: what people reach over HTTP. The bounds of readings themselves are tested on the query engine
/// (`QueryTests/VisibilityTests`).
@Suite(.serialized) struct VisibilityTests {
  private static let admin = "0123456789abcdef0123456789abcdef-admin"
  private static let start: Int64 = 1_666_000_000

  private func serve() throws -> (server: ServeProcess, admin: HTTPClient) {
    let server = try ServeProcess([], environment: ["TSQ_ADMIN_TOKEN=\(Self.admin)"])
    return (server, server.client(Self.admin))
  }

  private func token(_ admin: HTTPClient, _ body: String) throws -> (text: String, id: String) {
    let answer = try admin.post("/api/tokens", body)
    #expect(answer.status == 201, "\(answer.body)")
    return (answer.object["token"] as? String ?? "", answer.object["public_id"] as? String ?? "")
  }

  private func query(_ client: HTTPClient, _ sql: String) throws -> HTTPClient.Answer {
    try client.request("POST", "/api/query", Array(sql.utf8))
  }

  private func count(_ client: HTTPClient, _ table: String) throws -> Int {
    let answer = try query(client, "SELECT count(*) AS n FROM \(table)")
    #expect(answer.status == 200, "\(answer.body)")
    return answer.list.first?["n"] as? Int ?? -1
  }

  @Test("T-04: a person's token reads the intervals in which devices were theirs, over SQL and /api, and nothing else")
  func aPersonReadsWhatIsTheirs() throws {
    let (server, admin) = try serve()
    let (mine, other) = ("gresystem000001", "gresystem000002")
    for name in ["ann", "bob"] { _ = try admin.post("/api/users", #"{"name":"\#(name)"}"#) }
    for id in [mine, other] {
      for second in Int64(0)..<6 {
        #expect(try admin.post("/powermon/data", Frames.json(id, Self.start + second)).status == 200)
      }
    }
    // Seconds 1 and 2 are Ann's, up to the middle of the third; then the meter is Bob's.
    func give(_ id: String, _ user: String, _ at: String) throws {
      let answer = try admin.post("/api/devices/\(id)/associate", #"{"user":"\#(user)","at":"2022-10-17T09:46:\#(at)Z"}"#)
      #expect(answer.status == 200, "\(answer.body)")
    }
    try give(mine, "ann", "41")
    try give(mine, "bob", "43.5")
    let ann = server.client(try token(admin, #"{"role":"user","user":"ann"}"#).text)
    let bob = server.client(try token(admin, #"{"role":"user","user":"bob"}"#).text)
    // 20 samples a second and probe, one voltage in the first of them.
    #expect(try count(admin, "power") == 2 * 6 * 60)
    #expect(try count(ann, "power") == 150 && count(bob, "power") == 150)
    let bounds = try query(ann, "SELECT min(ts) AS a, max(ts) AS b FROM power").list.first
    #expect(bounds?["a"] as? String == "2022-10-17T09:46:41Z" && bounds?["b"] as? String == "2022-10-17T09:46:43.45Z")
    let readings = "/api/devices/\(mine)/readings"
    #expect(try admin.get(readings).list.count == 360)
    let seen = try ann.get("\(readings)?limit=1000").list.compactMap { $0["ts"] as? String }
    #expect(seen.count == 150 && seen.first == "2022-10-17T09:46:43.45Z" && seen.last == "2022-10-17T09:46:41Z")
    #expect(try bob.get("\(readings)?from=2022-10-17T09:46:44Z&to=2022-10-17T09:46:45Z&format=csv").body.split(separator: "\n").count == 61)
    // It was Ann's; it is Bob's. What was received is Bob's, if he has it when it comes.
    #expect(try ann.get("/api/devices").list.isEmpty)
    #expect(try bob.get("/api/devices").list.compactMap { $0["device_id"] as? String } == [mine])
    #expect(try ann.get("/api/devices/\(mine)").status == 403 && bob.get("/api/devices/\(mine)").status == 200)
    let history = try ann.get("/api/devices/\(mine)/history")
    #expect(history.list.compactMap { $0["kind"] as? String } == ["device.associated"], "\(history.body)")
    #expect(history.list.first?["actor"] as? String == "token", "which token is not told")
    for path in ["commands", "messages"] { #expect(try ann.get("/api/devices/\(mine)/\(path)").list.isEmpty, "\(path)") }
    #expect(try admin.get("/api/devices/\(mine)/messages").list.count == 6)
    for client in [ann, bob] {
      for path in ["", "/history", "/commands", "/readings", "/messages", "/credentials"] {
        for id in [other, "gresystem999999"] {
          let answer = try client.get("/api/devices/\(id)\(path)")
          #expect(answer.status == 403 && !answer.body.contains(id), "what is not there is not told from what is another's")
        }
      }
      for path in ["/powermon/", "/metrics"] { #expect(try client.get(path).status == 403, "\(path)") }
      #expect(try client.post("/powermon/data", Frames.json(mine, Self.start + 9)).status == 403)
      #expect(try client.post("/api/users", #"{"name":"eve"}"#).status == 403)
      #expect(try client.post("/api/tokens", #"{"role":"admin"}"#).status == 403)
      #expect(try client.post("/api/devices/\(mine)/associate", #"{"user":"ann"}"#).status == 403)
      #expect(try client.request("DELETE", "/api/devices/\(mine)").status == 403)
      for sql in ["DELETE FROM power", "SELECT * FROM segments", "SELECT * FROM rollups", "EXPLAIN DELETE FROM power"] {
        let answer = try query(client, sql)
        #expect(answer.status == 403 && answer.object["message"] as? String != nil, "\(answer.body)")
      }
    }
    #expect(try ann.get("/api/users").list.compactMap { $0["name"] as? String } == ["ann"])
    #expect(try ann.get("/api/users/ann").status == 200 && ann.get("/api/users/bob").status == 403)
    #expect(try !ann.get("/api/events").body.contains("bob"))
    #expect(try count(ann, "users") == 1 && count(ann, "credentials") == 1)
    #expect(try count(admin, "power") == 2 * 6 * 60, "nothing was changed")
  }

  @Test("S4: tokens of people and devices are shown once, end when they are revoked, and with their person")
  func tokensEnd() throws {
    let (server, admin) = try serve()
    for name in ["ann", "bob"] { _ = try admin.post("/api/users", #"{"name":"\#(name)"}"#) }
    let (ann, bob) = (try token(admin, #"{"role":"user","user":"ann","label":"phone"}"#), try token(admin, #"{"role":"user","user":"bob"}"#))
    for given in [ann, bob] { #expect(try server.client(given.text).get("/api/devices").status == 200) }
    #expect(try admin.request("DELETE", "/api/tokens/\(ann.id)").status == 200)
    #expect(try admin.request("DELETE", "/api/tokens/\(ann.id)").status == 404)
    #expect(try admin.request("DELETE", "/api/users/bob").status == 200)
    for given in [ann, bob] { #expect(try server.client(given.text).get("/api/devices").status == 401) }
    for body in [
      #"{"role":"king"}"#, #"{"role":"user"}"#, #"{"role":"device"}"#,
      #"{"role":"admin","lifetime":"0s"}"#, #"{"role":"admin","lifetime":"soon"}"#,
    ] { #expect(try admin.post("/api/tokens", body).status == 400, "\(body)") }
    for body in [#"{"role":"user","user":"eve"}"#, #"{"role":"device","device":"nobody"}"#] {
      #expect(try admin.post("/api/tokens", body).status == 404, "\(body)")
    }
    #expect(try query(admin, "SELECT label FROM credentials WHERE label = 'phone'").list.count == 1)
    #expect(server.stop() == 0)
    for path in try FileManager.default.subpathsOfDirectory(atPath: server.folder) {
      let text = String(decoding: fileBytes("\(server.folder)/\(path)"), as: UTF8.self)
      for given in [ann, bob] { #expect(!text.contains(given.text.suffix(64)), "\(path)") }
    }
  }
}
