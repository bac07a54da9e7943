import TSEngine

/// What an aggregate function computes. `arguments` of the state are bound expressions.
package enum AggregateFunction: Hashable, Sendable {
  case countRows
  case count
  case countDistinct
  case sum
  case average
  case minimum
  case maximum
  /// Arguments: value, key. The value at the smallest (largest) key; NULL values are passed over.
  case first
  case last
  case variance(Deviation)
  case quantile(Double, isContinuous: Bool)
  /// Arguments: value, nanoseconds. Σ value x nanoseconds; in Wh, or exactly.
  case energy(isExact: Bool)
  /// Arguments: value, instant, then what tells series apart.
  case series(OverTime)
  /// Arguments: x, y.
  case correlation
  case mode
  /// Arguments: text, and a key of the order.
  case joined(separator: String, isDescending: Bool)
  /// Of each combination of arguments once.
  indirect case distinct(AggregateFunction)

  package enum Deviation: Hashable, Sendable {
    case sampleDeviation, populationDeviation, sampleVariance, populationVariance, rootMeanSquare
  }

  package enum OverTime: Hashable, Sendable {
    /// Last value less the first.
    case delta
    /// What a counter rose by; where it falls, it began again from zero.
    case increase
    /// The increase a second, from the first sample to the last.
    case rate
    /// Value × seconds; between samples on a line, or holding the older value.
    case integral(isHold: Bool)
    /// The integral over its time.
    case average(isHold: Bool)
  }

  /// sum and avg over the same argument keep one state.
  var stateKind: AggregateFunction {
    switch self {
    case .average: .sum
    case .distinct(let function): .distinct(function.stateKind)
    default: self
    }
  }
}

package struct Aggregate: Hashable, Sendable {
  package var function: AggregateFunction
  package var arguments: [BoundExpr]

  package var type: SQLType {
    switch function {
    case .countRows, .count, .countDistinct: .int
    case .sum: arguments[0].type
    case .minimum, .maximum, .first, .last: arguments[0].type
    case .average, .variance, .quantile, .correlation: .float
    case .mode: arguments[0].type
    case .joined: .text
    case .series(.delta), .series(.increase): arguments[0].type
    case .series: .float
    case .distinct(let function): Aggregate(function: function, arguments: arguments).type
    case .energy(let isExact): isExact && arguments[0].type == .int ? .wide : .float
    }
  }

  func makeState(_ context: ExecutionContext) -> AggregateState {
    let type = arguments.first?.type ?? .null
    switch function {
    case .countRows: return CountRowsState()
    case .count: return CountState()
    case .countDistinct: return CountDistinctState(type)
    case .sum, .average: return type == .float ? SumFloatState() : SumIntState(type)
    case .minimum: return ExtremeState(type, isMaximum: false, context.pool)
    case .maximum: return ExtremeState(type, isMaximum: true, context.pool)
    case .first: return EdgeState(type, isLast: false, isFloatKey: arguments[1].type == .float)
    case .last: return EdgeState(type, isLast: true, isFloatKey: arguments[1].type == .float)
    case .variance(let kind): return type == .int ? VarianceIntState(kind) : VarianceFloatState(kind)
    case .quantile(let fraction, let isContinuous):
      return QuantileState(type, fraction, isContinuous: isContinuous)
    case .series(let function):
      return SeriesState(type, function, seriesTypes: arguments.dropFirst(2).map(\.type))
    case .correlation: return CorrelationState()
    case .mode: return ModeState(type, context.pool)
    case .joined(let separator, let isDescending):
      return JoinedTextState(
        separator, keyType: arguments.count > 1 ? arguments[1].type : nil, isDescending: isDescending, context.pool)
    case .distinct(let function):
      let inner = Aggregate(function: function, arguments: arguments).makeState(context)
      return DistinctState(inner, arguments.map(\.type))
    case .energy(let isExact): return type == .int ? EnergyIntState(isExact: isExact) : EnergyFloatState()
    }
  }
}

/// What is known of a whole stretch without reading it: statistics of each argument.
struct SegmentFacts {
  var rowCount: Int
  /// One an argument; nil where reading is the only way to know.
  var arguments: [KnownValues?]
  var sequence: UInt64
}

/// Statistics of one argument over all rows of a stretch, as slots.
struct KnownValues {
  var count: Int
  var nullCount: Int
  /// Meaningless where all rows are null.
  var min: Int64
  var max: Int64
  /// Of the rows that are not null.
  var first: Int64
  var last: Int64
  var sum: Int128?

  init(count: Int, nullCount: Int = 0, min: Int64, max: Int64, first: Int64, last: Int64, sum: Int128?) {
    self.count = count
    self.nullCount = nullCount
    self.min = min
    self.max = max
    self.first = first
    self.last = last
    self.sum = sum
  }

