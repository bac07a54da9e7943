import Foundation
import Hummingbird
import Ingest
import NIOHTTP1
import Synchronization
import TSEngine

/// `ws://host/powermon/data/<sensor_id>` (P-20 to P-25): meters that keep a channel open. Their frames go the one way
/// of frames; all else they say, and what is said to them, is recorded.
extension HTTPDoor {
  struct MeterAccess: Sendable {
    var sensor: String
    /// Who makes the meter when it is not there yet.
    var creator: Actor?
    var token: String?
  }

  /// What tsq asks of meters, with the one field each needs.
  static let meterCalls = [
    "Reset": "type", "RemoteStartTransaction": "connectorId", "RemoteStopTransaction": "transactionId",
  ]
  private static let callPatience = Duration.seconds(30)

  /// Nil when the request is for no channel, or its sender may not have one.
  func meterAccess(_ head: HTTPRequestHead) -> MeterAccess? {
    let path = Self.segments(String(head.uri.prefix { $0 != "?" }))
    guard path.count == 3, PowerFrameParser.isSensorID(path[2]),
      let access = try? HTTPRoute.find(path, .get).access, access == .channel
    else { return nil }
    let token = head.headers.first(name: "authorization").map { Self.token(authorization: $0) }
      ?? head.headers.first(name: "x-api-key")
    guard case .success(let admitted) = admission(token, to: access), admitted.isFor(path[2]) else { return nil }
    return MeterAccess(sensor: path[2], creator: admitted.creator, token: token)
  }

  func serveMeter(_ connection: WebSocketConnection, _ access: MeterAccess) async {
    let opened = Opened()
    await connection.run { writer in
      let socket = MeterSocket(access, number: meters.nextNumber(), writer)
      opened.socket.withLock { $0 = socket }
      // The new channel replaces the old one.
      meters.register(socket)?.cut()
      await record(.connectionChanged(device: socket.sensor, interface: "websocket", connected: true, source: socket.source))
    } _: { text, _ in
      guard let socket = opened.socket.withLock({ $0 }) else { return }
      try await take(text, from: socket)
    }
    guard let socket = opened.socket.withLock({ $0 }) else { return }
    socket.abandon()
    // Only the channel that is the sensor's takes its row away.
    if meters.unregister(socket) {
      await record(.connectionChanged(device: socket.sensor, interface: "websocket", connected: false, source: socket.source))
      // One that came meanwhile may have been recorded before.
      if let newer = meters[socket.sensor] {
        await record(.connectionChanged(device: newer.sensor, interface: "websocket", connected: true, source: newer.source))
      }
    }
  }

  private final class Opened: Sendable {
    let socket = Mutex<MeterSocket?>(nil)
  }

  /// Channels that the process before this one left open in the log are closed.
  func closeLeftMeters() async {
    let connections = store.registry.connections
    let now = store.options.clock.nowNanos()
    let records = connections.connected.filter { connections[$0]?.interface == "websocket" }.map { device in
      OperationalRecord(
        recordedAt: now,
        kind: .connectionChanged(device: device, interface: "websocket", connected: false, source: "start"))
    }
    for first in stride(from: 0, to: records.count, by: 1_000) {
      _ = try? await blocking { [store] in try store.record(Array(records[first..<min(first + 1_000, records.count)])) }
    }
  }

  // MARK: What a meter says

  private func take(_ text: String, from socket: MeterSocket) async throws {
    // P-08: a token that ended since, or was revoked, ends the channel.
    guard case .success(let admitted) = admission(socket.token, to: .channel), admitted.isFor(socket.sensor) else {
      return socket.cut()
    }
    let message: CallMessage
    do throws(FrameError) {
      message = try CallMessage(text)
    } catch {
      metrics.add(.callRefusals)
      return try await socket.send(Self.error("", "FormationViolation", error))
    }
    switch message.kind {
    case .call: try await answer(message, to: socket)
    case .result, .error:
      let name = socket.take(message) ?? ""
      try await audit(message, name: name, socket, isSent: false)
    }
  }

