import Ingest
import Synchronization
import TSEngine

/// The outbox of association messages (L-21, L-30). Publishes what the log says and no broker is
/// known to have, after the commit; records when every broker has confirmed it. At a start it
/// begins with what was never confirmed.
package final class Announcer: Sendable {
  /// Hands a publication to one broker; false when its queue is full.
  package typealias Publish =
    @Sendable (MQTTPublication, _ confirmed: @escaping @Sendable (Bool) -> Void) -> Bool

  private struct State: Sendable {
    /// By device: the state that is on its way, and the brokers that have not confirmed it.
    var underway: [String: (stateLSN: LSN, waiting: Set<Int>)] = [:]
    var confirmed: [(device: String, stateLSN: LSN)] = []
  }

  private let store: Store
  private let metrics: ServerMetrics
  private let brokers: [Publish]
  private let state = Mutex(State())
  private let thread = DaemonThread()

  package init(_ store: Store, _ metrics: ServerMetrics, brokers: [Publish]) {
    self.store = store
    self.metrics = metrics
    self.brokers = brokers
  }

  package func start() throws {
    guard !brokers.isEmpty else { return }
    try thread.start("tsq-announce", of: store, last: { [weak self] in self?.recordConfirmed() }) { [weak self] in
      self?.step() ?? .done
    }
  }

  /// The registry has changed, or a broker is there again.
  package func wake() { thread.wake() }

  package func stop() { thread.stop() }

  private func step() -> StepOutcome {
    recordConfirmed()
    // Who a device belongs to is not told by what is left of a damaged registry.
    guard let announcements = try? store.wholeRegistry().announcements else { return .idle(nanos: 1_000_000_000) }
    if announcements.hasPending { for entry in announcements.pending() { publish(entry) } }
    return .idle(nanos: 1_000_000_000)
  }

  private func publish(_ entry: Announcements.Entry) {
    let (device, stateLSN) = (entry.device, entry.stateLSN)
    let isNew = state.withLock { state in
      guard state.underway[device]?.stateLSN != stateLSN else { return false }
      state.underway[device] = (stateLSN, Set(brokers.indices))
      return true
    }
    guard isNew else { return }
    let publication = MQTTPublication(
      topic: entry.topic, payload: Array(entry.state.payload.utf8), qos: 2, retain: true)
    for (index, publish) in brokers.enumerated() {
      let queued = publish(publication) { [weak self] ok in
        self?.answered(device, stateLSN, broker: index, ok)
      }
      // Tried again at the next step.
      if !queued { forget(device, stateLSN) }
    }
  }

  private func answered(_ device: String, _ stateLSN: LSN, broker: Int, _ ok: Bool) {
    guard ok else { return forget(device, stateLSN) }
    let isDone = state.withLock { state in
      guard var entry = state.underway[device], entry.stateLSN == stateLSN else { return false }
      entry.waiting.remove(broker)
      state.underway[device] = entry
      guard entry.waiting.isEmpty else { return false }
      state.confirmed.append((device, stateLSN))
      return true
    }
    if isDone { wake() }
  }

  private func forget(_ device: String, _ stateLSN: LSN) {
    state.withLock { if $0.underway[device]?.stateLSN == stateLSN { $0.underway[device] = nil } }
  }

  private func recordConfirmed() {
    let confirmed = state.withLock { state in
      defer { state.confirmed.removeAll() }
      return state.confirmed
    }
    guard !confirmed.isEmpty else { return }
    do throws(StorageError) {
      _ = try store.decide(actor: Actor.daemon) { registry, context in
        var current = registry
        var decision = Decision<Void>(events: [], result: .success(()))
        for (device, stateLSN) in confirmed {
          let events = current.confirmAnnouncement(of: device, stateLSN: stateLSN, context).events
          current = current.after(events)
          decision.events += events
        }
        return decision
      }
      metrics.add(.announcements, confirmed.count)
      for (device, stateLSN) in confirmed { forget(device, stateLSN) }
    } catch {
      // Not recorded: it stays pending and is published again, which changes nothing.
      for (device, stateLSN) in confirmed { forget(device, stateLSN) }
    }
  }
}
