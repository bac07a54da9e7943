import Glibc

/// State behind a lock that threads can wait on: a mutex and a condition of their own for values that
/// `Mutex` cannot wait for.
///
/// - Safety of `@unchecked Sendable`: `state` is touched only with `mutex` held.
@safe final class Monitor<State: Sendable>: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let changed: UnsafeMutablePointer<pthread_cond_t>
  private var state: State

  init(_ state: State) {
    self.state = state
    // SAFETY: both are allocated, initialised before use and freed in deinit alone.
    unsafe mutex = .allocate(capacity: 1)
    unsafe changed = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
    unsafe pthread_cond_init(changed, nil)
  }

  deinit {
    // SAFETY: nobody else can hold a reference any more.
    unsafe pthread_cond_destroy(changed)
    unsafe pthread_mutex_destroy(mutex)
    unsafe changed.deallocate()
    unsafe mutex.deallocate()
  }

  func read<Result>(_ body: (State) -> Result) -> Result { locked { body(state) } }

  /// Changes the state and wakes all who wait.
  func change<Result>(_ body: (inout State) -> Result) -> Result {
    locked {
      // SAFETY: initialised in init, alive as long as self.
      defer { unsafe pthread_cond_broadcast(changed) }
      return body(&state)
    }
  }

  /// Waits until `body` gives a value; it is asked after each change.
  func wait<Result>(for body: (State) -> Result?) -> Result {
    locked {
      while true {
        if let result = body(state) { return result }
        // SAFETY: the mutex is held, as waiting requires.
        unsafe pthread_cond_wait(changed, mutex)
      }
    }
  }

  private func locked<Result>(_ body: () -> Result) -> Result {
    // SAFETY: initialised in init, alive as long as self.
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return body()
  }
}
