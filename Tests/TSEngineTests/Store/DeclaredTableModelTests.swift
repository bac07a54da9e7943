import Testing

@testable import TSEngine

/// Random schemas of all types, with columns added, tables dropped and declared anew, against a
/// dictionary: appends, late rows, conflicts, retransmissions and loads, with seals, compactions,
/// reopens and crashes between. TSQ_SEEDS sets how many.
@Suite struct DeclaredTableModelTests {
  private static let parts = 4

  @Test(arguments: 0..<parts)
  func aStoreOfDeclaredTablesIsADictionary_D01_D02_D03(part: Int) throws {
    for seed in stride(from: part, to: seedCount(400), by: Self.parts) {
      var run = try DeclaredTableModelRun(seed: UInt64(seed))
      do {
        try run.run(steps: 24)
      } catch {
        Issue.record("seed \(seed) \(run.history): \(error)")
      }
    }
  }
}

private struct DeclaredTableModelRun {
  private typealias Values = [String: DeclaredTable.Value]

  private let bench: StoreBench
  private let seed: UInt64
  private var store: Store
  private var random: SimRandom
  private var tables: [DeclaredTable] = []
  private var rows: [RowKey: Cells] = [:]
  private var ids: Set<TableID> = []
  private var columnCount = 0
  private var textCount = 0
  private(set) var history: [String] = []

  init(seed: UInt64) throws {
    self.seed = seed
    bench = StoreBench(seed: seed, sharing: .small(seed))
    store = try bench.open()
    random = SimRandom(seed: seed &* 977 &+ 3)
  }

  private var note: String { "seed \(seed) \(history)" }

  mutating func run(steps: Int) throws {
    try declare()
    for _ in 0..<steps {
      bench.clock.advance(nanos: Int64(random.below(3_000_000)))
      try operate()
      if random.below(3) == 0 { try compare() }
    }
    try compare()
    try reopen(crash: false)
    try store.compact([.byAge, .packed, .cold][random.below(3)])
    try compare()
    #expect(store.symbols.heldTextCount == 0, "\(note): texts are held")
    try store.close()
    let report = try Verify.run(bench.options(readOnly: true), StoreBench.path)
    #expect(report.isWhole, "\(note): \(report.damages)")
  }

  private mutating func operate() throws {
    switch random.below(20) {
    case 0..<8: try write(bulk: false)
    case 8, 9: try write(bulk: true)
    case 10, 11: try addColumn()
    case 12: if tables.count < 3 { try declare() }
    case 13: if random.below(3) == 0 { try drop() }
    case 14, 15:
      history.append("seal")
      try store.seal()
    case 16, 17:
      history.append("compact")
      try store.compact([.byAge, .packed, .cold][random.below(3)])
    case 18: try reopen(crash: false)
    default: try reopen(crash: true)
    }
  }

  // MARK: Tables

  private mutating func column() -> ColumnSchema {
    columnCount += 1
    return DeclaredTable.column("c\(columnCount)", ColumnType.allCases[random.below(5)])
  }

  private mutating func declare() throws {
    // A name may come again after it was dropped.
    let names = ["ta", "tb", "tc"].filter { name in !tables.contains { $0.schema.name == name } }
    let name = names[random.below(names.count)]
    history.append("declare \(name)")
    let columns = (0...random.below(5)).map { _ in column() }
    let table = try DeclaredTable(store, name, columns)
    #expect(ids.insert(table.schema.id).inserted, "\(note): an id came twice")
    tables.append(table)
  }

  private mutating func addColumn() throws {
    guard !tables.isEmpty else { return }
    let at = random.below(tables.count)
    history.append("column of \(tables[at].schema.name)")
    try tables[at].add(column(), store)
  }

  private mutating func drop() throws {
    guard !tables.isEmpty else { return }
    let table = tables.remove(at: random.below(tables.count))
    history.append("drop \(table.schema.name)")
    let count = rows.keys.count { $0.series.table == table.schema.id }
    let extent = try store.snapshot().extent(ofTable: table.schema.id)
    #expect(extent.rowCount == count, "\(note)")
    try store.decide(actor: StoreBench.actor) {
      $0.dropTable(table.schema.name, extent: extent, $1)
    }.result.get()
    rows = rows.filter { $0.key.series.table != table.schema.id }
  }

  // MARK: Rows

