import Glibc
import Ingest
import Synchronization
import TSEngine

/// The connection of one simulated device to its broker, on a thread of its own.
final class SimulatedClient: Sendable {
  /// What the connection tells of itself.
  private final class Status: Sendable {
    private struct State: Sendable {
      var isSubscribed = false
      var trouble: String?
    }
    private let state = Mutex(State())

    var isSubscribed: Bool { state.withLock { $0.isSubscribed } }
    var trouble: String? { state.withLock { $0.trouble } }

    func note(_ event: MQTTEvent) {
      switch event {
      case .subscribed: state.withLock { $0.isSubscribed = true }
      case .connectionFailed(let reason, _): state.withLock { $0.trouble = reason }
      default: break
      }
    }
  }

  private static let patienceNanos: Int64 = 30_000_000_000

  private let status: Status
  private let loop: MQTTLoop
  private let ended = Latch<Void>()

  /// - Parameter answer: to what comes in; called on the connection's thread.
  init(_ options: MQTTOptions, answer: @escaping @Sendable (MQTTMessage) -> MQTTPublication?) {
    let status = Status()
    self.status = status
    loop = MQTTLoop(options, observer: { status.note($0) }) { .committed($0.compactMap(answer)) }
  }

  /// As `MQTTLoop.publish`; what the queue has no room for is lost, as a device loses it.
  func publish(_ publication: MQTTPublication, confirmed: (@Sendable (Bool) -> Void)? = nil) {
    _ = loop.publish(publication, confirmed: confirmed)
  }

  func start() {
    Worker.start { [loop, ended] in
      loop.run()
      ended.fulfil(())
    }
  }

  /// Says goodbye, as one that is stopped in order.
  func stop() {
    loop.stop()
    ended.wait()
  }

  /// Runs `play` with all of them connected, until it ends or Ctrl-C stops it.
  /// - Parameters:
  ///   - kind: what they are, for the error.
  ///   - place: the broker's, for the error.
  /// - Returns: whether Ctrl-C stopped it.
  /// - Throws: `.unavailable` when the broker does not take them within half a minute.
  static func run(
    _ clients: [SimulatedClient], _ kind: String, at place: String, _ play: (StopFlag) throws -> Void
  ) throws -> Bool {
    Interrupts.shared.install()
    let isStopped = StopFlag()
    return try Interrupts.shared.during(stop: { isStopped.raise() }) {
      for client in clients { client.start() }
      defer { for client in clients { client.stop() } }
      let deadline = System.monotonicNanos() + patienceNanos
      while !clients.allSatisfy(\.status.isSubscribed) {
        guard System.monotonicNanos() < deadline, !Interrupts.shared.isPending else {
          let trouble = clients.lazy.compactMap(\.status.trouble).first.map { ": \($0)" } ?? ""
          throw CommandError(.unavailable, "no broker takes \(kind) at \(place)\(trouble)")
        }
        usleep(2_000)
      }
      try play(isStopped)
    }.wasInterrupted
  }

  /// Calls `body` for each second of `seconds`, `speed` of them a second; 0 is as fast as it goes.
  static func paced(_ seconds: Int, speed: Double, _ isStopped: StopFlag, _ body: (Int) -> Void) {
    let began = System.monotonicNanos()
    for second in 0..<seconds where !isStopped.isRaised {
      body(second)
      let next = speed > 0 ? began + Int64(Double(second + 1) / speed * 1e9) : 0
      while !isStopped.isRaised, case let left = next - System.monotonicNanos(), left > 0 {
        usleep(UInt32(min(left / 1000 + 1, 50_000)))
      }
    }
  }

  /// Waits until `isDone` holds, half a minute at most.
  static func drain(_ isStopped: StopFlag, until isDone: () -> Bool) {
    let deadline = System.monotonicNanos() + patienceNanos
    while !isStopped.isRaised, System.monotonicNanos() < deadline, !isDone() { usleep(2_000) }
  }
}
