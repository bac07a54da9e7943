import Testing

@testable import TSEngine

/// R4: a damaged journal held events, and nobody knows which: what any of them may have changed is refused by the
/// journal's name, all else answers, and ingest goes on.
@Suite struct LostEventsTests {
  private let start = StoreBench.start
  private let second: Int64 = 1_000_000_000

  private struct Life {
    let bench: StoreBench
    /// The journal of the delete.
    let path: String
    let journal: Manifest.JournalSegment
    /// The newest LSN of the stretch before.
    let before: LSN
    let visible: [RowKey: Cells]
  }

  /// Three sealed stretches: a; b, and some of a deleted; c.
  private func live() throws -> Life {
    let bench = StoreBench()
    let store = try bench.open()
    _ = try store.append(.power("a", at: start), creator: StoreBench.actor)
    _ = try store.decide(actor: StoreBench.actor) { $0.declareRollup("power", every: 1_000_000_000, $1) }
    try store.seal()
    let before = store.durableLSN
    _ = try store.append(.power("b", at: start), creator: StoreBench.actor)
    let gone = [SeriesSpans(device: "a", probe: 1, times: [start...(start + 450_000_000)])]
    let deleted = try store.delete(1, gone, extent: RemovalExtent(), actor: StoreBench.actor)
    try store.seal()
    _ = try store.append(.power("c", at: start), creator: StoreBench.actor)
    try store.seal()
    let journal = try #require(
      store.snapshot().manifest.journals.first {
        $0.content == .registry && $0.oldestLSN <= deleted && deleted <= $0.newestLSN
      })
    let visible = try StoreReading.rows(store.snapshot())
    #expect(visible.count == 170)
    try store.close()
    return Life(
      bench: bench, path: "s/journal/\(FileNames.journalSegment(journal.id))", journal: journal,
      before: before, visible: visible)
  }

  @Test func whatALostEventMayHaveChangedIsRefused_R4() throws {
    let life = try live()
    let disk = life.bench.disk
    let whole = try #require(disk.contents(life.path))
    disk.damage(life.path) { $0[64 + 16 + 3] ^= 1 }
    for readOnly in [true, false] {
      let store = try readOnly ? life.bench.openReader() : life.bench.open()
      let snapshot = store.snapshot()
      for filter in [Snapshot.ScanFilter(), .init(devices: ["a"]), .init(devices: ["b"], times: start..<(start + second))] {
        let error = #expect(throws: StorageError.self) { _ = try snapshot.scan(1, filter) }
        #expect(error?.code == .corrupt && life.path.hasSuffix(error?.file ?? "?"))
        for words in ["\(life.journal.oldestLSN) to \(life.journal.newestLSN)", "tsq salvage", "--around-damage"] {
          #expect(error?.reason.contains(words) == true, "\(words)")
        }
      }
      #expect(throws: StorageError.self) { try snapshot.requireWholeRegistry() }
      #expect(snapshot.conflicts(of: 1) { _ in true } != nil)
      #expect(throws: StorageError.self) {
        _ = try snapshot.rollup(of: SeriesKey(table: 1, device: "a", probe: 2), every: second, start..<(start + second))
      }
      // What came later no lost event can have touched.
      #expect(try snapshot.scan(1, .init(devices: ["c"])).stretches.reduce(0) { $0 + $1.rowCount } == 60)
      let buckets = try snapshot.rollup(
        of: SeriesKey(table: 1, device: "c", probe: 2), every: second, start..<(start + second))
      #expect(buckets.count == 1)
      // What was known before it is known.
      #expect(try StoreReading.rows(snapshot.asKnown(at: life.before)).count == 60)
      // Who asks for it gets what is left.
      let around = snapshot.readingAroundDamage()
      #expect(try StoreReading.rows(around).count == 180)
      try around.requireWholeRegistry()
      if !readOnly { try goOn(store) }
      try store.close()
    }
    disk.damage(life.path) { $0 = whole }
    let store = try life.bench.open()
    let rows = try StoreReading.rows(store.snapshot()).filter {
      $0.key.series.device < "d" && $0.key.time < start + second
    }
    #expect(rows == life.visible, "mended")
  }

  private func goOn(_ store: Store) throws {
    #expect(try store.append(.power("d", at: start), creator: StoreBench.actor).new == 60)
    #expect(try store.append(.power("a", at: start + second), creator: StoreBench.actor).new == 60)
    try store.seal()
    let snapshot = store.snapshot()
    #expect(try snapshot.scan(1, .init(devices: ["d"])).stretches.reduce(0) { $0 + $1.rowCount } == 60)
    // By times, too.
    let later = try snapshot.scan(1, .init(devices: ["a"], times: (start + second)..<(start + 2 * second)))
    #expect(later.stretches.reduce(0) { $0 + $1.rowCount } == 60)
    // Which of two versions counts is told from events.
    _ = try store.append(.power("d", at: start, value: 7), creator: StoreBench.actor)
    #expect(throws: StorageError.self) { _ = try store.snapshot().scan(1, .init(devices: ["d"])) }
    // The id of a table that was declared there must not be given again.
    #expect(throws: StorageError.self) { _ = try DeclaredTable(store, "lab", [DeclaredTable.column("i", .int)]) }
    #expect(throws: StorageError.self) { try store.compact(purges: true) }
  }

  /// Its head and its clock say nothing of readings.
  @Test func aJournalThatLostNoEventRefusesNothing_R4() throws {
    let life = try live()
    let whole = try #require(life.bench.disk.contents(life.path))
    for byte in [50, whole.count - 1] {
      life.bench.disk.damage(life.path) { $0[byte] ^= 1 }
      let store = try life.bench.openReader()
      #expect(store.damages.count == 1, "byte \(byte)")
      #expect(try StoreReading.rows(store.snapshot()) == life.visible, "byte \(byte)")
      life.bench.disk.damage(life.path) { $0 = whole }
    }
  }

  @Test func noFlippedBitOfAJournalChangesAnAnswerInSilence_R4() throws {
    let life = try live()
    let whole = try #require(life.bench.disk.contents(life.path))
    var refused = 0
    for bit in stride(from: 0, to: whole.count * 8, by: 5) {
      life.bench.disk.flipBit(life.path, bit)
      defer { life.bench.disk.flipBit(life.path, bit) }
      let store = try life.bench.openReader()
      #expect(!store.damages.isEmpty, "bit \(bit)")
      do {
        #expect(try StoreReading.rows(store.snapshot()) == life.visible, "bit \(bit)")
      } catch let error as StorageError {
        #expect(error.code == .corrupt && life.path.hasSuffix(error.file ?? "?"), "bit \(bit): \(error)")
        refused += 1
      }
    }
    #expect(refused > 100)
  }
}
