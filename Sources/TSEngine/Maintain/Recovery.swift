/// Opens what is on disk: manifest, journals, data segments, then the log behind them. For a writer
/// the logs are repaired; for a reader beside one nothing is changed.
struct Recovery {
  let disk: any Disk
  let clock: any Clock
  let directory: String
  let storeID: StoreID
  let shared: Shared
  let cache: BlockCache

  /// What was found on the way.
  struct Outcome {
    var manifest = Manifest()
    var scan = LogScan()
    var damages: [Manifest.Damage] = []
    var tornByteCount = 0
  }

  /// For a reader: nothing on disk is changed. `isAlone` when no writer has the store.
  /// - Throws: `.notFound` when a file went away meanwhile (try again), `.corrupt`, `.io`.
  func read(isAlone: Bool) throws(StorageError) -> Outcome {
    var outcome = Outcome()
    let manifestStore = FileNames.path(directory, FileNames.manifestDirectory)
    var manifest = Manifest()
    _ = try LogReader(disk, store: manifestStore, storeID: storeID).scan {
      info, payload throws(StorageError) in
      try Self.apply(info, payload, to: &manifest)
    }
    outcome.manifest = manifest
    try openFiles(&outcome)
    var replay = LogReplay(shared: shared, after: manifest.sealedLSN)
    outcome.scan = try LogReader(disk, store: directory, storeID: storeID)
      .scan(from: manifest.sealedLSN + 1) { info, payload throws(StorageError) in
        try replay.apply(info, payload)
      }
    let seen = outcome.scan.nextLSN - 1
    let durable = isAlone ? seen : min(seen, outcome.scan.witnessedLSN)
    finish(&outcome, durableLSN: durable)
    return outcome
  }

  /// For the writer: `manifest` is recovered already; the log is repaired.
  func repair(_ manifest: Manifest) throws(StorageError) -> Outcome {
    var outcome = Outcome()
    outcome.manifest = manifest
    try removeOrphans(manifest)
    try openFiles(&outcome)
    var replay = LogReplay(shared: shared, after: manifest.sealedLSN)
    let repaired = try LogRepair(disk, store: directory, storeID: storeID)
      .run(from: manifest.sealedLSN + 1) { info, payload throws(StorageError) in
        try replay.apply(info, payload)
      }
    outcome.scan = repaired.scan
    outcome.tornByteCount = repaired.tornByteCount
    finish(&outcome, durableLSN: repaired.scan.nextLSN - 1)
    return outcome
  }

  static func apply(
    _ info: LogBatchInfo, _ payload: RawSpan, to manifest: inout Manifest
  ) throws(StorageError) {
    var cursor = RecordCursor(payload, header: info.header)
    while let record = try cursor.next() {
      guard record.kind == .edit else { continue }
      manifest.apply(try ManifestEdit(decoding: record.body))
    }
  }

  private func finish(_ outcome: inout Outcome, durableLSN: LSN) {
    let manifest = outcome.manifest
    outcome.damages += manifest.damages
    for range in outcome.scan.damaged {
      outcome.damages.append(
        Manifest.Damage(
          file: range.file, offset: range.bytes.lowerBound, byteCount: range.bytes.count,
          firstLSN: range.lsns?.lowerBound ?? 0, lastLSN: range.lsns?.upperBound ?? 0))
    }
    for jump in outcome.scan.jumps where !manifest.explains(jump.skipped) {
      outcome.damages.append(
        Manifest.Damage(
          file: FileNames.logSegment(jump.position.segmentID), offset: jump.position.offset,
          byteCount: 0, firstLSN: jump.skipped.lowerBound, lastLSN: jump.skipped.upperBound))
    }
    for bulk in manifest.bulks { shared.clock.withLock { $0.insert(bulk.first, at: bulk.time) } }
    let newest = max(durableLSN, manifest.newestLSN)
    shared.live.withLock { live in
      live.manifest = manifest
      live.durableLSN = newest
    }
  }

  /// Files that the manifest does not name were never live, or are dead.
  private func removeOrphans(_ manifest: Manifest) throws(StorageError) {
    let data = FileNames.path(directory, FileNames.dataDirectory)
    let journal = FileNames.path(directory, FileNames.journalDirectory)
    for path in [data, journal] where !disk.exists(path) {
      try disk.createDirectory(path)
      try disk.syncDirectory(directory)
    }
    let liveData = Set(manifest.data.map(\.id))
    let liveJournals = Set(manifest.journals.map(\.id))
    for name in try disk.list(data)
    where FileNames.isTemporary(name)
      || FileNames.dataSegmentID(name).map({ !liveData.contains($0) }) ?? false
    { try disk.remove(FileNames.path(data, name)) }
    for name in try disk.list(journal)
    where FileNames.isTemporary(name)
      || FileNames.journalSegmentID(name).map({ !liveJournals.contains($0) }) ?? false
    { try disk.remove(FileNames.path(journal, name)) }
  }

