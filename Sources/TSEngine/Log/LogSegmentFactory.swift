/// Makes segments.
struct LogSegmentFactory {
  struct Made {
    var file: any DiskFile
    /// CRC of the header, which the chain of batches starts from.
    var crc: UInt32
    /// Written blocks, header included.
    var byteCount: Int
  }

  private let disk: any Disk
  let directory: String

  init(_ disk: any Disk, store: String) {
    self.disk = disk
    directory = FileNames.path(store, FileNames.logDirectory)
  }

  /// Header written and synced under a temporary name, renamed, directory synced: a segment that
  /// exists has a whole header.
  ///
  /// - Parameter ahead: zeros behind the header, where there is room for them.
  /// - Throws: `.diskFull` or `.io` while nothing has changed; `.failStopped` when a sync or what
  ///   follows the rename failed.
  func make(_ header: LogSegmentHeader, ahead: Int = 0) throws(StorageError) -> Made {
    let name = FileNames.logSegment(header.segmentID)
    let path = FileNames.path(directory, name)
    let temporary = FileNames.temporary(path)
    if disk.exists(temporary) { try disk.remove(temporary) }
    let file = try disk.open(temporary, .create)
    let bytes = header.encoded()
    var byteCount = bytes.count
    do throws(StorageError) {
      do throws(StorageError) {
        try file.write((bytes + [UInt8](repeating: 0, count: ahead)).rawSpan, at: 0)
        byteCount += ahead
      } catch {
        guard error.code == .diskFull, ahead > 0 else { throw error }
        try file.truncate(to: 0)
        try file.write(bytes.rawSpan, at: 0)
      }
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
        file: try disk.open(path, .readWrite), crc: LogSegmentHeader.crc(of: bytes),
        byteCount: byteCount)
    } catch {
      throw StorageError(
        .failStopped, "new segment: \(error.reason)", file: path, errno: error.errno)
    }
  }

  /// Makes a prepared file of `byteCount` zeros the segment of `header`: written over its first sector and synced. A
  /// header that is torn leaves a file that is none.
  ///
  /// - Returns: nil when the header could not be written; the file is gone.
  /// - Throws: when a sync failed, or the file could not be removed: whether the segment exists is not known.
  func begin(_ byteCount: Int, _ header: LogSegmentHeader) throws(StorageError) -> Made? {
    let path = FileNames.path(directory, FileNames.logSegment(header.segmentID))
    let bytes = header.encoded()
    let file: any DiskFile
    do throws(StorageError) {
      file = try disk.open(path, .readWrite)
      do throws(StorageError) {
        try file.write(bytes.rawSpan, at: 0)
      } catch {
        file.close()
        throw error
      }
    } catch {
      if disk.exists(path) { try disk.remove(path) }
      try disk.syncDirectory(directory)
      return nil
    }
    do throws(StorageError) {
      try file.sync()
    } catch {
      file.close()
      throw error
    }
    return Made(file: file, crc: LogSegmentHeader.crc(of: bytes), byteCount: byteCount)
  }
}
