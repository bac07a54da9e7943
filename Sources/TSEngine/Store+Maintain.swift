/// Sealing and the end of a store.
extension Store {
  /// How often maintenance looks around; the witness of the last batch follows within 50 ms of it.
  private static let periodNanos: Int64 = 20_000_000

  /// How often a checkpoint is looked for that is due.
  private static let checkpointPeriodNanos: Int64 = 1_000_000_000

  /// After a sealing that failed: it reads and writes everything anew.
  private static let sealRetryNanos: Int64 = 5_000_000_000

  /// - Throws: `.io` when a thread cannot be started; the store is closed then.
  func startMaintenance() throws(StorageError) {
    do throws(StorageError) { try startThreads() } catch {
      try? close()
      throw error
    }
  }

  private func startThreads() throws(StorageError) {
    guard options.maintainsItself, let writing else { return }
    let thread = try options.scheduler.run("tsq-maintain", yields: true) { [weak self] in
      self?.maintain() ?? .done
    }
    writing.maintenance.withLock { $0 = thread }
    let committer = try options.scheduler.run("tsq-commit") { [weak self] in
      self?.commitWaiting() ?? .done
    }
    writing.committer.withLock { $0 = committer }
    let encoder = try options.scheduler.run("tsq-encode", yields: true) { [weak self] in
      self?.encodeFull() ?? .done
    }
    shared.encoder.withLock { $0 = encoder }
    let preparer = try options.scheduler.run("tsq-prepare", yields: true) { [weak self] in
      self?.prepareLogs() ?? .done
    }
    writing.preparer.withLock { $0 = preparer }
    for spares in writing.writer.spares { spares.wake(preparer) }
    let checkpointer = try options.scheduler.run("tsq-checkpoint", yields: true) { [weak self] in
      self?.writeCheckpoints() ?? .done
    }
    writing.checkpointer.withLock { $0 = checkpointer }
    guard options.compactsItself else { return }
    let compactor = try options.scheduler.run("tsq-compact", yields: true) { [weak self] in
      self?.compactStep() ?? .done
    }
    writing.compactor.withLock { $0 = compactor }
  }

  /// One step of the thread that encodes full chunks of the head beside the writer.
  private func encodeFull() -> StepOutcome {
    guard let writing, !writing.isClosed.withLock({ $0 }) else { return .done }
    let head = shared.live.withLock { $0.heads.last }
    return head?.encodeNext() == true ? .again : .idle(nanos: 1_000_000_000)
  }

  /// One step of the thread that makes the next segments of log and manifest.
  private func prepareLogs() -> StepOutcome {
    guard let writing, !writing.isClosed.withLock({ $0 }) else { return .done }
    for spares in writing.writer.spares where spares.hasWork { return spares.step() }
    return .idle(nanos: 1_000_000_000)
  }

  /// One step of the thread that writes checkpoints, or of maintenance where there is none.
  private func writeCheckpoints() -> StepOutcome {
    guard let writing, !writing.isClosed.withLock({ $0 }) else { return .done }
    // Derived: where it fails, the next opening reads what it would have held.
    return (try? checkpointStep()) == true ? .again : .idle(nanos: Self.checkpointPeriodNanos)
  }

  /// One step of the thread that asynchronous appends wake: commits until nothing waits.
  private func commitWaiting() -> StepOutcome {
    guard let writing, !writing.isClosed.withLock({ $0 }) else { return .done }
    writing.writer.drive()
    return .idle(nanos: 1_000_000_000)
  }

