import Query

/// A table of GitHub's Markdown; numbers are right-aligned, a null is an empty cell.
struct MarkdownWriter: RowWriter {
  private let sink: any ByteSink
  private var columns: [ResultColumn] = []

  init(sink: any ByteSink) { self.sink = sink }

  mutating func begin(_ columns: [ResultColumn]) throws(OutputError) {
    self.columns = columns
    try sink.write(row(columns.map { escape($0.name) }))
    try sink.write(row(columns.map { $0.kind == .number ? "---:" : "---" }))
  }

  mutating func write(_ rows: any ResultRows) throws(OutputError) {
    for index in 0..<rows.rowCount {
      try sink.write(row(columns.indices.map { escape(rows.text(row: index, column: $0) ?? "") }))
    }
  }

  mutating func end() throws(OutputError) { try sink.flush() }

  private func row(_ cells: [String]) -> String {
    "|" + cells.map { $0.isEmpty ? " |" : " \($0) |" }.joined() + "\n"
  }

  private func escape(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "|": out += "\\|"
      case "\\": out += "\\\\"
      case "\n": out += "<br>"
      default: out.unicodeScalars.append(scalar)
      }
    }
    return VisibleText.of(out)
  }
}
