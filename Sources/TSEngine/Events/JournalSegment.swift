/// A journal segment (FORMAT.md, "Journal segment"): the registry events and operational records
/// of one sealed stretch of the log with their LSNs, and that stretch's commit clock. Kept for ever.
///
///     header, 64 bytes: magic u64 | version u16 | zeros u16 | flags u32 | store uuid 16 B |
///                       segment id u64 | zeros | crc u32
///     chunk:  magic u32 | payload length u32 | header crc u32 | payload crc u32 | payload
///     payload of a record chunk (magic "jrec"): record …
///         record: kind u8 | lsn − lsn before (of this chunk, from 0) varint | length varint | bytes
///     payload of the clock chunk (magic "jclk", last): commit clock
///
/// The header crc of a chunk covers store, segment, its offset, magic, length and payload crc, so a length is
/// trusted before it is used and a misplaced chunk is found out, one of another segment too. Version 1 lacked store
/// and segment; its chunks are read.
package enum JournalSegment {
  package static let magic: UInt64 = 0x316C_6E72_6A71_7374  // "tsqjrnl1"
  package static let version: UInt16 = 2
  package static let headerByteCount = 64
  static let recordChunk: UInt32 = 0x6365_726A  // "jrec"
  static let clockChunk: UInt32 = 0x6B6C_636A  // "jclk"
  static let chunkHeaderByteCount = 16
  static let chunkTarget = 64 << 10
  static let chunkLimit = 16 << 20

  package struct Record: Sendable, Equatable {
    /// A record kind of the log, or a `ProofRecordKind`.
    package var kind: UInt8
    package var lsn: LSN
    package var bytes: [UInt8]
    package init(kind: UInt8, lsn: LSN, bytes: [UInt8]) {
      self.kind = kind
      self.lsn = lsn
      self.bytes = bytes
    }
  }

  package struct Content: Sendable {
    package var records: [Record] = []
    package var clock = CommitClock()
    /// Offset and length of what failed its check.
    package var damaged: [Range<Int>] = []
    /// Of these, what held records, or may have.
    package var lost: [Range<Int>] = []

    mutating func lose(_ range: Range<Int>) {
      damaged.append(range)
      lost.append(range)
    }
  }

  /// What the header crc of a chunk covers first: which segment it is of.
  struct Place {
    fileprivate let sum: UInt32

    init(_ store: StoreID, _ id: UInt64) {
      var out = ByteWriter(reserving: 24)
      out.put(store.high)
      out.put(store.low)
      out.put(id)
      sum = CRC32C.checksum(out.bytes)
    }
  }

  // MARK: Writing

  /// The bytes of a whole segment. `records` in LSN order.
  package static func encode(
    _ records: some Sequence<Record>, clock: CommitClock, store: StoreID, id: UInt64
  ) -> [UInt8] {
    var out = FileHeader(magic: magic, version: version, store: store, id: id, table: 0).bytes()
    let place = Place(store, id)
    var payload = ByteWriter()
    var before: LSN = 0
    for record in records {
      payload.put(record.kind)
      payload.varint(record.lsn - before)
      payload.varint(record.bytes.count)
      payload.append(record.bytes)
      before = record.lsn
      if payload.count >= chunkTarget {
        putChunk(recordChunk, payload.bytes, place, into: &out)
        payload = ByteWriter()
        before = 0
      }
    }
    if payload.count > 0 { putChunk(recordChunk, payload.bytes, place, into: &out) }
    payload = ByteWriter()
    clock.encode(into: &payload)
    putChunk(clockChunk, payload.bytes, place, into: &out)
    return out
  }

  private static func putChunk(_ magic: UInt32, _ payload: [UInt8], _ place: Place, into out: inout [UInt8]) {
    let payloadCRC = CRC32C.checksum(payload)
    var header = ByteWriter(reserving: chunkHeaderByteCount)
    header.put(magic)
    header.put(UInt32(payload.count))
    header.put(headerCRC(magic, UInt32(payload.count), payloadCRC, offset: out.count, place.sum))
    header.put(payloadCRC)
    out.append(contentsOf: header.bytes)
    out.append(contentsOf: payload)
  }

  private static func headerCRC(
    _ magic: UInt32, _ length: UInt32, _ payloadCRC: UInt32, offset: Int, _ place: UInt32
  ) -> UInt32 {
    var covered = ByteWriter(reserving: 20)
    covered.put(UInt64(offset))
    covered.put(magic)
    covered.put(length)
    covered.put(payloadCRC)
    return CRC32C.checksum(covered.bytes, continuing: place)
  }

  // MARK: Reading

  /// Reads a whole segment, setting a damaged header and damaged chunks aside.
  /// - Throws: `.unsupportedVersion`; `.corrupt` for the whole file of another store or segment.
  package static func decode(
    _ bytes: [UInt8], store: StoreID, id: UInt64
  ) throws(StorageError) -> Content {
    var content = Content()
    if let damaged = try damagedHeader(bytes, store: store, id: id) { content.damaged.append(damaged) }
    let place = Place(store, id)
    var offset = headerByteCount
    var sawClock = false
    while offset < bytes.count {
      guard let chunk = chunk(bytes, at: offset, place) else {
        let next = nextChunk(bytes, after: offset, place)
        content.lose(offset..<(next ?? bytes.count))
        offset = next ?? bytes.count
        continue
      }
      let end = offset + chunkHeaderByteCount + chunk.length
      do throws(StorageError) {
        let payload = bytes.rawSpan.extracting((offset + chunkHeaderByteCount)..<end)
        guard CRC32C.checksum(payload) == chunk.crc else {
          throw StorageError(.corrupt, "chunk fails its checksum", offset: offset)
        }
        if chunk.magic == clockChunk {
          var reader = ByteReader(payload)
          content.clock = try CommitClock(decoding: &reader)
          sawClock = true
        } else {
          try decodeRecords(payload, into: &content.records)
        }
      } catch {
        sawClock = sawClock || chunk.magic == clockChunk
        if chunk.magic == clockChunk { content.damaged.append(offset..<end) } else { content.lose(offset..<end) }
      }
      offset = end
    }
    if !sawClock && content.lost.isEmpty { content.lose(offset..<offset) }
    return content
  }

  /// The version that a header names, where it is one that is read.
  private static func header(_ bytes: [UInt8]) -> UInt16 { bytes.count > 8 && bytes[8] == 1 ? 1 : version }

  /// Nil when the header holds; else the bytes that fail.
  static func damagedHeader(
    _ bytes: [UInt8], store: StoreID, id: UInt64
  ) throws(StorageError) -> Range<Int>? {
    do throws(StorageError) {
      _ = try FileHeader(decoding: bytes, magic: magic, version: header(bytes), store: store, id: id)
      return nil
    } catch {
      // Offset 16: the header holds and names something else.
      if error.code == .unsupportedVersion || error.offset == 16 { throw error }
      return 0..<min(headerByteCount, bytes.count)
    }
  }

  /// Where the next whole chunk begins. Its header checks its own offset, so it is known for what it is.
  static func nextChunk(_ bytes: [UInt8], after offset: Int, _ place: Place) -> Int? {
    (offset + 1..<bytes.count).first { chunk(bytes, at: $0, place) != nil }
  }

  private static func chunk(
    _ bytes: [UInt8], at offset: Int, _ place: Place
  ) -> (magic: UInt32, length: Int, crc: UInt32)? {
    let end = min(offset + chunkHeaderByteCount, bytes.count)
    return chunk(bytes.rawSpan.extracting(offset..<end), at: offset, of: bytes.count, place)
  }

  /// - Parameter header: the bytes at `offset` of a file of `byteCount` bytes.
  static func chunk(
    _ header: RawSpan, at offset: Int, of byteCount: Int, _ place: Place
  ) -> (magic: UInt32, length: Int, crc: UInt32)? {
    var reader = ByteReader(header)
    guard let magic = try? reader.next(UInt32.self), let length = try? reader.next(UInt32.self),
      let crc = try? reader.next(UInt32.self), let payloadCRC = try? reader.next(UInt32.self),
      magic == recordChunk || magic == clockChunk,
      crc == headerCRC(magic, length, payloadCRC, offset: offset, place.sum)
        || crc == headerCRC(magic, length, payloadCRC, offset: offset, 0),
      length <= chunkLimit,
      Int(length) <= byteCount - offset - chunkHeaderByteCount
    else { return nil }
    return (magic, Int(length), payloadCRC)
  }

  static func decodeRecords(
    _ payload: RawSpan, into records: inout [Record]
  ) throws(StorageError) {
    var reader = ByteReader(payload)
    var lsn: LSN = 0
    var found: [Record] = []
    while !reader.isAtEnd {
      let kind = try reader.next(UInt8.self)
      let (next, overflow) = lsn.addingReportingOverflow(try reader.varint())
      guard !overflow else { throw StorageError(.corrupt, "records out of order", offset: reader.offset) }
      lsn = next
      let length = try reader.count(limit: reader.remaining)
      found.append(Record(kind: kind, lsn: lsn, bytes: [UInt8](try reader.take(length))))
    }
    records.append(contentsOf: found)
  }
}
