import Foundation
import Ingest

/// How `tsq serve` is started.
package struct ServerOptions: Sendable {
  package struct Address: Sendable, Equatable {
    package var host: String
    package var port: Int

    /// `host:port` or `[::1]:port`; nil when it is neither.
    package init?(_ text: String) {
      guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
        (0...65_535).contains(port)
      else { return nil }
      var host = text[..<colon]
      if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
      guard !host.isEmpty, !host.contains("["), !host.contains("]"), !host.contains("/") else {
        return nil
      }
      self.host = String(host)
      self.port = port
    }

    /// Only processes of this machine reach it. A name is none of these: it may come to mean
    /// another address tomorrow.
    package var isLoopback: Bool {
      if host == "localhost" || host == "::1" { return true }
      let parts = host.split(separator: ".", omittingEmptySubsequences: false)
      return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    package var text: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
  }

  package struct Broker: Sendable, Equatable {
    /// Shown in logs, and part of the client id: two brokers of one server need two names.
    package var name: String
    package var host: String
    package var port: Int32
    package var username: String?
    package var password: String?

    /// Nil: unencrypted.
    package var tls: MQTTTLS?

    /// `[name=]mqtt://[user:password@]host[:port]`, or `mqtts://…` with `?ca=FILE&cert=FILE&key=FILE` perhaps; nil
    /// when it is neither.
    package init?(_ text: String) {
      var rest = text[...]
      name = "mqtt"
      let isEncrypted = rest.contains("mqtts://")
      guard let scheme = rest.firstRange(of: isEncrypted ? "mqtts://" : "mqtt://") else { return nil }
      if scheme.lowerBound != rest.startIndex {
        let label = rest[..<scheme.lowerBound]
        guard label.hasSuffix("="), label.count > 1,
          label.dropLast().utf8.allSatisfy({ Self.isNameByte($0) })
        else { return nil }
        name = String(label.dropLast())
      }
      rest = rest[scheme.upperBound...]
      if isEncrypted {
        tls = MQTTTLS()
        if let mark = rest.lastIndex(of: "?") {
          guard let files = Self.files(rest[rest.index(after: mark)...]) else { return nil }
          tls = files
          rest = rest[..<mark]
        }
      }
      if let at = rest.lastIndex(of: "@") {
        let login = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let user = login.first, !user.isEmpty else { return nil }
        username = String(user)
        password = login.count > 1 ? String(login[1]) : nil
        rest = rest[rest.index(after: at)...]
      }
      if rest.hasSuffix("/") { rest = rest.dropLast() }
      let standard = isEncrypted ? 8883 : 1883
      let withPort = rest.hasSuffix("]") || !rest.contains(":") ? "\(rest):\(standard)" : String(rest)
      guard let address = Address(withPort), address.port > 0, !address.host.contains("?") else { return nil }
      host = address.host
      port = Int32(address.port)
    }

    /// Of `ca=FILE&cert=FILE&key=FILE`, percent-decoded.
    private static func files(_ query: Substring) -> MQTTTLS? {
      var tls = MQTTTLS()
      for pair in query.split(separator: "&") {
        let parts = pair.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, let file = parts[1].removingPercentEncoding else { return nil }
        switch parts[0] {
        case "ca": tls.caFile = file
        case "cert": tls.certFile = file
        case "key": tls.keyFile = file
        default: return nil
        }
      }
      return tls
    }

    /// Without login and files.
    package var url: String { "\(tls == nil ? "mqtt" : "mqtts")://" + Address(host: host, port: Int(port)).text }

    /// How to connect as `clientID`.
    package func options(clientID: String) -> MQTTOptions {
      var options = MQTTOptions(host: host, port: port, clientID: clientID)
      (options.username, options.password, options.tls) = (username, password, tls)
      return options
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"): true
      default: false
      }
    }
  }

  package var listen: Address
  package var brokers: [Broker] = []
  /// A broker's password and ACL files to be kept.
  package var brokerFiles: BrokerFiles.Options?
  /// Brokers on this machine may ask who comes in and who does what.
  package var answersBrokers = false
  /// No authentication, loopback addresses only.
  package var isDev = false
  /// TSQ_ADMIN_TOKEN.
  package var adminToken: String?
  package var discovery = DiscoveryPolicy()
  /// Where devices of declared types talk.
  package var thingsPrefix = ThingTopic.defaultPrefix
  /// Of servers that share these devices' messages.
  package var mqttGroup: String?
  /// Where meters are told to send to, as `https://tsq.example`; nil: where they asked.
  package var publicURL: String?
  /// How long an answer waits for a client that does not read before the connection is cut.
  package var readerPatienceNanos = Self.defaultReaderPatienceNanos
  package static let defaultReaderPatienceNanos: Int64 = 30_000_000_000

  package init(listen: Address) { self.listen = listen }
}

/// Who may come into being by being seen on a broker (L-15, L-16).
package struct DiscoveryPolicy: Sendable {
  package var prefix = "$SYS/broker/connection"
  /// New devices a minute, and at once, at most.
  package var newDevicesPerMinute = 600
  /// New devices must start with one of these; empty allows all.
  package var allowedPrefixes: [String] = []

  package init() {}

  package func allows(_ device: String) -> Bool {
    allowedPrefixes.isEmpty || allowedPrefixes.contains { device.hasPrefix($0) }
  }
}
