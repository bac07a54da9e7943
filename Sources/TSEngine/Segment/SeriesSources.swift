/// Where the rows of a series are: blocks of data segments and chunks of heads, as one state of
/// the store shows them, without what is removed. A source that no removal touches comes as it lies:
/// where nothing was ever removed of a table this costs one look-up a series.
package struct SeriesSources {
  private let live: Live
  private let lifecycles: Lifecycles
  private let through: LSN
  /// Rows newer than `through` are there, so superseded ones may be what was visible.
  private let isHistoric: Bool
  /// Segments that cannot be read count as if they had nothing.
  private let skipsDamage: Bool
  /// Leaves out what its viewer may not see; nil shows all.
  private let visibility: Visibility?

  /// - Parameters:
  ///   - lifecycles: what happened to readings; nil is as of the durable LSN.
  ///   - through: what was known at this LSN; nil is all that is durable.
  package init(
    live: Live, lifecycles: Lifecycles? = nil, through: LSN? = nil, skipsDamage: Bool = false,
    visibility: Visibility? = nil
  ) {
    self.live = live
    self.visibility = visibility
    self.skipsDamage = skipsDamage
    self.lifecycles = lifecycles ?? live.registry.lifecycles
    self.through = min(through ?? .max, live.durableLSN)
    isHistoric = self.through < live.durableLSN
  }

  /// - Throws: `.corrupt` for a damaged segment, unless it is to be skipped; nil then.
  private func directory(_ segment: DataSegmentReader) throws(StorageError) -> BlockDirectory? {
    do throws(StorageError) {
      if let directory = try segment.directoryIfWhole() { return directory }
    } catch {
      guard skipsDamage, error.isOfMedium else { throw error }
    }
    if skipsDamage { return nil }
    throw segment.damage
  }

  /// What does not count of a series, or is not for the viewer.
  private func removals(of key: SeriesKey) -> SeriesRemovals? {
    let removed = lifecycles.removals(of: key)
    guard let visibility else { return removed }
    let foreign = visibility.foreignTimes(of: key.device)
    if foreign.isEmpty { return removed }
    var all = removed ?? SeriesRemovals(series: Removals(), everywhere: Removals(), floors: RetentionFloors())
    all.foreign = foreign
    return all
  }

  package func order(of table: TableID) -> VersionOrder { lifecycles.order(of: table) }

  /// What one series has around `times` (inclusive), in no order, through the durable LSN; of a
  /// past LSN, superseded versions too, before the others. `number` is its number in the series
  /// index, nil when unknown to it.
  package func sources(
    of key: SeriesKey, number: Int?, times: ClosedRange<Int64>, kind: BlockEntry.Kind = .main
  ) throws(StorageError) -> [Stretch.Source] {
    var sources: [Stretch.Source] = []
    let removals = self.removals(of: key)
    for kind in isHistoric && kind == .main ? [.superseded, .main] : [kind] {
      for segment in live.segments where segment.overlaps(key.table, times) {
        guard let directory = try directory(segment), let series = directory.series(key)
        else { continue }
        add(directory, series: series, times, kind, removals, applied: segment.meta.appliedLSN, to: &sources)
      }
    }
    guard let number, kind == .main else { return sources }
    for head in live.heads {
      for (_, chunks) in try head.chunks(of: [number], through: through) {
        for chunk in chunks where chunk.firstTime <= times.upperBound {
          add(chunk.source, removals, applied: 0, to: &sources)
        }
      }
    }
    return sources.filter { $0.lastTime >= times.lowerBound }
  }

  /// Rows of one series that may lie at some of `times`, as readers see them; nil when none. Only
  /// sources that hold one of the instants between their first and last are decoded, of blocks only
  /// the pages around, so a frame of two instants years apart costs two pages.
  ///
  /// Blocks and segments that fail their check are passed over: their rows are not known then, and
  /// what comes is stored as new rather than refused for ever.
  package func rows(
    of key: SeriesKey, number: Int?, at times: SampleTimes
  ) throws(StorageError) -> RowSet? {
    var sets: [RowSet] = []
    for source in try skippingDamage.sources(of: key, number: number, times: times.first...times.last) {
      let row = times.firstRow(atOrAfter: source.firstTime)
      guard row < times.count, times.tick(row) <= source.lastTime else { continue }
      // The last instant asked for that lies in the source.
      let end = source.lastTime == .max ? times.count : times.firstRow(atOrAfter: source.lastTime + 1)
      let last = times.tick(end - 1)
      do throws(StorageError) {
        if last == .max {
          let rows = try source.rows()
          if rows.count > 0 { sets.append(rows) }
        } else if let rows = try source.rows(in: times.tick(row)..<(last + 1)) {
          sets.append(rows)
        }
      } catch {
        guard error.isOfMedium else { throw error }
      }
    }
    return sets.isEmpty ? nil : RowMerge.winners(sets, order(of: key.table))
  }

  private var skippingDamage: SeriesSources {
    SeriesSources(
      live: live, lifecycles: lifecycles, through: through, skipsDamage: true, visibility: visibility)
  }

  /// Whether one series has rows that came after `lsn` at instants of `run`, or may have them where
  /// the run does not know its instants.
  func mayHaveRows(
    of key: SeriesKey, number: Int?, _ run: Coverage.Run, after lsn: LSN
  ) throws(StorageError) -> Bool {
    for source in try skippingDamage.sources(of: key, number: number, times: run.first...run.last)
    where source.lsnBounds.upperBound > lsn {
      let rows = try source.rows()
      var row = 0
      for part in rows.lsns {
        defer { row = part.end }
        guard part.lsn > lsn else { continue }
        for tick in (row..<part.end).lazy.map({ rows.times.tick($0) })
        where tick >= run.first && tick <= run.last && run.regular.map({ $0.index(of: tick) != nil }) ?? true {
          return true
        }
      }
    }
    return false
  }

  /// All series of a table that `wanted` lets through and that have rows around `times`, in order,
  /// each with its sources. No allocation for each block.
  /// - Parameters:
  ///   - numbers: the store's series index, for the heads; in no order.
  package func all(
    of table: TableID, times: ClosedRange<Int64>, kind: BlockEntry.Kind = .main,
    numbers: [(key: SeriesKey, number: Int)], wanted: (SeriesKey) -> Bool
  ) throws(StorageError) -> (series: [(key: SeriesKey, sources: [Stretch.Source])], pruned: Int) {
    var gathered = Gathered()
    var pruned = 0
    for segment in live.segments where segment.table == table {
      guard segment.overlaps(table, times) else {
        pruned += segment.blockCount
        continue
      }
      guard let directory = try directory(segment) else { continue }
      for (series, key) in directory.series.enumerated() {
        let blockCount = directory.blocks(ofSeries: series).count
        pruned += blockCount
        guard wanted(key) else { continue }
        let slot = gathered.slot(of: Int(directory.numbers[series]), key)
        let removals = self.removals(of: key)
        for kind in isHistoric && kind == .main ? [.superseded, .main] : [kind] {
          pruned -= add(
            directory, series: series, times, kind, removals, applied: segment.meta.appliedLSN,
            to: &gathered.found[slot].sources)
        }
      }
    }
    if kind == .main { try addHeads(numbers, times, wanted, &gathered, &pruned) }
    return (gathered.inOrder(), pruned)
  }

  private func addHeads(
    _ numbers: [(key: SeriesKey, number: Int)], _ times: ClosedRange<Int64>,
    _ wanted: (SeriesKey) -> Bool, _ gathered: inout Gathered, _ pruned: inout Int
  ) throws(StorageError) {
    let heads = live.heads.filter { $0.rowCount > 0 }
    guard !heads.isEmpty else { return }
    let keys = Dictionary(numbers.map { ($0.number, $0.key) }, uniquingKeysWith: { a, _ in a })
    for head in heads {
      for (number, chunks) in try head.chunks(of: Array(keys.keys), through: through) {
        guard let key = keys[number], wanted(key) else { continue }
        let slot = gathered.slot(of: number, key)
        let removals = self.removals(of: key)
        for chunk in chunks {
          let source = chunk.source
          if source.firstTime <= times.upperBound, source.lastTime >= times.lowerBound {
            add(source, removals, applied: 0, to: &gathered.found[slot].sources)
          } else {
            pruned += 1
          }
        }
      }
    }
  }

  /// Sources by series number: an array look-up where a dictionary would hash the key.
  private struct Gathered {
    var found: [(key: SeriesKey, sources: [Stretch.Source])] = []
    private var slots: [Int32] = []

    mutating func slot(of number: Int, _ key: SeriesKey) -> Int {
      if number >= slots.count {
        slots.append(contentsOf: repeatElement(-1, count: max(number + 1, slots.count)))
      }
      if slots[number] < 0 {
        slots[number] = Int32(found.count)
        found.append((key, []))
      }
      return Int(slots[number])
    }

    /// Segments give their series in order: often nothing is left to sort.
    func inOrder() -> [(key: SeriesKey, sources: [Stretch.Source])] {
      let kept = found.filter { !$0.sources.isEmpty }
      let isSorted = zip(kept, kept.dropFirst()).allSatisfy { $0.key < $1.key }
      return isSorted ? kept : kept.sorted { $0.key < $1.key }
    }
  }

  /// Adds `source` without its removed rows and, of a past LSN, without later ones.
  private func add(
    _ source: Stretch.Source, _ removals: SeriesRemovals?, applied: LSN,
    to sources: inout [Stretch.Source]
  ) {
    guard removals != nil || isHistoric else { return sources.append(source) }
    let lsns = source.lsnBounds
    var mask = RowMask(removals: [])
    if lsns.upperBound > through { mask.through = through }
    switch removals?.mask(
      source.firstTime...source.lastTime, lsns: lsns, applied: applied,
      through: isHistoric ? through : .max)
    {
    case .everything: return
    case .part(let found): mask.removals = found.removals
    case .nothing, nil: break
    }
    sources.append(mask.isEmpty ? source : .masked(source, mask))
  }

  /// - Returns: how many were added.
  @discardableResult
  private func add(
    _ directory: BlockDirectory, series: Int, _ times: ClosedRange<Int64>, _ kind: BlockEntry.Kind,
    _ removals: SeriesRemovals?, applied: LSN, to sources: inout [Stretch.Source]
  ) -> Int {
    let before = sources.count
    let blocks = directory.blocks(ofSeries: series)
    if before == 0 { sources.reserveCapacity(blocks.count) }
    for position in blocks {
      let row = directory.row(position)
      if row.kind == kind, row.firstTime <= times.upperBound, row.lastTime >= times.lowerBound,
        row.oldestLSN <= through
      {
        add(.block(directory.reader(position)), removals, applied: applied, to: &sources)
      }
    }
    return sources.count - before
  }
}

extension StorageError {
  /// Bytes that are lost, and will be at the next try: they fail their check, or the disk cannot give
  /// them (EIO).
  var isOfMedium: Bool {
    code == .corrupt || code == .truncated || (code == .io && errno == 5)
  }
}
