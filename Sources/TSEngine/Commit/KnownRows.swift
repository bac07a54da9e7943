/// What the store has at the instants of a request that it may have already: decoded on the thread
/// of whoever sends the request, so that retransmissions do not keep the writer. In the writer's
/// turn it counts unless rows have come since that may lie at the same instants.
struct KnownRows: Sendable {
  /// The newest durable LSN when it was looked up.
  private(set) var lsn: LSN = 0
  private var found: [Key: Entry] = [:]

  private struct Key: Hashable {
    var series: Int
    var times: SampleTimes
  }

  private struct Entry {
    /// Nil where there are surely none.
    var rows: RowSet?
    /// The last instant the series had, when all of its rows were durable; what came behind it does
    /// not matter to earlier instants.
    var end: Int64?
  }

  /// Knows nothing.
  init() {}

  /// Looks up the runs of `batch` that overlap the coverage of their series. No I/O when none does.
  /// - Precondition: the runs were checked.
  /// - Throws: `.io`.
  init(_ batch: FrameBatch, _ shared: Shared) throws(StorageError) {
    let asked = shared.series.overlaps(of: batch)
    guard !asked.isEmpty else { return }
    // After the coverage: rows it had then are durable if their LSN is.
    let live = shared.live.withLock { $0 }
    lsn = live.durableLSN
    let sources = SeriesSources(live: live)
    for run in asked {
      found[Key(series: run.number, times: run.times)] = Entry(
        rows: try sources.rows(of: run.key, number: run.number, at: run.times),
        end: run.newestLSN <= lsn ? run.end : nil)
    }
  }

  /// The rows of a series at `times` if they were looked up and still count; the outer nil says that
  /// they must be looked up now.
  func rows(_ series: Int, _ times: SampleTimes, _ index: SeriesIndex) -> RowSet?? {
    guard let entry = found[Key(series: series, times: times)] else { return nil }
    let isUntouched = index.newestLSN(series) <= lsn
    let isOnlyBehind = index.newestLateLSN(series) <= lsn && entry.end.map { times.last <= $0 } ?? false
    return isUntouched || isOnlyBehind ? .some(entry.rows) : nil
  }
}

/// A run whose series may have some of its instants.
private struct OverlappingRun: Sendable {
  var key: SeriesKey
  var number: Int
  var times: SampleTimes
  var newestLSN: LSN
  /// The last instant the series has.
  var end: Int64?
}

extension SeriesCatalog {
  /// Runs of a batch whose series may have some of their instants. O(runs).
  fileprivate func overlaps(of batch: FrameBatch) -> [OverlappingRun] {
    withLock { index in
      var found: [OverlappingRun] = []
      for frame in batch.frames {
        index.forEachKnown(of: batch.runs[frame.runs], table: batch.table, device: frame.device) { run, number in
          if index.check(run.times, number) == .absent { return }
          found.append(
            OverlappingRun(
              key: SeriesKey(table: batch.table, device: frame.device, probe: run.probe), number: number,
              times: run.times, newestLSN: index.newestLSN(number), end: index.coverage.last(number)))
        }
      }
      return found
    }
  }

  /// What was looked up of a series for a request, if it still counts.
  func known(_ rows: KnownRows, _ series: Int, _ times: SampleTimes) -> RowSet?? {
    withLock { rows.rows(series, times, $0) }
  }

  /// Those of `runs` whose series got rows after `lsn`. O(runs).
  func changed(
    _ runs: [(key: SeriesKey, run: Coverage.Run)], after lsn: LSN
  ) -> [(key: SeriesKey, number: Int, run: Coverage.Run)] {
    withLock { index in
      runs.compactMap { key, run in
        guard
          let number = index.existingNumber(table: key.table, device: key.device, probe: key.probe),
          index.newestLSN(number) > lsn
        else { return nil }
        return (key, number, run)
      }
    }
  }
}
