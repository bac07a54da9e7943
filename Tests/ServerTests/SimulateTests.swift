import Foundation
import Testing

@testable import Server

/// `tsq simulate` against a real server.
@Suite(.serialized) struct SimulateTests {
  /// The figures that a run prints, by name.
  private func simulate(_ server: ServeProcess, _ arguments: [String]) throws -> [String: Double] {
    let path = "\(server.folder)/figures"
    let process = try ChildProcess(
      ServeProcess.binary, ["simulate", "--to", "http://127.0.0.1:\(server.port)"] + arguments, output: path)
    #expect(process.waitForStatus() == 0)
    let words = String(decoding: fileBytes(path), as: UTF8.self).split(whereSeparator: \.isWhitespace)
    return Dictionary(
      words.compactMap { word -> (String, Double)? in
        let parts = word.split(separator: "=")
        return parts.count == 2 ? Double(parts[1]).map { (String(parts[0]), $0) } : nil
      }, uniquingKeysWith: { first, _ in first })
  }

  @Test("P-38: a batch of test clients at one message a second, each by itself, and what became of their frames")
  func clientsSendAMessageASecond() throws {
    let server = try ServeProcess()
    let clients = ["--sensors", "5", "--seconds", "3", "--speed", "1", "--batch", "1"]
    let figures = try simulate(server, clients)
    #expect(figures["frames"] == 15 && figures["values"] == 15 * 180)
    #expect(figures["new"] == 900)
    for name in ["same", "conflict", "quarantined", "expired", "refused"] { #expect(figures[name] == 0, "\(name)") }
    for name in ["frames_per_s", "values_per_s", "p50_ms", "p90_ms", "p99_ms", "max_ms"] {
      #expect(figures[name] != nil, "\(name)")
    }
    // Each meter's frame was a message of its own, in consecutive seconds of now.
    let frames = try server.client().get("/powermon/?limit=1000").list
    #expect(frames.count == 15 && Set(frames.compactMap { $0["sensor_id"] as? String }).count == 5)
    let seconds = Set(frames.compactMap { $0["timestamp"] as? Int }).sorted()
    #expect(seconds.count == 3 && seconds[2] - seconds[0] == 2)
  }

  @Test("P-38: figures tell new, same, conflict, quarantined and refused")
  func figuresTellWhatBecameOfTheFrames() throws {
    let server = try ServeProcess()
    let fleet = ["--sensors", "3", "--seconds", "2", "--speed", "0"]
    func at(_ start: String, _ more: [String] = []) throws -> [String: Double] {
      try simulate(server, fleet + ["--start", start] + more)
    }
    #expect(try at("2026-01-01T00:00:00Z")["new"] == 360)
    #expect(try at("2026-01-01T00:00:00Z")["same"] == 360)
    let other = try at("2026-01-01T00:00:00Z", ["--seed", "2"])
    #expect((other["conflict"] ?? 0) > 0 && (other["conflict"] ?? 0) + (other["same"] ?? 0) == 360)
    #expect(try at("2100-01-01T00:00:00Z")["quarantined"] == 360)
    // Past the end of nanoseconds in 64 bits.
    let refused = try at("2262-04-11T23:47:16Z")
    #expect(refused["refused"] == 6 && refused["new"] == 0 && refused["frames"] == 6)
  }
}
