import CTsqShims
import Glibc

/// Runs each state machine on a POSIX thread of its own.
package final class ThreadScheduler: Scheduler {
  package init() {}

  package func run(
    _ name: String, yields: Bool, _ step: @escaping @Sendable () -> StepOutcome
  ) throws(StorageError) -> any Wakeable {
    let thread = SteppingThread(name, yields: yields, step)
    try thread.start()
    return thread
  }
}

/// - Safety of `@unchecked Sendable`: `isWoken` and `isDone` are touched only with `mutex` held;
///   the rest is set before the thread starts and never changes.
@safe private final class SteppingThread: Wakeable, @unchecked Sendable {
  private let name: String
  private let yields: Bool
  private let step: @Sendable () -> StepOutcome
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let changed: UnsafeMutablePointer<pthread_cond_t>
  private var isWoken = false
  private var isDone = false

  init(_ name: String, yields: Bool, _ step: @escaping @Sendable () -> StepOutcome) {
    self.name = name
    self.yields = yields
    self.step = step
    // SAFETY: both are allocated, initialised before use and freed in deinit alone; the thread
    // keeps `self` alive while it runs.
    unsafe mutex = .allocate(capacity: 1)
    unsafe changed = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    unsafe pthread_condattr_init(&attributes)
    // Delays must not follow jumps of the wall clock.
    unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    unsafe pthread_cond_init(changed, &attributes)
    unsafe pthread_condattr_destroy(&attributes)
  }

  deinit {
    // SAFETY: nobody else can hold a reference any more.
    unsafe pthread_cond_destroy(changed)
    unsafe pthread_mutex_destroy(mutex)
    unsafe changed.deallocate()
    unsafe mutex.deallocate()
  }

  func start() throws(StorageError) {
    var thread = pthread_t()
    let kept = unsafe Unmanaged.passRetained(self)
    // SAFETY: the retained reference is handed to the thread, which takes it over exactly once.
    let context = unsafe kept.toOpaque()
    let status = unsafe pthread_create(&thread, nil, { context in
      unsafe Unmanaged<SteppingThread>.fromOpaque(context!).takeRetainedValue().loop()
      return nil
    }, context)
    guard status == 0 else {
      // SAFETY: there is no thread to take the reference over.
      unsafe kept.release()
      throw StorageError(
        .io, "no thread can be started; raise the limit of processes and threads", errno: status)
    }
    pthread_detach(thread)
  }

  func wake() {
    locked {
      isWoken = true
      // SAFETY: initialised in init, alive as long as self.
      unsafe pthread_cond_broadcast(changed)
    }
  }

  func join() {
    locked {
      // SAFETY: the mutex is held, as waiting requires.
      while !isDone { unsafe pthread_cond_wait(changed, mutex) }
    }
  }

  private func loop() {
    unsafe tsq_name_thread(name)
    if yields { tsq_yield_to_others() }
    while true {
      switch step() {
      case .again: continue
      case .idle(let nanos): sleep(nanos)
      case .done:
        locked {
          isDone = true
          // SAFETY: initialised in init, alive as long as self.
          unsafe pthread_cond_broadcast(changed)
        }
        return
      }
    }
  }

  private func sleep(_ nanos: Int64) {
    let now = SystemClock().monotonicNanos()
    let deadline = now.addingReportingOverflow(max(0, nanos))
    let until = deadline.overflow ? Int64.max : deadline.partialValue
    var time = timespec(
      tv_sec: Int(until / 1_000_000_000), tv_nsec: Int(until % 1_000_000_000))
    locked {
      while !isWoken {
        // SAFETY: the mutex is held, as waiting requires; `time` is a local.
        if unsafe pthread_cond_timedwait(changed, mutex, &time) == ETIMEDOUT { break }
      }
      isWoken = false
    }
  }

  private func locked(_ body: () -> Void) {
    // SAFETY: initialised in init, alive as long as self.
    unsafe pthread_mutex_lock(mutex)
    body()
    unsafe pthread_mutex_unlock(mutex)
  }
}
