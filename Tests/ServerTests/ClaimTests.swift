import Foundation
import Synchronization
import Testing

@testable import Server

/// Claims over HTTP, as people make them.
@Suite(.serialized) struct ClaimTests {
  @Test("L-24, L-29, T-09: of many who claim one code at once one wins, the others are told, one association is logged")
  func oneOfManyWins() throws {
    let server = try ServeProcess()
    let client = server.client()
    let names = (0..<8).map { "user\($0)" }
    for name in names { _ = try client.post("/api/users", #"{"name":"\#(name)"}"#) }
    // A fifth loss would lock its user.
    for round in 0..<4 {
      let id = "b827eb0000\(10 + round)"
      _ = try client.post("/api/devices", #"{"id":"\#(id)","type":"lampi"}"#)
      let code = try client.get("/api/devices/\(id)").object["code"] as? String ?? ""
      let answers = Mutex<[(name: String, status: Int, code: String?)]>([])
      DispatchQueue.concurrentPerform(iterations: names.count) { index in
        let body = #"{"code":"\#(code)","user":"\#(names[index])"}"#
        guard let answer = try? server.client().post("/api/claim", body) else { return }
        answers.withLock { $0.append((names[index], answer.status, answer.object["code"] as? String)) }
      }
      let all = answers.withLock { $0 }
      let winners = all.filter { $0.status == 200 }
      #expect(winners.count == 1 && all.count == names.count)
      #expect(all.filter { $0.status == 409 && $0.code == "alreadyAssociated" }.count == names.count - 1)
      #expect(try client.get("/api/devices/\(id)").object["owner"] as? String == winners.first?.name)
      let history = try client.get("/api/devices/\(id)/history").list.compactMap { $0["kind"] as? String }
      #expect(history.filter { $0 == "device.associated" }.count == 1)
    }
  }

  @Test("L-22, L-26, T-09: wrong codes lock their user alone, for a while; an expired code says so")
  func wrongCodesLock() throws {
    let server = try ServeProcess(["--dev", "--code-lifetime", "0.001"])
    let client = server.client()
    for name in ["ann", "bob"] { _ = try client.post("/api/users", #"{"name":"\#(name)"}"#) }
    _ = try client.post("/api/devices", #"{"id":"b827eb08451e","type":"lampi"}"#)
    let code = try client.get("/api/devices/b827eb08451e").object["code"] as? String ?? ""
    func claim(_ code: String, _ user: String) throws -> HTTPClient.Answer {
      try client.post("/api/claim", #"{"code":"\#(code)","user":"\#(user)"}"#)
    }
    let wrong = String(repeating: "0", count: 32)
    let first = try claim(wrong, "ann")
    #expect(first.status == 400 && first.object["message"] as? String == "Invalid Association Code")
    for _ in 0..<4 { #expect(try claim(wrong, "ann").object["code"] as? String == "invalidCode") }
    let locked = try claim(code, "ann")
    #expect(locked.status == 429 && locked.object["code"] as? String == "locked", "\(locked.body)")
    #expect(try claim(code, "bob").object["code"] as? String == "expiredCode")
    #expect(try client.get("/api/devices/b827eb08451e").object["associated"] as? Bool == false)
    #expect(server.stop() == 0)
    try server.start()
    #expect(try claimAfterRestart(server, code).status == 429, "the count is the log's")
  }

  private func claimAfterRestart(_ server: ServeProcess, _ code: String) throws -> HTTPClient.Answer {
    try server.client().post("/api/claim", #"{"code":"\#(code)","user":"ann"}"#)
  }
}
