import TSEngine

/// CREATE TABLE and ALTER TABLE … ADD COLUMN: a device type declared, or its next version.
struct Declaration {
  private let catalog: any Catalog
  private let parameters: [SQLValue]
  private let named: [String: SQLValue]

  init(_ catalog: any Catalog, parameters: [SQLValue], named: [String: SQLValue]) {
    self.catalog = catalog
    self.parameters = parameters
    self.named = named
  }

  /// Names of the columns that every table of readings has, by what they are.
  private static let keys: [String: SQLType] = [
    "ts": .timestamp, "time": .timestamp, "device": .text, "sensor": .text, "probe": .int,
  ]
  /// Names that every table of readings has beside its key.
  private static let derived: Set<String> = ["lsn", "owner", "received_at"]

  /// The columns of values of a CREATE TABLE; those of the key are checked and left out.
  func columns(of definitions: [ColumnDefinition]) throws(SQLError) -> [ColumnSchema] {
    var columns: [ColumnSchema] = []
    var names: Set<String> = []
    for definition in definitions {
      let name = definition.name.name
      guard names.insert(name).inserted else {
        throw SQLError(.duplicateColumn, "the column \"\(name)\" is there twice", at: definition.name.range)
      }
      if let type = Self.keys[name] {
        try check(definition, isKeyOf: type)
      } else {
        columns.append(try column(definition))
      }
    }
    guard !columns.isEmpty else {
      throw SQLError(
        .invalidTableDefinition, "a table needs a column of values", at: definitions.first?.name.range,
        hint: "ts, device and probe are in every table; add one such as \"temperature DOUBLE\"")
    }
    return columns
  }

  private func check(_ definition: ColumnDefinition, isKeyOf type: SQLType) throws(SQLError) {
    let fits: Bool
    switch definition.type.name {
    case "timestamp", "timestamptz": fits = type == .timestamp
    case "symbol", "text", "varchar": fits = type == .text
    case "int", "bigint", "smallint": fits = type == .int
    default: fits = false
    }
    guard fits else {
      let right = type == .timestamp ? "TIMESTAMP" : type == .text ? "SYMBOL" : "INT"
      throw SQLError(
        .datatypeMismatch, "the column \"\(definition.name.name)\" is part of the key", at: definition.typeRange,
        hint: "its type is \(right); it may be left out")
    }
  }

  /// A column of values.
  func column(_ definition: ColumnDefinition) throws(SQLError) -> ColumnSchema {
    let name = definition.name.name
    guard Self.keys[name] == nil, !Self.derived.contains(name) else {
      throw SQLError(
        .duplicateColumn, "every table has a column \"\(name)\"", at: definition.name.range,
        hint: "give the column another name")
    }
    guard Registry.isColumnName(name) else {
      throw SQLError(
        .invalidName, "this is no name of a column", at: definition.name.range,
        hint: "a name has 1 to 64 small letters, digits and underscores")
    }
    var column = ColumnSchema(id: 0, name: name, type: .int)
    (column.type, column.isJSON) = try type(definition)
    column.isRequired = definition.isNotNull
    column.unit = definition.unit ?? ""
    if let scale = definition.scale {
      guard column.type == .int, case .int(let parts) = try constant(scale), parts > 1, parts <= 1_000_000_000 else {
        throw SQLError(
          .invalidTableDefinition, "a scale is a whole number above 1 and for columns of type INT", at: scale.range,
          hint: "SCALE 10 stores tenths of the unit")
      }
      column.unit = column.unit.isEmpty ? "1/\(parts)" : "1/\(parts) \(column.unit)"
    }
    if let bounds = definition.bounds {
      guard column.type == .int || column.type == .float else {
        throw SQLError(
          .invalidTableDefinition, "a range is for numbers", at: definition.typeRange,
          hint: "leave RANGE out, or make the column INT or DOUBLE")
      }
      column.minimum = try bound(bounds.lower, column.type)
      column.maximum = try bound(bounds.upper, column.type)
      guard [column.minimum, column.maximum].allSatisfy({ $0.map(column.accepts) ?? true }) else {
        throw SQLError(
          .invalidTableDefinition, "no value lies in this range", at: bounds.lower.range.through(bounds.upper.range),
          hint: "write the smaller bound first; NULL leaves a side open")
      }
    }
    return column
  }

  private func type(_ definition: ColumnDefinition) throws(SQLError) -> (ColumnType, isJSON: Bool) {
    let type = definition.type
    guard type.arrayDepth == 0, type.modifiers.isEmpty else {
      throw SQLError(
        .featureNotSupported, "a column has no length, precision or dimensions", at: definition.typeRange,
        hint: "write the type alone")
    }
    switch type.name {
    case "smallint", "int", "bigint": return (.int, false)
    case "real", "double precision": return (.float, false)
    case "boolean": return (.bool, false)
    case "symbol": return (.symbol, false)
    case "text", "varchar": return (.text, false)
    case "json", "jsonb": return (.text, true)
    default:
      throw SQLError(
        .featureNotSupported, "a column cannot be of type \(type.name)", at: definition.typeRange,
        hint: "there are INT, DOUBLE, BOOLEAN, SYMBOL (few texts, often repeated), TEXT and JSON")
    }
  }

  /// Nil leaves the side open.
  private func bound(_ expression: Expression, _ type: ColumnType) throws(SQLError) -> Int64? {
    let value = try constant(expression)
    if value == .null { return nil }
    return try ColumnSlot.number(value, type, expression.range)
  }

  /// What `expression`, which names no column, comes to.
  func constant(_ expression: Expression) throws(SQLError) -> SQLValue {
    let query = Query(body: .values([[expression]]), range: expression.range)
    let rows = try QueryEngine.prepare(
      Statement(kind: .query(query), range: expression.range), catalog, parameters: parameters, named: named
    ).rows()
    return rows.first?.first ?? .null
  }
}
