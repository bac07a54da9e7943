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
