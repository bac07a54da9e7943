import Glibc

/// A value that one thread waits for and another delivers, once.
///
/// - Safety of `@unchecked Sendable`: `value` is touched only with `mutex` held.
@safe package final class Latch<Value: Sendable>: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let changed: UnsafeMutablePointer<pthread_cond_t>
  private var value: Value?

  package init() {
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

  /// Delivers the value; the first one stays.
  package func fulfil(_ value: Value) {
    // SAFETY: initialised in init, alive as long as self; the mutex guards `value`.
    unsafe pthread_mutex_lock(mutex)
    if self.value == nil { self.value = value }
    unsafe pthread_cond_broadcast(changed)
    unsafe pthread_mutex_unlock(mutex)
  }

  /// The value, if it is there.
  package var current: Value? {
    // SAFETY: as in `fulfil`.
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return value
  }

  /// Waits for the value.
  package func wait() -> Value {
    // SAFETY: as in `fulfil`; waiting needs the mutex held.
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    while true {
      if let value { return value }
      unsafe pthread_cond_wait(changed, mutex)
    }
  }
}
