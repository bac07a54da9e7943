import Glibc

/// The wall clock and the monotonic clock of the machine.
package struct SystemClock: Clock {
  package init() {}

  package func nowNanos() -> Int64 { Self.read(CLOCK_REALTIME) }
  package func monotonicNanos() -> Int64 { Self.read(CLOCK_MONOTONIC) }

  private static func read(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    // SAFETY: `time` is a local the call fills. Both clocks exist on every Linux.
    let status = unsafe clock_gettime(clock, &time)
    precondition(status == 0, "the clock can be read")
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}
