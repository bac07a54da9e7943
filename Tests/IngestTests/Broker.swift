import Foundation
import Glibc
import Synchronization

/// A real mosquitto on a free loopback port, with the settings tsq asks for, in a folder of its own.
final class Broker: @unchecked Sendable {
  // Sendable: one test uses it at a time.
  let port: Int32
  let folder: String
  private var process: ChildProcess?

  /// - Parameters:
  ///   - extra: further lines of its configuration.
  ///   - queued: messages that wait for a client, 0 for no limit; mosquitto before 2.0.22 then ends a connection at each
  ///     publication that it refuses.
  init(_ extra: String = "", anonymous: Bool = true, queued: Int = 0) throws {
    port = Self.freePort()
    folder = NSTemporaryDirectory() + "tsq-broker-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let configuration = """
      listener \(port) 127.0.0.1
      allow_anonymous \(anonymous)
      user root
      persistence true
      persistence_location \(folder)/
      max_queued_messages \(queued)
      max_inflight_messages 1000
      log_type error
      \(extra)
      """
    try configuration.write(toFile: "\(folder)/mosquitto.conf", atomically: true, encoding: .utf8)
  }

  deinit {
    stop()
    try? FileManager.default.removeItem(atPath: folder)
  }

  func start() throws {
    let candidates = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"]
    let path = candidates.first { access($0, X_OK) == 0 } ?? candidates[0]
    process = try ChildProcess(path, ["-c", "\(folder)/mosquitto.conf"])
    try waitUntil("the broker listens") { Self.connects(to: self.port) }
  }

  func stop() {
    process?.end(SIGTERM)
    process = nil
  }

  private static func address(_ port: Int32) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port).bigEndian)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
  }

  private static func withAddress(
    _ address: inout sockaddr_in, _ body: (UnsafeMutablePointer<sockaddr>) -> Int32
  ) -> Int32 {
    withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1, body)
    }
  }

  private static let given = Mutex<Set<Int32>>([])

  /// Below the ports that the kernel gives to clients: one of these may have it before the broker does, or reach itself.
  static func freePort() -> Int32 {
    while true {
      let port = Int32.random(in: 12_000..<32_000)
      guard given.withLock({ $0.insert(port).inserted }) else { continue }
      let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      defer { close(socket) }
      var address = address(port)
      let length = socklen_t(MemoryLayout<sockaddr_in>.size)
      if withAddress(&address, { bind(socket, $0, length) }) == 0 { return port }
    }
  }

  private static func connects(to port: Int32) -> Bool {
    let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var address = address(port)
    let length = socklen_t(MemoryLayout<sockaddr_in>.size)
    return withAddress(&address) { connect(socket, $0, length) } == 0
  }
}

struct Timeout: Error, CustomStringConvertible { var description: String }

/// Waits, generously, for something that will happen; only its absence is a failure.
func waitUntil(_ what: String, seconds: Double = 240, _ condition: () -> Bool) throws {
  let end = ContinuousClock.now + .seconds(seconds)
  while !condition() {
    guard ContinuousClock.now < end else {
      throw Timeout(description: "not within \(seconds) s: \(what)")
    }
    usleep(2_000)
  }
}
