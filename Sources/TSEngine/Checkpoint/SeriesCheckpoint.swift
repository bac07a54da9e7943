/// Series and coverage of many data segments in one derived file, so that an opening does not read
/// their indexes (FORMAT.md, section 16).
///
/// It says of some segments what is at least covered: an opening reads the indexes of the others. So it
/// may be as old as it likes, and one that fails a check is left aside: then all indexes are read.
package struct SeriesCheckpoint: Sendable {
  /// What a store knows of the file it opened with or wrote last.
  package struct State: Sendable {
    /// Data segments it covers.
    package var covered: Set<UInt64> = []
    package var byteCount = 0
    /// The segments for which it was last judged whether another is due: how many, and the next number.
    var judged = Segments()

    struct Segments: Sendable, Equatable {
      var count = 0
      var nextID: UInt64 = 0
    }
  }

  private var identities: [UInt64: UInt32] = [:]
  package private(set) var byteCount = 0

  /// No file, or none that can be used.
  package init() {}

  package func covers(_ meta: Manifest.DataSegment) -> Bool {
    identities[meta.id] == SeriesCheckpointFormat.identity(meta)
      || Planted.has(.staleCheckpointBelieved) && !identities.isEmpty
  }

  package static func path(_ directory: String) -> String { FileNames.path(directory, FileNames.series) }

  /// Reads the checkpoint of a store into `series`.
  /// - Returns: one that covers nothing where there is no file, or only a damaged or newer one.
  package static func load(
    _ disk: any Disk, _ directory: String, _ storeID: StoreID, into series: SeriesCatalog
  ) -> SeriesCheckpoint {
    let path = path(directory)
    guard disk.exists(path) else { return SeriesCheckpoint() }
    do throws(StorageError) {
      let file = try disk.open(path, .read)
      defer { file.close() }
      return try SeriesCheckpoint(reading: file, storeID) { columns throws(StorageError) in
        let failed: StorageError? = series.withLock { index in
          do throws(StorageError) {
            try index.add(columns)
            return nil
          } catch {
            return error
          }
        }
        if let failed { throw failed }
      }
    } catch {
      // Derived: whatever is wrong with it, the indexes tell the same.
      return SeriesCheckpoint()
    }
  }

  /// - Parameter take: is given the columns of each chunk.
  /// - Throws: `.corrupt`, `.truncated`, `.unsupportedVersion`, `.io`, and what `take` throws.
  init(
    reading file: any DiskFile, _ storeID: StoreID,
    _ take: (SeriesColumns) throws(StorageError) -> Void
  ) throws(StorageError) {
    _ = try FileHeader(
      decoding: try file.bytes(0..<FileHeader.byteCount), magic: SeriesCheckpointFormat.magic,
      version: SeriesCheckpointFormat.version, store: storeID, id: 0)
    let end = try file.byteCount()
    var offset = FileHeader.byteCount
    var seriesCount = 0
    while true {
      let (kind, payload) = try CheckpointChunk.read(file, at: offset, end)
      let known = SeriesCheckpointFormat.Kind(rawValue: kind)
      guard let known else { throw CheckpointChunk.failed(file, at: offset) }
      offset += CheckpointChunk.headerByteCount + payload.count
      switch known {
      case .segments: try readSegments(payload)
      case .series:
        let columns = try SeriesColumns(decoding: payload)
        seriesCount += columns.probes.count
        try take(columns)
      case .end:
        var reader = ByteReader(payload.rawSpan)
        guard try reader.varint() == UInt64(seriesCount), reader.isAtEnd, offset == end else {
          throw StorageError(.corrupt, "series are missing", file: file.path, offset: offset)
        }
        byteCount = end
        return
      }
    }
  }

  private mutating func readSegments(_ payload: [UInt8]) throws(StorageError) {
    var reader = ByteReader(payload.rawSpan)
    var id: UInt64 = 0
    for _ in 0..<(try reader.count(limit: reader.remaining)) {
      id &+= try reader.varint()
      identities[id] = try reader.next(UInt32.self)
    }
  }

  static func segmentsPayload(_ metas: [Manifest.DataSegment]) -> [UInt8] {
    var out = ByteWriter()
    out.varint(metas.count)
    var before: UInt64 = 0
    for meta in metas.sorted(by: { $0.id < $1.id }) {
      out.varint(meta.id - before)
      out.put(SeriesCheckpointFormat.identity(meta))
      before = meta.id
    }
    return out.bytes
  }
}
