/// The bytes of the log. Docs/FORMAT.md, "The log", is normative; every number exists here once.
/// All integers are little-endian.
///
///     segment   +----------+---------+---------+ ... +--------------------+
///               | header   | batch 0 | batch 1 |     | zeros (written     |
///               | 4096 B   |         |         |     | ahead) or nothing  |
///               +----------+---------+---------+ ... +--------------------+
///
///     header    0      8        12       16         32          40      44     48
///               | magic | version | flags | store id | segment id | epoch | prev | first LSN |
///               56 ... 4092 zeros, 4092 CRC32C of bytes 0 ..< 4092
///
///     batch     0       4            8        12         16
///               | magic | header CRC | length | data CRC | first LSN |
///               24          28         32            40            48
///               | LSN count | prev CRC | durable LSN | commit time | epoch |
///               52                56
///               | durable sectors | segment id |
///               64 payload: records; then zeros to the next multiple of 4096 of the file
///
///     record    | kind u8 | length varint | body |
package enum LogFormat {
  package static let version: UInt32 = 1
  /// Batches begin on these; a later append never rewrites a sector with acknowledged bytes.
  package static let sectorByteCount = 4096
  /// Payload of one batch at most.
  package static let maximumPayloadByteCount = 16 << 20

  enum SegmentHeader {
    /// "TSQLOG\0\1"
    static let magic: UInt64 = 0x0100_474F_4C51_5354
    static let magicOffset = 0
    static let versionOffset = 8
    static let flagsOffset = 12
    static let storeIDOffset = 16
    static let segmentIDOffset = 32
    static let epochOffset = 40
    static let previousCRCOffset = 44
    static let firstLSNOffset = 48
    static let usedByteCount = 56
    static let crcOffset = 4092
    static let byteCount = 4096
  }

  enum BatchHeader {
    /// "TSQB"
    static let magic: UInt32 = 0x4251_5354
    static let magicOffset = 0
    static let headerCRCOffset = 4
    static let payloadByteCountOffset = 8
    static let payloadCRCOffset = 12
    static let firstLSNOffset = 16
    static let lsnCountOffset = 24
    static let previousCRCOffset = 28
    static let durableLSNOffset = 32
    static let commitNanosOffset = 40
    static let epochOffset = 48
    static let durableSectorsOffset = 52
    static let segmentIDOffset = 56
    static let byteCount = 64
  }

  /// The first multiple of the sector size at or after `offset`.
  static func sectorCeiling(_ offset: Int) -> Int {
    (offset &+ sectorByteCount &- 1) & ~(sectorByteCount &- 1)
  }
}

/// What a record is. Numbers are never reused; 0 is reserved so that zeros are no record. A reader
/// that meets a kind it does not know refuses the batch (`.unsupportedVersion`): it could not tell
/// whether the record takes an LSN.
package enum LogRecordKind: UInt8, Sendable, CaseIterable {
  /// Readings of one device in one message.
  case frame = 1
  /// A registry event.
  case event = 2
  /// An operational record (a row of a system table).
  case message = 3
  /// LSNs that damage made unreadable; see `LogGap`. Takes no LSN.
  case gap = 4
  /// Nothing but a witness that what lies before it is durable; see `LogSeal`. Takes no LSN.
  case seal = 5
  /// An edit of the manifest; only in the manifest's own log.
  case edit = 6

  package var takesLSN: Bool {
    switch self {
    case .frame, .event, .message, .edit: true
    case .gap, .seal: false
    }
  }
}

/// Body of a `gap`: LSNs that are burned, never to be given again.
///
///     | first u64 | last u64 |
package struct LogGap: Equatable, Sendable {
  package var lsns: ClosedRange<LSN>

  package init(_ lsns: ClosedRange<LSN>) { self.lsns = lsns }

  package init(decoding body: RawSpan) throws(StorageError) {
    var reader = ByteReader(body)
    let first = try reader.next(UInt64.self)
    let last = try reader.next(UInt64.self)
    guard first > 0, first <= last, reader.isAtEnd else {
      throw StorageError(.corrupt, "gap record out of order")
    }
    lsns = first...last
  }

  func encode(into writer: inout ByteWriter) {
    writer.put(lsns.lowerBound)
    writer.put(lsns.upperBound)
  }
}

/// Body of a `seal`: why it was written, and what the segment holds before it.
///
///     | reason u8 | batches u64 | first LSN u64 | next LSN u64 |
///     | first commit i64 | last commit i64 |
package struct LogSeal: Equatable, Sendable {
  package enum Reason: UInt8, Sendable {
    /// The log fell silent: witness for the batch before.
    case idle = 1
    /// The segment is complete.
    case rotate = 2
    /// The segment is complete and the store was closed in order.
    case close = 3
  }
  package var reason: Reason
  package var batchCount: UInt64
  package var firstLSN: LSN
  package var nextLSN: LSN
  package var firstCommitNanos: Int64
  package var lastCommitNanos: Int64

  package init(
    reason: Reason, batchCount: UInt64, firstLSN: LSN, nextLSN: LSN, firstCommitNanos: Int64,
    lastCommitNanos: Int64
  ) {
    self.reason = reason
    self.batchCount = batchCount
    self.firstLSN = firstLSN
    self.nextLSN = nextLSN
    self.firstCommitNanos = firstCommitNanos
    self.lastCommitNanos = lastCommitNanos
  }

  package init(decoding body: RawSpan) throws(StorageError) {
    var reader = ByteReader(body)
    guard let reason = Reason(rawValue: try reader.next(UInt8.self)) else {
      throw StorageError(.corrupt, "unknown reason of a seal")
    }
    self.reason = reason
    batchCount = try reader.next(UInt64.self)
    firstLSN = try reader.next(UInt64.self)
    nextLSN = try reader.next(UInt64.self)
    firstCommitNanos = try reader.next(Int64.self)
    lastCommitNanos = try reader.next(Int64.self)
    guard reader.isAtEnd else { throw StorageError(.corrupt, "seal record too long") }
  }

  func encode(into writer: inout ByteWriter) {
    writer.put(reason.rawValue)
    writer.put(batchCount)
    writer.put(firstLSN)
    writer.put(nextLSN)
    writer.put(firstCommitNanos)
    writer.put(lastCommitNanos)
  }
}

/// Names a store for ever; part of every checksum, so that a foreign file cannot pass.
package struct StoreID: Hashable, Sendable {
  package let high: UInt64
  package let low: UInt64

  package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  package static func random(_ rng: any RNG) -> StoreID {
    var bytes = [UInt8](repeating: 0, count: 16)
    var span = bytes.mutableSpan
    // SAFETY: a UInt8 has no padding, and any value of a byte is a UInt8.
    var raw = unsafe span.mutableBytes
    rng.fill(&raw)
    var words: [UInt64] = [0, 0]
    for index in 0..<16 { words[index / 8] |= UInt64(bytes[index]) << UInt64(8 * (index % 8)) }
    return StoreID(high: words[0], low: words[1])
  }
}
