/// A moment of a store.
package enum Moment: Sendable, Equatable {
  case lsn(LSN)
  /// Nanoseconds since the Unix epoch: all that was committed by then, to the millisecond.
  case time(Int64)
}

/// Makes a store from a backup, as it was at one moment: its rows, their superseded versions and its
/// events up to an LSN, and nothing above it. Sealed files below are copied, those that reach across
/// are written anew without what came later, and the log of the backup is sealed.
///
/// The store keeps its id, so proofs, references and published data go on naming it. It never gives
/// an LSN of the backup again, and writes under epochs that the other line of its history has not
/// reached: `epochStep` openings later at the earliest.
package struct Restore {
  package struct Report: Sendable, Equatable {
    /// Everything up to here is there.
    package var lsn: LSN = 0
    /// When that was committed; nil when it is not known.
    package var time: Int64?
    package var rowCount = 0
    package var eventCount = 0
    package var copiedFileCount = 0
    package var rewrittenFileCount = 0
  }

  static let epochStep: UInt32 = 1 << 16

  private let disk: any Disk
  private let clock: any Clock
  private let target: String
  private let source: BackupDisk
  private let storeID: StoreID
  private let shared: Shared
  /// Of the restored store's files.
  private let context: SegmentContext
  private let outcome: Recovery.Outcome
  private let cut: LSN
  /// What had befallen the readings by then.
  private let lifecycles: Lifecycles
  private let newestLSN: LSN
  private var nextFileID: UInt64
  private var installation = CommitRequest.Installation()
  private var report = Report()

  /// - Throws: `.invalid` when `target` is not empty, the moment lies outside the backup, or readings
  ///   of that moment were physically removed by a later event (a wrong answer would be the alternative);
  ///   `.notFound` when `directory` holds no finished backup; `.corrupt` when any of its files is
  ///   not what was copied; `.io`, `.diskFull`. `target` is no store then: STORE is made last.
  package static func run(
    _ options: StoreOptions, from directory: String, to target: String, at moment: Moment? = nil
  ) throws(StorageError) -> Report {
    let files = try BackupFiles(options.disk, directory)
    try files.check(options.disk)
    try FileCopy.makeEmptyDirectory(options.disk, target)
    var restore = try Restore(options, files, to: target, at: moment)
    return try restore.run()
  }

  private init(
    _ options: StoreOptions, _ files: BackupFiles, to target: String, at moment: Moment?
  ) throws(StorageError) {
    disk = options.disk
    clock = options.clock
    self.target = target
    source = BackupDisk(options.disk, files)
    let store = try StoreFile.open(
      source, directory: BackupDisk.root, creating: false, clock: options.clock, rng: options.rng)
    storeID = store.id
    shared = Shared(
      journalReader: JournalReader(disk: source, directory: BackupDisk.root, storeID: store.id))
    context = SegmentContext(
      disk: options.disk, store: target, storeID: store.id, symbols: shared.symbols,
      options: options, catalog: nil)
    let manifest = try Recovery.readManifest(source, BackupDisk.root, store.id).state
    outcome = try Recovery(
      disk: source, clock: options.clock, directory: BackupDisk.root, storeID: store.id,
      shared: shared,
      context: SegmentContext(
        disk: source, store: BackupDisk.root, storeID: store.id, symbols: shared.symbols,
        options: options, catalog: shared.series),
      scheduler: options.scheduler
    ).read(manifest, toleratesMissing: true)
    let known = outcome.manifest.damages
    if let damage = outcome.damages.first(where: { !known.contains($0) }) {
      throw StorageError(
        .corrupt, "the backup lacks lsn \(damage.firstLSN) to \(damage.lastLSN)", file: damage.file)
    }
    newestLSN = shared.live.withLock { $0.durableLSN }
    guard newestLSN >= files.list.lsn else {
      throw StorageError(.corrupt, "the backup ends at lsn \(newestLSN), not \(files.list.lsn)")
    }
    cut = try Self.lsn(of: moment, shared, newest: newestLSN)
    nextFileID = outcome.manifest.nextFileID
    try Self.checkRemovals(outcome.manifest, at: cut)
    var registry = Registry()
    var events = EventCursor(shared.live.withLock { $0 }, shared, 0...cut)
    // The store that was backed up went without them; other damage was refused above.
    events.passLeftBehind()
    while let event = try events.next() {
      registry.apply(event)
      report.eventCount += 1
    }
    lifecycles = registry.lifecycles
  }

  /// - Throws: `.invalid` when files no longer hold all that was known at `cut`.
  private static func checkRemovals(_ manifest: Manifest, at cut: LSN) throws(StorageError) {
    for (table, removed) in manifest.removed.sorted(by: { $0.key < $1.key }) {
      guard let part = removed.known(at: cut, within: .min ... .max) else { continue }
      throw StorageError(
        .invalid,
        "readings of table \(table) known at lsn \(cut) were removed for good at lsn \(part.removedLSN); "
          + "restore to lsn \(removed.newestLSN) or later, or from an older backup")
    }
  }

  private static func lsn(
    of moment: Moment?, _ shared: Shared, newest: LSN
  ) throws(StorageError) -> LSN {
    switch moment {
    case nil: return newest
    case .lsn(let lsn):
      guard lsn > 0, lsn <= newest else {
        throw StorageError(.invalid, "the backup holds lsn 1 to \(newest)")
      }
      return lsn
    case .time(let time):
      let lsn = min(newest, shared.clock.withLock { $0.newestLSN(at: time) })
      guard lsn > 0 else { throw StorageError(.invalid, "the store began later than that") }
      return lsn
    }
  }

  private mutating func run() throws(StorageError) -> Report {
    // First, so that a folder left half done is not taken for one where a store may begin.
    try disk.createDirectory(path(FileNames.manifestDirectory))
    for folder in [FileNames.dataDirectory, FileNames.journalDirectory, FileNames.logDirectory] {
      try disk.createDirectory(path(folder))
    }
    try disk.syncDirectory(target)
    for meta in outcome.manifest.data { try restore(meta) }
    for journal in outcome.manifest.journals { try restore(journal) }
    try sealTail()
    try disk.syncDirectory(path(FileNames.dataDirectory))
    try disk.syncDirectory(path(FileNames.journalDirectory))
    try writeManifest()
    try beginLog()
    _ = try FileCopy.copy(
      from: source, FileNames.path(BackupDisk.root, FileNames.store), to: disk,
      path(FileNames.temporary(FileNames.store)))
    try disk.rename(path(FileNames.temporary(FileNames.store)), to: path(FileNames.store))
    try disk.syncDirectory(target)
    report.lsn = cut
    report.time = shared.clock.withLock { $0.time(of: cut) }
    report.rowCount = installation.added.reduce(0) { $0 + $1.meta.rowCount }
    return report
  }

  private func path(_ name: String) -> String { FileNames.path(target, name) }

  private mutating func takeFileID() -> UInt64 {
    defer { nextFileID += 1 }
    return nextFileID
  }

  private mutating func copy(_ name: String) throws(StorageError) {
    _ = try FileCopy.copy(from: source, FileNames.path(BackupDisk.root, name), to: disk, path(name))
    try SealedFile.check(disk, path(name), name, store: storeID)
    report.copiedFileCount += 1
  }

  // MARK: Data

  private mutating func restore(_ meta: Manifest.DataSegment) throws(StorageError) {
    guard meta.oldestLSN + meta.baseLSN <= cut else { return }
    guard let segment = shared.live.withLock({ $0.segments.first { $0.id == meta.id } }) else {
      throw StorageError(.corrupt, "the backup lacks \(FileNames.dataSegment(meta.id))")
    }
    if meta.newestLSN + meta.baseLSN <= cut, !mayBeReordered(meta.table) {
      try copy(FileNames.path(FileNames.dataDirectory, FileNames.dataSegment(meta.id)))
      add(meta)
      return
    }
    guard let schema = shared.schema(meta.table) else {
      throw StorageError(.corrupt, "rows of table \(meta.table), whose type is unknown")
    }
    let id = takeFileID()
    var writer = try DataSegmentWriter(
      disk, directory: path(FileNames.dataDirectory), store: storeID, id: id, schema: schema)
    var builder = BlockBuilder(schema: schema, symbols: shared.symbols, sharing: context.sharing)
    do throws(StorageError) {
      let directory = try segment.uncached()
      for (series, key) in directory.series.enumerated() {
        let rows = try rows(of: directory, series: series)
        if rows.isEmpty { continue }
        try SeriesRewrite.append(
          rows.map { .rows($0) }, of: key, order: lifecycles.order(of: key.table),
          hidden: lifecycles.removals(of: key), to: &writer, builder: &builder)
      }
    } catch {
      writer.abandon()
      throw error
    }
    report.rewrittenFileCount += 1
    if writer.isEmpty {
      writer.abandon()
    } else {
      var kept = try writer.finish()
      kept.appliedLSN = meta.appliedLSN
      add(kept)
    }
  }

  private mutating func add(_ meta: Manifest.DataSegment) {
    var meta = meta
    // Later ones took nothing from it, or the cut would have been refused.
    meta.appliedLSN = min(meta.appliedLSN, cut)
    installation.added.append((DataSegmentReader(context, meta), meta))
  }

  /// Whether an act above the cut may have changed which versions stand in main blocks: one that is
  /// removed loses against all others, and where the first may win that is not the order of LSNs.
  private func mayBeReordered(_ table: TableID) -> Bool {
    let known = shared.live.withLock { $0.registry.lifecycles[table] }
    return known.map { !$0.order.isNewestAlways && $0.changedLSN > cut } ?? false
  }

  /// Rows up to the cut, superseded versions before those that stood above them: of equal LSNs the
  /// later set wins.
  private func rows(
    of directory: BlockDirectory, series: Int
  ) throws(StorageError) -> [RowSet] {
    var kept: [RowSet] = []
    let blocks = directory.blocks(ofSeries: series).map { directory.reader($0) }
    for kind in [BlockEntry.Kind.superseded, .main] {
      for block in blocks where block.entry.kind == kind && block.entry.oldestLSN <= cut {
        let all = try block.rows()
        var rows = RowAccumulator()
        var start = 0
        for run in all.lsns {
          if run.lsn <= cut { rows.append(all, start..<run.end) }
          start = run.end
        }
        if rows.count > 0 { kept.append(rows.rows()) }
      }
    }
    return kept
  }

  // MARK: Journals

  private mutating func restore(_ journal: Manifest.JournalSegment) throws(StorageError) {
    guard journal.oldestLSN <= cut else { return }
    if journal.newestLSN <= cut {
      try copy(FileNames.path(FileNames.journalDirectory, FileNames.journalSegment(journal.id)))
      installation.journals.append(journal)
      return
    }
    // Its stretch gets a root of its own when its events are written.
    guard journal.content != .leaves else { return }
    let content = try JournalSegment.read(
      source, directory: BackupDisk.root, store: storeID, journal)
    guard content.damaged.isEmpty else {
      throw StorageError(.corrupt, "the backup lacks part of \(FileNames.journalSegment(journal.id))")
    }
    let range = journal.oldestLSN...cut
    var records = content.records.filter { $0.lsn <= cut }
    if journal.content == .registry { try addRoot(range, &records) }
    guard journal.content == .registry || !records.isEmpty else { return }
    try sealer.write(
      records, content.clock.slice(range), journal.content, range, takeFileID(), &installation)
    report.rewrittenFileCount += 1
  }

  /// The root over the part of a sealed stretch that is kept.
  private mutating func addRoot(
    _ range: ClosedRange<LSN>, _ records: inout [JournalSegment.Record]
  ) throws(StorageError) {
    let live = shared.live.withLock { $0 }
    let sealed = SealedLeaves(
      segments: live.segments, schema: live.registry.schema, symbols: shared.symbols)
    var leaves: [(key: LeafKey, digest: Digest)] = []
    let bounds = SealedLeaves.Bounds(
      start: LeafKey(lsn: range.lowerBound, time: .min), end: nil, lastLSN: range.upperBound)
    try sealed.forEach(bounds) { (key, leaf) throws(StorageError) in
      leaves.append((key, leaf.digest()))
    }
    for record in records where record.kind == LogRecordKind.event.rawValue {
      leaves.append((LeafKey(lsn: record.lsn), Leaf(event: record.bytes, lsn: record.lsn).digest))
    }
    leaves.sort { $0.key < $1.key }
    var grouper = LeafGrouper()
    for leaf in leaves { grouper.add(leaf.key, leaf.digest) }
    let root = grouper.finish()
    let before = shared.chain.withLock { $0.last { $0.lsns.upperBound < range.lowerBound } }
    let tree = StretchTree.Built(root: root, leafCount: grouper.count, groups: grouper.groups)
    try sealer.add(
      tree, range, after: before, takeFileID(), to: &records, &installation)
  }

  // MARK: The log's part

  private var sealer: Sealer {
    var sealer = Sealer(
      disk: disk, directory: target, storeID: storeID, shared: shared, context: context)
    sealer.log = (source, BackupDisk.root)
    sealer.lifecycles = lifecycles
    return sealer
  }

  private mutating func sealTail() throws(StorageError) {
    guard cut > outcome.manifest.sealedLSN else { return }
    let head = shared.live.withLock { $0.heads[$0.heads.count - 1] }
    var next = nextFileID
    let sealed = try sealer.seal(head, through: cut) {
      defer { next += 1 }
      return next
    }
    nextFileID = next
    installation.added += sealed.added
    installation.journals += sealed.journals
    report.rewrittenFileCount += sealed.added.count + sealed.journals.count
  }

  private var lastLogSegment: UInt64 {
    max(outcome.scan.segments.last?.id ?? 0, outcome.manifest.sealedLogSegment)
  }

  private func writeManifest() throws(StorageError) {
    let log = try ManifestLog(disk, clock: clock, store: target, storeID: storeID)
    var edits: [ManifestEdit] = [.reset]
    edits += installation.added.map { .addData($0.meta) }
    edits += installation.journals.map { .addJournal($0) }
    // No LSN of the backup is given again, kept or not.
    edits.append(.sealed(logSegment: lastLogSegment, lsn: newestLSN))
    let leftBehind = outcome.manifest.leftBehind
    edits += outcome.manifest.damages
      .filter { $0.firstLSN <= cut || !leftBehind.contains($0) }.map { .damaged($0) }
    // Rows above the cut are in no file, gone or not.
    edits += outcome.manifest.removedEdits.filter {
      if case .removedRows(_, let part) = $0 { part.removedLSN <= cut } else { true }
    }
    try log.commit(edits)
    try log.end()
  }

  /// A segment without batches: it says which LSN and epoch come next.
  private func beginLog() throws(StorageError) {
    let step = Self.epochStep
    let (epoch, overflow) = (outcome.scan.epoch / step * step).addingReportingOverflow(step)
    guard !overflow else { throw StorageError(.invalid, "epochs are used up") }
    let made = try LogSegmentFactory(disk, store: target).make(
      LogSegmentHeader(
        storeID: storeID, segmentID: lastLogSegment + 1, epoch: epoch, firstLSN: newestLSN + 1,
        previousCRC: 0))
    made.file.close()
  }
}
