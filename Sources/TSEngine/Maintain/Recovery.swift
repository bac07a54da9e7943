/// Opens what is on disk: manifest, journals, data segments, then the log behind them. For a writer
/// the logs are repaired; for a reader beside one nothing is changed.
struct Recovery {
  let disk: any Disk
  let clock: any Clock
  let directory: String
  let storeID: StoreID
  let shared: Shared
  let context: SegmentContext
  let scheduler: any Scheduler

  /// Bytes of journals from which on a second thread is worth its start.
  private static let twoThreadsFrom = 4 << 20

  /// What was found on the way.
  struct Outcome {
    var manifest = Manifest()
    var scan = LogScan()
    var damages: [Manifest.Damage] = []
    /// Those of `damages` that this pass over the log found.
    var logDamages: [Manifest.Damage] = []
    var tornByteCount = 0
  }

  /// For a reader: nothing of the store is changed. `manifest` is a state whose files are pinned.
  /// - Parameter toleratesMissing: files that are not there are damage, not a sign of a writer.
  /// - Throws: `.notFound` when a sealing took the log away meanwhile (try again), `.corrupt`, `.io`.
  func read(_ manifest: Manifest, toleratesMissing: Bool) throws(StorageError) -> Outcome {
    let lock = FileNames.path(directory, FileNames.lock)
    let wasAlone = try disk.isUnlocked(lock)
    var outcome = Outcome()
    outcome.manifest = manifest
    try openFiles(&outcome, toleratesMissing: toleratesMissing)
    let sealedRegistry = shared.live.withLock { $0.registry }
    var replay = LogReplay(shared: shared, after: manifest.sealedLSN)
    outcome.scan = try LogReader(disk, store: directory, storeID: storeID)
      .scan(from: manifest.sealedLSN + 1) { info, payload throws(StorageError) in
        try replay.apply(info, payload)
      }
    if !toleratesMissing {
      guard try Self.readManifest(disk, directory, storeID).state.hasSameLog(as: manifest) else {
        throw StorageError(.notFound, "the log was sealed", file: directory)
      }
    }
    let seen = outcome.scan.nextLSN - 1
    // Without a writer before and behind: all that is there was written by one that ended.
    let isAlone = wasAlone ? try disk.isUnlocked(lock) : false
    let durable = isAlone ? seen : min(seen, outcome.scan.witnessedLSN)
    if durable < seen { showRegistry(sealedRegistry, from: manifest.sealedLSN, through: durable) }
    finish(&outcome, durableLSN: durable)
    return outcome
  }

  /// The state of the manifest, read beside whoever writes to it, and the LSN of its newest edit.
  /// - Throws: `.corrupt` when edits were lost, `.io`.
  static func readManifest(
    _ disk: any Disk, _ directory: String, _ storeID: StoreID
  ) throws(StorageError) -> (state: Manifest, newestLSN: LSN) {
    let store = FileNames.path(directory, FileNames.manifestDirectory)
    var manifest = Manifest()
    let scan = try LogReader(disk, store: store, storeID: storeID).scan {
      info, payload throws(StorageError) in
      try apply(info, payload, to: &manifest)
    }
    try scan.requireWholeManifest()
    return (manifest, scan.nextLSN - 1)
  }

  /// What is not known to be durable must not show: the registry as of `lsn`.
  private func showRegistry(_ sealed: Registry, from sealedLSN: LSN, through lsn: LSN) {
    var registry = sealed
    let heads = shared.live.withLock { $0.heads }
    for event in heads.lazy.flatMap({ $0.events.all }) where event.lsn > sealedLSN && event.lsn <= lsn {
      registry.apply(event)
    }
    for record in heads.lazy.flatMap({ $0.records.all }) where record.lsn <= lsn { registry.apply(record) }
    shared.live.withLock { [registry] in $0.registry = registry }
  }

