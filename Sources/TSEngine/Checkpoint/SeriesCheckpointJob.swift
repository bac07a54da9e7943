/// Writes the series checkpoint in steps, beside everything else. What comes meanwhile may be in it or
/// not: coverage only grows, and the segments it covers are those that were live at its beginning.
struct SeriesCheckpointJob: Sendable {
  let covered: [Manifest.DataSegment]
  private let disk: any Disk
  private let directory: String
  private let storeID: StoreID
  private let series: SeriesCatalog
  private let file: any DiskFile
  private var encoder = ColumnEncoder()
  private var nextDevice = 0
  private var seriesCount = 0
  private(set) var byteCount = 0

  private static func temporary(_ directory: String) -> String {
    FileNames.temporary(SeriesCheckpoint.path(directory))
  }

  /// - Parameter covered: live segments, taken before anything of `series` is read.
  /// - Throws: `.io`, `.diskFull`; no file is left then.
  init(
    _ covered: [Manifest.DataSegment], _ disk: any Disk, directory: String, storeID: StoreID,
    series: SeriesCatalog
  ) throws(StorageError) {
    self.covered = covered
    self.disk = disk
    self.directory = directory
    self.storeID = storeID
    self.series = series
    SeriesCheckpoint.removeUnfinished(disk, directory)
    file = try disk.open(Self.temporary(directory), .create)
    do throws(StorageError) {
      let header = FileHeader(
        magic: SeriesCheckpointFormat.magic, version: SeriesCheckpointFormat.version, store: storeID, id: 0,
        table: 0)
      try file.write(header.bytes().rawSpan, at: 0)
      byteCount = FileHeader.byteCount
      try write(.segments, SeriesCheckpoint.segmentsPayload(covered))
    } catch {
      abandon()
      throw error
    }
  }

  /// Writes one chunk, or ends the file: durable, read back, and in its place.
  /// - Returns: whether it is done.
  /// - Throws: `.io`, `.diskFull`, `.corrupt`; no unfinished file is left then.
  mutating func step() throws(StorageError) -> Bool {
    do throws(StorageError) {
      let first = nextDevice
      let (columns, end) = series.withLock { $0.columns(from: first) }
      if end > first {
        try write(.series, columns.encode(&encoder))
        nextDevice = end
        seriesCount += columns.probes.count
        return false
      }
      try finish()
      return true
    } catch {
      abandon()
      throw error
    }
  }

  func abandon() {
    file.close()
    SeriesCheckpoint.removeUnfinished(disk, directory)
  }

  private mutating func write(
    _ kind: SeriesCheckpointFormat.Kind, _ payload: [UInt8]
  ) throws(StorageError) {
    var chunk = ByteWriter(reserving: SeriesCheckpointFormat.chunkHeaderByteCount + payload.count)
    chunk.put(kind.rawValue)
    chunk.put(UInt32(payload.count))
    chunk.put(SeriesCheckpointFormat.crc(kind.rawValue, payload, at: byteCount))
    chunk.append(payload)
    try file.write(chunk.bytes.rawSpan, at: byteCount)
    byteCount += chunk.count
  }

  private mutating func finish() throws(StorageError) {
    var end = ByteWriter()
    end.varint(seriesCount)
    try write(.end, end.bytes)
    try file.sync()
    // From the device: what memory holds proves nothing.
    try file.discardCached()
    var found = 0
    _ = try SeriesCheckpoint(reading: file, storeID) { found += $0.probes.count }
    guard found == seriesCount else {
      throw StorageError(.corrupt, "read back other series than were written", file: file.path)
    }
    file.close()
    try disk.rename(Self.temporary(directory), to: SeriesCheckpoint.path(directory))
    try disk.syncDirectory(directory)
  }
}
