/// A column of an answer as those who print it see it.
struct ResultColumn: Sendable, Equatable {
  /// What its texts mean: how they are aligned, and whether JSON quotes them.
  enum Kind: Sendable, Equatable { case number, bool, text, timestamp }
  var name: String
  var kind: Kind
}

/// Some rows of an answer. Printing asks for the text of one cell after the other and appends it
/// to a buffer, so no cell becomes a value of its own on the way out.
protocol ResultRows {
  var rowCount: Int { get }
  func isNull(row: Int, column: Int) -> Bool
  /// The text of a cell that is not null: numbers in SQL's form, timestamps in RFC 3339.
  func append(row: Int, column: Int, to text: inout [UInt8])
  /// The cell as a number for a chart, a timestamp as nanoseconds since the epoch; nil when it is
  /// null or no number.
  func number(row: Int, column: Int) -> Double?
}

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

/// Prints an answer: `begin` once, `write` for each batch in order, `end` once.
/// What is written may lie in the sink's buffer until `end`.
protocol RowWriter {
  mutating func begin(_ columns: [ResultColumn]) throws(OutputError)
  mutating func write(_ rows: any ResultRows) throws(OutputError)
  mutating func end() throws(OutputError)
}
