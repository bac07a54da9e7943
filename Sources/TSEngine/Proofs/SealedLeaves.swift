/// Makes leaves again from data segments, by LSN: of a bulk append, which no log holds, when its
/// stretch is sealed, and of any stretch when a proof is wanted.
struct SealedLeaves {
  let segments: [DataSegmentReader]
  let schema: (TableID) -> TableSchema?
  let symbols: SymbolTable

  /// Which leaves: those at or after `start` and before `end`, with LSNs up to `lastLSN`.
  struct Bounds {
    var start: LeafKey
    var end: LeafKey?
    var lastLSN: LSN

    /// LSNs that it may hold; nil when none.
    var lsns: ClosedRange<LSN>? {
      let last = min(lastLSN, end?.lsn ?? .max)
      return start.lsn <= last ? start.lsn...last : nil
    }

    /// Instants of `series` at `lsn`; nil when it lies outside.
    func times(of series: SeriesKey, lsn: LSN) -> ClosedRange<Int64>? {
      var times = Int64.min...Int64.max
      if lsn == start.lsn {
        if series < start.series { return nil }
        if series == start.series { times = start.time...Int64.max }
      }
      if let end, lsn == end.lsn {
        if series > end.series { return nil }
        if series == end.series {
          if end.time <= times.lowerBound { return nil }
          times = times.lowerBound...(end.time - 1)
        }
      }
      return times
    }
  }

  /// Calls `emit` with the key of each leaf, and the leaf in the writer, of readings within `bounds`,
  /// series by series and in each by LSN.
  /// - Parameter skipsDamage: leaves out segments and blocks that fail their check.
  /// - Throws: `.corrupt` and its kin for a damaged block, what `emit` throws.
  /// - Complexity: decodes the blocks whose LSNs meet the bounds; the rows of one series in memory at a
  ///   time, and the directories of all segments whose LSNs meet them.
  func forEach(
    _ bounds: Bounds, skipsDamage: Bool = false,
    _ emit: (LeafKey, LeafWriter) throws(StorageError) -> Void
  ) throws(StorageError) {
    guard let lsns = bounds.lsns else { return }
    var writer = LeafWriter(symbols: symbols)
    let wanted = try directories(lsns, skipsDamage: skipsDamage)
    for key in Set(wanted.flatMap(\.series)).sorted() {
      // One LSN (a bulk append): series outside are known without reading.
      if lsns.count == 1, bounds.times(of: key, lsn: lsns.lowerBound) == nil { continue }
      var rows: [LSN: [RowSet]] = [:]
      for directory in wanted {
        guard let series = directory.series(key) else { continue }
        for position in directory.blocks(ofSeries: series)
        where directory.row(position).meets(lsns) {
          do throws(StorageError) {
            try Self.gather(directory.reader(position), key, bounds, lsns, into: &rows)
          } catch {
            guard skipsDamage, error.code == .corrupt || error.code == .truncated else { throw error }
          }
        }
      }
      guard !rows.isEmpty else { continue }
      guard let schema = schema(key.table) else {
        throw StorageError(.corrupt, "rows of table \(key.table), whose type is unknown")
      }
      let leafSchema = LeafSchema(schema)
      for (lsn, sets) in rows.sorted(by: { $0.key < $1.key }) {
        try LeafRows(sets, of: key, lsn: lsn, schema: leafSchema).forEach(&writer, emit)
      }
    }
  }

  /// Calls `body` with each block that may hold rows of `lsns`, its LSNs cut to them. Nothing is read
  /// but indexes; damaged ones are left out.
  func forEachBlock(
    of lsns: ClosedRange<LSN>, _ body: (SeriesKey, BlockTable.Row) -> Void
  ) throws(StorageError) {
    for directory in try directories(lsns, skipsDamage: true) {
      for (series, key) in directory.series.enumerated() {
        for block in directory.rows(ofSeries: series) where block.meets(lsns) {
          body(key, block)
        }
      }
    }
  }

  /// Leaves that `key`'s reading may have been sealed in: of what is left of its series and LSN, every
  /// run of as many neighbours as a leaf holds. Where rows between were removed for good, those that are
  /// made from the front are others than were sealed.
  func candidates(
    around key: LeafKey, _ bounds: Bounds, _ isFound: (LeafKey, LeafWriter) -> Bool
  ) throws(StorageError) {
    let lsns = key.lsn...key.lsn
    guard let schema = schema(key.table) else { return }
    var rows: [LSN: [RowSet]] = [:]
    for directory in try directories(lsns, skipsDamage: false) {
      guard let series = directory.series(key.series) else { continue }
      for position in directory.blocks(ofSeries: series)
      where directory.row(position).meets(lsns) {
        try Self.gather(directory.reader(position), key.series, bounds, lsns, into: &rows)
      }
    }
    var writer = LeafWriter(symbols: symbols)
    LeafRows(rows[key.lsn] ?? [], of: key.series, lsn: key.lsn, schema: LeafSchema(schema))
      .forEachRun(holding: key.time, &writer, isFound)
  }

  /// Of the segments that have rows of `lsns`.
  private func directories(
    _ lsns: ClosedRange<LSN>, skipsDamage: Bool
  ) throws(StorageError) -> [BlockDirectory] {
    var directories: [BlockDirectory] = []
    for segment in segments {
      let meta = segment.meta
      guard lsns.overlaps((meta.oldestLSN + meta.baseLSN)...(meta.newestLSN + meta.baseLSN)) else {
        continue
      }
      let directory = skipsDamage ? try segment.directoryIfWhole() : try segment.directory()
      if let directory,
        (directory.table.rows + directory.shared.table.rows).contains(where: { $0.meets(lsns) })
      {
        directories.append(directory)
      }
    }
    return directories
  }

  private static func gather(
    _ block: BlockReader, _ key: SeriesKey, _ bounds: Bounds, _ lsns: ClosedRange<LSN>,
    into rows: inout [LSN: [RowSet]]
  ) throws(StorageError) {
    if lsns.count == 1, let times = bounds.times(of: key, lsn: lsns.lowerBound),
      block.lastTime < times.lowerBound || block.firstTime > times.upperBound
    {
      return
    }
    let all = try block.rows()
    var start = 0
    for run in all.lsns {
      let range = start..<run.end
      start = run.end
      guard lsns.contains(run.lsn), let times = bounds.times(of: key, lsn: run.lsn) else { continue }
      let low = all.times.firstRow(atOrAfter: times.lowerBound)
      let high =
        times.upperBound == .max ? all.count : all.times.firstRow(atOrAfter: times.upperBound + 1)
      let part = range.clamped(to: low..<max(low, high))
      guard !part.isEmpty else { continue }
      // Side blocks may hold one LSN in several runs: each is a set of its own.
      rows[run.lsn, default: []].append(all.slice(part))
    }
  }
}

extension BlockTable.Row {
  fileprivate func meets(_ lsns: ClosedRange<LSN>) -> Bool {
    oldestLSN <= lsns.upperBound && newestLSN >= lsns.lowerBound
  }
}
