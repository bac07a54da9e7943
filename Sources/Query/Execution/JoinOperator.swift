import Synchronization

/// Hash join: the right side is held, the left side streams past it, on all threads where the
/// consumer allows.
final class JoinOperator: Operator {
  private let kind: JoinKind
  private let leftKeys: [BoundExpr]
  private let rightKeys: [BoundExpr]
  /// Over the columns of left, then right.
  private let residual: BoundExpr?

  init(
    _ left: Operator, _ right: Operator, _ kind: JoinKind, leftKeys: [BoundExpr], rightKeys: [BoundExpr],
    residual: BoundExpr?
  ) {
    self.kind = kind
    self.leftKeys = leftKeys
    self.rightKeys = rightKeys
    self.residual = residual
    super.init(left.types + right.types, [left, right])
  }

  override var title: String {
    (kind == .inner ? "JOIN" : kind == .left ? "LEFT JOIN" : "FULL JOIN") + (leftKeys.isEmpty ? " all with all" : " by hash: \(leftKeys.count) keys")
      + (residual == nil ? "" : " + condition")
  }

  override func scanColumn(_ index: Int) -> (scan: ScanOperator, column: ScanColumn)? {
    index < children[0].types.count ? children[0].scanColumn(index) : nil
  }

  /// Of a full join one thread alone knows in the end who found no partner.
  override func workers(_ context: ExecutionContext) -> Int { kind == .full ? 1 : children[0].workers(context) }

  override func run(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) {
    let side = try build(context)
    let probe = probe(side, context, sink)
    try children[0].start(context, probe)
    if kind == .full { try probe.emitUnmatched() }
    try context.charge(-side.byteCount)
  }

  override func runParallel(_ context: ExecutionContext, _ sinks: [Consumer]) throws(SQLError) {
    if kind == .full { return try run(context, sinks[0]) }
    let side = try build(context)
    try children[0].startParallel(context, sinks.map { probe(side, context, $0) })
    try context.charge(-side.byteCount)
  }

  private func probe(_ side: BuildSide, _ context: ExecutionContext, _ sink: Consumer) -> ProbeConsumer {
    let builder = NodeBuilder(context)
    return ProbeConsumer(
      side, kind, leftKeys.map(builder.node), residual.map(builder.node), children[0].types, children[1].types,
      context, sink)
  }

  private func build(_ context: ExecutionContext) throws(SQLError) -> BuildSide {
    let builder = NodeBuilder(context)
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
  private let kind: JoinKind
  private let keys: [ExpressionNode]
  private let residual: ExpressionNode?
  private let context: ExecutionContext
  private let next: Consumer
  private let joined: JoinedRows
  /// Pairs not yet pushed: row of the batch, row of the held side or -1.
  private var leftRows: [UInt16] = []
  private var rightRows: [Int32] = []
  private var matched = [Bool](repeating: false, count: Vector.capacity)
  /// Of a full join: held rows that found a partner.
  private var heldMatched: [Bool]
  private var isDone = false

  init(
    _ side: BuildSide, _ kind: JoinKind, _ keys: [ExpressionNode], _ residual: ExpressionNode?,
    _ leftTypes: [SQLType], _ rightTypes: [SQLType], _ context: ExecutionContext, _ next: Consumer
  ) {
    self.context = context
    self.side = side
    table = side.table
    self.kind = kind
    self.keys = keys
    self.residual = residual
    self.next = next
    joined = JoinedRows(leftTypes, rightTypes)
    heldMatched = kind == .full ? [Bool](repeating: false, count: side.store.count) : []
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
    guard kind != .inner else { return true }
    for row in 0..<batch.count where !matched[row] {
      leftRows.append(UInt16(row))
      rightRows.append(-1)
    }
    return try flush(batch)
  }

  /// The held rows without a partner.
  func emitUnmatched() throws(SQLError) {
    var rows = heldMatched.indices.filter { !heldMatched[$0] }.map { Int32(truncatingIfNeeded: $0) }[...]
    while !isDone, !rows.isEmpty {
      try context.checkCancelled()
      let chunk = Array(rows.prefix(Vector.capacity))
      rows = rows.dropFirst(chunk.count)
      // Behind whatever the left side gave.
      joined.gather(unmatched: side.store, chunk, sequence: 1 << 62 &+ UInt64(chunk[0]))
      isDone = try !next.consume(joined.batch)
    }
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
    joined.gather(batch, leftRows, side.store, rightRows)
    if let residual {
      guard rightRows[0] >= 0 else { return try push() }
      let flags = try residual.evaluate(joined.batch, nil)
      let kept = (0..<leftRows.count).filter { flags[$0] != 0 && flags.isValid($0) }
      if kept.count < leftRows.count {
        leftRows = kept.map { leftRows[$0] }
        rightRows = kept.map { rightRows[$0] }
        if leftRows.isEmpty { return true }
        joined.gather(batch, leftRows, side.store, rightRows)
      }
    }
    if kind != .inner { for row in leftRows { matched[Int(row)] = true } }
    if kind == .full { for row in rightRows where row >= 0 { heldMatched[Int(row)] = true } }
    return try push()
  }

  private func push() throws(SQLError) -> Bool {
    isDone = try !next.consume(joined.batch)
    return !isDone
  }
}
