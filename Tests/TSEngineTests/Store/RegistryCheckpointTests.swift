import Testing

@testable import TSEngine

/// The registry checkpoint (T-05): an opening reads no journal that it covers and knows no less for it;
/// whatever is wrong with it costs time and nothing else.
@Suite struct RegistryCheckpointTests {
  private let start = StoreBench.start
  private let path = "s/REGISTRY"

  private func bench(limit: Int = 1) -> StoreBench { StoreBench(checkpointSegmentLimit: limit) }

  /// One stretch of the log with a bit of everything that journals hold.
  private func live(_ store: Store, round: Int) throws {
    _ = try store.append(.power("meter-\(round)", at: start), creator: StoreBench.actor)
    _ = try store.decide(actor: StoreBench.actor) { $0.discover(lampi: "b827eb\(round)", interface: "mqtt", $1) }
    let user = try store.decide(actor: StoreBench.actor) { $0.createUser("user-\(round)", $1) }.result.get()
    _ = try store.decide(actor: StoreBench.actor) { $0.associate("b827eb\(round)", with: user, $1) }
    _ = try store.record([
      OperationalRecord(
        recordedAt: start,
        kind: .connectionChanged(device: "b827eb\(round)", interface: "mqtt", connected: true, source: "b"))
    ])
    if round > 0 {
      _ = try store.decide(actor: StoreBench.actor) { $0.renameDevice("b827eb0", to: "Lamp \(round)", $1) }
    }
    if round == 2 { _ = try store.decide(actor: StoreBench.actor) { $0.deleteUser(user, $1) } }
  }

  /// Sealed stretches, the last one unsealed; closed, with a checkpoint of the sealed ones.
  private func filled(_ bench: StoreBench, stretches: Int = 4) throws {
    let store = try bench.open()
    for round in 0..<stretches {
      try live(store, round: round)
      try store.seal()
    }
    try live(store, round: stretches)
    try store.close()
    #expect(bench.disk.exists(path))
  }

  private func without(_ disk: SimDisk) throws -> SimDisk {
    let copy = SimDisk(copyOf: disk)
    try copy.remove(path)
    return copy
  }

  /// What a store knows from its journals.
  private struct Known: Equatable {
    var registry: Registry
    var digest: [UInt8]
    var clock: CommitClock
    var chain: [ChainLink]
    var eventCount: Int
    var events: [Event]

    init(_ store: Store) throws {
      let snapshot = store.snapshot()
      registry = snapshot.registry
      digest = StoreReading.digest(store)
      clock = store.shared.clock.withLock { $0 }
      chain = store.chain
      events = try snapshot.events()
      eventCount = try snapshot.eventCount()
    }
  }

  private func coveredLSN(_ store: Store) -> LSN { store.shared.registryCheckpoint.withLock { $0.lsn } }

  @Test func withAndWithoutItTheRegistryIsTheSame_T05() throws {
    let bench = bench()
    try filled(bench)
    let plain = try Known(StoreBench(disk: without(bench.disk)).open())
    #expect(plain.eventCount == plain.events.count && plain.chain.count == 4)
    #expect(plain.registry.connections["b827eb1"]?.isConnected == true)
    let store = try bench.open()
    #expect(coveredLSN(store) == store.shared.live.withLock { $0.manifest.sealedLSN })
    #expect(store.checkpointFailure == nil)
    #expect(try Known(store) == plain)
    // A reader of another process uses it, too, also beside the writer.
    let reader = try bench.openReader()
    #expect(coveredLSN(reader) == coveredLSN(store))
    #expect(try Known(reader) == plain)
    // What goes on from it is the same as what goes on without.
    try live(store, round: 5)
    try store.seal()
    try store.close()
    #expect(try Known(bench.open()) == Known(StoreBench(disk: without(bench.disk)).open()))
  }

  /// Where journals that it covers cannot be read, the registry is what it was; whoever asks for their events
  /// is refused (`DamagedEventsTests`).
  @Test func anOpeningReadsNoJournalThatItCovers_T05() throws {
    let bench = bench()
    try filled(bench)
    let plain = try Known(bench.open())
    let journals = bench.disk.allContents().keys.filter { $0.hasSuffix(".journal") }
    for journal in journals { bench.disk.damage(journal) { $0[$0.count / 2] ^= 1 } }
    let store = try StoreBench(disk: bench.disk).open()
    #expect(store.damages.isEmpty)
    #expect(store.registry == plain.registry && store.chain == plain.chain)
    #expect(throws: StorageError.self) { _ = try store.snapshot().events() }
    let events = try store.snapshot().readingAroundDamage().events()
    #expect(events.count < plain.eventCount && events.allSatisfy { plain.events.contains($0) })
    #expect(store.damages.count >= 3 && store.damages.allSatisfy { $0.file.hasSuffix(".journal") })
  }

