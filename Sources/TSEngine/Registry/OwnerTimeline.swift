/// Whose one device was when: an interval index over effective time.
///
/// A transition holds from its instant to the next one; before the first the device is parked.
/// Transitions lie sorted by instant, those of one instant by LSN, so the last word of an instant
/// is the later event's. An event that takes effect in the past holds up to the next transition
/// already there and changes nothing after it.
package struct OwnerTimeline: Sendable, Equatable {
  package struct Transition: Sendable, Equatable {
    /// Effective time, nanoseconds since the Unix epoch.
    package let at: Int64
    package let owner: UserID
    /// The event that says so; for a parking by `user.deleted`, that event.
    package let lsn: LSN
  }

  package private(set) var transitions: [Transition] = []

  package init() {}

  /// The owner after all that is known.
  package var newest: UserID { transitions.last?.owner ?? .parked }
  /// When `newest` took over, or nil when the device was always parked.
  package var newestSince: Int64? { transitions.last?.at }

  mutating func insert(_ transition: Transition) {
    transitions.insert(transition, at: firstIndex(after: transition.at))
  }

  /// - Complexity: O(log n).
  package func owner(at instant: Int64) -> UserID {
    let next = firstIndex(after: instant)
    return next == 0 ? .parked : transitions[next - 1].owner
  }

  /// The owners over `range` in order of time: half-open runs that are not empty, touch, cover
  /// `range` exactly, and differ from their neighbours.
  /// - Complexity: O(log n + runs).
  package func owners(during range: Range<Int64>) -> [(range: Range<Int64>, owner: UserID)] {
    guard !range.isEmpty else { return [] }
    var runs: [(range: Range<Int64>, owner: UserID)] = []
    var (start, owner) = (range.lowerBound, self.owner(at: range.lowerBound))
    for transition in transitions[firstIndex(after: range.lowerBound)...] {
      if transition.at >= range.upperBound { break }
      if transition.at > start, transition.owner != owner {
        runs.append((start..<transition.at, owner))
        start = transition.at
      }
      owner = transition.owner
      // Several words on one instant: the last stands, and may make the run one with its neighbour.
      if let last = runs.last, last.owner == owner, last.range.upperBound == start {
        start = last.range.lowerBound
        runs.removeLast()
      }
    }
    runs.append((start..<range.upperBound, owner))
    return runs
  }

  /// The first transition later than `instant`.
  private func firstIndex(after instant: Int64) -> Int {
    var (low, high) = (0, transitions.count)
    while low < high {
      let middle = (low &+ high) / 2
      if transitions[middle].at <= instant { low = middle &+ 1 } else { high = middle }
    }
    return low
  }
}
