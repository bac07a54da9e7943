/// Rollup segments in the manifest, in a change of the live files, at open and in `verify`.
extension Manifest.RollupSegment {
  func encode(into out: inout ByteWriter) {
    out.varint(id)
    out.varint(UInt64(table))
    out.put(every)
    out.varint(declaredLSN)
    out.put(window.lowerBound)
    out.put(window.upperBound)
    out.varint(builtLSN)
    out.put(closedUntil)
    out.put(reach)
    out.varint(rowCount)
    out.varint(byteCount)
  }

  /// - Throws: `.corrupt`, `.truncated`.
  init(from reader: inout ByteReader) throws(StorageError) {
    id = try reader.varint()
    table = TableID(try reader.count(limit: Int(TableID.max)))
    every = try reader.next(Int64.self)
    declaredLSN = try reader.varint()
    let (first, end) = (try reader.next(Int64.self), try reader.next(Int64.self))
    guard RollupDeclaration.isLegal(every: every), first < end else {
      throw StorageError(.corrupt, "a rollup of impossible times", offset: reader.offset)
    }
    window = first..<end
    builtLSN = try reader.varint()
    closedUntil = try reader.next(Int64.self)
    reach = try reader.next(Int64.self)
    rowCount = try reader.count(limit: .max)
    byteCount = try reader.count(limit: .max)
  }
}

extension CommitRequest.Installation {
  var rollupEdits: [ManifestEdit] {
    rollups.map { .addRollup($0.meta) } + removedRollups.sorted().map { .removeRollup(id: $0) }
  }

  func noteRollups(bornAt lsn: LSN) {
    for rollup in rollups { rollup.segment?.file.wasBorn(at: lsn) }
  }

  /// - Returns: those that are not live any more.
  func replaceRollups(of live: inout Live) -> [RollupSegmentReader] {
    guard !rollups.isEmpty || !removedRollups.isEmpty else { return [] }
    let replaced = live.rollups.filter { removedRollups.contains($0.meta.id) }
    live.rollups.removeAll { removedRollups.contains($0.meta.id) }
    live.rollups += rollups
    live.rollups.sort { $0.meta.id < $1.meta.id }
    return replaced
  }
}

extension RollupSegmentReader {
  /// The files of segments that are no longer live, which memory and descriptors are not kept for.
  static func retired(_ replaced: [RollupSegmentReader]) -> [SegmentFile] {
    replaced.compactMap { rollup in
      rollup.segment?.retire()
      return rollup.segment?.file
    }
  }

  /// Reads every byte and checks it.
  /// - Throws: `.corrupt`, `.truncated`, `.notFound`, `.io`.
  func check(_ disk: any Disk, _ store: String, _ storeID: StoreID) throws(StorageError) {
    guard let segment else { return }
    let blocks = try segment.uncached()
    for position in blocks.table.rows.indices {
      let block = blocks.reader(position)
      try BlockCheck(block).run()
      _ = try RollupRows.buckets(
        try block.rows(), every: meta.every, columns: [], schema: blocks.columns)
    }
    let file = try disk.open(segment.file.path, .read)
    defer { file.close() }
    try DataSegmentReader.verify(file, store: storeID, id: meta.id, byteCount: meta.byteCount)
  }
}

extension Store {
  /// Takes out, durably and before any LSN is given again, what an opening cannot trust.
  static func dropDistrusted(
    _ manifest: ManifestLog, _ shared: Shared, lostReadings: Bool
  ) throws(StorageError) {
    let durable = shared.live.withLock { $0.durableLSN }
    var installation = CommitRequest.Installation()
    installation.removedRollups = Set(
      distrusted(manifest.state.rollups, durable: durable, lostReadings: lostReadings))
    guard !installation.removedRollups.isEmpty else { return }
    try manifest.commit(installation.rollupEdits)
    let state = manifest.state
    let dropped = shared.live.withLock { live in
      live.manifest = state
      return installation.replaceRollups(of: &live)
    }
    shared.dead.bury(RollupSegmentReader.retired(dropped), at: manifest.newestLSN)
  }
}

extension Recovery {
  /// Rollup files that nothing names: derived, so they go, also beside damage.
  func removeUnnamedRollups(_ manifest: Manifest, at lsn: LSN) throws(StorageError) {
    let folder = FileNames.path(directory, FileNames.rollupDirectory)
    guard disk.exists(folder) else { return }
    let live = Set(manifest.rollups.map { FileNames.dataSegment($0.id) })
    for name in try disk.list(folder) where !live.contains(name) {
      let path = FileNames.path(folder, name)
      if FileNames.isTemporary(name) {
        try disk.remove(path)
      } else if let id = FileNames.dataSegmentID(name) {
        // A reader may have pinned a state that named it.
        shared.dead.bury([SegmentFile(disk, path: path, id: id, open: context.open)], at: lsn)
      }
    }
  }
}
