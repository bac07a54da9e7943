/// Gathers rows that are written one by one into batches.
final class BatchWriter {
  /// The batch being filled; write row `row` of its columns, then call `next`.
  let out: Batch
  private let context: ExecutionContext
  private let sink: Consumer

  init(_ types: [SQLType], _ context: ExecutionContext, _ sink: Consumer) {
    out = Batch(types.map { Vector($0) })
    self.context = context
    self.sink = sink
  }

  var row: Int { out.count }

  /// The row is written. False when the sink had enough.
  /// - Throws: what the sink throws; 57014.
  func next() throws(SQLError) -> Bool {
    out.count += 1
    return out.count < Vector.capacity ? true : try flush()
  }

  /// No more rows come.
  func end() throws(SQLError) { if out.count > 0 { _ = try flush() } }

  private func flush() throws(SQLError) -> Bool {
    try context.checkCancelled()
    let goOn = try sink.consume(out)
    out.sequence += UInt64(out.count)
    out.count = 0
    for vector in out.columns { vector.clearNulls() }
    return goOn
  }
}
