import Foundation
import Synchronization
import TSEngine
import Testing

@testable import Server

/// Parts of the server that need no socket.
struct ServerUnitTests {
  @Test("L-16: the bucket holds a minute's worth and fills steadily")
  func theBucketFillsSteadily() {
    var limit = NewDeviceLimit(perMinute: 60)
    let taken = (0..<100).filter { _ in limit.take(at: 0) }.count
    #expect(taken == 60)
    let early = limit.take(at: 900_000_000)
    #expect(!early)
    let (second, third) = (limit.take(at: 1_100_000_000), limit.take(at: 1_100_000_000))
    #expect(second && !third)
    let hourLater = (0..<100).filter { _ in limit.take(at: 3_600_000_000_000) }.count
    #expect(hourLater == 60)
    var none = NewDeviceLimit(perMinute: 0)
    let never = none.take(at: 0) || none.take(at: .max / 2)
    #expect(!never)
  }

  @Test func addressesAreReadAndLoopbackIsTold() {
    for text in ["127.0.0.1:8086", "127.9.9.9:1", "[::1]:8086", "localhost:0"] {
      #expect(ServerOptions.Address(text)?.isLoopback == true, "\(text)")
    }
    for text in ["0.0.0.0:8086", "[::]:8086", "10.0.0.1:1", "127.0.0.1.example.org:1", "127.0.0:1"] {
      #expect(ServerOptions.Address(text)?.isLoopback == false, "\(text)")
    }
    for text in ["", ":1", "host", "host:", "host:70000", "host:-1", "a/b:1"] {
      #expect(ServerOptions.Address(text) == nil, "\(text)")
    }
    #expect(ServerOptions.Address("[::1]:8086")?.text == "[::1]:8086")
  }

  @Test func brokersAreRead() {
    let plain = ServerOptions.Broker("mqtt://127.0.0.1")
    #expect(plain?.name == "mqtt" && plain?.port == 1883 && plain?.username == nil)
    let full = ServerOptions.Broker("plant-1=mqtt://ann:p:w@broker.example:1884/")
    #expect(full?.name == "plant-1" && full?.host == "broker.example" && full?.port == 1884)
    #expect(full?.username == "ann" && full?.password == "p:w")
    #expect(ServerOptions.Broker("mqtt://[::1]")?.host == "::1")
    for text in ["", "mqtt://", "http://x", "=mqtt://x", "a b=mqtt://x", "mqtt://x:0", "mqtt://@x"] {
      #expect(ServerOptions.Broker(text) == nil, "\(text)")
    }
  }

  @Test("RFC 4231: HMAC-SHA-256")
  func hmacMatchesTheStandard() {
    let short = HMAC.code(Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8))
    #expect(Hex.text(short) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    let long = HMAC.code(
      Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
      key: [UInt8](repeating: 0xAA, count: 131))
    #expect(Hex.text(long) == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    #expect(HMAC.isEqual(short, short) && !HMAC.isEqual(short, long) && !HMAC.isEqual(short, []))
  }

  @Test("S4: a changed TSQ_ADMIN_TOKEN replaces the old one; what is revoked is refused")
  func aNewGivenTokenReplacesTheOld() throws {
    let folder = NSTemporaryDirectory() + "tsq-authority-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let store = try Store.open(folder)
    defer { try? store.close() }
    let (old, new) = (String(repeating: "a", count: 40), String(repeating: "b", count: 40))
    _ = try Authority.make(store, given: old)
    let authority = try Authority.make(store, given: new).authority
    #expect(authority.verdict(new) == .admitted(Actor(.token, "admin-2")))
    #expect(authority.verdict(old) == .unknown)
    #expect(authority.verdict(nil) == .unknown)
    let key = try TokenKey.open(store)
    let reader = "tsq_r1_" + String(repeating: "0", count: 64)
    let grant = TokenGrant(
      publicID: "r1", hmac: HMAC.code(Array(reader.utf8), key: key), role: .reader, expiresAt: .max)
    _ = try store.decide(actor: .system) { $0.issueToken(grant, $1) }
    #expect(authority.verdict(reader) == .service(.reader, Actor(.token, "r1")))
    _ = try store.decide(actor: .system) { $0.revokeToken("r1", $1) }
    #expect(authority.verdict(reader) == .unknown)
  }

  @Test("a token given by TSQ_ADMIN_TOKEN stays good when the variable is gone")
  func aGivenTokenOutlivesTheVariable() throws {
    let folder = NSTemporaryDirectory() + "tsq-authority-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let store = try Store.open(folder)
    defer { try? store.close() }
    let given = String(repeating: "a", count: 40)
    _ = try Authority.make(store, given: given)
    let later = try Authority.make(store, given: nil)
    #expect(later.newToken == nil)
    #expect(later.authority.verdict(given) != .unknown)
  }

  /// A client may reset the connection before the head of its answer is written; the body is
  /// dropped unread then. A semaphore below its first value would end the process.
  @Test func aPipeThatNobodyReadsMayGo() {
    let pipe = ChunkPipe(patienceNanos: .max / 4) { Issue.record("it was closed, not left unread") }
    #expect(pipe.send([1]))
    pipe.close()
    #expect(!pipe.send([2]))
  }

  @Test func aPipeGivesUpOnceOnAReaderThatTakesNothing() {
    let stalls = Mutex(0)
    let pipe = ChunkPipe(patienceNanos: 1_000_000) { stalls.withLock { $0 += 1 } }
    var sent = 0
    while sent < 100, pipe.send([1]) { sent += 1 }
    #expect(sent == 4)
    #expect(!pipe.send([2]) && stalls.withLock { $0 } == 1)
  }

  @Test func topicsOfFramesAreRead() {
    #expect(FrameMessages.sensor(ofDataTopic: "powermon/gresystem000001/data") == "gresystem000001")
    for topic in ["powermon/data", "powermon/a/b/data", "powermon/a/ack", "x/a/data", ""] {
      #expect(FrameMessages.sensor(ofDataTopic: topic) == nil, "\(topic)")
    }
  }
}
