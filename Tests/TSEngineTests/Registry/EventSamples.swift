@testable import TSEngine

/// One event of each kind, its bytes in `goldenEvents`.
enum EventSamples {
  static let code = AssociationCode(high: 0x0123_4567_89ab_cdef, low: 0xfedc_ba98_7654_3210)
  static let alice = UserID(0x1122_3344_5566_7788)

  static func event(_ kind: EventKind) -> Event {
    Event(
      lsn: 7, id: EventID(high: 0x0102_0304_0506_0708, low: 0x1112_1314_1516_1718),
      recordedAt: 1_700_000_000_000_000_000, effectiveAt: 1_699_999_999_999_999_950,
      actor: Actor(.daemon, "discovery"), cause: Cause(lsn: 3, message: "t/1", reason: "why"),
      correlation: "req-1", kind: kind)
  }

  static let kinds: [EventKind] = [
    .deviceDiscovered(
      device: "b827eb08451e", type: "lampi", name: "My LAMPI", interface: "mqtt"),
    .deviceCreated(device: "gresystem000001", type: "power", name: "Küche"),
    .deviceRenamed(device: "a", name: ""),
    .deviceFieldChanged(device: "a", field: "x", value: .null),
    .deviceFieldChanged(device: "a", field: "x", value: .bool(false)),
    .deviceFieldChanged(device: "a", field: "x", value: .int(.min)),
    .deviceFieldChanged(device: "a", field: "x", value: .float(-0.0)),
    .deviceFieldChanged(device: "a", field: "x", value: .text("")),
    .deviceFieldChanged(device: "a", field: "x", value: .json("{}")),
    .deviceDeleted(device: "a"),
    .deviceAssociated(device: "a", user: alice, previousUser: .parked, via: .claim),
    .deviceAssociated(device: "a", user: alice, previousUser: .parked, via: .admin),
    .deviceDissociated(device: "a", previousUser: alice),
    .codeIssued(device: "a", code: code, expiresAt: 1_700_000_600_000_000_000),
    .codeTried(user: alice, attempt: 3, refusal: "invalidCode"),
    .announcementRequested(device: "a"),
    .announcementConfirmed(device: "a", stateLSN: 300),
    .userCreated(user: alice, name: "alice", isAdmin: true, isActive: true),
    .userDeleted(user: alice),
    .userPasswordSet(user: alice, hash: "$argon2id$v=19$x"),
    .userFieldChanged(user: alice, field: "is_admin", value: .bool(true)),
    .tokenIssued(
      TokenGrant(
        publicID: "pub", hmac: Array(0..<32), role: .device,
        expiresAt: 1_700_000_600_000_000_000, user: alice, device: "a", label: "l")),
    .tokenRevoked(publicID: "pub"),
    .typeDeclared(
      schema: TableSchema(
        id: 16, name: "weather",
        columns: [
          ColumnSchema(id: 1, name: "temperature", type: .float, unit: "°C", minimum: -80, maximum: 80),
          ColumnSchema(id: 2, name: "raining", type: .bool),
          ColumnSchema(id: 3, name: "hum", type: .int), ColumnSchema(id: 4, name: "s", type: .symbol),
          ColumnSchema(id: 5, name: "t", type: .text),
        ], defaultSpanNanos: 1_000_000_000), label: "Weather Station"),
    .typeSettingChanged(type: "power", key: "voltage.wire", value: "1V"),
    .retentionSet(table: 1, floor: 1_700_000_000_000_000_000),
    .readingsDeleted(
      table: 16,
      spans: [
        SeriesSpans(device: "a", probe: -1, times: [.min ... .max]),
        SeriesSpans(
          device: "b", probe: 2,
          times: [
            1_700_000_000_000_000_000...1_700_000_000_950_000_000,
            1_700_000_002_000_000_000...1_700_000_002_000_000_000,
          ]),
      ], rows: 60, bytes: 1234),
    .conflictResolved(
      series: SeriesKey(table: 1, device: "a", probe: 3), time: 1_700_000_000_000_000_000,
      chosenLSN: 300),
    .quarantineSettled(table: 1, spans: [absurd], action: .released, shift: -5, rows: 1),
    .quarantineSettled(table: 1, spans: [absurd], action: .dropped, shift: 0, rows: 1),
    .rollupDeclared(table: 1, every: 900_000_000_000, columns: [1, 3]),
    .rollupDropped(table: 1, every: 900_000_000_000),
    .credentialsIssued(
      CredentialGrant(
        device: "a", username: "tsq-powerdevice-a",
        secrets: DeviceSecrets(passwordHash: "$7$1$c2FsdA==$aGFzaA==", apiKeyHMAC: Array(0..<32)),
        overlapNanos: 600_000_000_000)),
    .credentialsRevoked(device: "a"),
    .deviceStatusChanged(device: "a", status: .lowBattery, lastSeen: 1_700_000_000_000_000_000),
    .deviceStatusChanged(device: "a", status: .offline, lastSeen: nil),
    .deviceStatusChanged(device: "a", status: .error, lastSeen: nil, previous: .online),
    .typeDeclared(
      schema: TableSchema(
        id: 16, name: "w", columns: [ColumnSchema(id: 1, name: "t", type: .float)], defaultSpanNanos: 1),
      label: "", details: details),
    .typeDeclared(
      schema: TableSchema(id: 0, name: "p", columns: [], defaultSpanNanos: 1), label: "", details: abstract),
    .commandSent(
      CommandOrder(
        id: "0f", device: "a", name: "set", payload: "{}", broker: "default", expiresAt: 1_700_000_000_000_000_000,
        answerNanos: 30)),
    .commandPublished(id: "0f", device: "a"),
    .commandAnswered(id: "0f", device: "a", isDone: true, answer: "{}"),
    .commandEnded(id: "0f", device: "a", end: .timedOut, reason: "r"),
  ]

