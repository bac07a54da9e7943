/// The store at one LSN. Immutable, cheap to take and to copy; readers never wait for writers,
/// and rows that are not yet durable are not in it.
public struct Snapshot: Sendable {
  /// The newest durable LSN this snapshot shows.
  public let lsn: LSN
  public let symbols: SymbolTable
  /// Tables in order of their ids.
  public let tables: [TableSchema]
  private let stretches: [TableID: [Stretch]]

  /// A snapshot of rows in memory. `stretches` of a table in order of series and time.
  package init(
    lsn: LSN, symbols: SymbolTable, tables: [TableSchema], stretches: [TableID: [Stretch]]
  ) {
    self.lsn = lsn
    self.symbols = symbols
    self.tables = tables
    self.stretches = stretches
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
  /// O(stretches of the matching series), no I/O on blocks.
  public func scan(_ table: TableID, _ filter: ScanFilter = ScanFilter()) throws(StorageError) -> ScanPlan {
    let all = stretches[table] ?? []
    let kept = all.filter { stretch in
      if let devices = filter.devices, !devices.contains(stretch.series.device) { return false }
      if let probes = filter.probes, !probes.contains(stretch.series.probe) { return false }
      if let times = filter.times, stretch.lastTime < times.lowerBound || stretch.firstTime >= times.upperBound {
        return false
      }
      return true
    }
    return ScanPlan(stretches: kept, prunedCount: all.count - kept.count)
  }

  /// The series of `table`, sorted.
  public func series(of table: TableID) -> [SeriesKey] {
    var keys: [SeriesKey] = []
    for stretch in stretches[table] ?? [] where keys.last != stretch.series { keys.append(stretch.series) }
    return keys
  }
}
