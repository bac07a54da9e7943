import Foundation
import Ingest
import Server
import Synchronization
import TSEngine

/// One simulated device of a declared type: it says how it is, reports, and answers commands (D-21 to D-24).
final class Thing: Sendable {
  struct Figures: Sendable {
    var reports = 0
    var confirmed = 0
    var commands = 0
    var refused = 0
  }

  /// One report in so many tells how the device is as well.
  private static let statusEvery = 60

  let id: String
  private let topic: String
  private let details: TypeDetails
  private let counts = Mutex(Figures())
  private let connection = Mutex<SimulatedClient?>(nil)
  private let say: @Sendable (String) -> Void

  /// - Parameters:
  ///   - prefix: of the topics of declared types.
  ///   - say: what becomes of commands, a line each.
  init(
    _ id: String, of type: Types.Declared, _ broker: ServerOptions.Broker, prefix: String, say: @escaping @Sendable (String) -> Void
  ) {
    self.id = id
    self.say = say
    topic = "\(prefix)/\(type.schema.name)/\(id)"
    details = type.details
    var options = broker.options(clientID: "tsq-\(id)-\(getpid())")
    options.keepsSession = false
    options.filters = ["\(topic)/cmd"]
    let made = SimulatedClient(options) { [weak self] in self?.answer($0) }
    connection.withLock { $0 = made }
  }

  var client: SimulatedClient? { connection.withLock { $0 } }

  var figures: Figures { counts.withLock { $0 } }

  /// - Parameter battery: in percent.
  func send(_ report: [String: Any], number: Int, battery: Double) {
    if number % Self.statusEvery == 0 {
      let level = (battery * 10).rounded() / 10
      publish("status", ["status": level < 20 ? "low_battery" : "online", "battery_level": level])
    }
    counts.withLock { $0.reports += 1 }
    publish("data", report) { [weak self] isThere in
      if isThere { self?.counts.withLock { $0.confirmed += 1 } }
    }
  }

  private func publish(_ channel: String, _ body: [String: Any], _ confirmed: (@Sendable (Bool) -> Void)? = nil) {
    let message = MQTTPublication(topic: "\(topic)/\(channel)", payload: Self.bytes(body), qos: 1)
    client?.publish(message, confirmed: confirmed)
  }

  private static func bytes(_ body: [String: Any]) -> [UInt8] {
    (try? JSONSerialization.data(withJSONObject: body, options: [.sortedKeys])).map { Array($0) } ?? []
  }

  private func answer(_ message: MQTTMessage) -> MQTTPublication? {
    let order = (try? JSONSerialization.jsonObject(with: Data(message.payload))) as? [String: Any]
    let name = order?["command"] as? String ?? ""
    let isKnown = details[command: name] != nil
    counts.withLock { if isKnown { $0.commands += 1 } else { $0.refused += 1 } }
    say("\(id) \(isKnown ? "does" : "refuses") \(name.isEmpty ? "what is no command" : name)")
    var body: [String: Any] = ["command": name]
    if isKnown { body["ok"] = true } else { body["error"] = "unknown command" }
    return MQTTPublication(
      topic: message.responseTopic ?? "\(topic)/ack", payload: Self.bytes(body), qos: 1,
      correlationData: message.correlationData)
  }
}
