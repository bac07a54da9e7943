import TSEngine

/// INSERT INTO a table of readings: rows of VALUES or of a query as frames, one a series.
///
/// Columns are those named, else ts, device and the declared ones in their order; a row without a probe
/// is of probe 1.
struct InsertPlan {
  private enum Role: Equatable {
    case time, device, probe
    case value(ColumnSchema)
  }

  private struct Row {
    var time: Int64
    var slots: [(column: ColumnID, slot: Int64)]
  }

  private let insert: Insert
  private let schema: TableSchema
  private let roles: [Role]
  private let symbols: SymbolTable
  private(set) var batch: FrameBatch
  /// In order of first appearance.
  private var series: [(key: SeriesKey, rows: [Row])] = []
  private var numbers: [SeriesKey: Int] = [:]

  /// - Parameter source: what the rows' query reads.
  init(
    _ insert: Insert, _ catalog: any Catalog, reading source: any Catalog, symbols: SymbolTable, parameters: [SQLValue],
    named: [String: SQLValue], limits: QueryLimits = QueryLimits(), cancel: CancelFlag = CancelFlag()
  ) throws(SQLError) {
    self.insert = insert
    self.symbols = symbols
    if !insert.returning.isEmpty { throw .unsupported("INSERT RETURNING", at: insert.table.range) }
    schema = try Self.table(insert.table, catalog)
    batch = FrameBatch(table: schema.id)
    guard let rows = insert.source else { throw .unsupported("DEFAULT VALUES", at: insert.table.range) }
    let query = try QueryEngine.prepare(
      Statement(kind: .query(rows), range: rows.range), source, parameters: parameters, named: named,
      limits: limits, cancel: cancel)
    roles = try Self.roles(insert, schema, count: query.columns.count, rows.range)
    let found = try query.rows(limits: limits, cancel: cancel)
    for (index, values) in found.enumerated() { try add(values, index) }
    frame()
  }

  /// The declared table called `name`.
  static func table(_ name: ObjectName, _ catalog: any Catalog) throws(SQLError) -> TableSchema {
    if let schema = catalog.snapshot.table(named: name.last.name) { return schema }
    throw SQLError(
      .undefinedTable, "there is no table of readings \"\(name.last.name)\"", at: name.range,
      hint: Suggestion.hint(for: name.last.name, among: catalog.snapshot.tables.map(\.name)))
  }

  private static func roles(
    _ insert: Insert, _ schema: TableSchema, count: Int, _ range: SourceRange
  ) throws(SQLError) -> [Role] {
    if insert.columns.isEmpty {
      let all = [Role.time, .device] + schema.columns.map { .value($0) }
      guard count <= all.count, count >= 2 else {
        let names = ["ts", "device"] + schema.columns.map(\.name)
        throw SQLError(
          .syntaxError, "\(count) values for \(all.count) columns", at: range,
          hint: "without a list the columns are \(names.joined(separator: ", "))")
      }
      return Array(all.prefix(count))
    }
    var roles: [Role] = []
    for name in insert.columns {
      let role: Role
      switch name.name {
      case "ts", "time", "timestamp": role = .time
      case "device", "sensor": role = .device
      case "probe": role = .probe
      default:
        guard let index = schema.index(ofColumn: name.name) else {
          throw SQLError(
            .undefinedColumn, "the table \(schema.name) has no column \"\(name.name)\"", at: name.range,
            hint: Suggestion.hint(for: name.name, among: schema.columns.map(\.name)))
        }
        role = .value(schema.columns[index])
      }
      guard !roles.contains(role) else {
        throw SQLError(.duplicateColumn, "the column \"\(name.name)\" is there twice", at: name.range)
      }
      roles.append(role)
    }
    guard roles.contains(.time), roles.contains(.device) else {
      throw SQLError(
        .syntaxError, "a reading needs ts and device", at: insert.columns[0].range, hint: "name both in the list")
    }
    guard roles.count == count else {
      throw SQLError(.syntaxError, "\(count) values for \(roles.count) columns", at: range)
    }
    return roles
  }

  /// Where value `column` of row `row` is written, for VALUES.
  private func place(_ row: Int, _ column: Int) -> SourceRange? {
    guard case .values(let rows)? = insert.source?.body, row < rows.count, column < rows[row].count else {
      return insert.table.range
    }
    return rows[row][column].range
  }

