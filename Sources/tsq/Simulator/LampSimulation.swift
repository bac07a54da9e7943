import Glibc
import Ingest
import Server

/// Lamps that connect to a broker, show the codes they are told, take orders and are played with.
struct LampSimulation {
  private static let patienceNanos: Int64 = 30_000_000_000

  var count: Int
  var first: Int
  /// Of play; each lamp is turned once a second.
  var seconds: Int
  /// Seconds of play a second; 0 is as fast as it goes.
  var speed: Double
  var seed: UInt64
  var prefix: String

  func run(to broker: ServerOptions.Broker) throws {
    Interrupts.shared.install()
    let isStopped = StopFlag()
    // A line is one write, whole from any thread.
    let say: @Sendable (String) -> Void = { try? FileSink(descriptor: STDOUT_FILENO).writeThrough($0) }
    let lamps = (0..<count).map { Lamp(Lamp.name(first + $0), broker, prefix: prefix, say: say) }
    let (_, wasInterrupted) = try Interrupts.shared.during(stop: { isStopped.raise() }) {
      for lamp in lamps { lamp.start() }
      defer { for lamp in lamps { lamp.stop() } }
      try connect(lamps, broker)
      play(lamps, isStopped)
    }
    try FileSink(descriptor: STDOUT_FILENO).writeThrough(figures(lamps))
    if wasInterrupted { throw CommandError.interrupted }
  }

  private func connect(_ lamps: [Lamp], _ broker: ServerOptions.Broker) throws {
    let deadline = System.monotonicNanos() + Self.patienceNanos
    while !lamps.allSatisfy(\.isSubscribed) {
      guard System.monotonicNanos() < deadline, !Interrupts.shared.isPending else {
        let trouble = lamps.lazy.compactMap(\.figures.trouble).first.map { ": \($0)" } ?? ""
        throw CommandError(.unavailable, "no broker takes lamps at \(broker.url)\(trouble)")
      }
      usleep(2_000)
    }
  }

  private func play(_ lamps: [Lamp], _ isStopped: StopFlag) {
    var random = SimulationRandom(seed: seed, path: first)
    let began = System.monotonicNanos()
    for second in 0..<seconds where !isStopped.isRaised {
      for lamp in lamps { lamp.turn(Self.whim(&random)) }
      let next = speed > 0 ? began + Int64(Double(second + 1) / speed * 1e9) : 0
      while !isStopped.isRaised, case let left = next - System.monotonicNanos(), left > 0 {
        usleep(UInt32(min(left / 1000 + 1, 50_000)))
      }
    }
  }

  private static func whim(_ random: inout SimulationRandom) -> LampState {
    switch Int.random(in: 0..<3, using: &random) {
    case 0: LampState(on: random.uniform() < 0.5, client: Lamp.ownClient)
    case 1: LampState(brightness: random.uniform(), client: Lamp.ownClient)
    default: LampState(color: .init(h: random.uniform(), s: random.uniform()), client: Lamp.ownClient)
    }
  }

  private func figures(_ lamps: [Lamp]) -> String {
    let all = lamps.map(\.figures)
    func sum(_ figure: (Lamp.Figures) -> Int) -> Int { all.reduce(0) { $0 + figure($1) } }
    return "lamps=\(lamps.count) changes=\(sum(\.changes)) commands=\(sum(\.commands)) ignored=\(sum(\.ignored))"
      + " codes=\(sum(\.codes)) associated=\(sum(\.associations))"
  }
}
