/// Numbers of the registry checkpoint's file (FORMAT.md, section 18).
///
///     | file header, 64 B | journals chunk | clock chunk … | chain chunk | part chunk … | end chunk |
enum RegistryCheckpointFormat {
  /// `tsqregi1`, little-endian.
  static let magic: UInt64 = 0x3169_6765_7271_7374
  static let version: UInt16 = 1
  /// Bytes of the registry in one chunk.
  static let partByteCount = 1 << 20

  /// Entries of the clock in one chunk.
  static let clockPartCount = 1 << 14

  /// Over kinds and payloads of all chunks before the end chunk, which has it: a chunk of another file at the same
  /// place passes its own check.
  static func checksum(_ kind: Kind, _ payload: [UInt8], continuing crc: UInt32) -> UInt32 {
    CRC32C.checksum(payload, continuing: CRC32C.checksum([kind.rawValue], continuing: crc))
  }

  enum Kind: UInt8 {
    case journals = 1, clock = 2, chain = 3, part = 4, end = 5
  }

  /// What it stands for: the journal segments of content 1 up to an LSN, all of them and no others.
  struct Journals: Equatable, Sendable {
    var lsn: LSN
    var count: Int
    var crc: UInt32
    /// Events they hold.
    var eventCount: Int
    /// `JournalReader.fingerprint` of the newest of them, whose chain link binds all before it.
    var newestCRC: UInt32

    /// - Parameter journals: of content 1, up to `lsn`, in order of their LSNs.
    init(
      _ journals: some Sequence<Manifest.JournalSegment>, through lsn: LSN, eventCount: Int, newestCRC: UInt32
    ) {
      self.lsn = lsn
      self.eventCount = eventCount
      self.newestCRC = newestCRC
      (count, crc) = (0, 0)
      for journal in journals {
        var edit = ByteWriter()
        ManifestEdit.addJournal(journal).encode(into: &edit)
        crc = CRC32C.checksum(edit.bytes, continuing: crc)
        count += 1
      }
    }

    init(decoding payload: [UInt8]) throws(StorageError) {
      var reader = ByteReader(payload.rawSpan)
      lsn = try reader.varint()
      count = try reader.count(limit: .max)
      crc = try reader.next(UInt32.self)
      eventCount = try reader.count(limit: .max)
      newestCRC = try reader.next(UInt32.self)
    }

    func encoded() -> [UInt8] {
      var out = ByteWriter()
      out.varint(lsn)
      out.varint(count)
      out.put(crc)
      out.varint(eventCount)
      out.put(newestCRC)
      return out.bytes
    }
  }
}

extension Manifest {
  /// Journal segments whose events make the registry as of `lsn`, in order.
  func registryJournals(through lsn: LSN) -> [JournalSegment] {
    journals.filter { $0.content == .registry && $0.newestLSN <= lsn }.sorted { $0.oldestLSN < $1.oldestLSN }
  }
}
