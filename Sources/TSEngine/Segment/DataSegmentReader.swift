import Synchronization

/// What the readers of one store's data segments share.
package struct SegmentContext: Sendable {
  package let disk: any Disk
  /// The store's folder.
  package let store: String
  package let storeID: StoreID
  package let symbols: SymbolTable
  package let sections: BlockCache
  package let directories: DirectoryCache
  package let open: OpenFiles
  /// For whoever writes others from them.
  package let sharing: BlockBuilder.Sharing
  /// Numbers series; nil where nobody asks for them.
  package var catalog: SeriesCatalog?
  /// What keeps the files, in a process that does not write.
  package var pin: Pin?

  package init(
    disk: any Disk, store: String, storeID: StoreID, symbols: SymbolTable, options: StoreOptions,
    catalog: SeriesCatalog?
  ) {
    self.disk = disk
    self.store = store
    self.storeID = storeID
    self.symbols = symbols
    self.catalog = catalog
    sharing = options.sharing
    sections = BlockCache(byteLimit: options.cacheByteLimit)
    directories = DirectoryCache(byteLimit: options.indexByteLimit)
    open = OpenFiles(limit: options.openFileLimit)
  }
}

/// A live data segment: what the manifest says of it, and its blocks when they are asked for.
/// Making one reads nothing.
package final class DataSegmentReader: Sendable {
  package let meta: Manifest.DataSegment
  package let file: SegmentFile
  private let context: SegmentContext
  private let known = Mutex(Known())

  private struct Known: Sendable {
    /// The index was found damaged: the segment is passed over from then on.
    var isDamaged = false
    var blockCount: Int?
    /// Replaced: the cache must not keep the file from going.
    var isRetired = false
    /// No sample in it lasts longer, by which rules.
    var longestSpan: (rules: SpanRules, span: Int64)?
  }

  package init(_ context: SegmentContext, _ meta: Manifest.DataSegment, file: SegmentFile? = nil) {
    self.context = context
    self.meta = meta
    let folder = FileNames.path(context.store, FileNames.dataDirectory)
    self.file =
      file
      ?? SegmentFile(
        context.disk, path: FileNames.path(folder, FileNames.dataSegment(meta.id)), id: meta.id,
        open: context.open, pin: context.pin)
  }

  /// The same file with `base` added to its LSNs.
  /// - Precondition: it has no base yet.
  package func rebased(to base: LSN) -> DataSegmentReader {
    precondition(meta.baseLSN == 0, "rebased once")
    var meta = meta
    meta.baseLSN = base
    return DataSegmentReader(context, meta, file: file)
  }

  /// The same file, read past the caches: for whoever reads all of it once.
  package func uncached() throws(StorageError) -> BlockDirectory {
    try load(sections: nil)
  }

  package var id: UInt64 { meta.id }
  package var table: TableID { meta.table }
  package var firstTime: Int64 { meta.firstTime }
  package var lastTime: Int64 { meta.lastTime }
  package var byteCount: Int { meta.byteCount }
  package var isDamaged: Bool { known.withLock { $0.isDamaged } }

  /// Blocks in it; before it was read once, how many there are at least.
  package var blockCount: Int {
    known.withLock { $0.blockCount } ?? max(1, meta.rowCount / BlockGrid.maxRows)
  }

  var longestSpan: (rules: SpanRules, span: Int64)? { known.withLock { $0.longestSpan } }
  func note(longestSpan span: Int64, by rules: SpanRules) {
    known.withLock { $0.longestSpan = (rules, span) }
  }

  /// Whether it may hold rows of `table` within `times`.
  package func overlaps(_ table: TableID, _ times: ClosedRange<Int64>) -> Bool {
    meta.table == table && meta.firstTime <= times.upperBound && meta.lastTime >= times.lowerBound
  }

  /// Its blocks: header, trailer and index are read and checked when they are not in memory.
  /// - Throws: `.io`, `.corrupt`, `.truncated`, `.unsupportedVersion`, `.notFound`, naming the file.
  package func directory() throws(StorageError) -> BlockDirectory {
    if let known = context.directories.directory(id, baseLSN: meta.baseLSN) { return known }
    let directory = try load(sections: context.sections)
    context.directories.insert(directory, id)
    let isRetired = known.withLock { known in
      known.blockCount = directory.positions.count
      return known.isRetired
    }
    if isRetired { context.directories.forget(id) }
    return directory
  }

  /// As `directory`, or nil when the segment is damaged: the damage is reported.
  /// - Throws: `.io`, `.unsupportedVersion`, `.notFound`.
  package func directoryIfWhole() throws(StorageError) -> BlockDirectory? {
    if isDamaged { return nil }
    do throws(StorageError) {
      return try directory()
    } catch {
      guard error.code == .corrupt || error.code == .truncated else { throw error }
      known.withLock { $0.isDamaged = true }
      return nil
    }
  }

  /// Bytes of its index as the trailer says, which is not checked. One small read.
  /// - Throws: `.io`, `.truncated`, `.notFound`.
  package func indexByteCount() throws(StorageError) -> Int {
    let start = max(0, meta.byteCount - SegmentFormat.trailerByteCount)
    let fields = try file.bytes((start + 8)..<(start + 16))
    var reader = ByteReader(fields.rawSpan)
    return Int(min(try reader.next(UInt64.self), UInt64(meta.byteCount)))
  }

  /// It was found damaged when the store was opened.
  package func setDamaged() { known.withLock { $0.isDamaged = true } }

  /// What whoever needs a damaged segment is told.
  package var damage: StorageError {
    StorageError(
      .corrupt,
      "readings between \(meta.firstTime) and \(meta.lastTime) ns cannot be read: the index of their "
        + "file is damaged or the file is missing; tsq verify tells what is lost, tsq salvage copies the rest",
      file: file.path)
  }

  /// What is lost when it cannot be read.
  package var loss: Manifest.Damage {
    Manifest.Damage(
      file: FileNames.dataSegment(id), offset: 0, byteCount: meta.byteCount,
      firstLSN: meta.oldestLSN + meta.baseLSN, lastLSN: meta.newestLSN + meta.baseLSN)
  }

  /// The segment is no longer live: memory and descriptor are not kept for it.
  package func retire() {
    known.withLock { $0.isRetired = true }
    context.directories.forget(id)
    file.letGo()
  }

  private func load(sections: BlockCache?) throws(StorageError) -> BlockDirectory {
    do throws(StorageError) {
      let byteCount = try file.byteCount()
      guard byteCount == meta.byteCount else {
        throw StorageError(
          .truncated, "\(byteCount) bytes instead of \(meta.byteCount)", offset: byteCount)
      }
      let tail = try Self.readTail(
        { (range) throws(StorageError) in try file.bytes(range) }, byteCount: byteCount)
      _ = try FileHeader(
        decoding: try file.bytes(0..<SegmentFormat.headerByteCount), magic: SegmentFormat.magic,
        version: SegmentFormat.version, store: context.storeID, id: id)
      let index = try SegmentIndex(
        decoding: tail.index.rawSpan, sectionLimit: tail.sectionEnd, baseLSN: meta.baseLSN)
      guard index.table == meta.table else {
        throw StorageError(.corrupt, "a segment of another table than the manifest says")
      }
      return BlockDirectory(
        index: index, numbers: context.catalog?.numbers(of: index.series) ?? [],
        symbols: context.symbols, source: SegmentSections(file: file, cache: sections),
        baseLSN: meta.baseLSN)
    } catch {
      var located = error
      located.file = file.path
      throw located
    }
  }

  /// What a manifest would say of a file that none names, from its own index.
  /// - Throws: `.io`, `.corrupt`, `.truncated`, `.unsupportedVersion`.
  package static func describe(
    _ context: SegmentContext, id: UInt64
  ) throws(StorageError) -> Manifest.DataSegment {
    let folder = FileNames.path(context.store, FileNames.dataDirectory)
    let file = SegmentFile(
      context.disk, path: FileNames.path(folder, FileNames.dataSegment(id)), id: id,
      open: context.open, pin: context.pin)
    let byteCount = try file.byteCount()
    let tail = try readTail(
      { (range) throws(StorageError) in try file.bytes(range) }, byteCount: byteCount)
    let index = try SegmentIndex(decoding: tail.index.rawSpan, sectionLimit: tail.sectionEnd)
    let blocks = index.blocks.rows + index.shared.table.rows
    var meta = Manifest.DataSegment(
      id: id, table: index.table, rowCount: blocks.reduce(0) { $0 + Int($1.rowCount) },
      byteCount: byteCount, firstTime: blocks.map(\.firstTime).min() ?? 0,
      lastTime: blocks.map(\.lastTime).max() ?? 0, oldestLSN: blocks.map(\.oldestLSN).min() ?? 0,
      newestLSN: blocks.map(\.newestLSN).max() ?? 0, baseLSN: 0)
    for block in blocks { meta.note(lastTime: block.lastTime, isCold: block.isCold) }
    return meta
  }

  /// Reads every byte of a segment and checks it.
  /// - Throws: `.corrupt`, `.truncated`, `.io`.
  package static func verify(
    _ file: any DiskFile, store: StoreID, id: UInt64, byteCount: Int
  ) throws(StorageError) {
    let tail = try readTail(
      { (range) throws(StorageError) in try file.bytes(range) }, byteCount: byteCount)
    let header = try file.bytes(0..<SegmentFormat.headerByteCount)
    _ = try FileHeader(
      decoding: header, magic: SegmentFormat.magic, version: SegmentFormat.version, store: store,
      id: id)
    _ = try SegmentIndex(decoding: tail.index.rawSpan, sectionLimit: tail.sectionEnd)
    var crc: UInt32 = 0
    var offset = 0
    while offset < tail.sectionEnd {
      let end = min(offset + (1 << 20), tail.sectionEnd)
      crc = CRC32C.checksum(try file.bytes(offset..<end), continuing: crc)
      offset = end
    }
    guard crc == tail.sectionsCRC else {
      throw StorageError(.corrupt, "sections fail their checksum", file: file.path, offset: 0)
    }
  }

  private static func readTail(
    _ bytes: (Range<Int>) throws(StorageError) -> [UInt8], byteCount: Int
  ) throws(StorageError) -> (index: [UInt8], sectionEnd: Int, sectionsCRC: UInt32) {
    let minimum = SegmentFormat.headerByteCount + SegmentFormat.trailerByteCount
    guard byteCount >= minimum else {
      throw StorageError(.truncated, "data segment", offset: byteCount)
    }
    let trailerStart = byteCount - SegmentFormat.trailerByteCount
    let trailer = try bytes(trailerStart..<byteCount)
    var reader = ByteReader(trailer.rawSpan)
    let indexOffset = try reader.next(UInt64.self)
    let indexByteCount = try reader.next(UInt64.self)
    let indexCRC = try reader.next(UInt32.self)
    let sectionsCRC = try reader.next(UInt32.self)
    _ = try reader.next(UInt32.self)
    let trailerCRC = try reader.next(UInt32.self)
    guard try reader.next(UInt64.self) == SegmentFormat.trailerMagic,
      trailerCRC == CRC32C.checksum(trailer.rawSpan.extracting(0..<28)),
      indexOffset >= UInt64(SegmentFormat.headerByteCount), indexOffset <= UInt64(trailerStart),
      indexByteCount == UInt64(trailerStart) - indexOffset
    else {
      throw StorageError(
        .corrupt, "trailer fails its check", offset: trailerStart)
    }
    let index = try bytes(Int(indexOffset)..<trailerStart)
    guard CRC32C.checksum(index) == indexCRC else {
      throw StorageError(
        .corrupt, "index fails its checksum", offset: Int(indexOffset))
    }
    return (index, Int(indexOffset), sectionsCRC)
  }
}

