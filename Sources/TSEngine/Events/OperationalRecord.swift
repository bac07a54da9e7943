/// What happens all the time: connections, messages, clock offsets. Rows of system tables in the
/// same log as events, with a retention of their own; the registry's digest does not cover them.
package struct OperationalRecord: Sendable, Equatable {
  /// Its place in the log; 0 until the log has given one. Not part of its bytes.
  package var lsn: LSN
  package var recordedAt: Int64
  package var kind: OperationalKind

  package init(lsn: LSN = 0, recordedAt: Int64, kind: OperationalKind) {
    self.lsn = lsn
    self.recordedAt = recordedAt
    self.kind = kind
  }
}

package enum OperationalKind: Sendable, Equatable {
  /// A device came or went (L-12). Recorded on a change only (L-14).
  case connectionChanged(device: String, interface: String, connected: Bool, source: String)
  case messageReceived(ReceivedMessage)
  /// An empty error means success.
  case messageProcessed(messageLSN: LSN, error: String)
  /// Server clock minus device clock, and the round trip, in nanoseconds.
  case clockSynced(device: String, offset: Int64, roundTrip: Int64)
  /// `credential` is a public id or a user name, never a secret.
  case authenticationFailed(
    interface: String, credential: String, address: String, reason: String)
  case callRecorded(RecordedCall)
  /// A device's state (L-41), field by field, as sent; `client` brought it about.
  case stateReported(device: String, client: String, fields: [ReportedField])

  package var name: String {
    switch self {
    case .connectionChanged(_, _, let connected, _):
      connected ? "device.connected" : "device.disconnected"
    case .messageReceived: "message.received"
    case .messageProcessed: "message.processed"
    case .clockSynced: "clock.synced"
    case .authenticationFailed: "authentication.failed"
    case .callRecorded: "call.recorded"
    case .stateReported: "state.reported"
    }
  }

  /// The field of `OperationalRecord` that holds a kind, by the kind's name (events.proto).
  static let fields: [String: Int] = [
    "device.connected": 20, "device.disconnected": 20, "message.received": 21, "message.processed": 22,
    "clock.synced": 23, "authentication.failed": 24, "call.recorded": 30, "state.reported": 60,
  ]

  /// All names.
  static let names = Set(fields.keys)

  /// The device it is about, or nil.
  package var device: String? {
    switch self {
    case .connectionChanged(let device, _, _, _), .clockSynced(let device, _, _), .stateReported(let device, _, _): device
    case .messageReceived(let message): message.device
    case .callRecorded(let call): call.device
    case .messageProcessed, .authenticationFailed: nil
    }
  }

  /// What happened, as a JSON object. Times are integers, nanoseconds since the Unix epoch. Of a message what it is,
  /// not what it says.
  package var json: String {
    var json = JSONText()
    if let device { json.add("device", device) }
    switch self {
    case .connectionChanged(_, let interface, _, let source):
      json.add("interface", interface)
      json.add("source", source)
    case .messageReceived(let message):
      json.add("interface", message.interface)
      json.add("topic", message.topic)
      if !message.version.isEmpty { json.add("version", message.version) }
      if message.deviceTime != 0 { json.add("device_time", message.deviceTime) }
      if message.frameLSN != 0 { json.add("frame_lsn", message.frameLSN) }
      if !message.payload.isEmpty { json.add("bytes", message.payload.count) }
    case .messageProcessed(let lsn, let error):
      json.add("message_lsn", lsn)
      if !error.isEmpty { json.add("error", error) }
    case .clockSynced(_, let offset, let roundTrip):
      json.add("offset", offset)
      json.add("round_trip", roundTrip)
    case .authenticationFailed(let interface, let credential, let address, let reason):
      json.add("interface", interface)
      json.add("credential", credential)
      json.add("address", address)
      json.add("reason", reason)
    case .callRecorded(let call):
      json.add("id", call.id)
      json.add("name", call.name)
      json.add("sent", call.isSent)
    case .stateReported(_, let client, let fields):
      json.add("client", client)
      for field in fields { json.add(field.name, raw: field.value.json) }
    }
    return json.closed
  }
}

/// A message as it came in, stored before it is processed (D-20). Secrets in it are masked
/// before it gets here.
package struct ReceivedMessage: Sendable, Equatable {
  package struct Property: Sendable, Equatable {
    package var name: String
    package var value: String
    package init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }
  package var device: String
  package var interface: String
  package var topic: String
  /// Empty for a frame: `frameLSN` finds its samples, which are not stored twice.
  package var payload: [UInt8]
  package var frameLSN: LSN = 0
  /// A JSON object of the keys that the frame's reader did not know (P-10), or empty.
  package var extras = ""
  package var version = ""
  /// Nanoseconds since the Unix epoch by the device's clock, or 0.
  package var deviceTime: Int64 = 0
  package var contentType = ""
  package var correlation: [UInt8] = []
  package var userProperties: [Property] = []
  package var qos: UInt8 = 0
  package var retained = false
  package var duplicate = false
  package var packetID: UInt16 = 0

  package init(device: String, interface: String, topic: String, payload: [UInt8] = []) {
    self.device = device
    self.interface = interface
    self.topic = topic
    self.payload = payload
  }
}

/// One message of the dialect of calls that carries no readings (P-25).
package struct RecordedCall: Sendable, Equatable {
  package enum Direction: UInt8, Sendable {
    case call = 2
    case result = 3
    case error = 4
  }
  package var device: String
  package var direction: Direction
  package var id: String
  /// Of a result the name of its call.
  package var name: String
  /// JSON, as it went.
  package var body: String
  /// By tsq; else by the device.
  package var isSent: Bool

  package init(
    device: String, _ direction: Direction, id: String, name: String, body: String, isSent: Bool
  ) {
    self.device = device
    self.direction = direction
    self.id = id
    self.name = name
    self.body = body
    self.isSent = isSent
  }
}

package struct ReportedField: Sendable, Equatable {
  package var name: String
  package var value: FieldValue

  package init(_ name: String, _ value: FieldValue) {
    self.name = name
    self.value = value
  }
}