  private func answer(_ call: CallMessage, to socket: MeterSocket) async throws {
    if call.name == "MeterValues" { return try await socket.send(await store(call, from: socket)) }
    let lsn = try await audit(call, name: call.name, socket, isSent: false)
    var json = JSONText()
    switch call.name {
    case "BootNotification": json.add("status", "Accepted")
    case "StartTransaction":
      json.add("status", "Accepted")
      // The place of the call in the log: no other has it.
      json.add("transactionId", lsn)
    case "StopTransaction":
      guard let id = Self.transaction(call.body) else {
        let fault = FrameError(path: "transactionId", reason: "a number expected", kind: .missing)
        return try await reply(Self.error(call.id, "FormationViolation", fault), to: call, socket)
      }
      json.add("status", "Accepted")
      json.add("transactionId", raw: id)
    case "StatusNotification": break
    default: json.add("status", "Message unknown")
    }
    try await reply(CallMessage(.result, id: call.id, name: "", body: json.closed), to: call, socket)
  }

  private func reply(_ answer: CallMessage, to call: CallMessage, _ socket: MeterSocket) async throws {
    try await audit(answer, name: call.name, socket, isSent: true)
    try await socket.send(answer)
  }

  private static func transaction(_ body: String) -> String? {
    struct Body: Decodable { var transactionId: Int64 }
    return (try? JSONDecoder().decode(Body.self, from: Data(body.utf8))).map { "\($0.transactionId)" }
  }

  /// Frames into the store; the answer once they are durable.
  private func store(_ call: CallMessage, from socket: MeterSocket) async -> CallMessage {
    do {
      let bytes = try MeterValues.frames(call.body, of: socket.sensor)
      let parsed = try bytes.withUnsafeBytes { raw in
        let span = RawSpan(_unsafeBytes: raw)
        return try frames.parse(span)
      }
      let request = frames.request(
        parsed, creator: socket.creator, interface: "websocket", topic: "/powermon/data/\(socket.sensor)")
      metrics.add(parsed.infos.count, .callFrames, try await durable(request))
      return CallMessage(.result, id: call.id, name: "", body: #"{"status":"MVAccepted"}"#)
    } catch var error as FrameError {
      metrics.add(.callRefusals)
      error.path = MeterValues.path(ofFramePath: error.path)
      return Self.error(call.id, "FormationViolation", error)
    } catch {
      let refused = (error as? StorageError).map { Refused($0) } ?? .badRequest("The call could not be read")
      return Self.error(call.id, "InternalError", FrameError(path: "", reason: refused.message, kind: .form))
    }
  }

  /// `[4, id, code, sentence, {"path": …}]`
  private static func error(_ id: String, _ code: String, _ error: FrameError) -> CallMessage {
    var details = JSONText()
    if !error.path.isEmpty { details.add("path", error.path) }
    return CallMessage(.error, id: id, name: code, body: "[\(JSONText.quoted(error.reason)),\(details.closed)]")
  }

  // MARK: What is said to a meter

  /// Sends a call to the one channel of `sensor` and gives its answer as JSON.
  func callMeter(_ sensor: String, _ name: String, _ body: String) async throws -> CallMessage {
    guard let socket = meters[sensor] else { throw MeterSocket.gone }
    let call = CallMessage(.call, id: UUID().uuidString.lowercased(), name: name, body: body)
    try await audit(call, name: name, socket, isSent: true)
    return try await socket.call(call, patience: Self.callPatience).get()
  }

  // MARK: The record

  /// P-25, durable on return; secrets do not get in.
  @discardableResult
  private func audit(
    _ message: CallMessage, name: String, _ socket: MeterSocket, isSent: Bool
  ) async throws -> LSN {
    let direction = RecordedCall.Direction(rawValue: message.kind.rawValue) ?? .call
    let call = RecordedCall(
      device: socket.sensor, direction, id: message.id, name: name.isEmpty ? message.name : name,
      body: Self.masked(message.body), isSent: isSent)
    return try await blocking { [store] in
      try store.record([OperationalRecord(recordedAt: store.options.clock.nowNanos(), kind: .callRecorded(call))])
    }
  }

  /// Without the values of members that are secrets by their name.
  static func masked(_ body: String) -> String {
    body.replacing(/("(?i:token|secret|password|api_key|authorizationkey)"\s*:\s*)("(?:[^"\\]|\\.)*"|[^,}\]]+)/) { found in
      "\(found.1)\"***\""
    }
  }

  private func record(_ kind: OperationalKind) async {
    // A connection that cannot be recorded is served all the same.
    _ = try? await blocking { [store] in
      try store.record([OperationalRecord(recordedAt: store.options.clock.nowNanos(), kind: kind)])
    }
  }
}
