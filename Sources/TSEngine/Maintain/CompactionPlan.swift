/// What to compact next, as a function of the live segments of one table and nothing else.
///
/// Time is a tree of windows on a fixed grid: days, each level four times as wide, the root all of
/// time. A window whose segments hold more than `targetByteCount` together is divided, down to a
/// day; the undivided ones are *partitions*, and the final form is one segment a partition.
///
/// - In a partition, segments of like size (within four times) are merged four at a time, so that
///   a row is rewritten O(log₄ size) times while its day fills (size-tiered, as in Cassandra's
///   STCS). Once time has moved past the partition, all become one as soon as the small ones weigh
///   an eighth of the large one.
///   In a partition that is still being filled the same goes for what lies within the large one's
///   time: rows that came late.
/// - Segments that cross the windows of a divided one (late rows of many days, bulk loads in order
///   of series) are merged with their like in the same way, and cut into the partitions once they
///   weigh an eighth of what lies under the window.
///
/// So what is not in final form is at most an eighth of the rest: the space bound, and a row that
/// is there is rewritten at most once per eighth that arrives late.
///
/// The large segment of a partition that has nothing else to be done is written once more when its
/// packed blocks have become old: when all of it is, or half of its time, as a fifth of the bytes is
/// all that this saves. What is then cold is no work again.
package struct CompactionPlan {
  package struct Options: Sendable {
    /// Bytes above which a window is divided; days hold what they hold.
    package var targetByteCount = 64 << 20
    /// Bytes that one job reads at most when it cuts segments up.
    package var jobByteCount = 1 << 30
    package init() {}
  }

  /// Segments to be replaced by one for each of `windows` that has rows of them.
  package struct Job: Equatable {
    package var inputs: [UInt64]
    /// Inclusive, in order, disjoint.
    package var windows: [ClosedRange<Int64>]
    /// Blocks that end before this instant are written in the cold form, the others packed.
    package var coldBefore = Int64.min
  }

  /// Segments of like size that are merged at a time.
  package static let fanIn = 4
  /// What is not in final form weighs less than the rest divided by this.
  private static let share = 8

  private let options: Options
  /// Everything into its final form, whatever it costs: asked for by a person, or nothing else is
  /// going on.
  private let isFinal: Bool
  private let forms: Forms
  /// The newest instant of the table: partitions behind it are no longer being filled.
  private var newest = Int64.min

  /// Nil when there is nothing to do.
  /// - Parameters:
  ///   - segments: of one table, without those that cannot be read.
  ///   - isFinal: also merge what is too little to be worth it.
  ///   - forms: which blocks are to be cold; all that is written is of these forms.
  /// - Complexity: O(segments log segments · levels).
  package static func next(
    _ segments: [Manifest.DataSegment], isFinal: Bool, options: Options = Options(),
    forms: Forms = Forms()
  ) -> Job? {
    var plan = CompactionPlan(options: options, isFinal: isFinal, forms: forms)
    plan.newest = segments.map(\.lastTime).max() ?? .min
    var job = plan.job(in: .everything, segments)
    job?.coldBefore = forms.coldBefore
    return job
  }

  private init(options: Options, isFinal: Bool, forms: Forms) {
    self.options = options
    self.isFinal = isFinal
    self.forms = forms
  }

  private func job(in window: TimeWindow, _ segments: [Manifest.DataSegment]) -> Job? {
    guard isDivided(window, segments) else { return merge(segments, in: window) }
    var children: [TimeWindow: [Manifest.DataSegment]] = [:]
    var crossing: [Manifest.DataSegment] = []
    for segment in segments {
      let (first, last) = (window.child(of: segment.firstTime), window.child(of: segment.lastTime))
      if first == last { children[first, default: []].append(segment) } else { crossing.append(segment) }
    }
    // The newest first: that is what is asked for most.
    for child in children.keys.sorted(by: { $0.index > $1.index }) {
      if let job = job(in: child, children[child] ?? []) { return job }
    }
    return cut(crossing, under: window, of: segments)
  }

  private func isDivided(_ window: TimeWindow, _ segments: [Manifest.DataSegment]) -> Bool {
    window.level > 0 && byteCount(segments) > options.targetByteCount
  }

  private func byteCount(_ segments: [Manifest.DataSegment]) -> Int {
    segments.reduce(0) { $0 + $1.byteCount }
  }

  // MARK: In a partition

  private func merge(_ segments: [Manifest.DataSegment], in window: TimeWindow) -> Job? {
    guard let largest = segments.max(by: { ($0.byteCount, $1.id) < ($1.byteCount, $0.id) }) else {
      return nil
    }
    guard segments.count > 1 else { return reform(largest) }
    let rest = byteCount(segments) - largest.byteCount
    let isPast = window.bounds.upperBound < newest
    if isFinal || (isPast && rest * Self.share >= largest.byteCount) {
      return Job(inputs: segments.map(\.id).sorted(), windows: [.min ... .max])
    }
    return late(segments, largest) ?? tier(segments) ?? reform(largest)
  }

  /// The segment of a partition at rest once more, for the form of its blocks.
  private func reform(_ segment: Manifest.DataSegment) -> Job? {
    let job = Job(inputs: [segment.id], windows: [.min ... .max])
    let isCold = segment.coldUntil > .min
    if forms.packsTheRest, isCold, segment.coldUntil >= forms.coldBefore { return job }
    guard segment.packedFrom < forms.coldBefore else { return nil }
    let old = segment.share(in: segment.packedFrom...(forms.coldBefore - 1))
    let isWorth = isFinal || segment.lastTime < forms.coldBefore || old >= 0.5
    return isWorth ? job : nil
  }

  /// Rows that came late, with the segment they belong to, once they weigh enough: their blocks are
  /// short and lie across those of the large one.
  private func late(_ segments: [Manifest.DataSegment], _ largest: Manifest.DataSegment) -> Job? {
    let reach = largest.firstTime...largest.lastTime
    let late = segments.filter { $0.id != largest.id && $0.share(in: reach) > 0.5 }
    guard byteCount(late) * Self.share >= largest.byteCount, !late.isEmpty else { return nil }
    return Job(inputs: (late + [largest]).map(\.id).sorted(), windows: [.min ... .max])
  }

  /// The smallest segments of like size, when there are enough of them.
  private func tier(_ segments: [Manifest.DataSegment]) -> Job? {
    let sorted = segments.sorted { ($0.byteCount, $0.id) < ($1.byteCount, $1.id) }
    var start = 0
    for end in sorted.indices {
      while sorted[start].byteCount * Self.fanIn < sorted[end].byteCount { start += 1 }
      guard end - start + 1 >= Self.fanIn else { continue }
      return Job(inputs: sorted[start...end].map(\.id).sorted(), windows: [.min ... .max])
    }
    return nil
  }

  // MARK: Across partitions

  private func cut(
    _ crossing: [Manifest.DataSegment], under window: TimeWindow, of all: [Manifest.DataSegment]
  ) -> Job? {
    guard !crossing.isEmpty else { return nil }
    let weight = byteCount(crossing)
    guard isFinal || weight * Self.share >= byteCount(all) else { return tier(crossing) }
    var inputs: [Manifest.DataSegment] = []
    for segment in crossing.sorted(by: { $0.id < $1.id }) {
      if !inputs.isEmpty, byteCount(inputs) + segment.byteCount > options.jobByteCount { break }
      inputs.append(segment)
    }
    var bounds: [ClosedRange<Int64>] = []
    partition(window, all, inputs, into: &bounds)
    return Job(inputs: inputs.map(\.id), windows: bounds)
  }

  /// The partitions under `window` that rows of `inputs` may lie in.
  private func partition(
    _ window: TimeWindow, _ all: [Manifest.DataSegment], _ inputs: [Manifest.DataSegment],
    into bounds: inout [ClosedRange<Int64>]
  ) {
    let reach = window.bounds
    let inside = all.filter { $0.firstTime <= reach.upperBound && $0.lastTime >= reach.lowerBound }
    guard inputs.contains(where: { input in inside.contains { $0.id == input.id } }) else { return }
    // Of a segment that reaches out of the window a part lies in it, as large as its share of time.
    let weight = inside.reduce(0.0) { $0 + Double($1.byteCount) * $1.share(in: reach) }
    guard window.level > 0, weight > Double(options.targetByteCount) else {
      bounds.append(reach)
      return
    }
    let first = window.child(of: inside.map(\.firstTime).min() ?? 0, clampedTo: reach)
    let last = window.child(of: inside.map(\.lastTime).max() ?? 0, clampedTo: reach)
    for index in first.index...last.index {
      partition(TimeWindow(level: first.level, index: index), inside, inputs, into: &bounds)
    }
  }
}

