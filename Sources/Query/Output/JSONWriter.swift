import TSEngine

/// `json`: one array of objects. `ndjson`: one object a line. Keys in the order of the columns.
package struct JSONWriter: RowWriter {
  package enum Shape: Sendable { case array, lines }

  private let sink: any ByteSink
  private let shape: Shape
  private var columns: [ResultColumn] = []
  /// `"name":` of each column, after the first one with its comma.
  private var keys: [[UInt8]] = []
  private var rowCount = 0
  private var out: [UInt8] = []
  private var cell: [UInt8] = []

  package init(sink: any ByteSink, shape: Shape) {
    self.sink = sink
    self.shape = shape
  }

  package mutating func begin(_ columns: [ResultColumn]) throws(OutputError) {
    self.columns = columns
    keys = columns.enumerated().map { index, column in
      var key: [UInt8] = index > 0 ? [UInt8(ascii: ",")] : []
      JSONText.append(quoted: column.name.utf8, to: &key)
      key.append(UInt8(ascii: ":"))
      return key
    }
    if shape == .array { out.append(UInt8(ascii: "[")) }
  }

  package mutating func write(_ rows: any ResultRows) throws(OutputError) {
    for row in 0..<rows.rowCount {
      if shape == .array { out.append(contentsOf: rowCount == 0 ? "\n".utf8 : ",\n".utf8) }
      out.append(UInt8(ascii: "{"))
      for column in columns.indices {
        out.append(contentsOf: keys[column])
        putCell(rows, row, column)
      }
      out.append(UInt8(ascii: "}"))
      if shape == .lines { out.append(UInt8(ascii: "\n")) }
      rowCount += 1
      if out.count >= outputBufferByteCount { try sink.write(&out) }
    }
  }

  package mutating func end() throws(OutputError) {
    if shape == .array { out.append(contentsOf: rowCount == 0 ? "]\n".utf8 : "\n]\n".utf8) }
    try sink.write(&out)
    try sink.flush()
  }

  private mutating func putCell(_ rows: any ResultRows, _ row: Int, _ column: Int) {
    guard !rows.isNull(row: row, column: column) else { return out.append(contentsOf: "null".utf8) }
    let start = out.count
    switch columns[column].kind {
    case .bool: rows.append(row: row, column: column, to: &out)
    case .number:
      rows.append(row: row, column: column, to: &out)
      // JSON has no NaN and no infinity: they go as text.
      if !out[start...].contains(where: { $0 >= 0x30 && $0 <= 0x39 }) {
        out.insert(UInt8(ascii: "\""), at: start)
        out.append(UInt8(ascii: "\""))
      }
    case .text, .timestamp:
      rows.append(row: row, column: column, to: &cell)
      JSONText.append(quoted: cell, to: &out)
      cell.removeAll(keepingCapacity: true)
    }
  }
}
