/// The first thing wrong with a request, and where: nothing of the request is stored.
package struct FrameError: Error, Equatable, Sendable {
  /// Where in the body, as `[3].data[1].pf[7]`; empty for the body as a whole.
  package var path: String
  package var reason: String
  package var kind: Fault.Kind
  /// The `timestamp` of the frame at fault as it was written, when it came before the fault;
  /// MQTT answers name it.
  package var timestamp: String?

  package init(path: String, reason: String, kind: Fault.Kind, timestamp: String? = nil) {
    self.path = path
    self.reason = reason
    self.kind = kind
    self.timestamp = timestamp
  }
}

/// What a frame says beside its samples.
package struct FrameInfo: Equatable, Sendable {
  package var sensorID: String
  package var version: String?
  /// For the caller to check, never to store.
  package var token: String?
  /// `timestamp` as it was written (JSON), for the answer.
  package var timestampText: String
  /// Nanoseconds since the Unix epoch of the frame's first sample.
  package var startNanos: Int64
  package var rowCount: Int
  /// The unknown keys, as one JSON object; those of probes under `data`, by position (P-10).
  package var extras: String?
}
