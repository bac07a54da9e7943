import Glibc

/// Lets one long job run at a time (sealing, compaction); the others wait. Not for shared state:
/// that is guarded by `Mutex`, which is never held across I/O.
@safe package final class SerialLane: @unchecked Sendable {
  // Safety of `@unchecked Sendable`: the pthread mutex is made for use from any thread.
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>

  package init() {
    // SAFETY: allocated, initialised before use and freed in deinit alone.
    unsafe mutex = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
  }

  deinit {
    // SAFETY: nobody else can hold a reference any more.
    unsafe pthread_mutex_destroy(mutex)
    unsafe mutex.deallocate()
  }

  package func run<R>(_ job: () throws(StorageError) -> R) throws(StorageError) -> R {
    // SAFETY: initialised in init, alive as long as self.
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return try job()
  }
}
