import Synchronization

/// Hash join: the right side is held, the left side streams past it, on all threads where the
/// consumer allows.
final class JoinOperator: Operator {
  enum Kind { case inner, left }
  private let kind: Kind
  private let leftKeys: [BoundExpr]
  private let rightKeys: [BoundExpr]
  /// Over the columns of left, then right.
  private let residual: BoundExpr?

  init(
    _ left: Operator, _ right: Operator, _ kind: Kind, leftKeys: [BoundExpr], rightKeys: [BoundExpr],
    residual: BoundExpr?
  ) {
    self.kind = kind
    self.leftKeys = leftKeys
    self.rightKeys = rightKeys
    self.residual = residual
    super.init(left.types + right.types, [left, right])
  }

  override var title: String {
    (kind == .inner ? "JOIN" : "LEFT JOIN") + (leftKeys.isEmpty ? " all with all" : " by hash: \(leftKeys.count) keys")
      + (residual == nil ? "" : " + condition")
  }

  override func scanColumn(_ index: Int) -> (scan: ScanOperator, column: ScanColumn)? {
    index < children[0].types.count ? children[0].scanColumn(index) : nil
  }

  override func workers(_ context: ExecutionContext) -> Int { children[0].workers(context) }

  override func run(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) {
    let side = try build(context)
    try children[0].start(context, probe(side, context, sink))
    try context.charge(-side.byteCount)
  }

  override func runParallel(_ context: ExecutionContext, _ sinks: [Consumer]) throws(SQLError) {
    let side = try build(context)
    try children[0].startParallel(context, sinks.map { probe(side, context, $0) })
    try context.charge(-side.byteCount)
  }

  private func probe(_ side: BuildSide, _ context: ExecutionContext, _ sink: Consumer) -> Consumer {
    let builder = NodeBuilder(pool: context.pool)
    return ProbeConsumer(
      side, kind, leftKeys.map(builder.node), residual.map(builder.node), children[0].types, children[1].types,
      context, sink)
  }

  private func build(_ context: ExecutionContext) throws(SQLError) -> BuildSide {
    let builder = NodeBuilder(pool: context.pool)
    let nodes = rightKeys.map(builder.node)
    var side = BuildSide(rightKeys.map(\.type), children[1].types)
    try children[1].start(context, SinkConsumer { (batch) throws(SQLError) in
      var keys: [Vector] = []
      for node in nodes { keys.append(try node.evaluate(batch, nil)) }
      try context.charge(batch.count * side.rowByteCount)
      side.append(batch, keys)
      return true
    })
    metrics.notes.withLock { $0 = ["rows held: \(side.store.count)"] }
    restrictScan(side, context)
    return side
  }

  /// Only sensors that the held side knows can match: the scan need not read others.
  private func restrictScan(_ side: BuildSide, _ context: ExecutionContext) {
    guard kind == .inner else { return }
    for (index, key) in leftKeys.enumerated() {
      guard case .column(let column, _) = key, let (scan, scanColumn) = children[0].scanColumn(column),
        scanColumn == .device
      else { continue }
      let vector = Vector(.text)
      var devices: Set<String> = []
      for group in 0..<side.table.count {
        side.table.write(group, index, vector, 0)
        devices.insert(context.pool.text(of: vector[0]))
      }
      context.restrict(scan, to: devices)
    }
  }
}

/// The held rows by key: rows of a group form a chain.
private struct BuildSide {
  private(set) var store: RowStore
  private(set) var table: GroupTable
  /// First row of each group's chain, and each row's successor; -1 ends.
  private(set) var first: [Int32] = []
  private(set) var next: [Int32] = []
  private var last: [Int32] = []

  init(_ keyTypes: [SQLType], _ types: [SQLType]) {
    store = RowStore(types: types)
    table = GroupTable(types: keyTypes)
  }

  var rowByteCount: Int { store.rowByteCount + table.bytesPerGroup + 16 }
  var byteCount: Int { store.count * rowByteCount }

