import TSEngine

/// Small JSON objects for text columns of system tables.
enum RowJSON {
  /// The values of one reading by column name; nulls are left out.
  static func row(
    _ values: [(column: ColumnID, slot: Int64?)], _ table: TableSchema, _ symbols: SymbolTable
  ) -> String {
    object(
      values.compactMap { value -> (String, FieldValue)? in
        guard let slot = value.slot, let column = table.columns.first(where: { $0.id == value.column })
        else { return nil }
        switch column.type {
        case .int: return (column.name, .int(slot))
        case .bool: return (column.name, .bool(slot != 0))
        case .float: return (column.name, .float(Double(bitPattern: UInt64(bitPattern: slot))))
        case .symbol, .text: return (column.name, .text(symbols.text(of: slot) ?? ""))
        }
      })
  }

  static func object(_ members: [(String, FieldValue)]) -> String {
    var json = JSONText()
    for (name, value) in members { json.add(name, raw: text(value)) }
    return json.closed
  }

  private static func text(_ value: FieldValue) -> String {
    switch value {
    case .null: "null"
    case .bool(let flag): flag ? "true" : "false"
    case .int(let number): "\(number)"
    // As in answers: JSON has no NaN and no infinity, they go as text.
    case .float(let number): number.isFinite ? floatText(number) : JSONText.quoted(floatText(number))
    case .text(let text): JSONText.quoted(text)
    case .json(let json): json
    }
  }
}
