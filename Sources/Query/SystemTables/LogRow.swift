import TSEngine

/// What happened, as a row of the table `events` and as an object of the API.
package enum LogRow {
  package static let columns = [
    RowColumn("lsn", .int), RowColumn("kind", .text), RowColumn("device_id", .text), RowColumn("user_name", .text),
    RowColumn("recorded_at", .timestamp), RowColumn("effective_at", .timestamp), RowColumn("actor", .text),
    RowColumn("cause", .text), RowColumn("payload", .text),
  ]

  /// A record of what happens all the time has neither actor nor cause: who did it is in its payload.
  package static func values(_ entry: LogEntry, _ registry: Registry) -> [SQLValue] {
    switch entry {
    case .event(let event):
      [
        .int(Int64(bitPattern: event.lsn)), .text(event.kind.name), .optional(event.kind.device),
        .optional(event.kind.user.map(registry.userName)), .timestamp(event.recordedAt), .timestamp(event.effectiveAt),
        .text(event.actor.id.isEmpty ? event.actor.kind.rawValue : "\(event.actor.kind.rawValue):\(event.actor.id)"),
        .text(event.cause.reason.isEmpty ? event.cause.message : event.cause.reason), .text(event.kind.json),
      ]
    case .record(let record):
      [
        .int(Int64(bitPattern: record.lsn)), .text(record.kind.name), .optional(record.kind.device), .null,
        .timestamp(record.recordedAt), .timestamp(record.recordedAt), .null, .null, .text(record.kind.json),
      ]
    }
  }

  /// The event's own object, with the names that the row has beside.
  package static func json(_ entry: LogEntry, _ registry: Registry) -> String {
    var json = JSONText()
    switch entry {
    case .event(let event):
      json.add(membersOf: event)
      if let device = event.kind.device { json.add("device_id", device) }
      if let user = event.kind.user { json.add("user_name", registry.userName(user)) }
    case .record(let record):
      json.add("lsn", record.lsn)
      json.add("recorded_at", record.recordedAt)
      json.add("effective_at", record.recordedAt)
      json.add("kind", record.kind.name)
      json.add("payload", raw: record.kind.json)
      if let device = record.kind.device { json.add("device_id", device) }
    }
    return json.closed
  }
}
