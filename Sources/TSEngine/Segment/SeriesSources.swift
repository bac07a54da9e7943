/// Where the rows of a series are: blocks of data segments and chunks of heads, as one state of
/// the store shows them.
package struct SeriesSources {
  private let live: Live

  package init(live: Live) { self.live = live }

  /// What one series has around `times` (inclusive), in no order, through the durable LSN.
  /// `number` is its number in the series index, nil when unknown to it.
  package func sources(
    of key: SeriesKey, number: Int?, times: ClosedRange<Int64>, kind: BlockEntry.Kind = .main
  ) throws(StorageError) -> [Stretch.Source] {
    var sources: [Stretch.Source] = []
    for segment in live.segments where segment.overlaps(key.table, times) {
      guard let series = segment.index.series.sortedIndex(of: key) else { continue }
      Self.add(segment, series: series, times, kind, to: &sources)
    }
    guard let number, kind == .main else { return sources }
    for head in live.heads {
      for (_, chunks) in try head.chunks(of: [number], through: live.durableLSN) {
        for chunk in chunks where chunk.firstTime <= times.upperBound {
          sources.append(chunk.source)
        }
      }
    }
    return sources.filter { $0.lastTime >= times.lowerBound }
  }

  /// Rows of one series that may lie at some of `times`, newest LSN winning; nil when none. Only
  /// sources that hold one of the instants between their first and last are decoded, of blocks only
  /// the pages around, so a frame of two instants years apart costs two pages.
  ///
  /// A block that fails its check is passed over: its rows are not known then, and what comes is
  /// stored as new rather than refused for ever.
  package func rows(
    of key: SeriesKey, number: Int?, at times: SampleTimes
  ) throws(StorageError) -> RowSet? {
    var sets: [RowSet] = []
    for source in try sources(of: key, number: number, times: times.first...times.last) {
      let row = times.firstRow(atOrAfter: source.firstTime)
      guard row < times.count, times.tick(row) <= source.lastTime else { continue }
      // The last instant asked for that lies in the source.
      let end = source.lastTime == .max ? times.count : times.firstRow(atOrAfter: source.lastTime + 1)
      let last = times.tick(end - 1)
      do throws(StorageError) {
        if last == .max {
          sets.append(try source.rows())
        } else if let rows = try source.rows(in: times.tick(row)..<(last + 1)) {
          sets.append(rows)
        }
      } catch {
        guard error.code == .corrupt || error.code == .truncated else { throw error }
      }
    }
    return sets.isEmpty ? nil : RowMerge.newest(sets)
  }

  /// Whether one series has rows that came after `lsn` at instants of `run`, or may have them where
  /// the run does not know its instants.
  func mayHaveRows(
    of key: SeriesKey, number: Int?, _ run: Coverage.Run, after lsn: LSN
  ) throws(StorageError) -> Bool {
    for source in try sources(of: key, number: number, times: run.first...run.last)
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

  /// All series of a table that `wanted` lets through, each with its sources around `times`.
  /// - Parameter series: the store's series index, for the heads' numbers.
  package func all(
    of table: TableID, times: ClosedRange<Int64>, kind: BlockEntry.Kind = .main,
    numbers: [(key: SeriesKey, number: Int)], wanted: (SeriesKey) -> Bool
  ) throws(StorageError) -> (series: [SeriesKey: [Stretch.Source]], pruned: Int) {
    var found: [SeriesKey: [Stretch.Source]] = [:]
    var pruned = 0
    for segment in live.segments where segment.index.table == table {
      guard segment.overlaps(table, times) else {
        pruned += segment.index.blocks.count
        continue
      }
      for (series, key) in segment.index.series.enumerated() {
        let blocks = segment.blocks(ofSeries: series)
        guard wanted(key) else {
          pruned += blocks.count
          continue
        }
        let before = found[key]?.count ?? 0
        Self.add(segment, series: series, times, kind, to: &found[key, default: []])
        pruned += blocks.count - ((found[key]?.count ?? 0) - before)
      }
    }
    guard kind == .main else { return (found, pruned) }
    let keys = Dictionary(numbers.map { ($0.number, $0.key) }, uniquingKeysWith: { a, _ in a })
    for head in live.heads {
      for (number, chunks) in try head.chunks(of: Array(keys.keys), through: live.durableLSN) {
        guard let key = keys[number], wanted(key) else { continue }
        for chunk in chunks {
          let source = chunk.source
          if source.firstTime <= times.upperBound, source.lastTime >= times.lowerBound {
            found[key, default: []].append(source)
          } else {
            pruned += 1
          }
        }
      }
    }
    return (found.filter { !$0.value.isEmpty }, pruned)
  }

  private static func add(
    _ segment: DataSegmentReader, series: Int, _ times: ClosedRange<Int64>,
    _ kind: BlockEntry.Kind, to sources: inout [Stretch.Source]
  ) {
    for reader in segment.readers(ofSeries: series)
    where reader.entry.kind == kind && reader.entry.firstTime <= times.upperBound
      && reader.entry.lastTime >= times.lowerBound
    {
      sources.append(.block(reader))
    }
  }
}

extension DataSegmentReader {
  /// Whether it may hold rows of `table` within `times`.
  package func overlaps(_ table: TableID, _ times: ClosedRange<Int64>) -> Bool {
    index.table == table && firstTime <= times.upperBound && lastTime >= times.lowerBound
  }
}

extension [SeriesKey] {
  /// The index of `key` in this sorted array, or nil. O(log n).
  func sortedIndex(of key: SeriesKey) -> Int? {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < key { low = middle + 1 } else { high = middle }
    }
    return low < count && self[low] == key ? low : nil
  }
}
