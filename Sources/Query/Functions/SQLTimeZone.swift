import Synchronization

/// A time zone: stretches of time, each with one offset from UTC, over the whole range of timestamps.
package final class SQLTimeZone: Hashable, Sendable {
  package let name: String
  /// Ascending; the first starts at the smallest instant.
  private let segments: [TimeZoneFile.Segment]

  private static let known = Mutex<[String: SQLTimeZone]>([:])

  private init(_ name: String, _ segments: [TimeZoneFile.Segment]) {
    self.name = name
    self.segments = segments
  }

  /// `Asia/Seoul` of the system's database, `UTC`, or an offset: `+09:00`. Nil when there is none.
  package static func named(_ name: String) -> SQLTimeZone? {
    if let zone = known.withLock({ $0[name] }) { return zone }
    let segments: [TimeZoneFile.Segment]
    if ["utc", "gmt", "z", "zulu"].contains(name.lowercased()) {
      segments = [.init(start: .min, offset: 0)]
    } else if let offset = fixed(name) {
      segments = [.init(start: .min, offset: offset)]
    } else if let found = TimeZoneFile.segments(named: name) {
      segments = found
    } else {
      return nil
    }
    let zone = SQLTimeZone(name, segments)
    return known.withLock { known in
      // Names come from queries: what is kept of them is bounded.
      if known.count > 1_000 { known.removeAll() }
      known[name] = known[name] ?? zone
      return known[name] ?? zone
    }
  }

  /// `+09:00`, `-0330`, `+9`.
  private static func fixed(_ name: String) -> Int64? {
    guard let sign = name.first, sign == "+" || sign == "-" else { return nil }
    let digits = name.dropFirst().filter { $0 != ":" }
    guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), 1...4 ~= digits.count, let number = Int64(digits) else { return nil }
    let minutes = digits.count <= 2 ? number * 60 : number / 100 * 60 + number % 100
    return minutes <= 18 * 60 ? (sign == "-" ? -minutes : minutes) * 60_000_000_000 : nil
  }

  package static func == (a: SQLTimeZone, b: SQLTimeZone) -> Bool { a.segments == b.segments }
  package func hash(into hasher: inout Hasher) { hasher.combine(segments.count) }

  var isUTC: Bool { segments.count == 1 && segments[0].offset == 0 }

  // MARK: - Clocks

  /// O(log segments).
  private func segment(of instant: Int64) -> Int {
    var (low, high) = (0, segments.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if segments[middle].start <= instant { low = middle } else { high = middle }
    }
    return low
  }

  /// Nanoseconds that the clocks of the zone are ahead of UTC, and until when.
  package func offset(at instant: Int64) -> (nanos: Int64, end: Int64) {
    let index = segment(of: instant)
    return (segments[index].offset, index + 1 < segments.count ? segments[index + 1].start : .max)
  }

  /// What the clocks show at `instant`, as if it were UTC.
  package func local(_ instant: Int64) -> Int64 {
    Self.sum(instant, offset(at: instant).nanos)
  }

  // MARK: - Cuts

  /// The cut of `grid`, which lies on the clocks of the zone, at or before `instant`.
  ///
  /// A cut that clocks leap over falls on the leap. Where they are put back by less than the grid is wide, the
  /// bucket that they had reached goes on until they show something new; else what they show twice is two buckets.
  func start(of instant: Int64, _ grid: TimeGrid) -> Int64 {
    var index = segment(of: instant)
    var local = Self.sum(instant, segments[index].offset)
    if isWide(grid, index), instant < segments[index].start &+ back(index) {
      index -= 1
      local = segments[index + 1].start + segments[index].offset - 1
    }
    let cut = grid.start(of: local)
    var end = Int64.max
    while true {
      let candidate = Self.sum(cut, -segments[index].offset)
      if candidate >= end { return end }
      if index == 0 { return candidate }
      let start = segments[index].start
      if candidate >= start {
        guard isWide(grid, index), candidate < start &+ back(index) else { return candidate }
        // The clocks showed this cut before.
      } else if back(index) > 0, !isWide(grid, index) {
        return start
      }
      end = start
      index -= 1
    }
  }

  /// By how much clocks are put back at the start of a segment; negative where they leap.
  private func back(_ index: Int) -> Int64 {
    index > 0 ? segments[index - 1].offset - segments[index].offset : 0
  }

  /// Whether clocks are put back there, by less than the width of `grid`.
  private func isWide(_ grid: TimeGrid, _ index: Int) -> Bool { back(index) > 0 && grid.width > back(index) }

  /// The first cut after `instant`.
  func next(after instant: Int64, _ grid: TimeGrid) -> Int64 {
    let current = start(of: instant, grid)
    var at = instant
    var index = segment(of: instant)
    while true {
      let local = grid.next(after: Self.sum(at, segments[index].offset))
      let cut = local == .max ? .max : Self.sum(local, -segments[index].offset)
      if index + 1 < segments.count, cut >= segments[index + 1].start {
        index += 1
        at = segments[index].start
      } else {
        // At the end of all time nothing follows.
        at = cut > at ? cut : .max
      }
      if at == .max || start(of: at, grid) != current { return at }
    }
  }

  private static func sum(_ instant: Int64, _ offset: Int64) -> Int64 {
    let (sum, overflow) = instant.addingReportingOverflow(offset)
    return overflow ? (offset < 0 ? .min : .max) : sum
  }
}
