/// How many devices may come into being (L-16): a bucket that holds a minute's worth and fills
/// steadily. A value; the clock is the caller's.
package struct NewDeviceLimit: Sendable {
  private let perMinute: Int
  private var available: Double
  private var lastNanos: Int64?

  package init(perMinute: Int) {
    self.perMinute = perMinute
    available = Double(perMinute)
  }

  /// Whether one more may come at `now`, monotonic nanoseconds.
  package mutating func take(at now: Int64) -> Bool {
    if let lastNanos {
      available = min(Double(perMinute), available + Double(now - lastNanos) / 60e9 * Double(perMinute))
    }
    lastNanos = now
    guard available >= 1 else { return false }
    available -= 1
    return true
  }
}
