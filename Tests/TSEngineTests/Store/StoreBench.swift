import Glibc
import Testing

@testable import TSEngine

/// How many seeds a randomised test runs: TSQ_SEEDS, or `standard` scaled to a thousand.
func seedCount(_ standard: Int) -> Int {
  guard let text = getenv("TSQ_SEEDS"), let count = Int(String(cString: text)) else { return standard }
  return max(1, standard * count / 1000)
}

/// A store on a simulated disk, stepped by hand.
struct StoreBench {
  static let path = "s"
  static let start: Int64 = 1_700_000_000_000_000_000
  static let actor = Actor(.daemon, "test")
  let disk: SimDisk
  let clock: SimClock
  let seed: UInt64
  let checkpointSegmentLimit: Int
  let sharing: BlockBuilder.Sharing

  /// - Parameters:
  ///   - checkpointSegmentLimit: 1 has the series checkpoint written at every occasion.
  ///   - sharing: which rows go into shared blocks; as a server does by default.
  init(
    seed: UInt64 = 1, disk: SimDisk? = nil, clock: SimClock = SimClock(nanos: start),
    checkpointSegmentLimit: Int = .max, sharing: BlockBuilder.Sharing = BlockBuilder.Sharing()
  ) {
    self.sharing = sharing
    self.seed = seed
    self.checkpointSegmentLimit = checkpointSegmentLimit
    self.disk = disk ?? SimDisk(seed: seed)
    self.clock = clock
  }

  func options(readOnly: Bool = false) -> StoreOptions {
    var options = StoreOptions()
    options.isReadOnly = readOnly
    options.maintainsItself = false
    options.reserveByteCount = 4096
    options.cacheByteLimit = 1 << 20
    options.log.preallocatedByteCount = 4096
    options.tailKeptByteCount = 0
    options.checkpointSegmentLimit = checkpointSegmentLimit
    options.removalGraceNanos = 0
    options.sharing = sharing
    // Small enough that the few rows of a test are divided.
    options.compaction.targetByteCount = 20_000
    options.disk = disk
    options.clock = clock
    options.rng = SimRNG(seed: seed)
    // Groups under way behind each other, as several threads make them.
    options.lookahead = 1 + Int(seed % 3)
    return options
  }

  func open(_ change: (inout StoreOptions) -> Void = { _ in }) throws(StorageError) -> Store {
    var options = options()
    change(&options)
    return try Store.open(Self.path, options)
  }
  func openReader() throws(StorageError) -> Store {
    try Store.open(Self.path, options(readOnly: true))
  }
}

extension BlockBuilder.Sharing {
  /// So that few series of few rows share blocks, and some have blocks of their own: otherwise for
  /// every seed, as a server does for every fifth.
  static func small(_ seed: UInt64) -> BlockBuilder.Sharing {
    var sharing = BlockBuilder.Sharing()
    if seed % 5 == 4 { return sharing }
    sharing.rowsBelow = [8, 25, 64, 2_000][Int(seed / 5 % 4)]
    sharing.leastMembers = 1 + Int(seed % 3)
    sharing.blockRows = [20, 90, 2_048][Int(seed / 2 % 3)]
    return sharing
  }
}

extension FrameBatch {
  /// One frame of `device` with a regular run of column 1 (and 3) for each of `probes`.
  static func power(
    _ device: String, at start: Int64, probes: [Int32] = [1, 2, 3], count: Int = 20,
    value: Int64 = 0
  ) -> FrameBatch {
    var batch = FrameBatch(table: 1)
    batch.addPower(device, at: start, probes: probes, count: count, value: value)
    return batch
  }

  mutating func addPower(
    _ device: String, at start: Int64, probes: [Int32] = [1, 2, 3], count: Int = 20,
    value: Int64 = 0
  ) {
    beginFrame(device: device)
    for probe in probes {
      let times = RegularTimes(start: start, span: Int64(count) * 50_000_000, count: count)!
      beginRun(probe: probe, times: .regular(times))
      add(1, (0..<count).map { value + Int64($0) + Int64(probe) * 100 })
      add(3, constant: 2300)
    }
  }
}

/// (table, device, probe, ts)
struct RowKey: Hashable, Comparable {
  var series: SeriesKey
  var time: Int64
  static func < (a: RowKey, b: RowKey) -> Bool {
    a.series != b.series ? a.series < b.series : a.time < b.time
  }
}

/// Column values of a row; null ones are absent. Symbols as text.
typealias Cells = [ColumnID: CellValue]
enum CellValue: Hashable {
  case int(Int64)
  case text(String)
}

/// A version of a row as the store has it.
struct StoredRow: Hashable {
  var key: RowKey
  var cells: Cells
}

