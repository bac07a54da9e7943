import TSEngine

/// min and max in the order of the type.
final class ExtremeState: AggregateState {
  private let type: SQLType
  private let isMaximum: Bool
  private let pool: TextPool
  private var slots: [Int64] = []
  private var highs: [Int64] = []
  private var isSet: [Bool] = []

  init(_ type: SQLType, isMaximum: Bool, _ pool: TextPool) {
    self.type = type
    self.isMaximum = isMaximum
    self.pool = pool
  }

  override func resize(_ count: Int) {
    pad(&slots, count, 0)
    pad(&isSet, count, false)
    if type.hasHighSlot { pad(&highs, count, 0) }
  }

  override func update(_ group: Int, _ arguments: [Vector], _ rows: Range<Int>, _ sequence: UInt64) {
    let value = arguments[0]
    switch type {
    case .int, .bool, .timestamp, .null:
      guard let (low, high) = value.extremes(rows) else { return }
      offer(group, isMaximum ? high : low)
    case .float:
      var best: Int64?
      value.forEachValid(rows) { _, slot in
        let key = orderedKey(double(slot))
        best = best.map { isMaximum ? max($0, key) : min($0, key) } ?? key
      }
      if let best { offer(group, slot(of: doubleOfOrderedKey(best))) }
    case .text:
      var last: Int64?
      value.forEachValid(rows) { _, code in
        if code != last { offer(group, code) }
        last = code
      }
    case .wide, .interval:
      value.forEachValid(rows) { row, slot in offer(group, slot, value.highSlot(row)) }
    }
  }

  /// Keeps `slot` when it is further out than what the group has.
  private func offer(_ group: Int, _ slot: Int64, _ high: Int64 = 0) {
    if isSet[group], !wins(slot, high, slots[group], type.hasHighSlot ? highs[group] : 0) { return }
    slots[group] = slot
    if type.hasHighSlot { highs[group] = high }
    isSet[group] = true
  }

  private func wins(_ a: Int64, _ aHigh: Int64, _ b: Int64, _ bHigh: Int64) -> Bool {
    switch type {
    case .float:
      let (x, y) = (orderedKey(double(a)), orderedKey(double(b)))
      return isMaximum ? x > y : x < y
    case .text:
      if a == b { return false }
      let (x, y) = (pool.text(of: a), pool.text(of: b))
      return isMaximum ? precedes(y, x) : precedes(x, y)
    case .wide:
      let (x, y) = (wideValue(a, aHigh), wideValue(b, bHigh))
      return isMaximum ? x > y : x < y
    case .interval:
      let x = Interval(slot: a, high: aHigh).comparable
      let y = Interval(slot: b, high: bHigh).comparable
      return isMaximum ? x > y : x < y
    default: return isMaximum ? a > b : a < b
    }
  }

  override func absorb(_ group: Int, _ facts: SegmentFacts) -> Bool {
    guard let known = facts.arguments[0] else { return false }
    if known.nullCount == known.count { return true }
    // Statistics of texts are in the order of codes, which says nothing but "all the same".
    if type == .text, known.min != known.max { return false }
    if type == .float, double(known.min).isNaN || double(known.max).isNaN { return false }
    offer(group, isMaximum ? known.max : known.min)
    return true
  }

  override func merge(_ other: AggregateState, _ map: [Int32]) {
    guard let other = other as? ExtremeState else { return }
    for (from, to) in map.enumerated() where other.isSet[from] {
      offer(Int(to), other.slots[from], type.hasHighSlot ? other.highs[from] : 0)
    }
  }

  override func write(_ group: Int, _ function: AggregateFunction, _ out: Vector, _ row: Int) {
    guard isSet[group] else { return out.setNull(row) }
    out[row] = slots[group]
    if type.hasHighSlot { out.setHigh(row, highs[group]) }
  }
  override var byteCount: Int { slots.count * 9 + highs.count * 8 }
}

/// first and last: the value at the smallest (largest) key. Equal keys (two series at one instant)
/// are decided by the order of series, not by who read first.
final class EdgeState: AggregateState {
  private struct Edge {
    var key: Int64 = 0
    var sequence: UInt64 = 0
    var slot: Int64 = 0
    var high: Int64 = 0
    var isSet = false
  }
  private let type: SQLType
  private let isLast: Bool
  private let isFloatKey: Bool
  private var edges: [Edge] = []

  init(_ type: SQLType, isLast: Bool, isFloatKey: Bool) {
    self.type = type
    self.isLast = isLast
    self.isFloatKey = isFloatKey
  }

