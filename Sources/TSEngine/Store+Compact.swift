import Synchronization

/// Compaction: by itself and step by step beside everything else, or all at once when asked.
extension Store {
  /// How compaction goes on, apart from what it works on.
  struct Compaction: Sendable {
    var job: CompactionJob?
    /// Inputs that jobs failed for, and when (monotonic) they may be tried again.
    var failed: [UInt64: Int64] = [:]
    /// Damage that jobs met, by segment. These are left alone until somebody asks for compaction.
    var damages: [UInt64: Manifest.Damage] = [:]
    /// By segment, about how many of its rows events up to an LSN took.
    var removable: [UInt64: (through: LSN, rowCount: Int)] = [:]
    /// The newest sealed LSN, and when (monotonic) it was first seen.
    var sealedLSN: LSN?
    var sealedNanos: Int64 = 0
  }

  /// Bytes of encoded input that one step deals with: some milliseconds.
  private static let stepByteCount = 1 << 20
  /// A step is followed by three times its length of rest: a quarter of one core, and of what that
  /// reads and writes.
  private static let restFactor: Int64 = 3
  private static let lookNanos: Int64 = 1_000_000_000
  /// After a job that failed, but for damage: a full disk may not stay so.
  private static let retryNanos: Int64 = 600_000_000_000

  /// One step of the thread that compacts.
  package func compactStep() -> StepOutcome {
    guard let writing, !writing.isClosed.withLock({ $0 }) else { return .done }
    let start = options.clock.monotonicNanos()
    guard let isWorking = try? writing.compactionLane.run({ () throws(StorageError) in
      let isFinal = isQuiet(writing)
      if try workOnJob(writing, isFinal: isFinal, options.steadyForms) { return true }
      return try workOnRollups(writing, isFinal: isFinal)
    }), isWorking
    else {
      shared.dead.sweep(options.disk, store: directory)
      return .idle(nanos: Self.lookNanos)
    }
    return .idle(nanos: Self.restFactor * max(0, options.clock.monotonicNanos() - start))
  }

  /// Nothing has come for long: what is little is brought into its final form as well.
  private func isQuiet(_ writing: Writing) -> Bool {
    let sealed = shared.live.withLock { $0.manifest.newestLSN }
    let now = options.clock.monotonicNanos()
    return writing.compaction.withLock { state in
      if state.sealedLSN != sealed {
        state.sealedLSN = sealed
        state.sealedNanos = now
      }
      return now - state.sealedNanos > options.compactionQuietNanos
    }
  }

  /// What compaction has found damaged and lies still.
  var compactionDamages: [Manifest.Damage] {
    guard let writing else { return [] }
    return writing.compaction.withLock { $0.damages }.sorted { $0.key < $1.key }.map(\.value)
  }

  /// One step of the job under way, or the beginning of the next. The caller has the lane.
  /// - Returns: false when there is nothing to do.
  /// - Throws: what ended the job; its inputs stay live, and are left alone for some time.
  private func workOnJob(
    _ writing: Writing, isFinal: Bool, _ forms: CompactionPlan.Forms, purges: Bool = false
  ) throws(StorageError) -> Bool {
    if let failure { throw failure }
    guard isJournalWhole else { return false }
    let running = writing.compaction.withLock { $0.job }
    var next = running
    if next == nil { next = try nextJob(writing, isFinal: isFinal, forms, purges: purges) }
    guard let job = next else { return false }
    writing.compaction.withLock { $0.job = job }
    do throws(StorageError) {
      if case .done(let installation) = try job.step(byteLimit: Self.stepByteCount) {
        writing.compaction.withLock { $0.job = nil }
        _ = try install(installation)
      }
    } catch {
      let isDamage = error.code == .corrupt || error.code == .truncated
      let until = isDamage ? .max : options.clock.monotonicNanos() + Self.retryNanos
      writing.compaction.withLock { state in
        state.job = nil
        for id in job.blamed(for: error) { state.failed[id] = until }
        if isDamage, let damage = job.damage(error) { state.damages[damage.id] = damage.damage }
      }
      throw error
    }
    return true
  }

  private func nextJob(
    _ writing: Writing, isFinal: Bool, _ forms: CompactionPlan.Forms, purges: Bool
  ) throws(StorageError) -> CompactionJob? {
    let now = options.clock.monotonicNanos()
    let avoided = writing.compaction.withLock { state in
      state.failed = state.failed.filter { $0.value > now }
      return Set(state.failed.keys)
    }
    let live = shared.live.withLock { $0 }
    let (segments, registry) = (live.segments, live.registry)
    let removableLSN = purges ? .max : newestRemovableLSN
    writing.compaction.withLock { state in
      guard state.removable.count > 2 * segments.count else { return }
      let ids = Set(segments.map(\.id))
      state.removable = state.removable.filter { ids.contains($0.key) }
    }
    var tables: [TableID: [DataSegmentReader]] = [:]
    for segment in segments where !segment.isDamaged && !avoided.contains(segment.id) {
      tables[segment.table, default: []].append(segment)
    }
    for (table, segments) in tables.sorted(by: { $0.key < $1.key }) {
      // A type whose declaration is damaged: its rows stay as they are.
      guard let schema = shared.schema(table) else { continue }
      var plan = CompactionPlan.next(
        segments.map(\.meta), isFinal: isFinal, options: options.compaction, forms: forms)
      let through = min(removableLSN, registry.lastEventLSN)
      if plan == nil {
        plan = try removal(writing, segments, registry.lifecycles, through, isFinal: isFinal, forms)
      }
      guard let next = plan else { continue }
      let inputs = Set(next.inputs)
      return CompactionJob(
        next, segments.filter { inputs.contains($0.id) }, schema: schema,
        registry: registry, removingThrough: through, keeper: keeper(live), context: self.segments,
        takeID: { [weak self] in self?.takeFileID() ?? 0 })
    }
    return nil
  }

