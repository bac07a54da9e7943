/// Leaves of a frame as the log has it. What nearly every frame is, one run a probe of at most 64
/// rows, is encoded from the frame's own arrays.
struct FrameLeaves {
  private let symbols: SymbolTable
  private var writer: LeafWriter
  private var schemas: [TableID: LeafSchema] = [:]
  private var batches: [TableID: FrameBatch] = [:]
  private var times: [Int64] = []

  init(symbols: SymbolTable) {
    self.symbols = symbols
    writer = LeafWriter(symbols: symbols)
  }

  /// - Throws: `.corrupt` for a record that is none, or of a table that `schema` does not know.
  mutating func add(
    _ record: RawSpan, lsn: LSN, schema: (TableID) -> TableSchema?, to grouper: inout LeafGrouper
  ) throws(StorageError) {
    let table = try FrameRecord.decode(record, symbols: symbols, into: &batches, schema: schema)
    // Out and back, so that its arrays are used again and never copied.
    guard var batch = batches.removeValue(forKey: table) else { return }
    defer {
      batch.removeAll()
      batches[table] = batch
    }
    if schemas[table] == nil { schemas[table] = schema(table).map { LeafSchema($0) } }
    guard let schema = schemas[table] else {
      throw StorageError(.corrupt, "rows of table \(table), whose type is unknown")
    }
    for frame in batch.frames {
      let runs = frame.runs.sorted { batch.runs[$0].probe < batch.runs[$1].probe }
      let isSimple = runs.allSatisfy { batch.runs[$0].times.count <= ProofFormat.leafInstantCount }
        && zip(runs, runs.dropFirst()).allSatisfy { batch.runs[$0].probe != batch.runs[$1].probe }
      if isSimple {
        for run in runs { add(batch.runs[run], of: batch, frame.device, lsn, schema, to: &grouper) }
      } else {
        addMixed(runs, of: batch, frame.device, lsn, schema, to: &grouper)
      }
    }
  }

  private mutating func add(
    _ run: FrameBatch.Run, of batch: FrameBatch, _ device: String, _ lsn: LSN, _ schema: LeafSchema,
    to grouper: inout LeafGrouper
  ) {
    let count = run.times.count
    times.removeAll(keepingCapacity: true)
    for row in 0..<count { times.append(run.times.tick(row)) }
    var columns: [LeafWriter.Column] = []
    columns.reserveCapacity(run.cells.count)
    for column in schema.columns {
      guard let index = run.cells.first(where: { batch.cells[$0].column == column.id }) else { continue }
      switch batch.cells[index].content {
      case .constant(let value):
        columns.append(.init(schema: column, slots: [value], valid: nil, isConstant: true))
      case .values(let start):
        columns.append(.init(schema: column, slots: batch.values[start..<(start + count)], valid: nil))
      case .nullable(let start, let validityStart):
        columns.append(
          .init(
            schema: column, slots: batch.values[start..<(start + count)],
            valid: batch.validity[validityStart..<(validityStart + count)]))
      }
    }
    writer.write(
      schema, lsn: lsn, device: device, probe: run.probe, times: times, columns: columns)
    grouper.add(
      LeafKey(lsn: lsn, table: batch.table, device: device, probe: run.probe, time: times[0]),
      writer.digest())
  }

  private mutating func addMixed(
    _ runs: [Int], of batch: FrameBatch, _ device: String, _ lsn: LSN, _ schema: LeafSchema,
    to grouper: inout LeafGrouper
  ) {
    var series: [Int32: [RowSet]] = [:]
    for run in runs {
      var rows = RowAccumulator()
      rows.append(batch.runs[run], of: batch, lsn: lsn)
      series[batch.runs[run].probe, default: []].append(rows.rows())
    }
    for (probe, sets) in series.sorted(by: { $0.key < $1.key }) {
      let key = SeriesKey(table: batch.table, device: device, probe: probe)
      LeafRows(sets, of: key, lsn: lsn, schema: schema).forEach(&writer) { key, leaf in
        grouper.add(key, leaf.digest())
      }
    }
  }
}
