/// Makes segments.
struct LogSegmentFactory {
  struct Made {
    var file: any DiskFile
    /// CRC of the header, which the chain of batches starts from.
    var crc: UInt32
  }

  private let disk: any Disk
  private let directory: String

  init(_ disk: any Disk, store: String) {
    self.disk = disk
    directory = FileNames.path(store, FileNames.logDirectory)
  }

  /// Header written and synced under a temporary name, renamed, directory synced: a segment that
  /// exists has a whole header.
  ///
  /// - Throws: `.diskFull` or `.io` while nothing has changed; `.failStopped` when a sync or what
  ///   follows the rename failed.
  func make(_ header: LogSegmentHeader) throws(StorageError) -> Made {
    let name = FileNames.logSegment(header.segmentID)
    let path = FileNames.path(directory, name)
    let temporary = FileNames.temporary(path)
    if disk.exists(temporary) { try disk.remove(temporary) }
    let file = try disk.open(temporary, .create)
    let bytes = header.encoded()
    do throws(StorageError) {
      try file.write(bytes.rawSpan, at: 0)
    } catch {
      file.close()
      try disk.remove(temporary)
      throw error
    }
    defer { file.close() }
    do throws(StorageError) {
      try file.sync()
      try disk.rename(temporary, to: path)
      try disk.syncDirectory(directory)
      return Made(
        file: try disk.open(path, .readWrite), crc: LogSegmentHeader.crc(of: bytes))
    } catch {
      throw StorageError(
        .failStopped, "new segment: \(error.reason)", file: path, errno: error.errno)
    }
  }
}
