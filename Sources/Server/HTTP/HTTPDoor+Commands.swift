import Hummingbird
import Query
import TSEngine

/// `/api/devices/{id}/commands` and `/api/commands`.
extension HTTPDoor {
  /// `{"command":"set_interval","payload":{"interval":60}}`, and perhaps `broker`, `expires`, `timeout`.
  func sendCommand(_ request: Request, _ device: String, _ actor: Actor) async throws -> Response {
    let bytes = try await body(request, limit: Self.commandBodyLimit)
    guard case .object(let members)? = JSONTree.parse(Array(bytes.readableBytesView)) else {
      throw Refused.badRequest("A JSON object expected")
    }
    guard case .text(let name)? = members["command"] else { throw Refused.badRequest("The body lacks \"command\"") }
    let payload = try Self.parameters(members["payload"])
    let broker = try Self.text(members["broker"], "broker")
    let lifetime = try Self.nanos(members["expires"], "expires") ?? Registry.commandLifetimeNanos
    let answer = try Self.nanos(members["timeout"], "timeout") ?? Registry.answerNanos
    let (store, brokers) = (store, brokerNames)
    let taken = try await blocking {
      try store.decide(actor: actor, cause: Cause(message: "http POST /api/devices/\(device)/commands")) {
        $0.sendCommand(
          name, to: device, payload: payload, broker: broker, among: brokers, lifetimeNanos: lifetime,
          answerNanos: answer, $1)
      }
    }
    let order = try taken.result.mapError { Refused($0) }.get()
    registryChanged()
    var json = JSONText()
    json.add("id", order.id)
    json.add("device_id", order.device)
    json.add("command", order.name)
    json.add("broker", order.broker)
    json.add("expires_at", TimestampText.format(order.expiresAt))
    json.add("lsn", taken.lsn)
    return Reply.json(.accepted, json.closed)
  }

  /// `?from=&before=&limit=`: the newest first, of those sent at the LSN `from` or later and before the LSN `before`, the
  /// `lsn` of the last one of the page before. What was sent before `from` is not read.
  /// - Returns: nil for another path.
  func showCommands(_ request: Request, _ path: [String], _ admitted: Admission) async throws -> Response? {
    let device: String?
    switch (path.first, path.count) {
    case ("commands", 1): device = nil
    case ("devices", 3) where path[2] == "commands": device = path[1]
    default: return nil
    }
    let from = try Self.number(request, "from").map { LSN($0) } ?? 0
    let before = try Self.number(request, "before").map { LSN($0) } ?? .max
    let limit = try Self.number(request, "limit") ?? .max
    let snapshot = snapshot(for: admitted)
    if let device, admitted.viewer == nil, !(try store.wholeRegistry().devices.contains(device)) {
      throw Refused(.unknownDevice)
    }
    try enterQuery(admitted)
    defer { runningQueries.leave() }
    let history = try await blocking { try snapshot.commandHistory(from: from) }
    let wanted = history.entries.reversed().lazy.filter { $0.lsn < before && (device == nil || $0.order.device == device) }
    return Reply.json(RegistryJSON.list(wanted.prefix(limit).map(RegistryJSON.command)))
  }

  private static func parameters(_ tree: JSONTree?) throws(Refused) -> [String: FieldValue] {
    switch tree {
    case nil, .null?: return [:]
    case .object(let members)?: return members.mapValues(\.field)
    default: throw Refused(.invalidPayload)
    }
  }

  private static func text(_ tree: JSONTree?, _ name: String) throws(Refused) -> String? {
    switch tree {
    case nil, .null?: return nil
    case .text(let text)?: return text
    default: throw .badRequest("\"\(name)\" is a text")
    }
  }

  private static func nanos(_ tree: JSONTree?, _ name: String) throws(Refused) -> Int64? {
    guard let text = try text(tree, name) else { return nil }
    guard let age = RetentionAge(text) else { throw .badRequest("\"\(name)\" is a length of time, as 30s or 1h") }
    return age.nanos
  }
}

extension RegistryJSON {
  static func command(_ entry: CommandHistory.Entry) -> String {
    var json = JSONText()
    json.add("id", entry.order.id)
    json.add("lsn", entry.lsn)
    json.add("device_id", entry.order.device)
    json.add("command", entry.order.name)
    json.add("payload", raw: entry.order.payload.isEmpty ? "null" : entry.order.payload)
    json.add("broker", entry.order.broker)
    json.add("state", entry.state)
    json.add("sent_at", TimestampText.format(entry.sentAt))
    json.add("expires_at", TimestampText.format(entry.order.expiresAt))
    if let time = entry.publishedAt { json.add("published_at", TimestampText.format(time)) }
    if let time = entry.endedAt { json.add("ended_at", TimestampText.format(time)) }
    if !entry.answer.isEmpty { json.add("answer", entry.answer) }
    return json.closed
  }
}
