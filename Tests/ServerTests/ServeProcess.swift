import Foundation
import Glibc
import TSEngine

@testable import Server

/// A real `tsq serve` on a free loopback port, over a store of its own.
final class ServeProcess: @unchecked Sendable {
  // Sendable: one test uses it at a time.
  let folder: String
  private(set) var port: UInt16 = 0
  private let arguments: [String]
  private let environment: [String]
  private var process: ChildProcess?

  var store: String { "\(folder)/store" }

  /// - Parameter environment: `NAME=value` pairs.
  init(_ arguments: [String] = ["--dev"], environment: [String] = [], start: Bool = true) throws {
    folder = NSTemporaryDirectory() + "tsq-serve-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    self.arguments = arguments
    self.environment = environment
    if start { try self.start() }
  }

  deinit {
    process?.end(SIGKILL)
    try? FileManager.default.removeItem(atPath: folder)
  }

  /// Of this build unless the environment names another.
  static var binary: String {
    ProcessInfo.processInfo.environment["TSQ_BINARY"]
      ?? URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
      .appendingPathComponent("tsq").path
  }

  /// `env` and `sh` hand over by exec, so the process that is killed is tsq itself.
  private func command(_ extra: [String]) -> (path: String, arguments: [String]) {
    (
      "/usr/bin/env",
      environment + [
        "/bin/sh", "-c", "exec \"$0\" \"$@\" 2>>\(folder)/log", Self.binary, "serve", "--store",
        store, "--listen", "127.0.0.1:0",
      ] + arguments + extra
    )
  }

  /// Returns once it is ready.
  func start(_ extra: [String] = []) throws {
    let (path, arguments) = command(extra)
    process = try ChildProcess(path, arguments, output: "\(folder)/out")
    try waitUntil("tsq serve is ready") { output.contains("\nready\n") }
    let line = output.split(separator: "\n").first { $0.hasPrefix("http listening on ") }
    port = UInt16(line?.split(separator: ":").last ?? "") ?? 0
  }

  var id: pid_t { process?.id ?? 0 }
  var output: String { String(decoding: fileBytes("\(folder)/out"), as: UTF8.self) }
  var log: [String] {
    String(decoding: fileBytes("\(folder)/log"), as: UTF8.self).split(separator: "\n").map(String.init)
  }

  func kill() {
    process?.end(SIGKILL)
    process = nil
  }

  /// SIGTERM, and the exit status.
  func stop() -> Int32 {
    guard let id = process?.id else { return -1 }
    Glibc.kill(id, SIGTERM)
    defer { process = nil }
    return process?.waitForStatus() ?? -1
  }

  func client(_ token: String? = nil) -> HTTPClient { HTTPClient(port, token: token) }

  /// Reads the store beside the server.
  func reading<T>(_ body: (Snapshot) throws -> T) throws -> T {
    var options = StoreOptions()
    options.isReadOnly = true
    return try body(Store.open(store, options).snapshot())
  }
}

extension Snapshot {
  /// Starts, in seconds, of the frames of 20 samples that are there whole, of one probe.
  func wholeSeconds(of sensor: String, probe: Int32) throws -> Set<Int64> {
    var counts: [Int64: Int] = [:]
    let plan = try scan(TableSchema.power.id, ScanFilter(devices: [sensor], probes: [probe]))
    for stretch in plan.stretches {
      let rows = try stretch.rows()
      for row in 0..<rows.count { counts[rows.times.tick(row) / 1_000_000_000, default: 0] += 1 }
    }
    return Set(counts.filter { $0.value == 20 }.keys)
  }
}

/// Frames as meters send them.
enum Frames {
  static func json(
    _ sensor: String, _ timestamp: Int64, power: Int = 800, token: String? = nil, extra: String = ""
  ) -> String {
    let probes = (1...3).map { probe in
      let power = (0..<20).map { "\(power + probe * 100 + $0)" }.joined(separator: ",")
      let pf = (0..<20).map { "\(60 + $0)" }.joined(separator: ",")
      let voltage = probe == 1 ? "2300" : "[" + (0..<20).map { "\(2290 + $0)" }.joined(separator: ",") + "]"
      return #"{"probe_id":\#(probe),"probe_type":"CT","power":[\#(power)],"pf":[\#(pf)],"voltage":\#(voltage)}"#
    }
    let secret = token.map { #""token":"\#($0)","# } ?? ""
    return #"{"version":"221013","sensor_id":"\#(sensor)",\#(secret)"timestamp":\#(timestamp),\#(extra)"#
      + #""data":[\#(probes.joined(separator: ","))]}"#
  }
}
