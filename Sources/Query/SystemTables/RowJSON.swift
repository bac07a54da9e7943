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
    "{" + members.map { "\(quoted($0.0)):\(text($0.1))" }.joined(separator: ",") + "}"
  }

  private static func text(_ value: FieldValue) -> String {
    switch value {
    case .null: "null"
    case .bool(let flag): flag ? "true" : "false"
    case .int(let number): "\(number)"
    case .float(let number): number.isFinite ? "\(number)" : quoted("\(number)")
    case .text(let text): quoted(text)
    case .json(let json): json
    }
  }

  private static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\t": out += "\\t"
      case "\r": out += "\\r"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }
}
