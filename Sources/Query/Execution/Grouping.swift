/// Groups and the running values of their aggregates: what one worker gathers, what workers merge
/// and what a result is written from.
final class Grouping {
  let aggregates: [Aggregate]
  /// Distinct states: sum(x) and avg(x) share one.
  let states: [AggregateState]
  /// Arguments of each state.
  let stateArguments: [[BoundExpr]]
  private let stateOfAggregate: [Int]
  var table: GroupTable
  private var chargedBytes = 0
  private let context: ExecutionContext

  init(_ keyTypes: [SQLType], _ aggregates: [Aggregate], _ context: ExecutionContext) {
    self.aggregates = aggregates
    self.context = context
    table = GroupTable(types: keyTypes)
    var distinct: [Aggregate] = []
    stateOfAggregate = aggregates.map { aggregate in
      let kind = Aggregate(function: aggregate.function.stateKind, arguments: aggregate.arguments)
      if let index = distinct.firstIndex(of: kind) { return index }
      distinct.append(kind)
      return distinct.count - 1
    }
    states = distinct.map { $0.makeState(context) }
    stateArguments = distinct.map(\.arguments)
  }

  /// Call after groups were found, before states are updated.
  func resize() { for state in states { state.resize(table.count) } }

  /// Accounts for what the groups hold by now.
  func charge() throws(SQLError) {
    let bytes = table.count * table.bytesPerGroup + states.reduce(0) { $0 + $1.byteCount }
    guard bytes > chargedBytes + 65_536 else { return }
    let more = bytes - chargedBytes
    chargedBytes = bytes
    try context.charge(more)
  }

  func release() throws(SQLError) {
    try context.charge(-chargedBytes)
    chargedBytes = 0
  }

  func merge(_ other: Grouping) throws(SQLError) {
    let map = table.merge(other.table)
    resize()
    for (state, theirs) in zip(states, other.states) { state.merge(theirs, map) }
    try other.release()
    try charge()
  }

  /// Pushes key columns, then aggregates, a row a group, in order of first appearance.
  func emit(_ sink: Consumer) throws(SQLError) {
    if table.types.isEmpty, table.count == 0 {
      // Without GROUP BY there is one group, even of no rows.
      _ = table.find([], row: 0, sequence: 0)
      resize()
    }
    let types = table.types + aggregates.map(\.type)
    let batch = Batch(types.map { Vector($0) })
    var order = table.orderedGroups()[...]
    var sequence: UInt64 = 0
    while !order.isEmpty {
      try context.checkCancelled()
      let chunk = order.prefix(Vector.capacity)
      order = order.dropFirst(chunk.count)
      for (column, vector) in batch.columns.enumerated() {
        vector.clearNulls()
        for (row, group) in chunk.enumerated() {
          if column < table.types.count {
            table.write(group, column, vector, row)
          } else {
            let aggregate = column - table.types.count
            try states[stateOfAggregate[aggregate]].write(group, aggregates[aggregate].function, vector, row)
          }
        }
      }
      batch.count = chunk.count
      batch.sequence = sequence
      sequence += UInt64(chunk.count)
      if try !sink.consume(batch) { break }
    }
    try release()
  }
}

/// Feeds batches of any origin into groups by hashing.
final class GroupingConsumer: Consumer {
  let grouping: Grouping
  private let keys: [ExpressionNode]
  private let arguments: [[ExpressionNode]]
  private var groups = [Int32](repeating: 0, count: Vector.capacity)

  init(_ keys: [BoundExpr], _ aggregates: [Aggregate], _ context: ExecutionContext) {
    let builder = NodeBuilder(context)
    grouping = Grouping(keys.map(\.type), aggregates, context)
    self.keys = keys.map(builder.node)
    arguments = grouping.stateArguments.map { $0.map(builder.node) }
  }

  override func consume(_ batch: Batch) throws(SQLError) -> Bool {
    var keyVectors: [Vector] = []
    for key in keys { keyVectors.append(try key.evaluate(batch, nil)) }
    let single: Int?
    if keyVectors.allSatisfy(\.isConstant) {
      single = grouping.table.find(keyVectors, row: 0, sequence: batch.sequence)
    } else {
      single = nil
      grouping.table.find(keyVectors, batch.count, sequence: batch.sequence, &groups)
    }
    grouping.resize()
    for (state, nodes) in zip(grouping.states, arguments) {
      var inputs: [Vector] = []
      for node in nodes { inputs.append(try node.evaluate(batch, nil)) }
      if let single {
        state.update(single, inputs, 0..<batch.count, batch.sequence)
      } else {
        state.update(groups, inputs, batch.count, batch.sequence)
      }
    }
    try grouping.charge()
    return true
  }
}

/// GROUP BY over any input; DISTINCT is this without aggregates.
final class AggregateOperator: Operator {
  private let keys: [BoundExpr]
  private let aggregates: [Aggregate]

  init(_ child: Operator, keys: [BoundExpr], aggregates: [Aggregate]) {
    self.keys = keys
    self.aggregates = aggregates
    super.init(keys.map(\.type) + aggregates.map(\.type), [child])
  }

  override var title: String {
    aggregates.isEmpty ? "DISTINCT" : "AGGREGATE by hash: \(keys.count) keys, \(aggregates.count) aggregates"
  }

  override func run(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) {
    let workers = children[0].workers(context)
    let consumers = (0..<workers).map { _ in GroupingConsumer(keys, aggregates, context) }
    try children[0].startParallel(context, consumers)
    for other in consumers.dropFirst() { try consumers[0].grouping.merge(other.grouping) }
    metrics.notes.withLock { $0 = ["groups: \(consumers[0].grouping.table.count), threads: \(workers)"] }
    try consumers[0].grouping.emit(sink)
  }
}