  /// nil where the store counts, but does not know values (symbols).
  init?(_ known: ColumnStatistics) {
    guard !known.isSymbol || !known.hasValues else { return nil }
    func slot(_ key: Int64) -> Int64 { known.isFloat ? FloatOrder.bits(key: key) : key }
    self.init(
      count: known.count, nullCount: known.nullCount, min: slot(known.minimum), max: slot(known.maximum),
      first: slot(known.first), last: slot(known.last), sum: known.sum)
  }
}

/// The running values of one aggregate for all groups of one worker.
class AggregateState {
  /// Makes room for groups 0 ..< count.
  func resize(_ count: Int) { preconditionFailure("abstract") }

  /// Rows `rows` all belong to `group`.
  func update(_ group: Int, _ arguments: [Vector], _ rows: Range<Int>, _ sequence: UInt64) {
    preconditionFailure("abstract")
  }

  /// Row r belongs to `groups[r]`.
  func update(_ groups: [Int32], _ arguments: [Vector], _ count: Int, _ sequence: UInt64) {
    var start = 0
    while start < count {
      var end = start + 1
      while end < count, groups[end] == groups[start] { end += 1 }
      update(Int(groups[start]), arguments, start..<end, sequence)
      start = end
    }
  }

  /// Takes a whole stretch from its statistics; false when they do not suffice.
  func absorb(_ group: Int, _ facts: SegmentFacts) -> Bool { false }

  /// Takes in the values of `other`, of the same aggregate, whose group g is `map[g]` here.
  func merge(_ other: AggregateState, _ map: [Int32]) { preconditionFailure("abstract") }

  /// Writes the result of `group` for `function` to a row of `out`.
  func write(_ group: Int, _ function: AggregateFunction, _ out: Vector, _ row: Int) throws(SQLError) {
    preconditionFailure("abstract")
  }

  /// Bytes held, roughly.
  var byteCount: Int { 0 }
}

final class CountRowsState: AggregateState {
  private var counts: [Int64] = []
  override func resize(_ count: Int) { pad(&counts, count, 0) }
  override func update(_ group: Int, _ arguments: [Vector], _ rows: Range<Int>, _ sequence: UInt64) {
    counts[group] += Int64(rows.count)
  }
  override func update(_ groups: [Int32], _ arguments: [Vector], _ count: Int, _ sequence: UInt64) {
    for row in 0..<count { counts[Int(groups[row])] += 1 }
  }
  override func absorb(_ group: Int, _ facts: SegmentFacts) -> Bool {
    counts[group] += Int64(facts.rowCount)
    return true
  }
  override func merge(_ other: AggregateState, _ map: [Int32]) {
    guard let other = other as? CountRowsState else { return }
    for (from, to) in map.enumerated() { counts[Int(to)] += other.counts[from] }
  }
  override func write(_ group: Int, _ function: AggregateFunction, _ out: Vector, _ row: Int) {
    out[row] = counts[group]
  }
  override var byteCount: Int { counts.count * 8 }
}

final class CountState: AggregateState {
  private var counts: [Int64] = []
  override func resize(_ count: Int) { pad(&counts, count, 0) }
  override func update(_ group: Int, _ arguments: [Vector], _ rows: Range<Int>, _ sequence: UInt64) {
    counts[group] += Int64(arguments[0].validCount(rows))
  }
  override func absorb(_ group: Int, _ facts: SegmentFacts) -> Bool {
    guard let known = facts.arguments[0] else { return false }
    counts[group] += Int64(known.count - known.nullCount)
    return true
  }
  override func merge(_ other: AggregateState, _ map: [Int32]) {
    guard let other = other as? CountState else { return }
    for (from, to) in map.enumerated() { counts[Int(to)] += other.counts[from] }
  }
  override func write(_ group: Int, _ function: AggregateFunction, _ out: Vector, _ row: Int) {
    out[row] = counts[group]
  }
  override var byteCount: Int { counts.count * 8 }
}

final class CountDistinctState: AggregateState {
  private var members: GroupTable
  private var groupOf: [Int64] = []
  private var counts: [Int64] = []
  private let key: Vector

  init(_ type: SQLType) {
    members = GroupTable(types: [.int, type])
    key = Vector(.int)
  }

  override func resize(_ count: Int) { pad(&counts, count, 0) }

  override func update(_ group: Int, _ arguments: [Vector], _ rows: Range<Int>, _ sequence: UInt64) {
    let value = arguments[0]
    for row in rows where value.isValid(row) {
      key[row] = Int64(group)
      let known = members.count
      let member = members.find([key, value], row: row, sequence: 0)
      if member == known {
        counts[group] += 1
        groupOf.append(Int64(group))
      }
    }
  }

