/// Writes one data segment: blocks in order of (series, kind, time), then index and trailer. The
/// file comes to its name only when all of it is durable and was read back and checked.
package struct DataSegmentWriter: BlockSink, ~Copyable {
  private static let flushByteCount = 1 << 20

  private let disk: any Disk
  private let directory: String
  private let store: StoreID
  private let id: UInt64
  private let schema: TableSchema
  private let file: any DiskFile

  private var pending = ByteWriter()
  private var pendingOffset = 0
  private var sectionsCRC: UInt32 = 0
  private var series: [SeriesKey] = []
  private var blocks: [BlockEntry] = []
  private var shared: [SegmentIndex.Shared] = []
  /// Rows that wait for more of their kind, and who builds their block.
  private var few: [BlockBuilder.Few] = []
  private var fewRowCount = 0
  private var builder: BlockBuilder?

  /// Creates the unfinished file, replacing one that a crash left behind.
  /// - Throws: `.io`, `.diskFull`.
  package init(
    _ disk: any Disk, directory: String, store: StoreID, id: UInt64, schema: TableSchema
  ) throws(StorageError) {
    self.disk = disk
    self.directory = directory
    self.store = store
    self.id = id
    self.schema = schema
    let temporary = FileNames.path(
      directory, FileNames.temporary(FileNames.dataSegment(id)))
    if disk.exists(temporary) { try disk.remove(temporary) }
    file = try disk.open(temporary, .create)
    pending.append(
      FileHeader(
        magic: SegmentFormat.magic, version: SegmentFormat.version, store: store, id: id,
        table: schema.id
      ).bytes())
  }

  package var isEmpty: Bool { blocks.isEmpty && shared.isEmpty && few.isEmpty }
  package var byteCount: Int { pendingOffset + pending.count }

  package mutating func append(
    _ block: BlockBuilder.Built, of key: SeriesKey
  ) throws(StorageError) {
    add(block, series: note(key))
    if pending.count >= Self.flushByteCount { try flush() }
  }

  package mutating func append(
    few rows: RowSet, of key: SeriesKey, _ builder: BlockBuilder
  ) throws(StorageError) {
    if self.builder == nil { self.builder = builder }
    few.append(BlockBuilder.Few(series: note(key), rows: rows))
    fewRowCount += rows.count
    if fewRowCount >= builder.sharing.blockRows { endShared() }
    if pending.count >= Self.flushByteCount { try flush() }
  }

  /// The number of `key` in this file.
  private mutating func note(_ key: SeriesKey) -> Int {
    if series.last != key {
      precondition(series.last.map { $0 < key } ?? true, "series out of order")
      series.append(key)
    }
    return series.count - 1
  }

  /// Makes a shared block of the rows that wait; blocks of their own where they are of few.
  private mutating func endShared() {
    // Taken out and put back, so that its scratch is not copied.
    guard !few.isEmpty, var builder = builder.take() else { return }
    if few.count < builder.sharing.leastMembers {
      for part in few { add(builder.build(part.rows, series: 0), series: part.series) }
    } else {
      var built = builder.build(few)
      let before = shared.last?.entry
      built.block.entry = placed(built.block, before)
      shared.append(SegmentIndex.Shared(entry: built.block.entry, members: built.members))
    }
    self.builder = builder
    few.removeAll(keepingCapacity: true)
    fewRowCount = 0
  }

  private mutating func add(_ block: BlockBuilder.Built, series: Int) {
    var entry = placed(block, blocks.last)
    entry.series = series
    blocks.append(entry)
  }

  /// The entry of `block`, whose sections come to lie in the file.
  private mutating func placed(_ block: BlockBuilder.Built, _ before: BlockEntry?) -> BlockEntry {
    var entry = block.entry
    // Sections that repeat the block before (times and LSN runs of sibling probes) share its bytes.
    entry.timeSection = place(entry.timeSection, block.bytes, same: before?.timeSection)
    entry.lsnSection = place(entry.lsnSection, block.bytes, same: before?.lsnSection)
    for index in entry.columns.indices {
      let same = before?.column(entry.columns[index].id)?.section
      entry.columns[index].section =
        place(entry.columns[index].section, block.bytes, same: same) ?? .inline([])
    }
    return entry
  }

  private mutating func place(
    _ section: Section?, _ bytes: [UInt8], same: Section?
  ) -> Section? {
    guard case .stored(let offset, let byteCount, let crc)? = section else { return section }
    if case .stored(let place, byteCount, crc)? = same, isPending(place, byteCount),
      pending.bytes[(place - pendingOffset)...].prefix(byteCount)
        == bytes[offset..<(offset + byteCount)]
    {
      return same
    }
    let place = pendingOffset + pending.count
    pending.bytes.append(contentsOf: bytes[offset..<(offset + byteCount)])
    return .stored(offset: place, byteCount: byteCount, crc: crc)
  }

  private func isPending(_ offset: Int, _ byteCount: Int) -> Bool {
    offset >= pendingOffset && offset + byteCount <= pendingOffset + pending.count
  }

  private mutating func flush() throws(StorageError) {
    sectionsCRC = CRC32C.checksum(pending.bytes, continuing: sectionsCRC)
    try file.write(pending.bytes.rawSpan, at: pendingOffset)
    // Little by little: what the sync would write at once, those of the log would wait for.
    file.startWriteback(pendingOffset..<(pendingOffset + pending.count))
    pendingOffset += pending.count
    pending.bytes.removeAll(keepingCapacity: true)
  }

  /// Writes index and trailer, makes the file durable, reads it back from the device and gives it
  /// its name. No file is left when that fails.
  /// - Returns: what the manifest says of it.
  /// - Throws: `.io`, `.diskFull`; `.corrupt` when what was read back is not what was written.
  package consuming func finish() throws(StorageError) -> Manifest.DataSegment {
    do throws(StorageError) {
      let byteCount = try writeTail()
      // The log goes for this: what memory holds proves nothing.
      try file.discardCached()
      try DataSegmentReader.verify(file, store: store, id: id, byteCount: byteCount)
      file.close()
      try publish()
      return meta(byteCount: byteCount)
    } catch {
      abandon()
      throw error
    }
  }

  /// - Returns: bytes of the whole file, which is durable.
  private mutating func writeTail() throws(StorageError) -> Int {
    endShared()
    try flush()
    // Blocks that waited to be shared and were not came behind their place.
    if !zip(blocks, blocks.dropFirst()).allSatisfy({ !BlockEntry.isBefore($1, $0) }) {
      blocks.sort(by: BlockEntry.isBefore)
    }
    let sectionEnd = pendingOffset
    var tail = ByteWriter()
    SegmentIndex.encode(
      table: schema.id, columns: schema.columns, series: series, blocks: blocks, shared: shared,
      into: &tail)
    let indexByteCount = tail.count
    var trailer = ByteWriter(reserving: SegmentFormat.trailerByteCount)
    trailer.put(UInt64(sectionEnd))
    trailer.put(UInt64(indexByteCount))
    trailer.put(CRC32C.checksum(tail.bytes))
    trailer.put(sectionsCRC)
    trailer.put(UInt32(0))
    trailer.put(CRC32C.checksum(trailer.bytes))
    trailer.put(SegmentFormat.trailerMagic)
    tail.append(trailer.bytes)
    try file.write(tail.bytes.rawSpan, at: sectionEnd)
    try file.sync()
    return sectionEnd + tail.count
  }

  private func publish() throws(StorageError) {
    let name = FileNames.dataSegment(id)
    let path = FileNames.path(directory, name)
    try disk.rename(FileNames.path(directory, FileNames.temporary(name)), to: path)
    do throws(StorageError) {
      try disk.syncDirectory(directory)
    } catch {
      try? disk.remove(path)
      throw error
    }
  }

  private func meta(byteCount: Int) -> Manifest.DataSegment {
    let all = blocks + shared.map(\.entry)
    var meta = Manifest.DataSegment(
      id: id, table: schema.id, rowCount: all.reduce(0) { $0 + $1.rowCount },
      byteCount: byteCount, firstTime: all.map(\.firstTime).min() ?? 0,
      lastTime: all.map(\.lastTime).max() ?? 0, oldestLSN: all.map(\.oldestLSN).min() ?? 0,
      newestLSN: all.map(\.newestLSN).max() ?? 0)
    for block in all { meta.note(lastTime: block.lastTime, isCold: block.isCold) }
    return meta
  }

  /// Gives up: closes and removes the unfinished file.
  package consuming func abandon() {
    file.close()
    let temporary = FileNames.path(directory, FileNames.temporary(FileNames.dataSegment(id)))
    if disk.exists(temporary) { try? disk.remove(temporary) }
  }
}
