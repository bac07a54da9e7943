import Synchronization

/// Rows computed from rows: SELECT's expressions.
final class ProjectOperator: Operator {
  private let expressions: [BoundExpr]

  init(_ child: Operator, _ expressions: [BoundExpr]) {
    self.expressions = expressions
    super.init(expressions.map(\.type), [child])
  }

  override var title: String { "PROJECT \(expressions.count) columns" }

  override func scanColumn(_ index: Int) -> (scan: ScanOperator, column: ScanColumn)? {
    if case .column(let inner, _) = expressions[index] { children[0].scanColumn(inner) } else { nil }
  }

  private func consumer(_ context: ExecutionContext, _ next: Consumer) -> Consumer {
    let nodes = expressions.map(NodeBuilder(context).node)
    let out = Batch([])
    return SinkConsumer { (batch) throws(SQLError) in
      out.columns.removeAll(keepingCapacity: true)
      for node in nodes { out.columns.append(try node.evaluate(batch, nil)) }
      out.count = batch.count
      out.sequence = batch.sequence
      return try next.consume(out)
    }
  }

  override func run(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) {
    try children[0].start(context, consumer(context, sink))
  }
  override func workers(_ context: ExecutionContext) -> Int { children[0].workers(context) }
  override func runParallel(_ context: ExecutionContext, _ sinks: [Consumer]) throws(SQLError) {
    try children[0].startParallel(context, sinks.map { consumer(context, $0) })
  }
}

/// WHERE and HAVING where no scan takes them.
final class FilterOperator: Operator {
  private let condition: BoundExpr

  init(_ child: Operator, _ condition: BoundExpr) {
    self.condition = condition
    super.init(child.types, [child])
  }

  override var title: String { "FILTER \(condition.conjuncts.count) conditions" }
  override func scanColumn(_ index: Int) -> (scan: ScanOperator, column: ScanColumn)? { children[0].scanColumn(index) }

  private func consumer(_ context: ExecutionContext, _ next: Consumer) -> Consumer {
    FilterConsumer(NodeBuilder(context).node(condition), types, next)
  }
  override func run(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) {
    try children[0].start(context, consumer(context, sink))
  }
  override func workers(_ context: ExecutionContext) -> Int { children[0].workers(context) }
  override func runParallel(_ context: ExecutionContext, _ sinks: [Consumer]) throws(SQLError) {
    try children[0].startParallel(context, sinks.map { consumer(context, $0) })
  }
}

/// VALUES; one row without columns for SELECT without FROM.
final class ValuesOperator: Operator {
  private let rows: [[BoundExpr]]

  init(_ rows: [[BoundExpr]], _ types: [SQLType]) {
    self.rows = rows
    super.init(types, [])
  }

  override var title: String { "VALUES \(rows.count) rows" }

  override func run(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) {
    let builder = NodeBuilder(context)
    let empty = Batch([], count: 1)
    let writer = BatchWriter(types, context, sink)
    for row in rows {
      for (column, expression) in row.enumerated() {
        let value = try builder.node(expression).evaluate(empty, nil)
        writer.out.columns[column].gather(value, [0], at: writer.row)
      }
      if try !writer.next() { return }
    }
    try writer.end()
  }
}

/// A table made of rows: the registry, the journal, the engine's state.
final class RowTableOperator: Operator {
  private let table: any RowTable
  /// Columns of the table that are read.
  private let columns: [Int]

  init(_ table: any RowTable, columns: [Int]) {
    self.table = table
    self.columns = columns
    super.init(columns.map { table.columns[$0].type }, [])
  }

  override var title: String { "SCAN \(table.name)" }

  override func run(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) {
    let writer = BatchWriter(types, context, sink)
    var goOn = true
    try table.scan { (row) throws(SQLError) in
      for (index, column) in columns.enumerated() {
        writer.out.columns[index].set(writer.row, row[column], context.pool)
      }
      goOn = try writer.next()
      return goOn
    }
    if goOn { try writer.end() }
  }
}

/// UNION ALL: one input after the other.
final class UnionAllOperator: Operator {
  init(_ children: [Operator]) { super.init(children[0].types, children) }
  override var title: String { "UNION ALL" }

  override func run(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) {
    var goOn = true
    var sequence: UInt64 = 0
    for child in children where goOn {
      try child.start(context, SinkConsumer { (batch) throws(SQLError) in
        batch.sequence = sequence
        sequence += UInt64(batch.count)
        goOn = try sink.consume(batch)
        return goOn
      })
    }
  }
}

final class LimitOperator: Operator {
  private let limit: Int?
  private let offset: Int

  init(_ child: Operator, limit: Int?, offset: Int) {
    self.limit = limit
    self.offset = offset
    super.init(child.types, [child])
  }

  override var title: String { "LIMIT \(limit.map(String.init) ?? "all")" + (offset > 0 ? " OFFSET \(offset)" : "") }

  override func run(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) {
    if limit == 0 { return }
    var skip = offset
    var left = limit ?? .max
    let out = Batch(types.map { Vector($0) })
    try children[0].start(context, SinkConsumer { (batch) throws(SQLError) in
      let first = min(skip, batch.count)
      skip -= first
      let count = min(batch.count - first, left)
      if count == 0 { return left > 0 }
      left -= count
      if first == 0 {
        batch.count = count
        return try sink.consume(batch) && left > 0
      }
      let rows = (first..<first + count).map { UInt16($0) }
      for (index, vector) in out.columns.enumerated() {
        vector.clearNulls()
        vector.gather(batch.columns[index], rows)
      }
      out.count = count
      out.sequence = batch.sequence &+ UInt64(first)
      return try sink.consume(out) && left > 0
    })
  }
}

/// LATEST ON over any input: per partition the row with the greatest time; of equals the later one.
final class LatestOperator: Operator {
  private let time: BoundExpr
  private let partition: [BoundExpr]

  init(_ child: Operator, time: BoundExpr, partition: [BoundExpr]) {
    self.time = time
    self.partition = partition
    super.init(child.types, [child])
  }

  override var title: String { "LATEST by hash: \(partition.count) keys" }

  override func run(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) {
    let builder = NodeBuilder(context)
    let timeNode = builder.node(time)
    let keyNodes = partition.map(builder.node)
    var table = GroupTable(types: partition.map(\.type))
    var best: [Int64] = []
    var store = RowStore(types: types)
    var groups = [Int32](repeating: 0, count: Vector.capacity)
    let charge = MemoryCharge(context)
    try children[0].start(context, SinkConsumer { (batch) throws(SQLError) in
      let instants = try timeNode.evaluate(batch, nil)
      var keys: [Vector] = []
      for node in keyNodes { keys.append(try node.evaluate(batch, nil)) }
      table.find(keys, batch.count, sequence: batch.sequence, &groups)
      for row in 0..<batch.count {
        let group = Int(groups[row])
        let at = instants.isValid(row) ? instants[row] : .min
        if group == best.count {
          try charge.add(store.rowByteCount + table.bytesPerGroup)
          best.append(at)
          store.append(batch, row: row)
        } else if at >= best[group] {
          best[group] = at
          store.replace(group, batch, row: row)
        }
      }
      return true
    })
    _ = try store.emit(0..<store.count, context, sink)
  }
}

extension RowStore {
  mutating func append(_ batch: Batch, row: Int) {
    appendEmptyRow()
    replace(count - 1, batch, row: row)
  }
}
