import Foundation
import HTTPTypes
import Hummingbird
import TSEngine
import Testing

@testable import Server

/// What a stranger's frames may cost.
struct AdmissionTests {
  @Test("10,000 refused frames with versions of their own leave no text behind")
  func refusedFramesInternNothing() async throws {
    let folder = NSTemporaryDirectory() + "tsq-admission-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let store = try Store.open(folder)
    defer { try? store.close() }
    let token = String(repeating: "a", count: 40)
    let authority = try Authority.make(store, given: token).authority
    let door = HTTPDoor(store, authority, FrameDoor(store), ServerMetrics(), registryChanged: {})
    func post(_ version: String, token: String?, _ probe: String) async -> Int {
      let secret = token.map { #","token":"\#($0)""# } ?? ""
      let body = #"{"version":"\#(version)","sensor_id":"gre000001","timestamp":1666000000\#(secret),"data":[\#(probe)]}"#
      let head = HTTPRequest(method: .post, scheme: "http", authority: "t", path: "/powermon/data")
      let request = Request(head: head, body: RequestBody(buffer: ByteBuffer(string: body)))
      return await door.postFrames(request, to: .send).status.code
    }
    let probe = #"{"probe_type":"CT","power":[1],"pf":[1],"voltage":1}"#
    let broken = #"{"probe_type":"CT","power":[1],"pf":[1],"voltage":"x"}"#
    #expect(await post("known", token: token, probe) == 200)
    let before = store.symbols.texts()
    for number in 0..<10_000 {
      switch number % 3 {
      case 0: #expect(await post("v\(number)", token: nil, probe) == 401)
      case 1: #expect(await post("v\(number)", token: "wrong", probe) == 401)
      // Admitted, but what it holds is not: nothing of it is kept either.
      default: #expect(await post("v\(number)", token: token, broken) == 400)
      }
    }
    #expect(store.symbols.texts() == before)
    #expect(await post("new", token: token, probe) == 200)
    #expect(store.symbols.texts() == before + ["new"])
  }
}
