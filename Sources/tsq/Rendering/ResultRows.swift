import Query

extension ResultRows {
  func text(row: Int, column: Int) -> String? {
    guard !isNull(row: row, column: column) else { return nil }
    var bytes: [UInt8] = []
    append(row: row, column: column, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// Rows that the command line makes itself (devices, events, figures).
struct TextRows: ResultRows {
  var cells: [[String?]]
  var rowCount: Int { cells.count }
  func isNull(row: Int, column: Int) -> Bool { cells[row][column] == nil }
  func append(row: Int, column: Int, to text: inout [UInt8]) {
    text.append(contentsOf: (cells[row][column] ?? "").utf8)
  }
  func number(row: Int, column: Int) -> Double? { cells[row][column].flatMap { Double($0) } }
}
