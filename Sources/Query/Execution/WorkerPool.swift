import Glibc
import Synchronization

/// The fixed threads that queries share. A job runs on the calling thread and on as many pool
/// threads as are free; it never waits for a thread to become free, so queries do not block each other.
@safe final class WorkerPool: @unchecked Sendable {
  // @unchecked: every stored property is written in init or under `mutex`.
  static let shared = WorkerPool(threads: coreCount - 1)

  static let coreCount = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))

  /// One parallel run: `body(worker)` with a worker number of its own on each thread that takes part.
  private final class Job: @unchecked Sendable {
    // @unchecked: the counters change under the pool's mutex only.
    let body: @Sendable (Int) -> Void
    var nextWorker = 1
    let workerLimit: Int
    var running = 0
    init(_ body: @escaping @Sendable (Int) -> Void, workerLimit: Int) {
      self.body = body
      self.workerLimit = workerLimit
    }
  }

  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let wake: UnsafeMutablePointer<pthread_cond_t>
  private let done: UnsafeMutablePointer<pthread_cond_t>
  private var jobs: [Job] = []

  private init(threads: Int) {
    // SAFETY: the pool lives as long as the process, so these are never freed.
    unsafe mutex = .allocate(capacity: 1)
    unsafe wake = .allocate(capacity: 1)
    unsafe done = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
    unsafe pthread_cond_init(wake, nil)
    unsafe pthread_cond_init(done, nil)
    for _ in 0..<threads {
      var thread = pthread_t()
      let pool = unsafe Unmanaged.passRetained(self).toOpaque()
      // SAFETY: the retained reference is taken over by the thread, which never ends.
      unsafe pthread_create(&thread, nil, { argument in
        guard let argument = unsafe argument else { return nil }
        unsafe Unmanaged<WorkerPool>.fromOpaque(argument).takeRetainedValue().serve()
        return nil
      }, pool)
    }
  }

  /// Runs `body` on up to `workers` threads, the caller being worker 0, and returns when all are done.
  func run(workers: Int, _ body: @escaping @Sendable (Int) -> Void) {
    guard workers > 1 else { return body(0) }
    let job = Job(body, workerLimit: workers)
    locked {
      jobs.append(job)
      // SAFETY: initialised in init.
      unsafe pthread_cond_broadcast(wake)
    }
    body(0)
    locked {
      // Nobody may join any more; those who did are waited for.
      jobs.removeAll { $0 === job }
      // SAFETY: both initialised in init, the mutex is held.
      while job.running > 0 { unsafe pthread_cond_wait(done, mutex) }
    }
  }

  private func serve() {
    while true {
      var taken: (Job, Int)?
      locked {
        while taken == nil {
          if let job = jobs.first(where: { $0.nextWorker < $0.workerLimit }) {
            taken = (job, job.nextWorker)
            job.nextWorker += 1
            job.running += 1
          } else {
            // SAFETY: both initialised in init, the mutex is held.
            unsafe pthread_cond_wait(wake, mutex)
          }
        }
      }
      guard let (job, worker) = taken else { continue }
      job.body(worker)
      locked {
        job.running -= 1
        // SAFETY: initialised in init.
        if job.running == 0 { unsafe pthread_cond_broadcast(done) }
      }
    }
  }

  private func locked(_ body: () -> Void) {
    // SAFETY: initialised in init.
    unsafe pthread_mutex_lock(mutex)
    body()
    unsafe pthread_mutex_unlock(mutex)
  }
}

/// Hands out 0 ..< count to workers, each number once, and keeps the error of the lowest number.
final class MorselQueue: Sendable {
  private let next = Atomic(0)
  private let stopped = Atomic(false)
  private let failure = Mutex<(index: Int, error: SQLError)?>(nil)
  let count: Int

  init(count: Int) { self.count = count }

  func take() -> Int? {
    guard !stopped.load(ordering: .relaxed) else { return nil }
    let index = next.add(1, ordering: .relaxed).oldValue
    return index < count ? index : nil
  }

  /// No more morsels: somebody has seen enough.
  func stop() { stopped.store(true, ordering: .relaxed) }

  func fail(_ index: Int, _ error: SQLError) {
    failure.withLock { if $0 == nil || index < $0!.index { $0 = (index, error) } }
    stop()
  }

  func throwFailure() throws(SQLError) {
    if let failure = failure.withLock({ $0 }) { throw failure.error }
  }
}
