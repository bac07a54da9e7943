import TSEngine

/// Lines with one flat JSON object each; keys are as a CSV header's names, null is an empty cell.
extension RowImporter {
  mutating func jsonRow(_ line: Range<Int>) throws(Fault) -> Row {
    var row = Row()
    let buffer = lines.buffer
    let span = buffer.span
    // SAFETY: `span` borrows `buffer`, which this function holds.
    var cursor = unsafe JSONCursor(span.bytes.extracting(line))
    var seen = 0
    try cursor.expect(UInt8(ascii: "{"), "an object expected")
    cursor.skipSpace()
    if cursor.byte == UInt8(ascii: "}") {
      cursor.advance()
    } else {
      repeat {
        cursor.skipSpace()
        let name = try cursor.string()
        try cursor.expect(UInt8(ascii: ":"), "':' expected")
        cursor.skipSpace()
        try member(name, &cursor, &row, &seen)
      } while try cursor.another(before: UInt8(ascii: "}"))
    }
    cursor.skipSpace()
    guard cursor.isAtEnd else { throw cursor.syntax("the end of the line expected") }
    return row
  }

  /// `seen` has the bits of `ImportKeys`.
  @_lifetime(cursor: copy cursor)
  private mutating func member(
    _ name: JSONString, _ cursor: inout JSONCursor, _ row: inout Row, _ seen: inout Int
  ) throws(Fault) {
    guard let (role, bit) = keys.meaning(of: name, cursor) else {
      let text = cursor.text(of: name).prefix(64)
      throw Fault(.unknown, "the table \(table.name) has no column \"\(text)\"")
    }
    guard seen & (1 << bit) == 0 else { throw Fault(.duplicate, "a column is given twice") }
    seen |= 1 << bit
    if cursor.byte == UInt8(ascii: "n") {
      _ = try cursor.skipValue(depth: 1)
      return
    }
    let isText = cursor.byte == UInt8(ascii: "\"")
    switch role {
    case .time(let unit):
      row.time =
        isText
        ? try instant(cursor.text(of: try cursor.string()), unit)
        : try fields.number(&cursor, unit)
    case .device:
      // Ids of digits are often sent as numbers.
      let text: String
      if isText {
        text = cursor.text(of: try cursor.string())
      } else {
        text = cursor.text(in: try cursor.skipValue(depth: 1))
      }
      row.device = try device(Array(text.utf8)[...])
    case .probe:
      guard let value = try cursor.number().scaled(), let probe = Int32(exactly: value) else {
        throw Fault(.range, "probe: a small whole number expected")
      }
      row.probe = probe
    case .value(let index):
      values[index] = try value(&cursor, table.columns[index], isText: isText)
      row.mask |= 1 << UInt64(index)
    }
  }

  @_lifetime(cursor: copy cursor)
  private func value(
    _ cursor: inout JSONCursor, _ column: ColumnSchema, isText: Bool
  ) throws(Fault) -> Int64 {
    switch column.type {
    case .int: return try fields.integer(&cursor, column)
    case .text where column.isJSON:
      return try fields.slot(cursor.text(in: try cursor.skipValue(depth: 1)), column)
    case .symbol, .text: return try fields.slot(cursor.text(of: try cursor.string()), column)
    case .float, .bool:
      // JSON has no NaN nor infinity: they come as texts.
      guard !isText else {
        let text = cursor.text(of: try cursor.string())
        guard column.type == .float, ["NaN", "Infinity", "-Infinity"].contains(text) else {
          throw cursor.wrongType("a number or a boolean")
        }
        return try fields.slot(text, column)
      }
      return try fields.slot(cursor.text(in: try cursor.skipValue(depth: 1)), column)
    }
  }
}
