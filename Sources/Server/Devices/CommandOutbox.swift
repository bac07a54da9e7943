import Ingest
import Synchronization
import TSEngine

/// Publishes commands after the commit, records when the broker has them, and ends those that are not
/// published or answered in time (D-24). At a start it begins with what was never confirmed, so a device may get
/// a command twice, under one correlation id.
package final class CommandOutbox: Sendable {
  /// Hands a publication to one broker; false when its queue is full.
  package typealias Publish =
    @Sendable (MQTTPublication, _ confirmed: @escaping @Sendable (Bool) -> Void) -> Bool

  private struct State: Sendable {
    var underway: Set<String> = []
    var confirmed: [String] = []
  }

  private static let pauseNanos: Int64 = 1_000_000_000

  private let store: Store
  private let prefix: String
  /// By name; `default` is the first where none is called so.
  private let brokers: [String: Publish]
  private let state = Mutex(State())
  private let thread = DaemonThread()

  package init(_ store: Store, prefix: String, brokers: [(name: String, publish: Publish)]) {
    self.store = store
    self.prefix = prefix
    var named = Dictionary(brokers.map { ($0.name, $0.publish) }) { first, _ in first }
    if let first = brokers.first, named["default"] == nil { named["default"] = first.publish }
    self.brokers = named
  }

  package var brokerNames: Set<String> { Set(brokers.keys) }

  package func start() throws(StorageError) {
    try thread.start("tsq-commands", of: store, last: { [weak self] in self?.recordConfirmed() }) { [weak self] in
      self?.step()
      return .idle(nanos: Self.pauseNanos)
    }
  }

  package func wake() { thread.wake() }

  package func stop() { thread.stop() }

  /// Looks at registry and clock once. Over a damaged registry nothing is sent.
  package func step() {
    recordConfirmed()
    guard let registry = try? store.wholeRegistry(), !registry.commands.isEmpty else { return }
    let now = store.options.clock.nowNanos()
    var ended: [(id: String, end: CommandEnd, reason: String)] = []
    for open in registry.commands.sorted() {
      let order = open.order
      if now >= open.dueAt {
        ended.append((order.id, open.publishedAt == nil ? .expired : .timedOut, ""))
      } else if open.publishedAt == nil {
        guard let publish = brokers[order.broker] else {
          ended.append((order.id, .failed, "there is no broker \(order.broker)"))
          continue
        }
        guard let type = registry.devices[order.device]?.type else { continue }
        send(order, type, by: publish)
      }
    }
    guard !ended.isEmpty else { return }
    let wanted = ended
    _ = try? store.decide(actor: Actor(.daemon, "commands")) { registry, context in
      Self.each(wanted, registry) { $0.endCommand($1.id, $1.end, reason: $1.reason, context) }
    }
  }

  private func send(_ order: CommandOrder, _ type: String, by publish: Publish) {
    guard state.withLock({ $0.underway.insert(order.id).inserted }) else { return }
    let base = "\(prefix)/\(type)/\(order.device)"
    var publication = MQTTPublication(
      topic: "\(base)/cmd", payload: Array(order.message.utf8), qos: 1, correlationData: Array(order.id.utf8))
    publication.responseTopic = "\(base)/ack"
    publication.expiresAt = order.expiresAt
    let queued = publish(publication) { [weak self] ok in self?.answered(order.id, ok) }
    // Tried again at the next step.
    if !queued { state.withLock { _ = $0.underway.remove(order.id) } }
  }

  private func answered(_ id: String, _ ok: Bool) {
    state.withLock { state in
      if ok { state.confirmed.append(id) } else { state.underway.remove(id) }
    }
    if ok { wake() }
  }

  private func recordConfirmed() {
    let confirmed = state.withLock { state in
      defer { state.confirmed.removeAll() }
      return state.confirmed
    }
    guard !confirmed.isEmpty else { return }
    do throws(StorageError) {
      _ = try store.decide(actor: Actor(.daemon, "commands")) { registry, context in
        Self.each(confirmed, registry) { $0.confirmCommand($1, context) }
      }
      state.withLock { $0.underway.subtract(confirmed) }
    } catch {
      // The broker has them: recorded at the next step.
      state.withLock { $0.confirmed += confirmed }
    }
  }

  private static func each<Item>(
    _ items: [Item], _ registry: Registry, _ decide: (Registry, Item) -> Decision<Void>
  ) -> Decision<Void> {
    var current = registry
    var events: [Event] = []
    for item in items {
      let taken = decide(current, item).events
      events += taken
      current = current.after(taken)
    }
    return Decision(events: events, result: .success(()))
  }
}
