import Synchronization

/// HTTP/1.1 to one server over a connection that is kept: one request at a time, bodies streamed.
///
/// Used by one thread; another one may only `cancel`. That is why it is `@unchecked Sendable`: all
/// that `cancel` reads is behind the lock of `active`.
final class HTTPConnection: @unchecked Sendable {
  struct Response {
    var status: Int
    /// Names in lower case.
    var headers: [String: String]
  }

  let url: ServerURL
  private let token: String?
  private var socket: TCPSocket?
  /// The socket of the request under way.
  private let active = Mutex<TCPSocket?>(nil)

  /// - Parameter token: sent as a bearer's; else `TSQ_TOKEN`.
  init(_ url: ServerURL, token: String? = System.environment("TSQ_TOKEN")) {
    self.url = url
    self.token = token
  }

  /// Ends what is under way, from any thread.
  func cancel() { active.withLock { $0?.shutDown() } }

  /// Sends one request and gives its answer piece by piece to `receive`, with its head.
  func request(
    _ method: String, _ path: String, contentType: String = "application/json", body: [UInt8] = [],
    receive: (Response, ArraySlice<UInt8>) throws -> Void
  ) throws -> Response {
    let socket = try socket ?? TCPSocket(url)
    active.withLock { $0 = socket }
    defer { active.withLock { $0 = nil } }
    // Whatever goes wrong half way leaves the connection in no known state.
    self.socket = nil
    var head = "\(method) \(url.path)\(path) HTTP/1.1\r\nHost: \(url.host):\(url.port)\r\n"
    head += "User-Agent: tsq/\(tsqVersion)\r\nContent-Length: \(body.count)\r\n"
    if !body.isEmpty { head += "Content-Type: \(contentType)\r\n" }
    if let token { head += "Authorization: Bearer \(token)\r\n" }
    try socket.send(Array((head + "\r\n").utf8) + body)
    self.socket = socket
    var isReusable = false
    defer { if !isReusable { self.socket = nil } }
    let response = try readHead(socket)
    let isDelimited = try readBody(response, socket) { try receive(response, $0) }
    isReusable = isDelimited && response.headers["connection"]?.lowercased() != "close"
    return response
  }

  /// As above with the whole answer in memory.
  func request(_ method: String, _ path: String, body: [UInt8] = []) throws -> (Response, [UInt8]) {
    var bytes: [UInt8] = []
    let response = try request(method, path, body: body) { bytes.append(contentsOf: $1) }
    return (response, bytes)
  }

  private func readHead(_ socket: TCPSocket) throws -> Response {
    while true {
      let words = try socket.readLine().split(separator: " ", maxSplits: 2)
      guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
        throw CommandError(.unavailable, "\(url.text) does not speak HTTP; is it the right port?")
      }
      var headers: [String: String] = [:]
      while case let line = try socket.readLine(), !line.isEmpty {
        guard let colon = line.firstIndex(of: ":") else { continue }
        headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmed
      }
      // 1xx only announces the answer.
      if status >= 200 { return Response(status: status, headers: headers) }
    }
  }

  /// - Returns: whether the end of the body was told, so that the connection can go on.
  private func readBody(
    _ response: Response, _ socket: TCPSocket, _ receive: (ArraySlice<UInt8>) throws -> Void
  ) throws -> Bool {
    if response.headers["transfer-encoding"]?.lowercased() == "chunked" {
      while true {
        let size = try socket.readLine().prefix { $0 != ";" }
        guard let count = Int(size.trimmed, radix: 16), count >= 0 else {
          throw CommandError(.unavailable, "the answer of \(url.text) broke off")
        }
        try copy(count, socket, receive)
        var line = try socket.readLine()
        guard count == 0 else { continue }
        // Trailers, of which none matters here.
        while !line.isEmpty { line = try socket.readLine() }
        return true
      }
    }
    if let length = response.headers["content-length"].flatMap({ Int($0) }) {
      try copy(length, socket, receive)
      return true
    }
    if response.status == 204 || response.status == 304 { return true }
    while case let piece = try socket.readSome(limit: 64 << 10), !piece.isEmpty { try receive(piece) }
    return false
  }

  private func copy(_ count: Int, _ socket: TCPSocket, _ receive: (ArraySlice<UInt8>) throws -> Void) throws {
    var left = count
    while left > 0 {
      let piece = try socket.readSome(limit: left)
      guard !piece.isEmpty else { throw CommandError(.unavailable, "the answer of \(url.text) broke off") }
      left -= piece.count
      try receive(piece)
    }
  }

  /// `text` as a part of a path or query.
  static func escaped(_ text: String) -> String {
    let hex = Array("0123456789ABCDEF".utf8)
    var out: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        out.append(byte)
      default: out += [UInt8(ascii: "%"), hex[Int(byte >> 4)], hex[Int(byte & 15)]]
      }
    }
    return String(decoding: out, as: UTF8.self)
  }
}
