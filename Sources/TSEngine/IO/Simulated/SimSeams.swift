import Synchronization

/// The randomness seam from one seed.
package final class SimRNG: RNG {
  private let random: Mutex<SimRandom>

  package init(seed: UInt64) { random = Mutex(SimRandom(seed: seed)) }

  package func fill(_ buffer: inout MutableRawSpan) {
    for index in 0..<buffer.byteCount {
      let byte = UInt8(truncatingIfNeeded: random.withLock { $0.next() })
      buffer.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
    }
  }
}

/// A scheduler without threads: steps run when the test says so, in an order it chooses.
package final class SimScheduler: Scheduler {
  private final class Task: Wakeable {
    let name: String
    let step: @Sendable () -> StepOutcome
    let state = Mutex<(isDone: Bool, isWoken: Bool, dueNanos: Int64)>((false, false, 0))

    init(_ name: String, _ step: @escaping @Sendable () -> StepOutcome) {
      self.name = name
      self.step = step
    }

    func wake() { state.withLock { $0.isWoken = true } }

    /// Runs the step until it is done: nobody else would.
    func join() {
      while !state.withLock({ $0.isDone }) { runOnce(now: 0) }
    }

    func isReady(_ now: Int64) -> Bool {
      state.withLock { !$0.isDone && ($0.isWoken || $0.dueNanos <= now) }
    }

    func runOnce(now: Int64) {
      state.withLock { $0.isWoken = false }
      let outcome = step()
      state.withLock { state in
        switch outcome {
        case .again: state.dueNanos = now
        case .idle(let nanos): state.dueNanos = now.addingReportingOverflow(nanos).partialValue
        case .done: state.isDone = true
        }
      }
    }
  }

  private let clock: any Clock
  private let tasks = Mutex<[Task]>([])

  package init(clock: any Clock) { self.clock = clock }

  package func run(
    _ name: String, yields: Bool, _ step: @escaping @Sendable () -> StepOutcome
  ) -> any Wakeable {
    let task = Task(name, step)
    tasks.withLock { $0.append(task) }
    return task
  }

  /// Runs one step of a random task that is due or was woken; false when there is none.
  package func runOne(_ random: inout SimRandom) -> Bool {
    let now = clock.monotonicNanos()
    let ready = tasks.withLock { $0.filter { $0.isReady(now) } }
    guard !ready.isEmpty else { return false }
    ready[random.below(ready.count)].runOnce(now: now)
    return true
  }
}
