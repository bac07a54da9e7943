import Foundation
import TSEngine
import Testing

@testable import Query

/// Generated queries over the same rows in tsq and in SQLite: both must give the same rows. `make test` asks
/// 2,000 of them, `TSQ_DIFFERENTIAL=n` asks n; a seed gives its query again.
@Suite struct DifferentialTests {
  static let count = ProcessInfo.processInfo.environment["TSQ_DIFFERENTIAL"].flatMap { UInt64($0) } ?? 2_000

  /// id, a, b, x, s, f: small values, repeated, with NULLs.
  static func rows(_ count: Int, _ seed: UInt64) -> [[SQLValue]] {
    var random = SeededRandom(seed)
    func below(_ count: UInt64) -> Int64 { Int64(random.next() % count) }
    let texts = ["", "a", "ab", "B", "b", "ba ", "ä", "abc"]
    return (0..<count).map { id in
      func orNull(_ value: SQLValue) -> SQLValue { below(6) == 0 ? .null : value }
      return [
        .int(Int64(id)), orNull(.int(below(6))), orNull(.int(below(20) - 5)), orNull(.float(Double(below(64) - 16) / 8)),
        orNull(.text(texts[Int(below(8))])), orNull(.bool(below(2) == 0)),
      ]
    }
  }

  static let tables: [TestRows] = [("t", 17, 1), ("u", 9, 2), ("v", 3, 3)].map { name, count, seed in
    let columns: [(String, SQLType)] = [("id", .int), ("a", .int), ("b", .int), ("x", .float), ("s", .text), ("f", .bool)]
    return TestRows(name: name, columns: columns.map { RowColumn($0, $1) }, rows: rows(count, UInt64(seed)))
  }

  static func oracle() throws -> SQLiteOracle {
    let oracle = try SQLiteOracle()
    for table in tables {
      try oracle.run("CREATE TABLE \(table.name) (id INTEGER, a INTEGER, b INTEGER, x REAL, s TEXT, f INTEGER)")
      for row in table.rows {
        let values = row.map { value in
          switch value {
          case .null: "NULL"
          case .int(let number): "\(number)"
          case .float(let number): "\(number)"
          case .bool(let flag): flag ? "1" : "0"
          case .text(let text): "'\(text)'"
          default: preconditionFailure("no such column")
          }
        }
        try oracle.run("INSERT INTO \(table.name) VALUES (\(values.joined(separator: ", ")))")
      }
    }
    return oracle
  }

  /// A value as both sides write it: numbers and truth values as numbers.
  static func cell(_ value: SQLValue) -> String {
    switch value {
    case .null: "NULL"
    case .bool(let flag): flag ? "1.0" : "0.0"
    case .int(let number): "\(Double(number))"
    case .float(let number): number == 0 ? "0.0" : "\(number)"
    case .wide(let number): "\(Double(number))"
    case .text(let text): "'\(text)'"
    default: "?"
    }
  }

  @Test("R12: generated queries give what SQLite gives", arguments: 0..<4)
  func generatedQueriesAgree(_ part: UInt64) throws {
    let oracle = try Self.oracle()
    let snapshot = Snapshot(lsn: 1, symbols: SymbolTable(), tables: [], stretches: [:])
    let catalog = TestCatalog(snapshot: snapshot, rowTables: Self.tables)
    var (rowCount, failures) = (0, 0)
    for seed in stride(from: part, to: Self.count, by: 4) {
      var generator = QueryGenerator(seed: seed)
      let made = generator.query()
      let sql = made.sql
      do {
        var expected = try oracle.rows(sql).map { $0.map { $0 == "-0.0" ? "0.0" : $0 } }
        let limits = QueryLimits(threads: 1, patienceNanos: seed % 2 == 0 ? 0 : .max)
        var found = try QueryEngine.prepare(sql, catalog).rows(limits: limits).map { $0.map(Self.cell) }
        rowCount += found.count
        if !made.isOrdered {
          expected.sort { $0.lexicographicallyPrecedes($1) }
          found.sort { $0.lexicographicallyPrecedes($1) }
        }
        if found == expected { continue }
        Issue.record("seed \(seed): \(sql)\nSQLite \(expected)\ntsq    \(found)")
      } catch {
        Issue.record("seed \(seed): \(sql)\n\(error)")
      }
      failures += 1
      if failures > 5 { return }
    }
    // A campaign whose queries give nothing proves nothing.
    #expect(rowCount > Int(Self.count) / 4)
  }
}
