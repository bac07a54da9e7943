import Glibc
import Ingest
import Server
import Synchronization

/// Frames to a broker at QoS 1; the latency is the broker's, until it has taken the message.
final class MQTTTarget: FrameTarget {
  /// Messages on their way before the next one waits: few, as the library looks through them at every confirmation.
  private static let inFlightLimit = 200
  private static let patienceNanos: Int64 = 30_000_000_000

  private struct State: Sendable {
    var inFlight = 0
    var refused = 0
    var latencies: [Int64] = []
    var trouble: String?
  }
  private final class Shared: Sendable {
    let state = Mutex(State())
  }

  private let loop: MQTTLoop
  private let shared = Shared()
  private let broker: ServerOptions.Broker
  /// Bytes of a frame, as those before it took.
  private var payloadRoom = 0

  init(_ broker: ServerOptions.Broker) {
    self.broker = broker
    var options = broker.options(clientID: "tsq-simulate-\(getpid())")
    options.keepsSession = false
    options.version = .v311
    let shared = shared
    loop = MQTTLoop(
      options,
      observer: { event in
        if case .connectionFailed(let reason, _) = event { shared.state.withLock { $0.trouble = reason } }
      }, handler: { _ in .committed([]) })
    let running = loop
    Worker.start { running.run() }
  }

  func send(
    _ second: MeterFleet.Second, of sensors: [String], at timestamp: Int64, acknowledged: (Int64) -> Void
  ) throws {
    for (sensor, name) in sensors.enumerated() {
      try waitUntil { $0.inFlight < Self.inFlightLimit }
      var payload: [UInt8] = []
      payload.reserveCapacity(payloadRoom)
      FrameJSON.append(second, sensor: sensor, name: name, timestamp: timestamp, to: &payload)
      payloadRoom = payload.count + 64
      let began = System.monotonicNanos()
      let shared = shared
      shared.state.withLock { $0.inFlight += 1 }
      let isQueued = loop.publish(
        MQTTPublication(topic: "powermon/\(name)/data", payload: payload, qos: 1, retain: false)
      ) { isTaken in
        let nanos = System.monotonicNanos() - began
        shared.state.withLock {
          $0.inFlight -= 1
          if isTaken { $0.latencies.append(nanos) } else { $0.refused += 1 }
        }
      }
      guard isQueued else { throw CommandError.failed("the queue to \(broker.url) is full") }
    }
    drain(acknowledged)
  }

  func finish(acknowledged: (Int64) -> Void) throws {
    try waitUntil { $0.inFlight == 0 }
    drain(acknowledged)
    loop.stop()
  }

  var outcome: String? {
    let refused = shared.state.withLock { $0.refused }
    return refused > 0 ? "refused=\(refused)" : nil
  }

  private func drain(_ acknowledged: (Int64) -> Void) {
    let latencies = shared.state.withLock { state in
      defer { state.latencies = [] }
      return state.latencies
    }
    for latency in latencies { acknowledged(latency) }
  }

  private func waitUntil(_ condition: (State) -> Bool) throws {
    let deadline = System.monotonicNanos() + Self.patienceNanos
    while true {
      let state = shared.state.withLock { $0 }
      if condition(state) { return }
      guard System.monotonicNanos() < deadline, !Interrupts.shared.isPending else {
        throw CommandError(
          .unavailable, "no broker takes messages at \(broker.url)" + (state.trouble.map { ": \($0)" } ?? ""))
      }
      usleep(200)
    }
  }
}

/// A thread of its own for work that blocks.
enum Worker {
  private final class Box {
    let work: () -> Void
    init(_ work: @escaping () -> Void) { self.work = work }
  }

  static func start(_ work: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Box(work)).toOpaque()
    pthread_create(
      &thread, nil,
      { raw in
        Unmanaged<Box>.fromOpaque(raw!).takeRetainedValue().work()
        return nil
      }, box)
    pthread_detach(thread)
  }
}
