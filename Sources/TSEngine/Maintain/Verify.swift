/// Reads every byte of a store and checks all that can be checked: framing and checksums of logs,
/// manifest and journals; every section of every data segment, decoded, against the statistics
/// that queries answer from. Changes nothing; works beside a writer.
package struct Verify {
  package struct Report: Sendable, Equatable {
    package var fileCount = 0
    package var byteCount = 0
    /// Of the data segments, superseded rows included.
    package var rowCount = 0
    /// Of the unsealed and kept log: batches whose checks hold.
    package var batchCount = 0
    package var eventCount = 0
    /// Links of the chain of Merkle roots, each with its neighbours and with its hashes.
    package var linkCount = 0
    /// The newest LSN found; 0 in an empty store.
    package var newestLSN: LSN = 0
    package var damages: [Manifest.Damage] = []
    /// Derived files that fail their check: left aside and made anew, nothing is lost.
    package var derived: [String] = []
    /// What REGISTRY says otherwise than the journals that it stands for, all of them whole; `damages` has the
    /// file then, for openings go by it.
    package var registryDifferences: [String] = []
    /// `damages` with what is known of their times, in the same order.
    package var losses: [Loss] = []
    /// Files that belong to no live part: kept copies of torn or damaged bytes, unnamed segments.
    package var setAside: [String] = []
    /// Ends of the log and the manifest that nothing witnesses: a write that was not finished, or is
    /// not yet, beside a writer. Nothing acknowledged is in them.
    package var tornTails: [TornTail] = []

    package var isWhole: Bool { damages.isEmpty }

    package struct TornTail: Sendable, Equatable {
      package var file: String
      /// Bytes from the start of the file.
      package var offset: Int
    }
  }

  private let disk: any Disk
  private let directory: String
  private let storeID: StoreID
  private let context: SegmentContext
  private var report = Report()
  /// Links of the chain with the files they stand in, and roots of leaf groups by the last LSN of
  /// their stretch.
  private var links: [(file: String, link: ChainLink)] = []
  private var roots: [LSN: [Digest]] = [:]
  /// As far as it could be read.
  private var clock = CommitClock()
  private var audit: RegistryAudit?
  /// Instants of the readings in damaged blocks and segments.
  private var readings: [(damage: Manifest.Damage, times: ClosedRange<Int64>, device: String?)] = []

  /// - Throws: `.io`, `.notFound`; `.corrupt` when STORE or the manifest cannot be read at all;
  ///   `.unsupportedVersion`. All other damage is in the report.
  package static func run(_ options: StoreOptions, _ directory: String) throws(StorageError) -> Report {
    let file = try StoreFile.open(
      options.disk, directory: directory, creating: false, clock: options.clock, rng: options.rng)
    // A writer may seal meanwhile: log files that go are looked for anew. Data segments are pinned.
    var attempt = 0
    while true {
      attempt += 1
      var verify = Verify(options.disk, directory, file.id)
      let pinned = try Store.pinManifest(directory, file.id, options)
      let before = pinned.manifest
      try withExtendedLifetime(pinned.pin) { () throws(StorageError) in try verify.read(before) }
      let after = try Recovery.readManifest(options.disk, directory, file.id).state
      let isSame = after.sealedLSN == before.sealedLSN && after.bulks == before.bulks
      if attempt == attemptLimit || isSame { return verify.report }
    }
  }

  private static let attemptLimit = 5

  private init(_ disk: any Disk, _ directory: String, _ storeID: StoreID) {
    self.disk = disk
    self.directory = directory
    self.storeID = storeID
    var options = StoreOptions()
    options.cacheByteLimit = 0
    options.indexByteLimit = 0
    options.openFileLimit = 1
    context = SegmentContext(
      disk: disk, store: directory, storeID: storeID, symbols: SymbolTable(), options: options,
      catalog: nil)
  }

  private mutating func read(_ manifest: Manifest) throws(StorageError) {
    report.damages = manifest.damages
    report.newestLSN = manifest.newestLSN
    try count(FileNames.path(directory, FileNames.store))
    try readLog(manifest)
    try readManifestLog()
    do throws(StorageError) {
      audit = try RegistryAudit(disk, directory, storeID, manifest)
    } catch {
      if error.code != .unsupportedVersion { try contain(error) }
      report.derived.append(FileNames.registry)
    }
    // Hashes in the order of the manifest, events in that of their LSNs.
    for journal in manifest.journals where journal.content != .registry { try readJournal(journal) }
    for journal in manifest.registryJournals(through: .max) { try readJournal(journal) }
    checkChain()
    compareRegistry()
    for segment in manifest.data { try readData(segment) }
    for rollup in manifest.rollups where rollup.rowCount > 0 { try readRollup(rollup) }
    try listOthers(manifest)
    for bulk in manifest.bulks { clock.insert(bulk.first, at: bulk.time) }
    report.losses = report.damages.map { damage in
      var loss = Loss(damage)
      loss.tellTimes(clock)
      if let known = readings.first(where: { $0.damage == damage }) {
        loss.readings = known.times
        loss.device = known.device
      }
      return loss
    }
  }

  private mutating func count(_ path: String) throws(StorageError) {
    let file = try disk.open(path, .read)
    defer { file.close() }
    report.fileCount += 1
    report.byteCount += try file.byteCount()
  }

  private mutating func add(_ damage: Manifest.Damage) {
    if !report.damages.contains(damage) { report.damages.append(damage) }
  }

  // MARK: Logs

  private mutating func readLog(_ manifest: Manifest) throws(StorageError) {
    var batches = 0
    var times = CommitClock()
    var undecodable: [Manifest.Damage] = []
    let scan = try LogReader(disk, store: directory, storeID: storeID).scan {
      info, payload throws(StorageError) in
      batches += 1
      if info.header.lsnCount > 0 { times.insert(info.header.firstLSN, at: info.header.commitNanos) }
      do throws(StorageError) {
        try Self.decode(payload, info.header)
      } catch {
        undecodable.append(
          Manifest.Damage(
            file: FileNames.logSegment(info.position.segmentID), offset: info.position.offset,
            byteCount: info.header.payloadByteCount, firstLSN: info.header.firstLSN,
            lastLSN: info.header.nextLSN - 1))
      }
    }
    for segment in scan.segments {
      report.fileCount += 1
      report.byteCount += segment.byteCount
    }
    report.batchCount += batches
    noteTail(of: scan)
    for entry in times.entries { clock.insert(entry.lsn, at: entry.time) }
    report.newestLSN = max(report.newestLSN, scan.nextLSN - 1)
    // Kept segments hold sealed LSNs too, whose bulk appends the manifest has forgotten: jumps
    // there say nothing.
    for damage in scan.damages(after: manifest)
    where damage.byteCount > 0 || damage.firstLSN > manifest.sealedLSN { add(damage) }
    for damage in undecodable { add(damage) }
  }

  private mutating func noteTail(of scan: LogScan) {
    guard case .torn(let offset) = scan.tail, let last = scan.segments.last else { return }
    report.tornTails.append(Report.TornTail(file: FileNames.logSegment(last.id), offset: offset))
  }

  private static func decode(
    _ payload: RawSpan, _ header: LogBatchHeader
  ) throws(StorageError) {
    let symbols = SymbolTable()
    var frames: [TableID: FrameBatch] = [:]
    var cursor = RecordCursor(payload, header: header)
    while let record = try cursor.next() {
      switch record.kind {
      case .frame:
        _ = try FrameRecord.decode(record.body, symbols: symbols, into: &frames, schema: { _ in nil })
      case .event: _ = try Journal.decodeEvent(record.body, lsn: record.lsn)
      case .message: _ = try Journal.decodeRecord(record.body, lsn: record.lsn)
      case .gap, .seal, .edit: break
      }
    }
  }

  private mutating func readManifestLog() throws(StorageError) {
    let store = FileNames.path(directory, FileNames.manifestDirectory)
    let scan = try LogReader(disk, store: store, storeID: storeID).scan { _, _ in }
    for segment in scan.segments {
      report.fileCount += 1
      report.byteCount += segment.byteCount
    }
    noteTail(of: scan)
    for range in scan.damaged {
      add(
        Manifest.Damage(
          file: range.file, offset: range.bytes.lowerBound, byteCount: range.bytes.count,
          firstLSN: 0, lastLSN: 0))
    }
  }

  // MARK: Sealed files

  private mutating func readJournal(_ journal: Manifest.JournalSegment) throws(StorageError) {
    let name = FileNames.journalSegment(journal.id)
    let isAudited = audit?.covers(journal) == true
    func damage(_ offset: Int, _ byteCount: Int) -> Manifest.Damage {
      Manifest.Damage(
        file: name, offset: offset, byteCount: byteCount, firstLSN: journal.oldestLSN,
        lastLSN: journal.newestLSN)
    }
    do throws(StorageError) {
      let content = try JournalSegment.read(
        disk, directory: directory, store: storeID, journal)
      report.fileCount += 1
      report.byteCount += journal.byteCount
      for entry in content.clock.entries { clock.insert(entry.lsn, at: entry.time) }
      for range in content.damaged { add(damage(range.lowerBound, range.count)) }
      if isAudited { audit?.apply(content.clock) }
      if isAudited, !content.damaged.isEmpty { audit?.noteDamage() }
      // What compaction kept of some groups stands behind all groups of the stretch.
      let isKept = journal.content == .leaves && roots[journal.newestLSN] != nil
      for record in content.records {
        if record.kind == LogRecordKind.event.rawValue {
          let event = try Journal.decodeEvent(record.bytes.rawSpan, lsn: record.lsn)
          report.eventCount += 1
          if isAudited { audit?.apply(event) }
        } else if record.kind == ProofRecordKind.chainLink.rawValue {
          let link = try ChainLink(decoding: record.bytes.rawSpan)
          links.append((name, link))
          if isAudited { audit?.apply(link) }
        } else if record.kind == ProofRecordKind.leafGroup.rawValue {
          let group = try LeafGroup(decoding: record.bytes.rawSpan, lsn: record.lsn)
          if isKept {
            guard roots[journal.newestLSN]?.contains(group.root) ?? false else {
              throw StorageError(.corrupt, "hashes of a group that was not sealed", file: name)
            }
          } else {
            roots[journal.newestLSN, default: []].append(group.root)
          }
        } else {
          let operational = try Journal.decodeRecord(record.bytes.rawSpan, lsn: record.lsn)
          if isAudited { audit?.apply(operational) }
        }
      }
    } catch {
      try contain(error)
      add(damage(error.offset ?? 0, journal.byteCount))
      if isAudited { audit?.noteDamage() }
    }
  }

  /// An opening goes by REGISTRY: what it says otherwise than its journals is damage. Where one of these is
  /// damaged that is told already, and the two cannot be compared.
  private mutating func compareRegistry() {
    guard let audit, audit.isComparable else { return }
    self.audit = nil
    report.registryDifferences = audit.differences
    guard !report.registryDifferences.isEmpty else { return }
    add(
      Manifest.Damage(
        file: FileNames.registry, offset: 0, byteCount: audit.byteCount, firstLSN: 0, lastLSN: 0))
  }

  /// Each link must name the head of the one right before it, and its hashes must lead to its root.
  /// Behind a stretch without a link (one that a salvage lost) the head before is not known; whoever
  /// kept it elsewhere misses it. Damage that is known already explains what is missing.
  private mutating func checkChain() {
    links.sort { $0.link.lsns.lowerBound < $1.link.lsns.lowerBound }
    report.linkCount = links.count
    var (head, next) = (Digest.zero, LSN(1))
    for (file, link) in links {
      let isTied = link.previous == head || link.lsns.lowerBound > next
      (head, next) = (link.head(storeID), link.lsns.upperBound + 1)
      let isRooted = MerkleTree.root(roots[link.lsns.upperBound] ?? []) == link.root
      guard !isTied || !isRooted, report.damages.isEmpty else { continue }
      add(
        Manifest.Damage(
          file: file, offset: 0, byteCount: 0, firstLSN: link.lsns.lowerBound,
          lastLSN: link.lsns.upperBound))
    }
  }

  private mutating func readData(_ meta: Manifest.DataSegment) throws(StorageError) {
    let folder = FileNames.path(directory, FileNames.dataDirectory)
    let name = FileNames.dataSegment(meta.id)
    func damage(_ offset: Int, _ oldest: LSN, _ newest: LSN, _ byteCount: Int) -> Manifest.Damage {
      Manifest.Damage(
        file: name, offset: offset, byteCount: byteCount, firstLSN: oldest, lastLSN: newest)
    }
    do throws(StorageError) {
      let blocks = try DataSegmentReader(context, meta).uncached()
      report.fileCount += 1
      report.byteCount += meta.byteCount
      for block in blocks.storedBlocks {
        let row = block.row
        do throws(StorageError) {
          try block.check()
          report.rowCount += Int(row.rowCount)
        } catch {
          try contain(error)
          let lost = damage(error.offset ?? 0, row.oldestLSN, row.newestLSN, 0)
          add(lost)
          readings.append((lost, row.firstTime...max(row.firstTime, row.lastTime), block.device))
        }
      }
      let file = try disk.open(FileNames.path(folder, name), .read)
      defer { file.close() }
      try DataSegmentReader.verify(file, store: storeID, id: meta.id, byteCount: meta.byteCount)
    } catch {
      try contain(error)
      let (oldest, newest) = (meta.oldestLSN + meta.baseLSN, meta.newestLSN + meta.baseLSN)
      if !report.damages.contains(where: { $0.file == name }) {
        let lost = damage(error.offset ?? 0, oldest, newest, meta.byteCount)
        add(lost)
        readings.append((lost, meta.firstTime...max(meta.firstTime, meta.lastTime), nil))
      }
    }
  }

  /// Derived: nothing is lost with it, and the writer makes it anew.
  private mutating func readRollup(_ meta: Manifest.RollupSegment) throws(StorageError) {
    do throws(StorageError) {
      try RollupSegmentReader(context, meta).check(disk, directory, storeID)
      report.fileCount += 1
      report.byteCount += meta.byteCount
    } catch {
      try contain(error)
      let name = FileNames.path(FileNames.rollupDirectory, FileNames.dataSegment(meta.id))
      add(
        Manifest.Damage(
          file: name, offset: error.offset ?? 0, byteCount: meta.byteCount, firstLSN: 0, lastLSN: 0))
    }
  }

  /// Damage is reported; anything else ends the run.
  private func contain(_ error: StorageError) throws(StorageError) {
    switch error.code {
    case .corrupt, .truncated, .notFound: return
    default: throw error
    }
  }

  private mutating func listOthers(_ manifest: Manifest) throws(StorageError) {
    for folder in [FileNames.logDirectory, FileNames.dataDirectory, FileNames.journalDirectory] {
      let path = FileNames.path(directory, folder)
      guard disk.exists(path) else { continue }
      for name in try disk.list(path) where FileNames.isSetAside(name) {
        report.setAside.append(FileNames.path(folder, name))
      }
    }
  }
}

