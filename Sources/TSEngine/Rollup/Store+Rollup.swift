/// Rollups: declared by events, built in steps on the thread that compacts.
extension Store {
  /// How building goes on.
  struct RollupWork: ~Copyable, Sendable {
    var job: RollupJob?
    var tasks: [RollupPlan.Task] = []
    /// What the tasks were planned from; planned anew when it differs.
    var planned: State?
    /// Tasks that failed, and when (monotonic) they may be tried again.
    var failed: [RollupPlan.Task: Int64] = [:]

    /// Drops what is under way.
    mutating func abandon() {
      job?.abandon()
      job = nil
    }

    struct State: Sendable, Equatable {
      var segments: [UInt64]
      var rollups: [UInt64]
      var damaged: Int
      var lastEvent: LSN
      var isFinal: Bool
      /// Windows that are fresh are due then, by the wall clock.
      var nextDue: Int64
    }
  }

  private static let rollupStepByteCount = 1 << 20
  private static let rollupRetryNanos: Int64 = 600_000_000_000

  /// One step of building rollups. The caller has the compaction lane.
  /// - Returns: false when there is nothing to do.
  /// - Throws: what ended a job; its window is left alone for some time.
  func workOnRollups(_ writing: Writing, isFinal: Bool) throws(StorageError) -> Bool {
    if let failure { throw failure }
    guard isJournalWhole else { return false }
    var job = writing.rollups.withLock { $0.job.take() }
    if job == nil { job = try nextRollupJob(writing, isFinal: isFinal) }
    guard let task = job?.task else { return false }
    do throws(StorageError) {
      switch try job?.step(byteLimit: Self.rollupStepByteCount) {
      case .done(let installation): _ = try install(installation)
      case .working, nil: writing.rollups.withLock { $0.job = job.take() }
      }
    } catch {
      let until = options.clock.monotonicNanos() + Self.rollupRetryNanos
      writing.rollups.withLock { $0.failed[task] = until }
      throw error
    }
    return true
  }

  private func nextRollupJob(
    _ writing: Writing, isFinal: Bool
  ) throws(StorageError) -> RollupJob? {
    let (now, monotonic) = (options.clock.nowNanos(), options.clock.monotonicNanos())
    while true {
      let live = shared.live.withLock { $0 }
      guard !live.registry.rollups.isEmpty || !live.rollups.isEmpty else { return nil }
      let task = writing.rollups.withLock { $0.tasks.popLast() }
      if let task {
        let job = RollupJob(
          task, snapshot(), id: takeFileID(), now: now, context: segments, options.rollups)
        if job != nil { return job }
        continue
      }
      var state = RollupWork.State(
        segments: live.segments.map(\.id), rollups: live.rollups.map(\.meta.id),
        damaged: live.rollups.count { $0.isDamaged }, lastEvent: live.registry.lastEventLSN,
        isFinal: isFinal, nextDue: .max)
      let planned = writing.rollups.withLock { $0.planned }
      state.nextDue = planned?.nextDue ?? .max
      if let planned, planned == state, now < planned.nextDue { return nil }
      let plan = try RollupPlan(live, now: now, isFinal: isFinal)
      state.nextDue = plan.nextDue
      let tasks = writing.rollups.withLock { work in
        work.failed = work.failed.filter { $0.value > monotonic }
        let tasks = plan.tasks.filter { work.failed[$0] == nil }
        work.tasks = tasks.reversed()
        work.planned = tasks.isEmpty && plan.dead.isEmpty ? state : nil
        return tasks
      }
      if !plan.dead.isEmpty {
        var installation = CommitRequest.Installation()
        installation.removedRollups = plan.dead
        _ = try install(installation)
      }
      if tasks.isEmpty { return nil }
    }
  }

  /// Brings every declared rollup up to date with what is sealed. What is not sealed yet is told from
  /// readings until it is.
  /// - Throws: as `compact`; windows whose readings fail their check are left out and told at the end.
  package func buildRollups() throws(StorageError) {
    guard let writing else { throw StorageError(.closed, "the store is open for reading") }
    var failed: StorageError?
    try writing.compactionLane.run { () throws(StorageError) in
      writing.rollups.withLock { work in
        work.failed = [:]
        work.planned = nil
      }
      while true {
        do throws(StorageError) {
          guard try workOnRollups(writing, isFinal: true) else { return }
        } catch {
          guard error.code == .corrupt || error.code == .truncated else { throw error }
          failed = failed ?? error
        }
      }
    }
    if let failed { throw failed }
  }

  /// Drops what is stored of the rollups of `table` (nil: of all), to be built from readings anew;
  /// revisions begin at 0 again. Answers stay as they are.
  package func forgetRollups(of table: TableID? = nil, every: Int64? = nil) throws(StorageError) {
    guard let writing else { throw StorageError(.closed, "the store is open for reading") }
    try writing.compactionLane.run { () throws(StorageError) in
      writing.rollups.withLock { work in
        work.abandon()
        work = RollupWork()
      }
      var installation = CommitRequest.Installation()
      for segment in shared.live.withLock({ $0.rollups })
      where (table ?? segment.meta.table) == segment.meta.table
        && (every ?? segment.meta.every) == segment.meta.every {
        installation.removedRollups.insert(segment.meta.id)
      }
      if !installation.removedRollups.isEmpty { _ = try install(installation) }
    }
  }

  /// Those that an opening cannot trust: built at LSNs that were lost with the end of the log, or, when
  /// readings were lost, all.
  static func distrusted(
    _ rollups: [Manifest.RollupSegment], durable: LSN, lostReadings: Bool
  ) -> [UInt64] {
    rollups.filter { lostReadings || $0.builtLSN > durable }.map(\.id)
  }
}
