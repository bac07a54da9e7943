/// "did you mean": the nearest known name to one that does not exist.
package enum Suggestion {
  /// The candidate nearest to `name`, if near enough to be a slip of the hand: at most a third of its
  /// letters differ. Case does not count; the first of equals wins.
  /// - Complexity: O(candidates x length²); names over 64 bytes are never matched.
  package static func nearest<Names: Sequence>(to name: String, among candidates: Names) -> String?
  where Names.Element == String {
    let wanted = Array(name.lowercased().utf8)
    guard !wanted.isEmpty, wanted.count <= 64 else { return nil }
    let limit = max(1, (wanted.count + 1) / 3)
    var best: String?
    var bestDistance = limit + 1
    for candidate in candidates {
      let bytes = Array(candidate.lowercased().utf8)
      guard bytes.count <= 64, abs(bytes.count - wanted.count) < bestDistance else { continue }
      let distance = distance(wanted, bytes)
      // A name of one or two letters shares nothing with one that differs in all of them.
      guard distance < bestDistance, distance < max(wanted.count, bytes.count) else { continue }
      best = candidate
      bestDistance = distance
    }
    return best
  }

  /// The hint's sentence, or nil when nothing is near.
  package static func hint<Names: Sequence>(for name: String, among candidates: Names) -> String?
  where Names.Element == String {
    nearest(to: name, among: candidates).map { "did you mean \"\($0)\"?" }
  }

  /// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
  static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var beforeLast = [Int](repeating: 0, count: b.count + 1)
    var last = Array(0...b.count)
    var row = last
    for i in a.indices {
      row[0] = i + 1
      for j in b.indices {
        var cost = last[j] + (a[i] == b[j] ? 0 : 1)
        cost = min(cost, last[j + 1] + 1, row[j] + 1)
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
          cost = min(cost, beforeLast[j - 1] + 1)
        }
        row[j + 1] = cost
      }
      (beforeLast, last, row) = (last, row, beforeLast)
    }
    return last[b.count]
  }
}