  private mutating func add(_ values: [SQLValue], _ index: Int) throws(SQLError) {
    var key = SeriesKey(table: schema.id, device: "", probe: 1)
    var row = Row(time: 0, slots: [])
    for (at, (value, role)) in zip(values, roles).enumerated() {
      let place = place(index, at)
      switch (role, value) {
      case (.time, .timestamp(let instant)): row.time = instant
      case (.time, .text(let text)):
        guard case .timestamp(let instant) = try ColumnSlot.parsed(text, .timestamp, place) else { continue }
        row.time = instant
      case (.device, .text(let device)):
        guard DeviceID.isValid(device) else {
          throw SQLError(.invalidText, "a device id is 1 to 128 of A-Z a-z 0-9 . _ -", at: place)
        }
        key.device = device
      case (.probe, .int(let probe)):
        guard let probe = Int32(exactly: probe) else {
          throw SQLError(.numericOutOfRange, "a probe is a small whole number", at: place)
        }
        key.probe = probe
      case (.time, _), (.device, _), (.probe, _):
        throw SQLError(
          value == .null ? .notNullViolation : .datatypeMismatch,
          "ts is a timestamp, device a text and probe a number, none of them null", at: place)
      case (.value(let column), .null):
        if column.isRequired {
          throw SQLError(.notNullViolation, "the column \"\(column.name)\" must have a value", at: place)
        }
      case (.value(let column), _): row.slots.append((column.id, try slot(value, column, place)))
      }
    }
    for column in schema.columns where column.isRequired && !roles.contains(.value(column)) {
      throw SQLError(
        .notNullViolation, "the column \"\(column.name)\" must have a value", at: insert.table.range,
        hint: "name it in the list of columns")
    }
    let number = numbers[key] ?? series.count
    if number == series.count {
      numbers[key] = number
      series.append((key, []))
    }
    series[number].rows.append(row)
  }

  private mutating func slot(
    _ value: SQLValue, _ column: ColumnSchema, _ place: SourceRange?
  ) throws(SQLError) -> Int64 {
    switch column.type {
    case .symbol, .text:
      guard case .text(let text) = value else {
        throw SQLError(
          .datatypeMismatch, "the column is of type text, the value of type \(value.type.rawValue)", at: place,
          hint: "cast it with ::text")
      }
      guard text.utf8.count <= ColumnSchema.textByteLimit else {
        throw SQLError(.programLimitExceeded, "a text has at most 64 KiB", at: place)
      }
      if column.isJSON, !JSONCheck.isJSON(text.utf8) {
        throw SQLError(.invalidText, "this text is no JSON", at: place)
      }
      return column.type == .symbol ? symbols.code(of: text) : batch.code(of: text, column: column.id, in: symbols)
    case .int, .float, .bool:
      let slot = try ColumnSlot.number(value, column.type, place)
      guard column.accepts(slot) else {
        throw SQLError(
          .checkViolation, "the value is out of the range of \"\(column.name)\"", at: place,
          hint: "it takes \(column.boundsText)")
      }
      return slot
    }
  }

  /// Rows of a series in order of time; of several at one instant each goes to a frame after the one
  /// before it, so that the store sees them in the order they were written.
  private mutating func frame() {
    for (key, rows) in series {
      var left = rows.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }.map(\.element)
      while !left.isEmpty {
        var (first, later): ([Row], [Row]) = ([], [])
        for row in left { if first.last?.time == row.time { later.append(row) } else { first.append(row) } }
        frame(first, key)
        left = later
      }
    }
  }

  private mutating func frame(_ rows: [Row], _ key: SeriesKey) {
    batch.beginFrame(device: key.device)
    batch.beginRun(probe: key.probe, times: .explicit(rows.map(\.time)))
    for case .value(let column) in roles {
      let slots = rows.map { row in row.slots.first { $0.column == column.id }?.slot }
      if !slots.contains(nil) {
        batch.add(column.id, slots.map { $0 ?? 0 })
      } else if slots.contains(where: { $0 != nil }) {
        batch.add(column.id, slots.map { $0 ?? 0 }, valid: slots.map { $0 != nil })
      }
    }
  }
}
