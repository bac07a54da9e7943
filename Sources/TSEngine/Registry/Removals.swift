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

/// What was removed of one series: an interval index, an array in order of first instants that
/// knows for each prefix how far its entries reach.
///
/// Entries may overlap, for an older one still tells what was known between the two.
package struct Removals: Sendable, Equatable {
  package private(set) var all: [Removal] = []
  /// The last instant of entries 0 ... i.
  private var reach: [Int64] = []

  package init() {}

  /// - Parameter new: in order of first instants.
  /// - Complexity: O(new) behind all others, else O(n log n).
  package mutating func insert(_ new: [Removal]) {
    guard let first = new.first else { return }
    let isBehind = all.last.map { $0.times.lowerBound <= first.times.lowerBound } ?? true
    all += new
    if !isBehind {
      all.sort { ($0.times.lowerBound, $0.lsn) < ($1.times.lowerBound, $1.lsn) }
      reach.removeAll(keepingCapacity: true)
    }
    var end = reach.last ?? .min
    for removal in all[reach.count...] {
      end = max(end, removal.times.upperBound)
      reach.append(end)
    }
  }

  /// Calls `body` with each removal that meets `times`, last ones first.
  /// - Complexity: O(log n + found), and entries that long ones reach over.
  package func forEach(meeting times: ClosedRange<Int64>, _ body: (Removal) -> Void) {
    var (low, high) = (0, all.count)
    while low < high {
      let middle = (low + high) / 2
      if all[middle].times.lowerBound <= times.upperBound { low = middle + 1 } else { high = middle }
    }
    var index = low - 1
    while index >= 0, reach[index] >= times.lowerBound {
      if all[index].times.upperBound >= times.lowerBound { body(all[index]) }
      index -= 1
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
