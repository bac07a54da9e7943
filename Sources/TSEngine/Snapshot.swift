/// The store at one LSN. Immutable, cheap to take and to copy; readers never wait for writers,
/// and rows that are not yet durable are not in it.
public struct Snapshot: Sendable {
  /// The newest durable LSN this snapshot shows.
  public let lsn: LSN
  public let symbols: SymbolTable
  /// Tables in order of their ids.
  public let tables: [TableSchema]
  package private(set) var registry: Registry
  let backing: Backing
  /// Set on a snapshot of the past: readings as they were known at this LSN.
  let knownAt: LSN?
  /// Reads what is left where files are damaged.
  private(set) var skipsDamage = false
  /// What is left out for whoever looks; nil shows all.
  private(set) var visibility: Visibility?
  /// Leaves out the codes by which devices are claimed.
  private(set) var hidesCodes = false

  enum Backing: Sendable {
    case memory([TableID: [Stretch]])
    case store(Live, Shared)
  }

  /// A snapshot of rows in memory. `stretches` of a table in order of series and time.
  package init(
    lsn: LSN, symbols: SymbolTable, tables: [TableSchema], stretches: [TableID: [Stretch]]
  ) {
    self.lsn = lsn
    self.symbols = symbols
    self.tables = tables
    registry = Registry()
    backing = .memory(stretches)
    knownAt = nil
  }

  init(live: Live, shared: Shared, knownAt: LSN? = nil) {
    lsn = knownAt ?? live.durableLSN
    self.knownAt = knownAt
    symbols = shared.symbols
    registry = live.registry
    tables = live.registry.types.all.map(\.schema)
    backing = .store(live, shared)
  }

  /// The same, read around damage: segments that cannot be read count as if they had nothing, where a
  /// scan that needs them would throw.
  package func readingAroundDamage() -> Snapshot {
    var around = self
    around.skipsDamage = true
    return around
  }

  /// The same as `viewer` may see it (T-04): rows of the instants that are theirs, the registry of what is theirs,
  /// records of the same bounds. Whatever is asked of it is bounded: scans, statistics, counts of rows, rollups,
  /// conflicts, quarantine, journal, and all of them at an earlier LSN or instant.
  ///
  /// Devices and their owners are those of the registry; while a damaged journal may say otherwise, nothing is shown.
  package func seen(by viewer: Viewer) -> Snapshot {
    var seen = self
    var known = registry
    if case .store(let live, _) = backing { known = live.registry }
    seen.visibility = Visibility(viewer, known)
    seen.registry = known.seen(by: viewer)
    return seen
  }

  /// The same for whoever reads all and may claim nothing: without codes, in the registry and in the journal.
  package func withoutCodes() -> Snapshot {
    var same = self
    same.hidesCodes = true
    same.registry = registry.withoutCodes()
    return same
  }

  /// Whose view this is; nil for one of everything.
  package var viewer: Viewer? { visibility?.viewer }
  /// Devices of which there may be something to see; nil for all.
  package var visibleDevices: Set<String>? { visibility?.devices }
  var isBounded: Bool { visibility != nil }

  /// The same of everything, for what bounds its answer itself.
  var unbounded: Snapshot {
    var all = self
    all.visibility = nil
    return all
  }

  /// Whoever looks at `other` looks at this.
  func bounded(as other: Snapshot) -> Snapshot {
    var same = self
    (same.skipsDamage, same.visibility, same.hidesCodes) = (other.skipsDamage, other.visibility, other.hidesCodes)
    if other.visibility != nil || other.hidesCodes { same.registry = other.registry }
    return same
  }

  /// The table called `name`, or nil.
  public func table(named name: String) -> TableSchema? { tables.first { $0.name == name } }

  /// What a scan may leave out. Rows outside `times` may still come: the reader filters.
  public struct ScanFilter: Sendable {
    /// Only these devices; nil is all.
    public var devices: Set<String>?
    public var probes: Set<Int32>?
    /// Instants of interest, half open, nanoseconds since the epoch; nil is all.
    public var times: Range<Int64>?
    public init(devices: Set<String>? = nil, probes: Set<Int32>? = nil, times: Range<Int64>? = nil) {
      self.devices = devices
      self.probes = probes
      self.times = times
    }
  }

  /// How many stretches a scan saw and how many it left out by series and time.
  public struct ScanPlan: Sendable {
    /// In order of (device, probe, time).
    public var stretches: [Stretch]
    public var prunedCount: Int
  }

