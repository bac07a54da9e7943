/// The instants of a regular stretch: sample i lies at start + ⌊i·span/count⌋ nanoseconds,
/// 0 ≤ i < count; it covers the time to the next one. Two stretches that follow each other at the
/// same rate are one stretch (the floor formula is closed under this), so a meter that never
/// misses a second costs one run for ever.
public struct RegularTimes: Hashable, Sendable {
  /// Nanoseconds since the Unix epoch of sample 0.
  public let start: Int64
  /// Samples, at least 1.
  public let count: Int
  /// The step between samples as a reduced fraction of nanoseconds.
  public let stepNumerator: Int64
  public let stepDenominator: Int64

  /// `count` samples over `span` nanoseconds from `start`; nil when count or span is not
  /// positive, when ticks would coincide (span < count) or when an instant would not fit Int64.
  public init?(start: Int64, span: Int64, count: Int) {
    guard count > 0, span >= Int64(count) else { return nil }
    let divisor = Self.gcd(span, Int64(count))
    self.init(
      start: start, count: count,
      stepNumerator: span / divisor, stepDenominator: Int64(count) / divisor)
  }

  /// As stored: start, count and the reduced step.
  public init?(start: Int64, count: Int, stepNumerator: Int64, stepDenominator: Int64) {
    guard count > 0, stepDenominator > 0, stepNumerator >= stepDenominator,
      Self.gcd(stepNumerator, stepDenominator) == 1
    else { return nil }
    let (product, overflow) = Int64(count).multipliedReportingOverflow(by: stepNumerator)
    guard !overflow, !start.addingReportingOverflow(product / stepDenominator).overflow
    else { return nil }
    self.start = start
    self.count = count
    self.stepNumerator = stepNumerator
    self.stepDenominator = stepDenominator
  }

  /// Instant of sample `index`; valid for 0 ... count, where `count` gives the end.
  @inlinable public func tick(_ index: Int) -> Int64 {
    if stepDenominator == 1 { return start &+ Int64(index) &* stepNumerator }
    return start &+ (Int64(index) &* stepNumerator) / stepDenominator
  }

  public var last: Int64 { tick(count - 1) }
  /// One past what the last sample covers.
  public var end: Int64 { tick(count) }

  /// Which sample lies exactly at `instant`, or nil.
  public func index(of instant: Int64) -> Int? {
    let at = lowerBound(instant)
    return at < count && tick(at) == instant ? at : nil
  }

  /// The first sample at or after `instant`; `count` when there is none.
  public func lowerBound(_ instant: Int64) -> Int {
    if instant <= start { return 0 }
    if instant > last { return count }
    // Smallest i with ⌊i·num/den⌋ ≥ d is ⌈d·den/num⌉; d·den ≤ count·num, which fits.
    let distance = instant &- start
    let scaled = distance &* stepDenominator
    return Int((scaled &+ stepNumerator &- 1) / stepNumerator)
  }

  /// Samples `range` as a stretch of their own, or nil when a fractional step makes the floor
  /// formula start elsewhere (the remainder at the cut is not zero).
  public func slice(_ range: Range<Int>) -> RegularTimes? {
    guard !range.isEmpty, range.lowerBound >= 0, range.upperBound <= count else { return nil }
    let phase = (Int64(range.lowerBound) &* stepNumerator) % stepDenominator
    guard phase == 0 else { return nil }
    return RegularTimes(
      start: tick(range.lowerBound), count: range.count,
      stepNumerator: stepNumerator, stepDenominator: stepDenominator)
  }

  /// This stretch with `next` behind it, when `next` goes on at the same rate without a gap.
  public func joined(with next: RegularTimes) -> RegularTimes? {
    guard stepNumerator == next.stepNumerator, stepDenominator == next.stepDenominator,
      (Int64(count) &* stepNumerator) % stepDenominator == 0, next.start == end
    else { return nil }
    return RegularTimes(
      start: start, count: count + next.count,
      stepNumerator: stepNumerator, stepDenominator: stepDenominator)
  }

  private static func gcd(_ a: Int64, _ b: Int64) -> Int64 {
    var (x, y) = (a, b)
    while y != 0 { (x, y) = (y, x % y) }
    return x
  }
}

/// When the samples of a run were taken.
public enum SampleTimes: Sendable, Hashable {
  case regular(RegularTimes)
  /// Strictly increasing instants, nanoseconds since the Unix epoch, not empty.
  case explicit([Int64])

  public var count: Int {
    switch self {
    case .regular(let times): times.count
    case .explicit(let instants): instants.count
    }
  }
  public var first: Int64 {
    switch self {
    case .regular(let times): times.start
    case .explicit(let instants): instants[0]
    }
  }
  public var last: Int64 {
    switch self {
    case .regular(let times): times.last
    case .explicit(let instants): instants[instants.count - 1]
    }
  }
  @inlinable public func tick(_ index: Int) -> Int64 {
    switch self {
    case .regular(let times): times.tick(index)
    case .explicit(let instants): instants[index]
    }
  }
}
