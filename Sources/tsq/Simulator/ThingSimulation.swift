import Foundation
import Glibc
import Ingest
import Server
import TSEngine

/// Devices of a declared type at a broker (D-34): each reports once a second.
struct ThingSimulation {
  /// Percent of its battery that a device uses an hour.
  private static let batteryAnHour = 1.5

  var type: Types.Declared
  var count: Int
  var first: Int
  var seconds: Int
  /// Seconds of reports a second; 0 is as fast as it goes.
  var speed: Double
  var seed: UInt64
  var prefix: String
  var isRealistic: Bool
  /// Of the first report, since the Unix epoch.
  var startSeconds: Int64

  /// `weather_station-001`
  static func name(_ type: String, _ number: Int) -> String {
    let digits = String(number)
    return "\(type)-" + String(repeating: "0", count: max(0, 3 - digits.count)) + digits
  }

  /// The type that a file of declarations has under `name`, or the only one of its own that has devices.
  static func type(_ name: String?, in file: String) throws -> Types.Declared {
    guard let data = FileManager.default.contents(atPath: file), let text = String(data: data, encoding: .utf8) else {
      throw CommandError.failed("\(file) cannot be read as text")
    }
    let drafts: [TypeDraft]
    do { drafts = try TypeDocument.parse(text) } catch { throw CommandError.failed("\(file): \(error.sentence)") }
    let context = DecisionContext(now: System.wallNanos(), actor: .system, random: SystemRNG())
    let declared = Registry().declareTypes(drafts, context)
    if case .failure(let refusal) = declared.result { throw CommandError.failed("\(file): \(refusal.sentence)") }
    let types = Registry().after(declared.events).types
    let concrete = drafts.map(\.name).filter { types[$0].map { !$0.details.isAbstract } ?? false }
    guard let name = name ?? (concrete.count == 1 ? concrete[0] : nil) else {
      throw CommandError.usage("\(file) declares \(concrete.joined(separator: ", ")); say which with --type")
    }
    guard concrete.contains(name), let type = types[name] else {
      throw CommandError.usage("\(file) declares no type \(name) that devices have; it has \(concrete.joined(separator: ", "))")
    }
    return type
  }

  func run(to broker: ServerOptions.Broker) throws {
    let say: @Sendable (String) -> Void = { try? FileSink(descriptor: STDOUT_FILENO).writeThrough($0) }
    let things = (0..<count).map {
      Thing(Self.name(type.schema.name, first + $0), of: type, broker, prefix: prefix, say: say)
    }
    let wasInterrupted = try SimulatedClient.run(things.compactMap(\.client), "devices", at: broker.url) { isStopped in
      report(things, isStopped)
      SimulatedClient.drain(isStopped) { things.allSatisfy { $0.figures.confirmed >= $0.figures.reports } }
    }
    try FileSink(descriptor: STDOUT_FILENO).writeThrough(figures(things))
    if wasInterrupted { throw CommandError.interrupted }
  }

  private func report(_ things: [Thing], _ isStopped: StopFlag) {
    var reports = things.indices.map {
      ThingReport(type.schema, isRealistic: isRealistic, seed: seed, device: first + $0)
    }
    SimulatedClient.paced(seconds, speed: speed, isStopped) { second in
      let battery = max(5, 100 - Double(second) / 3600 * Self.batteryAnHour)
      for (place, thing) in things.enumerated() {
        thing.send(reports[place].next(second: startSeconds + Int64(second)), number: second, battery: battery)
      }
    }
  }

  private func figures(_ things: [Thing]) -> String {
    let all = things.map(\.figures)
    func sum(_ figure: (Thing.Figures) -> Int) -> Int { all.reduce(0) { $0 + figure($1) } }
    return "devices=\(things.count) reports=\(sum(\.reports)) confirmed=\(sum(\.confirmed))"
      + " commands=\(sum(\.commands)) refused=\(sum(\.refused))"
  }
}