  private mutating func value(_ type: ColumnType) -> DeclaredTable.Value {
    switch type {
    case .int:
      let edge: [Int64] = [.min, .max, 0, -1, 1 << 62]
      return .int(random.below(4) == 0 ? edge[random.below(5)] : Int64(random.below(40)))
    case .float:
      let edge: [UInt64] = [
        (-0.0).bitPattern, 0, Double.infinity.bitPattern, 0x7FF8_0000_0000_0001, 0xFFF8_0000_0000_0002,
      ]
      return .float(random.below(4) == 0 ? edge[random.below(5)] : (Double(random.below(400)) / 10).bitPattern)
    case .bool: return .bool(random.flip())
    case .symbol: return .text(["", "on", "off", "e\u{301}", "é"][random.below(5)])
    case .text:
      if random.below(3) == 0 { return .text(["", "\u{0}", "same"][random.below(3)]) }
      textCount += random.below(2)
      return .text("text \(textCount)")
    }
  }

  private mutating func values(_ table: DeclaredTable) -> Values {
    var values: Values = [:]
    for column in table.schema.columns where random.below(4) > 0 { values[column.name] = value(column.type) }
    return values
  }

  /// Some frames of a table, and what becomes of their rows by the model.
  private mutating func write(bulk: Bool) throws {
    guard !tables.isEmpty else { return }
    let table = tables[random.below(tables.count)]
    var batch = FrameBatch(table: table.schema.id)
    var expected = AppendResult()
    for _ in 0...random.below(3) {
      let device = "d\(random.below(3))"
      let step = Int64(1 + random.below(3)) * 1_000_000
      var time = StoreBench.start - Int64(random.below(400)) * 1_000_000
      let count = random.below(6) == 0 ? 300 : 1 + random.below(12)
      let shared = random.below(3) == 0 ? values(table) : nil
      var frame: [(time: Int64, values: Values)] = []
      for _ in 0..<count {
        let values = shared ?? values(table)
        let key = table.key(device, time)
        let cells = table.cells(values)
        let exact = rows[key].map { Self.isSame($0, cells) }
        // Now and then what is there already comes again.
        if exact == nil { expected.new += 1 }
        if exact == true { expected.same += 1 }
        if exact == false { expected.conflict += 1 }
        rows[key] = cells
        frame.append((time, values))
        time += step
      }
      table.append(device, frame, in: store.symbols, to: &batch)
      if random.below(5) == 0 {
        expected.same += count
        table.append(device, frame, in: store.symbols, to: &batch)
      }
    }
    history.append("\(bulk ? "load" : "append") \(table.schema.name) \(batch.rowCount)")
    var result: AppendResult
    if bulk {
      var load = try store.bulkWriter(table.schema.id, creator: StoreBench.actor)
      try load.append(batch)
      result = try load.commit()
    } else {
      result = try store.append(batch, creator: StoreBench.actor)
    }
    result.lsn = 0
    #expect(result == expected, "\(note)")
  }

  /// Texts byte for byte.
  private static func isSame(_ a: Cells, _ b: Cells) -> Bool {
    guard a == b else { return false }
    return a.allSatisfy { id, value in
      guard case .text(let x) = value, case .text(let y)? = b[id] else { return true }
      return Array(x.utf8) == Array(y.utf8)
    }
  }

  // MARK: Comparison

  private func compare() throws {
    let found = try StoreReading.rows(store.snapshot(), note)
    #expect(found.count == rows.count, "\(note)")
    let wrong = rows.filter { key, cells in found[key].map { !Self.isSame($0, cells) } ?? true }
    #expect(wrong.isEmpty, "\(note): \(wrong.first.map { "\($0) found \(String(describing: found[$0.key]))" } ?? "")")
    let schemas = store.snapshot().tables.filter { $0.id >= Types.firstDeclaredTable }
    #expect(schemas == tables.map(\.schema).sorted { $0.id < $1.id }, "\(note)")
  }

  private mutating func reopen(crash: Bool) throws {
    history.append(crash ? "crash" : "reopen")
    let digest = store.registry.digest
    if crash {
      if random.flip() { bench.disk.restart() } else { bench.disk.crash(seed: seed) }
    } else {
      try store.close()
    }
    store = try bench.open()
    #expect(store.damages.isEmpty, "\(note) \(store.damages)")
    #expect(StoreReading.digest(store, note) == digest, "\(note)")
    let registry = store.registry
    #expect(try Registry(checkpoint: registry.checkpoint().span.bytes) == registry, "\(note)")
    try compare()
  }
}
