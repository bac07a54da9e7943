import TSEngine

/// Registry events as rows for a person. What claims or authenticates is left out.
enum EventText {
  static let columns: [ResultColumn] = [
    ResultColumn(name: "lsn", kind: .number), ResultColumn(name: "recorded_at", kind: .timestamp),
    ResultColumn(name: "event", kind: .text), ResultColumn(name: "device", kind: .text),
    ResultColumn(name: "user", kind: .text), ResultColumn(name: "actor", kind: .text),
    ResultColumn(name: "cause", kind: .text), ResultColumn(name: "effective_at", kind: .timestamp),
    ResultColumn(name: "detail", kind: .text),
  ]

  static func row(_ event: Event, _ users: Users) -> [String?] {
    [
      "\(event.lsn)", Timestamp.text(event.recordedAt), event.kind.name, event.kind.device,
      event.kind.user.map { name($0, users) }, text(event.actor), text(event.cause),
      Timestamp.text(event.effectiveAt), detail(event.kind),
    ]
  }

  static func name(_ user: UserID, _ users: Users) -> String { users[user]?.name ?? user.text }

  private static func text(_ actor: Actor) -> String {
    actor.id.isEmpty ? actor.kind.rawValue : "\(actor.kind.rawValue) \(actor.id)"
  }

  private static func text(_ cause: Cause) -> String? {
    let parts = [cause.lsn > 0 ? "lsn \(cause.lsn)" : "", cause.message, cause.reason].filter { !$0.isEmpty }
    return parts.isEmpty ? nil : parts.joined(separator: ": ")
  }

  private static func detail(_ kind: EventKind) -> String? {
    switch kind {
    case .deviceDiscovered(_, let type, let name, let interface): "type \(type), name \(name), by \(interface)"
    case .deviceCreated(_, let type, let name): "type \(type)" + (name.isEmpty ? "" : ", name \(name)")
    case .deviceRenamed(_, let name): "name \(name)"
    case .deviceFieldChanged(_, let field, let value): "\(field) = \(text(value))"
    case .deviceAssociated(_, _, _, let via): "by \(via.rawValue)"
    case .codeIssued(_, _, let expires): "until \(Timestamp.text(expires))"
    case .codeTried(_, let attempt, let refusal): "try \(attempt): \(refusal)"
    case .announcementConfirmed(_, let state): "state of lsn \(state)"
    case .userCreated(_, let name, let isAdmin, _): "name \(name)" + (isAdmin ? ", admin" : "")
    case .userFieldChanged(_, let field, let value): "\(field) = \(text(value))"
    case .tokenIssued(let grant): "token \(grant.publicID), role \(grant.role.rawValue)"
    case .tokenRevoked(let publicID): "token \(publicID)"
    case .typeDeclared(let schema, _): "type \(schema.name), \(schema.columns.count) columns"
    case .typeSettingChanged(let type, let key, let value): "\(type) \(key) = \(value)"
    case .deviceDeleted, .deviceDissociated, .announcementRequested, .userDeleted, .userPasswordSet: nil
    }
  }

  static func text(_ value: FieldValue) -> String {
    switch value {
    case .null: "null"
    case .bool(let flag): "\(flag)"
    case .int(let number): "\(number)"
    case .float(let number): "\(number)"
    case .text(let text), .json(let text): text
    }
  }
}

extension OutputFormat {
  /// Prints rows that the command made itself.
  func print(_ columns: [ResultColumn], _ rows: [[String?]]) throws {
    var writer = try writer(to: FileSink(descriptor: 1), Terminal.outputStyle)
    try writer.begin(columns)
    try writer.write(TextRows(cells: rows))
    try writer.end()
  }
}
