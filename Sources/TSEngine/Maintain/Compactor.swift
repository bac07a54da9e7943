/// Rewrites the data segments of a table into one, merging what overlaps: late data, conflicts,
/// blocks cut short by a sealing. Reads live segments, writes beside them; the installation swaps
/// them in one manifest edit.
package struct Compactor {
  let disk: any Disk
  let directory: String
  let storeID: StoreID
  let symbols: SymbolTable
  let cache: BlockCache
  /// Blocks that end before this instant take the cold form, later ones the packed one.
  let coldBefore: Int64

  /// Writes the compacted form of `segments`, all of one table; nil when there is nothing to gain.
  /// - Throws: `.io`, `.diskFull`, `.corrupt` when a segment fails its check (nothing is replaced).
  package func compact(
    _ segments: [DataSegmentReader], schema: TableSchema, id: UInt64
  ) throws(StorageError) -> CommitRequest.Installation? {
    guard segments.count > 1 || segments.contains(where: { $0.hasOverlaps || $0.hasBlockOfOtherForm(coldBefore) })
    else { return nil }
    let data = FileNames.path(directory, FileNames.dataDirectory)
    var writer = try DataSegmentWriter(
      disk, directory: data, store: storeID, id: id, schema: schema)
    var builder = BlockBuilder(schema: schema, symbols: symbols, coldBefore: coldBefore)
    do throws(StorageError) {
      for key in Set(segments.flatMap { $0.index.series }).sorted() {
        var main: [Stretch.Source] = []
        var superseded: [RowSet] = []
        for segment in segments {
          guard let series = segment.index.series.sortedIndex(of: key) else { continue }
          for block in segment.readers(ofSeries: series) {
            switch block.entry.kind {
            case .main: main.append(.block(block))
            case .superseded: superseded.append(try block.rows())
            }
          }
        }
        try SeriesRewrite.append(
          main, superseded: superseded, of: key, to: &writer, builder: &builder)
      }
    } catch {
      writer.abandon()
      throw error
    }
    let meta = try writer.finish()
    var installation = CommitRequest.Installation()
    installation.added = [
      (try DataSegmentReader(disk, directory: data, store: storeID, id: id, symbols: symbols, cache: cache), meta)
    ]
    installation.removed = Set(segments.map(\.id))
    return installation
  }
}

extension DataSegmentReader {
  /// Whether main blocks of a series overlap in time: they are merged at every read until they
  /// are compacted. O(blocks).
  package var hasOverlaps: Bool {
    for series in index.series.indices {
      var end = Int64.min
      for block in blocks(ofSeries: series) where block.kind == .main {
        if block.firstTime <= end { return true }
        end = block.lastTime
      }
    }
    return false
  }

  /// Whether some block is cold and should not be, or the other way round. O(blocks).
  func hasBlockOfOtherForm(_ coldBefore: Int64) -> Bool {
    index.blocks.contains { $0.isCold != ($0.lastTime < coldBefore) }
  }
}

/// What compaction makes of blocks.
package enum CompactionForm: Sendable {
  /// Cold where older than `StoreOptions.coldAfterNanos`.
  case byAge
  /// All packed, for fast scans.
  case packed
  /// All cold: the smallest form.
  case cold
}
