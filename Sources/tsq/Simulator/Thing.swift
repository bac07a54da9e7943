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
    var trouble: String?
  }

  /// One report in so many tells how the device is as well.
  private static let statusEvery = 60

  private struct State: Sendable {
    var isSubscribed = false
    var figures = Figures()
  }

  let id: String
  private let topic: String
  private let details: TypeDetails
  private let state = Mutex(State())
  private let loop = Mutex<MQTTLoop?>(nil)
  private let ended = Latch<Void>()
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
    let made = MQTTLoop(options, observer: { [weak self] in self?.observe($0) }) { [weak self] batch in
      .committed(batch.compactMap { self?.answer($0) })
    }
    loop.withLock { $0 = made }
  }

  func start() {
    guard let loop = loop.withLock({ $0 }) else { return }
    Worker.start { [ended] in
      loop.run()
      ended.fulfil(())
    }
  }

  func stop() {
    loop.withLock { $0 }?.stop()
    ended.wait()
  }

  var isSubscribed: Bool { state.withLock { $0.isSubscribed } }
  var figures: Figures { state.withLock { $0.figures } }

  /// - Parameter battery: in percent.
  func send(_ report: [String: Any], number: Int, battery: Double) {
    if number % Self.statusEvery == 0 {
      let level = (battery * 10).rounded() / 10
      publish("status", ["status": level < 20 ? "low_battery" : "online", "battery_level": level])
    }
    state.withLock { $0.figures.reports += 1 }
    publish("data", report) { [weak self] isThere in
      if isThere { self?.state.withLock { $0.figures.confirmed += 1 } }
    }
  }

  private func publish(_ channel: String, _ body: [String: Any], _ confirmed: (@Sendable (Bool) -> Void)? = nil) {
    let message = MQTTPublication(topic: "\(topic)/\(channel)", payload: Self.bytes(body), qos: 1)
    _ = loop.withLock { $0 }?.publish(message, confirmed: confirmed)
  }

  private static func bytes(_ body: [String: Any]) -> [UInt8] {
    (try? JSONSerialization.data(withJSONObject: body, options: [.sortedKeys])).map { Array($0) } ?? []
  }

  private func observe(_ event: MQTTEvent) {
    switch event {
    case .subscribed: state.withLock { $0.isSubscribed = true }
    case .connectionFailed(let reason, _): state.withLock { $0.figures.trouble = reason }
    default: break
    }
  }

  private func answer(_ message: MQTTMessage) -> MQTTPublication? {
    let order = (try? JSONSerialization.jsonObject(with: Data(message.payload))) as? [String: Any]
    let name = order?["command"] as? String ?? ""
    let isKnown = details[command: name] != nil
    state.withLock { if isKnown { $0.figures.commands += 1 } else { $0.figures.refused += 1 } }
    say("\(id) \(isKnown ? "does" : "refuses") \(name.isEmpty ? "what is no command" : name)")
    var body: [String: Any] = ["command": name]
    if isKnown { body["ok"] = true } else { body["error"] = "unknown command" }
    return MQTTPublication(
      topic: message.responseTopic ?? "\(topic)/ack", payload: Self.bytes(body), qos: 1,
      correlationData: message.correlationData)
  }
}