/// Reads stores the way a query does, and checks what it is told on the way.
enum StoreReading {
  /// Every visible row, of quarantine twins too. Complains of duplicates and wrong statistics.
  static func rows(
    _ snapshot: Snapshot, _ note: String = "", sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> [RowKey: Cells] {
    var found: [RowKey: Cells] = [:]
    for schema in snapshot.tables {
      for table in [schema.id, schema.id.quarantine] {
        for stretch in try snapshot.scan(table).stretches {
          for (key, cells, lsn) in try rows(stretch, schema, snapshot.symbols, note) {
            #expect(lsn <= snapshot.lsn && lsn > 0, "\(note): lsn", sourceLocation: sourceLocation)
            let before = found.updateValue(cells, forKey: key)
            #expect(before == nil, "\(note): \(key) twice", sourceLocation: sourceLocation)
          }
        }
      }
    }
    return found
  }

  static func rows(
    _ stretch: Stretch, _ schema: TableSchema, _ symbols: SymbolTable, _ note: String
  ) throws -> [(RowKey, Cells, LSN)] {
    let columns = schema.columns
    let reader = try stretch.reader(columns.map(\.id))
    let count = reader.rowCount
    if stretch.hasExactRowCount { #expect(count == stretch.rowCount, "\(note): row count") }
    var times = [Int64](repeating: 0, count: count)
    var lsns = [UInt64](repeating: 0, count: count)
    var span = times.mutableSpan
    reader.times(0..<count, into: &span)
    var lsnSpan = lsns.mutableSpan
    try reader.lsns(0..<count, into: &lsnSpan)
    #expect(zip(times, times.dropFirst()).allSatisfy { $0 < $1 }, "\(note): times rise")
    #expect(times.first == stretch.firstTime || !stretch.hasExactRowCount, "\(note)")
    var all = [Cells](repeating: [:], count: count)
    for (index, column) in columns.enumerated() {
      var slots = [Int64](repeating: 0, count: count)
      var out = slots.mutableSpan
      try reader.decode(index, pages: 0..<reader.pageCount, into: &out)
      var valid = [Int64]()
      for row in 0..<count {
        if let mask = reader.validity(index, page: row / 256),
          mask[row % 256 / 64] >> UInt64(row % 64) & 1 == 0
        { continue }
        let isText = column.type == .symbol || column.type == .text
        all[row][column.id] =
          isText ? .text(symbols.text(of: slots[row]) ?? "?") : .int(slots[row])
        if !isText { valid.append(slots[row]) }
      }
      check(stretch, column, rowCount: count, valid, all, note)
    }
    return (0..<count).map { (RowKey(series: stretch.series, time: times[$0]), all[$0], lsns[$0]) }
  }

  private static func check(
    _ stretch: Stretch, _ column: ColumnSchema, rowCount: Int, _ valid: [Int64], _ all: [Cells],
    _ note: String
  ) {
    guard let statistics = stretch.statistics(of: column.id) else { return }
    #expect(statistics.count == rowCount, "\(note): statistics count")
    let present = all.reduce(0) { $0 + ($1[column.id] == nil ? 0 : 1) }
    #expect(statistics.nullCount == rowCount - present, "\(note): null count")
    guard column.type == .int, !valid.isEmpty else { return }
    #expect(statistics.minimum == valid.min() && statistics.maximum == valid.max(), "\(note)")
    #expect(statistics.first == valid.first && statistics.last == valid.last, "\(note)")
    #expect(statistics.sum == valid.reduce(Int128(0)) { $0 + Int128($1) }, "\(note): sum")
  }

  /// Every version the store keeps, superseded ones too, each as often as it is there.
  static func versions(_ store: Store) throws -> [StoredRow: Int] {
    let live = store.shared.live.withLock { $0 }
    let sources = SeriesSources(live: live)
    var found: [StoredRow: Int] = [:]
    for schema in store.snapshot().tables {
      for table in [schema.id, schema.id.quarantine] {
        for (key, number) in store.shared.series.series(of: table) {
          for kind in [BlockEntry.Kind.main, .superseded] {
            for source in try sources.sources(
              of: key, number: number, times: .min ... .max, kind: kind)
            {
              let stretch = Stretch(series: key, source: source)
              for (key, cells, _) in try rows(stretch, schema, store.symbols, "versions") {
                found[StoredRow(key: key, cells: cells), default: 0] += 1
              }
            }
          }
        }
      }
    }
    return found
  }

  /// The registry's digest, checked against a replay of all events.
  static func digest(_ store: Store, _ note: String = "") -> [UInt8] {
    let snapshot = store.snapshot()
    let events = (try? snapshot.events()) ?? []
    #expect(replay(events).digest == snapshot.registry.digest, "\(note): digest")
    let lsns = events.map(\.lsn)
    #expect(zip(lsns, lsns.dropFirst()).allSatisfy { $0 < $1 }, "\(note): events once, in order")
    return snapshot.registry.digest
  }
}