  /// Wall time that does not run ahead of the monotonic clock since the store was opened: a clock that
  /// leaps ends no grace.
  private var steadyNanos: Int64 {
    let (wall, monotonic) = (options.clock.nowNanos(), options.clock.monotonicNanos())
    guard let opened = writing?.opened else { return wall }
    let (passed, isLost) = monotonic.subtractingReportingOverflow(opened.monotonic)
    let (steady, isBeyond) = opened.wall.addingReportingOverflow(isLost ? 0 : passed)
    return isBeyond ? wall : min(wall, steady)
  }

  /// The newest event whose grace is over: what it took may go for good.
  private var newestRemovableLSN: LSN {
    guard options.removalGraceNanos > 0 else { return .max }
    let (instant, overflow) = steadyNanos.subtractingReportingOverflow(options.removalGraceNanos)
    return overflow ? 0 : shared.clock.withLock { $0.newestLSN(at: instant) }
  }

  private func keeper(_ live: Live) -> LeafKeeper {
    let sealer = Sealer(
      disk: options.disk, directory: directory, storeID: storeID, shared: shared, context: segments)
    return LeafKeeper(live, shared, sealer, takeID: { [weak self] in self?.takeFileID() ?? 0 })
  }

  /// Removed rows that weigh less than a segment divided by this wait for a rewriting for other
  /// reasons, or until nothing else is going on.
  private static let removalShare = 8

  /// A segment of which enough rows were removed, to be written anew without them; nil when there is
  /// none.
  /// - Parameter through: the newest event whose removals may go.
  private func removal(
    _ writing: Writing, _ segments: [DataSegmentReader], _ lifecycles: Lifecycles, _ through: LSN,
    isFinal: Bool, _ forms: CompactionPlan.Forms
  ) throws(StorageError) -> CompactionPlan.Job? {
    for segment in segments {
      guard let table = lifecycles[segment.table], !table.removesNothing else { continue }
      let meta = segment.meta
      var weighed =
        writing.compaction.withLock { $0.removable[segment.id] } ?? (through: meta.appliedLSN, rowCount: 0)
      if weighed.through < through {
        // Its index is looked at only for events that may have taken some of its rows.
        let events = max(weighed.through, meta.oldestLSN + meta.baseLSN) + 1
        if events <= through,
          table.mayHaveRemoved(within: meta.firstTime...meta.lastTime, by: events...through)
        {
          weighed.rowCount = try segment.removableRowCount(by: lifecycles, through: through)
        }
        weighed.through = through
        writing.compaction.withLock { [weighed] in $0.removable[segment.id] = weighed }
      }
      guard weighed.rowCount > 0, isFinal || weighed.rowCount * Self.removalShare >= meta.rowCount
      else { continue }
      var job = CompactionPlan.Job(inputs: [segment.id], windows: [.min ... .max])
      job.coldBefore = forms.coldBefore
      return job
    }
    return nil
  }

  /// Seals, and brings the data segments of every table into their final form: the smallest for
  /// what is old, packed for what is new, or as `form` says.
  /// - Parameter purges: takes removed readings off at once, without their time of grace.
  /// - Throws: as `seal`; `.corrupt` when a segment fails its check (it is not replaced).
  package func compact(
    _ form: CompactionForm = .byAge, purges: Bool = false
  ) throws(StorageError) {
    try seal()
    guard isJournalWhole else {
      throw StorageError(.corrupt, "a journal is damaged, and what it says of readings is not known")
    }
    guard let writing else { return }
    let forms = options.forms(form)
    try writing.compactionLane.run { () throws(StorageError) in
      writing.compaction.withLock { ($0.failed, $0.damages) = ([:], [:]) }
      var failed: StorageError?
      while true {
        do throws(StorageError) {
          guard try workOnJob(writing, isFinal: true, forms, purges: purges) else { break }
        } catch {
          // The rest can still be compacted.
          guard error.code == .corrupt || error.code == .truncated else { throw error }
          failed = failed ?? error
        }
      }
      if let failed { throw failed }
    }
    try buildRollups()
    try writing.lane.run { () throws(StorageError) in try removeSealedLog(keeping: 0) }
    shared.dead.sweep(options.disk, store: directory)
  }
}
