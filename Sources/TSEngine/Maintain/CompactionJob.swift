/// Rewrites data segments in small steps: reads live segments, writes beside them, and hands over
/// files that replace them in one manifest edit. Between steps nothing is held that ingest, queries
/// or sealing wait for; dropping the job leaves the store as it was.
///
/// - Safety of `@unchecked Sendable`: touched by one thread at a time, the holder of the store's
///   compaction lane.
package final class CompactionJob: @unchecked Sendable {
  package enum Progress {
    /// Bytes of input that the step has dealt with.
    case working(byteCount: Int)
    /// Durable files, not yet live.
    case done(CommitRequest.Installation)
  }

  private let context: SegmentContext
  private let schema: TableSchema
  private let plan: CompactionPlan.Job
  private let takeID: @Sendable () -> UInt64
  private var inputs: [(blocks: BlockDirectory, applied: LSN)] = []
  private let segments: [DataSegmentReader]
  private var builder: BlockBuilder
  /// What befell the readings when the job began; what comes later is left to readers and the next job.
  private let registry: Registry
  /// The newest event whose removals are applied.
  private let removingThrough: LSN
  private let tally: RemovalTally
  private let keeper: LeafKeeper?

  /// What is being written: rows of `plan.windows[window]`, series by series.
  private var window = 0
  private var keys: ArraySlice<SeriesKey> = []
  private var writer: DataSegmentWriter?
  private var installation = CommitRequest.Installation()

  /// - Parameters:
  ///   - segments: the live segments that `plan` names.
  ///   - registry: rows that it says events up to `removingThrough` took go for good.
  ///   - keeper: keeps the hashes of what goes.
  ///   - takeID: gives a fresh file id at every call.
  package init(
    _ plan: CompactionPlan.Job, _ segments: [DataSegmentReader], schema: TableSchema,
    registry: Registry, removingThrough: LSN = .max, keeper: LeafKeeper? = nil,
    context: SegmentContext, takeID: @escaping @Sendable () -> UInt64
  ) {
    self.registry = registry
    self.removingThrough = removingThrough
    self.keeper = keeper
    tally = RemovalTally(registry.lifecycles, through: removingThrough, keeper: keeper)
    self.plan = plan
    self.segments = segments
    self.schema = schema
    self.context = context
    self.takeID = takeID
    builder = BlockBuilder(
      schema: schema, symbols: context.symbols, coldBefore: plan.coldBefore,
      sharing: context.sharing)
    installation.removed = Set(plan.inputs)
  }

  /// The input that an error names, or all of them.
  package func blamed(for error: StorageError) -> [UInt64] {
    let named = segments.filter { $0.file.path == error.file }
    return named.isEmpty ? plan.inputs : named.map(\.id)
  }

  /// The damage of an input that an error tells of; nil when it names none.
  package func damage(_ error: StorageError) -> (id: UInt64, damage: Manifest.Damage)? {
    guard let segment = segments.first(where: { $0.file.path == error.file }) else { return nil }
    var damage = segment.loss
    damage.offset = error.offset ?? 0
    damage.byteCount = 0
    return (segment.id, damage)
  }

  /// Deals with series until some `byteLimit` bytes of blocks are read.
  /// - Throws: `.io`, `.diskFull`, `.corrupt` when an input fails its check. The job is over then:
  ///   no file is left and nothing is replaced.
  package func step(byteLimit: Int) throws(StorageError) -> Progress {
    do throws(StorageError) {
      return try advance(byteLimit: byteLimit)
    } catch {
      abandon()
      throw error
    }
  }

  private func advance(byteLimit: Int) throws(StorageError) -> Progress {
    if inputs.isEmpty {
      for segment in segments { inputs.append((try segment.uncached(), segment.meta.appliedLSN)) }
      begin()
      return .working(byteCount: inputs.reduce(0) { $0 + $1.blocks.byteCount })
    }
    var byteCount = 0
    while byteCount < byteLimit {
      if let key = keys.popFirst() {
        byteCount += try rewrite(key)
      } else {
        try finishWindow()
        guard window < plan.windows.count else {
          // Before they go: what is live still has the rows.
          if let keeper, try keeper.step(into: &installation) { break }
          if !tally.removed.isEmpty { installation.removedRows = (schema.id, tally.removed.parts) }
          return .done(installation)
        }
        begin()
        // A file is made durable and read back: enough for one step.
        break
      }
    }
    return .working(byteCount: byteCount)
  }

  private func begin() {
    keys = Set(inputs.flatMap(\.blocks.series)).sorted()[...]
  }

  /// Bytes of the blocks that were read.
  private func rewrite(_ key: SeriesKey) throws(StorageError) -> Int {
    let bounds = plan.windows[window]
    var main: [Stretch.Source] = []
    var superseded: [RowSet] = []
    var byteCount = 0
    for (directory, applied) in inputs {
      guard let series = directory.series(key) else { continue }
      for position in directory.blocks(ofSeries: series) {
        let block = directory.reader(position)
        guard block.firstTime <= bounds.upperBound, block.lastTime >= bounds.lowerBound else {
          continue
        }
        byteCount += block.columns.reduce(64) { $0 + block.byteCount($1) }
        guard let kept = try tally.kept(block, of: key, applied: applied) else { continue }
        let isWhole = block.firstTime >= bounds.lowerBound && block.lastTime <= bounds.upperBound
        if block.entry.kind == .main, isWhole {
          main.append(kept)
          continue
        }
        guard var part = try block.rows().cut(to: bounds) else { continue }
        if case .masked(_, let mask) = kept { part = tally.remove(mask, from: part, of: key) }
        if part.count == 0 { continue }
        if block.entry.kind == .main { main.append(.rows(part)) } else { superseded.append(part) }
      }
    }
    guard !main.isEmpty || !superseded.isEmpty else { return 0 }
    try withWriter { (writer) throws(StorageError) in
      _ = try SeriesRewrite.append(
        main, superseded: superseded, of: key, order: registry.lifecycles.order(of: schema.id),
        hidden: registry.lifecycles.removals(of: key), tally: tally, to: &writer, builder: &builder)
    }
    return byteCount
  }

  private func withWriter(
    _ body: (inout DataSegmentWriter) throws(StorageError) -> Void
  ) throws(StorageError) {
    var open: DataSegmentWriter
    if let writer = writer.take() {
      open = writer
    } else {
      open = try DataSegmentWriter(
        context.disk, directory: FileNames.path(context.store, FileNames.dataDirectory),
        store: context.storeID, id: takeID(), schema: schema)
    }
    do throws(StorageError) {
      try body(&open)
    } catch {
      open.abandon()
      throw error
    }
    writer = consume open
  }

  private func finishWindow() throws(StorageError) {
    window += 1
    guard let open = writer.take() else { return }
    guard !open.isEmpty else { return open.abandon() }
    var meta = try open.finish()
    if !registry.lifecycles.isEmpty {
      let applied = inputs.map(\.applied).min() ?? 0
      meta.appliedLSN = min(registry.lastEventLSN, max(removingThrough, applied))
    }
    installation.added.append((DataSegmentReader(context, meta), meta))
  }

  /// Removes what was written. The inputs stay live.
  package func abandon() {
    if let open = writer.take() { open.abandon() }
    installation.removeFiles(context.disk, of: context.store)
    installation = CommitRequest.Installation()
  }
}

extension RowSet {
  /// The rows within `bounds`; nil when there are none. O(log rows + rows kept).
  fileprivate func cut(to bounds: ClosedRange<Int64>) -> RowSet? {
    guard count > 0 else { return nil }
    let start = times.firstRow(atOrAfter: bounds.lowerBound)
    let end =
      bounds.upperBound == .max ? count : times.firstRow(atOrAfter: bounds.upperBound + 1)
    guard start < end else { return nil }
    return start == 0 && end == count ? self : slice(start..<end)
  }
}
