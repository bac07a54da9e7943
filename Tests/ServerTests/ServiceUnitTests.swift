import Foundation
import Testing

@testable import Server

/// The unit file for systemd (L-17): what it starts is what tsq understands.
struct ServiceUnitTests {
  private static let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Packaging/tsq.service").path

  @Test("L-17: the service starts at boot, comes back after any end but wrong settings, and waits for its broker")
  func theServiceStarts() throws {
    let lines = String(decoding: fileBytes(Self.path), as: UTF8.self).split(separator: "\n").map(String.init)
    for line in ["WantedBy=multi-user.target", "Restart=always", "RestartPreventExitStatus=2", "Type=exec"] {
      #expect(lines.contains(line))
    }
    let start = try #require(lines.first { $0.hasPrefix("ExecStart=/usr/local/bin/tsq serve ") })
    var arguments = start.split(separator: " ").dropFirst(2).map(String.init)
    // Another store and ports of this test's own; the store comes from `ServeProcess`.
    #expect(arguments.prefix(2) == ["--store", "${STATE_DIRECTORY}"])
    arguments.removeFirst(2)
    let listen = try #require(arguments.firstIndex(of: "--listen"))
    arguments.removeSubrange(listen...listen + 1)
    let absent = try Broker()
    let mqtt = try #require(arguments.firstIndex(of: "--mqtt"))
    arguments[mqtt + 1] = "mqtt://127.0.0.1:\(absent.port)"
    let server = try ServeProcess(arguments)
    try waitUntil("a failed try") { server.log.contains { $0.contains("next try in") } }
    #expect(try server.client().get("/ready").status == 200)
    try absent.start()
    try waitUntil("subscribed") { server.output.contains("subscribed") }
    #expect(server.stop() == 0)
  }
}
