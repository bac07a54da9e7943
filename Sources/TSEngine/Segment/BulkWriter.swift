/// Loads large amounts of readings past the tail: rows are gathered by series and written straight
/// into data segments, which one manifest edit makes live. Nothing is visible before `commit`
/// returns, or before a part is flushed because memory is full; what was flushed is durable.
///
/// Confined to one thread.
public struct BulkWriter: ~Copyable {
  /// Rows after which a part is flushed.
  private static let flushRows = 6 << 20

  private let store: Store
  private let schema: TableSchema
  private let creator: Actor
  private var series: [SeriesKey: [RowAccumulator]] = [:]
  private var rowCount = 0
  private var result = AppendResult()

  package init(_ store: Store, schema: TableSchema, creator: Actor) {
    self.store = store
    self.schema = schema
    self.creator = creator
  }

  /// Adds the rows of `batch`, which need not be in order.
  /// - Precondition: a batch of this writer's table.
  /// - Throws: `.invalid`; `.io`, `.diskFull` when a part was full and could not be written.
  public mutating func append(_ batch: FrameBatch) throws(StorageError) {
    precondition(batch.table == schema.id, "a batch of the writer's table")
    for frame in batch.frames {
      guard DeviceID.isValid(frame.device) else {
        throw StorageError(.invalid, "a device id is 1 to 128 of A-Z a-z 0-9 . _ -")
      }
      for run in frame.runs { add(batch.runs[run], of: batch, device: frame.device) }
    }
    if rowCount >= Self.flushRows { try flush() }
  }

  private mutating func add(_ run: FrameBatch.Run, of batch: FrameBatch, device: String) {
    let bounds = store.intakeBounds
    let isAbsurd = !bounds.contains(run.times.first) || !bounds.contains(run.times.last)
    let key = SeriesKey(
      table: isAbsurd ? schema.id.quarantine : schema.id, device: device, probe: run.probe)
    rowCount += run.times.count
    // Taken out and put back, so that the arrays are not copied.
    var chunks = series.removeValue(forKey: key) ?? []
    if chunks.isEmpty || !chunks[chunks.count - 1].accepts(run.times) {
      chunks.append(RowAccumulator())
    }
    chunks[chunks.count - 1].append(run, of: batch, lsn: 0)
    series[key] = chunks
  }

  /// Writes what is left and answers for all of it. Durable on return.
  /// - Throws: `.io`, `.diskFull`, `.failStopped`.
  public consuming func commit() throws(StorageError) -> AppendResult {
    try flush()
    result.lsn = store.durableLSN
    return result
  }

  private mutating func flush() throws(StorageError) {
    guard rowCount > 0 else { return }
    var installation = CommitRequest.Installation()
    installation.isBulk = true
    installation.creator = creator
    for (table, keys) in Dictionary(grouping: series.keys, by: \.table).sorted(by: { $0.key < $1.key }) {
      try write(table, keys.sorted(), into: &installation)
    }
    series.removeAll(keepingCapacity: true)
    rowCount = 0
    installation.devices = Array(Set(installation.devices)).sorted()
    if !installation.added.isEmpty { _ = try store.install(installation) }
  }

  private mutating func write(
    _ table: TableID, _ keys: [SeriesKey], into installation: inout CommitRequest.Installation
  ) throws(StorageError) {
    var schema = schema
    schema.id = table
    var writer = try store.newDataSegment(schema)
    var builder = BlockBuilder(schema: schema, symbols: store.symbols)
    do throws(StorageError) {
      for key in keys {
        let (rows, conflicts) = try newRows(of: key)
        guard !rows.isEmpty else { continue }
        let counts = try SeriesRewrite.append(
          rows.map { .rows($0) }, of: key, to: &writer, builder: &builder)
        let kept = rows.reduce(0) { $0 + $1.count } - counts.identical - counts.superseded - conflicts
        result.same += counts.identical
        result.conflict += counts.superseded + conflicts
        if table.isQuarantine { result.quarantined += kept } else { result.new += kept }
        for set in rows { installation.coverage.append((key, Coverage.Run(set.times))) }
        installation.devices.append(key.device)
      }
    } catch {
      writer.abandon()
      throw error
    }
    if writer.isEmpty {
      writer.abandon()
    } else {
      installation.added.append(try store.finish(writer))
    }
  }

  /// The gathered rows of a series without those the store has with equal values, and how many of
  /// them it has with other values.
  private mutating func newRows(
    of key: SeriesKey
  ) throws(StorageError) -> (rows: [RowSet], conflicts: Int) {
    var kept: [RowSet] = []
    var conflicts = 0
    for chunk in series[key] ?? [] {
      let rows = chunk.rows()
      let known = try store.existingRows(of: key, overlapping: rows.times)
      guard let known else {
        kept.append(rows)
        continue
      }
      var fresh = RowAccumulator()
      for row in 0..<rows.count {
        if let at = known.times.row(of: rows.times.tick(row)) {
          let columns = Set(rows.columns.map(\.id)).union(known.columns.map(\.id))
          if columns.allSatisfy({ rows.slot($0, row: row) == known.slot($0, row: at) }) {
            result.same += 1
            continue
          }
          conflicts += 1
        }
        fresh.append(rows, row..<(row + 1))
      }
      if fresh.count > 0 { kept.append(fresh.rows().compacted()) }
    }
    return (kept, conflicts)
  }
}

extension Coverage.Run {
  package init(_ times: SampleTimes) {
    switch times {
    case .regular(let regular): self.init(regular)
    case .explicit: self.init(irregular: times.first, times.last, count: times.count)
    }
  }
}
