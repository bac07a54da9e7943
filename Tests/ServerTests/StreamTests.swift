import Foundation
import Glibc
import Testing

@testable import Server

/// Answers that are larger than anybody reads.
@Suite(.serialized) struct StreamTests {
  /// Millions of rows from a few hundred.
  private static let endless =
    "/api/query?format=csv&q=select+a.ts,b.ts,c.power+from+power+a,power+b,power+c"

  /// A client that begins to read an answer, and may stop.
  private final class Reader {
    private var socket: Int32

    init(_ port: UInt16) throws {
      socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      // Little room, so that what is not read soon waits at the server.
      var size: Int32 = 4096
      setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = in_port_t(port.bigEndian)
      address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
      let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      guard result == 0 else { throw HTTPClient.Gone() }
    }

    deinit { if socket >= 0 { close(socket) } }

    func ask(_ path: String) {
      let head = Array("GET \(path) HTTP/1.1\r\nHost: t\r\n\r\n".utf8)
      _ = head.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    /// Reads `count` bytes; fewer when the answer ends before.
    func read(_ count: Int) -> [UInt8] {
      var bytes: [UInt8] = []
      var piece = [UInt8](repeating: 0, count: 4096)
      while bytes.count < count {
        let got = recv(socket, &piece, min(piece.count, count - bytes.count), 0)
        if got <= 0 { break }
        bytes += piece[..<got]
      }
      return bytes
    }

    /// Goes away with a reset: what the server sends from here on is an error.
    func reset() {
      var linger = linger(l_onoff: 1, l_linger: 0)
      setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
      close(socket)
      socket = -1
    }
  }

  private func server(_ more: [String] = []) throws -> ServeProcess {
    let server = try ServeProcess(["--dev"] + more)
    let frames = (0..<10 as Range<Int64>).map { Frames.json("gresystem000001", 1_666_000_000 + $0) }
    #expect(try server.client().post("/powermon/data", "[\(frames.joined(separator: ","))]").count("new") == 600)
    return server
  }

  private func metric(_ name: String, _ client: HTTPClient) throws -> Int {
    let line = try client.get("/metrics").body.split(separator: "\n").first { $0.hasPrefix(name + " ") }
    return Int(line?.split(separator: " ").last ?? "") ?? -1
  }

  /// More than there are slots, so that one that was not given back would show.
  private static let rounds = 20

  @Test("a connection that is reset in the middle of an answer ends its query; the next one has its slot and memory")
  func aResetConnectionEndsItsQuery() throws {
    let server = try server()
    let client = server.client()
    for round in 0..<Self.rounds {
      let reader = try Reader(server.port)
      reader.ask(Self.endless)
      let begin = String(decoding: reader.read(200_000), as: UTF8.self)
      #expect(begin.hasPrefix("HTTP/1.1 200 OK\r\n") && begin.contains("ts,ts,power\n"), "round \(round)")
      reader.reset()
    }
    try waitUntil("all have ended") { (try? metric("tsq_queries_running", client)) ?? -1 == 0 }
    let sorted = "/api/query?q=select+count(*)+as+n+from+(select+a.ts+from+power+a,power+b+where+a.probe=1+and+b.probe=1+order+by+a.power,b.power)+as+s"
    #expect(try client.get(sorted).list.first?["n"] as? Int == 40_000)
    #expect(server.stop() == 0, "the server lives, and stops in order")
  }

  @Test("a client that never reads is cut, and holds neither a slot nor a thread")
  func aClientThatNeverReadsIsCut() throws {
    let server = try server(["--reader-patience", "0.5"])
    let client = server.client()
    let readers = try (0..<3).map { _ in try Reader(server.port) }
    for reader in readers { reader.ask(Self.endless) }
    try waitUntil("all were cut") { (try? metric("tsq_slow_readers_total", client)) == readers.count }
    try waitUntil("all have ended") { (try? metric("tsq_queries_running", client)) ?? -1 == 0 }
    #expect(try client.get("/api/query?q=select+count(*)+as+n+from+power").list.first?["n"] as? Int == 600)
    // The answer breaks off without its last chunk: nobody takes it for whole.
    let rest = readers[0].read(64 << 20)
    #expect(!rest.isEmpty && !rest.suffix(5).elementsEqual("0\r\n\r\n".utf8))
    #expect(server.stop() == 0)
  }
}
