import Query

/// What became of a statement, for the footer.
struct QuerySummary: Sendable, Equatable {
  /// nil when the answer went out unread.
  var rowCount: Int? = 0
  var nanos: Int64 = 0
  /// Blocks that were read, and blocks that their statistics or bounds ruled out; nil when unknown.
  var blocksRead: Int?
  var blocksPruned: Int?
}

/// A table as `.tables`, `.schema` and completion know it.
struct Relation: Sendable, Equatable {
  struct Column: Sendable, Equatable {
    var name: String
    var type: String
    var unit: String?
  }
  var name: String
  /// Of the engine or the registry, not of readings.
  var isSystem: Bool
  var columns: [Column]
}

/// Answers SQL: a store opened by this process, or a server.
protocol SQLSession: AnyObject {
  /// The directory or the URL.
  var place: String { get }

  /// Runs one statement and prints its answer, from the first row on as it is found.
  /// - Parameter parameters: `$1` and `:name` as texts, by number or name without the sign.
  /// - Throws: `SQLError`, located in `sql`; `OutputError`; `CommandError`.
  func run(
    _ sql: String, parameters: [String: String], into writer: inout any RowWriter
  ) throws -> QuerySummary

  /// Runs one statement and puts its answer out in a form for programs.
  /// - Throws: as above.
  func run(
    _ sql: String, parameters: [String: String], as format: ResultFormat, to sink: any ByteSink
  ) throws -> QuerySummary

  /// What a FROM can name, readings first, then by name.
  func relations() throws -> [Relation]

  /// Ends the statement that runs, from any thread; it throws 57014.
  var canceller: @Sendable () -> Void { get }
}

extension SQLSession {
  func run(
    _ sql: String, parameters: [String: String], as format: ResultFormat, to sink: any ByteSink
  ) throws -> QuerySummary {
    var writer = format.writer(to: sink)
    return try run(sql, parameters: parameters, into: &writer)
  }

  /// A small answer as texts, for completion and `.tables`.
  func texts(_ sql: String, limit: Int = 100_000) throws -> [[String?]] {
    let collector = TextCollector(limit: limit)
    var writer: any RowWriter = collector.writer
    _ = try run(sql, parameters: [:], into: &writer)
    return collector.rows
  }

  /// `body`, which runs a statement, with Ctrl-C ending it.
  func interruptibly(_ body: () throws -> QuerySummary) throws -> QuerySummary {
    try Interrupts.shared.during(stop: canceller, body).0
  }
}

/// Rows as texts in memory.
final class TextCollector {
  fileprivate(set) var columns: [ResultColumn] = []
  fileprivate(set) var rows: [[String?]] = []
  fileprivate let limit: Int

  init(limit: Int) { self.limit = limit }

  var writer: some RowWriter { Writer(collector: self) }

  private struct Writer: RowWriter {
    let collector: TextCollector
    func begin(_ columns: [ResultColumn]) throws(OutputError) { collector.columns = columns }
    func write(_ batch: any ResultRows) throws(OutputError) {
      for row in 0..<batch.rowCount where collector.rows.count < collector.limit {
        collector.rows.append(collector.columns.indices.map { batch.text(row: row, column: $0) })
      }
    }
    func end() throws(OutputError) {}
  }
}

/// A literal of SQL for `text`.
func sqlLiteral(_ text: String) -> String {
  "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
}
