/// INTERSECT and EXCEPT, with and without ALL: rows of the left side by how often each side has them.
/// NULLs are equal here.
final class SetOperationOperator: Operator {
  private let operation: SetOperator
  private let isAll: Bool

  init(_ operation: SetOperator, all: Bool, _ left: Operator, _ right: Operator) {
    self.operation = operation
    isAll = all
    super.init(left.types, [left, right])
  }

  override var title: String { operation.rawValue + (isAll ? " ALL" : "") }

  override func run(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) {
    var table = GroupTable(types: types)
    var (left, right): ([Int], [Int]) = ([], [])
    var groups = [Int32](repeating: 0, count: Vector.capacity)
    let charge = MemoryCharge(context)
    try children[0].start(context, SinkConsumer { (batch) throws(SQLError) in
      table.find(batch.columns, batch.count, sequence: batch.sequence, &groups)
      if table.count > left.count {
        try charge.add((table.count - left.count) * (table.bytesPerGroup + 16))
        left += [Int](repeating: 0, count: table.count - left.count)
      }
      for row in 0..<batch.count { left[Int(groups[row])] += 1 }
      return true
    })
    right = [Int](repeating: 0, count: left.count)
    try children[1].start(context, SinkConsumer { (batch) throws(SQLError) in
      for row in 0..<batch.count {
        if let group = table.existing(batch.columns, row: row) { right[group] += 1 }
      }
      return true
    })
    let writer = BatchWriter(types, context, sink)
    for group in table.orderedGroups() {
      for _ in 0..<copies(left[group], right[group]) {
        for (index, vector) in writer.out.columns.enumerated() { table.write(group, index, vector, writer.row) }
        if try !writer.next() { return }
      }
    }
    try writer.end()
  }

  private func copies(_ left: Int, _ right: Int) -> Int {
    switch (operation, isAll) {
    case (.intersect, true): min(left, right)
    case (.intersect, false): right > 0 ? 1 : 0
    case (_, true): max(0, left - right)
    case (_, false): right == 0 ? 1 : 0
    }
  }
}

/// DISTINCT ON: the first row of each combination of keys, as they come.
final class FirstOperator: Operator {
  private let keys: [BoundExpr]

  init(_ child: Operator, keys: [BoundExpr]) {
    self.keys = keys
    super.init(child.types, [child])
  }

  override var title: String { "FIRST by hash: \(keys.count) keys" }

  override func run(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) {
    let builder = NodeBuilder(context)
    let nodes = keys.map(builder.node)
    var table = GroupTable(types: keys.map(\.type))
    var groups = [Int32](repeating: 0, count: Vector.capacity)
    let charge = MemoryCharge(context)
    let out = Batch(types.map { Vector($0) })
    try children[0].start(context, SinkConsumer { (batch) throws(SQLError) in
      var vectors: [Vector] = []
      for node in nodes { vectors.append(try node.evaluate(batch, nil)) }
      var known = table.count
      table.find(vectors, batch.count, sequence: batch.sequence, &groups)
      try charge.add((table.count - known) * table.bytesPerGroup)
      var rows: [UInt16] = []
      for row in 0..<batch.count where Int(groups[row]) == known {
        known += 1
        rows.append(UInt16(row))
      }
      guard let first = rows.first else { return true }
      for (index, vector) in out.columns.enumerated() {
        vector.clearNulls()
        vector.gather(batch.columns[index], rows)
      }
      out.count = rows.count
      out.sequence = batch.sequence &+ UInt64(first)
      return try sink.consume(out)
    })
  }
}
