import Testing

@testable import TSEngine

/// R4, R16: a reviewer followed the remedy that a damaged journal was refused with. `tsq salvage` left out the journal and
/// REGISTRY, which knew what the journal had said, and the new store opened whole: deleted readings were back, revoked
/// tokens valid and owners gone, without a word.
@Suite struct SalvagedJournalTests {
  private static let start = StoreBench.start
  private static let target = "rescued"

  private struct Life {
    let disk: SimDisk
    let storeID: StoreID
    let events: [Event]
    let registry: Registry
    let eventCount: Int
    let rows: [RowKey: Cells]
    /// All have some; the second one has deletes, a policy, an owner, a revocation.
    let journals: [Manifest.JournalSegment]
    var journal: Manifest.JournalSegment { journals[1] }

    static func path(_ journal: Manifest.JournalSegment, of store: String = StoreBench.path) -> String {
      "\(store)/journal/\(FileNames.journalSegment(journal.id))"
    }
  }

  private func bench(_ disk: SimDisk) -> StoreBench { StoreBench(disk: disk, checkpointSegmentLimit: 1) }

  /// Three sealed stretches, the second of several chunks, and what is unsealed behind them.
  private func live() throws -> Life {
    let bench = bench(SimDisk())
    let store = try bench.open()
    let actor = StoreBench.actor
    func decide(_ decision: @escaping @Sendable (Registry, DecisionContext) -> Decision<Void>) throws {
      _ = try store.decide(actor: actor) { decision($0, $1) }.result.get()
    }
    _ = try store.append(.power("a", at: Self.start), creator: actor)
    let user = try store.decide(actor: actor) { $0.createUser("ann", $1) }.result.get()
    let grant = TokenGrant(
      publicID: "t1", hmac: [UInt8](repeating: 7, count: 32), role: .user, expiresAt: Self.start + 1_000_000_000_000,
      user: user)
    try decide { $0.issueToken(grant, $1) }
    try store.seal()
    _ = try store.append(.power("b", at: Self.start), creator: actor)
    let gone = [SeriesSpans(device: "a", probe: 1, times: [Self.start...(Self.start + 450_000_000)])]
    _ = try store.delete(1, gone, extent: RemovalExtent(), actor: actor)
    try decide { $0.setConflictPolicy("power", .first, $1) }
    try decide { $0.associate("b", with: user, $1) }
    try decide { $0.revokeToken("t1", $1) }
    for number in 0..<600 {
      let name = "user-\(number)-" + String(repeating: "n", count: 120)
      _ = try store.decide(actor: actor) { $0.createUser(name, $1) }
    }
    try store.seal()
    _ = try store.append(.power("c", at: Self.start), creator: actor)
    _ = try store.record([
      OperationalRecord(
        recordedAt: Self.start, kind: .connectionChanged(device: "c", interface: "mqtt", connected: true, source: "b"))
    ])
    try store.seal()
    _ = try store.append(.power("d", at: Self.start), creator: actor)
    let snapshot = store.snapshot()
    let life = Life(
      disk: bench.disk, storeID: store.storeID, events: try snapshot.events(), registry: store.registry,
      eventCount: try snapshot.eventCount(), rows: try StoreReading.rows(snapshot),
      journals: snapshot.manifest.registryJournals(through: .max))
    try store.close()
    #expect(bench.disk.exists("s/REGISTRY") && life.rows.count == 4 * 60 - 10 && life.journal.byteCount > 80_000)
    return life
  }

  private enum Harm: CaseIterable { case firstChunk, lastEvents, cut, clock, gone }

  private func harm(_ disk: SimDisk, _ path: String, _ harm: Harm) throws {
    switch harm {
    case .firstChunk: disk.damage(path) { $0[64 + 16 + 5] ^= 1 }
    case .lastEvents: disk.damage(path) { $0[$0.count - 1000] ^= 1 }
    case .cut: disk.damage(path) { $0.removeLast($0.count / 2) }
    case .clock: disk.damage(path) { $0[$0.count - 1] ^= 1 }
    case .gone: try disk.remove(path)
    }
  }

