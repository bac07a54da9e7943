import Glibc
import Ingest
import Server

/// Lamps that connect to a broker, show the codes they are told, take orders and are played with.
struct LampSimulation {
  var count: Int
  var first: Int
  /// Of play; each lamp is turned once a second.
  var seconds: Int
  /// Seconds of play a second; 0 is as fast as it goes.
  var speed: Double
  var seed: UInt64
  var prefix: String

  func run(to broker: ServerOptions.Broker) throws {
    // A line is one write, whole from any thread.
    let say: @Sendable (String) -> Void = { try? FileSink(descriptor: STDOUT_FILENO).writeThrough($0) }
    let lamps = (0..<count).map { Lamp(Lamp.name(first + $0), broker, prefix: prefix, say: say) }
    let wasInterrupted = try SimulatedClient.run(lamps.compactMap(\.client), "lamps", at: broker.url) { isStopped in
      play(lamps, isStopped)
    }
    try FileSink(descriptor: STDOUT_FILENO).writeThrough(figures(lamps))
    if wasInterrupted { throw CommandError.interrupted }
  }

  private func play(_ lamps: [Lamp], _ isStopped: StopFlag) {
    var random = SimulationRandom(seed: seed, path: first)
    SimulatedClient.paced(seconds, speed: speed, isStopped) { _ in
      for lamp in lamps { lamp.turn(Self.whim(&random)) }
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
