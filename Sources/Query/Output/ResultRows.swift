/// A column of an answer as those who print it see it.
package struct ResultColumn: Sendable, Equatable {
  /// What its texts mean: how they are aligned, and whether JSON quotes them.
  package enum Kind: Sendable, Equatable { case number, bool, text, timestamp }
  package var name: String
  package var kind: Kind

  package init(name: String, kind: Kind) {
    self.name = name
    self.kind = kind
  }
}

/// Some rows of an answer. Printing asks for the text of one cell after the other and appends it
/// to a buffer, so no cell becomes a value of its own on the way out.
package protocol ResultRows {
  var rowCount: Int { get }
  func isNull(row: Int, column: Int) -> Bool
  /// The text of a cell that is not null: numbers in SQL's form, timestamps in RFC 3339.
  func append(row: Int, column: Int, to text: inout [UInt8])
  /// The cell as a number for a chart, a timestamp as nanoseconds since the epoch; nil when it is
  /// null or no number.
  func number(row: Int, column: Int) -> Double?
}

/// Prints an answer: `begin` once, `write` for each batch in order, `end` once.
/// What is written may lie in the sink's buffer until `end`.
package protocol RowWriter {
  mutating func begin(_ columns: [ResultColumn]) throws(OutputError)
  mutating func write(_ rows: any ResultRows) throws(OutputError)
  mutating func end() throws(OutputError)
}

/// A batch of a query as the writers see it.
package struct BatchRows: ResultRows {
  private let batch: ResultBatch
  private let types: [SQLType]

  package init(_ batch: ResultBatch, types: [SQLType]) {
    self.batch = batch
    self.types = types
  }

  package var rowCount: Int { batch.rowCount }

  package func isNull(row: Int, column: Int) -> Bool { batch.isNull(row, column) }

  package func append(row: Int, column: Int, to text: inout [UInt8]) {
    switch types[column] {
    case .int: text.append(decimal: batch.slot(row, column))
    case .timestamp: TimestampText.append(batch.slot(row, column), to: &text)
    case .bool: text.append(contentsOf: (batch.slot(row, column) != 0 ? "true" : "false").utf8)
    case .text: text.append(contentsOf: batch.pool.text(of: batch.slot(row, column)).utf8)
    case .float, .interval, .wide, .null: text.append(contentsOf: (batch.value(row, column).text ?? "").utf8)
    }
  }

  package func number(row: Int, column: Int) -> Double? {
    guard !batch.isNull(row, column) else { return nil }
    return switch batch.value(row, column) {
    case .int(let number), .timestamp(let number): Double(number)
    case .float(let number): number
    case .wide(let number): Double(number)
    case .null, .bool, .text, .interval: nil
    }
  }
}

extension ResultColumn.Kind {
  package init(_ type: SQLType) {
    self =
      switch type {
      case .int, .float, .wide: .number
      case .bool: .bool
      case .timestamp: .timestamp
      case .text, .interval, .null: .text
      }
  }
}

extension PreparedQuery {
  /// The columns of the answer as writers take them.
  package var resultColumns: [ResultColumn] {
    columns.map { ResultColumn(name: $0.name, kind: ResultColumn.Kind($0.type)) }
  }

  /// Runs the query and prints all of its answer.
  /// - Returns: rows printed, or why the writer could not go on; the query has ended then too.
  /// - Throws: as `run`.
  package func run(
    into writer: inout any RowWriter, limits: QueryLimits = QueryLimits(), cancel: CancelFlag = CancelFlag()
  ) throws(SQLError) -> Result<Int, OutputError> {
    // The sink of a query throws nothing but what SQL says: a writer's failure is kept beside it.
    let printer = Printer(writer, types: columns.map(\.type))
    defer { writer = printer.writer }
    printer.guarding { (writer) throws(OutputError) in try writer.begin(resultColumns) }
    if printer.failure == nil {
      try run(limits: limits, cancel: cancel) { printer.print($0) }
      printer.guarding { (writer) throws(OutputError) in try writer.end() }
    }
    return printer.failure.map { .failure($0) } ?? .success(printer.rowCount)
  }

  private final class Printer {
    var writer: any RowWriter
    var rowCount = 0
    var failure: OutputError?
    private let types: [SQLType]

    init(_ writer: any RowWriter, types: [SQLType]) {
      self.writer = writer
      self.types = types
    }

    /// False when nobody takes any more.
    func print(_ batch: ResultBatch) -> Bool {
      guarding { (writer) throws(OutputError) in try writer.write(BatchRows(batch, types: types)) }
      rowCount += batch.rowCount
      return failure == nil
    }

    /// Once it has failed, nothing more is written.
    func guarding(_ body: (inout any RowWriter) throws(OutputError) -> Void) {
      guard failure == nil else { return }
      do throws(OutputError) {
        try body(&writer)
      } catch {
        failure = error
      }
    }
  }
}

extension [UInt8] {
  /// `number` in decimal digits.
  mutating func append(decimal number: Int64) {
    let start = count
    var rest = number.magnitude
    repeat {
      append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
      rest /= 10
    } while rest > 0
    if number < 0 { append(UInt8(ascii: "-")) }
    self[start...].reverse()
  }
}