  mutating func append(_ batch: Batch, _ keys: [Vector]) {
    let start = store.count
    store.append(batch)
    for row in 0..<batch.count {
      next.append(-1)
      // NULL equals nothing.
      guard keys.allSatisfy({ $0.isValid(row) }) else { continue }
      let group = table.find(keys, row: row, sequence: 0)
      let index = Int32(truncatingIfNeeded: start + row)
      if group == first.count {
        first.append(index)
        last.append(index)
      } else {
        next[Int(last[group])] = index
        last[group] = index
      }
    }
  }
}

private final class ProbeConsumer: Consumer {
  private let side: BuildSide
  private var table: GroupTable
  private let kind: JoinOperator.Kind
  private let keys: [ExpressionNode]
  private let residual: ExpressionNode?
  private let leftCount: Int
  private let context: ExecutionContext
  private let next: Consumer
  private let out: Batch
  /// Pairs not yet pushed: row of the batch, row of the held side or -1.
  private var leftRows: [UInt16] = []
  private var rightRows: [Int32] = []
  private var matched = [Bool](repeating: false, count: Vector.capacity)

  init(
    _ side: BuildSide, _ kind: JoinOperator.Kind, _ keys: [ExpressionNode], _ residual: ExpressionNode?,
    _ leftTypes: [SQLType], _ rightTypes: [SQLType], _ context: ExecutionContext, _ next: Consumer
  ) {
    self.context = context
    self.side = side
    table = side.table
    self.kind = kind
    self.keys = keys
    self.residual = residual
    leftCount = leftTypes.count
    self.next = next
    out = Batch((leftTypes + rightTypes).map { Vector($0) })
  }

  override func consume(_ batch: Batch) throws(SQLError) -> Bool {
    var vectors: [Vector] = []
    for key in keys { vectors.append(try key.evaluate(batch, nil)) }
    for row in 0..<batch.count { matched[row] = false }
    let isSame = vectors.allSatisfy(\.isConstant)
    var head: Int32 = -1
    for row in 0..<batch.count {
      if row == 0 || !isSame { head = chain(vectors, row) }
      var held = head
      while held >= 0 {
        leftRows.append(UInt16(row))
        rightRows.append(held)
        held = side.next[Int(held)]
        if leftRows.count == Vector.capacity, try !flush(batch) { return false }
      }
    }
    if try !flush(batch) { return false }
    guard kind == .left else { return true }
    for row in 0..<batch.count where !matched[row] {
      leftRows.append(UInt16(row))
      rightRows.append(-1)
    }
    return try flush(batch)
  }

  private func chain(_ vectors: [Vector], _ row: Int) -> Int32 {
    guard vectors.allSatisfy({ $0.isValid(row) }), let group = table.existing(vectors, row: row),
      group < side.first.count
    else { return -1 }
    return side.first[group]
  }

  /// Pushes the pairs gathered so far.
  private func flush(_ batch: Batch) throws(SQLError) -> Bool {
    guard !leftRows.isEmpty else { return true }
    // One batch may meet any number of held rows.
    try context.checkCancelled()
    defer {
      leftRows.removeAll(keepingCapacity: true)
      rightRows.removeAll(keepingCapacity: true)
    }
    gather(batch)
    if let residual {
      guard rightRows[0] >= 0 else { return try next.consume(out) }
      let flags = try residual.evaluate(out, nil)
      let kept = (0..<leftRows.count).filter { flags[$0] != 0 && flags.isValid($0) }
      if kept.count < leftRows.count {
        leftRows = kept.map { leftRows[$0] }
        rightRows = kept.map { rightRows[$0] }
        if leftRows.isEmpty { return true }
        gather(batch)
      }
    }
    if kind == .left { for row in leftRows { matched[Int(row)] = true } }
    return try next.consume(out)
  }

  private func gather(_ batch: Batch) {
    for index in 0..<leftCount {
      out.columns[index].clearNulls()
      out.columns[index].isConstant = false
      out.columns[index].gather(batch.columns[index], leftRows)
    }
    for index in leftCount..<out.columns.count {
      let vector = out.columns[index]
      vector.clearNulls()
      for (row, held) in rightRows.enumerated() {
        if held < 0 { vector.setNull(row) } else { side.store.write(index - leftCount, Int(held), vector, row) }
      }
    }
    out.count = leftRows.count
    out.sequence = batch.sequence &+ UInt64(leftRows[0])
  }
}
