import Ingest
import Synchronization
import TSEngine

/// States that lamps report (L-41), as records: durable before the messages are acknowledged. A bridge delivers
/// late and possibly twice, and a retained state comes again at every subscription: one that is the device's
/// newest already is no news.
package final class LampStates: Sendable {
  /// What tsq calls itself in what it asks of lamps (L-42).
  package static let ownClient = "tsq"
  /// Records looked through for the newest states, after a start.
  private static let lookLimit = 20_000

  private struct State: Sendable, Equatable {
    var client: String
    var fields: [ReportedField]
  }

  private let store: Store
  private let metrics: ServerMetrics
  private let log: @Sendable (String) -> Void
  /// The newest of each device, as far as it was heard of since the start.
  private let newest = Mutex<[String: State]>([:])
  /// One at a time: several brokers share the states.
  private let turn = Mutex(())

  package init(_ store: Store, _ metrics: ServerMetrics, log: @escaping @Sendable (String) -> Void) {
    self.store = store
    self.metrics = metrics
    self.log = log
  }

  /// - Throws: as the store; then nothing of `messages` was recorded.
  package func take(_ messages: [MQTTMessage]) throws(StorageError) {
    try turn.withLock { _ throws(StorageError) in try takeInTurn(messages) }
  }

  private func takeInTurn(_ messages: [MQTTMessage]) throws(StorageError) {
    var reports: [(device: String, state: State, isRetained: Bool)] = []
    for message in messages {
      // A retained message that was cleared is nothing (L-27).
      guard let device = LampTopic.device(ofChanged: message.topic), !message.payload.isEmpty || message.isOversized
      else { continue }
      guard isLamp(device), let state = LampState(message.payload) else {
        metrics.add(.statesRefused)
        log("Ignored what \(message.topic.prefix(160)) says: \(isLamp(device) ? "not a lamp's state" : "no such lamp")")
        continue
      }
      reports.append((device, State(client: state.client, fields: state.fields), message.retained))
    }
    guard !reports.isEmpty else { return }
    var known = newest.withLock { newest in
      Dictionary(reports.compactMap { report in newest[report.device].map { (report.device, $0) } }) { $1 }
    }
    let unheard = Set(reports.filter { $0.isRetained && known[$0.device] == nil }.map(\.device))
    if !unheard.isEmpty { known.merge(recorded(unheard)) { old, _ in old } }
    let now = store.options.clock.nowNanos()
    var records: [OperationalRecord] = []
    for report in reports where known[report.device] != report.state {
      known[report.device] = report.state
      records.append(
        OperationalRecord(
          recordedAt: now,
          kind: .stateReported(device: report.device, client: report.state.client, fields: report.state.fields)))
    }
    if !records.isEmpty { _ = try store.record(records) }
    metrics.add(.statesRecorded, records.count)
    let heard = known
    newest.withLock { $0.merge(heard) { $1 } }
  }

  /// Over a damaged registry nobody is sure; what comes in is kept.
  private func isLamp(_ device: String) -> Bool {
    guard DeviceID.isLampi(device) else { return false }
    guard let registry = try? store.wholeRegistry() else { return true }
    return registry.devices[device]?.type == DeviceType.lampi
  }

  /// The newest recorded states of `devices`, as far as the newest records tell.
  private func recorded(_ devices: Set<String>) -> [String: State] {
    var (found, looked) = ([String: State](), 0)
    _ = try? store.snapshot().newestRecords(limit: 1) { record in
      looked += 1
      if case .stateReported(let device, let client, let fields) = record.kind, devices.contains(device),
        found[device] == nil
      {
        found[device] = State(client: client, fields: fields)
      }
      return found.count == devices.count || looked == Self.lookLimit
    }
    return found
  }
}
