import Synchronization

/// Copies everything good of a damaged store into a fresh one: same store id, same LSNs, same commit
/// times. Whole files are copied as they are, of damaged ones what passes its checks; what is left
/// behind is reported with its LSNs and times. The source is read only.
///
/// What a damaged journal's events made is known where REGISTRY covers it, and there alone: then REGISTRY comes
/// along with the journals it covers, byte for byte, and the new store knows what the old one did. Of a journal
/// that it does not cover the rest is copied, and the new store goes by that. Either way the new store refuses
/// the lost events as the old one did.
package struct Salvage {
  package struct Report: Sendable, Equatable {
    package var losses: [Loss] = []
    /// Of data segments in the new store.
    package var rowCount = 0
    package var eventCount = 0
    /// Of the unsealed log.
    package var batchCount = 0
    /// STORE could not be read: the store's id is the one that its logs name.
    package var isStoreFileLost = false
    /// The manifest has lost edits: which files were live is a guess, and all that were there are in.
    package var isManifestIncomplete = false
    /// REGISTRY came along: what lost events up to this LSN made of devices, users and tables is known from it
    /// alone. 0 when it need not, or could not.
    package var registryLSN: LSN = 0

    package var isWhole: Bool { losses.isEmpty && !isStoreFileLost && !isManifestIncomplete }
  }

  private let disk: any Disk
  private let source: String
  private let destination: String
  private let storeID: StoreID
  private let symbols: SymbolTable
  private let context: SegmentContext
  private let clock = ReplayClock()
  private var received = CommitClock()
  /// Roots over the leaf groups of sealed stretches, by their last LSN.
  private var roots: [LSN: Digest] = [:]
  private var report = Report()
  private var edits: [ManifestEdit] = []

  /// Durable on return. `destination` comes to its STORE file last: what a crash leaves is no store.
  /// - Throws: `.invalid` when `destination` is there and not empty, `.notFound`, `.busy` when
  ///   somebody writes to the source, `.corrupt` when no file of it names its store or when the REGISTRY that
  ///   must come along does not fit the copy, `.io`, `.diskFull`; `.unsupportedVersion`, also of a REGISTRY that
  ///   may alone know what a damaged journal said.
  package static func run(
    _ options: StoreOptions, from source: String, to destination: String
  ) throws(StorageError) -> Report {
    let disk = options.disk
    guard disk.exists(source) else { throw StorageError(.notFound, "no store", file: source) }
    if disk.exists(destination), !(try disk.list(destination).isEmpty) {
      throw StorageError(.invalid, "\(destination) is not empty; a salvage goes into a new folder")
    }
    let lockPath = FileNames.path(source, FileNames.lock)
    let lock = disk.exists(lockPath) ? try disk.lock(lockPath) : nil
    defer { lock?.close() }
    let found = try storeFile(disk, source)
    var salvage = Salvage(options, source, destination, found.file.id)
    salvage.report.isStoreFileLost = found.isLost
    try salvage.copyAll()
    try found.file.write(disk, directory: destination)
    return salvage.report
  }

  private init(
    _ options: StoreOptions, _ source: String, _ destination: String, _ storeID: StoreID
  ) {
    disk = options.disk
    symbols = SymbolTable()
    context = SegmentContext(
      disk: disk, store: source, storeID: storeID, symbols: symbols, options: options, catalog: nil)
    self.source = source
    self.destination = destination
    self.storeID = storeID
  }

  private static func storeFile(
    _ disk: any Disk, _ source: String
  ) throws(StorageError) -> (file: StoreFile, isLost: Bool) {
    do throws(StorageError) {
      let file = try disk.open(FileNames.path(source, FileNames.store), .read)
      defer { file.close() }
      return (try StoreFile(decoding: try file.bytes(0..<(try file.byteCount()))), false)
    } catch {
      guard error.isDamage else { throw error }
    }
    for store in [FileNames.path(source, FileNames.manifestDirectory), source] {
      let log = FileNames.path(store, FileNames.logDirectory)
      guard disk.exists(log) else { continue }
      for name in try disk.list(log) where FileNames.logSegmentID(name) != nil {
        if let header = try? LogSegmentHeader.read(disk, FileNames.path(log, name)) {
          return (StoreFile(id: header.storeID, createdAt: 0), true)
        }
      }
    }
    throw StorageError(.corrupt, "no file names the store it belongs to", file: source)
  }

  private mutating func copyAll() throws(StorageError) {
    try makeFolders()
    let manifest = try readManifest()
    try findRegistry(manifest)
    // Hashes first: a root is kept where they lead to it.
    for journal in manifest.journals where journal.content == .leaves { try copy(journal) }
    for journal in manifest.journals where journal.content != .leaves { try copy(journal) }
    for bulk in manifest.bulks { received.insert(bulk.first, at: bulk.time) }
    for segment in manifest.data { try copy(segment) }
    try copyLog(manifest)
    edits.append(.sealed(logSegment: manifest.sealedLogSegment, lsn: manifest.sealedLSN))
    edits += manifest.bulks.map { .bulk($0) }
    edits += manifest.removedEdits
    // What an earlier salvage left behind is in no file.
    edits += manifest.leftBehind.map { .damaged($0) }
    let target = try ManifestLog(disk, clock: clock, store: destination, storeID: storeID)
    try target.commit(edits)
    let state = target.state
    try target.close()
    try copyRegistry(state)
    let key = FileNames.path(source, FileNames.tokenKey)
    if disk.exists(key) { try copyFile(key, to: FileNames.path(destination, FileNames.tokenKey)) }
    for index in report.losses.indices { report.losses[index].tellTimes(received) }
  }

  private func makeFolders() throws(StorageError) {
    try disk.createDirectory(destination)
    for name in [FileNames.logDirectory, FileNames.dataDirectory, FileNames.journalDirectory] {
      try disk.createDirectory(FileNames.path(destination, name))
    }
    try disk.syncDirectory(destination)
    try disk.syncDirectory(FileNames.parent(destination) ?? "")
  }

  // MARK: Manifest

  /// What is left of the manifest; with lost edits, also every sealed file that nothing names.
  private mutating func readManifest() throws(StorageError) -> Manifest {
    var manifest = Manifest()
    let folder = FileNames.path(source, FileNames.manifestDirectory)
    let scan = try LogReader(disk, store: folder, storeID: storeID).scan {
      info, payload throws(StorageError) in
      try Recovery.apply(info, payload, to: &manifest)
    }
    report.losses += scan.damaged.map { Loss(file: $0.file, bytes: $0.bytes, lsns: nil) }
    // What earlier openings reported is in no file any more.
    report.losses += manifest.damages.map { Loss($0) }
    guard scan.segments.isEmpty || scan.damaged.contains(where: { $0.lsns != nil }) else {
      return manifest
    }
    report.isManifestIncomplete = true
    try addUnnamed(to: &manifest)
    return manifest
  }

  private func byteCount(_ path: String) throws(StorageError) -> Int {
    let file = try disk.open(path, .read)
    defer { file.close() }
    return try file.byteCount()
  }

  private func addUnnamed(to manifest: inout Manifest) throws(StorageError) {
    let journals = FileNames.path(source, FileNames.journalDirectory)
    for id in try ids(journals, FileNames.journalSegmentID)
    where !manifest.journals.contains(where: { $0.id == id }) {
      guard let content = try? JournalSegment.read(disk, directory: source, store: storeID, id: id),
        let first = content.records.first?.lsn ?? content.clock.entries.first?.lsn
      else { continue }
      let last = max(content.records.last?.lsn ?? first, content.clock.entries.last?.lsn ?? first)
      manifest.journals.append(
        Manifest.JournalSegment(
          id: id, content: Self.kind(of: content),
          byteCount: try byteCount(FileNames.path(journals, FileNames.journalSegment(id))), oldestLSN: first,
          newestLSN: last))
    }
    manifest.journals.sort { $0.id < $1.id }
    let data = FileNames.path(source, FileNames.dataDirectory)
    for id in try ids(data, FileNames.dataSegmentID)
    where !manifest.data.contains(where: { $0.id == id }) {
      guard var meta = try? DataSegmentReader.describe(context, id: id) else { continue }
      // A bulk append counts from 0 and only the manifest knew from where: behind all others.
      if meta.oldestLSN == 0 { meta.baseLSN = manifest.newestLSN + 1 }
      manifest.data.append(meta)
    }
    manifest.data.sort { $0.id < $1.id }
  }

  private static func kind(of content: JournalSegment.Content) -> Manifest.JournalSegment.Content {
    let kinds = Set(content.records.map(\.kind))
    if kinds.contains(ProofRecordKind.leafGroup.rawValue) { return .leaves }
    let isRegistry = kinds.isEmpty || kinds.contains(LogRecordKind.event.rawValue)
      || kinds.contains(ProofRecordKind.chainLink.rawValue) || !content.clock.entries.isEmpty
    return isRegistry ? .registry : .operational
  }

  private func ids(_ folder: String, _ id: (String) -> UInt64?) throws(StorageError) -> [UInt64] {
    disk.exists(folder) ? try disk.list(folder).compactMap(id) : []
  }

  // MARK: Registry

  /// Whether REGISTRY alone knows what some damaged journal said: all that it covers is copied as it is then.
  private mutating func findRegistry(_ manifest: Manifest) throws(StorageError) {
    let path = FileNames.path(source, FileNames.registry)
    guard disk.exists(path) else { return }
    var damaged: [Manifest.JournalSegment] = []
    for journal in manifest.registryJournals(through: .max) where try !saysAll(journal) { damaged.append(journal) }
    guard !damaged.isEmpty else { return }
    let (found, failure) = RegistryCheckpoint.load(disk, source, storeID, manifest)
    // Another version, or a disk that does not answer today: it may hold what nothing else does.
    if let failure, !failure.isDamage { throw failure }
    if found.sealed.lsn == 0 {
      report.losses.append(Loss(file: FileNames.registry, bytes: 0..<(try byteCount(path)), lsns: nil))
    } else if damaged.contains(where: { $0.newestLSN <= found.sealed.lsn }) {
      report.registryLSN = found.sealed.lsn
      received = found.clock
    }
  }

  /// Whether events and commit times of a journal can all be read.
  private func saysAll(_ journal: Manifest.JournalSegment) throws(StorageError) -> Bool {
    do throws(StorageError) {
      let content = try JournalSegment.read(disk, directory: source, store: storeID, journal)
      return content.lost.isEmpty && content.damaged.allSatisfy { $0.lowerBound == 0 }
    } catch {
      guard error.isDamage else { throw error }
      return false
    }
  }

  /// - Parameter manifest: of the new store, whose journals are there.
  /// - Throws: `.corrupt` when REGISTRY does not stand for them.
  private func copyRegistry(_ manifest: Manifest) throws(StorageError) {
    guard report.registryLSN > 0 else { return }
    let target = FileNames.path(destination, FileNames.registry)
    try copyFile(FileNames.path(source, FileNames.registry), to: target)
    let (copy, failure) = RegistryCheckpoint.load(disk, destination, storeID, manifest)
    guard copy.sealed.lsn == report.registryLSN else {
      throw failure ?? StorageError(.corrupt, "a checkpoint that does not fit the copy", file: target)
    }
  }

  // MARK: Journals

  private mutating func copy(_ journal: Manifest.JournalSegment) throws(StorageError) {
    let name = FileNames.path(FileNames.journalDirectory, FileNames.journalSegment(journal.id))
    var kept = journal
    let isCovered = journal.content == .registry && journal.newestLSN <= report.registryLSN
    if isCovered { try copyAsItIs(journal, name) }
    let content: JournalSegment.Content
    do throws(StorageError) {
      content = try JournalSegment.read(disk, directory: source, store: storeID, journal)
    } catch {
      guard error.isDamage else { throw error }
      report.losses.append(
        Loss(file: name, bytes: 0..<journal.byteCount, lsns: journal.oldestLSN...journal.newestLSN))
      if !isCovered { leaveBehind([0..<journal.byteCount], of: journal) }
      return
    }
    received.append(content.clock)
    report.eventCount += content.records.count { $0.kind == LogRecordKind.event.rawValue }
    for range in content.damaged {
      report.losses.append(
        Loss(file: name, bytes: range, lsns: journal.oldestLSN...journal.newestLSN))
    }
    if isCovered { return }
    leaveBehind(content.lost, of: journal)
    if journal.content == .leaves {
      // Of no use in part.
      guard content.damaged.isEmpty else { return }
      var groups: [Digest] = []
      for record in content.records {
        groups.append(try LeafGroup(decoding: record.bytes.rawSpan, lsn: record.lsn).root)
      }
      // The sealed ones come first; what compaction kept behind them is of some groups.
      if roots[journal.newestLSN] == nil { roots[journal.newestLSN] = MerkleTree.root(groups) }
    }
    var records: [JournalSegment.Record] = []
    for record in content.records where try isProvable(record, in: content) { records.append(record) }
    let bytes = JournalSegment.encode(
      records, clock: content.clock, store: storeID, id: journal.id)
    kept.byteCount = bytes.count
    try write(bytes, to: FileNames.path(destination, name))
    edits.append(.addJournal(kept))
  }

  /// With its damage: REGISTRY stands for these very bytes, and without it the new store must refuse as the old
  /// one would. Who gets the file back from a backup may put it in its place.
  private mutating func copyAsItIs(
    _ journal: Manifest.JournalSegment, _ name: String
  ) throws(StorageError) {
    edits.append(.addJournal(journal))
    let path = FileNames.path(source, name)
    if disk.exists(path) { try copyFile(path, to: FileNames.path(destination, name)) }
  }

  /// The new store tells that events are lost, though its journal is whole.
  private mutating func leaveBehind(_ lost: [Range<Int>], of journal: Manifest.JournalSegment) {
    guard journal.content == .registry else { return }
    edits += lost.map { .damaged(Manifest.Damage($0, of: journal)) }
  }

  /// False for the link of a stretch whose hashes or events are lost: nothing in it can be proven any more, and
  /// its loss is named with theirs.
  private func isProvable(
    _ record: JournalSegment.Record, in content: JournalSegment.Content
  ) throws(StorageError) -> Bool {
    guard record.kind == ProofRecordKind.chainLink.rawValue else { return true }
    guard content.lost.isEmpty else { return false }
    let link = try ChainLink(decoding: record.bytes.rawSpan)
    return link.root == roots[link.lsns.upperBound] ?? MerkleTree.root([])
  }

  // MARK: Data

  private mutating func copy(_ meta: Manifest.DataSegment) throws(StorageError) {
    let name = FileNames.path(FileNames.dataDirectory, FileNames.dataSegment(meta.id))
    let segment: BlockDirectory
    do throws(StorageError) {
      segment = try DataSegmentReader(context, meta).uncached()
    } catch {
      guard error.isDamage else { throw error }
      let (oldest, newest) = (meta.oldestLSN + meta.baseLSN, meta.newestLSN + meta.baseLSN)
      var loss = Loss(file: name, bytes: 0..<meta.byteCount, lsns: oldest...max(oldest, newest))
      if meta.firstTime <= meta.lastTime { loss.readings = meta.firstTime...meta.lastTime }
      report.losses.append(loss)
      return
    }
    var bad: Set<Int> = []
    for block in segment.storedBlocks {
      do throws(StorageError) {
        try block.check()
        report.rowCount += Int(block.row.rowCount)
      } catch {
        guard error.isDamage else { throw error }
        bad.formUnion(block.positions)
        var loss = Loss(
          file: name, bytes: (error.offset ?? 0)..<(error.offset ?? 0),
          lsns: block.row.oldestLSN...block.row.newestLSN)
        loss.readings = block.row.firstTime...block.row.lastTime
        if let device = block.device { loss.device = device }
        report.losses.append(loss)
      }
    }
    if bad.isEmpty, isWhole(meta, at: FileNames.path(source, name)) {
      try copyFile(FileNames.path(source, name), to: FileNames.path(destination, name))
      var kept = meta
      kept.rowCount = segment.rowCount
      edits.append(.addData(kept))
    } else {
      try rewrite(segment, meta, without: bad)
    }
  }

  private func isWhole(_ meta: Manifest.DataSegment, at path: String) -> Bool {
    guard let file = try? disk.open(path, .read) else { return false }
    defer { file.close() }
    return (try? DataSegmentReader.verify(
      file, store: storeID, id: meta.id, byteCount: meta.byteCount)) != nil
  }

  private mutating func rewrite(
    _ segment: BlockDirectory, _ meta: Manifest.DataSegment, without bad: Set<Int>
  ) throws(StorageError) {
    let schema = TableSchema(
      id: meta.table, name: "", columns: segment.columns, defaultSpanNanos: 0)
    var writer = try DataSegmentWriter(
      disk, directory: FileNames.path(destination, FileNames.dataDirectory), store: storeID,
      id: meta.id, schema: schema)
    var builder = BlockBuilder(schema: schema, symbols: symbols, sharing: context.sharing)
    do throws(StorageError) {
      for (series, key) in segment.series.enumerated() {
        var main: [Stretch.Source] = []
        var superseded: [RowSet] = []
        for index in segment.blocks(ofSeries: series) where !bad.contains(index) {
          let block = segment.reader(index)
          switch block.entry.kind {
          case .main: main.append(.block(block))
          case .superseded: superseded.append(try block.rows())
          }
        }
        if main.isEmpty && superseded.isEmpty { continue }
        try SeriesRewrite.append(
          main, superseded: superseded, of: key, to: &writer, builder: &builder)
      }
    } catch {
      writer.abandon()
      throw error
    }
    if writer.isEmpty {
      writer.abandon()
    } else {
      edits.append(.addData(try writer.finish()))
    }
  }

  // MARK: Log

  private mutating func copyLog(_ manifest: Manifest) throws(StorageError) {
    let writer = try LogWriter(
      disk, clock: clock, store: destination, storeID: storeID, after: LogScan(),
      nextLSN: manifest.sealedLSN + 1, above: manifest.sealedLogSegment)
    var builder = LogBatchBuilder()
    var (batches, events) = (0, 0)
    var times = received
    let scan = try LogReader(disk, store: source, storeID: storeID)
      .scan(from: manifest.sealedLSN + 1) { info, payload throws(StorageError) in
        guard info.header.lsnCount > 0, info.header.firstLSN > manifest.sealedLSN else { return }
        try Self.jump(writer, to: info.header.firstLSN, manifest, &builder)
        builder.removeAll()
        var cursor = RecordCursor(payload, header: info.header)
        while let record = try cursor.next() {
          guard record.kind.takesLSN else { continue }
          builder.add(record.kind, record.body)
          if record.kind == .event { events += 1 }
        }
        clock.set(info.header.commitNanos)
        _ = try writer.append(&builder)
        times.insert(info.header.firstLSN, at: info.header.commitNanos)
        batches += 1
      }
    // LSNs of damage at the end are not given again.
    if scan.nextLSN > writer.nextLSN {
      try Self.jump(writer, to: scan.nextLSN, manifest, &builder)
      try writer.rotate()
    }
    try writer.close()
    received = times
    report.batchCount = batches
    report.eventCount += events
    for damage in scan.damages(after: manifest)
    where damage.byteCount > 0 || damage.firstLSN > manifest.sealedLSN {
      let loss = Loss(damage)
      if !report.losses.contains(where: { $0.isSame(as: loss) }) { report.losses.append(loss) }
    }
  }

  /// Goes on with `lsn`; what lies between is named as burned, unless a bulk append took it.
  private static func jump(
    _ writer: LogWriter, to lsn: LSN, _ manifest: Manifest, _ builder: inout LogBatchBuilder
  ) throws(StorageError) {
    guard lsn > writer.nextLSN else { return }
    let skipped = writer.nextLSN...(lsn - 1)
    if !manifest.explains(skipped) {
      builder.removeAll()
      builder.add(.gap) { LogGap(skipped).encode(into: &$0) }
      _ = try writer.append(&builder)
    }
    try writer.sync()
    writer.skip(to: lsn, commitNanos: .min)
  }

  // MARK: Files

  private func copyFile(_ path: String, to target: String) throws(StorageError) {
    let file = try disk.open(path, .read)
    defer { file.close() }
    let copy = try disk.open(FileNames.temporary(target), .create)
    defer { copy.close() }
    let byteCount = try file.byteCount()
    var offset = 0
    while offset < byteCount {
      let end = min(byteCount, offset + (1 << 20))
      let bytes = try file.bytes(offset..<end)
      try copy.write(bytes.rawSpan, at: offset)
      offset = end
    }
    try finish(copy, target)
  }

  private func write(_ bytes: [UInt8], to target: String) throws(StorageError) {
    let file = try disk.open(FileNames.temporary(target), .create)
    defer { file.close() }
    try file.write(bytes.rawSpan, at: 0)
    try finish(file, target)
  }

  private func finish(_ file: any DiskFile, _ target: String) throws(StorageError) {
    try file.sync()
    try disk.rename(FileNames.temporary(target), to: target)
    try disk.syncDirectory(FileNames.parent(target) ?? "")
  }
}

/// Gives a copied batch the commit time it had.
private final class ReplayClock: Clock {
  private let nanos = Mutex(Int64(0))
  func set(_ time: Int64) { nanos.withLock { $0 = time } }
  func nowNanos() -> Int64 { nanos.withLock { $0 } }
  func monotonicNanos() -> Int64 { 0 }
}