  /// The stretches of `table` that may hold rows of `filter`.
  /// O(blocks of the segments in the time range), no I/O on blocks.
  /// - Throws: `.invalid` where this snapshot is of the past and rows it would show within the filter's times are gone; `.corrupt`, naming
  ///   the file, where a segment of these times is damaged, or a journal whose events may have changed what is found.
  public func scan(
    _ table: TableID, _ filter: ScanFilter = ScanFilter()
  ) throws(StorageError) -> ScanPlan {
    if let times = filter.times, times.isEmpty { return ScanPlan(stretches: [], prunedCount: 0) }
    var filter = filter
    if let visibility {
      try requireWholeRegistry()
      filter.devices = filter.devices?.intersection(visibility.devices) ?? visibility.devices
    }
    func isWanted(_ key: SeriesKey) -> Bool {
      (filter.devices?.contains(key.device) ?? true) && (filter.probes?.contains(key.probe) ?? true)
    }
    let bounds = filter.times.map { $0.lowerBound...($0.upperBound - 1) } ?? Int64.min...Int64.max
    switch backing {
    case .memory(let stretches):
      let all = stretches[table] ?? []
      let kept = all.filter {
        isWanted($0.series) && $0.lastTime >= bounds.lowerBound && $0.firstTime <= bounds.upperBound
      }
      return ScanPlan(stretches: kept, prunedCount: all.count - kept.count)
    case .store(let live, let shared):
      try checkKnown(table, bounds)
      if !skipsDamage, let damaged = live.segments.first(where: { $0.isDamaged && $0.overlaps(table, bounds) }) {
        // Which series it has is not known.
        throw damaged.damage
      }
      let sources = SeriesSources(
        live: live, through: knownAt, skipsDamage: skipsDamage, visibility: visibility)
      var found: [(key: SeriesKey, sources: [Stretch.Source])] = []
      var pruned = 0
      if let devices = filter.devices {
        for (key, number) in shared.series.series(of: table, devices: devices)
        where isWanted(key) {
          found.append((key, try sources.sources(of: key, number: number, times: bounds)))
        }
        // How much there is of others is not told.
        let blocks = isBounded ? 0 : live.segments.reduce(0) { $0 + ($1.table == table ? $1.blockCount : 0) }
        pruned = max(0, blocks - found.reduce(0) { $0 + $1.sources.count })
        found.sort { $0.key < $1.key }
      } else {
        (found, pruned) = try sources.all(
          of: table, times: bounds, numbers: shared.series.series(of: table), wanted: isWanted)
      }
      let order = sources.order(of: table)
      var stretches: [Stretch] = []
      stretches.reserveCapacity(found.reduce(0) { $0 + $1.sources.count })
      for (key, sources) in found {
        for source in Stretch.Source.grouped(sources, order) {
          stretches.append(Stretch(series: key, source: source))
        }
      }
      try requireUnaffected(stretches)
      if isBounded { stretches = try Self.withoutForeign(stretches) }
      return ScanPlan(stretches: stretches, prunedCount: pruned)
    }
  }

  /// Stretches that hold foreign rows are read here and cut, so that neither their number nor their first and last
  /// instant tells of those.
  /// - Complexity: reads, of each series, the stretches in which the viewer's time begins or ends.
  private static func withoutForeign(_ stretches: [Stretch]) throws(StorageError) -> [Stretch] {
    var kept: [Stretch] = []
    for stretch in stretches {
      guard stretch.source.hidesForeign else {
        kept.append(stretch)
        continue
      }
      let rows = try stretch.rows()
      if rows.count > 0 { kept.append(Stretch(series: stretch.series, rows: rows)) }
    }
    return kept
  }

  /// The series of `table`, sorted. O(series log series).
  public func series(of table: TableID) -> [SeriesKey] {
    switch backing {
    case .memory(let stretches):
      var keys: [SeriesKey] = []
      for stretch in stretches[table] ?? [] where keys.last != stretch.series {
        keys.append(stretch.series)
      }
      return keys.filter { visibility?.devices.contains($0.device) ?? true }
    case .store(_, let shared):
      guard let visibility else { return shared.series.known(of: table).sorted() }
      return shared.series.series(of: table, devices: visibility.devices).map(\.key).sorted()
    }
  }

  /// Commit time of `lsn` to the millisecond, nanoseconds; nil when unknown. O(log commits).
  package func commitTime(of lsn: LSN) -> Int64? {
    guard case .store(_, let shared) = backing else { return nil }
    return shared.clock.withLock { $0.time(of: lsn) }
  }

  /// The live data segments, for system tables; none where not all may be seen.
  package var segments: [DataSegmentReader] {
    if case .store(let live, _) = backing, !isBounded { live.segments } else { [] }
  }

  package var manifest: Manifest {
    if case .store(let live, _) = backing, !isBounded { live.manifest } else { Manifest() }
  }
}

extension Stretch.Source {
  /// Whether rows of it are masked for whoever looks.
  fileprivate var hidesForeign: Bool {
    switch self {
    case .masked(let source, let mask): mask.hidesForeign || source.hidesForeign
    case .merged(let sources, _): sources.contains { $0.hidesForeign }
    case .rows, .open, .block: false
    }
  }
}

extension SeriesCatalog {
  /// The series of a table with their numbers, in no order. O(series).
  func series(of table: TableID) -> [(key: SeriesKey, number: Int)] {
    withLock { index in
      var found: [(key: SeriesKey, number: Int)] = []
      for number in 0..<index.count where index.table(number) == table {
        found.append((index.key(number), number))
      }
      return found
    }
  }

  /// Those that ever had rows: a number is given before it is known whether its rows can be written.
  func known(of table: TableID) -> [SeriesKey] {
    withLock { index in
      (0..<index.count).filter { index.table($0) == table && index.hasRows($0) }.map { index.key($0) }
    }
  }

  /// The series of some devices. O(devices).
  func series(of table: TableID, devices: Set<String>) -> [(key: SeriesKey, number: Int)] {
    withLock { index in
      devices.flatMap { device in
        index.numbers(table: table, device: device).map { (index.key($0), $0) }
      }
    }
  }
}
