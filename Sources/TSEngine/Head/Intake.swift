/// Decides what becomes of each reading of a batch: new, same, conflict, quarantined or expired; and
/// leaves only the rows that must be stored. In the common case (all instants later than what the series
/// has) this is a comparison a run; only overlaps are decoded.
///
/// Readings held back for an absurd time go to the table's quarantine twin (`TableID.quarantine`),
/// where they live like any other reading until a person decides.
package struct Intake {
  package struct Limits: Sendable {
    /// Readings further ahead of the clock than this are quarantined.
    package var futureNanos: Int64 = 300_000_000_000
    /// Readings before this instant are quarantined: 2000-01-01T00:00:00Z.
    package var floor: Int64 = 946_684_800_000_000_000
    package init() {}
  }

  /// Where in time a table's readings may lie.
  package struct Bounds: Sendable {
    /// Readings outside are quarantined.
    package var sane: ClosedRange<Int64>
    /// Readings before this retention floor expire.
    package var floor: Int64

    package init(_ sane: ClosedRange<Int64>, floor: Int64 = .min) {
      self.sane = sane
      self.floor = floor
    }

    package func accepts(_ instant: Int64) -> Bool { sane.contains(instant) && instant >= floor }
  }

  package enum Fate: Sendable { case accepted, quarantined, expired }

  /// A table of policy `reject` takes no reading that says other than the one it has.
  package static let rejected = StorageError(
    .conflict, "a reading differs from the stored one, and the table's policy is to reject such")

  /// What must be stored of one request.
  package struct Accepted {
    /// At most two: the table's rows and its quarantine twin's.
    package var parts: [Part] = []
    package var result = AppendResult()
  }

  package struct Part {
    package var batch: FrameBatch
    /// Series number of each run of `batch`.
    package var series: [Int]
    /// Which frame of the request each frame of `batch` comes from.
    package var frames: [Int]
  }

  package enum Outcome {
    case accepted(Accepted)
    /// The request touches rows of an earlier request of this group; decide after that is durable.
    case mustWait
  }

  /// Durable rows of a series that may lie at some of the instants, as readers see them; nil when none.
  package typealias Existing =
    (_ key: SeriesKey, _ number: Int, _ times: SampleTimes) throws(StorageError) -> RowSet?

  private let limits: Limits
  /// Rows accepted by earlier requests of this group.
  private var group: [Int: Coverage] = [:]
  /// Rows accepted so far of this request.
  private var request: [Int: Coverage] = [:]

  package init(limits: Limits) { self.limits = limits }

  package mutating func beginGroup() { group.removeAll(keepingCapacity: true) }

  /// The bounds of `table` at `now`, wall time in nanoseconds.
  package func bounds(of table: TableID, now: Int64, _ registry: Registry) -> Bounds {
    let horizon = now.addingReportingOverflow(limits.futureNanos)
    return Bounds(
      limits.floor...max(limits.floor, horizon.overflow ? .max : horizon.partialValue),
      floor: registry.lifecycles.floor(of: table))
  }

  /// - Parameter policy: the table's; its quarantine twin always shows the newest.
  /// - Throws: what `existing` throws; `.conflict` when the policy rejects the batch.
  package mutating func decide(
    _ batch: FrameBatch, _ bounds: Bounds, policy: ConflictPolicy = .last,
    series catalog: SeriesCatalog, existing: Existing
  ) throws(StorageError) -> Outcome {
    request.removeAll(keepingCapacity: true)
    if let series = allNew(batch, bounds, catalog) {
      var accepted = Accepted()
      accepted.result.new = batch.rowCount
      accepted.parts = [Part(batch: batch, series: series, frames: Array(batch.frames.indices))]
      return finish(accepted)
    }
    request.removeAll(keepingCapacity: true)
    var sorter = Sorter(batch, bounds, policy)
    for (index, frame) in batch.frames.enumerated() {
      sorter.beginFrame(index)
      for run in frame.runs {
        for (fate, rows) in sorter.split(run) {
          if fate == .expired {
            sorter.expire(rows.count)
            continue
          }
          let twin = fate == .quarantined
          let table = twin ? batch.table.quarantine : batch.table
          let key = SeriesKey(table: table, device: frame.device, probe: batch.runs[run].probe)
          let (series, coverage) = catalog.lookUp(
            table: key.table, device: key.device, probe: key.probe)
          let times = batch.runs[run].times.rows(rows)
          if case .maybe = group[series]?.check(times) ?? .absent { return .mustWait }
          var known: RowSet?
          if case .maybe = coverage.check(times) {
            known = try existing(key, series, times)
          }
          try sorter.place(
            run, rows, times, twin: twin, series: series, known: known, pending: request[series])
          request[series, default: Coverage()].insert(times)
        }
      }
    }
    return finish(sorter.accepted())
  }

  private mutating func finish(_ accepted: Accepted) -> Outcome {
    for (series, coverage) in request {
      for run in coverage.runs { group[series, default: Coverage()].insert(run) }
    }
    return .accepted(accepted)
  }

  /// The series of each run when nothing overlaps and no time is absurd; else nil.
  private mutating func allNew(
    _ batch: FrameBatch, _ bounds: Bounds, _ catalog: SeriesCatalog
  ) -> [Int]? {
    var series: [Int] = []
    series.reserveCapacity(batch.runs.count)
    let isNew = catalog.withLock { index in
      for frame in batch.frames {
        for run in batch.runs[frame.runs] {
          guard bounds.accepts(run.times.first), bounds.accepts(run.times.last) else {
            return false
          }
          let number = index.number(table: batch.table, device: frame.device, probe: run.probe)
          guard index.coverage[number].check(run.times) == .absent else { return false }
          series.append(number)
        }
      }
      return true
    }
    guard isNew else { return nil }
    for (run, number) in zip(batch.runs, series) {
      guard (group[number]?.check(run.times) ?? .absent) == .absent,
        (request[number]?.check(run.times) ?? .absent) == .absent
      else { return nil }
      request[number, default: Coverage()].insert(run.times)
    }
    return series
  }
}

extension TableID {
  /// The table that holds this table's quarantined readings.
  package var quarantine: TableID { self | 0x8000_0000 }
  package var isQuarantine: Bool { self & 0x8000_0000 != 0 }
}

extension SampleTimes {
  /// Instants of `range` alone.
  package func rows(_ range: Range<Int>) -> SampleTimes {
    if range == 0..<count { return self }
    switch self {
    case .regular(let regular):
      if let slice = regular.slice(range) { return .regular(slice) }
      return .explicit(range.map { regular.tick($0) })
    case .explicit(let instants): return .explicit(Array(instants[range]))
    }
  }
}