  /// For the writer: `manifest` is recovered already; the log is repaired.
  /// - Parameter manifestLSN: of its newest edit.
  func repair(_ manifest: Manifest, manifestLSN: LSN) throws(StorageError) -> Outcome {
    var outcome = Outcome()
    outcome.manifest = manifest
    try makeDirectories()
    for name in [FileNames.series, FileNames.registry] { CheckpointFile.removeUnfinished(disk, directory, name) }
    try openFiles(&outcome, toleratesMissing: true)
    let sealed = Planted.has(.sealedReplayed) ? 0 : manifest.sealedLSN
    var replay = LogReplay(shared: shared, after: sealed)
    let repaired = try LogRepair(disk, store: directory, storeID: storeID)
      .run(from: sealed + 1, durableLogLSN: manifest.durableLogLSN) { info, payload throws(StorageError) in
        try replay.apply(info, payload)
      }
    try repaired.scan.requireReadable()
    outcome.scan = repaired.scan
    outcome.tornByteCount = repaired.tornByteCount
    finish(&outcome, durableLSN: repaired.scan.nextLSN - 1)
    // What earlier openings met and wrote down is settled.
    let isWhole = outcome.damages.allSatisfy { manifest.damages.contains($0) }
    try settleUnnamed(manifest, at: manifestLSN, isWhole: isWhole)
    Pin.removeDead(disk, store: directory)
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
    outcome.logDamages = outcome.scan.damages(after: manifest)
    for damage in manifest.damages + outcome.logDamages where !outcome.damages.contains(damage) {
      outcome.damages.append(damage)
    }
    for bulk in manifest.bulks { shared.clock.withLock { $0.insert(bulk.first, at: bulk.time) } }
    let newest = max(durableLSN, manifest.newestLSN)
    shared.live.withLock { live in
      live.manifest = manifest
      live.durableLSN = newest
    }
  }

  private func makeDirectories() throws(StorageError) {
    for name in [FileNames.dataDirectory, FileNames.journalDirectory] {
      try disk.createDirectory(FileNames.path(directory, name))
    }
    // Also when they were there: a process killed behind their making has not made them durable.
    try disk.syncDirectory(directory)
  }

  /// Files that the manifest does not name were never live, or are dead: their rows are in the log
  /// or in live files. They go when log, manifest and live files are whole; else the manifest may
  /// have lost an edit, and they are set aside, never removed.
  private func settleUnnamed(
    _ manifest: Manifest, at lsn: LSN, isWhole: Bool
  ) throws(StorageError) {
    defer { shared.dead.sweep(disk, store: directory) }
    var isWhole = isWhole
    var hasRead = false
    let data = Set(manifest.data.map { FileNames.dataSegment($0.id) })
    let journals = Set(manifest.journals.map { FileNames.journalSegment($0.id) })
    try removeUnnamedRollups(manifest, at: lsn)
    for (folder, live) in [(FileNames.dataDirectory, data), (FileNames.journalDirectory, journals)] {
      let folder = FileNames.path(directory, folder)
      for name in try disk.list(folder) where !live.contains(name) {
        let path = FileNames.path(folder, name)
        if FileNames.isTemporary(name) {
          try disk.remove(path)
        } else if FileNames.dataSegmentID(name) != nil || FileNames.journalSegmentID(name) != nil {
          // Rare, so that the opening may take longer: what is damaged may be in the unnamed file.
          if isWhole, !hasRead { isWhole = try areCoveredWhole(manifest) }
          hasRead = true
          if isWhole, let id = FileNames.dataSegmentID(name) {
            // A reader may have pinned a state that named it.
            let file = SegmentFile(disk, path: path, id: id, open: context.open)
            shared.dead.bury([file], at: lsn)
          } else if isWhole || Planted.has(.damageHealedByDeletion) {
            try disk.remove(path)
          } else {
            var count = 0
            while disk.exists(FileNames.unnamed(path, count)) { count += 1 }
            try disk.rename(path, to: FileNames.unnamed(path, count))
            try disk.syncDirectory(folder)
          }
        }
      }
    }
  }

  private func openFiles(
    _ outcome: inout Outcome, toleratesMissing: Bool
  ) throws(StorageError) {
    let (sealed, lost) = try openJournals(&outcome, toleratesMissing: toleratesMissing)
    var segments: [DataSegmentReader] = []
    let checkpoint = SeriesCheckpoint.load(disk, directory, storeID, into: shared.series)
    let files = try files(FileNames.dataDirectory)
    var covered: Set<UInt64> = []
    for meta in outcome.manifest.data {
      let segment = DataSegmentReader(context, meta)
      if checkpoint.covers(meta), files.contains(FileNames.dataSegment(meta.id)) {
        covered.insert(meta.id)
        segments.append(segment)
        continue
      }
      let directory = try contained(toleratesMissing) { () throws(StorageError) in
        try segment.directory()
      }
      if let directory {
        cover(directory)
      } else {
        segment.setDamaged()
        outcome.damages.append(segment.loss)
      }
      segments.append(segment)
    }
    shared.checkpoint.withLock { [covered] state in
      state.covered = covered
      state.byteCount = checkpoint.byteCount
    }
    shared.sealedRegistry.withLock { $0 = sealed }
    let head = shared.newHead()
    let rollups = outcome.manifest.rollups.map { RollupSegmentReader(context, $0) }
    shared.live.withLock { [segments, lost] live in
      live.registry = sealed.registry
      live.sealedEventCount = sealed.eventCount
      live.lostEvents = Planted.has(.lostEventsIgnored) ? [] : lost
      live.segments = segments
      live.rollups = rollups
      live.heads = [head]
    }
  }

