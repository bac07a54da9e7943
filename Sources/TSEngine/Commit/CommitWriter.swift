/// Turns requests into durable batches, in two steps: `gather` decides, encodes, writes and fills the
/// coverage; `settle` fills the head, syncs, makes visible and answers. One leader at a time gathers (`CommitQueue`);
/// while a group is settled the next leader may gather the next one (`CommitPipeline`).
///
/// - Safety of `@unchecked Sendable`: everything mutable is touched only by the queue's leader.
package final class CommitWriter: @unchecked Sendable {
  /// Payload after which a group is full; a batch holds 16 MiB at most.
  private static let groupByteLimit = 4 << 20
  static let payloadByteLimit = 12 << 20
  /// Rows received by the head that are worth waking its encoder for.
  private static let encodingByteCount = 512 << 10

  package let queue: CommitQueue
  let shared: Shared
  let clock: any Clock
  let rng: any RNG
  let log: LogWriter
  let manifest: ManifestLog
  private let headByteLimit: Int
  private var isHeadFull = false
  var intake: Intake
  var builder = LogBatchBuilder(reserving: 256 << 10)
  private let pipeline = CommitPipeline()
  /// The registry behind the newest group that was gathered.
  private var newestRegistry: Registry
  /// Nothing is under way before the group that is being gathered.
  private var isSettled = true
  /// Groups that one thread gathers before it settles them; more than one only where a store is
  /// stepped by hand, for tests of groups under way.
  private let lookahead: Int
  /// Commit time of the first batch since the last rotation.
  var firstUnsealedNanos = Int64.max

  package init(
    queue: CommitQueue, shared: Shared, clock: any Clock, rng: any RNG, log: LogWriter,
    manifest: ManifestLog, limits: Intake.Limits, headByteLimit: Int, lookahead: Int = 1
  ) {
    self.queue = queue
    self.shared = shared
    self.clock = clock
    self.rng = rng
    self.log = log
    self.manifest = manifest
    self.headByteLimit = headByteLimit
    self.lookahead = lookahead
    intake = Intake(limits: limits)
    newestRegistry = shared.live.withLock { $0.registry }
    // What was replayed waits for its sealing as what will come.
    let sealed = manifest.state.sealedLSN
    firstUnsealedNanos =
      shared.clock.withLock { clock in clock.entries.first { $0.lsn > sealed }?.time } ?? .max
    tellMaintenance()
  }

  /// A group that was gathered: in the log, or with nothing to write.
  private struct Gathered {
    var group: CommitGroup
    /// Nil when nothing was written.
    var appended: LogWriter.Appended?
    var place: CommitPipeline.Place
  }

  private enum Gathering {
    case group(Gathered)
    /// All is answered already.
    case served
    /// What is first in the queue must see everything before it settled.
    case mustDrain
  }

  /// Commits groups until nothing waits or `isEnough`, if nobody else does.
  /// - Parameter pass: called when the lead is free while more waits: somebody may gather it.
  package func drive(until isEnough: () -> Bool = { false }, pass: () -> Void = {}) {
    while !isEnough() {
      var gathered: [Gathered] = []
      var mustDrain = false
      var hasLed = false
      while gathered.count < lookahead, !mustDrain, queue.lead() {
        hasLed = true
        switch gather() {
        case .group(let group): gathered.append(group)
        case .served: break
        case .mustDrain: mustDrain = true
        }
        queue.follow()
      }
      guard hasLed else { return }
      if !gathered.isEmpty, !mustDrain, !queue.isEmpty { pass() }
      for group in gathered { settle(group) }
      if mustDrain { pipeline.drain() }
    }
  }

  /// Takes the lead for good and serves what still waits; the queue is closed. Whoever waits for an
  /// answer has it then, on whatever thread, so that all of them can be joined.
  package func drain() {
    queue.leadForGood()
    while !queue.isEmpty {
      switch gather() {
      case .group(let group): settle(group)
      case .served: break
      case .mustDrain: pipeline.drain()
      }
    }
    pipeline.drain()
  }

  var spares: [LogSpares] { [log.spares, manifest.spares] }

  /// Ends both logs in order, after `drain`.
  package func finish() throws(StorageError) {
    try log.close()
    try manifest.close()
  }

  /// Writes one group. The caller leads.
  private func gather() -> Gathering {
    defer { tellMaintenance() }
    // In this order: what was under way before is in `live` then.
    isSettled = pipeline.isEmpty
    let live = shared.live.withLock { $0 }
    let requests = queue.take(byteLimit: lookahead > 1 ? 1 : Self.groupByteLimit)
    if let failure = live.failure {
      for request in requests { request.fail(failure) }
      return .served
    }
    isHeadFull = live.heads.reduce(0) { $0 + $1.byteCount } > headByteLimit
    var group = CommitGroup(
      registry: isSettled ? live.registry : newestRegistry, firstLSN: log.nextLSN)
    builder.removeAll()
    intake.beginGroup(looksCloser: isSettled)
    var index = 0
    while index < requests.count {
      if requests[index].standsAlone {
        if group.isEmpty, isSettled {
          serveAlone(requests[index])
          index += 1
        }
        break
      }
      guard take(requests[index], into: &group) else { break }
      index += 1
    }
    queue.putBack(Array(requests[index...]))
    if group.isEmpty { return isSettled || index > 0 ? .served : .mustDrain }
    return write(group)
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
        try requireKnownTables(events)
        try group.add(events, to: &builder)
        let last = events.isEmpty ? nil : group.nextLSN - 1
        group.answers.append { done($0.map { last ?? $0 }) }
      } catch {
        done(.failure(error))
      }
    case .record(let records, let done):
      if !group.isEmpty, builder.payloadByteCount > Self.groupByteLimit { return false }
      do throws(StorageError) {
        if isHeadFull { throw headFull() }
        try group.add(records, to: &builder)
        let last = records.isEmpty ? nil : group.nextLSN - 1
        group.answers.append { done($0.map { last ?? $0 }) }
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
      try AppendCheck.check(request, registry: group.registry, symbols: shared.symbols)
      let room = Self.payloadByteLimit - builder.payloadByteCount
      if AppendCheck.byteBound(request, shared.symbols, group.registry) > room {
        if !group.isEmpty { return false }
        guard AppendCheck.closeByteBound(request, shared.symbols, group.registry) <= room else {
          throw StorageError(.invalid, "batch too large for one commit; send it in parts")
        }
      }
      let outcome = try sort(
        request.batch,
        intake.bounds(of: request.batch.table, now: clock.nowNanos(), group.registry),
        group.registry, request.known, onlyNew: request.onlyNew)
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
      refuse(error, done, &group)
    }
    return true
  }

  /// Tells of a refusal: behind what is not durable yet, only when that is, for it may be the reason.
  private func refuse(
    _ error: StorageError, _ done: @escaping @Sendable (Result<AppendResult, StorageError>) -> Void,
    _ group: inout CommitGroup
  ) {
    if isSettled, group.isEmpty { return done(.failure(error)) }
    group.answers.append { committed in
      if case .failure(let lost) = committed { done(.failure(lost)) } else { done(.failure(error)) }
    }
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
  func sort(
    _ batch: FrameBatch, _ bounds: Intake.Bounds, _ registry: Registry,
    _ known: KnownRows = KnownRows(), onlyNew: Bool = false
  ) throws(StorageError) -> Intake.Outcome {
    try intake.decide(
      batch, bounds, policy: registry.types[batch.table]?.conflictPolicy ?? .last, onlyNew: onlyNew,
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

  /// The id of a table that a lost event declared must not be given again.
  private func requireKnownTables(_ events: [Event]) throws(StorageError) {
    guard let lost = shared.live.withLock({ $0.lostEvents.last }) else { return }
    for event in events {
      if case .typeDeclared = event.kind { throw lost.error("which tables there are") }
    }
  }

  // MARK: Committing

  /// Commits a group while nothing else is under way.
  func commit(_ group: CommitGroup) {
    if case .group(let gathered) = write(group) { settle(gathered) }
  }

  /// Writes what the builder holds of `group`.
  ///
  /// Before they are durable the rows go into coverage and head: they stay invisible, as snapshots end
  /// at the durable LSN, and after a failed sync nothing is ever decided by them, as the store
  /// refuses writes from then on.
  private func write(_ group: CommitGroup) -> Gathering {
    // All rows may have been known and durable; what was decided by groups under way waits for them.
    guard !builder.isEmpty else {
      newestRegistry = group.registry
      return .group(Gathered(group: group, appended: nil, place: pipeline.enter()))
    }
    do throws(StorageError) {
      let appended = try log.append(&builder)
      // The next group is decided by it; the head may wait, as nobody sees the rows yet.
      for part in group.parts {
        shared.series.insert(part.batch, series: part.series, lsn: group.nextLSN - 1)
      }
      firstUnsealedNanos = min(firstUnsealedNanos, appended.commitNanos)
      if Planted.has(.ackBeforeSync) { for answer in group.answers { answer(.success(appended.nextLSN - 1)) } }
      if Planted.has(.shownBeforeSync) {
        fill(group)
        publish(group, commitNanos: appended.commitNanos)
      }
      newestRegistry = group.registry
      return .group(Gathered(group: group, appended: appended, place: pipeline.enter()))
    } catch {
      noteFailure(error)
      for answer in group.answers { answer(.failure(error)) }
      return .served
    }
  }

  /// Gives the rows of a group to the head.
  private func fill(_ group: CommitGroup) {
    let head = shared.live.withLock { $0.heads[$0.heads.count - 1] }
    var waiting = 0
    for part in group.parts { waiting = head.receive(part) }
    guard waiting > Self.encodingByteCount else { return }
    if let encoder = shared.encoder.withLock({ $0 }) { encoder.wake() } else { head.takeIn() }
  }

  /// Makes a gathered group durable and visible when those before it are, and answers. On any thread.
  private func settle(_ gathered: Gathered) {
    pipeline.awaitTurn(gathered.place)
    let result = Result { () throws(StorageError) in try makeDurable(gathered) }
    if case .failure(let error) = result { noteFailure(error) }
    pipeline.leave()
    for answer in gathered.group.answers { answer(result) }
  }

  /// - Returns: the newest durable LSN.
  private func makeDurable(_ gathered: Gathered) throws(StorageError) -> LSN {
    let live = shared.live.withLock { $0 }
    if let failure = live.failure { throw failure }
    guard let appended = gathered.appended else { return live.durableLSN }
    if !Planted.has(.shownBeforeSync) { fill(gathered.group) }
    try log.sync()
    if !Planted.has(.shownBeforeSync) { publish(gathered.group, commitNanos: appended.commitNanos) }
    return appended.nextLSN - 1
  }

  /// Makes a durable group visible.
  private func publish(_ group: CommitGroup, commitNanos: Int64) {
    shared.clock.withLock { $0.record(group.firstLSN, at: commitNanos) }
    shared.live.withLock { live in
      if !group.events.isEmpty { live.heads[live.heads.count - 1].append(group.events) }
      if !group.records.isEmpty { live.heads[live.heads.count - 1].append(group.records) }
      live.registry = group.registry
      live.durableLSN = group.nextLSN - 1
    }
  }

  /// Anything but a full disk or a passing error of a write ends writing until the store is
  /// opened again.
  func noteFailure(_ error: StorageError) {
    guard log.isFailStopped || manifest.isFailStopped else { return }
    let final = StorageError(
      .failStopped, "an earlier sync failed (\(error.reason)); open the store again",
      file: error.file, errno: error.errno)
    shared.live.withLock { $0.failure = $0.failure ?? final }
  }

  private func tellMaintenance() {
    let (needsWitness, byteCount) = (log.needsIdleSeal, log.rotationByteCount)
    let oldest = firstUnsealedNanos
    shared.activity.withLock { activity in
      activity.needsWitness = needsWitness
      activity.segmentByteCount = byteCount
      activity.oldestCommitNanos = oldest
    }
  }
}
