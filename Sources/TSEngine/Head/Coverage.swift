/// The stretches of time a series has, so that "new" is told without I/O.
///
/// Runs are in time order and do not overlap. A regular run knows its ticks exactly; an irregular
/// one (`stepNumerator` 0) knows only that all of its rows lie within first ... last. A question
/// is answered with "surely not there" or "maybe there"; only the latter needs decoding.
package struct Coverage: Sendable, Equatable {
  package struct Run: Sendable, Equatable {
    package var first: Int64
    package var last: Int64
    package var count: Int
    /// The reduced step in nanoseconds; numerator 0 marks an irregular run.
    package var stepNumerator: Int64
    package var stepDenominator: Int64

    package init(_ times: RegularTimes) {
      first = times.start
      last = times.last
      count = times.count
      stepNumerator = times.stepNumerator
      stepDenominator = times.stepDenominator
    }

    package init(irregular first: Int64, _ last: Int64, count: Int) {
      self.first = first
      self.last = last
      self.count = count
      stepNumerator = 0
      stepDenominator = 1
    }

    init(
      first: Int64, last: Int64, count: Int, stepNumerator: Int64, stepDenominator: Int64
    ) {
      self.first = first
      self.last = last
      self.count = count
      self.stepNumerator = stepNumerator
      self.stepDenominator = stepDenominator
    }

    /// Takes `next` in when it goes on at the same step without a gap.
    mutating func extend(by next: RegularTimes) -> Bool {
      guard stepNumerator == next.stepNumerator, stepDenominator == next.stepDenominator,
        next.start > last
      else { return false }
      let (length, overflow) = Int64(count).multipliedReportingOverflow(by: stepNumerator)
      guard !overflow, length % stepDenominator == 0,
        first.addingReportingOverflow(length / stepDenominator) == (next.start, false)
      else { return false }
      count += next.count
      last = next.last
      return true
    }

    var regular: RegularTimes? {
      stepNumerator == 0
        ? nil
        : RegularTimes(
          start: first, count: count, stepNumerator: stepNumerator,
          stepDenominator: stepDenominator)
    }

    /// This run with `next`, which lies behind it, as one; nil where they are better told apart.
    func joined(with next: Run) -> Run? {
      if let here = regular, let there = next.regular { return here.joined(with: there).map { Run($0) } }
      let gap = next.first.subtractingReportingOverflow(last)
      guard stepNumerator == 0, next.stepNumerator == 0, !gap.overflow,
        gap.partialValue <= Coverage.irregularGapNanos
      else { return nil }
      return Run(irregular: first, next.last, count: count + next.count)
    }
  }

  package private(set) var runs: [Run] = []

  package init() {}

  /// - Precondition: `runs` are in time order and do not overlap.
  init(_ runs: [Run]) { self.runs = runs }

  package var isEmpty: Bool { runs.isEmpty }
  package var first: Int64? { runs.first?.first }
  package var last: Int64? { runs.last?.last }

  /// Irregular runs closer than this become one: fewer runs, at the price of decoding when a late
  /// row falls between them.
  private static let irregularGapNanos: Int64 = 3_600_000_000_000

  /// All rows are earlier than `instant`. O(1).
  package func endsBefore(_ instant: Int64) -> Bool { runs.last.map { $0.last < instant } ?? true }

  /// What is known of the rows at `times`.
  package enum Verdict: Equatable {
    /// None of the instants is there.
    case absent
    /// Element i tells whether instant i may be there.
    case maybe([Bool])
  }

  /// O(log runs) when nothing overlaps, else O(instants of the overlap).
  package func check(_ times: SampleTimes) -> Verdict {
    guard let newest = runs.last, times.first <= newest.last else { return .absent }
    var index = firstRun(endingAtOrAfter: times.first)
    guard index < runs.count, runs[index].first <= times.last else { return .absent }
    var maybe = [Bool](repeating: false, count: times.count)
    var found = false
    while index < runs.count, runs[index].first <= times.last {
      let run = runs[index]
      let regular = run.regular
      for row in 0..<times.count {
        let tick = times.tick(row)
        guard tick >= run.first else { continue }
        guard tick <= run.last else { break }
        if regular == nil || regular?.index(of: tick) != nil {
          maybe[row] = true
          found = true
        }
      }
      index += 1
    }
    return found ? .maybe(maybe) : .absent
  }

  /// Adds rows; those already there may be among them. O(log runs) at the end of the series.
  package mutating func insert(_ times: SampleTimes) {
    switch times {
    case .regular(let regular):
      let newest = runs.count - 1
      if newest >= 0, runs[newest].extend(by: regular) { return }
      insert(Run(regular))
    case .explicit(let instants):
      insert(Run(irregular: instants[0], instants[instants.count - 1], count: instants.count))
    }
  }

  package mutating func insert(_ run: Run) {
    let index = firstRun(endingAtOrAfter: run.first)
    if index < runs.count, runs[index].first <= run.last {
      absorb(run, from: index)
      return
    }
    runs.insert(run, at: index)
    joinWithNext(index)
    if index > 0 { joinWithNext(index - 1) }
  }

  /// `run` overlaps runs from `index` on: all of them become one irregular run, unless `run` adds
  /// nothing to a regular one.
  private mutating func absorb(_ run: Run, from index: Int) {
    if let have = runs[index].regular, let add = run.regular,
      have.stepNumerator == add.stepNumerator, have.stepDenominator == add.stepDenominator,
      let at = have.index(of: add.start), at + add.count <= have.count, have.tick(at + add.count) == add.end,
      // Ticks of a fractional step fall together only where both begin at a whole one.
      (Int64(at) &* have.stepNumerator) % have.stepDenominator == 0
    { return }
    var merged = Run(irregular: run.first, run.last, count: run.count)
    var end = index
    while end < runs.count, runs[end].first <= run.last {
      merged.first = min(merged.first, runs[end].first)
      merged.last = max(merged.last, runs[end].last)
      merged.count += runs[end].count
      end += 1
    }
    runs.replaceSubrange(index..<end, with: CollectionOfOne(merged))
  }

  private mutating func joinWithNext(_ index: Int) {
    guard index + 1 < runs.count, let joined = runs[index].joined(with: runs[index + 1]) else { return }
    runs[index] = joined
    runs.remove(at: index + 1)
  }

  /// The first run whose last instant is at or after `instant`; the common case is at the end.
  private func firstRun(endingAtOrAfter instant: Int64) -> Int {
    guard let newest = runs.last, instant <= newest.last else { return runs.count }
    var (low, high) = (0, runs.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if runs[middle].last < instant { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
