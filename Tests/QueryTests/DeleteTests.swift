import TSEngine
import Testing

@testable import Query

/// DELETE, its dry run, AS KNOWN AT and the system tables of what befell readings, on a store.
@Suite struct DeleteTests {
  private static let start: Int64 = 1_700_000_000_000_000_000
  private static let second: Int64 = 1_000_000_000
  private let actor = Actor(.operator, "ann")
  private let clock = SimClock(nanos: start)

  private func open() throws -> Store {
    var options = StoreOptions()
    options.maintainsItself = false
    options.reserveByteCount = 4096
    options.removalGraceNanos = 0
    options.disk = SimDisk(seed: 1)
    options.clock = clock
    options.rng = SimRNG(seed: 1)
    return try Store.open("s", options)
  }

  /// Twenty readings of 0 … 19 W in one second, `offset` added.
  private func append(_ store: Store, _ device: String, at instant: Int64 = start, offset: Int64 = 0) throws {
    var batch = FrameBatch(table: 1)
    batch.beginFrame(device: device)
    let times = try #require(RegularTimes(start: instant, span: Self.second, count: 20))
    batch.beginRun(probe: 1, times: .regular(times))
    batch.add(1, (0..<20).map { offset + Int64($0) })
    _ = try store.append(batch, creator: actor)
    clock.advance(nanos: Self.second)
  }

  private func rows(_ store: Store, _ sql: String) throws -> [String] {
    try QueryEngine.execute(sql, on: store, actor: actor).rows().map { row in
      row.map { $0.text ?? "NULL" }.joined(separator: "|")
    }
  }

  private func state(_ store: Store, _ sql: String) -> SQLState? {
    do throws(SQLError) {
      _ = try QueryEngine.execute(sql, on: store, actor: actor)
      return nil
    } catch {
      return error.state
    }
  }

  @Test func aDeleteByValuesTakesThoseAndTellsHowMany_T11() throws {
    let store = try open()
    for device in ["a", "b"] { try append(store, device) }
    let dry = try rows(store, "EXPLAIN DELETE FROM power WHERE power >= 5 AND power < 12 OR power = 19")
    #expect(dry.count == 1 && dry[0].hasPrefix("16|2|"))
    #expect(try rows(store, "SELECT count(*) FROM power") == ["40"], "a dry run takes nothing")
    let done = try rows(store, "DELETE FROM power WHERE (power >= 5 AND power < 12 OR power = 19) AND sensor = 'a'")
    #expect(done[0].hasPrefix("8|1|") && done[0].hasSuffix("|\(store.durableLSN)"))
    #expect(try rows(store, "SELECT sensor, count(*), sum(power) FROM power GROUP BY 1 ORDER BY 1") == ["a|12|115", "b|20|190"])
    guard case .readingsDeleted(_, let spans, let rows, _)? = try store.snapshot().events().last?.kind else {
      Issue.record("no event")
      return
    }
    #expect(spans.count == 1 && spans[0].times.count == 2, "neighbours are one stretch")
    #expect(rows == 8)
    let events = try self.rows(store, "SELECT kind, actor, cause FROM events ORDER BY lsn DESC LIMIT 1")
    #expect(events[0].hasPrefix("readings.deleted|operator:ann|DELETE FROM power"))
  }

  @Test func aDeleteBySeriesAndTimeTakesAllThatLiesThere_T11() throws {
    let store = try open()
    for device in ["a", "b"] { try append(store, device) }
    let half = "'2023-11-14T22:13:20.5Z'"
    #expect(try rows(store, "DELETE FROM power AS p WHERE p.sensor IN ('a', 'none') AND ts >= \(half)")[0].hasPrefix("10|1|"))
    #expect(try rows(store, "SELECT sensor, max(power) FROM power GROUP BY 1 ORDER BY 1") == ["a|9", "b|19"])
    #expect(try rows(store, "DELETE FROM power")[0].hasPrefix("30|2|"))
    #expect(try rows(store, "SELECT count(*) FROM power") == ["0"])
    #expect(try rows(store, "DELETE FROM power WHERE power > 3") == ["0|0|0|\(store.durableLSN)"])
  }

  @Test func aDeleteHasTheLimitsOfAQuery_T11() throws {
    let store = try open()
    for device in ["a", "b"] { try append(store, device) }
    func state(_ sql: String, _ limits: QueryLimits, _ cancel: CancelFlag = CancelFlag()) -> SQLState? {
      do throws(SQLError) {
        _ = try QueryEngine.execute(sql, on: store, actor: actor, limits: limits, cancel: cancel)
        return nil
      } catch {
        return error.state
      }
    }
    let cancelled = CancelFlag()
    cancelled.cancel()
    for sql in [
      "DELETE FROM power", "DELETE FROM power WHERE power > 3", "EXPLAIN DELETE FROM power",
      "EXPLAIN DELETE FROM power WHERE power > 3", "DELETE FROM quarantine",
    ] {
      #expect(state(sql, QueryLimits(), cancelled) == .queryCancelled, "\(sql)")
      #expect(state(sql, QueryLimits(timeoutNanos: -1)) == .queryCancelled, "\(sql)")
    }
    #expect(state("EXPLAIN DELETE FROM power WHERE power > 3", QueryLimits(memoryBytes: 100)) == .outOfMemory)
    #expect(try rows(store, "SELECT count(*) FROM power") == ["40"], "nothing was done")
  }

