/// An aggregate of distinct arguments: another state that is told each combination once.
final class DistinctState: AggregateState {
  private let inner: AggregateState
  private var members: GroupTable
  private let types: [SQLType]
  private let group = Vector(.int)
  private var groupOf: [Int64] = []
  private let single: [Vector]

  init(_ inner: AggregateState, _ types: [SQLType]) {
    self.inner = inner
    self.types = types
    members = GroupTable(types: [.int] + types)
    single = types.map { Vector($0) }
  }

  override func resize(_ count: Int) { inner.resize(count) }

  override func update(_ group: Int, _ arguments: [Vector], _ rows: Range<Int>, _ sequence: UInt64) {
    for row in rows {
      self.group[row] = Int64(group)
      let known = members.count
      guard members.find([self.group] + arguments, row: row, sequence: 0) == known else { continue }
      groupOf.append(Int64(group))
      inner.update(group, arguments, row..<row + 1, sequence)
    }
  }

  override func merge(_ other: AggregateState, _ map: [Int32]) {
    guard let other = other as? DistinctState else { return }
    for member in 0..<other.members.count {
      for (index, vector) in single.enumerated() {
        vector.clearNulls()
        other.members.write(member, index + 1, vector, 0)
      }
      update(Int(map[Int(other.groupOf[member])]), single, 0..<1, 0)
    }
  }

  override func write(_ group: Int, _ function: AggregateFunction, _ out: Vector, _ row: Int) throws(SQLError) {
    guard case .distinct(let function) = function else { return out.setNull(row) }
    try inner.write(group, function, out, row)
  }

  override var byteCount: Int { inner.byteCount + members.count * (members.bytesPerGroup + 8) }
}

/// mode: the most frequent value; of several the smallest.
final class ModeState: AggregateState {
  private let type: SQLType
  private let pool: TextPool
  private var counts: [[Int64: Int]] = []
  private var memberCount = 0

  init(_ type: SQLType, _ pool: TextPool) {
    self.type = type
    self.pool = pool
  }

  override func resize(_ count: Int) { pad(&counts, count, [:]) }

  override func update(_ group: Int, _ arguments: [Vector], _ rows: Range<Int>, _ sequence: UInt64) {
    let before = counts[group].count
    arguments[0].forEachValid(rows) { _, slot in
      counts[group][type == .float ? orderedKey(double(slot)) : slot, default: 0] += 1
    }
    memberCount += counts[group].count - before
  }

  override func merge(_ other: AggregateState, _ map: [Int32]) {
    guard let other = other as? ModeState else { return }
    for (from, to) in map.enumerated() {
      memberCount += other.counts[from].count
      counts[Int(to)].merge(other.counts[from], uniquingKeysWith: +)
    }
  }

  override func write(_ group: Int, _ function: AggregateFunction, _ out: Vector, _ row: Int) {
    let best = counts[group].max { a, b in
      if a.value != b.value { return a.value < b.value }
      return type == .text ? precedes(pool.text(of: b.key), pool.text(of: a.key)) : a.key > b.key
    }
    guard let best else { return out.setNull(row) }
    out[row] = type == .float ? slot(of: doubleOfOrderedKey(best.key)) : best.key
  }

  override var byteCount: Int { memberCount * 32 + counts.count * 16 }
}

/// string_agg: texts one behind the other, in the order of a key or of the rows.
final class JoinedTextState: AggregateState {
  private struct Part {
    var key: Int64
    var sequence: UInt64
    var text: Int64
  }

  private let separator: String
  private let keyType: SQLType?
  private let isDescending: Bool
  private let pool: TextPool
  private var parts: [[Part]] = []
  private var count = 0

  /// - Parameter keyType: of the second argument, where there is one: not a text.
  init(_ separator: String, keyType: SQLType?, isDescending: Bool, _ pool: TextPool) {
    self.separator = separator
    self.keyType = keyType
    self.isDescending = isDescending
    self.pool = pool
  }

  override func resize(_ count: Int) { pad(&parts, count, []) }