  override func resize(_ count: Int) { pad(&edges, count, Edge()) }

  override func update(_ group: Int, _ arguments: [Vector], _ rows: Range<Int>, _ sequence: UInt64) {
    let (value, key) = (arguments[0], arguments[1])
    var edge = edges[group]
    value.forEachValid(rows) { row, slot in
      guard key.isValid(row) else { return }
      let at = isFloatKey ? orderedKey(double(key[row])) : key[row]
      if !edge.isSet || wins(at, sequence &+ UInt64(row), edge) {
        edge = Edge(key: at, sequence: sequence &+ UInt64(row), slot: slot, high: value.highSlot(row), isSet: true)
      }
    }
    edges[group] = edge
  }

  private func wins(_ key: Int64, _ sequence: UInt64, _ edge: Edge) -> Bool {
    if key != edge.key { return isLast ? key > edge.key : key < edge.key }
    return isLast ? sequence > edge.sequence : sequence < edge.sequence
  }

  /// Needs the value of the first (last) row, and that the key rises with the rows: it is `ts`.
  override func absorb(_ group: Int, _ facts: SegmentFacts) -> Bool {
    guard !isFloatKey, let value = facts.arguments[0], let key = facts.arguments[1],
      key.first == key.min, key.last == key.max, key.nullCount == 0
    else { return false }
    if value.nullCount == value.count { return true }
    // Beside nulls, the instant of the value is not known.
    guard value.nullCount == 0 else { return false }
    let (slot, at) = isLast ? (value.last, key.last) : (value.first, key.first)
    let sequence = facts.sequence &+ UInt64(isLast ? facts.rowCount - 1 : 0)
    if !edges[group].isSet || wins(at, sequence, edges[group]) {
      edges[group] = Edge(key: at, sequence: sequence, slot: slot, high: 0, isSet: true)
    }
    return true
  }

  override func merge(_ other: AggregateState, _ map: [Int32]) {
    guard let other = other as? EdgeState else { return }
    for (from, to) in map.enumerated() where other.edges[from].isSet {
      let edge = other.edges[from]
      if !edges[Int(to)].isSet || wins(edge.key, edge.sequence, edges[Int(to)]) { edges[Int(to)] = edge }
    }
  }

  override func write(_ group: Int, _ function: AggregateFunction, _ out: Vector, _ row: Int) {
    guard edges[group].isSet else { return out.setNull(row) }
    out[row] = edges[group].slot
    out.setHigh(row, edges[group].high)
  }
  override var byteCount: Int { edges.count * MemoryLayout<Edge>.stride }
}

/// Exact quantiles. Integers in a bounded range are counted in a histogram, so a group costs as
/// much as its range, not its rows; others are kept and sorted at the end.
final class QuantileState: AggregateState {
  private struct Group {
    var base: Int64 = 0
    /// How often `base + i` came is counts[2·i] + counts[2·i + 1]: neighbouring rows, which are
    /// often equal, count in different words, so that one add need not wait for the other.
    var counts: [UInt64] = []
    var values: [Int64] = []
  }
  private let type: SQLType
  private let fraction: Double
  private let isContinuous: Bool
  private var groups: [Group] = []
  private var bytes = 0
  private static let widestHistogram = 1 << 16

  init(_ type: SQLType, _ fraction: Double, isContinuous: Bool) {
    self.type = type
    self.fraction = fraction
    self.isContinuous = isContinuous
  }

  override func resize(_ count: Int) { pad(&groups, count, Group()) }

  override func update(_ index: Int, _ arguments: [Vector], _ rows: Range<Int>, _ sequence: UInt64) {
    let value = arguments[0]
    var group = Group()
    swap(&group, &groups[index])
    if type == .float {
      value.forEachValid(rows) { _, slot in group.values.append(orderedKey(double(slot))) }
      bytes += rows.count * 8
    } else if !tally(&group, value, rows), let (low, high) = value.extremes(rows) {
      if !cover(&group, low, high) || !tally(&group, value, rows) {
        value.forEachValid(rows) { _, slot in group.values.append(slot) }
        bytes += rows.count * 8
      }
    }
    swap(&group, &groups[index])
  }

