/// Loads large amounts of readings past the tail: rows are gathered by series and written straight
/// into data segments, which one manifest edit makes live. Nothing is visible before `commit`
/// returns, or before a part is flushed because memory is full; what was flushed is durable.
///
/// Confined to one thread.
public struct BulkWriter: ~Copyable {
  /// Rows after which a part is flushed.
  private static let flushRows = 3 << 19

  private let store: Store
  private let schema: TableSchema
  private let creator: Actor
  private var series: [SeriesKey: [RowAccumulator]] = [:]
  private var spares: [RowAccumulator] = []
  private var rowCount = 0
  private var result = AppendResult()
  /// The table's, as of the part that is being written; its retention floor as well.
  private var policy = ConflictPolicy.last
  private var floor = Int64.min

  package init(_ store: Store, schema: TableSchema, creator: Actor) {
    self.store = store
    self.schema = schema
    self.creator = creator
  }

  /// Adds the rows of `batch`, which need not be in order.
  /// - Precondition: a batch of this writer's table.
  /// - Throws: `.invalid`; `.io`, `.diskFull` when a part was full and could not be written;
  ///   `.conflict` when it held readings that a table of policy `reject` has otherwise.
  public mutating func append(_ batch: FrameBatch) throws(StorageError) {
    precondition(batch.table == schema.id, "a batch of the writer's table")
    let registry = store.shared.live.withLock { $0.registry }
    try AppendCheck.check(
      .init(batch, creator: creator), registry: registry, symbols: store.symbols)
    let limits = Intake.Bounds(
      store.intakeBounds, floor: registry.lifecycles.floor(of: schema.id))
    for frame in batch.frames {
      for run in frame.runs { add(batch.runs[run], of: batch, device: frame.device, limits) }
    }
    if rowCount >= Self.flushRows { try flush() }
  }

  private mutating func add(
    _ run: FrameBatch.Run, of batch: FrameBatch, device: String, _ limits: Intake.Bounds
  ) {
    let key = SeriesKey(table: schema.id, device: device, probe: run.probe)
    let parts = run.times.split(at: limits)
    if parts.count == 1, parts[0].fate == .accepted {
      rowCount += run.times.count
      gather(key, run.times) { $0.append(run, of: batch, lsn: 0) }
      return
    }
    var whole = RowAccumulator()
    whole.append(run, of: batch, lsn: 0)
    let rows = whole.rows()
    for part in parts {
      if part.fate == .expired {
        result.expired += part.rows.count
        continue
      }
      rowCount += part.rows.count
      var key = key
      if part.fate == .quarantined { key.table = schema.id.quarantine }
      gather(key, run.times.rows(part.rows)) { $0.append(rows, part.rows) }
    }
  }

  /// Puts rows behind the newest ones of their series, or into a chunk of their own when late.
  private mutating func gather(
    _ key: SeriesKey, _ times: SampleTimes, _ append: (inout RowAccumulator) -> Void
  ) {
    // Taken out and put back, so that the arrays are not copied.
    var chunks = series.removeValue(forKey: key) ?? []
    if chunks.isEmpty || !chunks[chunks.count - 1].accepts(times) {
      chunks.append(spares.popLast() ?? RowAccumulator())
    }
    append(&chunks[chunks.count - 1])
    series[key] = chunks
  }

  /// Writes what is left and answers for all of it. Durable on return.
  /// - Throws: `.io`, `.diskFull`, `.failStopped`; `.conflict` when the same rows kept coming by
  ///   another way, or the table's policy rejects (of this part nothing is stored).
  public consuming func commit() throws(StorageError) -> AppendResult {
    try flush()
    result.lsn = store.durableLSN
    return result
  }

  /// How often a part is compared anew because its rows came by another way meanwhile.
  private static let flushAttempts = 8

  /// Writes what was gathered; on a failure it stays gathered and is not counted.
  private mutating func flush() throws(StorageError) {
    guard rowCount > 0 else { return }
    var attempt = 1
    while true {
      let counted = result
      do throws(StorageError) {
        try flushOnce()
        break
      } catch {
        result = counted
        guard error.code == .conflict, error != Intake.rejected, attempt < Self.flushAttempts
        else { throw error }
        attempt += 1
      }
    }
    recycle()
    rowCount = 0
  }

