/// The file STORE: what this folder is (FORMAT.md, "STORE"). Written once, when the store is made.
///
///     magic u64 | format version u32 | minimum reader version u32 | flags u64 | store uuid 16 B |
///     created i64 | crc32c u32 of the 48 bytes before
package struct StoreFile: Sendable, Equatable {
  static let magic: UInt64 = 0x0065_726F_7471_7374  // "tsqtore\0"
  package static let version: UInt32 = 1
  static let byteCount = 52

  package var id: StoreID
  /// Nanoseconds since the Unix epoch.
  package var createdAt: Int64

  package func bytes() -> [UInt8] {
    var out = ByteWriter(reserving: Self.byteCount)
    out.put(Self.magic)
    out.put(Self.version)
    out.put(Self.version)
    out.put(UInt64(0))
    out.put(id.high)
    out.put(id.low)
    out.put(createdAt)
    out.put(CRC32C.checksum(out.bytes))
    return out.bytes
  }

  package init(id: StoreID, createdAt: Int64) {
    self.id = id
    self.createdAt = createdAt
  }

  /// - Throws: `.corrupt`, `.truncated`, `.unsupportedVersion`.
  package init(decoding bytes: [UInt8]) throws(StorageError) {
    var reader = ByteReader(bytes.rawSpan)
    guard try reader.next(UInt64.self) == Self.magic else {
      throw StorageError(.corrupt, "not a store", offset: 0)
    }
    _ = try reader.next(UInt32.self)
    let minimumReader = try reader.next(UInt32.self)
    let flags = try reader.next(UInt64.self)
    id = StoreID(high: try reader.next(UInt64.self), low: try reader.next(UInt64.self))
    createdAt = try reader.next(Int64.self)
    let covered = bytes.rawSpan.extracting(0..<(Self.byteCount - 4))
    guard try reader.next(UInt32.self) == CRC32C.checksum(covered), reader.isAtEnd else {
      throw StorageError(.corrupt, "STORE fails its checksum", offset: Self.byteCount - 4)
    }
    guard minimumReader <= Self.version, flags == 0 else {
      throw StorageError(
        .unsupportedVersion, "needs a reader of version \(minimumReader), features \(flags)")
    }
  }

  /// Reads STORE, making it (and the folder) when `creating` and there is none.
  package static func open(
    _ disk: any Disk, directory: String, creating: Bool, clock: any Clock, rng: any RNG
  ) throws(StorageError) -> StoreFile {
    let path = FileNames.path(directory, FileNames.store)
    if disk.exists(path) {
      let file = try disk.open(path, .read)
      defer { file.close() }
      do throws(StorageError) {
        return try StoreFile(decoding: try file.bytes(0..<(try file.byteCount())))
      } catch {
        throw StorageError(error.code, error.reason, file: path, offset: error.offset)
      }
    }
    guard creating else { throw StorageError(.notFound, "no store", file: directory) }
    let made = StoreFile(id: .random(rng), createdAt: clock.nowNanos())
    try made.write(disk, directory: directory)
    return made
  }

  /// Makes STORE under its name in one step. Durable on return.
  package func write(_ disk: any Disk, directory: String) throws(StorageError) {
    let path = FileNames.path(directory, FileNames.store)
    let temporary = FileNames.temporary(path)
    if disk.exists(temporary) { try disk.remove(temporary) }
    let file = try disk.open(temporary, .create)
    try file.write(bytes().rawSpan, at: 0)
    try file.sync()
    file.close()
    try disk.rename(temporary, to: path)
    try disk.syncDirectory(directory)
  }
}
