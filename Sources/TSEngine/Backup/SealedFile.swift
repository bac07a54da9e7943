/// What is known of a sealed file by its name: how to check all of its bytes, and what tells it from
/// another of the same name.
enum SealedFile {
  /// Bytes at the end of a data segment that hold the checksums of all others.
  private static let fingerprintByteCount = SegmentFormat.trailerByteCount

  /// - Parameter name: within the store's folder.
  /// - Throws: `.corrupt`, `.truncated`, `.unsupportedVersion`, `.io`.
  static func check(
    _ disk: any Disk, _ path: String, _ name: String, store: StoreID
  ) throws(StorageError) {
    let file = try disk.open(path, .read)
    defer { file.close() }
    let base = name.split(separator: "/").last.map(String.init) ?? name
    if let id = FileNames.dataSegmentID(base) {
      try DataSegmentReader.verify(file, store: store, id: id, byteCount: try file.byteCount())
    } else if let id = FileNames.journalSegmentID(base) {
      let content = try JournalSegment.decode(
        try file.bytes(0..<(try file.byteCount())), store: store, id: id)
      guard let damage = content.damaged.first else { return }
      throw StorageError(
        .corrupt, "a journal fails its checksum", file: path, offset: damage.lowerBound)
    }
  }

  /// Size and last bytes of a data segment, all bytes of a smaller file's end.
  static func fingerprint(_ disk: any Disk, _ path: String) throws(StorageError) -> [UInt8] {
    let file = try disk.open(path, .read)
    defer { file.close() }
    let byteCount = try file.byteCount()
    let isData = FileNames.dataSegmentID(String(path.split(separator: "/").last ?? "")) != nil
    let start = isData ? max(0, byteCount - fingerprintByteCount) : 0
    var out = ByteWriter()
    out.varint(byteCount)
    out.append(try file.bytes(start..<byteCount))
    return out.bytes
  }
}