extension Manifest.DataSegment {
  /// How much of its time lies in `window`, 0 ... 1, taking rows to be spread evenly.
  fileprivate func share(in window: ClosedRange<Int64>) -> Double {
    let (low, high) = (max(firstTime, window.lowerBound), min(lastTime, window.upperBound))
    guard low <= high else { return 0 }
    return (Double(high) - Double(low) + 1) / (Double(lastTime) - Double(firstTime) + 1)
  }
}

/// A stretch of time on the grid of compaction: level 0 is a day, each level four of the one below,
/// the last level all of time.
package struct TimeWindow: Hashable {
  private static let dayNanos: Int64 = 86_400_000_000_000
  /// Days of 4^8 and more do not fit Int64 nanoseconds twice: the root is above them.
  package static let rootLevel = 9
  package static let everything = TimeWindow(level: rootLevel, index: 0)

  package var level: Int
  /// Since the epoch, in widths of the level.
  package var index: Int64

  private static func width(_ level: Int) -> Int64 { dayNanos << Int64(2 * level) }

  package static func containing(_ time: Int64, level: Int) -> TimeWindow {
    if level == rootLevel { return .everything }
    let width = width(level)
    let (quotient, remainder) = time.quotientAndRemainder(dividingBy: width)
    return TimeWindow(level: level, index: remainder < 0 ? quotient - 1 : quotient)
  }

  /// The window one level below that holds `time`.
  package func child(of time: Int64) -> TimeWindow { .containing(time, level: level - 1) }

  package func child(of time: Int64, clampedTo bounds: ClosedRange<Int64>) -> TimeWindow {
    child(of: min(max(time, bounds.lowerBound), bounds.upperBound))
  }

  /// Inclusive; cut to what Int64 holds.
  package var bounds: ClosedRange<Int64> {
    if level == Self.rootLevel { return .min ... .max }
    let width = Self.width(level)
    let start = index.multipliedReportingOverflow(by: width)
    let low = start.overflow ? Int64.min : start.partialValue
    let end = (index + 1).multipliedReportingOverflow(by: width)
    return low...(end.overflow ? .max : end.partialValue - 1)
  }
}
