import TSEngine

/// Values of SQL as what a column holds.
enum ColumnSlot {
  /// - Throws: 42804 where the type does not fit, 22P02 for a text that spells no such value, 22003 for a
  ///   number that the column cannot hold exactly.
  static func number(_ value: SQLValue, _ type: ColumnType, _ range: SourceRange?) throws(SQLError) -> Int64 {
    switch (value, type) {
    case (.int(let number), .int): return number
    case (.int(let number), .float): return bits(Double(number))
    case (.wide(let number), .float): return bits(Double(number))
    case (.float(let number), .float): return bits(number)
    case (.float(let number), .int):
      guard let exact = Int64(exactly: number) else {
        throw SQLError(
          .numericOutOfRange, "the column holds whole numbers", at: range, hint: "round it, or make the column DOUBLE")
      }
      return exact
    case (.wide(let number), .int):
      guard let exact = Int64(exactly: number) else {
        throw SQLError(.numericOutOfRange, "the number does not fit 64 bits", at: range)
      }
      return exact
    case (.bool(let flag), .bool): return flag ? 1 : 0
    case (.text(let text), .int): return try number(parsed(text, .int, range), type, range)
    case (.text(let text), .float): return try number(parsed(text, .float, range), type, range)
    case (.text(let text), .bool): return try number(parsed(text, .bool, range), type, range)
    default:
      throw SQLError(
        .datatypeMismatch, "the column is of type \(type), the value of type \(value.type.rawValue)", at: range,
        hint: "cast it with ::")
    }
  }

  static func parsed(_ text: String, _ type: SQLType, _ range: SourceRange?) throws(SQLError) -> SQLValue {
    do throws(SQLError) {
      return try ValueFunctions.parse(text, as: type)
    } catch {
      throw SQLError(error.state, error.message, at: range, hint: error.hint)
    }
  }

  private static func bits(_ number: Double) -> Int64 { Int64(bitPattern: number.bitPattern) }
}
