import TSEngine

/// The key under which a store knows its tokens: 256 random bits in a file of the store, mode 0600.
/// A copy of the log alone lets nobody try tokens against it.
enum TokenKey {
  static let byteCount = 32

  /// Reads the key, making it at first; durable on return.
  /// - Throws: `.corrupt` when the file has not 32 bytes, `.io`, `.diskFull`.
  static func open(_ store: Store) throws(StorageError) -> [UInt8] {
    let disk = store.options.disk
    let path = FileNames.path(store.directory, FileNames.tokenKey)
    if disk.exists(path) {
      let file = try disk.open(path, .read)
      defer { file.close() }
      var key = [UInt8](repeating: 0, count: byteCount)
      guard try file.byteCount() == byteCount,
        try key.read(0..<byteCount, from: file, at: 0) == byteCount
      else { throw StorageError(.corrupt, "the token key has \(byteCount) bytes", file: path) }
      return key
    }
    let key = random(store.options.rng)
    let temporary = FileNames.temporary(path)
    if disk.exists(temporary) { try disk.remove(temporary) }
    let file = try disk.open(temporary, .create)
    defer { file.close() }
    try file.write(key.rawSpan, at: 0)
    try file.sync()
    try disk.rename(temporary, to: path)
    try disk.syncDirectory(store.directory)
    return key
  }

  static func random(_ rng: any RNG) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: byteCount)
    bytes.withUnsafeMutableBytes { raw in
      var span = MutableRawSpan(_unsafeBytes: raw)
      rng.fill(&span)
    }
    return bytes
  }
}
