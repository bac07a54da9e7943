import TSEngine
import Testing

@testable import Query

/// What SQL files cannot say: limits, cancelling, EXPLAIN, parameters.
@Suite struct EngineTests {
  private func text(_ sql: String, _ catalog: TestCatalog, _ parameters: [SQLValue] = []) throws -> [String] {
    try QueryEngine.prepare(sql, catalog, parameters: parameters).rows().map { row in
      row.map { $0.text ?? "NULL" }.joined(separator: "|")
    }
  }

  private func error(_ body: () throws -> Void) -> SQLError? {
    do { try body() } catch { return error as? SQLError }
    return nil
  }

  @Test func wholeBlocksAreAnsweredFromStatistics() throws {
    let blocks = TestStore.catalog(cut: 300, .blocks)
    for sql in [
      "SELECT sum(power), avg(power), min(power), max(power), avg(voltage), count(*) FROM power",
      "SELECT sensor, time_bucket('5 min', ts), avg(power) FROM power WHERE probe IN (1, 3) GROUP BY 1, 2",
      "SELECT sensor, probe, last(power), last(voltage) FROM power GROUP BY 1, 2",
      "SELECT sensor, energy(power), energy(power, 'Wns') FROM power GROUP BY 1",
      "SELECT count(*) FROM power WHERE power < 100000 AND voltage >= 0",
    ] {
      let plan = try text("EXPLAIN ANALYZE " + sql, blocks).joined(separator: "\n")
      #expect(plan.contains("answered from statistics, 0 read"), "\(plan)")
      #expect(plan.contains("0 bytes decoded"), "\(plan)")
      #expect(try text(sql, blocks) == text(sql, TestStore.catalog(cut: 300)))
    }
  }

  @Test func blocksThatCannotMatchAreNotRead() throws {
    let blocks = TestStore.catalog(cut: 300, .blocks)
    let bySeries = try text("EXPLAIN ANALYZE SELECT power FROM power WHERE sensor = 'm2' AND probe = 2 AND ts < '2026-01-01T00:05:00Z'", blocks)
    #expect(bySeries.contains { $0.contains("9 pruned by series and time") && $0.contains("1 read") }, "\(bySeries)")
    let byValue = try text("EXPLAIN ANALYZE SELECT count(*) FROM power WHERE power > 3400 AND pf < 905", blocks)
    #expect(byValue.contains { $0.contains("9 by statistics") && $0.contains("1 read") }, "\(byValue)")
  }

  @Test func explainShowsThePlan() throws {
    let plan = try text("EXPLAIN SELECT sensor, avg(power) FROM power WHERE power > 10 GROUP BY 1 ORDER BY 2 LIMIT 3", TestStore.catalog())
    #expect(plan == ["LIMIT 3", "  SORT 1 keys, best 3", "    AGGREGATE by runs: 1 keys, 1 aggregates", "      SCAN power power in 11..."])
  }

  @Test func parametersKeepTheirTypes() throws {
    let catalog = TestStore.catalog()
    let sql = "SELECT count(*) FROM power WHERE sensor = $1 AND ts >= $2 AND probe = $3"
    #expect(try text(sql, catalog, [.text("m1"), .text("2026-01-01T00:09:00Z"), .int(1)]) == ["60"])
    #expect(error { _ = try text(sql, catalog, [.text("m1")]) }?.state == .undefinedParameter)
  }

  @Test func errorsCarryTheirPlace() {
    let failure = error { _ = try text("SELECT power,\n  voltag FROM power", TestStore.catalog()) }
    #expect(failure?.line == 2 && failure?.column == 3)
  }

  @Test func aCancelledQueryEnds() throws {
    let flag = CancelFlag()
    let query = try QueryEngine.prepare("SELECT a.power FROM power a, power b, power c", TestStore.catalog())
    var batches = 0
    let failure = error {
      try query.run(cancel: flag) { _ in
        batches += 1
        if batches == 3 { flag.cancel() }
        return true
      }
    }
    #expect(failure?.state == .queryCancelled)
  }

