import Synchronization
import TSEngine

/// Turns devices offline that have not been heard of for too long, each once and by one event (D-13).
package final class HeartbeatWatch: Sendable {
  private static let pauseNanos: Int64 = 1_000_000_000

  private let store: Store
  private let log: @Sendable (String) -> Void
  /// Since when it listens: that a server was away is not its devices' silence.
  private let since = Mutex<Int64?>(nil)
  private let thread = DaemonThread()

  package init(_ store: Store, log: @escaping @Sendable (String) -> Void) {
    self.store = store
    self.log = log
  }

  package func start() throws(StorageError) {
    let now = store.options.clock.nowNanos()
    since.withLock { $0 = now }
    try thread.start("tsq-heartbeat", of: store, yields: true) { [weak self] in
      self?.step()
      return .idle(nanos: Self.pauseNanos)
    }
  }

  package func stop() { thread.stop() }

  /// Looks at the clock once. Over a damaged registry, or a store that takes nothing, it does nothing and
  /// the next step tries again.
  package func step() {
    let now = store.options.clock.nowNanos()
    let since = since.withLock { $0 }
    guard let registry = try? store.wholeRegistry(), !registry.overdue(at: now, listeningSince: since, limit: 1).isEmpty
    else { return }
    let taken = try? store.decide(actor: Actor(.daemon, "heartbeat")) {
      $0.markOverdueOffline(listeningSince: since, $1)
    }
    guard case .success(let silent)? = taken?.result else { return }
    for device in silent { log("Offline \(device): not heard of for too long") }
  }
}
