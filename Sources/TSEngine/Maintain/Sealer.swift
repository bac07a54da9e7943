/// Turns a frozen head and its stretch of the log into data and journal segments. Reads and writes
/// beside the writer; only the installation of the files takes a turn of the writer's.
package struct Sealer {
  let disk: any Disk
  let directory: String
  let storeID: StoreID
  let shared: Shared
  let context: SegmentContext
  /// Where the log is read, when not in the store itself.
  var log: (disk: any Disk, directory: String)?
  /// What befell the readings, when not all that the store knows of.
  var lifecycles: Lifecycles?

  /// Writes all files of one sealing, durable but not yet live.
  /// - Parameters:
  ///   - head: frozen.
  ///   - last: what came later in it is left out.
  ///   - nextFileID: gives a fresh id at every call.
  /// - Throws: `.io`, `.diskFull`, `.corrupt`; no file is left then.
  package func seal(
    _ head: Head, through last: LSN, nextFileID: () -> UInt64
  ) throws(StorageError) -> CommitRequest.Installation {
    var installation = CommitRequest.Installation()
    do throws(StorageError) {
      try sealRows(head, through: last, nextFileID: nextFileID, into: &installation)
      try sealJournal(head, through: last, nextFileID: nextFileID, into: &installation)
    } catch {
      installation.removeFiles(disk, of: directory)
      throw error
    }
    return installation
  }

  private func sealRows(
    _ head: Head, through last: LSN, nextFileID: () -> UInt64,
    into installation: inout CommitRequest.Installation
  ) throws(StorageError) {
    let numbers = head.seriesNumbers
    let keys = shared.series.withLock { index in numbers.map { (index.key($0), $0) } }
    let lifecycles = lifecycles ?? shared.live.withLock { $0.registry }.lifecycles
    for (table, series) in Dictionary(grouping: keys, by: { $0.0.table }).sorted(by: { $0.key < $1.key }) {
      guard let schema = shared.schema(table) else {
        // Its type was declared in events that are damaged: the log must keep the rows.
        throw StorageError(.corrupt, "rows of table \(table), whose type is unknown")
      }
      let id = nextFileID()
      var writer = try DataSegmentWriter(
        disk, directory: dataDirectory, store: storeID, id: id, schema: schema)
      var builder = BlockBuilder(schema: schema, symbols: shared.symbols, sharing: context.sharing)
      do throws(StorageError) {
        for (key, number) in series.sorted(by: { $0.0 < $1.0 }) {
          for (_, chunks) in try head.chunks(of: [number], through: last) {
            try SeriesRewrite.append(
              chunks.map(\.source), of: key, order: lifecycles.order(of: table),
              hidden: lifecycles.removals(of: key), to: &writer, builder: &builder)
          }
        }
      } catch {
        writer.abandon()
        throw error
      }
      // Only where a restore leaves out all that came later.
      if writer.isEmpty {
        writer.abandon()
        continue
      }
      let meta = try writer.finish()
      installation.added.append((DataSegmentReader(context, meta), meta))
    }
  }

  private var dataDirectory: String { FileNames.path(directory, FileNames.dataDirectory) }
  private var journalDirectory: String { FileNames.path(directory, FileNames.journalDirectory) }

  /// Events and slow records with the commit clock in one file, the mass of messages in another.
  private func sealJournal(
    _ head: Head, through last: LSN, nextFileID: () -> UInt64,
    into installation: inout CommitRequest.Installation
  ) throws(StorageError) {
    let sealed = shared.live.withLock { $0.manifest.sealedLSN }
    let range = (sealed + 1)...max(sealed + 1, last)
    var registry: [JournalSegment.Record] = []
    var operational: [JournalSegment.Record] = []
    for event in head.events.all where range.contains(event.lsn) {
      registry.append(
        .init(
          kind: LogRecordKind.event.rawValue, lsn: event.lsn, bytes: try Journal.encode(event)))
    }
    for record in head.records.all where range.contains(record.lsn) {
      let encoded = JournalSegment.Record(
        kind: LogRecordKind.message.rawValue, lsn: record.lsn, bytes: try Journal.encode(record))
      if record.isReplayed { registry.append(encoded) } else { operational.append(encoded) }
    }
    registry.sort { $0.lsn < $1.lsn }
    if last > sealed { try addRoot(range, nextFileID(), &registry, &installation) }
    let clock = shared.clock.withLock { $0.slice(range) }
    try write(registry, clock, .registry, range, nextFileID(), &installation)
    if !operational.isEmpty {
      try write(operational, CommitClock(), .operational, range, nextFileID(), &installation)
    }
  }

  /// The Merkle root over `range` becomes the last record of its journal; the hashes that a proof
  /// starts from get a file of their own.
  private func addRoot(
    _ range: ClosedRange<LSN>, _ id: UInt64, _ registry: inout [JournalSegment.Record],
    _ installation: inout CommitRequest.Installation
  ) throws(StorageError) {
    let log = log ?? (disk, directory)
    let tree = try StretchTree(
      disk: log.disk, directory: log.directory, storeID: storeID, shared: shared
    ).build(range)
    try add(tree, range, after: shared.chain.withLock { $0.last }, id, to: &registry, &installation)
  }

  /// - Parameter before: the link before this one, nil for the first.
  func add(
    _ tree: StretchTree.Built, _ range: ClosedRange<LSN>, after before: ChainLink?, _ id: UInt64,
    to registry: inout [JournalSegment.Record], _ installation: inout CommitRequest.Installation
  ) throws(StorageError) {
    let link = ChainLink(
      lsns: range, leafCount: tree.leafCount, root: tree.root,
      previous: before?.head(storeID) ?? .zero)
    installation.link = link
    registry.append(
      .init(
        kind: ProofRecordKind.chainLink.rawValue, lsn: range.upperBound, bytes: link.encoded()))
    let groups = tree.groups.map {
      JournalSegment.Record(
        kind: ProofRecordKind.leafGroup.rawValue, lsn: $0.first.lsn, bytes: $0.encoded())
    }
    if !groups.isEmpty { try write(groups, CommitClock(), .leaves, range, id, &installation) }
  }

  func write(
    _ records: [JournalSegment.Record], _ clock: CommitClock,
    _ content: Manifest.JournalSegment.Content, _ range: ClosedRange<LSN>, _ id: UInt64,
    _ installation: inout CommitRequest.Installation
  ) throws(StorageError) {
    let bytes = JournalSegment.encode(records, clock: clock, store: storeID, id: id)
    let name = FileNames.journalSegment(id)
    let path = FileNames.path(journalDirectory, name)
    let temporary = FileNames.temporary(path)
    if disk.exists(temporary) { try disk.remove(temporary) }
    let file = try disk.open(temporary, .create)
    defer { file.close() }
    do throws(StorageError) {
      try file.write(bytes.rawSpan, at: 0)
      try file.sync()
      // From the device: what memory holds proves nothing.
      try file.discardCached()
      guard try file.bytes(0..<bytes.count) == bytes else {
        throw StorageError(.corrupt, "read back other bytes than were written", file: temporary)
      }
      try disk.rename(temporary, to: path)
    } catch {
      // A full disk must not be kept full by what was not finished on it.
      try? disk.remove(temporary)
      throw error
    }
    do throws(StorageError) {
      try disk.syncDirectory(journalDirectory)
    } catch {
      try? disk.remove(path)
      throw error
    }
    installation.journals.append(
      Manifest.JournalSegment(
        id: id, content: content, byteCount: bytes.count, oldestLSN: range.lowerBound,
        newestLSN: range.upperBound))
  }
}

extension CommitRequest.Installation {
  /// Removes the files of an installation that did not come about; what stays is found unnamed at
  /// the next open.
  func removeFiles(_ disk: any Disk, of directory: String) {
    let data = FileNames.path(directory, FileNames.dataDirectory)
    let journal = FileNames.path(directory, FileNames.journalDirectory)
    for (_, meta) in added { try? disk.remove(FileNames.path(data, FileNames.dataSegment(meta.id))) }
    for meta in journals {
      try? disk.remove(FileNames.path(journal, FileNames.journalSegment(meta.id)))
    }
    for rollup in rollups where rollup.segment != nil {
      let folder = FileNames.path(directory, FileNames.rollupDirectory)
      try? disk.remove(FileNames.path(folder, FileNames.dataSegment(rollup.meta.id)))
    }
  }
}

extension OperationalRecord {
  /// Rare, and part of the state that a replay rebuilds.
  var isReplayed: Bool {
    switch kind {
    case .connectionChanged, .clockSynced: true
    case .messageReceived, .messageProcessed, .authenticationFailed, .callRecorded, .stateReported: false
    }
  }
}