/// The sections of one file: read with pread when they are asked for, checked, and kept in the
/// block cache.
private final class SegmentSections: SectionSource {
  private let file: SegmentFile
  private let cache: BlockCache?

  init(file: SegmentFile, cache: BlockCache?) {
    self.file = file
    self.cache = cache
  }

  func bytes(of section: Section) throws(StorageError) -> [UInt8] {
    switch section {
    case .inline(let bytes): return bytes
    case .stored(let offset, let byteCount, let crc):
      if let cached = cache?.bytes(segment: file.id, offset: offset) { return cached }
      let bytes = try file.bytes(offset..<(offset + byteCount))
      guard CRC32C.checksum(bytes) == crc || Planted.has(.sectionUnchecked) else {
        throw StorageError(
          .corrupt, "section fails its checksum", file: file.path, offset: offset)
      }
      cache?.insert(bytes, segment: file.id, offset: offset)
      return bytes
    }
  }
}

extension SeriesCatalog {
  /// The numbers of `keys`, given where they are new. One lock for all.
  func numbers(of keys: SeriesNames) -> [Int32] {
    withLock { index in
      keys.map { Int32(index.number(table: $0.table, device: $0.device, probe: $0.probe)) }
    }
  }
}

extension DiskFile {
  /// Exactly the bytes of `range`.
  /// - Throws: `.truncated` when the file is shorter, `.io`.
  package func bytes(_ range: Range<Int>) throws(StorageError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: range.count)
    let got = try bytes.read(0..<range.count, from: self, at: range.lowerBound)
    guard got == range.count else {
      throw StorageError(
        .truncated, "file ends early", file: path, offset: range.lowerBound + got)
    }
    return bytes
  }
}
