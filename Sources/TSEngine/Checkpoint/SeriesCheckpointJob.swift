/// Writes the series checkpoint in steps, beside everything else. What comes meanwhile may be in it or
/// not: coverage only grows, and the segments it covers are those that were live at its beginning.
struct SeriesCheckpointJob: Sendable {
  let covered: [Manifest.DataSegment]
  private let storeID: StoreID
  private let series: SeriesCatalog
  private var file: CheckpointFile
  private var encoder = ColumnEncoder()
  private var nextDevice = 0
  private var seriesCount = 0
  var byteCount: Int { file.byteCount }

  /// - Parameter covered: live segments, taken before anything of `series` is read.
  /// - Throws: `.io`, `.diskFull`; no file is left then.
  init(
    _ covered: [Manifest.DataSegment], _ disk: any Disk, directory: String, storeID: StoreID,
    series: SeriesCatalog
  ) throws(StorageError) {
    self.covered = covered
    self.storeID = storeID
    self.series = series
    file = try CheckpointFile(
      disk, directory, FileNames.series,
      FileHeader(
        magic: SeriesCheckpointFormat.magic, version: SeriesCheckpointFormat.version, store: storeID, id: 0,
        table: 0))
    try write(.segments, SeriesCheckpoint.segmentsPayload(covered))
  }

  /// Writes one chunk, or ends the file: durable, read back, and in its place.
  /// - Returns: whether it is done.
  /// - Throws: `.io`, `.diskFull`, `.corrupt`; no unfinished file is left then.
  mutating func step() throws(StorageError) -> Bool {
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
  }

  private mutating func write(
    _ kind: SeriesCheckpointFormat.Kind, _ payload: [UInt8]
  ) throws(StorageError) {
    try file.write(kind.rawValue, payload)
  }

  private mutating func finish() throws(StorageError) {
    var end = ByteWriter()
    end.varint(seriesCount)
    try write(.end, end.bytes)
    let (storeID, seriesCount) = (storeID, seriesCount)
    try file.finish { file throws(StorageError) in
      var found = 0
      _ = try SeriesCheckpoint(reading: file, storeID) { found += $0.probes.count }
      return found == seriesCount
    }
  }
}