  private func openFiles(_ outcome: inout Outcome) throws(StorageError) {
    var registry = Registry()
    var clock = CommitClock()
    var events: [Event] = []
    for journal in outcome.manifest.journals.sorted(by: { $0.oldestLSN < $1.oldestLSN })
    where journal.content == .registry {
      let content = try readJournal(journal)
      for damaged in content.damaged {
        outcome.damages.append(
          Manifest.Damage(
            file: FileNames.journalSegment(journal.id), offset: damaged.lowerBound,
            byteCount: damaged.count, firstLSN: journal.oldestLSN, lastLSN: journal.newestLSN))
      }
      for record in content.records {
        if record.kind == LogRecordKind.event.rawValue {
          let event = try Journal.decodeEvent(record.bytes.rawSpan, lsn: record.lsn)
          registry.apply(event)
          events.append(event)
        } else {
          registry.apply(try Journal.decodeRecord(record.bytes.rawSpan, lsn: record.lsn))
        }
      }
      clock.append(content.clock)
    }
    var segments: [DataSegmentReader] = []
    for meta in outcome.manifest.data {
      do throws(StorageError) {
        segments.append(
          try DataSegmentReader(
            disk, directory: FileNames.path(directory, FileNames.dataDirectory), store: storeID,
            id: meta.id, baseLSN: meta.baseLSN, symbols: shared.symbols, cache: cache))
      } catch {
        // Contained: the rest of the store is served, the loss is reported.
        guard error.code == .corrupt || error.code == .truncated else { throw error }
        outcome.damages.append(
          Manifest.Damage(
            file: FileNames.dataSegment(meta.id), offset: error.offset ?? 0,
            byteCount: meta.byteCount, firstLSN: meta.oldestLSN + meta.baseLSN,
            lastLSN: meta.newestLSN + meta.baseLSN))
      }
    }
    cover(segments)
    shared.events.withLock { [events] in $0 = events }
    shared.clock.withLock { [clock] in $0 = clock }
    let head = shared.newHead()
    shared.live.withLock { [registry, segments] live in
      live.registry = registry
      live.segments = segments
      live.heads = [head]
    }
  }

  private func readJournal(
    _ journal: Manifest.JournalSegment
  ) throws(StorageError) -> JournalSegment.Content {
    try JournalSegment.read(disk, directory: directory, store: storeID, id: journal.id)
  }

  private func cover(_ segments: [DataSegmentReader]) {
    for segment in segments {
      shared.series.withLock { index in
        for block in segment.index.blocks where block.kind == .main {
          let key = segment.index.series[block.series]
          let number = index.number(table: key.table, device: key.device, probe: key.probe)
          index.insert(
            block.regular.map { Coverage.Run($0) }
              ?? Coverage.Run(irregular: block.firstTime, block.lastTime, count: block.rowCount),
            series: number)
        }
      }
    }
  }
}

extension JournalSegment {
  /// - Throws: `.io`; `.corrupt` and its kin when the file's header fails.
  package static func read(
    _ disk: any Disk, directory: String, store: StoreID, id: UInt64
  ) throws(StorageError) -> Content {
    let path = FileNames.path(
      FileNames.path(directory, FileNames.journalDirectory), FileNames.journalSegment(id))
    let file = try disk.open(path, .read)
    defer { file.close() }
    do throws(StorageError) {
      return try decode(try file.bytes(0..<(try file.byteCount())), store: store, id: id)
    } catch {
      throw StorageError(error.code, error.reason, file: path, offset: error.offset)
    }
  }
}

extension Manifest {
  /// The newest LSN that sealed files and bulk appends hold.
  package var newestLSN: LSN { max(sealedLSN, bulks.map(\.last).max() ?? 0) }

  /// Whether bulk appends took all of `skipped`.
  func explains(_ skipped: ClosedRange<LSN>) -> Bool {
    var next = skipped.lowerBound
    for bulk in bulks.sorted(by: { $0.first < $1.first }) where bulk.first <= next && bulk.last >= next {
      next = bulk.last + 1
    }
    return next > skipped.upperBound
  }
}