  @Test func aMissingJournalIsDamageThoughItIsCovered() throws {
    let bench = bench()
    try filled(bench)
    let digest = try Known(bench.open()).digest
    let manifest = try bench.openReader().snapshot().manifest
    let first = try #require(manifest.journals.first { $0.content == .registry })
    try bench.disk.remove("s/journal/" + FileNames.journalSegment(first.id))
    let store = try StoreBench(disk: bench.disk).open()
    #expect(store.damages.map(\.file) == [FileNames.journalSegment(first.id)])
    #expect(store.registry.digest == digest)
    #expect(store.isJournalWhole && !store.areJournalsUndamaged, "what it said is known, but kept once alone")
  }

  /// T-05: flipped, cut off at every place, of another store: left aside with a report.
  @Test(arguments: 0..<4) func aDamagedOneIsLeftAsideWithAReport_T05(part: Int) throws {
    let bench = bench()
    try filled(bench, stretches: 2)
    let plain = try Known(StoreBench(disk: without(bench.disk)).open())
    let byteCount = try #require(bench.disk.contents(path)).count
    let step = max(1, 60_000 / seedCount(1000))
    for index in stride(from: part, to: byteCount * 8, by: step) {
      let disk = SimDisk(copyOf: bench.disk)
      if index % 3 == 0 {
        disk.damage(path) { $0.removeLast($0.count - index / 8) }
      } else {
        disk.flipBit(path, index)
      }
      let store = try StoreBench(disk: disk).open()
      #expect(store.damages.isEmpty && coveredLSN(store) == 0, "byte \(index / 8)")
      #expect(store.checkpointFailure != nil, "byte \(index / 8)")
      #expect(store.registry.digest == plain.digest, "byte \(index / 8)")
      if index % 7 == 0 {
        #expect(try Known(store) == plain)
        // Another is due at once.
        try store.close()
        let again = try StoreBench(disk: disk).open()
        #expect(again.checkpointFailure == nil && coveredLSN(again) > 0)
        #expect(try Known(again) == plain)
      }
    }
  }

  @Test func oneOfAnotherStoreOrOfOtherJournalsIsLeftAsideWithAReport_T05() throws {
    let bench = bench()
    let store = try bench.open()
    try live(store, round: 0)
    try store.seal()
    try store.close()
    // The same store twice, each with another life since.
    let other = StoreBench(disk: SimDisk(copyOf: bench.disk), checkpointSegmentLimit: 1)
    for (bench, round) in [(bench, 1), (other, 7)] {
      let store = try bench.open()
      try live(store, round: round)
      try live(store, round: round + 2)
      try store.seal()
      try store.close()
    }
    let plain = try Known(bench.open())
    let stranger = StoreBench(seed: 99, checkpointSegmentLimit: 1)
    try filled(stranger)
    let old = try #require(bench.disk.contents(path))
    for foreign in [other, stranger] {
      let bytes = try #require(foreign.disk.contents(path))
      #expect(bytes != old)
      bench.disk.damage(path) { $0 = bytes }
      let store = try bench.openReader()
      #expect(coveredLSN(store) == 0 && store.checkpointFailure?.code == .corrupt)
      #expect(try Known(store) == plain)
    }
  }

  @Test func itMayBeOlderThanTheJournalsAndAheadOfAReader_T05() throws {
    let bench = bench()
    try filled(bench)
    let old = try #require(bench.disk.contents(path))
    var store = try bench.open()
    let before = store.snapshot().manifest
    try live(store, round: 8)
    try store.seal()
    try store.close()
    let newer = try #require(bench.disk.contents(path))
    #expect(newer != old)
    let plain = try Known(StoreBench(disk: without(bench.disk)).open())
    // A reader that has an older state of the manifest is not told of damage.
    let ahead = RegistryCheckpoint.load(bench.disk, "s", store.storeID, before)
    #expect(ahead.checkpoint.sealed.lsn == 0 && ahead.failure == nil)
    bench.disk.damage(path) { $0 = old }
    store = try bench.open()
    #expect(coveredLSN(store) > 0 && coveredLSN(store) < plain.chain[4].lsns.upperBound)
    #expect(try Known(store) == plain)
  }

