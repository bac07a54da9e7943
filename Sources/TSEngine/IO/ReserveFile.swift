/// Bytes set aside so that a store on a full disk can still be opened and can still write the
/// records that make room (retention, clean shutdown). Written, not only allocated: a hole would
/// promise nothing.
package struct ReserveFile {
  package static let defaultByteCount = 8 << 20

  private let disk: any Disk
  private let directory: String
  private let byteCount: Int

  package init(_ disk: any Disk, directory: String, byteCount: Int = defaultByteCount) {
    precondition(byteCount > 0, "a reserve has bytes")
    self.disk = disk
    self.directory = directory
    self.byteCount = byteCount
  }

  private var path: String { FileNames.path(directory, FileNames.reserve) }

  package var isHeld: Bool { disk.exists(path) }

  /// Makes the reserve when it is missing. Returns false, without an error, when there is no room.
  /// Durable on return.
  @discardableResult
  package func ensure() throws(StorageError) -> Bool {
    if disk.exists(path) { return true }
    let temporary = FileNames.temporary(path)
    if disk.exists(temporary) { try disk.remove(temporary) }
    do throws(StorageError) {
      let file = try disk.open(temporary, .create)
      defer { file.close() }
      let zeros = [UInt8](repeating: 0, count: min(byteCount, 1 << 20))
      var offset = 0
      while offset < byteCount {
        let count = min(zeros.count, byteCount - offset)
        try file.write(zeros.rawSpan.extracting(0..<count), at: offset)
        offset += count
      }
      try file.sync()
    } catch {
      guard error.code == .diskFull else { throw error }
      if disk.exists(temporary) { try disk.remove(temporary) }
      return false
    }
    try disk.rename(temporary, to: path)
    try disk.syncDirectory(directory)
    return true
  }

  /// Gives the bytes back to the volume. Returns false when there was no reserve.
  @discardableResult
  package func release() throws(StorageError) -> Bool {
    guard disk.exists(path) else { return false }
    try disk.remove(path)
    try disk.syncDirectory(directory)
    return true
  }
}
