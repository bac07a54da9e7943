import Glibc

/// Groups that are in the log and not yet durable, in their order. While one is synced by whoever
/// wrote it, the next leader decides and writes the next; so the processor and the disk work at the
/// same time. A group is settled (synced, shown, answered) only when all before it are.
///
/// Only the leader enters; whoever entered a group settles it, and needs no lead for that.
///
/// - Safety of `@unchecked Sendable`: both counts are touched only with `mutex` held.
@safe final class CommitPipeline: @unchecked Sendable {
  /// The place of a group: how many entered before it.
  typealias Place = UInt64

  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let changed: UnsafeMutablePointer<pthread_cond_t>
  private var entered: Place = 0
  private var left: Place = 0

  init() {
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

  /// Nothing is under way.
  var isEmpty: Bool { locked { entered == left } }

  func enter() -> Place {
    locked {
      entered += 1
      return entered - 1
    }
  }

  /// Waits until all groups before `place` have left.
  func awaitTurn(_ place: Place) {
    locked {
      // SAFETY: the mutex is held, as waiting requires.
      while left != place { unsafe pthread_cond_wait(changed, mutex) }
    }
  }

  /// Ends the turn of the oldest group.
  func leave() {
    locked {
      left += 1
      // SAFETY: initialised in init, alive as long as self.
      unsafe pthread_cond_broadcast(changed)
    }
  }

  /// Waits until nothing is under way.
  func drain() {
    locked {
      // SAFETY: the mutex is held, as waiting requires.
      while left != entered { unsafe pthread_cond_wait(changed, mutex) }
    }
  }

  private func locked<Result>(_ body: () -> Result) -> Result {
    // SAFETY: initialised in init, alive as long as self.
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return body()
  }
}
