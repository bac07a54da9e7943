import TSEngine
import Testing

@testable import Query

/// CREATE TABLE, ALTER TABLE … ADD COLUMN, INSERT and DROP TABLE on a store.
@Suite struct DeclaredTableSQLTests {
  private let actor = Actor(.operator, "ann")

  private func open() throws -> Store { try Store.simulated() }

  private func rows(_ store: Store, _ sql: String) throws -> [String] {
    try QueryEngine.execute(sql, on: store, actor: actor).rows().map { row in
      row.map { $0.text ?? "NULL" }.joined(separator: "|")
    }
  }

  private func failure(_ store: Store, _ sql: String) -> SQLError? {
    do throws(SQLError) {
      _ = try QueryEngine.execute(sql, on: store, actor: actor)
      return nil
    } catch {
      return error
    }
  }

  private static let weather = """
    CREATE TABLE weather (ts TIMESTAMP, device SYMBOL, temperature DOUBLE UNIT '°C' RANGE -80 AND 80, hum INT,
      raining BOOLEAN, mode SYMBOL, note TEXT, extra JSON, mv INT SCALE 10 UNIT 'V')
    """

  @Test func aTableIsDeclaredFilledAndAsked_D01_D02() throws {
    let store = try open()
    #expect(try rows(store, Self.weather)[0].hasPrefix("weather|7|"))
    let schema = try #require(store.snapshot().table(named: "weather"))
    #expect(schema.columns.map(\.type) == [.float, .int, .bool, .symbol, .text, .text, .int])
    #expect(schema.columns[0].unit == "°C" && schema.columns[6].unit == "1/10 V" && schema.columns[5].isJSON)
    let done = try rows(
      store,
      """
      INSERT INTO weather (ts, device, temperature, hum, raining, mode, note, extra) VALUES
        ('2026-01-01T00:00:00Z', 'a', 21.5, 40, true, 'auto', 'first; "quoted"', '{"x":1}'),
        ('2026-01-01T00:00:01Z', 'a', -5, NULL, false, NULL, '', NULL),
        ('2026-01-01T00:00:00Z', 'b', NULL, 9223372036854775807, NULL, 'auto', 'a text', '[1,2]')
      """)
    #expect(done == ["3|0|0|0|0|\(store.durableLSN)"])
    _ = try rows(store, "INSERT INTO weather VALUES ('2026-01-01 00:00:01Z', 'b', NULL, -3)")
    _ = try rows(store, "INSERT INTO weather (device, ts, probe, hum) SELECT device, ts, 2, hum FROM weather WHERE hum > 0")
    for step in 0..<3 {
      if step == 1 { try store.seal() }
      if step == 2 { try store.compact() }
      #expect(
        try rows(store, "SELECT device, temperature, hum, raining, mode, note, extra FROM weather WHERE probe = 1 ORDER BY device, ts") == [
          #"a|21.5|40|true|auto|first; "quoted"|{"x":1}"#, "a|-5|NULL|false|NULL||NULL",
          "b|NULL|9223372036854775807|NULL|auto|a text|[1,2]", "b|NULL|-3|NULL|NULL|NULL|NULL",
        ])
      #expect(try rows(store, "SELECT count(*), max(hum) FROM weather WHERE probe = 2") == ["2|9223372036854775807"])
      #expect(try rows(store, "SELECT hum FROM weather WHERE note = 'a text'") == ["9223372036854775807"])
      #expect(try rows(store, "SELECT note, count(*) FROM weather GROUP BY note ORDER BY 1 NULLS FIRST") == [
        "NULL|3", "|1", "a text|1", #"first; "quoted"|1"#,
      ])
      #expect(try rows(store, "SELECT count(*) FROM weather w JOIN weather v ON w.note = v.note") == ["3"])
    }
    #expect(store.symbols.existingCode(of: "a text") == nil, "a text is no symbol")
    #expect(store.symbols.heldTextCount == 0)
  }

  @Test func columnsAreAddedAndOldRowsReadNull_D03() throws {
    let store = try open()
    _ = try rows(store, "CREATE TABLE t (a INT)")
    _ = try rows(store, "INSERT INTO t VALUES ('2026-01-01', 'd', 1)")
    try store.compact()
    #expect(try rows(store, "ALTER TABLE t ADD COLUMN b DOUBLE, ADD c TEXT")[0].hasPrefix("t|3|"))
    _ = try rows(store, "INSERT INTO t (ts, device, c, b) VALUES ('2026-01-02', 'd', 'x', 0.5)")
    #expect(try rows(store, "SELECT a, b, c FROM t ORDER BY ts") == ["1|NULL|NULL", "NULL|0.5|x"])
    try store.compact()
    #expect(try rows(store, "SELECT a, b, c FROM t ORDER BY ts") == ["1|NULL|NULL", "NULL|0.5|x"])
    #expect(try rows(store, "ALTER TABLE t ADD COLUMN IF NOT EXISTS b DOUBLE")[0].hasPrefix("t|3|"))
    #expect(failure(store, "ALTER TABLE t ADD COLUMN b DOUBLE")?.state == .duplicateColumn)
    #expect(failure(store, "ALTER TABLE powr ADD COLUMN b DOUBLE")?.hint == #"did you mean "power"?"#)
  }

  @Test func aDropHasADryRunAndAnEvent_T11() throws {
    let store = try open()
    _ = try rows(store, "CREATE TABLE t (a INT)")
    _ = try rows(store, "INSERT INTO t VALUES ('2026-01-01', 'd', 1), ('2026-01-02', 'd', 2), ('2026-01-01', 'e', 1)")
    let dry = try rows(store, "EXPLAIN DROP TABLE t")
    #expect(dry.count == 1 && dry[0].hasPrefix("3|2|"))
    #expect(try rows(store, "SELECT count(*) FROM t") == ["3"], "a dry run takes nothing")
    let done = try rows(store, "DROP TABLE t")
    #expect(done == ["\(dry[0])|\(store.durableLSN)"])
    let event = try rows(store, "SELECT kind, actor, cause FROM events ORDER BY lsn DESC LIMIT 1")
    #expect(event == ["table.dropped|operator:ann|DROP TABLE t"])
    #expect(failure(store, "SELECT * FROM t")?.state == .undefinedTable)
    #expect(failure(store, "DROP TABLE t")?.state == .undefinedTable)
    #expect(try rows(store, "DROP TABLE IF EXISTS t")[0].hasPrefix("0|0|0|"))
    _ = try rows(store, "CREATE TABLE t (b TEXT)")
    #expect(try rows(store, "SELECT b FROM t") == [])
    #expect(failure(store, "DROP TABLE power")?.state == .insufficientPrivilege)
  }

  @Test func errorsSayWhereAndWhatToDo_D01() throws {
    let store = try open()
    _ = try rows(store, "CREATE TABLE t (a INT NOT NULL, f DOUBLE RANGE NULL AND 80, j JSON, b BOOLEAN)")
    let cases: [(String, SQLState, String)] = [
      ("CREATE TABLE t (a INT)", .duplicateTable, "t"),
      ("CREATE TABLE devices (a INT)", .duplicateTable, "devices"),
      ("CREATE TABLE u (ts TIMESTAMP, device SYMBOL)", .invalidTableDefinition, "ts"),
      ("CREATE TABLE u (ts INT, a INT)", .datatypeMismatch, "INT"),
      ("CREATE TABLE u (a INT, a INT)", .duplicateColumn, "a"),
      ("CREATE TABLE u (owner INT)", .duplicateColumn, "owner"),
      ("CREATE TABLE u (a BYTEA)", .featureNotSupported, "BYTEA"),
      ("CREATE TABLE u (a VARCHAR(10))", .featureNotSupported, "VARCHAR(10)"),
      ("CREATE TABLE u (a INT RANGE 9 AND 5)", .invalidTableDefinition, "9 AND 5"),
      ("CREATE TABLE u (a TEXT RANGE 1 AND 5)", .invalidTableDefinition, "TEXT"),
      ("CREATE TABLE u (a INT RANGE 0.5 AND 5)", .numericOutOfRange, "0.5"),
      ("CREATE TABLE u (a DOUBLE SCALE 10)", .invalidTableDefinition, "10"),
      (#"CREATE TABLE "U v" (a INT)"#, .invalidName, #""U v""#),
      ("INSERT INTO u VALUES (1)", .undefinedTable, "u"),
      ("INSERT INTO t (ts, device, x) VALUES ('2026-01-01', 'd', 1)", .undefinedColumn, "x"),
      ("INSERT INTO t (ts, a) VALUES ('2026-01-01', 1)", .syntaxError, "ts"),
      ("INSERT INTO t VALUES ('2026-01-01', 'd', NULL)", .notNullViolation, "NULL"),
      ("INSERT INTO t (ts, device, f) VALUES ('2026-01-01', 'd', 1)", .notNullViolation, "t"),
      ("INSERT INTO t VALUES ('2026-01-01', 'd', 1, 81)", .checkViolation, "81"),
      ("INSERT INTO t VALUES ('2026-01-01', 'd', 1.5)", .numericOutOfRange, "1.5"),
      ("INSERT INTO t VALUES ('2026-01-01', 'd', 'x')", .invalidText, "'x'"),
      ("INSERT INTO t VALUES ('2026-01-01', 'd', 1, 1, '{')", .invalidText, "'{'"),
      ("INSERT INTO t VALUES ('2026-01-01', 'd', 1, 1, NULL, 7)", .datatypeMismatch, "7"),
      ("INSERT INTO t VALUES ('yesterdayish', 'd', 1)", .invalidDatetime, "'yesterdayish'"),
      ("INSERT INTO t VALUES ('2026-01-01', 'no device', 1)", .invalidText, "'no device'"),
      ("INSERT INTO t VALUES ('2026-01-01', 'd', 99999999999999999999)", .numericOutOfRange, "99999999999999999999"),
    ]
    for (sql, state, place) in cases {
      let error = failure(store, sql)
      #expect(error?.state == state, "\(sql): \(String(describing: error))")
      let range = try #require(error?.range, "\(sql)")
      let marked = Array(sql.utf8)[Int(range.lower)..<Int(range.upper)]
      #expect(String(decoding: marked, as: UTF8.self) == place, "\(sql): \(String(describing: error))")
    }
    #expect(try rows(store, "SELECT count(*) FROM t") == ["0"], "nothing of a refused statement stays")
    let catalog = StoreCatalog(store.snapshot())
    for sql in ["CREATE TABLE v (a INT)", "ALTER TABLE t ADD COLUMN v INT", "INSERT INTO t VALUES ('2026-01-01', 'd', 1)", "DROP TABLE t"] {
      #expect(QueryEngine.isChange(sql))
      do throws(SQLError) {
        _ = try QueryEngine.prepare(sql, catalog)
        Issue.record("\(sql) by a reader")
      } catch {
        #expect(error.state == .readOnlyTransaction)
      }
    }
  }
}
