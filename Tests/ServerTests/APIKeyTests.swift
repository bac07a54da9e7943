import Foundation
import Testing

@testable import Server

/// D-14: a device's API key at the HTTP door.
@Suite(.serialized) struct APIKeyTests {
  private static let admin = "0123456789abcdef0123456789abcdef-admin"
  private static let start: Int64 = 1_666_000_000

  private func count(_ client: HTTPClient, _ table: String) throws -> Int {
    let answer = try client.request("POST", "/api/query", Array("SELECT count(*) AS n FROM \(table)".utf8))
    #expect(answer.status == 200, "\(answer.body)")
    return answer.list.first?["n"] as? Int ?? -1
  }

  @Test("D-14, S5: a device's API key is its token: its frames, commands and readings; ended at once, or after the overlap")
  func anAPIKeyIsADevices() throws {
    let server = try ServeProcess([], environment: ["TSQ_ADMIN_TOKEN=\(Self.admin)"])
    let admin = server.client(Self.admin)
    let (own, other) = ("gresystem000001", "gresystem000002")
    for id in [own, other] {
      _ = try admin.post("/api/devices", #"{"id":"\#(id)","type":"power"}"#)
      #expect(try admin.post("/powermon/data", Frames.json(id, Self.start)).status == 200)
    }
    func issue(_ id: String, _ body: String = "") throws -> String {
      try admin.post("/api/devices/\(id)/credentials", body).object["api_key"] as? String ?? ""
    }
    let (key, foreign) = (try issue(own), try issue(other))
    let client = server.client()
    func send(_ id: String, _ second: Int64, _ header: String) throws -> HTTPClient.Answer {
      try client.request("POST", "/powermon/data", Array(Frames.json(id, Self.start + second).utf8), headers: [header])
    }
    #expect(try send(own, 1, "Authorization: Bearer \(key)").status == 200)
    #expect(try send(own, 2, "X-API-Key: \(key)").status == 200)
    let basic = Data("\(own):\(key)".utf8).base64EncodedString()
    #expect(try send(own, 3, "Authorization: Basic \(basic)").status == 200)
    #expect(try client.post("/powermon/data", Frames.json(own, Self.start + 4, token: key)).status == 200)
    // Another's frames, and those of a meter that is not there, are refused; nothing of them is stored.
    #expect(try send(other, 5, "X-API-Key: \(key)").status == 403)
    #expect(try send("gresystem000009", 5, "X-API-Key: \(key)").status == 403)
    let both = "[\(Frames.json(own, Self.start + 5)),\(Frames.json(other, Self.start + 5))]"
    #expect(try client.request("POST", "/powermon/data", Array(both.utf8), headers: ["X-API-Key: \(key)"]).status == 403)
    #expect(try count(admin, "power") == 6 * 60)
    // What it reads is its own.
    let device = server.client(key)
    #expect(try count(device, "power") == 5 * 60 && count(device, "devices") == 1 && count(device, "users") == 0)
    #expect(try device.get("/api/devices/\(own)/readings").list.count == 5 * 60)
    #expect(try device.get("/api/devices/\(own)/commands").status == 200)
    #expect(try device.get("/api/devices/\(own)").object["owner"] == nil)
    for path in ["/api/devices", "/api/users", "/api/devices/\(other)", "/api/devices/\(other)/readings", "/powermon/", "/metrics"] {
      #expect(try device.get(path).status == 403, "\(path)")
    }
    #expect(try device.post("/api/devices/\(own)/rename", #"{"name":"x"}"#).status == 403)
    #expect(try device.post("/api/devices/\(own)/credentials", "").status == 403)
    // Whatever is wrong with a key, the answer is one.
    let flipped = String(key.dropLast()) + (key.hasSuffix("0") ? "1" : "0")
    let wrong = [flipped, String(key.dropLast()), key + "0", key.uppercased() == key ? "x" : key.uppercased(), "", String(repeating: "0", count: 64)]
    var answers: Set<String> = []
    for bad in wrong {
      let answer = try send(own, 6, "X-API-Key: \(bad)")
      #expect(answer.status == 401)
      answers.insert(answer.body)
    }
    #expect(answers.count == 1, "\(answers)")
    // A rotation with an overlap leaves the old one; without, it ends at once; a revocation ends all.
    let second = try issue(own, #"{"overlap":"10m"}"#)
    #expect(try send(own, 6, "X-API-Key: \(key)").status == 200 && send(own, 7, "X-API-Key: \(second)").status == 200)
    let third = try issue(own)
    for old in [key, second] { #expect(try send(own, 8, "X-API-Key: \(old)").status == 401) }
    #expect(try send(own, 8, "X-API-Key: \(third)").status == 200)
    #expect(try admin.request("DELETE", "/api/devices/\(own)/credentials").status == 200)
    #expect(try send(own, 9, "X-API-Key: \(third)").status == 401)
    #expect(try send(other, 9, "X-API-Key: \(foreign)").status == 200)
    #expect(try admin.request("DELETE", "/api/devices/\(other)").status == 200)
    #expect(try send(other, 10, "X-API-Key: \(foreign)").status == 401)
  }
}
