import Testing

@testable import TSEngine

/// R4: events of a damaged journal are refused by its name even where a checkpoint knows what came of them; the
/// registry and the readings answer on.
@Suite struct DamagedEventsTests {
  private struct Life {
    let bench = StoreBench(checkpointSegmentLimit: 1)
    let events: [Event]
    let digest: [UInt8]
    /// Of the second of three sealed stretches, which REGISTRY covers; there is an unsealed one behind them.
    let journal: Manifest.JournalSegment
    let messages: Manifest.JournalSegment
    let messageLSNs: [LSN]

    init() throws {
      let store = try bench.open()
      for round in 0..<4 {
        _ = try store.append(.power("m\(round)", at: StoreBench.start), creator: StoreBench.actor)
        for name in ["ann", "bob"] {
          _ = try store.decide(actor: StoreBench.actor) { $0.createUser("\(name)-\(round)", $1) }
        }
        let message = ReceivedMessage(device: "m\(round)", interface: "test", topic: "t")
        _ = try store.record([OperationalRecord(recordedAt: StoreBench.start, kind: .messageReceived(message))])
        if round < 3 { try store.seal() }
      }
      let snapshot = store.snapshot()
      (events, digest) = (try snapshot.events(), snapshot.registry.digest)
      messageLSNs = try snapshot.newestRecords(limit: .max) { _ in true }.map(\.lsn)
      journal = snapshot.manifest.registryJournals(through: .max)[1]
      let journal = journal
      messages = try #require(
        snapshot.manifest.journals.first { $0.content == .operational && $0.newestLSN == journal.newestLSN })
      try store.close()
    }

    static func path(_ journal: Manifest.JournalSegment) -> String {
      "s/journal/\(FileNames.journalSegment(journal.id))"
    }
    var path: String { Self.path(journal) }

