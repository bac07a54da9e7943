import Query

/// One `column = value` a line and an empty line between rows: for rows too wide to read across.
struct LineWriter: RowWriter {
  private let sink: any ByteSink
  private var names: [String] = []
  private var rowCount = 0

  init(sink: any ByteSink) { self.sink = sink }

  mutating func begin(_ columns: [ResultColumn]) throws(OutputError) {
    let shown = columns.map { VisibleText.of($0.name) }
    let width = shown.map { DisplayWidth.of($0) }.max() ?? 0
    names = shown.map { String(repeating: " ", count: width - DisplayWidth.of($0)) + $0 }
  }

  mutating func write(_ rows: any ResultRows) throws(OutputError) {
    for row in 0..<rows.rowCount {
      var text = rowCount == 0 ? "" : "\n"
      for column in names.indices {
        let cell = rows.text(row: row, column: column).map(VisibleText.of) ?? "NULL"
        text += "\(names[column]) = \(cell)\n"
      }
      try sink.write(text)
      rowCount += 1
    }
  }

  mutating func end() throws(OutputError) { try sink.flush() }
}
