/// `http://user@host:8086/prefix`: a server of tsq. Only what tsq speaks itself.
struct ServerURL: Equatable, Sendable {
  var scheme: String
  var host: String
  var port: Int
  /// Without a slash at its end.
  var path: String

  static let defaultPorts = ["http": 8086]

  /// - Throws: `CommandError` exit 2 with what is wrong.
  init(_ text: String) throws {
    guard let separator = text.firstRange(of: "://") else {
      throw CommandError.usage("\(text) is no URL; one looks like http://127.0.0.1:8086")
    }
    scheme = text[..<separator.lowerBound].lowercased()
    guard let port = Self.defaultPorts[scheme] else {
      throw CommandError.notYet("\(scheme)://", instead: "use http:// (behind a tunnel, when it leaves this machine)")
    }
    let rest = text[separator.upperBound...]
    let slash = rest.firstIndex(of: "/") ?? rest.endIndex
    var authority = rest[..<slash]
    path = String(rest[slash...])
    while path.hasSuffix("/") { path.removeLast() }
    self.port = port
    // An IPv6 address stands in brackets: its colons are no port.
    let afterHost = authority.lastIndex(of: "]") ?? authority.startIndex
    if let colon = authority[afterHost...].lastIndex(of: ":") {
      guard let number = Int(authority[authority.index(after: colon)...]), (1...65_535).contains(number) else {
        throw CommandError.usage("\(text) has no valid port; one looks like http://127.0.0.1:8086")
      }
      self.port = number
      authority = authority[..<colon]
    }
    host = authority.hasPrefix("[") ? String(authority.dropFirst().dropLast()) : String(authority)
    guard !host.isEmpty, !host.contains("@") else {
      throw CommandError.usage("\(text) names no host; one looks like http://127.0.0.1:8086")
    }
  }

  var text: String { "\(scheme)://\(host.contains(":") ? "[\(host)]" : host):\(port)\(path)" }
}