  /// The registry of the registry checkpoint and of all journals behind it, and what of these is
  /// lost; clock and chain as well.
  private func openJournals(
    _ outcome: inout Outcome, toleratesMissing: Bool
  ) throws(StorageError) -> (SealedRegistry, lost: [Manifest.Damage]) {
    let manifest = outcome.manifest
    let (loaded, failure) = RegistryCheckpoint.load(disk, directory, storeID, manifest)
    var (sealed, clock, chain) = (loaded.sealed, loaded.clock, loaded.chain)
    let coveredLSN = sealed.lsn
    var lost: [Manifest.Damage] = []
    let files = coveredLSN > 0 ? try files(FileNames.journalDirectory) : []
    let journals = manifest.journals.sorted { $0.oldestLSN < $1.oldestLSN }.filter {
      $0.content == .registry && ($0.newestLSN > coveredLSN || !files.contains(FileNames.journalSegment($0.id)))
    }
    let isLarge = journals.reduce(0) { $0 + $1.byteCount } >= Self.twoThreadsFrom
    let replay = RegistryReplay(sealed.registry, on: isLarge ? scheduler : nil)
    var feed = RegistryReplay.Feed()
    sealed.registry = Registry()
    defer { replay.end() }
    for journal in journals {
      let content = try contained(toleratesMissing) { () throws(StorageError) in
        try JournalSegment.read(disk, directory: directory, store: storeID, journal)
      }
      let whole = 0..<journal.byteCount
      outcome.damages += (content?.damaged ?? [whole]).map { Manifest.Damage($0, of: journal) }
      // What the checkpoint stands for is known, whatever became of the file.
      if journal.newestLSN > coveredLSN {
        lost += (content?.lost ?? [whole]).map { Manifest.Damage($0, of: journal) }
      }
      guard let content else { continue }
      for record in content.records {
        if record.kind == LogRecordKind.event.rawValue {
          replay.add(.event(try Journal.decodeEvent(record.bytes.rawSpan, lsn: record.lsn)), &feed)
          sealed.eventCount += 1
        } else if record.kind == ProofRecordKind.chainLink.rawValue {
          chain.append(try ChainLink(decoding: record.bytes.rawSpan))
        } else {
          replay.add(.record(try Journal.decodeRecord(record.bytes.rawSpan, lsn: record.lsn)), &feed)
        }
      }
      clock.append(content.clock)
    }
    sealed.registry = replay.finish(&feed)
    sealed.lsn = manifest.sealedLSN
    shared.chain.withLock { [chain] in $0 = chain }
    shared.clock.withLock { [clock] in $0 = clock }
    shared.registryCheckpoint.withLock { state in
      state = RegistryCheckpoint.State(lsn: coveredLSN, byteCount: loaded.byteCount, failure: failure)
    }
    return (sealed, lost)
  }

  private func files(_ folder: String) throws(StorageError) -> Set<String> {
    let folder = FileNames.path(directory, folder)
    return disk.exists(folder) ? Set(try disk.list(folder)) : []
  }

  /// Whether all indexes and journals hold; those that a checkpoint stood for are read now.
  private func areCoveredWhole(_ manifest: Manifest) throws(StorageError) -> Bool {
    for journal in manifest.registryJournals(through: shared.registryCheckpoint.withLock { $0.lsn }) {
      let content = try contained(true) { () throws(StorageError) in
        try JournalSegment.read(disk, directory: directory, store: storeID, journal)
      }
      let damaged = content?.damaged ?? [0..<journal.byteCount]
      for range in damaged { shared.note(Manifest.Damage(range, of: journal)) }
      guard damaged.isEmpty else { return false }
    }
    let covered = shared.checkpoint.withLock { $0.covered }
    for segment in shared.live.withLock({ $0.segments }) where covered.contains(segment.id) {
      if try segment.directoryIfWhole() == nil { return false }
    }
    return true
  }

  /// Nil when the file is damaged: the rest of the store is served, the loss is reported.
  private func contained<Value>(
    _ toleratesMissing: Bool, _ open: () throws(StorageError) -> Value
  ) throws(StorageError) -> Value? {
    do throws(StorageError) {
      return try open()
    } catch {
      let isDamage = error.code == .corrupt || error.code == .truncated
      guard isDamage || (toleratesMissing && error.code == .notFound) else { throw error }
      return nil
    }
  }

