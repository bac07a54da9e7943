/// Reads the journal segments of one store, whole or a chunk at a time.
package struct JournalReader: Sendable {
  let disk: any Disk
  let directory: String
  let storeID: StoreID

  func read(_ journal: Manifest.JournalSegment) throws(StorageError) -> JournalSegment.Content {
    try JournalSegment.read(disk, directory: directory, store: storeID, journal)
  }

  /// The chunk of a segment at `offset`, 0 for the first one.
  /// - Throws: `.io`, `.notFound`; `.corrupt` and its kin when the whole file is none of this store's.
  func part(of id: UInt64, at offset: Int) throws(StorageError) -> JournalSegment.Part {
    let folder = FileNames.path(directory, FileNames.journalDirectory)
    let file = try disk.open(FileNames.path(folder, FileNames.journalSegment(id)), .read)
    defer { file.close() }
    return try JournalSegment.part(of: file, at: offset, store: storeID, id: id)
  }

  /// Where the last chunk begins whose first record is at or below `lsn`: what lies before it is below `lsn` too. 0 for
  /// the first one, and where it cannot be told.
  ///
  /// What is passed over is not checked. A first LSN that is damaged brings the search to no later chunk than one that
  /// is read, and so checked, or that an undamaged one behind it shows to be below `lsn`.
  /// - Throws: `.io`.
  /// - Complexity: reads 32 bytes of every 64 KiB up to there.
  func chunk(of journal: Manifest.JournalSegment, with lsn: LSN) throws(StorageError) -> Int {
    let folder = FileNames.path(directory, FileNames.journalDirectory)
    let place = JournalSegment.Place(storeID, journal.id)
    let (first, headByteCount) = (JournalSegment.headerByteCount, JournalSegment.chunkHeaderByteCount)
    do throws(StorageError) {
      let file = try disk.open(FileNames.path(folder, FileNames.journalSegment(journal.id)), .read)
      defer { file.close() }
      let byteCount = try file.byteCount()
      let header = try file.bytes(0..<min(first, byteCount))
      guard try JournalSegment.damagedHeader(header, store: storeID, id: journal.id) == nil else { return 0 }
      var (offset, found) = (first, 0)
      while offset + headByteCount < byteCount {
        let head = try file.bytes(offset..<min(offset + headByteCount + 16, byteCount))
        guard
          let chunk = JournalSegment.chunk(
            head.rawSpan.extracting(0..<headByteCount), at: offset, of: byteCount, place),
          chunk.magic == JournalSegment.recordChunk
        else { break }
        var record = ByteReader(head.rawSpan.extracting(headByteCount..<head.count))
        _ = try record.next(UInt8.self)
        guard try record.varint() <= lsn else { break }
        found = offset
        offset += headByteCount + chunk.length
      }
      return found == first ? 0 : found
    } catch {
      guard error.isDamage else { throw error }
      return 0
    }
  }

  /// CRC of the headers of all chunks of a segment, which have the CRCs of what is in them: another for
  /// another content. Nil where the file is not as long as it was, one of them is damaged or the clock is not the last.
  /// - Throws: `.io`.
  /// - Complexity: reads 16 bytes of every 64 KiB.
  func fingerprint(of journal: Manifest.JournalSegment) throws(StorageError) -> UInt32? {
    let folder = FileNames.path(directory, FileNames.journalDirectory)
    let place = JournalSegment.Place(storeID, journal.id)
    do throws(StorageError) {
      let file = try disk.open(FileNames.path(folder, FileNames.journalSegment(journal.id)), .read)
      defer { file.close() }
      let byteCount = try file.byteCount()
      guard byteCount == journal.byteCount else { return nil }
      var (crc, offset, isEnded) = (UInt32(0), JournalSegment.headerByteCount, false)
      while offset < byteCount {
        let head = try file.bytes(offset..<min(offset + JournalSegment.chunkHeaderByteCount, byteCount))
        guard !isEnded, let chunk = JournalSegment.chunk(head.rawSpan, at: offset, of: byteCount, place) else {
          return nil
        }
        isEnded = chunk.magic == JournalSegment.clockChunk
        crc = CRC32C.checksum(head, continuing: crc)
        offset += JournalSegment.chunkHeaderByteCount + chunk.length
      }
      return isEnded ? crc : nil
    } catch {
      guard error.code == .notFound || error.code == .truncated else { throw error }
      return nil
    }
  }
}

extension JournalSegment {
  /// As the manifest has it: a whole chunk of another segment, misplaced, passes its check in version 1, and is
  /// known by its LSNs; then nothing of the segment is believed.
  static func read(
    _ disk: any Disk, directory: String, store: StoreID, _ journal: Manifest.JournalSegment
  ) throws(StorageError) -> Content {
    var content = try read(disk, directory: directory, store: store, id: journal.id)
    let isRising = zip(content.records, content.records.dropFirst()).allSatisfy { $0.lsn <= $1.lsn }
    guard isRising, content.records.allSatisfy(journal.holds) else {
      content.records = []
      content.lose(0..<journal.byteCount)
      return content
    }
    return content
  }

  /// One chunk of a segment, or the damage that stands where one should be.
  struct Part {
    var records: [Record] = []
    /// What fails its check.
    private(set) var damaged: [Range<Int>] = []
    /// Of these, what held records, or may have.
    private(set) var lost: Range<Int>?
    /// Where the next chunk begins; nil at the end of the file.
    var next: Int?

    mutating func damage(_ range: Range<Int>) { damaged.append(range) }

    mutating func lose(_ range: Range<Int>) {
      damaged.append(range)
      lost = range
    }

    /// Of a planted bug.
    mutating func ignoreDamage() { (damaged, lost) = ([], nil) }
  }

  /// Finds damaged what `decode` does; the clock is checked, not decoded.
  static func part(
    of file: any DiskFile, at offset: Int, store: StoreID, id: UInt64
  ) throws(StorageError) -> Part {
    let byteCount = try file.byteCount()
    var part = Part()
    if offset == 0 {
      let header = try file.bytes(0..<min(headerByteCount, byteCount))
      if let damaged = try damagedHeader(header, store: store, id: id) { part.damage(damaged) }
    }
    let start = max(offset, headerByteCount)
    let head = start < byteCount ? try file.bytes(start..<min(start + chunkHeaderByteCount, byteCount)) : []
    let place = Place(store, id)
    guard let chunk = chunk(head.rawSpan, at: start, of: byteCount, place) else {
      // Rare: the next whole chunk is looked for in all of it.
      part.next = start < byteCount ? nextChunk(try file.bytes(0..<byteCount), after: start, place) : nil
      part.lose(start..<(part.next ?? max(start, byteCount)))
      return part
    }
    let (body, end) = (start + chunkHeaderByteCount, start + chunkHeaderByteCount + chunk.length)
    if end < byteCount { part.next = end }
    let payload = try file.bytes(body..<end)
    let isWhole = CRC32C.checksum(payload) == chunk.crc
    guard chunk.magic == recordChunk else {
      if !isWhole { part.damage(start..<end) }
      return part
    }
    do throws(StorageError) {
      guard isWhole else { throw StorageError(.corrupt, "chunk fails its checksum", offset: start) }
      try decodeRecords(payload.rawSpan, into: &part.records)
      // A segment ends with its clock: one that ends before it was cut off.
      if end == byteCount { part.lose(end..<end) }
    } catch {
      guard error.isDamage else { throw error }
      part.records = []
      part.lose(start..<end)
    }
    return part
  }
}
