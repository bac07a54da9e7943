/// Window functions that share partitions and order: rows are held and sorted, each partition is worked out,
/// and the rows leave in the order of the window. O(n log n) beside what the frames cost.
final class WindowOperator: Operator {
  private let window: WindowPlan
  /// Arguments of all calls, each once.
  private let arguments: [BoundExpr]

  init(_ child: Operator, _ window: WindowPlan) {
    self.window = window
    var arguments: [BoundExpr] = []
    for argument in window.calls.flatMap(\.arguments) where !arguments.contains(argument) { arguments.append(argument) }
    // RANGE with a distance computes with the key itself.
    if let key = window.order.first?.expression, !arguments.contains(key) { arguments.append(key) }
    self.arguments = arguments
    super.init(child.types + window.calls.map(\.type), [child])
  }

  override var title: String {
    "WINDOW \(window.calls.count) calls, partition by \(window.partition.count), order by \(window.order.count) keys"
  }

  override func run(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) {
    let builder = NodeBuilder(context)
    let order = window.partition.map { SortOrder(expression: $0, isDescending: false, nullsFirst: false) } + window.order
    let (keyNodes, argumentNodes) = (order.map { builder.node($0.expression) }, arguments.map(builder.node))
    let childTypes = children[0].types
    var buffer = SortBuffer(order, childTypes + arguments.map(\.type), context.pool)
    let charge = MemoryCharge(context)
    let outBytes = window.calls.reduce(0) { $0 + ($1.type.hasHighSlot ? 17 : 9) }
    try children[0].start(context, SinkConsumer { (batch) throws(SQLError) in
      var keys: [Vector] = []
      for node in keyNodes { keys.append(try node.evaluate(batch, nil)) }
      var columns = batch.columns
      for node in argumentNodes { columns.append(try node.evaluate(batch, nil)) }
      try charge.add(batch.count * (buffer.rowByteCount + outBytes + 32))
      buffer.append(Batch(columns, count: batch.count, sequence: batch.sequence), keys)
      return true
    })
    let (rows, starts) = buffer.runs(prefixes: [window.partition.count, order.count])
    metrics.notes.withLock { $0 = ["partitions: \(rows.isEmpty ? 0 : starts[0].count), rows held: \(rows.count)"] }
    let results = window.calls.map { WindowColumn($0.type, rows.count) }
    let scratch = WindowScratch()
    var peers = starts[1][...]
    for (index, start) in starts[0].enumerated() where start < rows.count {
      try context.checkCancelled()
      let end = index + 1 < starts[0].count ? starts[0][index + 1] : rows.count
      let inside = peers.prefix { $0 < end }
      peers = peers.dropFirst(inside.count)
      let partition = WindowPartition(
        rows: rows[start..<end], peers: inside.map { $0 - start }, store: buffer.store,
        firstArgument: childTypes.count, arguments: arguments, order: window.order, context: context,
        scratch: scratch)
      for (call, result) in zip(window.calls, results) { try partition.evaluate(call, into: result) }
    }
    try emit(buffer.store, rows, results, context, sink)
  }

  private func emit(
    _ store: RowStore, _ rows: [Int], _ results: [WindowColumn], _ context: ExecutionContext, _ sink: Consumer
  ) throws(SQLError) {
    let width = children[0].types.count
    let held = Batch(children[0].types.map { Vector($0) })
    for start in stride(from: 0, to: rows.count, by: Vector.capacity) {
      try context.checkCancelled()
      let chunk = rows[start..<min(start + Vector.capacity, rows.count)]
      for index in 0..<width {
        held.columns[index].clearNulls()
        for (target, row) in chunk.enumerated() { store.write(index, row, held.columns[index], target) }
      }
      let out = Batch(
        held.columns + results.map { $0.vectors[start / Vector.capacity] }, count: chunk.count, sequence: UInt64(start))
      if try !sink.consume(out) { return }
    }
  }
}

/// A column of results in the order of the window.
final class WindowColumn {
  let vectors: [Vector]
  /// Rows written.
  private(set) var count = 0

  init(_ type: SQLType, _ count: Int) {
    vectors = (0..<(count + Vector.capacity - 1) / Vector.capacity).map { _ in Vector(type) }
  }

  /// Gives the next row to `body` to write.
  func append<E: Error>(_ body: (Vector, Int) throws(E) -> Void) throws(E) {
    try body(vectors[count / Vector.capacity], count % Vector.capacity)
    count += 1
  }

  /// The next row is as the last one.
  func repeatLast() {
    let last = count - 1
    let (source, row) = (vectors[last / Vector.capacity], last % Vector.capacity)
    append { vector, target in
      if !source.isValid(row) { return vector.setNull(target) }
      vector[target] = source[row]
      vector.setHigh(target, source.highSlot(row))
    }
  }
}
