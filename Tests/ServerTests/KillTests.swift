import Foundation
import Glibc
import Synchronization
import Testing

/// RELIABILITY R9: what was acknowledged is there, whenever the server is killed.
@Suite(.serialized) struct KillTests {
  /// Acknowledged seconds of each sensor.
  final class Acknowledged: Sendable {
    private let seconds = Mutex<[String: Set<Int64>]>([:])
    private let ended = Mutex(false)
    func add(_ sensor: String, _ second: Int64) {
      seconds.withLock { _ = $0[sensor, default: []].insert(second) }
    }
    var all: [String: Set<Int64>] { seconds.withLock { $0 } }
    var count: Int { all.values.reduce(0) { $0 + $1.count } }
    var isEnded: Bool { ended.withLock { $0 } }
    func end() { ended.withLock { $0 = true } }
  }

  @Test("R9: 50 kills during HTTP ingest lose no acknowledged frame, and no hand is needed to start")
  func fiftyKillsOverHTTPLoseNothing() throws {
    let server = try ServeProcess()
    let acknowledged = Acknowledged()
    let ports = Ports(server.port)
    let done = DispatchSemaphore(value: 0)
    let senders = 4
    for index in 0..<senders {
      Thread.detachNewThread {
        let sensor = "gresystem00000\(index)"
        var second: Int64 = 1_600_000_000
        var client = HTTPClient(ports.port)
        while !acknowledged.isEnded {
          do {
            let answer = try client.post("/powermon/data", Frames.json(sensor, second, power: Int(second % 1000)))
            if answer.status == 200 {
              acknowledged.add(sensor, second)
              second += 1
            }
          } catch {
            // Gone: the same frame again, to whoever listens then.
            usleep(2_000)
            client = HTTPClient(ports.port)
          }
        }
        done.signal()
      }
    }
    var random = SeededRandom(UInt64(ProcessInfo.processInfo.processIdentifier))
    for _ in 0..<50 {
      let before = acknowledged.count
      try waitUntil("frames are acknowledged") { acknowledged.count > before }
      usleep(UInt32(random.next() % 60_000))
      server.kill()
      try server.start()
      ports.set(server.port)
    }
    acknowledged.end()
    for _ in 0..<senders { done.wait() }
    #expect(server.stop() == 0)
    try server.reading { snapshot in
      for (sensor, seconds) in acknowledged.all {
        for probe in 1...3 as ClosedRange<Int32> {
          let stored = try snapshot.wholeSeconds(of: sensor, probe: probe)
          #expect(seconds.subtracting(stored).isEmpty, "\(sensor) probe \(probe)")
        }
      }
    }
    print("http kill test: \(acknowledged.count) frames acknowledged, 50 kills, 0 missing")
  }

  final class Ports: Sendable {
    private let value: Mutex<UInt16>
    init(_ port: UInt16) { value = Mutex(port) }
    var port: UInt16 { value.withLock { $0 } }
    func set(_ port: UInt16) { value.withLock { $0 = port } }
  }
}
