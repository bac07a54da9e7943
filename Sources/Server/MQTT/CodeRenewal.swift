import Synchronization
import TSEngine

/// Keeps a code that claims on every display (L-26): a parked device that is connected gets a new one when its
/// code runs out, others at their next sign of life (`Discovery`).
package final class CodeRenewal: Sendable {
  private static let longestPauseNanos: Int64 = 60_000_000_000
  private static let shortestPauseNanos: Int64 = 50_000_000
  /// Codes of one decision, at most.
  private static let batchLimit = 1_000

  private let store: Store
  private let log: @Sendable (String) -> Void
  private let registryChanged: @Sendable () -> Void
  /// Devices recorded before codes existed have been looked for.
  private let hasBegun = Mutex(false)
  private let thread = DaemonThread()

  package init(
    _ store: Store, log: @escaping @Sendable (String) -> Void, registryChanged: @escaping @Sendable () -> Void
  ) {
    self.store = store
    self.log = log
    self.registryChanged = registryChanged
  }

  package func start() throws {
    try thread.start("tsq-codes", of: store) { [weak self] in self?.step() ?? .done }
  }

  /// A device has connected, or the registry has changed.
  package func wake() { thread.wake() }

  package func stop() { thread.stop() }

  /// Renews what has run out; sleeps until the next code does. O(connected devices).
  package func step() -> StepOutcome {
    if thread.isStopped { return .done }
    // What is left of a damaged registry does not tell who is parked.
    guard let registry = try? store.wholeRegistry() else { return .idle(nanos: Self.longestPauseNanos) }
    let now = store.options.clock.nowNanos()
    var (due, next) = ([String](), Int64.max)
    for device in registry.connections.connected {
      guard let known = registry.devices[device], Announcements.isAnnounced(type: known.type),
        registry.associations.owner(of: device) == .parked
      else { continue }
      if registry.needsCode(device, at: now) { due.append(device) }
      if let issued = registry.codes[device], issued.expiresAt > now { next = min(next, issued.expiresAt) }
    }
    let without = hasBegun.withLock { begun in
      let left = begun ? [] : registry.devicesWithoutCode
      begun = left.isEmpty
      return left
    }
    due += without
    guard due.isEmpty else { return renew(due.sorted()) ? .again : .idle(nanos: 1_000_000_000) }
    let wait = next == .max ? Self.longestPauseNanos : min(next - now, Self.longestPauseNanos)
    return .idle(nanos: max(wait, Self.shortestPauseNanos))
  }

  /// False when the store takes nothing now.
  private func renew(_ due: [String]) -> Bool {
    let some = Array(due.prefix(Self.batchLimit))
    let taken = try? store.decide(actor: Actor.daemon, cause: Cause(message: "the code ran out")) {
      $0.renewCodes(of: some, $1)
    }
    guard let taken, case .success(let renewed) = taken.result else { return false }
    let devices = store.registry.devices
    for device in renewed { log("New code for \(devices[device]?.text ?? device)") }
    registryChanged()
    return true
  }
}
