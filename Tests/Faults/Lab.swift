import TSEngine

/// The declared table of a life: declared anew under another id once it was dropped, with more columns as it gets them.
struct Lab: Equatable {
  static let name = "lab"
  static let leastColumns = 3

  var id: TableID
  var columnCount: Int

  static let columns = [
    ColumnSchema(id: 0, name: "v", type: .int), ColumnSchema(id: 0, name: "note", type: .text),
    ColumnSchema(id: 0, name: "f", type: .float), ColumnSchema(id: 0, name: "s", type: .symbol),
    ColumnSchema(id: 0, name: "n", type: .int), ColumnSchema(id: 0, name: "more", type: .text),
    ColumnSchema(id: 0, name: "b", type: .bool),
  ]

  init(id: TableID, columnCount: Int) {
    self.id = id
    self.columnCount = columnCount
  }

  /// As the registry has it.
  init?(_ registry: Registry) {
    guard let schema = registry.types[Self.name]?.schema else { return nil }
    self.init(id: schema.id, columnCount: schema.columns.count)
  }

  /// Whether slots of a column are codes.
  static func isText(_ table: TableID, _ column: ColumnID) -> Bool {
    if table & ~TableID(0).quarantine == 1 { return column >= 6 }
    return [.text, .symbol].contains(columns[Int(column) - 1].type)
  }

  /// The table as `lab` says: declared, or given a column.
  /// - Returns: the newest LSN; nil when the store answered otherwise.
  static func declare(_ lab: Lab, _ store: Store) throws(StorageError) -> LSN? {
    let (result, lsn) = try store.decide(actor: Bench.actor) { (registry, context) in
      registry.declareType(
        name, columns: Array(columns.prefix(lab.columnCount)), defaultSpanNanos: 1_000_000_000, context)
    }
    guard let schema = try? result.get(), schema.id == lab.id else { return nil }
    return lsn
  }

  /// - Returns: the newest LSN, and what was said to go.
  static func drop(_ lab: Lab, _ store: Store) throws(StorageError) -> (lsn: LSN, rowCount: Int) {
    let extent = try store.snapshot().extent(ofTable: lab.id)
    let lsn = try store.decide(actor: Bench.actor) { $0.dropTable(name, extent: extent, $1) }.lsn
    return (lsn, extent.rowCount)
  }
}

extension BatchMaker {
  /// Values of each type, some null, in a run that was begun.
  mutating func addLabCells(to batch: inout FrameBatch, _ lab: Lab, _ times: SampleTimes, _ symbols: SymbolTable) {
    for index in 0..<lab.columnCount where random.below(3) > 0 {
      let column = ColumnID(index + 1)
      let (noise, hasNulls) = (Int64(random.below(5)), random.below(3) == 0)
      let slots = (0..<times.count).map { row -> Int64 in
        let value = times.tick(row) / 100_000_000 % 13 + (noise == 0 ? 1 : 0)
        switch Lab.columns[index].type {
        case .int: return value
        case .float: return Int64(bitPattern: (Double(value) / 8).bitPattern)
        case .bool: return value & 1
        case .symbol: return symbols.code(of: "s\(value % 3)")
        case .text: return batch.code(of: "\(value) and \(noise)", column: column, in: symbols)
        }
      }
      if hasNulls { batch.add(column, slots, valid: (0..<times.count).map { $0 % 4 != 1 }) } else { batch.add(column, slots) }
    }
  }
}