  private mutating func flushOnce() throws(StorageError) {
    var installation = CommitRequest.Installation()
    installation.isBulk = true
    installation.creator = creator
    installation.comparedLSN = store.durableLSN
    let registry = store.registry
    // Its rows would only expire.
    guard registry.types.isLive(schema.id) else { throw StorageError(.invalid, "unknown table") }
    policy = registry.types[schema.id]?.conflictPolicy ?? .last
    floor = registry.lifecycles.floor(of: schema.id)
    do throws(StorageError) {
      for (table, keys) in Dictionary(grouping: series.keys, by: \.table).sorted(by: { $0.key < $1.key }) {
        try write(table, keys.sorted(), into: &installation)
      }
    } catch {
      store.remove(installation)
      throw error
    }
    installation.devices = Array(Set(installation.devices)).sorted()
    if !installation.added.isEmpty { _ = try store.install(installation) }
  }

  /// Empties the chunks for the next part: memory from the system costs more than what is put in.
  private mutating func recycle() {
    for key in Array(series.keys) {
      var chunks = series.removeValue(forKey: key) ?? []
      while var chunk = chunks.popLast() {
        chunk.removeAll()
        spares.append(chunk)
      }
    }
  }

  private mutating func write(
    _ table: TableID, _ keys: [SeriesKey], into installation: inout CommitRequest.Installation
  ) throws(StorageError) {
    var schema = schema
    schema.id = table
    let encoding = BulkEncoding(schema: schema, symbols: store.symbols, sharing: store.options.sharing)
    for key in keys {
      let (rows, superseded) = try newRows(of: key)
      guard !rows.isEmpty else { continue }
      encoding.add(key, rows, superseded: superseded)
      for set in rows { installation.coverage.append((key, Coverage.Run(set.times))) }
      installation.devices.append(key.device)
    }
    if encoding.isEmpty { return }
    var writer = try store.newDataSegment(schema)
    do throws(StorageError) {
      try encoding.run(on: store.options.scheduler, into: &writer)
    } catch {
      writer.abandon()
      throw error
    }
    installation.added.append(try store.finish(writer))
  }

  /// The gathered rows of a series without those the store has with equal values, and versions of
  /// them that later ones of this load supersede. Counts all of them.
  private mutating func newRows(
    of key: SeriesKey
  ) throws(StorageError) -> (rows: [RowSet], superseded: [RowSet]) {
    var kept: [RowSet] = []
    var superseded: [RowSet] = []
    var chunks: [Stretch.Source] = []
    for chunk in series[key] ?? [] {
      let rows = unexpired(chunk.rows(), of: key)
      if rows.count > 0 { chunks.append(.rows(rows)) }
    }
    for group in Stretch.Source.grouped(chunks) {
      var sets: [RowSet] = []
      if case .merged(let overlapping, _) = group {
        for source in overlapping { sets.append(try source.rows()) }
      } else {
        sets.append(try group.rows())
      }
      let known = try store.existingRows(of: key, overlapping: sets.map(\.times))
      let policy = key.table.isQuarantine ? .last : policy
      let fold = RowMerge.fold(sets, onto: known, keepsFirst: policy != .last)
      if policy == .reject, fold.conflict > 0 { throw Intake.rejected }
      if key.table.isQuarantine { result.quarantined += fold.new } else { result.new += fold.new }
      result.same += fold.same
      result.conflict += fold.conflict
      if let newest = fold.layers.first { kept.append(newest) }
      superseded += fold.layers.dropFirst()
    }
    return (kept, superseded)
  }

  /// Without rows below a floor that rose since they were gathered; counts them.
  private mutating func unexpired(_ rows: RowSet, of key: SeriesKey) -> RowSet {
    guard !key.table.isQuarantine, rows.count > 0, rows.times.first < floor else { return rows }
    let end = rows.times.last < floor ? rows.count : rows.times.firstRow(atOrAfter: floor)
    result.expired += end
    return rows.leavingOut((0..<rows.count).map { $0 < end })
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
