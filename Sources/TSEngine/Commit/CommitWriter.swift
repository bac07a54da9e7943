/// Turns requests into durable batches: decides, encodes, writes, fills head and coverage while the
/// disk works, syncs, makes visible, answers; in this order. A state machine: `step` commits one group. One leader at a time (`CommitQueue`).
///
/// - Safety of `@unchecked Sendable`: everything mutable is touched only by the queue's leader.
package final class CommitWriter: @unchecked Sendable {
  /// Payload after which a group is full; a batch holds 16 MiB at most.
  private static let groupByteLimit = 4 << 20
  private static let payloadByteLimit = 12 << 20
  private static let devicesInABatch = 10_000
  /// Full chunks of the head that are worth waking their encoder for.
  private static let encodingByteCount = 512 << 10

  package let queue: CommitQueue
  private let shared: Shared
  private let clock: any Clock
  private let rng: any RNG
  private let log: LogWriter
  private let manifest: ManifestLog
  private let headByteLimit: Int
  private var isHeadFull = false
  private var intake: Intake
  private var builder = LogBatchBuilder(reserving: 256 << 10)
  private var failure: StorageError?
  /// Commit time of the first batch since the last rotation.
  private var firstUnsealedNanos = Int64.max

  package init(
    queue: CommitQueue, shared: Shared, clock: any Clock, rng: any RNG, log: LogWriter,
    manifest: ManifestLog, limits: Intake.Limits, headByteLimit: Int
  ) {
    self.queue = queue
    self.shared = shared
    self.clock = clock
    self.rng = rng
    self.log = log
    self.manifest = manifest
    self.headByteLimit = headByteLimit
    intake = Intake(limits: limits)
    // What was replayed waits for its sealing as what will come.
    let sealed = manifest.state.sealedLSN
    firstUnsealedNanos =
      shared.clock.withLock { clock in clock.entries.first { $0.lsn > sealed }?.time } ?? .max
    tellMaintenance()
  }

  /// Commits groups until nothing waits or `isEnough`, if nobody else does.
  package func drive(until isEnough: () -> Bool = { false }) {
    while !isEnough(), queue.lead() {
      step()
      queue.follow()
    }
  }

  /// Takes the lead for good and serves what still waits; the queue is closed. Whoever waits for an
  /// answer has it then, on whatever thread, so that all of them can be joined.
  package func drain() {
    queue.leadForGood()
    while !queue.isEmpty { step() }
  }

  /// Ends both logs in order, after `drain`.
  package func finish() throws(StorageError) {
    try log.close()
    try manifest.close()
  }

  /// Commits one group. The caller leads.
  package func step() {
    defer { tellMaintenance() }
    let requests = queue.take(byteLimit: Self.groupByteLimit)
    if let failure {
      for request in requests { request.fail(failure) }
      return
    }
    let live = shared.live.withLock { $0 }
    isHeadFull = live.heads.reduce(0) { $0 + $1.byteCount } > headByteLimit
    var group = CommitGroup(registry: live.registry, firstLSN: log.nextLSN)
    builder.removeAll()
    intake.beginGroup()
    var index = 0
    while index < requests.count {
      if requests[index].standsAlone {
        if group.isEmpty {
          serveAlone(requests[index])
          index += 1
        }
        break
      }
      guard take(requests[index], into: &group) else { break }
      index += 1
    }
    queue.putBack(Array(requests[index...]))
    if !group.isEmpty { commit(group) }
  }

  // MARK: Gathering

  /// False when the request must wait for the next group.
  private func take(_ request: CommitRequest, into group: inout CommitGroup) -> Bool {
    switch request {
    case .append(let append, let done):
      return take(append, done, into: &group)
    case .decide(let decision, let done):
      // A decision is taken once: there must be room for what it may say.
      if !group.isEmpty, builder.payloadByteCount > Self.groupByteLimit { return false }
      let events = decision(group.registry)
      do throws(StorageError) {
        try group.add(events, to: &builder)
        let last = events.isEmpty ? nil : group.nextLSN - 1
        group.answers.append { done($0.map { last ?? $0 }) }
      } catch {
        done(.failure(error))
      }
    case .record(let records, let done):
      if !group.isEmpty, builder.payloadByteCount > Self.groupByteLimit { return false }
      do throws(StorageError) {
        try group.add(records, to: &builder)
        group.answers.append { done($0) }
      } catch {
        done(.failure(error))
      }
    case .rotate, .install, .amend, .idleSeal:
      preconditionFailure("served alone")
    }
    return true
  }

  private func take(
    _ request: CommitRequest.AppendRequest,
    _ done: @escaping @Sendable (Result<AppendResult, StorageError>) -> Void,
    into group: inout CommitGroup
  ) -> Bool {
    do throws(StorageError) {
      if isHeadFull { throw headFull() }
      try AppendCheck.check(request, registry: group.registry)
      guard builder.payloadByteCount + AppendCheck.byteBound(request, shared.symbols, group.registry)
          <= Self.payloadByteLimit
      else {
        if group.isEmpty {
          throw StorageError(.invalid, "batch too large for one commit; send it in parts")
        }
        return false
      }
      let outcome = try sort(
        request.batch,
        intake.bounds(of: request.batch.table, now: clock.nowNanos(), group.registry),
        group.registry, request.known)
      guard case .accepted(let accepted) = outcome else { return false }
      let result = try group.add(
        accepted, request, now: clock.nowNanos(), context: context(request),
        symbols: shared.symbols, to: &builder)
      let last = group.nextLSN - 1
      group.answers.append { committed in
        done(
          committed.map { durable in
            var answer = result
            answer.lsn = accepted.parts.isEmpty ? durable : last
            return answer
          })
      }
    } catch {
      done(.failure(error))
    }
    return true
  }

  private func headFull() -> StorageError {
    let why = shared.activity.withLock { $0.sealingFailure }.map { ", and sealing fails: \($0.reason)" }
    return StorageError(.overloaded, "memory for unsealed readings is full" + (why ?? ""))
  }

  private func context(_ request: CommitRequest.AppendRequest) -> DecisionContext? {
    request.creator.map {
      DecisionContext(now: clock.nowNanos(), actor: $0, random: rng)
    }
  }

  /// - Parameter registry: with the events of the group that is being gathered.
  private func sort(
    _ batch: FrameBatch, _ bounds: Intake.Bounds, _ registry: Registry,
    _ known: KnownRows = KnownRows()
  ) throws(StorageError) -> Intake.Outcome {
    try intake.decide(
      batch, bounds, policy: registry.types[batch.table]?.conflictPolicy ?? .last,
      series: shared.series
    ) { key, number, times throws(StorageError) in
      // What was met may be gone since, or the table's policy another.
      let isUnchanged = registry.lifecycles[key.table]?.changedLSN ?? 0 <= known.lsn
      if isUnchanged, let rows = self.shared.series.known(known, number, times) { return rows }
      let live = self.shared.live.withLock { $0 }
      return try SeriesSources(live: live, lifecycles: registry.lifecycles)
        .rows(of: key, number: number, at: times)
    }
  }

  // MARK: Committing

  private func commit(_ group: CommitGroup) {
    guard !builder.isEmpty else {
      // All rows were known and durable already.
      let durable = shared.live.withLock { $0.durableLSN }
      for answer in group.answers { answer(.success(durable)) }
      return
    }
    do throws(StorageError) {
      let durable = try write(group)
      for answer in group.answers { answer(.success(durable)) }
    } catch {
      noteFailure(error)
      for answer in group.answers { answer(.failure(error)) }
    }
  }

  /// Writes what the builder holds of `group`, durably, and makes it visible.
  ///
  /// While the disk works, the rows go into head and coverage: they stay invisible, as snapshots end
  /// at the durable LSN, and after a failed sync nothing is ever decided by them, as the store
  /// refuses writes from then on.
  private func write(_ group: CommitGroup) throws(StorageError) -> LSN {
    let appended = try log.append(&builder)
    log.startWriteback()
    let head = shared.live.withLock { $0.heads[$0.heads.count - 1] }
    var fullByteCount = 0
    for part in group.parts {
      fullByteCount = head.append(part.batch, series: part.series) { part.firstLSN + LSN($0) }
      shared.series.insert(part.batch, series: part.series, lsn: group.nextLSN - 1)
    }
    if fullByteCount > Self.encodingByteCount { shared.encoder.withLock { $0 }?.wake() }
    if Planted.has(.ackBeforeSync) { for answer in group.answers { answer(.success(appended.nextLSN - 1)) } }
    if Planted.has(.shownBeforeSync) { publish(group, commitNanos: appended.commitNanos) }
    try log.sync()
    if !Planted.has(.shownBeforeSync) { publish(group, commitNanos: appended.commitNanos) }
    return appended.nextLSN - 1
  }

  /// Makes a durable group visible.
  private func publish(_ group: CommitGroup, commitNanos: Int64) {
    firstUnsealedNanos = min(firstUnsealedNanos, commitNanos)
    shared.clock.withLock { $0.record(group.firstLSN, at: commitNanos) }
    if !group.events.isEmpty { shared.events.withLock { $0.append(contentsOf: group.events) } }
    if !group.records.isEmpty { shared.records.withLock { $0.append(contentsOf: group.records) } }
    shared.live.withLock { live in
      live.registry = group.registry
      live.durableLSN = group.nextLSN - 1
    }
  }

  /// Anything but a full disk or a passing error of a write ends writing until the store is
  /// opened again.
  private func noteFailure(_ error: StorageError) {
    guard log.isFailStopped || manifest.isFailStopped else { return }
    let final = StorageError(
      .failStopped, "an earlier sync failed (\(error.reason)); open the store again",
      file: error.file, errno: error.errno)
    failure = final
    shared.live.withLock { $0.failure = final }
  }

  private func tellMaintenance() {
    let (needsWitness, byteCount) = (log.needsIdleSeal, log.segmentByteCount)
    let oldest = firstUnsealedNanos
    shared.activity.withLock { activity in
      activity.needsWitness = needsWitness
      activity.segmentByteCount = byteCount
      activity.oldestCommitNanos = oldest
    }
  }

  // MARK: Served alone

  private func serveAlone(_ request: CommitRequest) {
    do throws(StorageError) {
      switch request {
      case .rotate(let done): done(.success(try rotate()))
      case .install(let files, let done): done(.success(try install(files)))
      // A batch that waits is a witness as good.
      case .amend(let make, let done): try amend(make, done)
      case .idleSeal: if queue.isEmpty { try log.writeIdleSeal() }
      case .append, .decide, .record: preconditionFailure("served in groups")
      }
    } catch {
      noteFailure(error)
      request.fail(error)
    }
  }

  /// Records an act on stored readings. Alone in its batch, it sees all that came before it.
  private func amend(
    _ make: (Live) throws(StorageError) -> CommitRequest.Amendment,
    _ done: @escaping @Sendable (Result<AppendResult, StorageError>) -> Void
  ) throws(StorageError) {
    let live = shared.live.withLock { $0 }
    let amendment = try make(live)
    var group = CommitGroup(registry: live.registry, firstLSN: log.nextLSN)
    builder.removeAll()
    intake.beginGroup()
    try group.add(amendment.events, to: &builder)
    var answer = AppendResult()
    if let rows = amendment.rows {
      let accepted = amendment.isVerbatim ? verbatim(rows) : try sorted(rows, group.registry)
      answer = try group.add(
        accepted, .init(rows), now: clock.nowNanos(), context: nil, symbols: shared.symbols,
        to: &builder)
    }
    guard builder.payloadByteCount <= Self.payloadByteLimit else {
      throw StorageError(.invalid, "too much for one commit; do it in parts")
    }
    let (result, last) = (answer, group.nextLSN - 1)
    group.answers.append { committed in
      done(
        committed.map { durable in
          var answer = result
          answer.lsn = min(durable, last)
          return answer
        })
    }
    commit(group)
  }

  /// Every row, known or not.
  private func verbatim(_ rows: FrameBatch) -> Intake.Accepted {
    var accepted = Intake.Accepted()
    let series = shared.series.withLock { index in
      rows.frames.flatMap { frame in
        rows.runs[frame.runs].map {
          index.number(table: rows.table, device: frame.device, probe: $0.probe)
        }
      }
    }
    accepted.parts = [Intake.Part(batch: rows, series: series, frames: Array(rows.frames.indices))]
    return accepted
  }

  private func sorted(
    _ rows: FrameBatch, _ registry: Registry
  ) throws(StorageError) -> Intake.Accepted {
    let bounds = Intake.Bounds(.min ... .max, floor: registry.lifecycles.floor(of: rows.table))
    guard case .accepted(let accepted) = try sort(rows, bounds, registry) else {
      preconditionFailure("a batch of its own waits for nobody")
    }
    return accepted
  }

  private func rotate() throws(StorageError) -> CommitRequest.Rotation {
    let ended = log.segmentID
    try log.rotate()
    firstUnsealedNanos = .max
    let next = shared.newHead()
    return shared.live.withLock { live in
      let frozen = live.heads[live.heads.count - 1]
      live.heads.append(next)
      return CommitRequest.Rotation(
        head: frozen, logSegment: ended, lastLSN: log.nextLSN - 1)
    }
  }

  private func install(_ files: CommitRequest.Installation) throws(StorageError) -> LSN {
    if !files.removed.isEmpty {
      let live = shared.live.withLock { Set($0.manifest.data.map(\.id)) }
      guard files.removed.isSubset(of: live) else {
        throw StorageError(.invalid, "data segments that are to be replaced are not live")
      }
    }
    if files.isBulk {
      try requireUnchanged(since: files)
      try makeDevices(of: files)
    }
    let lsn = log.nextLSN
    let base = files.isBulk ? lsn : 0
    // Versions of one reading within a load have LSNs of their own.
    let last = lsn + (files.isBulk ? files.added.map(\.meta.newestLSN).max() ?? 0 : 0)
    let time = max(clock.nowNanos(), shared.clock.withLock { $0.entries.last?.time ?? .min })
    var edits: [ManifestEdit] = []
    var readers: [DataSegmentReader] = []
    for (reader, meta) in files.added {
      var based = meta
      based.baseLSN = base
      edits.append(.addData(based))
      readers.append(base == 0 ? reader : reader.rebased(to: base))
    }
    edits += files.removed.sorted().map { .removeData(id: $0) }
    edits += files.journals.map { .addJournal($0) }
    if let sealed = files.sealed {
      edits.append(.sealed(logSegment: sealed.logSegment, lsn: sealed.lastLSN))
    }
    if let (table, through) = files.removedRows {
      edits.append(.removedRows(table: table, through: through))
    }
    edits += files.rollupEdits
    if files.isBulk { edits.append(.bulk(Manifest.LSNRange(first: lsn, last: last, time: time))) }
    try manifest.commit(edits)
    if files.isBulk {
      if !Planted.has(.bulkLSNForgotten) { log.skip(to: last + 1, commitNanos: time) }
      shared.clock.withLock { $0.record(lsn, at: time) }
      shared.series.insert(files.coverage, lsn: last)
    }
    // Before the state that names its file: whoever sees the stretch sealed finds its link.
    if let link = files.link { shared.chain.withLock { $0.append(link) } }
    let state = manifest.state
    for reader in readers { reader.file.wasBorn(at: manifest.newestLSN) }
    files.noteRollups(bornAt: manifest.newestLSN)
    let (replaced, oldRollups) = shared.live.withLock { live in
      live.manifest = state
      let replaced = live.segments.filter { files.removed.contains($0.id) }
      live.segments.removeAll { files.removed.contains($0.id) }
      live.segments += readers
      live.segments.sort { $0.id < $1.id }
      if let sealed = files.sealed { live.heads.removeAll { $0 === sealed.head } }
      live.durableLSN = log.nextLSN - 1
      return (replaced, files.replaceRollups(of: &live))
    }
    for segment in replaced { segment.retire() }
    shared.dead.bury(replaced.map(\.file) + RollupSegmentReader.retired(oldRollups), at: manifest.newestLSN)
    return log.nextLSN - 1
  }

  /// A bulk append was compared with the store outside the writer's turn.
  /// - Throws: `.conflict` when rows that may be its own have come since; it must be compared anew.
  private func requireUnchanged(since files: CommitRequest.Installation) throws(StorageError) {
    let live = shared.live.withLock { $0 }
    guard live.durableLSN > files.comparedLSN else { return }
    let changed = StorageError(.conflict, "rows of a bulk append came by another way, too")
    let sources = SeriesSources(live: live)
    for table in Set(files.added.map(\.meta.table))
    where live.registry.lifecycles[table]?.changedLSN ?? 0 > files.comparedLSN {
      // What it met may be gone, or its table's policy another.
      throw changed
    }
    for (key, number, run) in shared.series.changed(files.coverage, after: files.comparedLSN) {
      if try sources.mayHaveRows(of: key, number: number, run, after: files.comparedLSN) {
        throw changed
      }
    }
  }

  /// Devices that a bulk append names and nobody knows are made first, in batches of their own.
  private func makeDevices(of files: CommitRequest.Installation) throws(StorageError) {
    guard let creator = files.creator, let table = files.added.first?.meta.table else { return }
    var rest = files.devices[...]
    while !rest.isEmpty {
      var batch = FrameBatch(table: table & ~TableID(0).quarantine)
      for device in rest.prefix(Self.devicesInABatch) { batch.beginFrame(device: device) }
      rest = rest.dropFirst(Self.devicesInABatch)
      var group = CommitGroup(registry: shared.live.withLock { $0.registry }, firstLSN: log.nextLSN)
      builder.removeAll()
      try group.addMissingDevices(
        of: batch, DecisionContext(now: clock.nowNanos(), actor: creator, random: rng), to: &builder)
      if !builder.isEmpty { _ = try write(group) }
    }
  }
}

extension CommitRequest {
  /// Not gathered with others into one batch.
  var standsAlone: Bool {
    switch self {
    case .append, .decide, .record: false
    case .rotate, .install, .amend, .idleSeal: true
    }
  }
}
