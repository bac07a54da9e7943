import TSEngine
import Testing

@testable import Query

/// What a writer's INSERT may read: nothing.
@Suite struct ChangeRightTests {
  private static let actor = Actor(.operator, "test")

  private func open() throws -> Store {
    let store = try Store.simulated()
    _ = try store.decide(actor: Self.actor) { $0.createDevice("m-1", type: "power", $1) }.result.get()
    for sql in ["CREATE TABLE plain (x int)", "INSERT INTO power (ts, device, power) VALUES ('2026-01-01T00:00:00Z', 'm-1', 1)"] {
      _ = try QueryEngine.execute(sql, on: store, actor: Self.actor)
    }
    return store
  }

  @Test("S8: over the catalog of a writer there is no table of the store, of the registry or of the system, and no owner")
  func nothingIsThere() throws {
    let store = try open()
    let full = StoreCatalog(store.snapshot())
    let nothing = NothingCatalog(store.symbols)
    let names = full.rowTables.map(\.name) + full.snapshot.tables.map(\.name)
    #expect(names.count > 15 && names.contains("devices") && names.contains("power") && names.contains("segments"))
    for name in names {
      for sql in ["SELECT * FROM \"\(name)\"", "SELECT count(*) FROM \"\(name)\"", "SELECT x.* FROM (SELECT * FROM \"\(name)\") AS x"] {
        do {
          let rows = try QueryEngine.prepare(sql, nothing).rows()
          Issue.record("\(sql): \(rows)")
        } catch { #expect(error.state == .undefinedTable, "\(sql): \(error)") }
      }
    }
    #expect(nothing.rowTables.isEmpty && nothing.snapshot.tables.isEmpty && nothing.snapshot.registry.devices.count == 0)
    #expect(nothing.owners(of: "m-1", during: .min ..< .max).isEmpty && nothing.receivedAt(1) == nil)
    #expect(try nothing.snapshot.segments.isEmpty && nothing.snapshot.events().isEmpty)
    // What needs no table is worked out.
    #expect(try QueryEngine.prepare("SELECT 1 + 2", nothing).rows() == [[.int(3)]])
  }

  @Test("S8: a sub-query in a writer's VALUES finds no table of the store, whatever sub-queries the binder takes")
  func subQueriesFindNothing() throws {
    let store = try open()
    for hidden in ["(SELECT max(power) FROM power)", "(SELECT count(*) FROM devices)", "(SELECT max(lsn) FROM events)"] {
      let sql = "INSERT INTO power (ts, device, power) VALUES ('2026-01-01T00:00:01Z', 'm-1', \(hidden))"
      do {
        _ = try QueryEngine.execute(sql, on: store, actor: Self.actor, right: .insertValues)
        Issue.record("\(sql)")
      } catch { #expect([.undefinedTable, .featureNotSupported].contains(error.state), "\(error)") }
    }
    let rows = try QueryEngine.prepare("SELECT count(*) FROM power", StoreCatalog(store.snapshot())).rows()
    #expect(rows == [[.int(1)]])
  }

  @Test("an INSERT ends at its cancellation and at its limits, before anything is written")
  func anInsertIsCancelled() throws {
    let store = try open()
    let before = store.durableLSN
    let sql = "INSERT INTO power (ts, device, power) SELECT ts + interval '1s', device, power FROM power"
    let cancel = CancelFlag()
    cancel.cancel()
    for (limits, cancel) in [(QueryLimits(), cancel), (QueryLimits(timeoutNanos: -1), CancelFlag())] {
      do {
        _ = try QueryEngine.execute(sql, on: store, actor: Self.actor, limits: limits, cancel: cancel)
        Issue.record("it ran on")
      } catch { #expect(error.state == .queryCancelled, "\(error)") }
    }
    #expect(store.durableLSN == before)
  }
}