  /// One step of what a store does by itself: commits what others left waiting, witnesses the last
  /// batch, raises retention floors, seals when it is time.
  package func maintain() -> StepOutcome {
    guard let writing, !writing.isClosed.withLock({ $0 }) else { return .done }
    // Where there is a committer it drives: a load that never ends must not keep maintenance from
    // sealing.
    if shared.activity.withLock({ $0.needsWitness }) {
      try? submit(.idleSeal)
    }
    if writing.committer.withLock({ $0 }) == nil { writing.writer.drive() }
    if writing.preparer.withLock({ $0 }) == nil { _ = prepareLogs() }
    retainWhenDue()
    if isSealingDue {
      do throws(StorageError) {
        try seal()
      } catch {
        // What fails here fails again, and is told, when somebody asks for it.
        let next = options.clock.monotonicNanos() + Self.sealRetryNanos
        shared.activity.withLock { activity in
          activity.sealNotBeforeNanos = next
          activity.sealingFailure = error
        }
      }
    }
    if writing.checkpointer.withLock({ $0 }) == nil, writeCheckpoints() == .again { return .again }
    return .idle(nanos: Self.periodNanos)
  }

  private var isSealingDue: Bool {
    let (activity, head) = (shared.activity.withLock { $0 }, shared.live.withLock { $0.heads.last })
    guard let head, activity.segmentByteCount > 0, failure == nil else { return false }
    if options.clock.monotonicNanos() < activity.sealNotBeforeNanos { return false }
    if activity.segmentByteCount > options.tailByteLimit || !pendingRotations().isEmpty { return true }
    if head.byteCount > options.headByteLimit / 2 { return true }
    guard head.rowCount > 0 else { return false }
    // The wall clock may say anything, an instant before 1970 too.
    let (age, isBeyond) = options.clock.nowNanos().subtractingReportingOverflow(activity.oldestCommitNanos)
    return !isBeyond && age > options.sealAgeNanos
  }

  /// Turns the head and its log into data and journal segments. Ingest and queries go on.
  /// - Throws: `.io`, `.diskFull` (the log is kept and sealed at the next try), `.failStopped`.
  package func seal() throws(StorageError) {
    guard let writing else { throw StorageError(.closed, "the store is open for reading") }
    try writing.lane.run { () throws(StorageError) in
      guard shared.live.withLock({ $0.durableLSN > $0.manifest.sealedLSN || $0.heads.count > 1 })
      else { return }
      var frozen = pendingRotations()
      if frozen.isEmpty {
        frozen = [try wait { .rotate($0) }]
      }
      for rotation in frozen {
        shared.rotations.withLock { rotations in
          if !rotations.contains(where: { $0.logSegment == rotation.logSegment }) {
            rotations.append(rotation)
          }
        }
        var installation = try Sealer(
          disk: options.disk, directory: directory, storeID: storeID, shared: shared,
          context: segments
        ).seal(rotation.head, through: rotation.lastLSN, nextFileID: takeFileID)
        installation.sealed = rotation
        _ = try install(installation)
        let eventCount = shared.live.withLock { $0.sealedEventCount }
        shared.sealedRegistry.withLock {
          $0 = SealedRegistry(lsn: rotation.lastLSN, registry: rotation.registry, eventCount: eventCount)
        }
        shared.rotations.withLock { $0.removeAll { $0.logSegment == rotation.logSegment } }
        shared.activity.withLock { $0.sealingFailure = nil }
      }
      try removeSealedLog(keeping: options.tailKeptByteCount)
      for spares in writing.writer.spares { try? spares.trimLeft() }
    }
  }

  /// Heads that an earlier, failed sealing left frozen.
  private func pendingRotations() -> [CommitRequest.Rotation] { shared.rotations.withLock { $0 } }

  func takeFileID() -> UInt64 {
    guard let writing else { return 0 }
    return writing.nextFileID.withLock { id in
      defer { id += 1 }
      return id
    }
  }

  /// Makes files live and removes those they replace.
  func install(_ installation: CommitRequest.Installation) throws(StorageError) -> LSN {
    let lsn: LSN
    if Planted.has(.removedBeforeManifest) {
      let data = FileNames.path(directory, FileNames.dataDirectory)
      for id in installation.removed {
        try? options.disk.remove(FileNames.path(data, FileNames.dataSegment(id)))
      }
    }
    do throws(StorageError) {
      lsn = try wait { .install(installation, $0) }
    } catch {
      // After a failed sync nobody knows whether they are live: the next open will.
      if failure == nil { installation.removeFiles(options.disk, of: directory) }
      throw error
    }
    shared.dead.sweep(options.disk, store: directory)
    return lsn
  }

