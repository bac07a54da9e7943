import Glibc

/// The first sector of a segment, checked or to be written.
package struct LogSegmentHeader: Equatable, Sendable {
  package var storeID: StoreID
  package var segmentID: UInt64
  /// Greater than every epoch of the log before; batches of the segment have it or a higher one.
  package var epoch: UInt32
  /// The LSN that follows the segment before.
  package var firstLSN: LSN
  /// Header CRC of the last batch of the segment before, or of its header when it has no batch;
  /// 0 in the first segment.
  package var previousCRC: UInt32

  func encoded() -> [UInt8] {
    typealias F = LogFormat.SegmentHeader
    var writer = ByteWriter(reserving: F.byteCount)
    writer.put(F.magic)
    writer.put(LogFormat.version)
    writer.put(UInt32(0))
    writer.put(storeID.high)
    writer.put(storeID.low)
    writer.put(segmentID)
    writer.put(epoch)
    writer.put(previousCRC)
    writer.put(firstLSN)
    writer.bytes.appendZeros(F.crcOffset - writer.count)
    writer.put(CRC32C.checksum(writer.bytes))
    return writer.bytes
  }

  /// The checksum at the end, which the chain of batches starts from.
  static func crc(of encoded: [UInt8]) -> UInt32 {
    encoded.rawSpan.uint32(at: LogFormat.SegmentHeader.crcOffset)
  }

  /// - Throws: `.truncated`, `.corrupt`, `.unsupportedVersion`.
  init(decoding bytes: RawSpan) throws(StorageError) {
    typealias F = LogFormat.SegmentHeader
    guard bytes.byteCount >= F.byteCount else {
      throw StorageError(.truncated, "short segment header", offset: bytes.byteCount)
    }
    guard bytes.uint64(at: F.magicOffset) == F.magic else {
      throw StorageError(.corrupt, "not a log segment", offset: 0)
    }
    let crc = CRC32C.checksum(bytes.extracting(0..<F.crcOffset))
    guard crc == bytes.uint32(at: F.crcOffset) else {
      throw StorageError(.corrupt, "checksum of the segment header", offset: 0)
    }
    // After the checksum, so that a flipped bit is not taken for a newer version.
    guard bytes.uint32(at: F.versionOffset) == LogFormat.version,
      bytes.uint32(at: F.flagsOffset) == 0
    else {
      let found = bytes.uint32(at: F.versionOffset)
      throw StorageError(.unsupportedVersion, "log segment of version \(found)", offset: 8)
    }
    storeID = StoreID(
      high: bytes.uint64(at: F.storeIDOffset), low: bytes.uint64(at: F.storeIDOffset + 8))
    segmentID = bytes.uint64(at: F.segmentIDOffset)
    epoch = bytes.uint32(at: F.epochOffset)
    previousCRC = bytes.uint32(at: F.previousCRCOffset)
    firstLSN = bytes.uint64(at: F.firstLSNOffset)
  }

  /// The checked header of the file at `path`.
  static func read(_ disk: any Disk, _ path: String) throws(StorageError) -> LogSegmentHeader {
    let file = try disk.open(path, .read)
    defer { file.close() }
    let bytes = try file.bytes(0..<LogFormat.SegmentHeader.byteCount)
    return try LogSegmentHeader(decoding: bytes.rawSpan)
  }

  init(
    storeID: StoreID, segmentID: UInt64, epoch: UInt32, firstLSN: LSN, previousCRC: UInt32
  ) {
    self.storeID = storeID
    self.segmentID = segmentID
    self.epoch = epoch
    self.firstLSN = firstLSN
    self.previousCRC = previousCRC
  }
}

