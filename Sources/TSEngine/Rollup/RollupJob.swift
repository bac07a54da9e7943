/// Builds one window of one rollup in small steps, beside everything else: reads a state of the store
/// and the segment it replaces, writes a new one, and hands over one change of the manifest. Dropping
/// the job leaves the store as it was.
struct RollupJob: ~Copyable, Sendable {
  enum Progress {
    case working
    /// A durable file, not yet live.
    case done(CommitRequest.Installation)
  }

  let task: RollupPlan.Task
  private let view: RollupView
  private let options: RollupPlan.Options
  private let context: SegmentContext
  private let old: RollupSegmentReader?
  private var meta: Manifest.RollupSegment
  private var builder: BlockBuilder
  private let schema: TableSchema
  private var keys: ArraySlice<SeriesKey> = []
  /// What is gathered of the first of `keys`, and up to where.
  private var gathered: RollupBuckets
  private var next: Int64
  private var hasBegun = false
  private var writer: DataSegmentWriter?

  /// Nil when the rollup is not declared any more.
  init?(
    _ task: RollupPlan.Task, _ snapshot: Snapshot, id: UInt64, now: Int64, context: SegmentContext,
    _ options: RollupPlan.Options
  ) {
    guard let view = snapshot.rollupView(task.table, every: task.every), !view.columns.isEmpty else { return nil }
    self.task = task
    self.options = options
    self.view = view
    self.context = context
    old = view.live.rollups.last { $0.isOf(view.declaration) && $0.meta.window == task.window }
    meta = Manifest.RollupSegment(
      id: id, table: task.table, every: task.every, declaredLSN: view.declaration.lsn,
      window: task.window, builtLSN: view.live.durableLSN, closedUntil: now)
    schema = RollupRows.schema(task.table, view.columns)
    builder = BlockBuilder(schema: schema, symbols: context.symbols)
    gathered = RollupBuckets(every: task.every, columns: view.columns)
    next = task.window.lowerBound
  }

  /// Deals with some `byteLimit` bytes of cells or readings, at least a day of a series.
  /// - Throws: `.io`, `.diskFull`, `.corrupt` when readings fail their check. No file is left then.
  mutating func step(byteLimit: Int) throws(StorageError) -> Progress {
    do throws(StorageError) {
      return try advance(byteLimit)
    } catch {
      abandon()
      throw error
    }
  }

  private mutating func advance(_ byteLimit: Int) throws(StorageError) -> Progress {
    if !hasBegun {
      hasBegun = true
      keys = try seriesInWindow()[...]
      return .working
    }
    var byteCount = 0
    while byteCount < byteLimit {
      guard let key = keys.first else { return .done(try finish()) }
      byteCount += try gather(key)
      if next >= task.window.upperBound {
        try write(key)
        keys.removeFirst()
        next = task.window.lowerBound
      }
    }
    return .working
  }

  /// Series with sealed rows around the window, and those the old segment has.
  private func seriesInWindow() throws(StorageError) -> [SeriesKey] {
    var all = Set(try old?.series() ?? [])
    for segment in view.live.segments where segment.table == task.table {
      let span = try segment.longestSpan(SpanRules(view.columns))
      guard segment.firstTime < task.window.upperBound,
        segment.lastTime.saturatingAdd(span) >= task.window.lowerBound,
        let directory = try segment.directoryIfWhole()
      else { continue }
      all.formUnion(directory.series)
    }
    return all.sorted()
  }

  /// The next day of a series, or its next 32 buckets where that is longer.
  private mutating func gather(_ key: SeriesKey) throws(StorageError) -> Int {
    let length = max(RollupDeclaration.day, 32 * task.every)
    let end = min(task.window.upperBound, next.saturatingAdd(length))
    let answer = try view.buckets(of: key, next..<end)
    next = end
    meta.reach = max(meta.reach, answer.reach)
    gathered.append(answer.buckets, 0..<answer.buckets.count)
    // What readings were decoded for it.
    return answer.buckets.cells.reduce(64) { $0 + 64 + $1.count * 8 }
  }

  private mutating func write(_ key: SeriesKey) throws(StorageError) {
    let buckets = gathered
    gathered = RollupBuckets(every: task.every, columns: view.columns)
    guard isWorthStoring(buckets) else { return }
    var open: DataSegmentWriter
    if let writer = writer.take() {
      open = writer
    } else {
      let folder = FileNames.path(context.store, FileNames.rollupDirectory)
      try context.disk.createDirectory(folder)
      open = try DataSegmentWriter(
        context.disk, directory: folder, store: context.storeID, id: meta.id, schema: schema)
    }
    do throws(StorageError) {
      let rows = RollupRows.rows(buckets)
      for start in stride(from: 0, to: rows.count, by: Self.blockRows) {
        let range = start..<min(start + Self.blockRows, rows.count)
        try open.append(builder.build(rows, range, series: 0), of: key)
      }
    } catch {
      open.abandon()
      throw error
    }
    writer = consume open
  }

  private static let blockRows = 8192

  /// Buckets that were corrected stay: their revision is nowhere else.
  private func isWorthStoring(_ buckets: RollupBuckets) -> Bool {
    guard buckets.count > 0 else { return false }
    if buckets.revisions.contains(where: { $0 ?? 0 > 0 }) { return true }
    let rows = (0..<buckets.count).reduce(0) { $0 + (buckets.row($1).map(\.count).max() ?? 0) }
    return rows >= options.leastRows && rows >= options.rowsPerBucket * buckets.count
  }

  private mutating func finish() throws(StorageError) -> CommitRequest.Installation {
    if let open = writer.take() {
      let written = try open.finish()
      (meta.rowCount, meta.byteCount) = (written.rowCount, written.byteCount)
    }
    var installation = CommitRequest.Installation()
    installation.rollups = [RollupSegmentReader(context, meta)]
    installation.removedRollups = Set(
      view.live.rollups.filter { $0.isOf(view.declaration) && $0.meta.window == task.window }
        .map(\.meta.id))
    return installation
  }

  /// Removes what was written.
  mutating func abandon() {
    if let open = writer.take() { open.abandon() }
  }
}
