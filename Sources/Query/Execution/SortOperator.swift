package struct SortOrder: Hashable, Sendable {
  package var expression: BoundExpr
  package var isDescending: Bool
  package var nullsFirst: Bool

  func mapExpression<E: Error>(_ f: (BoundExpr) throws(E) -> BoundExpr) throws(E) -> SortOrder {
    SortOrder(expression: try f(expression), isDescending: isDescending, nullsFirst: nullsFirst)
  }
}

/// ORDER BY. Keys become words that compare as unsigned integers, whatever their type, so one
/// comparison serves all; equal rows keep their order. With a limit only the best rows are kept.
final class SortOperator: Operator {
  private let order: [SortOrder]
  /// Rows that anybody will look at; nil is all.
  private let limit: Int?

  init(_ child: Operator, _ order: [SortOrder], limit: Int?) {
    self.order = order
    self.limit = limit
    super.init(child.types, [child])
  }

  override var title: String { "SORT \(order.count) keys" + (limit.map { ", best \($0)" } ?? "") }

  override func run(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) {
    var rows = SortBuffer(order, types, context.pool)
    let nodes = order.map { NodeBuilder(context).node($0.expression) }
    let most = limit.map { $0 > 1 << 40 ? .max : max(4 * $0, 16_384) } ?? .max
    try children[0].start(context, SinkConsumer { (batch) throws(SQLError) in
      var keys: [Vector] = []
      for node in nodes { keys.append(try node.evaluate(batch, nil)) }
      try context.charge(batch.count * rows.rowByteCount)
      rows.append(batch, keys)
      if rows.count > most, let limit = self.limit {
        let before = rows.count
        rows.keepBest(limit)
        try context.charge((rows.count - before) * rows.rowByteCount)
      }
      return true
    })
    let sorted = rows.sorted()
    _ = try rows.store.emit(sorted.prefix(limit ?? .max), context, sink)
    try context.charge(-rows.count * rows.rowByteCount)
  }
}

/// Rows with their keys as words that compare as unsigned integers.
struct SortBuffer {
  private let order: [SortOrder]
  private let pool: TextPool
  private(set) var store: RowStore
  /// `stride` words a row: per key whether it is null, then one or two words of value.
  private var words: [UInt64] = []
  private let stride: Int

  init(_ order: [SortOrder], _ types: [SQLType], _ pool: TextPool) {
    self.order = order
    self.pool = pool
    store = RowStore(types: types)
    stride = order.reduce(0) { $0 + ($1.expression.type.hasHighSlot ? 3 : 2) }
  }

  var count: Int { store.count }
  var rowByteCount: Int { store.rowByteCount + stride * 8 + 8 }

  mutating func append(_ batch: Batch, _ keys: [Vector]) {
    for row in 0..<batch.count {
      for (key, vector) in zip(order, keys) {
        let isNull = !vector.isValid(row)
        words.append(isNull == key.nullsFirst ? 0 : 1)
        let flip: UInt64 = key.isDescending ? .max : 0
        if isNull {
          words.append(0)
          if vector.type.hasHighSlot { words.append(0) }
          continue
        }
        switch vector.type {
        case .float: words.append(Self.ordered(orderedKey(double(vector[row]))) ^ flip)
        // Texts stay codes until all are known; `sorted` turns them into ranks.
        case .text: words.append(UInt64(bitPattern: vector[row]))
        case .wide, .interval:
          let value = vector.type == .wide ? vector.wide(row) : vector.interval(row).comparable
          words.append(Self.ordered(Int64(truncatingIfNeeded: value >> 64)) ^ flip)
          words.append(UInt64(truncatingIfNeeded: value) ^ flip)
        default: words.append(Self.ordered(vector[row]) ^ flip)
        }
      }
    }
    store.append(batch)
  }

  /// Signed order as unsigned order.
  private static func ordered(_ value: Int64) -> UInt64 { UInt64(bitPattern: value) ^ 1 << 63 }

  mutating func keepBest(_ limit: Int) {
    let kept = Array(sorted().prefix(limit))
    var words: [UInt64] = []
    for row in kept { words += self.words[row * stride..<(row + 1) * stride] }
    self.words = words
    store = store.subset(kept)
  }

  /// Row numbers in order.
  func sorted() -> [Int] { sorted(by: ranked()) }

  /// Row numbers in order, and the start of each run of rows that are equal in their first `prefix` keys, for
  /// each prefix asked for.
  func runs(prefixes: [Int]) -> (rows: [Int], starts: [[Int]]) {
    let words = ranked()
    let rows = sorted(by: words)
    let starts = prefixes.map { prefix in
      let width = order.prefix(prefix).reduce(0) { $0 + ($1.expression.type.hasHighSlot ? 3 : 2) }
      return rows.indices.filter { index in
        guard index > 0 else { return true }
        let (a, b) = (rows[index - 1] * stride, rows[index] * stride)
        return (0..<width).contains { words[a + $0] != words[b + $0] }
      }
    }
    return (rows, starts)
  }

  private func sorted(by words: [UInt64]) -> [Int] {
    let stride = stride
    func compare(_ a: Int, _ b: Int) -> Bool {
      for word in 0..<stride {
        let (x, y) = (words[a * stride + word], words[b * stride + word])
        if x != y { return x < y }
      }
      return a < b
    }
    let rows = Array(0..<count)
    // Readings of one series come in order of time already.
    if zip(rows, rows.dropFirst()).allSatisfy(compare) { return rows }
    return rows.sorted(by: compare)
  }

  /// The words with codes of texts replaced by their places in the order of texts.
  private func ranked() -> [UInt64] {
    var result = words
    var offset = 0
    for key in order {
      defer { offset += key.expression.type.hasHighSlot ? 3 : 2 }
      guard key.expression.type == .text else { continue }
      let validMark: UInt64 = key.nullsFirst ? 1 : 0
      var codes: Set<UInt64> = []
      for row in 0..<count where result[row * stride + offset] == validMark {
        codes.insert(result[row * stride + offset + 1])
      }
      let texts = codes.map { (code: $0, text: pool.text(of: Int64(bitPattern: $0))) }.sorted { precedes($0.text, $1.text) }
      let ranks = Dictionary(uniqueKeysWithValues: texts.enumerated().map { ($1.code, UInt64($0)) })
      let flip: UInt64 = key.isDescending ? .max : 0
      for row in 0..<count where result[row * stride + offset] == validMark {
        result[row * stride + offset + 1] = (ranks[result[row * stride + offset + 1]] ?? 0) ^ flip
      }
    }
    return result
  }
}