  /// T-05: killed or cut off from power at every operation of writing one: the digest is that of the
  /// events, the old checkpoint or the new one stands, nothing is damaged.
  @Test(arguments: 0..<3) func aCrashAtEveryOperationOfWritingItChangesNothing_T05(kind: Int) throws {
    let base = bench()
    try filled(base, stretches: 2)
    let dry = StoreBench(disk: SimDisk(copyOf: base.disk), checkpointSegmentLimit: 1)
    let store = try dry.open()
    try live(store, round: 9)
    try store.seal()
    let digest = store.registry.digest
    let first = dry.disk.changeCount
    while try store.checkpointStep() {}
    let last = dry.disk.changeCount
    #expect(last - first > 12, "series and registry: \(last - first)")
    let sealed = store.shared.live.withLock { $0.manifest.sealedLSN }
    for change in first...last {
      let bench = StoreBench(disk: SimDisk(copyOf: base.disk), checkpointSegmentLimit: 1)
      let effects: [SimFault.Effect] = [.crashBefore, .crashAfter, .crashAmid(300)]
      bench.disk.plan([SimFault(.change(change), effects[kind])])
      let dying = try bench.open()
      try live(dying, round: 9)
      try dying.seal()
      do { while try dying.checkpointStep() {} } catch {}
      if change % 2 == 0 { bench.disk.restart() } else { bench.disk.crash(seed: UInt64(change)) }
      let again = try bench.open()
      let note = "change \(change) \(effects[kind])"
      #expect(again.damages.isEmpty && again.checkpointFailure == nil, "\(note)")
      #expect(StoreReading.digest(again, note) == digest, "\(note)")
      #expect(coveredLSN(again) > 0 && coveredLSN(again) <= sealed, "\(note)")
      #expect(!bench.disk.exists(path + ".tmp"), "\(note)")
    }
  }

  @Test func itIsWrittenInStepsFromTheSealedRegistryAlone_T05() throws {
    let bench = bench()
    let store = try bench.open()
    try live(store, round: 0)
    try store.seal()
    try live(store, round: 1)
    var steps = 0
    while try store.checkpointStep() {
      steps += 1
      // Nothing of it may be in the file: it may still be lost with the log.
      let name = "late-\(steps)"
      _ = try store.decide(actor: StoreBench.actor) { $0.createUser(name, $1) }
      if steps > 100 { break }
    }
    #expect((2..<100).contains(steps), "one for the series, one for the registry, and their ends")
    let (found, failure) = RegistryCheckpoint.load(
      bench.disk, "s", store.storeID, store.snapshot().manifest)
    let sealed = store.shared.live.withLock { $0.manifest.sealedLSN }
    #expect(failure == nil && found.sealed.lsn == sealed)
    let events = try store.snapshot().events().filter { $0.lsn <= sealed }
    #expect(found.sealed.registry.digest == replay(events).digest)
    #expect(found.sealed.eventCount == events.count)
    #expect(try !store.checkpointStep(), "nothing has changed")
  }

  /// T-05: a registry of several parts, each a step, is read as it was; one part less is damage.
  @Test func aLargeRegistryIsWrittenInParts_T05() throws {
    var registry = Registry()
    let name = String(repeating: "n", count: 2000)
    for number in 1...1500 {
      registry.apply(
        Event(
          lsn: LSN(number), id: EventID(high: 1, low: UInt64(number)), recordedAt: start, actor: StoreBench.actor,
          kind: .deviceCreated(device: "d\(number)", type: "power", name: name)))
    }
    let (disk, id) = (SimDisk(), StoreID(high: 1, low: 2))
    try disk.createDirectory("s")
    var clock = CommitClock()
    for lsn in 1...40_100 as ClosedRange<LSN> { clock.record(lsn, at: Int64(lsn) * 2_000_000) }
    let sealed = SealedRegistry(lsn: 40_000, registry: registry, eventCount: 1500)
    var job = try RegistryCheckpointJob(
      sealed, [], newestCRC: 0, clock: { [clock] in clock.slice($0, limit: $1) }, chain: [], disk, directory: "s", storeID: id)
    var steps = 1
    while try !job.step() { steps += 1 }
    // Three parts of the clock, the chain, three of the registry, the end.
    #expect(steps == 8)
    let file = try disk.open(path, .read)
    var body: [UInt8] = []
    let contents = try #require(try RegistryCheckpoint.Contents(reading: file, id, into: &body) { _ in true })
    #expect(try Registry(checkpoint: body.rawSpan).digest == registry.digest)
    #expect(contents.journals.eventCount == 1500 && job.byteCount == contents.byteCount)
    #expect(contents.clock == clock.slice(1...40_000))
    try RegistryCheckpoint.check(disk, "s", id)
    // A chunk of another file at its place.
    let whole = try file.bytes(0..<contents.byteCount)
    disk.damage(path) { bytes in
      let other = RegistryCheckpointFormat.Journals([], through: 40_000, eventCount: 1501, newestCRC: 0)
      let chunk = CheckpointChunk.bytes(1, other.encoded(), at: FileHeader.byteCount)
      bytes.replaceSubrange(FileHeader.byteCount..<(FileHeader.byteCount + chunk.count), with: chunk)
    }
    #expect(throws: StorageError.self) { try RegistryCheckpoint.check(disk, "s", id) }
    disk.damage(path) { $0 = whole }
    try RegistryCheckpoint.check(disk, "s", id)
    // The second part where the third should be.
    let part = RegistryCheckpointFormat.partByteCount
    disk.damage(path) { $0.removeSubrange((part / 2)..<(part / 2 + part + CheckpointChunk.headerByteCount)) }
    #expect(throws: StorageError.self) { try RegistryCheckpoint.check(disk, "s", id) }
  }

