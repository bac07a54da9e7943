/// Which positions of its partition each row sees (SQL:2011, 7.15).
struct WindowFrameBounds {
  private let partition: WindowPartition
  let frame: WindowCall.Frame
  /// Keys as integers that order as the keys do, and where they are not NULL: what RANGE with a distance needs.
  private var keys: [Int64] = []
  private var keyed = 0..<0
  /// Both ends by position, where they are searched for. They move forward only: months of different lengths
  /// would have them go back.
  private var edges: [(lower: Int, upper: Int)] = []

  init(_ partition: WindowPartition, _ frame: WindowCall.Frame) {
    self.partition = partition
    self.frame = frame
    guard frame.unit == .range, Self.isDistance(frame.start) || Self.isDistance(frame.end), let key = partition.order.first
    else { return }
    let column = partition.column(key.expression)
    let isFloat = key.expression.type == .float
    let valid = (0..<partition.count).filter { partition.store.isValid(column, partition.row($0)) }
    keyed = (valid.first ?? 0)..<(valid.last.map { $0 + 1 } ?? 0)
    keys = (0..<partition.count).map {
      let slot = partition.store.slots[column][partition.row($0)]
      return isFloat ? orderedKey(double(slot)) : slot
    }
    var (low, high) = (0, 0)
    edges = (0..<partition.count).map { position in
      low = max(low, lower(position))
      high = max(high, upper(position))
      return (low, high)
    }
  }

  private static func isDistance(_ bound: WindowCall.Frame.Bound) -> Bool {
    switch bound {
    case .preceding, .following: true
    default: false
    }
  }

  /// Whether the frame starts with the partition and leaves nothing out: it only grows then.
  var isGrowing: Bool { frame.start == .unboundedPreceding && frame.exclusion == nil }
  var isWhole: Bool { isGrowing && frame.end == .unboundedFollowing }

  /// The frame without its exclusion.
  func range(_ position: Int) -> Range<Int> {
    if !edges.isEmpty { return edges[position].lower..<max(edges[position].lower, edges[position].upper) }
    let start = lower(position)
    return start..<max(start, upper(position))
  }

  /// The frame, in parts where rows in its midst are left out.
  func ranges(_ position: Int) -> [Range<Int>] {
    let whole = range(position)
    guard let exclusion = frame.exclusion else { return [whole] }
    let group = partition.groupOf[position]
    let peers = partition.peerStart(group)..<partition.peerEnd(group)
    let current = position..<position + 1
    let parts: [Range<Int>] =
      switch exclusion {
      case .currentRow: [0..<current.lowerBound, current.upperBound..<partition.count]
      case .group: [0..<peers.lowerBound, peers.upperBound..<partition.count]
      case .ties: [0..<peers.lowerBound, current, peers.upperBound..<partition.count]
      }
    return parts.map { $0.clamped(to: whole) }.filter { !$0.isEmpty }
  }

  private func lower(_ position: Int) -> Int {
    let count = partition.count
    let group = partition.groupOf[position]
    switch (frame.start, frame.unit) {
    case (.unboundedPreceding, _): return 0
    case (.unboundedFollowing, _): return count
    case (.currentRow, .rows): return position
    case (.currentRow, _): return partition.peerStart(group)
    case (.preceding(.int(let distance)), .rows): return max(0, position - Int(clamping: distance).clamped(count))
    case (.following(.int(let distance)), .rows): return min(count, position + Int(clamping: distance).clamped(count))
    case (.preceding(.int(let distance)), .groups):
      return partition.peerStart(max(0, group - Int(clamping: distance).clamped(count)))
    case (.following(.int(let distance)), .groups):
      let target = group + Int(clamping: distance).clamped(count)
      return target < partition.peers.count ? partition.peerStart(target) : count
    case (.preceding(let distance), _): return edge(position, distance, isBack: true, isUpper: false)
    case (.following(let distance), _): return edge(position, distance, isBack: false, isUpper: false)
    }
  }

  private func upper(_ position: Int) -> Int {
    let count = partition.count
    let group = partition.groupOf[position]
    switch (frame.end, frame.unit) {
    case (.unboundedPreceding, _): return 0
    case (.unboundedFollowing, _): return count
    case (.currentRow, .rows): return position + 1
    case (.currentRow, _): return partition.peerEnd(group)
    case (.preceding(.int(let distance)), .rows): return max(0, position - Int(clamping: distance).clamped(count) + 1)
    case (.following(.int(let distance)), .rows): return min(count, position + Int(clamping: distance).clamped(count) + 1)
    case (.preceding(.int(let distance)), .groups):
      let target = group - Int(clamping: distance).clamped(count)
      return target >= 0 ? partition.peerEnd(target) : 0
    case (.following(.int(let distance)), .groups):
      return partition.peerEnd(min(partition.peers.count - 1, group + Int(clamping: distance).clamped(count)))
    case (.preceding(let distance), _): return edge(position, distance, isBack: true, isUpper: true)
    case (.following(let distance), _): return edge(position, distance, isBack: false, isUpper: true)
    }
  }

  /// The first position within (upper: beyond) `distance` of the key at `position`.
  private func edge(_ position: Int, _ distance: SQLValue, isBack: Bool, isUpper: Bool) -> Int {
    guard keyed.contains(position) else {
      // Rows whose key is NULL see each other.
      let group = partition.groupOf[position]
      return isUpper ? partition.peerEnd(group) : partition.peerStart(group)
    }
    let isDescending = partition.order[0].isDescending
    let target = moved(keys[position], distance, isDown: isBack != isDescending)
    var (low, high) = (keyed.lowerBound, keyed.upperBound)
    while low < high {
      let middle = (low + high) / 2
      let (key, limit) = isDescending ? (target, keys[middle]) : (keys[middle], target)
      if key < limit || (isUpper && key == limit) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The key `distance` away; at the end of all keys where there is none.
  private func moved(_ key: Int64, _ distance: SQLValue, isDown: Bool) -> Int64 {
    let end: Int64 = isDown ? .min : .max
    switch distance {
    case .int(let number):
      let (sum, overflow) = isDown ? key.subtractingReportingOverflow(number) : key.addingReportingOverflow(number)
      return overflow ? end : sum
    case .float(let number):
      let value = doubleOfOrderedKey(key)
      return orderedKey(isDown ? value - number : value + number)
    case .interval(let interval): return Calendar.adding(interval, to: key, negated: isDown) ?? end
    default: return key
    }
  }
}

extension Int {
  /// At most `limit`: distances beyond a partition are all alike.
  fileprivate func clamped(_ limit: Int) -> Int { Swift.min(self, limit) }
}
