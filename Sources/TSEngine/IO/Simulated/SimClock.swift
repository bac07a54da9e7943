import Synchronization

/// A clock that stands still until it is told otherwise.
package final class SimClock: Clock {
  private struct Time: Sendable {
    var wall: Int64
    var monotonic: Int64 = 0
  }
  private let time: Mutex<Time>

  package init(nanos: Int64 = 1_700_000_000_000_000_000) { time = Mutex(Time(wall: nanos)) }

  package func nowNanos() -> Int64 { time.withLock { $0.wall } }
  package func monotonicNanos() -> Int64 { time.withLock { $0.monotonic } }

  /// Lets time pass on both clocks. Precondition: `nanos` is not negative.
  package func advance(nanos: Int64) {
    precondition(nanos >= 0, "monotonic time does not run backwards")
    time.withLock {
      $0.wall &+= nanos
      $0.monotonic &+= nanos
    }
  }

  /// Sets the wall clock alone, forwards or backwards, as an operator or NTP would.
  package func jump(toNanos nanos: Int64) { time.withLock { $0.wall = nanos } }
}
