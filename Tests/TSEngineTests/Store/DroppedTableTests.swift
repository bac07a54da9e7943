import Testing

@testable import TSEngine

/// T-11: dropping a table is an event with its extent, actor and reason; its rows go for good with the
/// next compaction, its id never comes again.
@Suite struct DroppedTableTests {
  let bench = StoreBench()
  let start = StoreBench.start

  private func fill(_ table: DeclaredTable, _ store: Store, _ value: Int64, at: Int64 = 0) throws {
    let rows = (0..<50).map {
      (time: start + (at + Int64($0)) * 1_000_000, values: ["i": DeclaredTable.Value.int(value)])
    }
    _ = try store.append(table.batch("d", rows, in: store.symbols), creator: StoreBench.actor)
  }

  private func drop(_ store: Store, _ name: String) throws -> RemovalExtent {
    let id = try #require(store.registry.types[name]?.schema.id)
    let extent = try store.snapshot().extent(ofTable: id)
    let cause = Cause(reason: "gone")
    try store.decide(actor: StoreBench.actor, cause: cause) {
      $0.dropTable(name, extent: extent, $1)
    }.result.get()
    return extent
  }

  @Test func aDroppedTableIsGoneAtOnceAndItsNameIsFree_T11() throws {
    var store = try bench.open()
    let table = try DeclaredTable(store, "lab", [DeclaredTable.column("i", .int)])
    try fill(table, store, 1)
    try store.seal()
    try fill(table, store, 2, at: 50)
    // Of the year 1970: to the quarantine, which goes too.
    let absurd = table.batch("q", [(1_000, ["i": .int(3)])], in: store.symbols)
    #expect(try store.append(absurd, creator: StoreBench.actor).quarantined == 1)
    let other = FrameBatch.power("m1", at: start)
    _ = try store.append(other, creator: StoreBench.actor)
    let before = store.snapshot()
    let shown = try StoreReading.rows(before)
    let extent = try drop(store, "lab")
    #expect(extent.rowCount == 101 && extent.seriesCount == 2 && extent.byteCount > 0)
    let event = try #require(try store.snapshot().events().last)
    #expect(event.kind == .tableDropped(table: 16, rows: 101, bytes: UInt64(extent.byteCount)))
    #expect(event.actor == StoreBench.actor && event.cause.reason == "gone")
    #expect(store.snapshot().table(named: "lab") == nil)
    #expect(try StoreReading.rows(store.snapshot()).count == 60, "the other table is whole")
    #expect(try StoreReading.rows(before) == shown, "a snapshot from before keeps it")
    #expect(throws: StorageError.self) { try fill(table, store, 4) }
    #expect(throws: StorageError.self) {
      try store.delete(16, [SeriesSpans(device: "d", probe: 1, times: [0...1])], extent: extent, actor: StoreBench.actor)
    }

    let again = try DeclaredTable(store, "lab", [DeclaredTable.column("f", .float)])
    #expect(again.schema.id == 17, "an id is given once")
    let row = again.batch("d", [(start, ["f": .double(0.5)])], in: store.symbols)
    _ = try store.append(row, creator: StoreBench.actor)
    for step in 0..<5 {
      let note = "step \(step)"
      if step == 1 || step == 4 {
        try store.close()
        store = try bench.open()
      }
      if step == 2 { try store.seal() }
      if step == 3 { try store.compact() }
      let rows = try StoreReading.rows(store.snapshot(), note)
      #expect(rows.count == 61, "\(note)")
      #expect(rows[again.key("d", start)] == again.cells(["f": .double(0.5)]), "\(note)")
      _ = StoreReading.digest(store, note)
      let registry = store.registry
      #expect(try Registry(checkpoint: registry.checkpoint().span.bytes) == registry, "\(note)")
    }
    let live = store.shared.live.withLock { $0 }
    #expect(!live.segments.contains { $0.table & ~TableID(0).quarantine == 16 }, "gone from the disk")
    #expect(live.manifest.removed[16]?.newestLSN == event.lsn)
    try store.close()
    #expect(try Verify.run(bench.options(readOnly: true), StoreBench.path).isWhole)
    _ = try Salvage.run(bench.options(readOnly: true), from: StoreBench.path, to: "rescued")
    #expect(try StoreReading.rows(Store.open("rescued", bench.options()).snapshot()).count == 61)
  }

  @Test func whatIsBuiltInOrUnknownCannotBeDropped_T11() throws {
    let store = try bench.open()
    #expect(store.registry.dropRefusal("power") == .builtIn)
    #expect(store.registry.dropRefusal("none") == .unknownType)
  }

  /// The loader compared its rows with a table that was dropped before it could install them.
  @Test func aLoadIntoADroppedTableIsRefused_T11() throws {
    let store = try bench.open()
    let table = try DeclaredTable(store, "lab", [DeclaredTable.column("i", .int)])
    var load = try store.bulkWriter(16, creator: StoreBench.actor)
    try load.append(table.batch("d", [(start, ["i": .int(1)])], in: store.symbols))
    _ = try drop(store, "lab")
    do throws(StorageError) {
      _ = try load.commit()
      Issue.record("loaded into a dropped table")
    } catch {
      #expect(error.code == .invalid)
    }
    #expect(store.shared.live.withLock { $0.segments }.isEmpty)
  }
}
