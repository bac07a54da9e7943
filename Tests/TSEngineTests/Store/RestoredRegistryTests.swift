import Testing

@testable import TSEngine

/// T-05, R16: a restored store has the registry of its moment, and the checkpoint that it writes is of that one, never of
/// what the backup knew later and never an empty one.
@Suite struct RestoredRegistryTests {
  private let bench = StoreBench(checkpointSegmentLimit: 1)

  private func options() -> StoreOptions { bench.options() }

  private func live(_ store: Store, _ round: Int) throws {
    _ = try store.append(.power("m\(round)", at: StoreBench.start), creator: StoreBench.actor)
    _ = try store.decide(actor: StoreBench.actor) { $0.createUser("user-\(round)", $1) }
    _ = try store.record([
      OperationalRecord(
        recordedAt: StoreBench.start,
        kind: .connectionChanged(device: "m\(round)", interface: "mqtt", connected: true, source: "b"))
    ])
    bench.clock.advance(nanos: 5_000_000)
  }

  private func covered(_ store: Store) -> LSN { store.shared.registryCheckpoint.withLock { $0.lsn } }

  @Test func aRestoredStoreChecksInTheRegistryOfItsMoment_T05() throws {
    let store = try bench.open()
    var moments: [(lsn: LSN, registry: Registry)] = []
    for round in 0..<5 {
      try live(store, round)
      moments.append((store.durableLSN, store.registry))
      if round < 4 {
        try store.seal()
        while try store.checkpointStep() {}
      }
    }
    #expect(bench.disk.exists("s/REGISTRY"))
    let events = try store.snapshot().events()
    _ = try store.backup(to: "b")
    #expect(!bench.disk.exists("b/REGISTRY"))
    for (index, moment) in moments.enumerated() {
      let target = "r\(index)"
      let report = try Restore.run(options(), from: "b", to: target, at: .lsn(moment.lsn))
      let known = events.filter { $0.lsn <= moment.lsn }
      #expect(report.eventCount == known.count)
      #expect(!bench.disk.exists("\(target)/REGISTRY"), "\(target)")
      var copy = try Store.open(target, options())
      #expect(copy.registry == moment.registry && covered(copy) == 0, "\(target)")
      // The first checkpoint, from nothing but what was restored.
      while try copy.checkpointStep() {}
      #expect(bench.disk.exists("\(target)/REGISTRY"), "\(target)")
      try copy.close()
      copy = try Store.open(target, options())
      #expect(covered(copy) >= moment.lsn && copy.checkpointFailure == nil, "\(target)")
      #expect(copy.registry == moment.registry && copy.damages.isEmpty, "\(target)")
      #expect(try copy.snapshot().events() == known, "\(target)")
      #expect(try copy.snapshot().eventCount() == known.count, "\(target)")
      // And the one behind a life of its own.
      try live(copy, 10)
      try copy.seal()
      try live(copy, 11)
      let (registry, count) = (copy.registry, try copy.snapshot().eventCount())
      try copy.close()
      copy = try Store.open(target, options())
      #expect(covered(copy) > moment.lsn && copy.registry == registry, "\(target)")
      let all = try copy.snapshot().events()
      #expect(all.count == count && count > known.count && all.starts(with: known), "\(target)")
      try copy.close()
      try bench.disk.remove("\(target)/REGISTRY")
      copy = try Store.open(target, options())
      #expect(covered(copy) == 0 && copy.registry == registry, "\(target): from its journals alone")
      try copy.close()
    }
  }

  /// What a covered journal of the source lost is not made up for: the folder is not made a store.
  @Test func aBackupWithoutAJournalIsRefused_R4() throws {
    let store = try bench.open()
    for round in 0..<3 {
      try live(store, round)
      try store.seal()
    }
    try store.close()
    let again = try bench.open()
    #expect(covered(again) > 0)
    let journal = again.snapshot().manifest.registryJournals(through: .max)[1]
    bench.disk.damage("s/journal/\(FileNames.journalSegment(journal.id))") { $0[64 + 16 + 5] ^= 1 }
    do {
      _ = try again.backup(to: "b")
    } catch {
      #expect(error.code == .corrupt && error.file?.hasSuffix(FileNames.journalSegment(journal.id)) == true, "\(error)")
      return
    }
    let error = #expect(throws: StorageError.self) { _ = try Restore.run(options(), from: "b", to: "r") }
    #expect(error?.code == .corrupt)
    #expect(!bench.disk.exists("r/STORE"))
  }
}
