/// The 64-byte header that data and journal segments share.
///
///     magic u64 | version u16 | zeros u16 | flags u32 | store uuid 16 B | id u64 | table u32 |
///     zeros 16 B | crc32c u32 of the 60 bytes before
package struct FileHeader: Sendable, Equatable {
  package static let byteCount = 64
  package var magic: UInt64
  package var version: UInt16
  package var store: StoreID
  package var id: UInt64
  package var table: TableID

  package init(magic: UInt64, version: UInt16, store: StoreID, id: UInt64, table: TableID) {
    self.magic = magic
    self.version = version
    self.store = store
    self.id = id
    self.table = table
  }

  package func bytes() -> [UInt8] {
    var out = ByteWriter(reserving: Self.byteCount)
    out.put(magic)
    out.put(version)
    out.put(UInt16(0))
    out.put(UInt32(0))
    out.put(store.high)
    out.put(store.low)
    out.put(id)
    out.put(table)
    out.pad(to: Self.byteCount - 4)
    out.put(CRC32C.checksum(out.bytes))
    return out.bytes
  }

  /// - Throws: `.truncated`, `.corrupt` (checksum, another store's or another segment's file),
  ///   `.unsupportedVersion`.
  package init(
    decoding bytes: [UInt8], magic: UInt64, version: UInt16, store: StoreID, id: UInt64
  ) throws(StorageError) {
    guard bytes.count >= Self.byteCount else {
      throw StorageError(.truncated, "file header", offset: bytes.count)
    }
    let covered = bytes.rawSpan.extracting(0..<(Self.byteCount - 4))
    var reader = ByteReader(bytes.rawSpan.extracting(0..<Self.byteCount))
    self.magic = try reader.next(UInt64.self)
    self.version = try reader.next(UInt16.self)
    _ = try reader.next(UInt16.self)
    let flags = try reader.next(UInt32.self)
    self.store = StoreID(
      high: try reader.next(UInt64.self), low: try reader.next(UInt64.self))
    self.id = try reader.next(UInt64.self)
    table = try reader.next(UInt32.self)
    _ = try reader.take(16)
    guard self.magic == magic, try reader.next(UInt32.self) == CRC32C.checksum(covered) else {
      throw StorageError(.corrupt, "file header fails its check", offset: 0)
    }
    guard self.version == version, flags == 0 else {
      throw StorageError(
        .unsupportedVersion, "format version \(self.version), flags \(flags)", offset: 8)
    }
    guard self.store == store, self.id == id else {
      throw StorageError(.corrupt, "file of another store or segment", offset: 16)
    }
  }
}
