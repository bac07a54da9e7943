/// What has left a table's files for good, by time and LSN: which moments of the past can no longer
/// be told, and of which instants.
///
/// A bounded number of parts: beyond it neighbours in time are joined, so that a moment may be
/// refused that could be told, and none is told wrongly.
package struct RemovedRows: Sendable, Equatable {
  package struct Part: Sendable, Equatable {
    /// Instants of the rows, first and last.
    package var times: ClosedRange<Int64>
    /// The oldest LSN that brought one of them; 0 when it is not known.
    package var oldestLSN: LSN
    /// The newest event by which one of them went.
    package var removedLSN: LSN

    package init(_ times: ClosedRange<Int64>, from oldestLSN: LSN, removedLSN: LSN) {
      self.times = times
      self.oldestLSN = oldestLSN
      self.removedLSN = removedLSN
    }

    fileprivate func contains(_ other: Part) -> Bool {
      times.lowerBound <= other.times.lowerBound && times.upperBound >= other.times.upperBound
        && oldestLSN <= other.oldestLSN && removedLSN >= other.removedLSN
    }

    fileprivate func joined(_ other: Part) -> Part {
      Part(
        min(times.lowerBound, other.times.lowerBound)...max(times.upperBound, other.times.upperBound),
        from: min(oldestLSN, other.oldestLSN), removedLSN: max(removedLSN, other.removedLSN))
    }

    /// Nanoseconds between this part and a later one.
    fileprivate func gap(to later: Part) -> UInt64 {
      later.times.lowerBound <= times.upperBound
        ? 0 : UInt64(bitPattern: later.times.lowerBound &- times.upperBound)
    }

    /// Whether some of the rows were there to be read at `lsn`.
    package func wereKnown(at lsn: LSN) -> Bool { oldestLSN <= lsn && lsn < removedLSN }
  }

  /// Of a table.
  package static let partLimit = 256
  /// Of one compaction.
  package static let partLimitOfJob = 16

  /// In order of first instants.
  package private(set) var parts: [Part] = []
  private let limit: Int

  package init(limit: Int = partLimit) { self.limit = limit }

  package var isEmpty: Bool { parts.isEmpty }
  /// The newest event by which rows went; 0 when none did.
  package var newestLSN: LSN { parts.map(\.removedLSN).max() ?? 0 }

  /// O(parts).
  package mutating func insert(_ part: Part) {
    if parts.contains(where: { $0.contains(part) }) { return }
    parts.removeAll { part.contains($0) }
    parts.insert(part, at: parts.firstIndex { $0.times.lowerBound > part.times.lowerBound } ?? parts.count)
    while parts.count > limit {
      var nearest = 0
      for index in 1..<(parts.count - 1)
      where parts[index].gap(to: parts[index + 1]) < parts[nearest].gap(to: parts[nearest + 1]) {
        nearest = index
      }
      let joined = parts[nearest].joined(parts[nearest + 1])
      parts.replaceSubrange(nearest...(nearest + 1), with: [joined])
    }
  }

  /// Rows within `times` that were known at `lsn` and are in no file now; nil when there are none.
  package func known(at lsn: LSN, within times: ClosedRange<Int64>) -> Part? {
    parts.first { $0.wereKnown(at: lsn) && $0.times.overlaps(times) }
  }
}
