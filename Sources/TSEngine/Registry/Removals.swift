/// Readings within `times` that the log brought before `lsn` are gone.
package struct Removal: Sendable, Equatable {
  package var times: ClosedRange<Int64>
  /// The event's.
  package var lsn: LSN

  package init(_ times: ClosedRange<Int64>, lsn: LSN) {
    self.times = times
    self.lsn = lsn
  }
}

/// What was removed of one series: an interval index, an array in order of first instants and, over
/// each 16 entries and each 16 of those again, how far they reach.
///
/// Entries may overlap, for an older one still tells what was known between the two.
package struct Removals: Sendable, Equatable {
  private static let fanOut = 16

  package private(set) var all: [Removal] = []
  /// Element i of level k is the greatest last instant of entries from i · 16^(k + 1) on.
  private var levels: [[Int64]] = []

  package init() {}

  /// - Parameter new: in order of first instants.
  /// - Complexity: O(new) behind all others, else O(n log n).
  package mutating func insert(_ new: [Removal]) {
    guard let first = new.first else { return }
    let isBehind = all.last.map { $0.times.lowerBound <= first.times.lowerBound } ?? true
    let start = isBehind ? all.count : 0
    all += new
    if !isBehind { all.sort { ($0.times.lowerBound, $0.lsn) < ($1.times.lowerBound, $1.lsn) } }
    updateLevels(from: start)
  }

  /// - Parameter first: entries before it are as they were.
  private mutating func updateLevels(from first: Int) {
    var (start, count, level) = (first, all.count, 0)
    while count > Self.fanOut {
      start /= Self.fanOut
      let nodes = (count + Self.fanOut - 1) / Self.fanOut
      if levels.count == level { (start, levels) = (0, levels + [[]]) }
      levels[level].removeSubrange(start...)
      for node in start..<nodes {
        var end = Int64.min
        for below in (node * Self.fanOut)..<min(count, (node + 1) * Self.fanOut) {
          end = max(end, level == 0 ? all[below].times.upperBound : levels[level - 1][below])
        }
        levels[level].append(end)
      }
      (count, level) = (nodes, level + 1)
    }
  }

  /// Calls `body` with each removal that meets `times`, in order of their first instants.
  /// - Complexity: O((found + 1) · log n).
  package func forEach(meeting times: ClosedRange<Int64>, _ body: (Removal) -> Void) {
    var (low, high) = (0, all.count)
    while low < high {
      let middle = (low + high) / 2
      if all[middle].times.lowerBound <= times.upperBound { low = middle + 1 } else { high = middle }
    }
    visit(levels.count, 0..<(levels.last?.count ?? all.count), before: low, reaching: times.lowerBound, body)
  }

  /// - Parameter level: 0 for entries, else that of `levels` below it.
  private func visit(
    _ level: Int, _ nodes: Range<Int>, before end: Int, reaching instant: Int64,
    _ body: (Removal) -> Void
  ) {
    var width = 1
    for _ in 0..<level { width *= Self.fanOut }
    for node in nodes {
      if node * width >= end { return }
      if level == 0 {
        if all[node].times.upperBound >= instant { body(all[node]) }
      } else if levels[level - 1][node] >= instant {
        let count = level == 1 ? all.count : levels[level - 2].count
        let below = (node * Self.fanOut)..<min(count, (node + 1) * Self.fanOut)
        visit(level - 1, below, before: end, reaching: instant, body)
      }
    }
  }
}

/// The retention floors of a table, oldest first.
package struct RetentionFloors: Sendable, Equatable {
  package struct Floor: Sendable, Equatable {
    /// Readings before this instant are gone; `.min` when all are kept, `.max` when none is.
    package var instant: Int64
    package var lsn: LSN
  }

  package private(set) var all: [Floor] = []

  package init() {}

  /// Readings that come below it expire.
  package var current: Int64 { all.last?.instant ?? .min }

  mutating func append(_ floor: Floor) { all.append(floor) }

  /// Calls `body` with what they remove within `times` of the readings that LSNs from `oldest` on
  /// brought, as known at `through`. Floors that a later, higher one makes idle stay out, so in the
  /// life of a rising floor there is one.
  func forEach(
    meeting times: ClosedRange<Int64>, from oldest: LSN, through: LSN, _ body: (Removal) -> Void
  ) {
    var highest = Int64.min
    for floor in all.reversed() where floor.lsn <= through {
      if floor.lsn <= oldest { return }
      guard floor.instant > highest else { continue }
      highest = floor.instant
      if highest == .max {
        body(Removal(.min ... .max, lsn: floor.lsn))
      } else if highest > times.lowerBound {
        body(Removal(.min...(highest - 1), lsn: floor.lsn))
      }
    }
  }
}
