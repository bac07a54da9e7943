/// Leaves of a frame as the log has it. What nearly every frame is, one run a probe of at most 64
/// rows, is encoded from the frame's own arrays.
struct FrameLeaves: Sendable {
  private let symbols: SymbolTable
  private var writer: LeafWriter
  private var schemas: [TableID: LeafSchema] = [:]
  private var batches: [TableID: FrameBatch] = [:]

  init(symbols: SymbolTable) {
    self.symbols = symbols
    writer = LeafWriter(symbols: symbols)
  }

  /// What tables look like is asked for again.
  mutating func forgetSchemas() { schemas.removeAll() }

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
      if Self.isSimple(frame, of: batch) {
        for run in frame.runs {
          writer.write(schema, lsn: lsn, device: frame.device, run: run, of: batch)
          grouper.add(
            LeafKey(
              lsn: lsn, table: batch.table, device: frame.device, probe: batch.runs[run].probe,
              time: batch.runs[run].first), writer.digest())
        }
      } else {
        addMixed(Array(frame.runs), of: batch, frame.device, lsn, schema, to: &grouper)
      }
    }
  }

  /// A leaf a run, in their order.
  private static func isSimple(_ frame: FrameBatch.Frame, of batch: FrameBatch) -> Bool {
    var before: Int32?
    for run in frame.runs {
      let probe = batch.runs[run].probe
      if batch.runs[run].count > ProofFormat.leafInstantCount || before.map({ $0 >= probe }) ?? false {
        return false
      }
      before = probe
    }
    return true
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
