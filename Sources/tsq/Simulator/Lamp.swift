import Foundation
import Ingest
import Server
import Synchronization
import TSEngine

/// One simulated LAMPI: a connection as its bridge has one (the broker's Will says when it is gone), its display,
/// its lamp.
final class Lamp: Sendable {
  /// Its own switch and sliders.
  static let ownClient = "lamp_ui"

  struct Figures: Sendable {
    var changes = 0
    var commands = 0
    var ignored = 0
    var codes = 0
    var associations = 0
  }
  private struct State: Sendable {
    var lamp = LampState(color: .init(h: 0.5, s: 0.5), brightness: 1, on: true, client: Lamp.ownClient)
    var figures = Figures()
  }

  let id: String
  private let state = Mutex(State())
  private let connection = Mutex<SimulatedClient?>(nil)
  private let say: @Sendable (String) -> Void

  /// - Parameters:
  ///   - prefix: where the broker tells which bridges are connected.
  ///   - say: what the display shows, a line each.
  init(_ id: String, _ broker: ServerOptions.Broker, prefix: String, say: @escaping @Sendable (String) -> Void) {
    self.id = id
    self.say = say
    var options = broker.options(clientID: "\(id)_broker")
    options.stateTopic = "\(prefix)/\(id)_broker/state"
    options.filters = [LampTopic.associated(id), LampTopic.setConfig(id)]
    let made = SimulatedClient(options) { [weak self] in self?.answer($0) }
    connection.withLock { $0 = made }
  }

  var client: SimulatedClient? { connection.withLock { $0 } }

  static func name(_ number: Int) -> String {
    let digits = String(number, radix: 16)
    return "b827eb" + String(repeating: "0", count: max(0, 6 - digits.count)) + digits
  }

  var figures: Figures { state.withLock { $0.figures } }

  /// Somebody turns a knob of the lamp itself.
  func turn(_ change: LampState) {
    let now = state.withLock { state in
      state.lamp = state.lamp.changed(by: change)
      state.figures.changes += 1
      return state.lamp
    }
    client?.publish(changed(now))
  }

  private func changed(_ lamp: LampState) -> MQTTPublication {
    MQTTPublication(topic: LampTopic.changed(id), payload: Array(lamp.json.utf8), qos: 1, retain: true)
  }

  // MARK: What comes in

  private func answer(_ message: MQTTMessage) -> MQTTPublication? {
    if message.topic == LampTopic.associated(id) {
      show(message.payload)
      return nil
    }
    // L-42: what names no client is not for a lamp; what it asks for comes back under its own name.
    guard let wanted = LampState(message.payload) else {
      state.withLock { $0.figures.ignored += 1 }
      return nil
    }
    let now = state.withLock { state in
      state.lamp = state.lamp.changed(by: wanted)
      state.figures.commands += 1
      return state.lamp
    }
    say("\(id) was set by \(wanted.client): \(now.json)")
    return changed(now)
  }

  private struct Association: Decodable {
    var associated: Bool
    var code: String?
  }

  private func show(_ payload: [UInt8]) {
    if payload.isEmpty { return say("\(id) shows nothing") }
    guard let told = try? JSONDecoder().decode(Association.self, from: Data(payload)) else {
      state.withLock { $0.figures.ignored += 1 }
      return
    }
    state.withLock { state in
      if told.associated { state.figures.associations += 1 } else { state.figures.codes += 1 }
    }
    say(told.associated ? "\(id) is associated" : "\(id) shows \(told.code?.prefix(6) ?? "no code")")
  }
}
