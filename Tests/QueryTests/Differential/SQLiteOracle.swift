import CSQLite

/// SQLite in memory, asked the same questions as tsq.
final class SQLiteOracle {
  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  private var database: OpaquePointer?

  init() throws {
    guard sqlite3_open(":memory:", &database) == SQLITE_OK else { throw failure() }
    // As in PostgreSQL's dialect.
    try run("PRAGMA case_sensitive_like = ON")
  }

  deinit { sqlite3_close(database) }

  func run(_ sql: String) throws { _ = try rows(sql) }

  /// Each value as `Differential.cell` writes it.
  func rows(_ sql: String) throws -> [[String]] {
    var statement: OpaquePointer?
    guard sqlite3_prepare_v2(database, sql, -1, &statement, nil) == SQLITE_OK else { throw failure() }
    defer { sqlite3_finalize(statement) }
    var rows: [[String]] = []
    while true {
      switch sqlite3_step(statement) {
      case SQLITE_ROW: rows.append((0..<sqlite3_column_count(statement)).map { cell(statement, $0) })
      case SQLITE_DONE: return rows
      default: throw failure()
      }
    }
  }

  private func cell(_ statement: OpaquePointer?, _ column: Int32) -> String {
    switch sqlite3_column_type(statement, column) {
    case SQLITE_NULL: "NULL"
    case SQLITE_INTEGER, SQLITE_FLOAT: "\(sqlite3_column_double(statement, column))"
    default: "'" + (sqlite3_column_text(statement, column).map { String(cString: $0) } ?? "") + "'"
    }
  }

  private func failure() -> Failure { Failure(description: String(cString: sqlite3_errmsg(database))) }
}