  @Test func aQueryBeyondItsMemoryIsRefused() throws {
    let limits = QueryLimits(memoryBytes: 100_000, threads: 1)
    for sql in [
      "SELECT ts, sensor, probe, count(*) FROM power GROUP BY ts, sensor, probe, power + 0",
      "SELECT * FROM power a, power b ORDER BY a.power, b.power",
      "SELECT power || 'x' || probe || sensor || ts FROM power",
    ] {
      let query = try QueryEngine.prepare(sql, TestStore.catalog())
      let failure = error { try query.run(limits: limits) { _ in true } }
      #expect(failure?.state == .outOfMemory, "\(sql)")
    }
  }

  /// Windows of an ordered parallel scan are held until they are handed on; a LIMIT ends it before
  /// that. What it held must not count against what runs after it.
  @Test func anOrderedScanThatIsCutShortGivesItsMemoryBack() throws {
    let count = 100_000
    let stretches = (1...4).map { probe in
      let times = RegularTimes(start: TestStore.start, span: Int64(count) * TestStore.second, count: count)!
      let power = RowSet.Column(id: 1, content: .constant(Int64(probe)))
      let rows = RowSet(times: .regular(times), columns: [power], lsns: [RowSet.LSNRun(end: count, lsn: 5)])
      return Stretch(series: SeriesKey(table: 1, device: "m1", probe: Int32(probe)), rows: rows)
    }
    let snapshot = Snapshot(lsn: 5, symbols: SymbolTable(), tables: [.power], stretches: [1: stretches])
    let catalog = TestCatalog(snapshot: snapshot)
    let part = "SELECT * FROM (SELECT ts, power FROM power LIMIT 3) AS cut"
    let query = try QueryEngine.prepare(Array(repeating: part, count: 8).joined(separator: " UNION ALL "), catalog)
    // A window of two stretches takes 5.2 MB; eight of them would take 41.
    let rows = try query.rows(limits: QueryLimits(memoryBytes: 8_000_000, threads: 2))
    #expect(rows.count == 24 && rows.allSatisfy { $0[1] == .int(1) })
    let tooMuch = error { _ = try query.rows(limits: QueryLimits(memoryBytes: 2_000_000, threads: 2)) }
    #expect(tooMuch?.state == .outOfMemory, "the scan is the parallel one, and is charged")
  }

  @Test func aSinkThatHasEnoughEndsTheQuery() throws {
    let query = try QueryEngine.prepare("SELECT a.power FROM power a, power b", TestStore.catalog())
    var rows = 0
    try query.run { batch in
      rows += batch.rowCount
      return false
    }
    #expect(rows > 0 && rows <= 2048)
  }

  @Test func aPreparedQueryRunsAgain() throws {
    let query = try QueryEngine.prepare("SELECT name, max(power) FROM power JOIN devices ON sensor = id GROUP BY 1 ORDER BY 1", TestStore.catalog())
    #expect(try query.rows() == query.rows())
  }

  /// T-01: owners of two samples 50 ms apart differ; the energies of the parts sum to the whole.
  @Test func ownersChangeBetweenSamplesAndPartsSumToTheWhole() throws {
    var catalog = TestStore.catalog(cut: 600, .blocks)
    let change = TestStore.start + 123 * TestStore.second
    catalog.owned["m1"] = [
      OwnerRun(times: Int64.min..<change, owner: "ann"), OwnerRun(times: change..<Int64.max, owner: "bob"),
    ]
    let parts = try QueryEngine.prepare("SELECT owner, energy(power, 'Wns'), count(*) FROM power WHERE sensor = 'm1' AND probe = 1 GROUP BY owner", catalog).rows()
    let whole = try QueryEngine.prepare("SELECT energy(power, 'Wns'), count(*) FROM power WHERE sensor = 'm1' AND probe = 1", catalog).rows()
    guard case .wide(let a) = parts[0][1], case .wide(let b) = parts[1][1], case .wide(let c) = whole[0][0] else {
      Issue.record("wide integers")
      return
    }
    #expect(a + b == c && parts[0][2] == .int(123) && parts[1][2] == .int(477))
  }
}
