/// The store at one LSN. Immutable, cheap to take and to copy; readers never wait for writers,
/// and rows that are not yet durable are not in it.
public struct Snapshot: Sendable {
  /// The newest durable LSN this snapshot shows.
  public let lsn: LSN
  public let symbols: SymbolTable
  /// Tables in order of their ids.
  public let tables: [TableSchema]
  package let registry: Registry
  let backing: Backing
  /// Set on a snapshot of the past: readings as they were known at this LSN.
  let knownAt: LSN?
  /// Reads what is left where files are damaged.
  private(set) var skipsDamage = false

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
      let sources = SeriesSources(live: live, through: knownAt, skipsDamage: skipsDamage)
      var found: [(key: SeriesKey, sources: [Stretch.Source])] = []
      var pruned = 0
      if let devices = filter.devices {
        for (key, number) in shared.series.series(of: table, devices: devices)
        where isWanted(key) {
          found.append((key, try sources.sources(of: key, number: number, times: bounds)))
        }
        let blocks = live.segments.reduce(0) { $0 + ($1.table == table ? $1.blockCount : 0) }
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
      return ScanPlan(stretches: stretches, prunedCount: pruned)
    }
  }

  /// The series of `table`, sorted. O(series log series).
  public func series(of table: TableID) -> [SeriesKey] {
    switch backing {
    case .memory(let stretches):
      var keys: [SeriesKey] = []
      for stretch in stretches[table] ?? [] where keys.last != stretch.series {
        keys.append(stretch.series)
      }
      return keys
    case .store(_, let shared): return shared.series.known(of: table).sorted()
    }
  }

  /// Commit time of `lsn` to the millisecond, nanoseconds; nil when unknown. O(log commits).
  package func commitTime(of lsn: LSN) -> Int64? {
    guard case .store(_, let shared) = backing else { return nil }
    return shared.clock.withLock { $0.time(of: lsn) }
  }

  /// The live data segments, for system tables.
  package var segments: [DataSegmentReader] {
    if case .store(let live, _) = backing { live.segments } else { [] }
  }

  package var manifest: Manifest {
    if case .store(let live, _) = backing { live.manifest } else { Manifest() }
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
