/// Copies files from disk to disk, hashing on the way. Never a link: a link would share its damage.
enum FileCopy {
  private static let partByteCount = 1 << 20

  /// Copies the first `byteCount` bytes (nil: all) of `source` to the new file `target`; durable on
  /// return, its name once its folder is synced.
  /// - Throws: `.notFound` when there is no source, `.io`, `.diskFull`; `.truncated` when the source
  ///   is shorter. The unfinished copy is removed.
  static func copy(
    from sourceDisk: any Disk, _ source: String, to disk: any Disk, _ target: String,
    byteCount: Int? = nil
  ) throws(StorageError) -> (byteCount: Int, digest: Digest) {
    let input = try sourceDisk.open(source, .read)
    defer { input.close() }
    if disk.exists(target) { try disk.remove(target) }
    let output = try disk.open(target, .create)
    defer { output.close() }
    do throws(StorageError) {
      var end = try input.byteCount()
      if let byteCount { end = byteCount }
      var hash = SHA256()
      var offset = 0
      while offset < end {
        let next = min(offset + partByteCount, end)
        let bytes = try input.bytes(offset..<next)
        hash.update(bytes)
        try output.write(bytes.rawSpan, at: offset)
        offset = next
      }
      try output.sync()
      return (end, Digest(hash.finish()))
    } catch {
      try? disk.remove(target)
      throw error
    }
  }

  /// Size and digest of a file.
  static func digest(
    _ disk: any Disk, _ path: String
  ) throws(StorageError) -> (byteCount: Int, digest: Digest) {
    let file = try disk.open(path, .read)
    defer { file.close() }
    let end = try file.byteCount()
    var hash = SHA256()
    var offset = 0
    while offset < end {
      let next = min(offset + partByteCount, end)
      hash.update(try file.bytes(offset..<next))
      offset = next
    }
    return (end, Digest(hash.finish()))
  }

  /// Makes `directory` and its missing parents, durably.
  static func makeDirectory(_ disk: any Disk, _ directory: String) throws(StorageError) {
    var made = [directory]
    while let parent = FileNames.parent(made[made.count - 1]), !disk.exists(parent) {
      made.append(parent)
    }
    try disk.createDirectory(directory)
    for path in made.reversed() { try disk.syncDirectory(FileNames.parent(path) ?? "") }
  }

  /// Makes `directory` for a backup or a restored store.
  /// - Throws: `.invalid` when something is in it.
  static func makeEmptyDirectory(_ disk: any Disk, _ directory: String) throws(StorageError) {
    if disk.exists(directory) {
      guard try disk.list(directory).isEmpty else {
        throw StorageError(.invalid, "\(directory) is not empty; name a new folder")
      }
    }
    try makeDirectory(disk, directory)
  }
}
