/// Requests that are served alone, when everything before them is durable: rotation, changes of the
/// live files, acts on stored readings, the witness of a quiet log.
extension CommitWriter {
  private static let devicesInABatch = 10_000

  func serveAlone(_ request: CommitRequest) {
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
    intake.beginGroup(looksCloser: true)
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
        head: frozen, logSegment: ended, lastLSN: log.nextLSN - 1, registry: live.registry)
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
    if let (table, parts) = files.removedRows {
      edits += parts.map { .removedRows(table: table, $0) }
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
      if let sealed = files.sealed {
        live.heads.removeAll { $0 === sealed.head }
        live.sealedEventCount += sealed.head.events.count
      }
      live.durableLSN = log.nextLSN - 1
      return (replaced, files.replaceRollups(of: &live))
    }
    for segment in replaced { segment.retire() }
    shared.dead.bury(
      replaced.map(\.file) + RollupSegmentReader.retired(oldRollups), at: manifest.newestLSN)
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
    where !live.registry.types.isLive(table & ~TableID(0).quarantine) {
      throw StorageError(.invalid, "unknown table")
    }
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
      if !builder.isEmpty {
        var failure: StorageError?
        group.answers.append { if case .failure(let error) = $0 { failure = error } }
        commit(group)
        if let failure { throw failure }
      }
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
