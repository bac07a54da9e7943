import Glibc
import Synchronization

/// Ctrl-C. A thread of its own waits for SIGINT, so what it does need not be safe in a signal
/// handler: it tells whoever is at work to stop. Nobody at work, or a second Ctrl-C before the
/// first one was heeded, ends the process at once with 130, which the store survives at any point.
final class Interrupts: Sendable {
  static let shared = Interrupts()

  private struct State {
    var stop: (@Sendable () -> Void)?
    var isPending = false
    var isInstalled = false
  }
  private let state = Mutex(State())

  /// To be called on the main thread before others start: they inherit its signal mask.
  func install() {
    let isFirst = state.withLock { state in
      defer { state.isInstalled = true }
      return !state.isInstalled
    }
    guard isFirst else { return }
    var set = Self.interruptSet()
    pthread_sigmask(SIG_BLOCK, &set, nil)
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { _ in
        while true {
          var set = Interrupts.interruptSet()
          var number: Int32 = 0
          if sigwait(&set, &number) == 0 { Interrupts.shared.deliver() }
        }
      }, nil)
    pthread_detach(thread)
  }

  /// Runs `body`; Ctrl-C meanwhile calls `stop` from another thread.
  /// - Returns: what `body` returned, and whether it was told to stop.
  func during<T>(stop: @escaping @Sendable () -> Void, _ body: () throws -> T) rethrows -> (T, wasInterrupted: Bool) {
    state.withLock {
      $0.stop = stop
      $0.isPending = false
    }
    defer { state.withLock { $0.stop = nil } }
    let result = try body()
    return (result, isPending)
  }

  /// Whether Ctrl-C came during the latest `during`.
  var isPending: Bool { state.withLock { $0.isPending } }

  private func deliver() {
    let stop = state.withLock { state -> (@Sendable () -> Void)? in
      guard let stop = state.stop, !state.isPending else { return nil }
      state.isPending = true
      return stop
    }
    guard let stop else { _exit(ExitStatus.interrupted.rawValue) }
    stop()
  }

  /// Just SIGINT, blocked in every thread but waited for in one. A child process needs it unblocked.
  static func interruptSet() -> sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, SIGINT)
    return set
  }
}
