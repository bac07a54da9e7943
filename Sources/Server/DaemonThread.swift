import Synchronization
import TSEngine

/// A thread of the server's that steps until it is stopped.
final class DaemonThread: Sendable {
  private let isStopping = Mutex(false)
  private let thread = Mutex<(any Wakeable)?>(nil)

  var isStopped: Bool { isStopping.withLock { $0 } }

  /// - Parameter last: done once, when it is stopped.
  /// - Throws: `.io` when the process may have no further thread.
  func start(
    _ name: String, of store: Store, yields: Bool = false, last: @escaping @Sendable () -> Void = {},
    _ step: @escaping @Sendable () -> StepOutcome
  ) throws(StorageError) {
    let started = try store.options.scheduler.run(name, yields: yields) { [weak self] in
      guard let self, !isStopped else {
        last()
        return .done
      }
      return step()
    }
    thread.withLock { $0 = started }
  }

  func wake() { thread.withLock { $0 }?.wake() }

  /// Returns when the step at hand and `last` are done.
  func stop() {
    isStopping.withLock { $0 = true }
    guard let thread = thread.withLock({ $0 }) else { return }
    thread.wake()
    thread.join()
  }
}
