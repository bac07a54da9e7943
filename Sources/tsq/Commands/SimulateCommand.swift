import ArgumentParser
import Glibc
import Ingest
import Server

struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "A fleet of three-phase power meters, of lamps, or of devices of a declared type.",
    discussion: """
      Each meter sends a frame a second: 3 phases, 20 samples of power, power
      factor and voltage. The same seed gives the same readings. Into a store it
      goes as fast as the disk allows, over a network at the pace of real meters.
      Figures come as name=value: what was achieved, readings that were new, same,
      in conflict, quarantined or expired, frames that were refused, latencies.
      Lamps connect to a broker as their bridges do, print the code they show, become
      what set_config asks for and say what they are when somebody turns their knobs.
      Devices of a declared type (TYPE-001 and so on; create them first) report once a
      second on things/TYPE/ID/data, tell their status and answer commands; --realistic
      has their readings follow the day, drift, and be missing now and then.

      EXAMPLES:
        tsq simulate --sensors 10 --seconds 3600 --to store:demo
        tsq simulate --sensors 50 --seconds 10 --to http://127.0.0.1:8086
        tsq simulate --sensors 50 --seconds 10 --to mqtt://127.0.0.1:1883
        tsq simulate --kind lampi --sensors 2 --seconds 60 --to mqtt://127.0.0.1:1883
        tsq simulate --kind thing --declaration weather.yaml --realistic --to mqtt://127.0.0.1:1883
      """)

  enum Kind: String, ExpressibleByArgument { case power, lampi, thing }

  @Option(help: "power, lampi or thing.") var kind = Kind.power
  @Option(help: ArgumentHelp("Things: where their type is declared, as for tsq type create.", valueName: "FILE"))
  var declaration: String?
  @Option(help: ArgumentHelp("Things: which type of the file.", valueName: "NAME")) var type: String?
  @Flag(help: "Things: readings that follow the day and drift.") var realistic = false
  @Option(help: ArgumentHelp("Things: what their topics begin with.", valueName: "TOPIC"))
  var thingsPrefix = ThingTopic.defaultPrefix
  @Option(help: ArgumentHelp("Where the broker tells of lamps' bridges.", valueName: "TOPIC"))
  var discoveryPrefix = DiscoveryTopic.defaultPrefix
  @Option(help: ArgumentHelp("Meters.", valueName: "N")) var sensors = 10
  @Option(help: ArgumentHelp("Number of the first meter.", valueName: "N")) var first = 1
  @Option(help: ArgumentHelp("Seconds of readings.", valueName: "S")) var seconds = 60
  @Option(help: ArgumentHelp("Seconds of readings a second; 0 is as fast as it goes.", valueName: "X")) var speed: Double?
  @Option(help: ArgumentHelp("When the readings begin (2026-01-01T00:00:00Z, over a network now).", valueName: "TIME"))
  var start: String?
  @Option(help: ArgumentHelp("Frames in a request over HTTP; 1 is each meter by itself.", valueName: "N"))
  var batch = 100
  @Option(help: ArgumentHelp("Other readings for another seed.", valueName: "N")) var seed: UInt64 = 20_260_101
  @Option(help: ArgumentHelp("store:DIR, http://HOST:PORT or mqtt[s]://[USER:PASSWORD@]HOST:PORT.", valueName: "WHERE"))
  var to: String
  @OptionGroup var brokerTLS: BrokerTLSOptions

  func validate() throws {
    guard (1...1_000_000).contains(sensors), first >= 1, first + sensors <= 1_000_000 else {
      throw ValidationError("--sensors and --first number meters from 1 to 999999")
    }
    guard seconds >= 1 else { throw ValidationError("--seconds is at least 1") }
    guard (1...1_000).contains(batch) else { throw ValidationError("--batch is from 1 to 1000") }
    guard speed ?? 0 >= 0 else { throw ValidationError("--speed is 0 or more") }
  }

  func run() throws {
    var target = try SimulationTarget(to)
    var brokers: [ServerOptions.Broker] = []
    if case .mqtt(let broker) = target { brokers = [broker] }
    try brokerTLS.complete(&brokers)
    if let broker = brokers.first { target = .mqtt(broker) }
    if kind == .lampi {
      guard case .mqtt(let broker) = target, sensors <= 1_000 else {
        throw CommandError.usage("--kind lampi takes --to mqtt://HOST:PORT and at most 1000 lamps")
      }
      return try LampSimulation(
        count: sensors, first: first, seconds: seconds, speed: speed ?? 1, seed: seed, prefix: discoveryPrefix
      ).run(to: broker)
    }
    if kind == .thing { return try simulateThings(target) }
    let isLocal = target.isLocal
    let pace = speed ?? (isLocal ? 0 : 1)
    let begin =
      try start.map(CommandTime.parse).map { $0 / 1_000_000_000 }
      ?? (isLocal ? 1_767_225_600 : System.wallNanos() / 1_000_000_000 - Int64(pace == 1 ? 0 : seconds))
    var simulation = Simulation(
      fleet: MeterFleet(sensorCount: sensors, first: first, seed: seed), startSeconds: begin, seconds: seconds,
      speed: pace, framesPerRequest: batch)
    try simulation.run(to: target)
  }

  private func simulateThings(_ target: SimulationTarget) throws {
    guard case .mqtt(let broker) = target, sensors <= 1_000, let declaration else {
      throw CommandError.usage("--kind thing takes --declaration FILE, --to mqtt://HOST:PORT and at most 1000 devices")
    }
    let now = System.wallNanos() / 1_000_000_000
    try ThingSimulation(
      type: ThingSimulation.type(type, in: declaration), count: sensors, first: first, seconds: seconds,
      speed: speed ?? 1, seed: seed, prefix: thingsPrefix, isRealistic: realistic,
      startSeconds: start.map(CommandTime.parse).map { $0 / 1_000_000_000 } ?? now
    ).run(to: broker)
  }
}