  @Test func fewJournalsAreNotWorthOneUntilTheStoreIsClosed() throws {
    let bench = bench(limit: .max)
    let store = try bench.open()
    for round in 0..<9 {
      try live(store, round: round)
      try store.seal()
      #expect(try !store.checkpointStep())
    }
    try store.close()
    #expect(bench.disk.exists(path))
  }

  /// What a damaged journal said of readings must not be settled by a checkpoint that lacks it.
  @Test func noneIsWrittenWhileAJournalIsDamaged() throws {
    let bench = bench()
    try filled(bench)
    let manifest = try bench.openReader().snapshot().manifest
    let first = try #require(manifest.journals.first { $0.content == .registry })
    let journal = "s/journal/" + FileNames.journalSegment(first.id)
    try bench.disk.remove(path)
    let right = try #require(bench.disk.contents(journal))
    bench.disk.damage(journal) { $0[$0.count / 2] ^= 1 }
    var store = try bench.open()
    #expect(store.damages.count == 1)
    #expect(throws: StorageError.self) { try live(store, round: 8) }
    _ = try store.append(.power("meter-9", at: start), creator: StoreBench.actor)
    try store.seal()
    try store.close()
    #expect(!bench.disk.exists(path))
    bench.disk.damage(journal) { $0 = right }
    store = try bench.open()
    #expect(store.damages.isEmpty)
    _ = StoreReading.digest(store)
    try store.close()
    #expect(bench.disk.exists(path))
  }

  @Test func aFullDiskLeavesTheOldOne() throws {
    let bench = bench()
    try filled(bench)
    let old = bench.disk.contents(path)
    let store = try bench.open()
    try live(store, round: 9)
    try store.seal()
    while bench.disk.contents("s/SERIES.tmp") != nil || !bench.disk.exists(path + ".tmp") {
      guard try store.checkpointStep() else { break }
    }
    bench.disk.plan([SimFault(.change(bench.disk.changeCount), .error(28), isSticky: true)])
    #expect(throws: StorageError.self) { while try store.checkpointStep() {} }
    bench.disk.plan([])
    #expect(bench.disk.contents(path) == old)
    try live(store, round: 10)
  }

  /// Events of sealed stretches are in their journals alone.
  @Test func eventsAreReadFromJournalsAndHistoryWithThem() throws {
    let bench = bench()
    try filled(bench)
    let store = try bench.open()
    let heads = store.shared.live.withLock { $0.heads }
    let snapshot = store.snapshot()
    let all = try snapshot.events()
    #expect(heads.reduce(0) { $0 + $1.events.count } < all.count / 2)
    let names = try snapshot.history(of: "b827eb0").map(\.kind.name)
    #expect(names.filter { $0 == "device.renamed" }.count == 4 && names.first == "device.discovered")
    #expect(try snapshot.history(of: "b827eb2").contains { $0.kind.name == "user.deleted" })
    for first in stride(from: LSN(0), through: snapshot.lsn + 1, by: 3) {
      #expect(try snapshot.events(from: first, limit: 5) == Array(all.filter { $0.lsn >= first }.prefix(5)))
    }
    try store.seal()
    #expect(store.shared.live.withLock { $0.heads }.allSatisfy { $0.events.count == 0 })
    #expect(try store.snapshot().events() == all)
    #expect(try snapshot.events() == all, "an older snapshot has its own")
    #expect(try store.snapshot().eventCount() == all.count)
  }
}
