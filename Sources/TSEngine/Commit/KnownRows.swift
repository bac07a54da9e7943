/// What the store has at the instants of a request that it may have already: decoded on the thread
/// of whoever sends the request, so that retransmissions do not keep the writer. In the writer's
/// turn it counts as far as nothing newer has come to the series since.
struct KnownRows: Sendable {
  /// The newest durable LSN when it was looked up.
  private(set) var lsn: LSN = 0
  /// Nil rows where there are surely none.
  private var found: [Key: RowSet?] = [:]

  private struct Key: Hashable {
    var series: Int
    var times: SampleTimes
  }

  /// Knows nothing.
  init() {}

  /// Looks up the runs of `batch` that overlap the coverage of their series. No I/O when none does.
  /// - Throws: `.io`.
  init(_ batch: FrameBatch, _ shared: Shared) throws(StorageError) {
    let asked = shared.series.overlaps(of: batch)
    guard !asked.isEmpty else { return }
    let live = shared.live.withLock { $0 }
    lsn = live.durableLSN
    let sources = SeriesSources(live: live)
    for (key, number, times) in asked {
      found[Key(series: number, times: times)] = .some(try sources.rows(of: key, number: number, at: times))
    }
  }

  /// The rows of a series at `times` if they were looked up, nothing newer than `newestLSN` counting.
  func rows(_ series: Int, _ times: SampleTimes, newestLSN: LSN) -> RowSet?? {
    newestLSN > lsn ? nil : found[Key(series: series, times: times)]
  }
}

extension SeriesCatalog {
  /// Runs of a batch whose series may have some of their instants. O(runs).
  fileprivate func overlaps(
    of batch: FrameBatch
  ) -> [(key: SeriesKey, number: Int, times: SampleTimes)] {
    withLock { index in
      var found: [(key: SeriesKey, number: Int, times: SampleTimes)] = []
      for frame in batch.frames {
        for run in batch.runs[frame.runs] {
          let key = SeriesKey(table: batch.table, device: frame.device, probe: run.probe)
          guard
            let number = index.existingNumber(
              table: key.table, device: key.device, probe: key.probe),
            index.coverage[number].check(run.times) != .absent
          else { continue }
          found.append((key, number, run.times))
        }
      }
      return found
    }
  }

  /// The newest LSN of this process that brought rows of a series.
  func newestLSN(ofSeries number: Int) -> LSN { withLock { $0.newestLSN[number] } }
}