  /// Counts the rows; false, having counted none, when a value lies outside the histogram.
  private func tally(_ group: inout Group, _ value: Vector, _ rows: Range<Int>) -> Bool {
    let (base, width) = (group.base, UInt64(group.counts.count / 2))
    guard width > 0 else { return false }
    var isInside = true
    value.forEachValid(rows) { _, slot in
      isInside = isInside && UInt64(bitPattern: slot &- base) < width
    }
    guard isInside else { return false }
    var counts = group.counts.mutableSpan
    value.forEachValid(rows) { row, slot in
      // SAFETY: 0 ≤ slot − base < width for every row, as the loop above found.
      unsafe counts[unchecked: Int(slot &- base) &* 2 &+ row & 1] &+= 1
    }
    return true
  }

  /// Makes the histogram hold low ... high; false when it would be too wide: then values are kept.
  private func cover(_ group: inout Group, _ low: Int64, _ high: Int64) -> Bool {
    if group.counts.isEmpty, !group.values.isEmpty { return false }
    let count = Int64(group.counts.count / 2)
    if count > 0, low >= group.base, high < group.base &+ count { return true }
    let newLow = count > 0 ? min(low, group.base) : low
    let newHigh = count > 0 ? max(high, group.base + count - 1) : high
    let (width, overflow) = newHigh.subtractingReportingOverflow(newLow)
    guard !overflow, width < Int64(Self.widestHistogram) else {
      spill(&group)
      return false
    }
    // Some room on both sides, so that a slowly growing range does not move the counts each time.
    let slack = min(width / 4 + 16, Int64(Self.widestHistogram))
    let base = newLow.subtractingReportingOverflow(slack).overflow ? newLow : newLow - slack
    let top = newHigh.addingReportingOverflow(slack).overflow ? newHigh : newHigh + slack
    var counts = [UInt64](repeating: 0, count: 2 * (Int(top - base) + 1))
    for (offset, value) in group.counts.enumerated() { counts[2 * Int(group.base - base) + offset] = value }
    bytes += (counts.count - group.counts.count) * 8
    group.base = base
    group.counts = counts
    return true
  }

  private func spill(_ group: inout Group) {
    for (offset, count) in group.counts.enumerated() where count > 0 {
      group.values.append(contentsOf: repeatElement(group.base + Int64(offset / 2), count: Int(count)))
    }
    bytes += group.values.count * 8
    group.counts = []
  }

  override func merge(_ other: AggregateState, _ map: [Int32]) {
    guard let other = other as? QuantileState else { return }
    for (from, to) in map.enumerated() {
      let source = other.groups[from]
      var group = Group()
      swap(&group, &groups[Int(to)])
      if let low = source.counts.firstIndex(where: { $0 != 0 }), let high = source.counts.lastIndex(where: { $0 != 0 }) {
        if cover(&group, source.base + Int64(low / 2), source.base + Int64(high / 2)) {
          let shift = 2 * Int(source.base - group.base)
          for index in low...high { group.counts[index + shift] += source.counts[index] }
        } else {
          var spilled = source
          spill(&spilled)
          group.values += spilled.values
        }
      }
      if !source.values.isEmpty {
        spill(&group)
        group.values += source.values
      }
      swap(&group, &groups[Int(to)])
    }
  }

  override func write(_ index: Int, _ function: AggregateFunction, _ out: Vector, _ row: Int) {
    let group = groups[index]
    let sorted = group.values.sorted()
    let total = group.counts.reduce(0, +) + UInt64(sorted.count)
    guard total > 0 else { return out.setNull(row) }
    let position = fraction * Double(total - 1)
    let below = UInt64(position.rounded(.down))
    if !isContinuous {
      // percentile_disc: the first value whose share reaches the fraction.
      let rank = max(1, UInt64((fraction * Double(total)).rounded(.up)))
      return out[row] = slot(of: at(group, sorted, rank - 1))
    }
    let low = at(group, sorted, below)
    let rest = position - Double(below)
    let high = rest == 0 ? low : at(group, sorted, below + 1)
    out[row] = slot(of: rest == 0 ? low : low + (high - low) * rest)
  }

  /// The value with `rank` others before it.
  private func at(_ group: Group, _ sorted: [Int64], _ rank: UInt64) -> Double {
    if !sorted.isEmpty {
      let value = sorted[Int(rank)]
      return type == .float ? doubleOfOrderedKey(value) : Double(value)
    }
    var before: UInt64 = 0
    for (offset, count) in group.counts.enumerated() {
      before += count
      if before > rank { return Double(group.base + Int64(offset / 2)) }
    }
    return .nan
  }

  override var byteCount: Int { bytes + groups.count * 40 }
}
