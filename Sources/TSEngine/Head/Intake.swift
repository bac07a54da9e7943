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

  /// A request that asked to be new as a whole is not.
  static let notAllNew = StorageError(.conflict, "some of the readings are stored already, or their time is absurd")

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
    /// The request may touch rows that are not durable yet, of an earlier request of this group or of
    /// groups under way; decide after they are.
    case mustWait
  }

  /// Durable rows of a series that may lie at some of the instants, as readers see them; nil when none.
  package typealias Existing =
    (_ key: SeriesKey, _ number: Int, _ times: SampleTimes) throws(StorageError) -> RowSet?

  private let limits: Limits
  /// The newest instant of each series that this group has accepted.
  private var group = PendingInstants()
  /// What this group has accepted, and how much of it `groupCoverage` holds: that is made when a
  /// request goes back behind the newest instant.
  private var groupParts: [Part] = []
  private var coveredPartCount = 0
  private var groupCoverage: [Int: Coverage] = [:]
  private var looksCloser = true
  /// Rows accepted so far of a request that needs a closer look.
  private var request: [Int: Coverage] = [:]

  package init(limits: Limits) { self.limits = limits }

  /// - Parameter looksCloser: everything before the group is durable, so that overlaps can be compared.
  package mutating func beginGroup(looksCloser: Bool = true) {
    self.looksCloser = looksCloser
    group.clear()
    groupParts.removeAll(keepingCapacity: true)
    coveredPartCount = 0
    groupCoverage.removeAll(keepingCapacity: true)
  }

  /// The bounds of `table` at `now`, wall time in nanoseconds.
  package func bounds(of table: TableID, now: Int64, _ registry: Registry) -> Bounds {
    let horizon = now.addingReportingOverflow(limits.futureNanos)
    return Bounds(
      limits.floor...max(limits.floor, horizon.overflow ? .max : horizon.partialValue),
      floor: registry.lifecycles.floor(of: table))
  }

  /// - Parameter policy: the table's; its quarantine twin always shows the newest.
  /// - Parameter onlyNew: all rows are new and of a sane time, or the batch is refused.
  /// - Throws: what `existing` throws; `.conflict` when the policy rejects the batch, or it is not all new.
  package mutating func decide(
    _ batch: FrameBatch, _ bounds: Bounds, policy: ConflictPolicy = .last, onlyNew: Bool = false,
    series catalog: SeriesCatalog, existing: Existing
  ) throws(StorageError) -> Outcome {
    if let series = allNew(batch, bounds, catalog) {
      var accepted = Accepted()
      accepted.result.new = batch.rowCount
      accepted.parts = [Part(batch: batch, series: series, frames: Array(batch.frames.indices))]
      groupParts += accepted.parts
      return .accepted(accepted)
    }
    if onlyNew { throw Self.notAllNew }
    guard looksCloser else { return .mustWait }
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
          if isPending(series, times) { return .mustWait }
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
    for (series, coverage) in request { if let last = coverage.last { group.extend(series, to: last) } }
    group.keep()
    let accepted = sorter.accepted()
    groupParts += accepted.parts
    return .accepted(accepted)
  }

  /// Whether an earlier request of this group may have rows at some of the instants.
  private mutating func isPending(_ series: Int, _ times: SampleTimes) -> Bool {
    guard group.reaches(series, times.first) else { return false }
    for part in groupParts[coveredPartCount...] {
      for (run, number) in zip(part.batch.runs, part.series) {
        groupCoverage[number, default: Coverage()].insert(run.times)
      }
    }
    coveredPartCount = groupParts.count
    return (groupCoverage[series]?.check(times) ?? .absent) != .absent
  }

  /// The series of each run when nothing overlaps and no time is absurd; else nil.
  private mutating func allNew(
    _ batch: FrameBatch, _ bounds: Bounds, _ catalog: SeriesCatalog
  ) -> [Int]? {
    for at in batch.runs.indices
    where !bounds.accepts(batch.runs[at].first) || !bounds.accepts(batch.runs[at].last) { return nil }
    guard let numbers = catalog.numbersIfAbsent(batch) else { return nil }
    for at in batch.runs.indices {
      if group.reaches(numbers[at], batch.runs[at].first) {
        group.takeBack(at)
        return nil
      }
      group.extend(numbers[at], to: batch.runs[at].last)
    }
    group.keep()
    return numbers
  }
}

/// The newest instant that a group has accepted of each series, forgotten in O(1).
private struct PendingInstants {
  private struct Entry {
    var group: UInt64
    var last: Int64
  }

  private var entries: [Entry] = []
  private var group: UInt64 = 1
  /// What `extend` replaced since the last `keep`, for `takeBack`.
  private var replaced: [(series: Int, entry: Entry)] = []

  mutating func clear() {
    group += 1
    replaced.removeAll(keepingCapacity: true)
  }

  /// Whether the group has rows of the series at or after `instant`.
  func reaches(_ series: Int, _ instant: Int64) -> Bool {
    series < entries.count && entries[series].group == group && entries[series].last >= instant
  }

  mutating func extend(_ series: Int, to last: Int64) {
    while entries.count <= series { entries.append(Entry(group: 0, last: .min)) }
    let entry = entries[series]
    replaced.append((series, entry))
    let newest = entry.group == group ? max(entry.last, last) : last
    entries[series] = Entry(group: group, last: newest)
  }

  mutating func keep() { replaced.removeAll(keepingCapacity: true) }

  /// Undoes the last `count` calls of `extend`.
  mutating func takeBack(_ count: Int) {
    for _ in 0..<count {
      guard let (series, entry) = replaced.popLast() else { return }
      entries[series] = entry
    }
  }
}

extension SeriesCatalog {
  /// The series number of each run of a batch when its series have none of its instants; else nil.
  fileprivate func numbersIfAbsent(_ batch: FrameBatch) -> [Int]? {
    withLock { index in
      var numbers: [Int] = []
      numbers.reserveCapacity(batch.runs.count)
      for frame in batch.frames {
        index.append(
          numbersOf: batch.runs[frame.runs], table: batch.table, device: frame.device, to: &numbers)
      }
      for at in batch.runs.indices
      where index.check(batch.runs[at].times, numbers[at]) != .absent { return nil }
      return numbers
    }
  }
}

extension StorageError {
  /// The request is at fault and will be at every try: who sent it is told, and nobody waits for it.
  package var isAboutTheRequest: Bool { code == .invalid || self == Intake.rejected }
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