/// Decodes a block and compares it with what its index entry says.
struct BlockCheck {
  private let block: BlockReader
  private let entry: BlockTable.Row

  init(_ block: BlockReader) {
    self.block = block
    entry = block.entry
  }

  /// - Throws: `.corrupt`, `.truncated`, `.io`.
  func run() throws(StorageError) {
    let rows = try block.rows()
    guard rows.count == block.rowCount, rows.times.first == entry.firstTime,
      rows.times.last == entry.lastTime, rows.lsns.last?.end == block.rowCount,
      rows.lsns.map(\.lsn).min() == entry.oldestLSN, rows.lsns.map(\.lsn).max() == entry.newestLSN
    else { throw StorageError(.corrupt, "a block that is not as its index says") }
    for id in block.columns {
      guard let column = rows.column(id), let type = block.directory.types[id],
        let statistics = block.statistics(id)
      else {
        throw StorageError(.corrupt, "a block column that its segment does not declare")
      }
      guard Self.holds(statistics, column, type, rowCount: rows.count) else {
        throw StorageError(.corrupt, "statistics that do not fit their column")
      }
    }
  }

  static func holds(
    _ statistics: ColumnStatistics, _ column: RowSet.Column, _ type: ColumnType, rowCount: Int
  ) -> Bool {
    let view = SlotView(column)
    let valid = (0..<rowCount).compactMap { view.slot($0) }
      .map { type == .float ? FloatOrder.key(bits: $0) : $0 }
    guard statistics.count == rowCount, statistics.validCount == valid.count else { return false }
    guard let first = valid.first, let last = valid.last, type != .symbol, type != .text else {
      return true
    }
    guard statistics.first == first, statistics.last == last, statistics.minimum == valid.min(),
      statistics.maximum == valid.max()
    else { return false }
    guard let sum = statistics.sum, type != .float else { return true }
    return sum == valid.reduce(Int128(0)) { $0 + Int128($1) }
  }
}