  private static var details: TypeDetails {
    var details = TypeDetails()
    details.parent = "p"
    details.states = [
      StateField(name: "m", type: .string, defaultValue: .text("a"), choices: [.text("a"), .text("b")])
    ]
    details.commands = [
      CommandSchema(name: "set", parameters: [.init(name: "i", type: .int)]), CommandSchema(name: "go"),
    ]
    details.meta.broker = "plant"
    details.meta.heartbeatSeconds = 60
    return details
  }

  private static var abstract: TypeDetails {
    var details = TypeDetails()
    details.isAbstract = true
    return details
  }

  private static let absurd = SeriesSpans(
    device: "a", probe: 1, times: [4_000_000_000_000_000_000...4_000_000_000_000_000_000])

  static let records: [OperationalKind] = [
    .connectionChanged(
      device: "b827eb08451e", interface: "mqtt", connected: true, source: "default"),
    .messageReceived(message),
    .messageProcessed(messageLSN: 9, error: "bad status"),
    .clockSynced(device: "a", offset: -5, roundTrip: 12),
    .authenticationFailed(
      interface: "http", credential: "pub", address: "127.0.0.1", reason: "wrong secret"),
    .callRecorded(
      RecordedCall(
        device: "GRE000205", .result, id: "19223201", name: "BootNotification",
        body: #"{"status":"Accepted"}"#, isSent: true)),
    .stateReported(
      device: "b827eb08451e", client: "lamp_ui",
      fields: [ReportedField("color.h", .float(0.25)), ReportedField("on", .bool(true)), ReportedField("x", .null)]),
  ]

  private static var message: ReceivedMessage {
    var message = ReceivedMessage(
      device: "a", interface: "mqtt", topic: "things/x/a/data", payload: [0, 255, 1])
    message.frameLSN = 4
    message.extras = "{}"
    message.version = "221013"
    message.deviceTime = 1_700_000_000_000_000_000
    message.contentType = "application/json"
    message.correlation = [9]
    message.userProperties = [.init(name: "k", value: "v"), .init(name: "k", value: "w")]
    message.qos = 2
    message.retained = true
    message.duplicate = true
    message.packetID = 65_535
    return message
  }
}
