/// One declared rollup: buckets of `every` nanoseconds over a table's readings.
package struct RollupDeclaration: Sendable, Equatable {
  package var table: TableID
  /// Divides a UTC day; buckets begin at multiples of it since the epoch.
  package var every: Int64
  /// Empty: all int and float columns but spans, those to come too.
  package var columns: [ColumnID]
  /// The event's.
  package var lsn: LSN

  package init(table: TableID, every: Int64, columns: [ColumnID], lsn: LSN) {
    self.table = table
    self.every = every
    self.columns = columns
    self.lsn = lsn
  }

  static let day: Int64 = 86_400_000_000_000
  static let second: Int64 = 1_000_000_000

  /// A second at least, and a divisor of a day: so buckets of all rollups nest in days.
  package static func isLegal(every: Int64) -> Bool { every >= second && day % every == 0 }

  /// `1s`, `15m`, `1h`, `1d`.
  package static func text(every: Int64) -> String {
    for (unit, name) in [(day, "d"), (3600 * second, "h"), (60 * second, "m"), (second, "s")]
    where every % unit == 0 { return "\(every / unit)\(name)" }
    return "\(every)ns"
  }

  /// How the buckets over `table` are called where a table is named: `power_15m`.
  package static func tableName(_ table: String, every: Int64) -> String { "\(table)_\(text(every: every))" }

  /// The nanoseconds of `15m` and the like; nil when it is none of these or not legal.
  package static func every(_ text: some StringProtocol) -> Int64? {
    guard let last = text.last, let count = Int64(text.dropLast()), count > 0 else { return nil }
    let unit: Int64
    switch last {
    case "s": unit = second
    case "m": unit = 60 * second
    case "h": unit = 3600 * second
    case "d": unit = day
    default: return nil
    }
    let (every, overflow) = count.multipliedReportingOverflow(by: unit)
    return !overflow && isLegal(every: every) ? every : nil
  }
}

/// Which rollups are declared. Few, so an array in order of (table, length).
package struct Rollups: Sendable, Equatable {
  package private(set) var all: [RollupDeclaration] = []

  package init() {}

  package var isEmpty: Bool { all.isEmpty }

  package subscript(table: TableID, every: Int64) -> RollupDeclaration? {
    all.first { $0.table == table && $0.every == every }
  }

  mutating func apply(_ event: Event) {
    switch event.kind {
    case .rollupDeclared(let table, let every, let columns):
      all.removeAll { $0.table == table && $0.every == every }
      let place = all.firstIndex { ($0.table, $0.every) > (table, every) } ?? all.count
      all.insert(
        RollupDeclaration(table: table, every: every, columns: columns, lsn: event.lsn), at: place)
    case .rollupDropped(let table, let every):
      all.removeAll { $0.table == table && $0.every == every }
    case .tableDropped(let table, _, _):
      all.removeAll { $0.table == table }
    default: break
    }
  }
}

extension Rollups: Checkpointed {
  func encode(into writer: inout ByteWriter) {
    writer.varint(all.count)
    for rollup in all {
      writer.put(rollup.table)
      writer.put(rollup.every)
      writer.varint(rollup.columns.count)
      for column in rollup.columns { writer.put(column) }
      writer.varint(rollup.lsn)
    }
  }

  init(from reader: inout ByteReader) throws(StorageError) {
    for _ in 0..<(try reader.count(limit: reader.remaining)) {
      var rollup = RollupDeclaration(
        table: try reader.next(TableID.self), every: try reader.next(Int64.self), columns: [], lsn: 0)
      for _ in 0..<(try reader.count(limit: reader.remaining)) {
        rollup.columns.append(try reader.next(ColumnID.self))
      }
      rollup.lsn = try reader.varint()
      all.append(rollup)
    }
  }
}

extension Registry {
  /// Declares buckets of `every` over `table`. Names none of `columns`: all of them that are numbers.
  /// The same declaration again changes nothing; another one of the same length replaces it.
  package func declareRollup(
    _ table: String, every: Int64, columns names: [String] = [], _ context: DecisionContext
  ) -> Decision<Void> {
    guard let schema = types[table]?.schema else { return .refused(.unknownType) }
    guard RollupDeclaration.isLegal(every: every) else { return .refused(.invalidValue) }
    var columns: [ColumnID] = []
    for name in names {
      guard let index = schema.index(ofColumn: name), schema.columns[index].isNumber,
        !columns.contains(schema.columns[index].id)
      else { return .refused(.invalidValue) }
      columns.append(schema.columns[index].id)
    }
    guard types[RollupDeclaration.tableName(table, every: every)] == nil else { return .refused(.nameTaken) }
    columns.sort()
    if rollups[schema.id, every]?.columns == columns {
      return Decision(events: [], result: .success(()))
    }
    let kind = EventKind.rollupDeclared(table: schema.id, every: every, columns: columns)
    return Decision(events: [context.event(self, kind)], result: .success(()))
  }

  package func dropRollup(
    _ table: String, every: Int64, _ context: DecisionContext
  ) -> Decision<Void> {
    guard let id = types[table]?.schema.id else { return .refused(.unknownType) }
    guard rollups[id, every] != nil else { return .refused(.unknownRollup) }
    let kind = EventKind.rollupDropped(table: id, every: every)
    return Decision(events: [context.event(self, kind)], result: .success(()))
  }
}

extension ColumnSchema {
  package var isNumber: Bool { type == .int || type == .float }
}
