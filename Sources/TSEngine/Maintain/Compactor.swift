/// Rewrites the data segments of a table into one, merging what overlaps: late data, conflicts,
/// blocks cut short by a sealing. Reads live segments, writes beside them; the installation swaps
/// them in one manifest edit.
package struct Compactor {
  let disk: any Disk
  let directory: String
  let storeID: StoreID
  let symbols: SymbolTable
  let cache: BlockCache

  /// Writes the compacted form of `segments`, all of one table, without the rows that `registry`
  /// says are removed; nil when there is nothing to gain.
  /// - Throws: `.io`, `.diskFull`, `.corrupt` when a segment fails its check (nothing is replaced).
  package func compact(
    _ segments: [DataSegmentReader], schema: TableSchema, registry: Registry, id: UInt64
  ) throws(StorageError) -> CommitRequest.Installation? {
    let lifecycles = registry.lifecycles
    guard
      segments.count > 1
        || segments.contains(where: { $0.hasOverlaps || $0.isTouched(by: lifecycles) })
    else { return nil }
    var removal = PhysicalRemoval(lifecycles)
    let data = FileNames.path(directory, FileNames.dataDirectory)
    var writer = try DataSegmentWriter(
      disk, directory: data, store: storeID, id: id, schema: schema)
    var builder = BlockBuilder(schema: schema, symbols: symbols)
    do throws(StorageError) {
      for key in Set(segments.flatMap { $0.index.series }).sorted() {
        var main: [Stretch.Source] = []
        var superseded: [RowSet] = []
        for segment in segments {
          guard let series = segment.index.series.sortedIndex(of: key) else { continue }
          for block in segment.readers(ofSeries: series) {
            switch block.entry.kind {
            case .main: main += removal.kept(block, of: key, in: segment).map { [$0] } ?? []
            case .superseded:
              if let kept = removal.kept(block, of: key, in: segment) {
                let rows = try kept.rows()
                if rows.count > 0 { superseded.append(rows) }
              }
            }
          }
        }
        try SeriesRewrite.append(
          main, superseded: superseded, of: key, order: lifecycles.order(of: schema.id),
          to: &writer, builder: &builder)
      }
    } catch {
      writer.abandon()
      throw error
    }
    var installation = CommitRequest.Installation()
    installation.removed = Set(segments.map(\.id))
    if removal.newestLSN > 0 { installation.removedRows = (schema.id, removal.newestLSN) }
    if writer.isEmpty {
      writer.abandon()
      return installation
    }
    var meta = try writer.finish()
    if !lifecycles.isEmpty { meta.appliedLSN = registry.lastEventLSN }
    installation.added = [
      (
        try DataSegmentReader(
          disk, directory: data, store: storeID, id: id, appliedLSN: meta.appliedLSN,
          symbols: symbols, cache: cache), meta
      )
    ]
    return installation
  }
}

/// What a rewriting of segments leaves out for good.
package struct PhysicalRemoval {
  private let lifecycles: Lifecycles
  /// The newest event that removed rows of what was asked for so far; 0 when none did.
  package private(set) var newestLSN: LSN = 0

  package init(_ lifecycles: Lifecycles) { self.lifecycles = lifecycles }

  /// The rows of a block that go on to live; nil when none does.
  package mutating func kept(
    _ block: BlockReader, of key: SeriesKey, in segment: DataSegmentReader
  ) -> Stretch.Source? {
    switch lifecycles.removals(of: key)?.mask(
      block.entry.firstTime...block.entry.lastTime,
      lsns: block.entry.oldestLSN...block.entry.newestLSN, applied: segment.appliedLSN)
    {
    case .nothing, nil: return .block(block)
    case .part(let mask):
      newestLSN = max(newestLSN, mask.newestRemovalLSN)
      return .masked(.block(block), mask)
    case .everything(let mask):
      newestLSN = max(newestLSN, mask.newestRemovalLSN)
      return nil
    }
  }
}

extension DataSegmentReader {
  /// Whether rows of it may have been removed since it was written. O(blocks).
  package func isTouched(by lifecycles: Lifecycles) -> Bool {
    guard lifecycles[index.table]?.removesNothing == false else { return false }
    for (series, key) in index.series.enumerated() {
      guard let removals = lifecycles.removals(of: key) else { continue }
      for block in blocks(ofSeries: series) {
        let verdict = removals.mask(
          block.firstTime...block.lastTime, lsns: block.oldestLSN...block.newestLSN,
          applied: appliedLSN)
        if case .nothing = verdict { continue }
        return true
      }
    }
    return false
  }

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
}
