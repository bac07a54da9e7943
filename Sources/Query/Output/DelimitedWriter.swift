/// `csv`: RFC 4180 with a header and LF, a null is an empty cell and an empty text is `""`.
/// `list`: values between bars without a header, for shell scripts.
package struct DelimitedWriter: RowWriter {
  package struct Dialect: Sendable {
    var separator: UInt8
    var hasHeader: Bool
    var isQuoted: Bool
    package static let csv = Dialect(separator: UInt8(ascii: ","), hasHeader: true, isQuoted: true)
    package static let list = Dialect(separator: UInt8(ascii: "|"), hasHeader: false, isQuoted: false)
  }

  private let sink: any ByteSink
  private let dialect: Dialect
  private var columns: [ResultColumn] = []
  private var out: [UInt8] = []
  private var cell: [UInt8] = []

  package init(sink: any ByteSink, dialect: Dialect) {
    self.sink = sink
    self.dialect = dialect
  }

  package mutating func begin(_ columns: [ResultColumn]) throws(OutputError) {
    self.columns = columns
    guard dialect.hasHeader else { return }
    for (index, column) in columns.enumerated() {
      if index > 0 { out.append(dialect.separator) }
      cell.append(contentsOf: column.name.utf8)
      putCell()
    }
    out.append(UInt8(ascii: "\n"))
  }

  package mutating func write(_ rows: any ResultRows) throws(OutputError) {
    for row in 0..<rows.rowCount {
      for column in columns.indices {
        if column > 0 { out.append(dialect.separator) }
        if rows.isNull(row: row, column: column) { continue }
        rows.append(row: row, column: column, to: &cell)
        putCell()
      }
      out.append(UInt8(ascii: "\n"))
      if out.count >= outputBufferByteCount { try sink.write(&out) }
    }
  }

  package mutating func end() throws(OutputError) {
    try sink.write(&out)
    try sink.flush()
  }

  private mutating func putCell() {
    defer { cell.removeAll(keepingCapacity: true) }
    let needsQuotes = dialect.isQuoted && (cell.isEmpty || cell.contains(where: isSpecial))
    guard needsQuotes else { return out.append(contentsOf: cell) }
    out.append(UInt8(ascii: "\""))
    for byte in cell {
      if byte == UInt8(ascii: "\"") { out.append(byte) }
      out.append(byte)
    }
    out.append(UInt8(ascii: "\""))
  }

  private func isSpecial(_ byte: UInt8) -> Bool {
    byte == dialect.separator || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\n")
      || byte == UInt8(ascii: "\r")
  }
}
