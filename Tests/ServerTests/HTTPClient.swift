import Foundation
import Glibc

/// HTTP/1.1 over one blocking socket that is kept; small enough to see what goes over the wire.
final class HTTPClient: @unchecked Sendable {
  // Sendable: one thread uses it at a time.
  struct Answer {
    var status: Int
    var headers: [String: String]
    var body: String

    /// The body as a JSON object; empty when it is none.
    var object: [String: Any] {
      (try? JSONSerialization.jsonObject(with: Data(body.utf8))) as? [String: Any] ?? [:]
    }
    var list: [[String: Any]] {
      (try? JSONSerialization.jsonObject(with: Data(body.utf8))) as? [[String: Any]] ?? []
    }
    func count(_ key: String) -> Int { object[key] as? Int ?? -1 }
  }
  struct Gone: Error {}

  private let port: UInt16
  private let token: String?
  private var socket: Int32 = -1
  private var buffer: [UInt8] = []

  init(_ port: UInt16, token: String? = nil) {
    self.port = port
    self.token = token
  }

  deinit { disconnect() }

  func disconnect() {
    if socket >= 0 { close(socket) }
    socket = -1
    buffer = []
  }

  func get(_ path: String) throws -> Answer { try request("GET", path) }
  func post(_ path: String, _ body: String) throws -> Answer {
    try request("POST", path, Array(body.utf8))
  }

  func request(
    _ method: String, _ path: String, _ body: [UInt8] = [], headers: [String] = []
  ) throws -> Answer {
    do {
      try connectIfNeeded()
      var head = "\(method) \(path) HTTP/1.1\r\nHost: t\r\nContent-Length: \(body.count)\r\n"
      if let token { head += "Authorization: Bearer \(token)\r\n" }
      for header in headers { head += header + "\r\n" }
      try send(Array((head + "\r\n").utf8) + body)
      return try answer()
    } catch {
      disconnect()
      throw error
    }
  }

  /// Sends bytes as they are and reads one answer, on a connection of its own.
  func raw(_ bytes: [UInt8]) throws -> Answer {
    defer { disconnect() }
    try connectIfNeeded()
    try send(bytes)
    shutdown(socket, Int32(SHUT_WR))
    return try answer()
  }

  private func connectIfNeeded() throws {
    guard socket < 0 else { return }
    socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port.bigEndian)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else { throw Gone() }
  }

  private func send(_ bytes: [UInt8]) throws {
    var done = 0
    while done < bytes.count {
      let count = bytes[done...].withUnsafeBytes {
        Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw Gone() }
      done += count
    }
  }

  private func fill() throws {
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    let count = recv(socket, &piece, piece.count, 0)
    guard count > 0 else { throw Gone() }
    buffer += piece[..<count]
  }

  private func line() throws -> String {
    while true {
      if let end = buffer.firstIndex(of: 0x0A) {
        defer { buffer.removeSubrange(...end) }
        return String(decoding: buffer[..<end], as: UTF8.self).trimmingCharacters(in: .whitespaces.union(.newlines))
      }
      try fill()
    }
  }

  private func take(_ count: Int) throws -> [UInt8] {
    while buffer.count < count { try fill() }
    defer { buffer.removeSubrange(..<count) }
    return Array(buffer[..<count])
  }

  private func answer() throws -> Answer {
    let words = try line().split(separator: " ")
    guard words.count >= 2, let status = Int(words[1]) else { throw Gone() }
    var headers: [String: String] = [:]
    while case let line = try line(), !line.isEmpty {
      guard let colon = line.firstIndex(of: ":") else { continue }
      headers[line[..<colon].lowercased()] =
        line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
    }
    var body: [UInt8] = []
    if headers["transfer-encoding"] == "chunked" {
      while case let size = Int(try line(), radix: 16) ?? 0, size > 0 {
        body += try take(size)
        _ = try line()
      }
      _ = try line()
    } else {
      body = try take(Int(headers["content-length"] ?? "") ?? 0)
    }
    if headers["connection"] == "close" { disconnect() }
    return Answer(status: status, headers: headers, body: String(decoding: body, as: UTF8.self))
  }
}