  /// Removes sealed log segments, oldest first, until those left hold at most `keeping` bytes.
  func removeSealedLog(keeping: Int) throws(StorageError) {
    let sealed = shared.live.withLock { $0.manifest.sealedLogSegment }
    let log = FileNames.path(directory, FileNames.logDirectory)
    var kept = 0
    var removed: [String] = []
    let ids = try options.disk.list(log).compactMap(FileNames.logSegmentID).filter { $0 <= sealed }
    for id in ids.sorted(by: >) {
      let path = FileNames.path(log, FileNames.logSegment(id))
      let file = try options.disk.open(path, .read)
      kept += try file.byteCount()
      file.close()
      if kept > keeping { removed.append(path) }
    }
    // Oldest first, each durably, so that a crash leaves no hole.
    for path in removed.reversed() {
      try options.disk.remove(path)
      try options.disk.syncDirectory(log)
    }
  }

  /// Commits what waits, ends the log in order and gives the store free. Idempotent.
  /// - Throws: `.io`, `.failStopped`; the store is closed all the same.
  package func close() throws(StorageError) {
    guard let writing else { return }
    let first = writing.isClosed.withLock { isClosed in
      defer { isClosed = true }
      return !isClosed
    }
    guard first else { return }
    writing.queue.close()
    writing.writer.drain()
    let threads = [
      writing.maintenance.withLock { $0 }, writing.committer.withLock { $0 },
      writing.compactor.withLock { $0 }, writing.preparer.withLock { $0 },
      writing.checkpointer.withLock { $0 },
      shared.encoder.withLock { $0.take() },
    ]
    for thread in threads {
      thread?.wake()
      thread?.join()
    }
    defer { writing.lock.close() }
    try? writing.compactionLane.run { () throws(StorageError) in
      writing.compaction.withLock { $0.job }?.abandon()
      writing.rollups.withLock { $0.abandon() }
    }
    shared.dead.sweep(options.disk, store: directory)
    checkpointBeforeClosing()
    try writing.lane.run { () throws(StorageError) in try writing.writer.finish() }
  }

  // MARK: For bulk appends

  var intakeBounds: ClosedRange<Int64> {
    let horizon = options.clock.nowNanos().addingReportingOverflow(options.intake.futureNanos)
    return options.intake.floor...max(
      options.intake.floor, horizon.overflow ? .max : horizon.partialValue)
  }

  func newDataSegment(_ schema: TableSchema) throws(StorageError) -> DataSegmentWriter {
    try DataSegmentWriter(
      options.disk, directory: FileNames.path(directory, FileNames.dataDirectory), store: storeID,
      id: takeFileID(), schema: schema)
  }

  func finish(
    _ writer: consuming DataSegmentWriter
  ) throws(StorageError) -> (reader: DataSegmentReader, meta: Manifest.DataSegment) {
    let meta = try writer.finish()
    return (DataSegmentReader(segments, meta), meta)
  }

  /// Removes the files of an installation that was given up.
  func remove(_ installation: CommitRequest.Installation) {
    installation.removeFiles(options.disk, of: directory)
  }

  /// Durable rows of a series that may share instants with `sets`; nil when surely none does.
  func existingRows(
    of key: SeriesKey, overlapping sets: [SampleTimes]
  ) throws(StorageError) -> RowSet? {
    let (number, coverage) = shared.series.lookUp(
      table: key.table, device: key.device, probe: key.probe)
    let sources = SeriesSources(live: shared.live.withLock { $0 })
    var known: [RowSet] = []
    for times in sets where coverage.check(times) != .absent {
      if let rows = try sources.rows(of: key, number: number, at: times) { known.append(rows) }
    }
    return known.isEmpty ? nil : RowMerge.winners(known, sources.order(of: key.table))
  }
}
