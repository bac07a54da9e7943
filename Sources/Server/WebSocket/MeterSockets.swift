import Hummingbird
import Ingest
import Synchronization
import TSEngine

/// The meters that are connected by WebSocket: one channel a sensor, the newest (P-23, P-24).
final class MeterSockets: Sendable {
  private struct State: Sendable {
    var bySensor: [String: MeterSocket] = [:]
    var connections: UInt64 = 0
  }
  private let state = Mutex(State())

  /// A number of its own for each channel of this process.
  func nextNumber() -> UInt64 {
    state.withLock { state in
      state.connections += 1
      return state.connections
    }
  }

  /// Makes `socket` the sensor's channel.
  /// - Returns: the channel it had.
  func register(_ socket: MeterSocket) -> MeterSocket? {
    state.withLock { $0.bySensor.updateValue(socket, forKey: socket.sensor) }
  }

  /// Takes `socket` away; false when another one is the sensor's channel by now.
  func unregister(_ socket: MeterSocket) -> Bool {
    state.withLock { state in
      guard state.bySensor[socket.sensor] === socket else { return false }
      state.bySensor[socket.sensor] = nil
      return true
    }
  }

  subscript(sensor: String) -> MeterSocket? { state.withLock { $0.bySensor[sensor] } }
}

/// One meter's channel: what was asked of it and is not answered yet.
final class MeterSocket: Sendable {
  typealias Answer = Result<CallMessage, Refused>

  let sensor: String
  let creator: Actor?
  /// What it was admitted by; it may end before the channel does.
  let token: String?
  let number: UInt64
  private let writer: WebSocketConnection.Writer
  private struct Waiting: Sendable {
    var name: String
    var continuation: CheckedContinuation<Answer, Never>
  }
  private let waiting = Mutex<[String: Waiting]>([:])

  init(_ access: HTTPDoor.MeterAccess, number: UInt64, _ writer: WebSocketConnection.Writer) {
    sensor = access.sensor
    creator = access.creator
    token = access.token
    self.number = number
    self.writer = writer
  }

  /// Of its connection row.
  var source: String { "channel \(number)" }

  func send(_ message: CallMessage) async throws { try await writer.send(message.text) }
  func cut() { writer.cut() }

  /// Sends a call and waits for what the meter answers.
  func call(_ message: CallMessage, patience: Duration) async -> Answer {
    await withCheckedContinuation { continuation in
      waiting.withLock { $0[message.id] = Waiting(name: message.name, continuation: continuation) }
      Task {
        do {
          try await send(message)
        } catch {
          settle(message.id, .failure(Self.gone))
        }
      }
      // Beside it: a meter that reads nothing keeps the sending.
      Task {
        try? await Task.sleep(for: patience)
        settle(
          message.id,
          .failure(Refused(status: .gatewayTimeout, code: "timeout", message: "The meter gave no answer in time")))
      }
    }
  }

  /// The meter's answer to a call of ours.
  /// - Returns: the name of the call; nil when nobody waits for such an answer.
  func take(_ answer: CallMessage) -> String? {
    let name = waiting.withLock { $0[answer.id]?.name }
    settle(answer.id, .success(answer))
    return name
  }

  /// The channel is closed: nobody will answer.
  func abandon() {
    for id in waiting.withLock({ Array($0.keys) }) { settle(id, .failure(Self.gone)) }
  }

  private func settle(_ id: String, _ answer: Answer) {
    waiting.withLock { $0.removeValue(forKey: id) }?.continuation.resume(returning: answer)
  }

  static let gone = Refused(status: .conflict, code: "notConnected", message: "The meter is not connected")
}

extension CallMessage {
  /// As it goes over the wire.
  var text: String {
    let head = "[\(kind.rawValue),\(JSONText.quoted(id)),"
    return switch kind {
    case .call: head + "\(JSONText.quoted(name)),\(body)]"
    case .result: head + "\(body)]"
    // code, description, details
    case .error: head + "\(JSONText.quoted(name)),\(body.dropFirst().dropLast())]"
    }
  }
}