  override func update(_ group: Int, _ arguments: [Vector], _ rows: Range<Int>, _ sequence: UInt64) {
    arguments[0].forEachValid(rows) { row, text in
      var key: Int64 = 0
      if let keyType {
        // NULLs come last, as in ORDER BY.
        let slot = keyType == .float ? orderedKey(double(arguments[1][row])) : arguments[1][row]
        key = arguments[1].isValid(row) ? (isDescending ? ~slot : slot) : (isDescending ? .min : .max)
      }
      parts[group].append(Part(key: key, sequence: sequence &+ UInt64(row), text: text))
      count += 1
    }
  }

  override func merge(_ other: AggregateState, _ map: [Int32]) {
    guard let other = other as? JoinedTextState else { return }
    for (from, to) in map.enumerated() { parts[Int(to)] += other.parts[from] }
    count += other.count
  }

  override func write(_ group: Int, _ function: AggregateFunction, _ out: Vector, _ row: Int) throws(SQLError) {
    guard !parts[group].isEmpty else { return out.setNull(row) }
    let sorted = parts[group].sorted { ($0.key, $0.sequence) < ($1.key, $1.sequence) }
    var joined = ""
    for (index, part) in sorted.enumerated() {
      if index > 0 { joined += separator }
      joined += pool.text(of: part.text)
      if joined.utf8.count > 1 << 26 {
        throw SQLError(.programLimitExceeded, "string_agg made a text of over 64 MiB", hint: "group to fewer rows")
      }
    }
    out[row] = pool.code(of: joined)
  }

  override var byteCount: Int { count * MemoryLayout<Part>.stride + parts.count * 8 }
}

/// corr: of the rows where both are there. Sums are exact, so the answer hangs on no order.
final class CorrelationState: AggregateState {
  private struct Sums {
    var count = 0
    var x = ExactSum(), y = ExactSum(), xx = ExactSum(), yy = ExactSum(), xy = ExactSum()
  }

  private var sums: [Sums] = []

  override func resize(_ count: Int) { pad(&sums, count, Sums()) }

  override func update(_ group: Int, _ arguments: [Vector], _ rows: Range<Int>, _ sequence: UInt64) {
    for row in rows where arguments[0].isValid(row) && arguments[1].isValid(row) {
      let (x, y) = (double(arguments[0][row]), double(arguments[1][row]))
      sums[group].count += 1
      sums[group].x.add(x)
      sums[group].y.add(y)
      sums[group].xx.addProduct(x, x)
      sums[group].yy.addProduct(y, y)
      sums[group].xy.addProduct(x, y)
    }
  }

  override func merge(_ other: AggregateState, _ map: [Int32]) {
    guard let other = other as? CorrelationState else { return }
    for (from, to) in map.enumerated() {
      sums[Int(to)].count += other.sums[from].count
      sums[Int(to)].x.add(other.sums[from].x)
      sums[Int(to)].y.add(other.sums[from].y)
      sums[Int(to)].xx.add(other.sums[from].xx)
      sums[Int(to)].yy.add(other.sums[from].yy)
      sums[Int(to)].xy.add(other.sums[from].xy)
    }
  }

  override func write(_ group: Int, _ function: AggregateFunction, _ out: Vector, _ row: Int) {
    let found = sums[group]
    guard found.count > 1 else { return out.setNull(row) }
    /// Σab − Σa·Σb ÷ n, the product without its rounding.
    func spread(_ product: ExactSum, _ a: ExactSum, _ b: ExactSum) -> Double {
      var sum = product
      sum.addProduct(-a.value / Double(found.count), b.value)
      return sum.value
    }
    let (sx, sy) = (spread(found.xx, found.x, found.x), spread(found.yy, found.y, found.y))
    guard sx > 0, sy > 0 else { return out.setNull(row) }
    out[row] = slot(of: min(1, max(-1, spread(found.xy, found.x, found.y) / (sx.squareRoot() * sy.squareRoot()))))
  }

  override var byteCount: Int { sums.count * 5 * ExactSum.byteCount }
}