/// The 64 bytes before the payload of a batch.
package struct LogBatchHeader: Equatable, Sendable {
  package var payloadByteCount: Int
  package var payloadCRC: UInt32
  package var firstLSN: LSN
  package var lsnCount: UInt32
  /// Header CRC of the batch before, or of the segment header.
  package var previousCRC: UInt32
  /// The last LSN that was durable when this batch was written.
  package var durableLSN: LSN
  package var commitNanos: Int64
  package var epoch: UInt32
  /// How many sectors of this segment, from its start, were durable when this batch was written:
  /// the witness that a bad batch before it was acknowledged.
  package var durableSectors: UInt32
  package var segmentID: UInt64

  /// The LSN after this batch.
  package var nextLSN: LSN { firstLSN &+ UInt64(lsnCount) }

  /// What the header's checksum starts from: where the batch lies.
  struct Place: Sendable {
    private let prefix: UInt32

    init(storeID: StoreID, segmentID: UInt64) {
      var writer = ByteWriter(reserving: 24)
      writer.put(storeID.high)
      writer.put(storeID.low)
      writer.put(segmentID)
      prefix = CRC32C.checksum(writer.bytes)
    }

    /// CRC32C of store id, segment id, offset, and the header without its CRC field.
    func crc(ofHeader header: RawSpan, at offset: Int) -> UInt32 {
      typealias F = LogFormat.BatchHeader
      var offset = UInt64(offset).littleEndian
      var crc = unsafe withUnsafeBytes(of: &offset) { raw in
        // SAFETY: `raw` covers the eight bytes of `offset` during the closure.
        unsafe CRC32C.checksum(RawSpan(_unsafeBytes: raw), continuing: prefix)
      }
      crc = CRC32C.checksum(header.extracting(0..<F.headerCRCOffset), continuing: crc)
      return CRC32C.checksum(
        header.extracting((F.headerCRCOffset + 4)..<F.byteCount), continuing: crc)
    }
  }

  /// Writes the header over the first 64 bytes of `batch` and returns its CRC.
  func encode(over batch: inout ByteWriter, place: Place, offset: Int) -> UInt32 {
    typealias F = LogFormat.BatchHeader
    batch.patch(F.magic, at: F.magicOffset)
    batch.patch(UInt32(payloadByteCount), at: F.payloadByteCountOffset)
    batch.patch(payloadCRC, at: F.payloadCRCOffset)
    batch.patch(firstLSN, at: F.firstLSNOffset)
    batch.patch(lsnCount, at: F.lsnCountOffset)
    batch.patch(previousCRC, at: F.previousCRCOffset)
    batch.patch(durableLSN, at: F.durableLSNOffset)
    batch.patch(commitNanos, at: F.commitNanosOffset)
    batch.patch(epoch, at: F.epochOffset)
    batch.patch(durableSectors, at: F.durableSectorsOffset)
    batch.patch(segmentID, at: F.segmentIDOffset)
    let crc = place.crc(ofHeader: batch.bytes.rawSpan, at: offset)
    batch.patch(crc, at: F.headerCRCOffset)
    return crc
  }

  /// The header in the first 64 bytes of `bytes` and its CRC; nil when its checksum, for a batch at
  /// `offset` of the segment, does not hold. Only a header that is not nil may be believed in any
  /// field.
  static func decode(
    _ bytes: RawSpan, place: Place, segmentID: UInt64, offset: Int
  ) -> (header: LogBatchHeader, crc: UInt32)? {
    typealias F = LogFormat.BatchHeader
    guard bytes.byteCount >= F.byteCount, bytes.uint32(at: F.magicOffset) == F.magic else {
      return nil
    }
    let crc = bytes.uint32(at: F.headerCRCOffset)
    guard place.crc(ofHeader: bytes, at: offset) == crc || Planted.has(.headerUnchecked) else { return nil }
    let header = LogBatchHeader(
      payloadByteCount: Int(bytes.uint32(at: F.payloadByteCountOffset)),
      payloadCRC: bytes.uint32(at: F.payloadCRCOffset),
      firstLSN: bytes.uint64(at: F.firstLSNOffset),
      lsnCount: bytes.uint32(at: F.lsnCountOffset),
      previousCRC: bytes.uint32(at: F.previousCRCOffset),
      durableLSN: bytes.uint64(at: F.durableLSNOffset),
      commitNanos: Int64(bitPattern: bytes.uint64(at: F.commitNanosOffset)),
      epoch: bytes.uint32(at: F.epochOffset),
      durableSectors: bytes.uint32(at: F.durableSectorsOffset),
      segmentID: bytes.uint64(at: F.segmentIDOffset))
    // Under a good checksum these are a writer's mistake; such a batch is not to be used either.
    guard header.payloadByteCount <= LogFormat.maximumPayloadByteCount,
      header.segmentID == segmentID, header.firstLSN > 0,
      header.firstLSN <= .max - UInt64(header.lsnCount)
    else { return nil }
    return (header, crc)
  }
}

extension RawSpan {
  /// Precondition: in bounds. For fields of headers whose size was checked.
  func uint32(at offset: Int) -> UInt32 {
    precondition(offset >= 0 && offset <= byteCount - 4, "field in bounds")
    // SAFETY: the precondition proves the bounds.
    return UInt32(
      littleEndian: unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt32.self))
  }

  /// Precondition: in bounds.
  func uint64(at offset: Int) -> UInt64 {
    precondition(offset >= 0 && offset <= byteCount - 8, "field in bounds")
    // SAFETY: the precondition proves the bounds.
    return UInt64(
      littleEndian: unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self))
  }

  /// Whether every byte is zero. O(n), at the speed of memcmp.
  var isZero: Bool {
    unsafe withUnsafeBytes { raw in
      guard let base = raw.baseAddress, raw.count > 0 else { return true }
      // SAFETY: both runs of count - 1 bytes lie in `raw`. Bytes that equal their successors all
      // equal the first.
      return unsafe raw[0] == 0 && memcmp(base, base + 1, raw.count - 1) == 0
    }
  }
}
