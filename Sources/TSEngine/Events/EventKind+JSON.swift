extension EventKind {
  /// What happened, as a JSON object. Times are integers, nanoseconds since the Unix epoch.
  /// Never a secret: neither hashes nor the digits of a code past those a display shows (S10).
  package var json: String {
    var json = JSONText()
    if let device { json.add("device", device) }
    switch self {
    case .deviceDiscovered(_, let type, let name, let interface):
      json.add("type", type)
      json.add("name", name)
      json.add("interface", interface)
    case .deviceCreated(_, let type, let name):
      json.add("type", type)
      json.add("name", name)
    case .deviceRenamed(_, let name):
      json.add("name", name)
    case .deviceFieldChanged(_, let field, let value):
      json.add("field", field)
      json.add("value", raw: value.json)
    case .deviceDeleted, .announcementRequested:
      break
    case .deviceStatusChanged(_, let status, let lastSeen, let previous):
      json.add("status", status.rawValue)
      if let previous { json.add("previous", previous.rawValue) }
      if let lastSeen { json.add("last_seen", lastSeen) }
    case .deviceAssociated(_, let user, let previousUser, let via):
      json.add("user", user.text)
      json.add("previous_user", previousUser.text)
      json.add("via", via.rawValue)
    case .deviceDissociated(_, let previousUser):
      json.add("previous_user", previousUser.text)
    case .codeIssued(_, let code, let expiresAt):
      json.add("code", "\(code.text.prefix(AssociationCode.shownDigitCount))…")
      json.add("expires_at", expiresAt)
    case .codeTried(let user, let attempt, let refusal):
      json.add("user", user.text)
      json.add("attempt", attempt)
      json.add("refusal", refusal)
    case .announcementConfirmed(_, let stateLSN):
      json.add("state_lsn", stateLSN)
    case .userCreated(let user, let name, let isAdmin, let isActive):
      json.add("user", user.text)
      json.add("name", name)
      json.add("is_admin", isAdmin)
      json.add("is_active", isActive)
    case .userDeleted(let user):
      json.add("user", user.text)
    case .userPasswordSet(let user, let hash):
      json.add("user", user.text)
      json.add("has_password", !hash.isEmpty)
    case .userFieldChanged(let user, let field, let value):
      json.add("user", user.text)
      json.add("field", field)
      json.add("value", raw: value.json)
    case .tokenIssued(let grant):
      json.add("public_id", grant.publicID)
      json.add("role", grant.role.rawValue)
      json.add("expires_at", grant.expiresAt)
      if let user = grant.user { json.add("user", user.text) }
      if !grant.label.isEmpty { json.add("label", grant.label) }
    case .tokenRevoked(let publicID):
      json.add("public_id", publicID)
    case .credentialsIssued(let grant):
      json.add("mqtt_username", grant.username)
      json.add("overlap", grant.overlapNanos)
    case .credentialsRevoked: break
    case .commandSent, .commandPublished, .commandAnswered, .commandEnded: addCommand(to: &json)
    case .typeDeclared(let schema, let label, let details):
      json.add("table", schema.id)
      json.add("name", schema.name)
      json.add("label", label)
      json.add("default_span", schema.defaultSpanNanos)
      json.add("columns", raw: "[" + schema.columns.map(\.json).joined(separator: ",") + "]")
      details.add(to: &json)
    case .typeSettingChanged(let type, let key, let value):
      json.add("type", type)
      json.add("key", key)
      json.add("value", value)
    case .tableDropped(let table, let rows, let bytes):
      json.add("table", table)
      json.add("rows", rows)
      json.add("bytes", bytes)
    case .retentionSet(let table, let floor):
      json.add("table", table)
      json.add("floor", floor)
    case .readingsDeleted(let table, let spans, let rows, let bytes):
      json.add("table", table)
      json.add("rows", rows)
      json.add("bytes", bytes)
      json.add("spans", raw: SeriesSpans.json(spans))
    case .conflictResolved(let series, let time, let chosenLSN):
      json.add("table", series.table)
      json.add("probe", series.probe)
      json.add("time", time)
      json.add("chosen_lsn", chosenLSN)
    case .quarantineSettled(let table, let spans, let action, let shift, let rows):
      json.add("table", table)
      json.add("action", action.rawValue)
      json.add("shift", shift)
      json.add("rows", rows)
      json.add("spans", raw: SeriesSpans.json(spans))
    case .rollupDeclared(let table, let every, let columns):
      json.add("table", table)
      json.add("every", every)
      json.add("columns", raw: "[" + columns.map { "\($0)" }.joined(separator: ",") + "]")
    case .rollupDropped(let table, let every):
      json.add("table", table)
      json.add("every", every)
    }
    return json.closed
  }
}

extension SeriesSpans {
  /// `[{"device":…,"probe":…,"times":[[first,last],…]},…]`
  static func json(_ spans: [SeriesSpans]) -> String {
    let items = spans.map { span in
      var json = JSONText()
      json.add("device", span.device)
      json.add("probe", span.probe)
      let times = span.times.map { "[\($0.lowerBound),\($0.upperBound)]" }
      json.add("times", raw: "[" + times.joined(separator: ",") + "]")
      return json.closed
    }
    return "[" + items.joined(separator: ",") + "]"
  }
}

extension FieldValue {
  package var json: String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .int(let value): "\(value)"
    case .float(let value): JSONText.number(value)
    case .text(let value): JSONText.quoted(value)
    // Kept as it came, checked by whoever took it; as a string it is valid JSON whatever it holds.
    case .json(let value): JSONText.quoted(value)
    }
  }
}

extension ColumnSchema {
  var json: String {
    var json = JSONText()
    json.add("id", id)
    json.add("name", name)
    json.add("type", "\(type)")
    if !unit.isEmpty { json.add("unit", unit) }
    if let minimum { json.add("minimum", raw: shown(minimum)) }
    if let maximum { json.add("maximum", raw: shown(maximum)) }
    return json.closed
  }

  private func shown(_ slot: Int64) -> String {
    type == .float ? JSONText.number(Double(bitPattern: UInt64(bitPattern: slot))) : "\(slot)"
  }
}

extension Event {
  /// The whole event as one JSON object.
  package var json: String {
    var json = JSONText()
    json.add(membersOf: self)
    return json.closed
  }
}

extension JSONText {
  package mutating func add(membersOf event: Event) {
    add("lsn", event.lsn)
    add("id", event.id.text)
    add("recorded_at", event.recordedAt)
    add("effective_at", event.effectiveAt)
    add("kind", event.kind.name)
    add("actor", event.actor.id.isEmpty ? event.actor.kind.rawValue : "\(event.actor.kind.rawValue):\(event.actor.id)")
    if event.cause.lsn != 0 { add("cause_lsn", event.cause.lsn) }
    if !event.cause.message.isEmpty { add("cause", event.cause.message) }
    if !event.cause.reason.isEmpty { add("reason", event.cause.reason) }
    if !event.correlation.isEmpty { add("correlation", event.correlation) }
    add("payload", raw: event.kind.json)
  }
}
