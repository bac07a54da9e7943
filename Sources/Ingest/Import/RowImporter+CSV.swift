import TSEngine

/// Lines of comma-separated fields. Numbers are read where they stand; only texts are copied.
extension RowImporter {
  mutating func csvRow(_ line: Range<Int>, _ columns: ImportColumns) throws(Fault) -> Row {
    var row = Row()
    let buffer = lines.buffer
    let span = buffer.span
    // The cursor sees past the line, so that a number at its end is read in one step too: the
    // line break ends it.
    // SAFETY: `span` borrows `buffer`, which this function holds.
    var cursor = unsafe JSONCursor(span.bytes)
    cursor.advance(line.lowerBound)
    for (position, role) in columns.roles.enumerated() {
      if position > 0 {
        guard cursor.offset < line.upperBound, cursor.byte == UInt8(ascii: ",") else {
          throw Fault(.form, "\(position) fields, \(columns.roles.count) expected")
        }
        cursor.advance()
      }
      let byte = cursor.offset < line.upperBound ? cursor.byte : UInt8(ascii: ",")
      if byte == UInt8(ascii: ",") { continue }
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: " ") {
        let isQuoted = byte == UInt8(ascii: "\"")
        let text = try quoted(&cursor, to: line.upperBound)
        // An empty cell is null, an empty text in quotes is one.
        if !text.isEmpty || isQuoted && columns.holdsText(role) { try take(text, role, columns, &row) }
        continue
      }
      switch role {
      case .time(let unit):
        let end = fieldEnd(cursor.offset, line)
        if unit == nil, end - cursor.offset > 4, buffer[cursor.offset + 4] == UInt8(ascii: "-") {
          row.time = try Instant.iso8601(cursor.slice(cursor.offset..<end))
          cursor.advance(end - cursor.offset)
        } else {
          row.time = try fields.number(&cursor, unit)
        }
      case .device:
        let end = fieldEnd(cursor.offset, line)
        row.device = try device(buffer[cursor.offset..<end])
        cursor.advance(end - cursor.offset)
      case .probe: row.probe = try probe(&cursor)
      case .value(let index):
        let column = columns.values[index]
        if column.type == .int {
          values[index] = try fields.integer(&cursor, column)
        } else {
          let end = fieldEnd(cursor.offset, line)
          guard let text = String(validating: buffer[cursor.offset..<end], as: UTF8.self) else {
            throw Fault(.syntax, "\(column.name): invalid UTF-8")
          }
          values[index] = try fields.slot(text, column)
          cursor.advance(end - cursor.offset)
        }
        row.mask |= 1 << UInt64(index)
      }
    }
    guard cursor.offset == line.upperBound else {
      throw cursor.byte == UInt8(ascii: ",")
        ? Fault(.form, "more than \(columns.roles.count) fields")
        : Fault(.form, "characters behind a number")
    }
    return row
  }

  private func fieldEnd(_ start: Int, _ line: Range<Int>) -> Int {
    var end = start
    while end < line.upperBound, lines.buffer[end] != UInt8(ascii: ",") { end += 1 }
    return end
  }

  @_lifetime(cursor: copy cursor)
  private func probe(_ cursor: inout JSONCursor) throws(Fault) -> Int32 {
    guard let value = try cursor.number().scaled(), let probe = Int32(exactly: value) else {
      throw Fault(.range, "probe: a small whole number expected")
    }
    return probe
  }

  /// A field in quotes, or with spaces around it, up to the comma or `end`.
  @_lifetime(cursor: copy cursor)
  private func quoted(_ cursor: inout JSONCursor, to end: Int) throws(Fault) -> String {
    var bytes: [UInt8] = []
    while cursor.offset < end, cursor.byte == UInt8(ascii: " ") { cursor.advance() }
    if cursor.offset < end, cursor.byte == UInt8(ascii: "\"") {
      cursor.advance()
      while true {
        guard cursor.offset < end else { throw Fault(.syntax, "a quote that is not closed") }
        let byte = cursor.byte
        cursor.advance()
        if byte == UInt8(ascii: "\"") {
          guard cursor.offset < end, cursor.byte == byte else { break }
          cursor.advance()
        }
        bytes.append(byte)
      }
      while cursor.offset < end, cursor.byte == UInt8(ascii: " ") { cursor.advance() }
    } else {
      while cursor.offset < end, cursor.byte != UInt8(ascii: ",") {
        bytes.append(cursor.byte)
        cursor.advance()
      }
      while bytes.last == UInt8(ascii: " ") { bytes.removeLast() }
    }
    guard cursor.offset == end || cursor.byte == UInt8(ascii: ",") else {
      throw Fault(.syntax, "characters behind a closing quote")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Fault(.syntax, "invalid UTF-8")
    }
    return text
  }

  /// A field that was given as text.
  mutating func take(
    _ text: String, _ role: ImportColumns.Role, _ columns: ImportColumns, _ row: inout Row
  ) throws(Fault) {
    switch role {
    case .time(let unit): row.time = try instant(text, unit)
    case .device: row.device = try device(Array(text.utf8)[...])
    case .probe:
      guard let probe = Int32(text) else {
        throw Fault(.range, "probe: a small whole number expected")
      }
      row.probe = probe
    case .value(let index):
      values[index] = try fields.slot(text, columns.values[index])
      row.mask |= 1 << UInt64(index)
    }
  }

  /// A number, or RFC 3339.
  func instant(_ text: String, _ unit: Instant.Unit?) throws(Fault) -> Int64 {
    let bytes = Array(text.utf8)
    let span = bytes.span
    // SAFETY: `span` borrows `bytes`, which live to the end of this call.
    if unit == nil, bytes.count > 4, bytes[4] == UInt8(ascii: "-") {
      return try unsafe Instant.iso8601(span.bytes)
    }
    var cursor = unsafe JSONCursor(span.bytes)
    let nanos = try fields.number(&cursor, unit)
    guard cursor.isAtEnd else { throw Fault(.form, "a time expected") }
    return nanos
  }
}
