import Foundation
import Glibc

/// A WebSocket over one blocking socket (RFC 6455): masked text frames out, whole messages in.
final class WebSocketClient: @unchecked Sendable {
  // Sendable: one thread uses it at a time.
  struct Refused: Error { var status: Int }
  struct Gone: Error {}

  private var socket: Int32
  private var buffer: [UInt8] = []
  private(set) var headers: [String] = []

  /// - Throws: `Refused` with the status of an answer that is no upgrade.
  init(_ port: UInt16, _ path: String, headers extra: [String] = []) throws {
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
    // Nothing that comes is a failure, not a test that hangs.
    var patience = timeval(tv_sec: 60, tv_usec: 0)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    let lines = [
      "GET \(path) HTTP/1.1", "Host: 127.0.0.1:\(port)", "Upgrade: websocket", "Connection: Upgrade",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
    ]
    try write(Array(((lines + extra).joined(separator: "\r\n") + "\r\n\r\n").utf8))
    while true {
      if let end = buffer.firstRange(of: [13, 10, 13, 10]) {
        headers = String(decoding: buffer[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        buffer.removeSubrange(..<end.upperBound)
        break
      }
      try fill()
    }
    let status = Int(headers.first?.split(separator: " ").dropFirst().first ?? "") ?? 0
    guard status == 101 else {
      close()
      throw Refused(status: status)
    }
  }

  deinit { close() }

  /// The connection is reset, without a goodbye.
  func close() {
    if socket >= 0 { Glibc.close(socket) }
    socket = -1
  }

  func send(_ text: String, opcode: UInt8 = 1, isLast: Bool = true) throws {
    let bytes = Array(text.utf8)
    var frame: [UInt8] = [(isLast ? 0x80 : 0) | opcode]
    switch bytes.count {
    case ..<126: frame.append(0x80 | UInt8(bytes.count))
    case ..<65_536: frame += [0x80 | 126, UInt8(bytes.count >> 8), UInt8(bytes.count & 255)]
    default: frame += [0x80 | 127] + (0..<8).map { UInt8(truncatingIfNeeded: bytes.count >> (56 - 8 * $0)) }
    }
    let mask: [UInt8] = [1, 2, 3, 4]
    try write(frame + mask + bytes.enumerated().map { $1 ^ mask[$0 % 4] })
  }

  /// The next frame.
  /// - Throws: `Gone` when the connection has ended.
  func receive() throws -> (opcode: UInt8, text: String) {
    let head = try take(2)
    var count = Int(head[1] & 127)
    if count == 126 { count = try take(2).reduce(0) { $0 << 8 | Int($1) } }
    if count == 127 { count = try take(8).reduce(0) { $0 << 8 | Int($1) } }
    return (head[0] & 15, String(decoding: try take(count), as: UTF8.self))
  }

  /// Sends a call and gives the answer, a list.
  func call(_ text: String) throws -> [Any] {
    try send(text)
    return try answer()
  }

  func answer() throws -> [Any] {
    let text = try receive().text
    return (try JSONSerialization.jsonObject(with: Data(text.utf8))) as? [Any] ?? []
  }

  private func write(_ bytes: [UInt8]) throws {
    var done = 0
    while done < bytes.count {
      let count = bytes[done...].withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
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

  private func take(_ count: Int) throws -> [UInt8] {
    while buffer.count < count { try fill() }
    defer { buffer.removeSubrange(..<count) }
    return Array(buffer[..<count])
  }
}
