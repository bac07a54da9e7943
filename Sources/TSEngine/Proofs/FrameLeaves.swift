/// Leaves of a frame as the log has it. What nearly every frame is, one run a probe of at most 64
/// rows, is encoded from the bytes of its record.
struct FrameLeaves {
  private let symbols: SymbolTable
  private var writer: LeafWriter
  private var schemas: [TableID: LeafSchema] = [:]
  /// Of the runs of a record, until it is known that they are all.
  private var made: [(head: LeafWriter.RunHead, digest: Digest)] = []

  init(symbols: SymbolTable) {
    self.symbols = symbols
    writer = LeafWriter(symbols: symbols)
  }

  /// - Throws: `.corrupt` for a record that is none, or of a table that `schema` does not know.
  mutating func add(
    _ record: RawSpan, lsn: LSN, schema: (TableID) -> TableSchema?, to grouper: inout LeafGrouper
  ) throws(StorageError) {
    var reader = ByteReader(record)
    let (table, device) = try FrameRecord.head(&reader)
    if schemas[table] == nil { schemas[table] = schema(table).map { LeafSchema($0) } }
    guard let leafSchema = schemas[table] else {
      throw StorageError(.corrupt, "rows of table \(table), whose type is unknown")
    }
    guard try make(&reader, of: record, device, lsn, leafSchema) else {
      return try addMixed(record, lsn, schema, leafSchema, to: &grouper)
    }
    for leaf in made {
      grouper.add(
        LeafKey(lsn: lsn, table: table, device: device, probe: leaf.head.probe, time: leaf.head.time), leaf.digest)
    }
  }

  /// A leaf a run, in their order; false where they are not so simple.
  private mutating func make(
    _ reader: inout ByteReader, of record: RawSpan, _ device: String, _ lsn: LSN, _ schema: LeafSchema
  ) throws(StorageError) -> Bool {
    made.removeAll(keepingCapacity: true)
    for _ in 0..<(try reader.count(limit: FrameRecord.maxRows)) {
      guard let head = try writer.write(&reader, of: record, schema, lsn: lsn, device: device),
        made.last.map({ $0.head.probe < head.probe }) ?? true
      else { return false }
      made.append((head, writer.digest()))
    }
    return reader.isAtEnd
  }

  private mutating func addMixed(
    _ record: RawSpan, _ lsn: LSN, _ schema: (TableID) -> TableSchema?, _ leafSchema: LeafSchema,
    to grouper: inout LeafGrouper
  ) throws(StorageError) {
    var batches: [TableID: FrameBatch] = [:]
    let table = try FrameRecord.decode(record, symbols: symbols, into: &batches, schema: schema)
    guard let batch = batches[table] else { return }
    for frame in batch.frames {
      var series: [Int32: [RowSet]] = [:]
      for run in frame.runs {
        var rows = RowAccumulator()
        rows.append(batch.runs[run], of: batch, lsn: lsn)
        series[batch.runs[run].probe, default: []].append(rows.rows())
      }
      for (probe, sets) in series.sorted(by: { $0.key < $1.key }) {
        let key = SeriesKey(table: table, device: frame.device, probe: probe)
        LeafRows(sets, of: key, lsn: lsn, schema: leafSchema).forEach(&writer) { key, leaf in
          grouper.add(key, leaf.digest())
        }
      }
    }
  }
}
