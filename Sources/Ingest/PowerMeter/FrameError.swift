import TSEngine

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
  /// The store has never seen `version`: the frame's rows hold a placeholder until `internVersions`.
  package var hasNewVersion = false
  /// The unknown keys, as one JSON object; those of probes under `data`, by position (P-10).
  package var extras: String?
}

extension FrameInfo {
  /// What stands for the version of the frame at `position` of a request; codes are from 0 on.
  static func placeholder(_ position: Int) -> Int64 { -1 - Int64(position) }
}

extension FrameBatch {
  /// Gives versions that the store has never seen their codes. To be called once the frames are
  /// admitted, and before the batch is stored: codes live as long as the process, so a stranger
  /// gets none. `infos` are those of the batch, all of them.
  package mutating func internVersions(of infos: [FrameInfo], in symbols: SymbolTable) {
    guard infos.contains(where: \.hasNewVersion),
      let column = TableSchema.power.columns.first(where: { $0.name == "version" })?.id
    else { return }
    mapConstants(of: column) { code in
      guard code < 0 else { return code }
      return symbols.code(of: infos[Int(-1 - code)].version ?? "")
    }
  }
}