  override func merge(_ other: AggregateState, _ map: [Int32]) {
    guard let other = other as? CountDistinctState else { return }
    let value = Vector(members.types[1])
    for member in 0..<other.members.count {
      let group = Int(map[Int(other.groupOf[member])])
      other.members.write(member, 1, value, 0)
      update(group, [value], 0..<1, 0)
    }
  }

  override func write(_ group: Int, _ function: AggregateFunction, _ out: Vector, _ row: Int) {
    out[row] = counts[group]
  }
  override var byteCount: Int { counts.count * 8 + members.count * (members.bytesPerGroup + 8) }
}

/// sum and avg of integers: exact in 128 bits.
final class SumIntState: AggregateState {
  private let type: SQLType
  private var sums: [Int128] = []
  private var counts: [Int64] = []
  /// Some group left 128 bits, which only sums of wide integers can.
  private var overflowed = false
  init(_ type: SQLType) { self.type = type }

  override func resize(_ count: Int) {
    pad(&sums, count, 0)
    pad(&counts, count, 0)
  }

  override func update(_ group: Int, _ arguments: [Vector], _ rows: Range<Int>, _ sequence: UInt64) {
    let value = arguments[0]
    if type == .wide {
      value.forEachValid(rows) { row, _ in add(group, value.wide(row)) }
    } else {
      sums[group] += value.sum(rows)
    }
    counts[group] += Int64(value.validCount(rows))
  }

  override func update(_ groups: [Int32], _ arguments: [Vector], _ count: Int, _ sequence: UInt64) {
    guard type != .wide, !arguments[0].hasNulls else {
      return super.update(groups, arguments, count, sequence)
    }
    arguments[0].forEachValid(0..<count) { row, slot in
      let group = Int(groups[row])
      sums[group] += Int128(slot)
      counts[group] += 1
    }
  }

  override func absorb(_ group: Int, _ facts: SegmentFacts) -> Bool {
    guard let known = facts.arguments[0], let sum = known.sum else { return false }
    sums[group] += sum
    counts[group] += Int64(known.count - known.nullCount)
    return true
  }

  override func merge(_ other: AggregateState, _ map: [Int32]) {
    guard let other = other as? SumIntState else { return }
    for (from, to) in map.enumerated() {
      add(Int(to), other.sums[from])
      counts[Int(to)] += other.counts[from]
    }
    overflowed = overflowed || other.overflowed
  }

  private func add(_ group: Int, _ value: Int128) {
    let (sum, overflow) = sums[group].addingReportingOverflow(value)
    sums[group] = sum
    overflowed = overflowed || overflow
  }

  override func write(_ group: Int, _ function: AggregateFunction, _ out: Vector, _ row: Int) throws(SQLError) {
    guard counts[group] > 0 else { return out.setNull(row) }
    if overflowed { throw .integerOverflow() }
    if function == .average {
      out[row] = slot(of: roundedQuotient(sums[group], counts[group]))
    } else if type == .wide {
      out.setWide(row, sums[group])
    } else {
      guard let sum = Int64(exactly: sums[group]) else { throw .integerOverflow() }
      out[row] = sum
    }
  }
  override var byteCount: Int { sums.count * 24 }
}

/// sum and avg of floats: exact, rounded once.
final class SumFloatState: AggregateState {
  private var sums: [ExactSum] = []
  private var counts: [Int64] = []

  override func resize(_ count: Int) {
    pad(&sums, count, ExactSum())
    pad(&counts, count, 0)
  }

  override func update(_ group: Int, _ arguments: [Vector], _ rows: Range<Int>, _ sequence: UInt64) {
    var sum = ExactSum()
    swap(&sum, &sums[group])
    arguments[0].forEachValid(rows) { _, slot in sum.add(double(slot)) }
    swap(&sum, &sums[group])
    counts[group] += Int64(arguments[0].validCount(rows))
  }

  override func merge(_ other: AggregateState, _ map: [Int32]) {
    guard let other = other as? SumFloatState else { return }
    for (from, to) in map.enumerated() {
      sums[Int(to)].add(other.sums[from])
      counts[Int(to)] += other.counts[from]
    }
  }

  override func write(_ group: Int, _ function: AggregateFunction, _ out: Vector, _ row: Int) {
    guard counts[group] > 0 else { return out.setNull(row) }
    let sum = sums[group].value
    out[row] = slot(of: function == .average ? sum / Double(counts[group]) : sum)
  }
  override var byteCount: Int { sums.count * (ExactSum.byteCount + 8) }
}

/// Appends `value` until `array` has `count` elements.
func pad<T>(_ array: inout [T], _ count: Int, _ value: @autoclosure () -> T) {
  while array.count < count { array.append(value()) }
}