  private func cover(_ directory: BlockDirectory) {
    if Planted.has(.coverageLost) { return }
    shared.series.withLock { index in
      for (series, number) in directory.numbers.enumerated() {
        for block in directory.rows(ofSeries: series)
        where block.kind == .main {
          index.insert(
            block.regular.map { Coverage.Run($0) }
              ?? Coverage.Run(
                irregular: block.firstTime, block.lastTime, count: Int(block.rowCount)),
            series: Int(number), lsn: 0)
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
  /// The newest LSN of the log that a bulk append behind it proves durable; 0 when none does. Bulk appends
  /// themselves are not in the log.
  var durableLogLSN: LSN {
    var newest: LSN = 0
    for bulk in bulks.sorted(by: { $0.first < $1.first }) {
      let before = bulk.first - 1
      if !bulks.contains(where: { $0.first <= before && before <= $0.last }) { newest = max(newest, before) }
    }
    return newest > sealedLSN ? newest : 0
  }
}

extension LogScan {
  /// A disk that refuses a segment's header may refuse everything, and give it tomorrow: a writer
  /// that went on would take for lost what is there.
  /// - Throws: `.io`.
  func requireReadable() throws(StorageError) {
    guard let unreadableHead else { return }
    throw StorageError(
      .io, "the disk does not give this file; nothing was changed, open again when it does, or salvage",
      file: unreadableHead, offset: 0)
  }

  /// - Throws: `.corrupt` when edits were lost: which files are live is unknown then; `.io`.
  func requireWholeManifest() throws(StorageError) {
    try requireReadable()
    // A segment with neither header nor batch says nothing of what it held.
    func isBlind(_ range: DamagedRange) -> Bool {
      range.reason == .segmentHeader && segments.contains { $0.id == range.segmentID && $0.batchCount == 0 }
    }
    if let damage = damaged.first(where: { $0.lsns != nil || isBlind($0) }) {
      throw StorageError(
        .corrupt, "the manifest has lost edits", file: damage.file,
        offset: damage.bytes.lowerBound)
    }
  }

  /// What this pass found wrong in the log behind the files of `manifest`.
  func damages(after manifest: Manifest) -> [Manifest.Damage] {
    var damages = damaged.map { range in
      Manifest.Damage(
        file: range.file, offset: range.bytes.lowerBound, byteCount: range.bytes.count,
        firstLSN: range.lsns?.lowerBound ?? 0, lastLSN: range.lsns?.upperBound ?? 0)
    }
    func miss(_ segment: UInt64, _ offset: Int, _ lsns: ClosedRange<LSN>) {
      damages.append(
        Manifest.Damage(
          file: FileNames.logSegment(segment), offset: offset, byteCount: 0,
          firstLSN: lsns.lowerBound, lastLSN: lsns.upperBound))
    }
    for jump in jumps where !manifest.explains(jump.skipped) {
      miss(jump.position.segmentID, jump.position.offset, jump.skipped)
    }
    let next = manifest.sealedLSN + 1
    if let first = segments.first, first.firstLSN > next,
      !manifest.explains(next...(first.firstLSN - 1))
    {
      miss(first.id, 0, next...(first.firstLSN - 1))
    }
    // A sealing makes the next segment before it is done: that one cannot be missing.
    if manifest.sealedLogSegment > 0, (segments.last?.id ?? 0) <= manifest.sealedLogSegment {
      miss(manifest.sealedLogSegment + 1, 0, next...next)
    }
    return damages
  }
}

extension Manifest {
  /// The newest LSN that sealed files and bulk appends hold.
  package var newestLSN: LSN { max(sealedLSN, bulks.map(\.last).max() ?? 0) }

  /// Whether the log behind the sealed files is the same; jumps in it are explained by the bulk
  /// appends of the same state.
  func hasSameLog(as other: Manifest) -> Bool {
    sealedLSN == other.sealedLSN && sealedLogSegment == other.sealedLogSegment
      && bulks == other.bulks
  }

  /// Whether bulk appends took all of `skipped`.
  func explains(_ skipped: ClosedRange<LSN>) -> Bool {
    var next = skipped.lowerBound
    for bulk in bulks.sorted(by: { $0.first < $1.first }) where bulk.first <= next && bulk.last >= next {
      next = bulk.last + 1
    }
    return next > skipped.upperBound
  }
}
