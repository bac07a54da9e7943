/// A chunk of a checkpoint (FORMAT.md, sections 16 and 18).
///
///     0      1                5     9
///     | kind | payload length | CRC | payload |
enum CheckpointChunk {
  static let headerByteCount = 9

  /// Covers the position, so that a misplaced chunk does not pass.
  private static func crc(_ kind: UInt8, _ payload: [UInt8], at offset: Int) -> UInt32 {
    var place = ByteWriter(reserving: 13)
    place.put(kind)
    place.put(UInt64(offset))
    place.put(UInt32(payload.count))
    return CRC32C.checksum(payload, continuing: CRC32C.checksum(place.bytes))
  }

  static func bytes(_ kind: UInt8, _ payload: [UInt8], at offset: Int) -> [UInt8] {
    var chunk = ByteWriter(reserving: headerByteCount + payload.count)
    chunk.put(kind)
    chunk.put(UInt32(payload.count))
    chunk.put(crc(kind, payload, at: offset))
    chunk.append(payload)
    return chunk.bytes
  }

  /// - Parameter end: bytes of the file.
  /// - Throws: `.corrupt`, `.truncated`, `.io`.
  static func read(
    _ file: any DiskFile, at offset: Int, _ end: Int
  ) throws(StorageError) -> (kind: UInt8, payload: [UInt8]) {
    let start = offset + headerByteCount
    let header = try file.bytes(offset..<start)
    var reader = ByteReader(header.rawSpan)
    let kind = try reader.next(UInt8.self)
    let length = Int(try reader.next(UInt32.self))
    let sum = try reader.next(UInt32.self)
    guard length <= end - start else {
      throw StorageError(.truncated, "checkpoint", file: file.path, offset: end)
    }
    let payload = try file.bytes(start..<(start + length))
    guard crc(kind, payload, at: offset) == sum else { throw failed(file, at: offset) }
    return (kind, payload)
  }

  static func failed(_ file: any DiskFile, at offset: Int) -> StorageError {
    StorageError(.corrupt, "chunk fails its check", file: file.path, offset: offset)
  }
}

/// A checkpoint as it is written: under another name, then synced, read back from the device and
/// renamed. Where a call throws, no unfinished file is left.
struct CheckpointFile: Sendable {
  private let disk: any Disk
  private let directory: String
  private let name: String
  private let file: any DiskFile
  private(set) var byteCount = FileHeader.byteCount

  init(
    _ disk: any Disk, _ directory: String, _ name: String, _ header: FileHeader
  ) throws(StorageError) {
    self.disk = disk
    self.directory = directory
    self.name = name
    Self.removeUnfinished(disk, directory, name)
    file = try disk.open(FileNames.temporary(FileNames.path(directory, name)), .create)
    try orAbandon { () throws(StorageError) in try file.write(header.bytes().rawSpan, at: 0) }
  }

  /// Removes what a writer was killed amid.
  static func removeUnfinished(_ disk: any Disk, _ directory: String, _ name: String) {
    let path = FileNames.temporary(FileNames.path(directory, name))
    if disk.exists(path) { try? disk.remove(path) }
  }

  func abandon() {
    file.close()
    Self.removeUnfinished(disk, directory, name)
  }

  mutating func write(_ kind: UInt8, _ payload: [UInt8]) throws(StorageError) {
    let chunk = CheckpointChunk.bytes(kind, payload, at: byteCount)
    let offset = byteCount
    try orAbandon { () throws(StorageError) in try file.write(chunk.rawSpan, at: offset) }
    byteCount += chunk.count
  }

  /// Puts the file in its place, durably.
  /// - Parameter isWhole: reads it back.
  /// - Throws: `.io`, `.diskFull`, `.corrupt` where it is not whole.
  func finish(
    _ isWhole: (any DiskFile) throws(StorageError) -> Bool
  ) throws(StorageError) {
    try orAbandon { () throws(StorageError) in
      try file.sync()
      // From the device: what memory holds proves nothing.
      try file.discardCached()
      guard try isWhole(file) else {
        throw StorageError(.corrupt, "read back other contents than were written", file: file.path)
      }
      file.close()
      let path = FileNames.path(directory, name)
      try disk.rename(FileNames.temporary(path), to: path)
      try disk.syncDirectory(directory)
    }
  }

  private func orAbandon(_ body: () throws(StorageError) -> Void) throws(StorageError) {
    do throws(StorageError) {
      try body()
    } catch {
      abandon()
      throw error
    }
  }
}