    /// Those of the damaged journal are left out.
    var others: [Event] { events.filter { !(journal.oldestLSN...journal.newestLSN).contains($0.lsn) } }
  }

  /// - Parameter isCovered: REGISTRY knows what it said, so that a backup is the remedy and no salvage.
  private func expectRefusal(
    _ journal: Manifest.JournalSegment, _ note: String, isCovered: Bool = true, _ read: () throws -> Void
  ) {
    let error = #expect(throws: StorageError.self, "\(note)") { try read() }
    #expect(error?.code == .corrupt && error?.file == FileNames.journalSegment(journal.id), "\(note)")
    let remedies = isCovered ? ["REGISTRY", "backup"] : ["tsq salvage"]
    for words in remedies + ["LSN \(journal.oldestLSN) to \(journal.newestLSN)", "--around-damage"] {
      #expect(error?.reason.contains(words) == true, "\(note): \(error?.reason ?? "") lacks \(words)")
    }
    #expect(!isCovered || error?.reason.contains("salvage") == false, "\(note)")
  }

  private enum Harm: CaseIterable {
    case payload, chunkHeader, cutBehindTheEvents, cutBehindTheHeader, cutInTheHeader, gone
  }

  private func harm(_ disk: SimDisk, _ path: String, _ harm: Harm) throws {
    let clock = try #require(disk.contents(path)).withUnsafeBytes { Int($0.loadUnaligned(fromByteOffset: 68, as: UInt32.self)) }
    switch harm {
    case .payload: disk.damage(path) { $0[64 + 16 + 5] ^= 1 }
    case .chunkHeader: disk.damage(path) { $0[70] ^= 1 }
    case .cutBehindTheEvents: disk.damage(path) { $0.removeLast($0.count - 64 - 16 - clock) }
    case .cutBehindTheHeader: disk.damage(path) { $0.removeLast($0.count - 64) }
    case .cutInTheHeader: disk.damage(path) { $0.removeLast($0.count - 30) }
    case .gone: try disk.remove(path)
    }
  }

  @Test func eventsOfADamagedJournalAreRefusedThoughItIsCovered_R4() throws {
    for kind in Harm.allCases {
      let life = try Life()
      try harm(life.bench.disk, life.path, kind)
      for readOnly in [true, false] {
        let note = "\(kind), \(readOnly)"
        let store = try readOnly ? life.bench.openReader() : life.bench.open()
        let snapshot = store.snapshot()
        // What they made is known.
        #expect(snapshot.registry.digest == life.digest && store.isJournalWhole, "\(note)")
        try snapshot.requireWholeRegistry()
        #expect(try StoreReading.rows(snapshot).count == 4 * 60, "\(note)")
        expectRefusal(life.journal, note) { _ = try snapshot.events() }
        expectRefusal(life.journal, note) { _ = try snapshot.history(of: "m3") }
        expectRefusal(life.journal, note) { _ = try snapshot.events(from: life.journal.newestLSN) }
        // Not at one call alone, as if that were the end.
        var cursor = snapshot.eventCursor(from: life.journal.oldestLSN)
        for _ in 0..<2 { expectRefusal(life.journal, note) { _ = try cursor.next() } }
        #expect(Set(store.damages.map(\.file)) == [FileNames.journalSegment(life.journal.id)], "\(note)")
        // What came before and later answers.
        #expect(
          try snapshot.events(from: life.journal.newestLSN + 1)
            == life.events.filter { $0.lsn > life.journal.newestLSN }, "\(note)")
        let before = snapshot.asKnown(at: life.journal.oldestLSN - 1)
        #expect(try before.events() == life.events.filter { $0.lsn < life.journal.oldestLSN }, "\(note)")
        // Who asks for it gets what is left.
        let left = try snapshot.readingAroundDamage().events()
        #expect(left == (kind == .cutBehindTheEvents ? life.events : life.others), "\(note)")
        try store.close()
      }
    }
  }

  /// A proof of an event that is damaged says so; it is not told that there was none.
  @Test func aProofOverADamagedJournalIsRefused_R4() throws {
    let life = try Life()
    let event = try #require(life.events.first { (life.journal.oldestLSN...life.journal.newestLSN).contains($0.lsn) })
    try harm(life.bench.disk, life.path, .payload)
    let store = try life.bench.open()
    expectRefusal(life.journal, "event") { _ = try store.prove(event: event.lsn) }
    _ = try store.prove(event: life.events[life.events.count / 4].lsn)
  }

  /// Its head and its clock hold no event.
  @Test func damageThatTookNoEventRefusesNothingAndIsToldOf_R4() throws {
    let life = try Life()
    let whole = try #require(life.bench.disk.contents(life.path))
    for byte in [50, whole.count - 1] {
      life.bench.disk.damage(life.path) { $0[byte] ^= 1 }
      let store = try life.bench.openReader()
      #expect(try store.snapshot().events() == life.events && store.damages.count == 1, "byte \(byte)")
      life.bench.disk.damage(life.path) { $0 = whole }
    }
  }

  private func events(of snapshot: Snapshot) -> Result<[Event], StorageError> {
    Result { () throws(StorageError) in try snapshot.events() }
  }

  @Test func noFlippedBitOfACoveredJournalLosesEventsInSilence_R4() throws {
    let life = try Life()
    let whole = try #require(life.bench.disk.contents(life.path))
    let store = try life.bench.openReader()
    var refused = 0
    for bit in stride(from: 0, to: whole.count * 8, by: 5) {
      life.bench.disk.flipBit(life.path, bit)
      defer { life.bench.disk.flipBit(life.path, bit) }
      let snapshot = store.snapshot()
      switch events(of: snapshot) {
      case .success(let found): #expect(found == life.events, "bit \(bit)")
      case .failure(let error):
        let isNamed = life.path.hasSuffix(error.file ?? "?")
        #expect(error.code == .corrupt && isNamed, "bit \(bit): \(error)")
        refused += 1
      }
      let left = try snapshot.readingAroundDamage().events()
      #expect(left == life.events || left == life.others, "bit \(bit)")
      #expect(!store.damages.isEmpty, "bit \(bit)")
    }
    #expect(refused > 100)
  }

  /// A whole chunk of a later journal at the place of an earlier one's is told by its check, for whoever reads it.
  @Test func aMisplacedChunkIsDamage_R4() throws {
    let life = try Life()
    let disk = life.bench.disk
    let others = try life.bench.openReader().snapshot().manifest.registryJournals(through: .max)
    let chunks = try #require(disk.contents(Life.path(others[2])))[JournalSegment.headerByteCount...]
    disk.damage(life.path) { $0.replaceSubrange(JournalSegment.headerByteCount..., with: chunks) }
    let store = try life.bench.openReader()
    expectRefusal(life.journal, "all") { _ = try store.snapshot().events() }
    expectRefusal(life.journal, "the first") { _ = try store.snapshot().events(limit: life.events.count - 1) }
    #expect(try store.snapshot().readingAroundDamage().events() == life.others)
    try store.close()
    let report = try Verify.run(life.bench.options(readOnly: true), "s")
    #expect(Set(report.damages.map(\.file)) == [FileNames.journalSegment(life.journal.id)])
    #expect(report.registryDifferences.isEmpty)
    let copied = try Salvage.run(life.bench.options(readOnly: true), from: "s", to: "t")
    #expect(copied.registryLSN > 0 && !copied.isWhole)
  }

  /// In version 1 only the LSNs tell.
  @Test func recordsOfOtherLSNsAreNotBelieved_R4() throws {
    let life = try Life()
    let id = try life.bench.openReader().storeID
    let right = try JournalSegment.read(life.bench.disk, directory: "s", store: id, life.journal)
    #expect(!right.records.isEmpty && right.damaged.isEmpty)
    let other = Manifest.JournalSegment(
      id: life.journal.id, content: .registry, byteCount: life.journal.byteCount,
      oldestLSN: life.journal.newestLSN, newestLSN: life.journal.newestLSN + 9)
    let wrong = try JournalSegment.read(life.bench.disk, directory: "s", store: id, other)
    #expect(wrong.records.isEmpty && wrong.lost == [0..<life.journal.byteCount])
  }

  /// The newest covered journal, cut anywhere between its chunks, leaves the checkpoint good.
  @Test func aCutJournalIsNoneOfAnotherCheckpoint_R4() throws {
    let life = try Life()
    let disk = life.bench.disk
    let newest = try #require(try life.bench.openReader().snapshot().manifest.registryJournals(through: .max).last)
    let whole = try #require(disk.contents(Life.path(newest)))
    for kept in [0, 30, JournalSegment.headerByteCount, whole.count / 2, whole.count - 1] {
      disk.damage(Life.path(newest)) { $0 = Array(whole[..<kept]) }
      let store = try life.bench.openReader()
      #expect(store.snapshot().registry.digest == life.digest && store.isJournalWhole, "\(kept) bytes")
      try store.close()
    }
    disk.damage(Life.path(newest)) { $0 = Array(whole[..<JournalSegment.headerByteCount]) }
    #expect(try Salvage.run(life.bench.options(readOnly: true), from: "s", to: "t").registryLSN > 0)
  }

  /// Purging does not stand still: what it takes from beside lost events cannot be proven any more.
  @Test func removedReadingsGoBesideADamagedJournal_R4() throws {
    let life = try Life()
    try harm(life.bench.disk, life.path, .payload)
    let store = try life.bench.open()
    let span = SeriesSpans(device: "m1", probe: 1, times: [StoreBench.start...(StoreBench.start + 200_000_000)])
    _ = try store.delete(1, [span], extent: store.snapshot().extent(of: 1, [span]), actor: StoreBench.actor)
    let left = try StoreReading.rows(store.snapshot())
    try store.compact(purges: true)
    #expect(try StoreReading.rows(store.snapshot()) == left)
    #expect(store.snapshot().manifest.removed[1]?.parts.count == 1)
  }

  @Test func messagesOfADamagedJournalAreRefused_R4() throws {
    let life = try Life()
    life.bench.disk.damage(Life.path(life.messages)) { $0[64 + 16 + 5] ^= 1 }
    let store = try life.bench.open()
    let snapshot = store.snapshot()
    expectRefusal(life.messages, "newest", isCovered: false) { _ = try snapshot.newestRecords(limit: .max) { _ in true } }
    #expect(snapshot.records { _ in true }?.code == .corrupt)
    #expect(store.damages.map(\.file) == [FileNames.journalSegment(life.messages.id)])
    // As far as they are not reached they answer.
    #expect(try snapshot.newestRecords(limit: 2) { _ in true }.map(\.lsn) == Array(life.messageLSNs.prefix(2)))
    let left = try snapshot.readingAroundDamage().newestRecords(limit: .max) { _ in true }.map(\.lsn)
    #expect(left.count == 3 && left.allSatisfy { life.messageLSNs.contains($0) })
  }
}
