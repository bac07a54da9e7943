/// ASOF JOIN: the right side is held, sorted by time within each key; each left row, streaming past, finds
/// its partner by bisection. O((left + right) · log right).
final class AsofJoinOperator: Operator {
  private let join: AsofJoin

  init(_ left: Operator, _ right: Operator, _ join: AsofJoin) {
    self.join = join
    super.init(left.types + right.types, [left, right])
  }

  override var title: String {
    "ASOF \(join.isLeft ? "LEFT " : "")JOIN by hash: \(join.keys.count) keys, and time"
  }

  override func scanColumn(_ index: Int) -> (scan: ScanOperator, column: ScanColumn)? {
    index < children[0].types.count ? children[0].scanColumn(index) : nil
  }

  override func workers(_ context: ExecutionContext) -> Int { children[0].workers(context) }

  override func run(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) {
    let charge = MemoryCharge(context)
    let side = try build(context, charge)
    try children[0].start(context, consumer(side, context, sink))
  }

  override func runParallel(_ context: ExecutionContext, _ sinks: [Consumer]) throws(SQLError) {
    let charge = MemoryCharge(context)
    let side = try build(context, charge)
    try children[0].startParallel(context, sinks.map { consumer(side, context, $0) })
  }

  private func build(_ context: ExecutionContext, _ charge: MemoryCharge) throws(SQLError) -> AsofSide {
    let builder = NodeBuilder(context)
    let nodes = join.keys.map { builder.node($0.right) }
    let timeNode = builder.node(join.rightTime)
    var side = AsofSide(join.keys.map(\.right.type), children[1].types, isFloat: join.rightTime.type == .float)
    try children[1].start(context, SinkConsumer { (batch) throws(SQLError) in
      var keys: [Vector] = []
      for node in nodes { keys.append(try node.evaluate(batch, nil)) }
      try charge.add(batch.count * side.rowByteCount)
      side.append(batch, keys, try timeNode.evaluate(batch, nil))
      return true
    })
    side.sort()
    metrics.notes.withLock { $0 = ["rows held: \(side.store.count)"] }
    return side
  }

  private func consumer(_ side: AsofSide, _ context: ExecutionContext, _ sink: Consumer) -> Consumer {
    let builder = NodeBuilder(context)
    let nodes = join.keys.map { builder.node($0.left) }
    let timeNode = builder.node(join.leftTime)
    let joined = JoinedRows(children[0].types, children[1].types)
    let (comparison, isLeft) = (join.comparison, join.isLeft)
    var table = side.table
    return SinkConsumer { (batch) throws(SQLError) in
      var keys: [Vector] = []
      for node in nodes { keys.append(try node.evaluate(batch, nil)) }
      let times = try timeNode.evaluate(batch, nil)
      var (rows, partners): ([UInt16], [Int32]) = ([], [])
      let isSame = keys.allSatisfy(\.isConstant)
      var group: Int?
      for row in 0..<batch.count {
        if row == 0 || !isSame {
          group = keys.allSatisfy { $0.isValid(row) } ? table.existing(keys, row: row) : nil
        }
        var partner: Int32 = -1
        if let group, times.isValid(row) { partner = side.partner(group, times[row], comparison) }
        guard partner >= 0 || isLeft else { continue }
        rows.append(UInt16(row))
        partners.append(partner)
      }
      if rows.isEmpty { return true }
      joined.gather(batch, rows, side.store, partners)
      return try sink.consume(joined.batch)
    }
  }
}

/// The held rows, by key and time.
private struct AsofSide {
  private(set) var store: RowStore
  private(set) var table: GroupTable
  private let isFloat: Bool
  /// Of each key: instants as ordered slots, and their rows.
  private var groups: [[(at: Int64, row: Int32)]] = []

  init(_ keyTypes: [SQLType], _ types: [SQLType], isFloat: Bool) {
    store = RowStore(types: types)
    table = GroupTable(types: keyTypes)
    self.isFloat = isFloat
  }

  var rowByteCount: Int { store.rowByteCount + table.bytesPerGroup + 16 }

  mutating func append(_ batch: Batch, _ keys: [Vector], _ times: Vector) {
    let start = store.count
    store.append(batch)
    for row in 0..<batch.count {
      // NULL is equal and near to nothing.
      guard times.isValid(row), keys.allSatisfy({ $0.isValid(row) }) else { continue }
      let group = table.find(keys, row: row, sequence: 0)
      if group == groups.count { groups.append([]) }
      groups[group].append((ordered(times[row]), Int32(truncatingIfNeeded: start + row)))
    }
  }

  mutating func sort() {
    for group in groups.indices {
      let isSorted = zip(groups[group], groups[group].dropFirst()).allSatisfy { $0.at <= $1.at }
      if !isSorted { groups[group].sort { ($0.at, $0.row) < ($1.at, $1.row) } }
    }
  }

  private func ordered(_ slot: Int64) -> Int64 { isFloat ? orderedKey(double(slot)) : slot }

  /// The row nearest to `slot`; of equal instants the later one looking back, the earlier one forward. -1: none.
  func partner(_ group: Int, _ slot: Int64, _ comparison: Comparison) -> Int32 {
    let rows = groups[group]
    let at = ordered(slot)
    let isBack = comparison == .greaterOrEqual || comparison == .greater
    // Equal instants are passed over by `>=`, which takes the last one passed, and by `<`, which takes the next.
    let passesEqual = comparison == .greaterOrEqual || comparison == .less
    var (low, high) = (0, rows.count)
    while low < high {
      let middle = (low + high) / 2
      if rows[middle].at < at || (passesEqual && rows[middle].at == at) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    if isBack { return low > 0 ? rows[low - 1].row : -1 }
    return low < rows.count ? rows[low].row : -1
  }
}
