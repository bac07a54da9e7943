import Glibc

/// A message that came in. Its QoS ≥ 1 acknowledgement is held until the handler has it durable.
package struct MQTTMessage: Sendable {
  package var topic: String
  /// Empty when `isOversized`.
  package var payload: [UInt8]
  package var qos: Int32
  package var retained: Bool
  /// Packet id, 0 at QoS 0. With a hash of the payload it tells a redelivery from a new message.
  package var packetID: UInt16
  /// Larger than `MQTTOptions.maximumPayloadByteCount`, or its properties are; neither was kept.
  package var isOversized = false
  package static let oversizedText = "larger than 256 KiB, or with more than 16 KiB of properties"
  /// MQTT 5: where the answer goes, and what it carries along.
  package var responseTopic: String?
  package var correlationData: [UInt8]?
  package var contentType: String?
  package var userProperties: [(name: String, value: String)] = []
}

extension MQTTMessage {
  /// Bytes of what came along beside topic and payload.
  var propertyByteCount: Int {
    (responseTopic?.utf8.count ?? 0) + (contentType?.utf8.count ?? 0) + (correlationData?.count ?? 0)
      + userProperties.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 16 }
  }

  /// Makes it one that is too large.
  mutating func dropContent() {
    isOversized = true
    (payload, userProperties, contentType, correlationData, responseTopic) = ([], [], nil, nil, nil)
  }
}

/// A message to send.
package struct MQTTPublication: Sendable {
  package var topic: String
  package var payload: [UInt8]
  /// 0, 1 or 2.
  package var qos: Int32
  package var retain: Bool
  /// Sent along on MQTT 5 only.
  package var correlationData: [UInt8]?
  package var responseTopic: String?

  /// Wall time in nanoseconds from which on it is not sent any more; MQTT 5 tells the broker too.
  package var expiresAt: Int64?

  package init(
    topic: String, payload: [UInt8], qos: Int32 = 0, retain: Bool = false,
    correlationData: [UInt8]? = nil
  ) {
    self.topic = topic
    self.payload = payload
    self.qos = qos
    self.retain = retain
    self.correlationData = correlationData
  }
}

extension MQTTPublication {
  /// Until it expires, rounded up; nil when it never does.
  var secondsLeft: UInt32? {
    expiresAt.map { expiresAt in
      var now = timespec()
      // SAFETY: one timespec is written.
      _ = unsafe clock_gettime(CLOCK_REALTIME, &now)
      let left = expiresAt.subtractingReportingOverflow(Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec))
      return left.overflow || left.partialValue <= 0 ? 0 : UInt32(clamping: (left.partialValue - 1) / 1_000_000_000 + 1)
    }
  }
}

/// What became of a batch of messages.
package enum MQTTOutcome: Sendable {
  /// Everything that is to be kept is durable: acknowledge, and send these answers.
  case committed([MQTTPublication])
  /// These could not be settled yet: hand them, and nothing else of the batch, over again after a
  /// pause. `answers` are those of the rest.
  case retry([MQTTMessage], afterMillis: Int, answers: [MQTTPublication] = [])
}

/// What a person running the loop wants to know.
package enum MQTTEvent: Sendable, Equatable {
  case connecting
  case connected(sessionPresent: Bool)
  case subscribed(filter: String, grantedQoS: Int32)
  /// The broker will not let us subscribe.
  case subscriptionRefused(filter: String)
  /// A filter of an earlier start, which is none of ours any more.
  case unsubscribed(filter: String)
  /// The broker is absent, or refused us; the next try is after a pause.
  case connectionFailed(reason: String, retryMillis: Int)
  case disconnected(reason: String)
}

package struct MQTTOptions: Sendable {
  package enum ProtocolVersion: Sendable { case v311, v5 }

  package var host: String
  package var port: Int32
  /// Stable over restarts: the broker keeps the session, and what we missed, under this name.
  package var clientID: String
  /// Without it the broker forgets us when we are gone: for those who miss nothing then.
  package var keepsSession = true
  package var username: String?
  package var password: String?
  /// Nil: as it is, unencrypted.
  package var tls: MQTTTLS?
  /// MQTT 5 falls back to 3.1.1 when the broker does not speak it.
  package var version = ProtocolVersion.v5
  /// Topic filters, subscribed at QoS 1 (a QoS 2 subscription loses at a kill, RELIABILITY 1.1).
  package var filters: [String] = []
  package var keepAliveSeconds: Int32 = 60
  /// Messages handed over at once, at most.
  package var batchLimit = 2_000
  /// Payload bytes handed over at once, about.
  package var batchByteLimit = 8 << 20
  package var maximumPayloadByteCount = 256 << 10
  /// Publications waiting for a connection, at most.
  package var outgoingLimit = 10_000
  package var firstRetryMillis = 100
  package var lastRetryMillis = 10_000

  /// Retained, QoS 2: `1` while we are connected, `0` by our Will when not. Nil tells nobody.
  package var stateTopic: String?
  /// Retained: the filters of our session, a line each. Those of an earlier start that are not among `filters` any more
  /// are ended by it, as a broker keeps them for ever. Nil ends none.
  package var filtersTopic: String?

  package init(host: String, port: Int32 = 1883, clientID: String) {
    self.host = host
    self.port = port
    self.clientID = clientID
  }
}