  private func salvage(_ disk: SimDisk, from: String = StoreBench.path, to: String = target) throws -> Salvage.Report {
    let before = disk.allContents().filter { $0.key.hasPrefix(from + "/") }
    let report = try Salvage.run(bench(disk).options(readOnly: true), from: from, to: to)
    for (path, bytes) in before { #expect(disk.contents(path) == bytes, "\(path) was changed") }
    return report
  }

  private func open(_ disk: SimDisk, _ path: String = target, readOnly: Bool = false) throws -> Store {
    try Store.open(path, bench(disk).options(readOnly: readOnly))
  }

  private func verify(_ disk: SimDisk, _ path: String = target) throws -> Verify.Report {
    try Verify.run(bench(disk).options(readOnly: true), path)
  }

  private func expectRefusal(
    _ words: [String], without: String, _ journal: Manifest.JournalSegment, _ note: String, _ read: () throws -> Void
  ) {
    let error = #expect(throws: StorageError.self, "\(note)") { try read() }
    #expect(error?.code == .corrupt && error?.file == FileNames.journalSegment(journal.id), "\(note): \(String(describing: error))")
    let reason = error?.reason ?? ""
    for word in words + ["LSN \(journal.oldestLSN) to \(journal.newestLSN)", "--around-damage"] {
      #expect(reason.contains(word), "\(note): \(reason) lacks \(word)")
    }
    #expect(!reason.contains(without), "\(note): \(reason)")
  }

  private func expectState(_ store: Store, of life: Life, _ note: String) throws {
    let snapshot = store.snapshot()
    #expect(snapshot.registry == life.registry, "\(note)")
    #expect(snapshot.registry.tokens["t1"]?.revokedAt != nil, "\(note)")
    #expect(snapshot.registry.types["power"]?.conflictPolicy == .first, "\(note)")
    try snapshot.requireWholeRegistry()
    #expect(try StoreReading.rows(snapshot, note) == life.rows, "\(note)")
    #expect(try snapshot.eventCount() == life.eventCount, "\(note)")
  }

  private func expectRefusals(_ store: Store, _ words: [String], without: String, _ journal: Manifest.JournalSegment, _ note: String) {
    expectRefusal(words, without: without, journal, note) { _ = try store.snapshot().events() }
    expectRefusal(words, without: without, journal, note) { _ = try store.snapshot().history(of: "c") }
    var cursor = store.snapshot().eventCursor(from: journal.oldestLSN)
    var isRead = true
    while isRead { isRead = (try? cursor.next()) != nil }
    for _ in 0..<2 { expectRefusal(words, without: without, journal, note) { _ = try cursor.next() } }
    #expect(throws: Never.self, "\(note)") { _ = try store.snapshot().events(from: journal.newestLSN + 1) }
    #expect(throws: Never.self, "\(note)") { _ = try store.snapshot().asKnown(at: journal.oldestLSN - 1).events() }
    #expect(store.damages.contains { $0.file == FileNames.journalSegment(journal.id) }, "\(note)")
  }

  @Test func whatRegistryAloneKnowsComesAlong_R16() throws {
    let life = try live()
    let whole = try #require(life.disk.contents(Life.path(life.journal)))
    for kind in Harm.allCases {
      let disk = SimDisk(copyOf: life.disk)
      try harm(disk, Life.path(life.journal), kind)
      let note = "\(kind)"
      let report = try salvage(disk)
      #expect(report.registryLSN == life.journals[2].newestLSN && !report.isWhole, "\(note)")
      #expect(report.losses.map(\.lsns) == [life.journal.oldestLSN...life.journal.newestLSN], "\(note)")
      #expect(try verify(disk).damages.map(\.file) == [FileNames.journalSegment(life.journal.id)], "\(note)")
      for readOnly in [true, false] {
        let store = try open(disk, readOnly: readOnly)
        try expectState(store, of: life, note)
        for lsn in 1...store.durableLSN { #expect(store.snapshot().commitTime(of: lsn) != nil, "\(note)") }
        if kind != .clock {
          expectRefusals(store, ["REGISTRY", "backup"], without: "tsq salvage", life.journal, note)
        }
        try store.close()
      }
      // Without it the copy refuses as the damaged store would.
      let bare = SimDisk(copyOf: disk)
      try bare.remove("\(Self.target)/REGISTRY")
      #expect(try kind == .clock || !open(bare, readOnly: true).isJournalWhole, "\(note)")
      #expect(try goOn(disk).tokens["t1"]?.revokedAt != nil, "\(note)")
      // A copy of the copy knows as much.
      #expect(try salvage(disk, from: Self.target, to: "again").registryLSN > 0, "\(note)")
      #expect(try open(disk, "again", readOnly: true).registry == open(disk, readOnly: true).registry, "\(note)")
      // The remedy that the refusal names.
      try put(whole, disk, Life.path(life.journal, of: Self.target))
      let mended = try open(disk, readOnly: true)
      #expect(try mended.snapshot().events().starts(with: life.events), "\(note)")
      let after = try verify(disk)
      #expect(after.isWhole && after.derived.isEmpty, "\(note): \(after)")
    }
  }

  private func put(_ bytes: [UInt8], _ disk: SimDisk, _ path: String) throws {
    if disk.exists(path) { return disk.damage(path) { $0 = bytes } }
    let file = try disk.open(path, .create)
    try file.write(bytes.rawSpan, at: 0)
    try file.sync()
    try disk.syncDirectory(FileNames.parent(path) ?? "")
    file.close()
  }

  private func goOn(_ disk: SimDisk) throws -> Registry {
    var store = try open(disk)
    let count = try StoreReading.rows(store.snapshot()).count
    _ = try store.append(.power("e", at: Self.start), creator: StoreBench.actor)
    try store.seal()
    try store.close()
    store = try open(disk)
    #expect(try StoreReading.rows(store.snapshot()).count == count + 60)
    try store.close()
    return store.registry
  }

  /// Nothing tells what such events said: whoever asked for a store that answers gets one, and it goes on telling what
  /// it lacks.
  @Test func lostEventsStayLostInACopyThatAnswers_R16() throws {
    let life = try live()
    for kind in Harm.allCases where kind != .clock {
      let disk = SimDisk(copyOf: life.disk)
      try disk.remove("s/REGISTRY")
      try harm(disk, Life.path(life.journal), kind)
      #expect(try !open(disk, StoreBench.path, readOnly: true).isJournalWhole)
      let note = "\(kind)"
      let report = try salvage(disk)
      #expect(report.registryLSN == 0 && !report.isWhole, "\(note)")
      let names: Set = [FileNames.journalSegment(life.journal.id)]
      #expect(try Set(verify(disk).damages.map(\.file)) == names, "\(note)")
      var store = try open(disk)
      try store.snapshot().requireWholeRegistry()
      #expect(try StoreReading.rows(store.snapshot(), note).count >= life.rows.count, "\(note)")
      let words = ["tsq salvage made this store without them"]
      expectRefusals(store, words, without: "REGISTRY", life.journal, note)
      let left = try store.snapshot().readingAroundDamage().events()
      #expect(left.count < life.events.count && left.allSatisfy { life.events.contains($0) }, "\(note)")
      #expect(replay(left).digest == store.registry.digest, "\(note)")
      // Its own checkpoints make no whole history of it.
      try store.close()
      _ = try goOn(disk)
      #expect(disk.exists("\(Self.target)/REGISTRY"), "\(note)")
      store = try open(disk)
      #expect(store.checkpointFailure == nil && store.shared.registryCheckpoint.withLock { $0.lsn } > 0, "\(note)")
      expectRefusals(store, words, without: "REGISTRY", life.journal, note)
      let found = try verify(disk)
      #expect(Set(found.damages.map(\.file)) == names && found.registryDifferences.isEmpty, "\(note): \(found)")
      try expectKept(disk, store, life, words, note)
      try store.close()
      #expect(try !salvage(disk, from: Self.target, to: "again").isWhole, "\(note)")
      expectRefusals(try open(disk, "again"), words, without: "REGISTRY", life.journal, note)
    }
  }

  /// A backup of it has no more, and a restore says so; one to before the loss has all there was.
  private func expectKept(_ disk: SimDisk, _ store: Store, _ life: Life, _ words: [String], _ note: String) throws {
    _ = try store.backup(to: "b")
    for (index, lsn) in [store.durableLSN, life.journal.oldestLSN + 2].enumerated() {
      _ = try Restore.run(bench(disk).options(), from: "b", to: "r\(index)", at: .lsn(lsn))
      let copy = try open(disk, "r\(index)")
      #expect(throws: StorageError.self, "\(note)") { _ = try copy.snapshot().events() }
      #expect(try !verify(disk, "r\(index)").isWhole, "\(note)")
      try copy.close()
    }
    _ = try Restore.run(bench(disk).options(), from: "b", to: "r2", at: .lsn(life.journal.oldestLSN - 1))
    let copy = try open(disk, "r2")
    #expect(try copy.snapshot().events() == life.events.filter { $0.lsn < life.journal.oldestLSN }, "\(note)")
    #expect(copy.damages.isEmpty, "\(note)")
    try copy.close()
  }

  /// One journal that REGISTRY covers, one behind it.
  @Test func whatIsCoveredIsKnownAndTheRestIsLeftBehind_R16() throws {
    let life = try live()
    let old = try #require(life.disk.contents("s/REGISTRY"))
    let store = try open(life.disk, StoreBench.path)
    try store.seal()
    _ = try store.append(.power("e", at: Self.start), creator: StoreBench.actor)
    try store.seal()
    let last = try #require(store.snapshot().manifest.registryJournals(through: .max).last)
    try store.close()
    life.disk.damage("s/REGISTRY") { $0 = old }
    for journal in [life.journal, last] { try harm(life.disk, Life.path(journal), .firstChunk) }
    let report = try salvage(life.disk)
    #expect(report.registryLSN == life.journals[2].newestLSN && report.losses.count == 2)
    let copy = try open(life.disk)
    #expect(copy.registry.tokens["t1"]?.revokedAt != nil && copy.isJournalWhole)
    #expect(!copy.registry.devices.contains("e"))
    expectRefusal(["REGISTRY"], without: "tsq salvage", life.journal, "covered") { _ = try copy.snapshot().events() }
    expectRefusal(["tsq salvage made"], without: "REGISTRY", last, "behind") {
      _ = try copy.snapshot().events(from: life.journal.newestLSN + 1)
    }
  }

  /// What might have known more is named, and one that this version cannot read is not passed over.
  @Test func aRegistryThatCannotBeReadIsNamed_R16() throws {
    let life = try live()
    let disk = SimDisk(copyOf: life.disk)
    disk.damage("s/REGISTRY") { $0[$0.count / 2] ^= 1 }
    #expect(try salvage(disk).isWhole, "derived, and nothing needs it")
    try harm(disk, Life.path(life.journal), .firstChunk)
    let report = try salvage(disk, to: "second")
    #expect(report.registryLSN == 0 && report.losses.contains { $0.file == FileNames.registry })
    expectRefusals(
      try open(disk, "second"), ["tsq salvage made"], without: "REGISTRY", life.journal, "damaged")
    disk.damage("s/REGISTRY") { bytes in
      let header = FileHeader(
        magic: RegistryCheckpointFormat.magic, version: RegistryCheckpointFormat.version + 1, store: life.storeID, id: 0,
        table: 0)
      bytes.replaceSubrange(0..<FileHeader.byteCount, with: header.bytes())
    }
    let error = #expect(throws: StorageError.self) { _ = try salvage(disk, to: "third") }
    #expect(error?.code == .unsupportedVersion)
    #expect(!disk.exists("third/STORE"))
  }
}
