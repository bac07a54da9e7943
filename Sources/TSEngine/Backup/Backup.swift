/// Copies a store as it is at one LSN into a folder of its own, beside its writer and without
/// holding it up: sealed files, then the unsealed log up to the durable LSN. A pin keeps the sealed
/// files of the state that is copied, whatever replaces them meanwhile. When log was sealed or bulk
/// appends came, what is new is copied in another pass under a pin of its own; the last one is short.
/// A sealed file never changes, so what was copied stays good.
package struct Backup {
  package struct Report: Sendable, Equatable {
    package var lsn: LSN = 0
    package var copiedFileCount = 0
    package var copiedByteCount = 0
    /// In earlier backups.
    package var keptFileCount = 0
    package var keptByteCount = 0

    init(_ list: BackupList) {
      lsn = list.lsn
      for file in list.files {
        if file.isHere {
          copiedFileCount += 1
          copiedByteCount += file.byteCount
        } else {
          keptFileCount += 1
          keptByteCount += file.byteCount
        }
      }
    }
  }

  /// Passes before a store is called too restless; each later one copies only what is new.
  private static let passLimit = 100

  private let options: StoreOptions
  private let source: String
  private let target: String
  private let storeID: StoreID
  private let previous: (backup: BackupFiles, list: BackupList.Previous)?
  private var disk: any Disk { options.disk }
  /// Sealed files that are settled, by name.
  private var files: [String: BackupList.File] = [:]

  /// - Parameters:
  ///   - since: the folder of an earlier backup of the same store: files it has are named, not
  ///     copied.
  ///   - durable: the durable LSN, for the process that writes to the store; others go by what the
  ///     log witnesses.
  /// - Throws: `.invalid` when `target` is not empty or `since` is of another store; `.corrupt` when
  ///   a file to be copied fails its check; `.diskFull`, `.io`. Then there is no BACKUP in `target`.
  package static func run(
    _ options: StoreOptions, store source: String, to target: String, since: String? = nil,
    durable: (() -> LSN)? = nil
  ) throws(StorageError) -> Report {
    let store = try StoreFile.open(
      options.disk, directory: source, creating: false, clock: options.clock, rng: options.rng)
    var previous: (BackupFiles, BackupList.Previous)?
    if let since {
      let files = try BackupFiles(options.disk, since)
      guard files.list.store == store.id else {
        throw StorageError(.invalid, "\(since) is a backup of another store")
      }
      guard !since.contains("\n") else { throw StorageError(.invalid, "a folder's name with a line end") }
      previous = (files, BackupList.Previous(directory: since, digest: files.digest))
    }
    try FileCopy.makeEmptyDirectory(options.disk, target)
    var backup = Backup(
      options, source: source, target: target, storeID: store.id, previous: previous)
    return try backup.run(durable)
  }

  private init(
    _ options: StoreOptions, source: String, target: String, storeID: StoreID,
    previous: (BackupFiles, BackupList.Previous)?
  ) {
    self.options = options
    self.source = source
    self.target = target
    self.storeID = storeID
    self.previous = previous
  }

  private mutating func run(_ durable: (() -> LSN)?) throws(StorageError) -> Report {
    for folder in [
      FileNames.dataDirectory, FileNames.journalDirectory, FileNames.logDirectory,
      FileNames.manifestDirectory,
    ] {
      try disk.createDirectory(FileNames.path(target, folder))
    }
    try settle(FileNames.store)
    for _ in 0..<Self.passLimit {
      let (manifest, pin) = try Store.pinManifest(source, storeID, options)
      defer { withExtendedLifetime(pin) {} }
      if let log = try copyPass(manifest, durable) { return try finish(manifest, log) }
    }
    throw StorageError(.busy, "the store's files change faster than they can be copied", file: source)
  }

  /// Copies what `manifest` names and the log behind it.
  /// - Returns: nil when that is not one moment of the store, for it was sealed or appended to in
  ///   bulk meanwhile: another pass is needed.
  private mutating func copyPass(
    _ manifest: Manifest, _ durable: (() -> LSN)?
  ) throws(StorageError) -> (files: [BackupList.File], lsn: LSN)? {
    do throws(StorageError) {
      for name in Self.sealedNames(manifest) { try settle(name) }
    } catch {
      // Where no pin could be made, compaction takes files away.
      guard error.code == .notFound, try readManifest() != manifest else { throw error }
      return nil
    }
    do throws(StorageError) {
      let log = try copyLog(behind: manifest, durable)
      return try readManifest().hasSameLog(as: manifest) ? log : nil
    } catch {
      // Segments went, the zeros behind one were cut off, or the log jumped over a bulk append.
      if error.code == .notFound || error.code == .truncated { return nil }
      guard try !readManifest().hasSameLog(as: manifest) else { throw error }
      return nil
    }
  }

  private func readManifest() throws(StorageError) -> Manifest {
    try Recovery.readManifest(disk, source, storeID).state
  }

  private static func sealedNames(_ manifest: Manifest) -> [String] {
    manifest.data.map { FileNames.path(FileNames.dataDirectory, FileNames.dataSegment($0.id)) }
      + manifest.journals.map {
        FileNames.path(FileNames.journalDirectory, FileNames.journalSegment($0.id))
      }
  }

  // MARK: Sealed files

  /// Copies a file that never changes and checks the copy, unless that is done or the earlier backup
  /// has it.
  private mutating func settle(_ name: String) throws(StorageError) {
    guard files[name] == nil else { return }
    if let known = try known(name) {
      files[name] = known
      return
    }
    let path = FileNames.path(target, name)
    let copy = try FileCopy.copy(from: disk, FileNames.path(source, name), to: disk, path)
    // The copy is read: its checksums tell damage of the source and of the copying alike.
    try SealedFile.check(disk, path, name, store: storeID)
    files[name] = BackupList.File(
      name: name, byteCount: copy.byteCount, digest: copy.digest, isHere: true)
  }

  /// The entry of the earlier backup when it has the same file. Numbers of files are not used twice
  /// by one store, but a restored one may give other bytes to a number: sizes and the checksums at
  /// the end must agree.
  private func known(_ name: String) throws(StorageError) -> BackupList.File? {
    guard let previous, var entry = previous.backup.list.file(name),
      let old = previous.backup.places[name]
    else { return nil }
    guard try SealedFile.fingerprint(disk, FileNames.path(source, name))
      == SealedFile.fingerprint(disk, old)
    else { return nil }
    entry.isHere = false
    return entry
  }

  // MARK: The log

  /// Copies the log that `manifest` has not sealed, up to the durable LSN.
  private func copyLog(
    behind manifest: Manifest, _ durable: (() -> LSN)?
  ) throws(StorageError) -> (files: [BackupList.File], lsn: LSN) {
    let reader = LogReader(disk, store: source, storeID: storeID)
    let lock = FileNames.path(source, FileNames.lock)
    let wasAlone = durable == nil ? try disk.isUnlocked(lock) : false
    // What is durable now is in the log when it is read afterwards.
    let known = durable?()
    var ends: [(segment: UInt64, last: LSN, end: Int)] = []
    let scan = try reader.scan(from: manifest.sealedLSN + 1) { info, _ in
      let end = info.position.offset + LogFormat.BatchHeader.byteCount + info.header.payloadByteCount
      ends.append((info.position.segmentID, info.header.nextLSN - 1, LogFormat.sectorCeiling(end)))
    }
    let seen = scan.nextLSN - 1
    // Without a writer before and behind: all that is there was written by one that ended.
    let isAlone = wasAlone ? try disk.isUnlocked(lock) : false
    let lsn = max(manifest.newestLSN, known ?? (isAlone ? seen : min(seen, scan.witnessedLSN)))
    var files: [BackupList.File] = []
    for segment in scan.segments where segment.id > manifest.sealedLogSegment {
      let batches = ends.filter { $0.segment == segment.id }
      let isCut = batches.contains { $0.last > lsn } || segment.id == scan.segments.last?.id
      let end = batches.last { $0.last <= lsn }?.end ?? LogFormat.SegmentHeader.byteCount
      let name = FileNames.path(FileNames.logDirectory, FileNames.logSegment(segment.id))
      let copy = try FileCopy.copy(
        from: disk, FileNames.path(source, name), to: disk, FileNames.path(target, name),
        byteCount: isCut ? min(end, segment.byteCount) : segment.byteCount)
      files.append(
        BackupList.File(name: name, byteCount: copy.byteCount, digest: copy.digest, isHere: true))
      if isCut { break }
    }
    try checkLog(behind: manifest, scan, through: lsn)
    return (files, lsn)
  }

  /// The copy must say what the source said, up to the LSN where it ends.
  private func checkLog(
    behind manifest: Manifest, _ source: LogScan, through lsn: LSN
  ) throws(StorageError) {
    let copy = try LogReader(disk, store: target, storeID: storeID).scan(from: manifest.sealedLSN + 1) { _, _ in }
    let logLSN = manifest.bulks.map(\.last).max() == lsn ? min(lsn, source.nextLSN - 1) : lsn
    guard copy.tail == .clean || copy.tail == source.tail,
      copy.nextLSN > min(logLSN, source.nextLSN - 1), copy.damaged.count <= source.damaged.count
    else { throw StorageError(.corrupt, "the copy of the log is not what was read", file: target) }
  }

  // MARK: The end

  private mutating func finish(
    _ manifest: Manifest, _ log: (files: [BackupList.File], lsn: LSN)
  ) throws(StorageError) -> Report {
    var list = BackupList(store: storeID, takenAt: options.clock.nowNanos(), lsn: log.lsn)
    list.previous = previous?.list
    let names = [FileNames.store] + Self.sealedNames(manifest)
    list.files = names.compactMap { files[$0] } + log.files
    // Copied in an earlier pass and replaced since.
    for (name, file) in files where file.isHere && !names.contains(name) {
      try disk.remove(FileNames.path(target, name))
    }
    list.files += try writeManifest(manifest)
    for name in try disk.list(FileNames.path(target, FileNames.logDirectory))
    where !log.files.contains(where: { $0.name == FileNames.path(FileNames.logDirectory, name) }) {
      try disk.remove(FileNames.path(FileNames.path(target, FileNames.logDirectory), name))
    }
    for folder in [FileNames.dataDirectory, FileNames.journalDirectory, FileNames.logDirectory] {
      try disk.syncDirectory(FileNames.path(target, folder))
    }
    try disk.syncDirectory(target)
    try list.write(disk, target)
    return Report(list)
  }

  /// The state of the manifest as a log of its own, in one batch.
  private func writeManifest(_ manifest: Manifest) throws(StorageError) -> [BackupList.File] {
    let log = try ManifestLog(disk, clock: options.clock, store: target, storeID: storeID)
    // Rollups are derived: whoever restores makes them anew.
    var kept = manifest
    kept.rollups = []
    try log.commit(kept.edits)
    try log.end()
    let folder = FileNames.path(FileNames.manifestDirectory, FileNames.logDirectory)
    var files: [BackupList.File] = []
    for name in try disk.list(FileNames.path(target, folder)) {
      let name = FileNames.path(folder, name)
      let file = try FileCopy.digest(disk, FileNames.path(target, name))
      files.append(
        BackupList.File(name: name, byteCount: file.byteCount, digest: file.digest, isHere: true))
    }
    return files
  }
}

extension Store {
  /// Copies the store as it is now into the empty folder `target`. Readings and events go on being
  /// stored meanwhile; what is acknowledged before the call is in the copy. Durable on return.
  /// - Parameter since: an earlier backup of this store; only what it has not is copied.
  /// - Throws: as `Backup.run`.
  package func backup(
    to target: String, since: String? = nil
  ) throws(StorageError) -> Backup.Report {
    try Backup.run(
      options, store: directory, to: target, since: since,
      durable: writing == nil ? nil : { self.durableLSN })
  }
}