  @Test func aDeleteThatNamesNoSeriesRecordsNone_T11() throws {
    let store = try open()
    for device in ["a", "b", "c"] { try append(store, device) }
    try append(store, "a", at: Self.start + 4_000_000_000 * Self.second)
    try append(store, "b", at: Self.start + 4_000_000_000 * Self.second)
    #expect(try rows(store, "DELETE FROM power WHERE ts < '2023-11-14T22:13:20.5Z'")[0].hasPrefix("30|3|"))
    guard case .readingsDeleted(_, let spans, _, _)? = try store.snapshot().events().last?.kind else {
      Issue.record("no event")
      return
    }
    #expect(spans.count == 1 && spans[0].isOfEverySeries)
    #expect(try rows(store, "SELECT count(*) FROM power") == ["30"])
    #expect(try rows(store, "DELETE FROM quarantine")[0].hasPrefix("40|2|"))
    guard case .quarantineSettled(_, let settled, _, _, let count)? = try store.snapshot().events().last?.kind else {
      Issue.record("no event")
      return
    }
    #expect(settled.count == 1 && count == 40)
    #expect(try rows(store, "SELECT count(*) FROM quarantine") == ["0"])
    #expect(try rows(store, "SELECT count(*) FROM power") == ["30"])
  }

  @Test func whatCannotBeDeletedIsRefusedWithItsState() throws {
    let store = try open()
    try append(store, "a")
    #expect(state(store, "DELETE FROM powr") == .undefinedTable)
    #expect(state(store, "DELETE FROM devices") == .undefinedTable)
    #expect(state(store, "DELETE FROM power WHERE volt > 1") == .undefinedColumn)
    #expect(state(store, "DELETE FROM power RETURNING ts") == .featureNotSupported)
    let catalog = StoreCatalog(store.snapshot())
    do throws(SQLError) {
      _ = try QueryEngine.prepare("DELETE FROM power", catalog)
      Issue.record("deleted by a query")
    } catch {
      #expect(error.state == .readOnlyTransaction)
    }
    #expect(try rows(store, "SELECT count(*) FROM power") == ["20"])
  }

  @Test func asKnownAtAnswersAsTheStoreDidThen_T12() throws {
    let store = try open()
    try append(store, "a")
    let lsn = store.durableLSN
    try append(store, "a", offset: 100)
    try append(store, "b")
    _ = try rows(store, "DELETE FROM power WHERE sensor = 'a' AND power = 103")
    #expect(try rows(store, "SELECT count(*), sum(power) FROM power") == ["39|2277"])
    #expect(try rows(store, "SELECT count(*), sum(power) FROM power AS KNOWN AT \(lsn)") == ["20|190"])
    #expect(try rows(store, "SELECT count(*), sum(power) FROM power AS KNOWN AT '2023-11-14T22:13:20.5Z'") == ["20|190"])
    #expect(try rows(store, "SELECT count(*), sum(power) FROM power AS KNOWN AT '2023-11-14T22:13:21.5Z'") == ["20|2190"])
    #expect(
      try rows(store, "SELECT n.power - o.power FROM power n JOIN power AS KNOWN AT \(lsn) o ON n.ts = o.ts AND n.sensor = o.sensor GROUP BY 1")
        == ["100"], "then beside now")
    try store.compact()
    #expect(throws: SQLError.self) { try rows(store, "SELECT count(*) FROM power AS KNOWN AT \(lsn)") }
    #expect(state(store, "SELECT * FROM devices AS KNOWN AT 1") == .featureNotSupported)
    #expect(state(store, "SELECT * FROM power AS KNOWN AT ts") != nil)
  }

  @Test func conflictsAndTheQuarantineAreTables_T03_T07() throws {
    let store = try open()
    try append(store, "a")
    try append(store, "a", offset: 1)
    #expect(try rows(store, "SELECT count(*) FROM conflicts WHERE resolution IS NULL") == ["20"])
    #expect(
      try rows(store, "SELECT kept, superseded, resolution FROM conflicts ORDER BY ts LIMIT 1")
        == [#"{"power":1}|{"power":0}|NULL"#])
    try append(store, "a", at: Self.start + 4_000_000_000 * Self.second)
    #expect(try rows(store, "SELECT count(*) FROM quarantine") == ["20"])
    #expect(try rows(store, "EXPLAIN DELETE FROM quarantine WHERE sensor = 'a'")[0].hasPrefix("20|1|"))
    #expect(try rows(store, "DELETE FROM quarantine WHERE sensor = 'a'")[0].hasPrefix("20|1|"))
    #expect(try rows(store, "SELECT count(*) FROM quarantine") == ["0"])
    #expect(try rows(store, "SELECT count(*) FROM power") == ["20"])
  }
}
