import TSEngine

/// The three tables of each device type under the names that a Django project generates for them (D-02):
/// for `weather_station`, `tsq_weatherstationdevice`, `tsq_weatherstationreading`, `tsq_weatherstationmessage`.
///
/// They are views: whatever bounds what somebody sees bounds it here too. A table of that very name goes before.
enum TypeTables {
  private static let prefix = "tsq_"
  private static let textName = "text"

  /// A table of rows, or a query in SQL.
  enum View {
    case rows(any RowTable)
    case query(String)
  }

  /// All names, ascending.
  static func names(_ registry: Registry) -> [String] {
    registry.types.all.flatMap { type in TypePart.allCases.map { type.tableName(of: $0) } }.sorted()
  }

  static func find(_ word: String, _ catalog: any Catalog) -> View? {
    guard word.hasPrefix(prefix) else { return nil }
    for type in catalog.snapshot.registry.types.all {
      for part in TypePart.allCases where type.tableName(of: part) == word {
        switch part {
        case .device: return rows(of: "devices", word, type, states: type.details.states, catalog)
        case .reading: return .query(readings(type.schema))
        case .message: return rows(of: "messages", word, type, states: [], catalog)
        }
      }
    }
    return nil
  }

  /// The rows of a table that are of devices of the type, and a column for each of `states`.
  private static func rows(
    of table: String, _ name: String, _ type: Types.Declared, states: [StateField], _ catalog: any Catalog
  ) -> View? {
    guard let all = catalog.rowTables.first(where: { $0.name == table }),
      let id = all.columns.firstIndex(where: { $0.name == "device_id" })
    else { return nil }
    // The text form gives way to a state of that name.
    let form = states.contains { $0.name == textName } ? all.columns.firstIndex { $0.name == textName } : nil
    var columns = all.columns
    if let form { columns.remove(at: form) }
    let states = states.filter { state in !columns.contains { $0.name == state.name } }
    let registry = catalog.snapshot.registry
    columns += states.map { RowColumn($0.name, $0.type.sql) }
    return .rows(
      ClosureTable(name: name, columns: columns) { emit throws(SQLError) in
        try all.scan { row throws(SQLError) in
          guard case .text(let id) = row[id], let device = registry.devices[id], device.type == type.schema.name else {
            return true
          }
          if states.isEmpty { return try emit(row) }
          var row = row
          if let form { row.remove(at: form) }
          let values = registry.stateFields(of: device)
          return try emit(row + states.map { state in SQLValue(values.first { $0.name == state.name }?.value ?? .null) })
        }
      })
  }

  private static func readings(_ schema: TableSchema) -> String {
    var columns = ["device", "ts AS \"timestamp\"", "received_at"] + schema.columns.map { quoted($0.name) }
    if !schema.columns.contains(where: { $0.name == textName }) { columns.append("\(TextForm.reading(sql: "ts")) AS \(textName)") }
    return "SELECT \(columns.joined(separator: ", ")) FROM \(quoted(schema.name))"
  }

  /// Names of types and columns hold no quotes.
  private static func quoted(_ name: String) -> String { "\"\(name)\"" }
}

extension ValueType {
  fileprivate var sql: SQLType {
    switch self {
    case .float: .float
    case .int: .int
    case .bool: .bool
    case .string, .json: .text
    }
  }
}

extension SQLValue {
  fileprivate init(_ field: FieldValue) {
    switch field {
    case .null: self = .null
    case .int(let value): self = .int(value)
    case .float(let value): self = .float(value)
    case .bool(let value): self = .bool(value)
    case .text(let value), .json(let value): self = .text(value)
    }
  }
}
