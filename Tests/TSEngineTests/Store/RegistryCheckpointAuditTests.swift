import Testing

@testable import TSEngine

/// T-05, R4: an opening takes REGISTRY's word for journals that it reads no more. A reviewer found that nothing ever
/// compared the two, and that journals which had rotted since they were sealed were covered unseen.
@Suite struct RegistryCheckpointAuditTests {
  private let path = "s/REGISTRY"

  private func live(_ store: Store, _ round: Int) throws {
    _ = try store.append(.power("m\(round)", at: StoreBench.start), creator: StoreBench.actor)
    _ = try store.append(.power("m0", at: StoreBench.start, probes: [1], value: Int64(round)), creator: StoreBench.actor)
    _ = try store.decide(actor: StoreBench.actor) { $0.createUser("user-\(round)", $1) }
    _ = try store.record([
      OperationalRecord(
        recordedAt: StoreBench.start,
        kind: .connectionChanged(device: "m\(round)", interface: "mqtt", connected: true, source: "b"))
    ])
    var load = try store.bulkWriter(1, creator: StoreBench.actor)
    try load.append(.power("bulk", at: StoreBench.start + Int64(round) * 60_000_000_000, probes: [4], count: 90))
    _ = try load.commit()
  }

  /// Sealed stretches and an unsealed one.
  private func filled(_ bench: StoreBench, _ stretches: Int = 3) throws {
    var store = try bench.open()
    for round in 0..<stretches {
      try live(store, round)
      bench.clock.advance(nanos: Int64(round) * 700_000)
      try store.seal()
      if round == 1 {
        try store.compact()
        try store.close()
        store = try bench.open()
      }
    }
    try live(store, stretches)
    try store.close()
    #expect(bench.disk.exists(path))
  }

  private func verify(_ bench: StoreBench) throws -> Verify.Report {
    try Verify.run(bench.options(readOnly: true), "s")
  }

  @Test(arguments: 1...6 as ClosedRange<UInt64>) func aRightOneIsFoundRight_T05(seed: UInt64) throws {
    let bench = StoreBench(seed: seed, checkpointSegmentLimit: 1)
    for _ in 0..<2 {
      try filled(bench)
      let report = try verify(bench)
      #expect(report.isWhole && report.derived.isEmpty && report.registryDifferences.isEmpty, "\(report)")
    }
    let store = try bench.open()
    for round in 10..<14 {
      try live(store, round)
      try store.seal()
      while try store.checkpointStep() {
        let report = try verify(bench)
        #expect(report.isWhole && report.derived.isEmpty, "\(report)")
      }
    }
  }

  /// Writes one that passes all its checks and stands for the same journals.
  private func replace(
    _ bench: StoreBench, _ change: (inout RegistryCheckpoint) throws -> Void
  ) throws {
    let reader = try bench.openReader()
    let manifest = reader.snapshot().manifest
    var (checkpoint, failure) = RegistryCheckpoint.load(bench.disk, "s", reader.storeID, manifest)
    #expect(failure == nil)
    let journals = manifest.registryJournals(through: checkpoint.sealed.lsn)
    let newest = try #require(journals.last)
    let crc = try #require(try reader.shared.journalReader?.fingerprint(of: newest))
    try change(&checkpoint)
    var job = try RegistryCheckpointJob(
      checkpoint.sealed, journals, newestCRC: crc,
      clock: { [clock = checkpoint.clock] in clock.slice($0, limit: $1) }, chain: checkpoint.chain, bench.disk,
      directory: "s", storeID: reader.storeID)
    while try !job.step() {}
  }

  @Test func oneThatSaysSomethingElseIsDamage_T05() throws {
    let bench = StoreBench(checkpointSegmentLimit: 1)
    try filled(bench)
    let right = try #require(bench.disk.contents(path))
    let events = try bench.openReader().snapshot().events()
    typealias Change = (inout RegistryCheckpoint) throws -> Void
    let changes: [(String, Change)] = [
      // As one has it that an older `apply` made.
      ("registry", { checkpoint in
        let known = events.filter { [lsn = checkpoint.sealed.lsn] in $0.lsn <= lsn && $0.kind.name != "user.created" }
        checkpoint.sealed.registry = replay(known)
      }),
      ("connections", { checkpoint in
        checkpoint.sealed.registry.apply(
          OperationalRecord(
            lsn: 1, recordedAt: 5, kind: .connectionChanged(device: "x", interface: "m", connected: true, source: "b")))
      }),
      ("event count", { $0.sealed.eventCount += 1 }),
      ("commit clock", { checkpoint in
        var clock = CommitClock()
        for entry in checkpoint.clock.entries { clock.insert(entry.lsn, at: entry.time + 1) }
        checkpoint.clock = clock
      }),
      ("chain of roots", { $0.chain.removeLast() }),
    ]
    for (word, change) in changes {
      try replace(bench) { checkpoint in
        let lsn = checkpoint.sealed.lsn
        try change(&checkpoint)
        #expect(checkpoint.sealed.lsn == lsn)
      }
      // An opening goes by it.
      #expect(try bench.openReader().checkpointFailure == nil, "\(word)")
      let report = try verify(bench)
      #expect(report.registryDifferences.contains(word), "\(word): \(report.registryDifferences)")
      #expect(word == "registry" || report.registryDifferences == [word], "\(word): \(report.registryDifferences)")
      #expect(report.damages.map(\.file) == [FileNames.registry] && report.derived.isEmpty, "\(word): \(report)")
      bench.disk.damage(path) { $0 = right }
      #expect(try verify(bench).isWhole, "\(word)")
    }
  }

  /// It is left aside at an opening, so that nothing is wrong with the store.
  @Test func oneOfOtherJournalsOrOfAnotherVersionIsNoDamage_T05() throws {
    let bench = StoreBench(checkpointSegmentLimit: 1)
    try filled(bench)
    let id = try bench.openReader().storeID
    bench.disk.damage(path) { bytes in
      let header = FileHeader(
        magic: RegistryCheckpointFormat.magic, version: RegistryCheckpointFormat.version + 1, store: id, id: 0, table: 0)
      bytes.replaceSubrange(0..<FileHeader.byteCount, with: header.bytes())
    }
    let report = try verify(bench)
    #expect(report.isWhole && report.derived == [FileNames.registry], "\(report)")
  }

  @Test func whereACoveredJournalIsDamagedThatIsToldAndNoDifference_T05() throws {
    let bench = StoreBench(checkpointSegmentLimit: 1)
    try filled(bench)
    let journal = try #require(bench.openReader().snapshot().manifest.registryJournals(through: .max).first)
    bench.disk.damage("s/journal/\(FileNames.journalSegment(journal.id))") { $0[64 + 16 + 5] ^= 1 }
    let report = try verify(bench)
    #expect(report.damages.map(\.file) == [FileNames.journalSegment(journal.id)])
    #expect(report.registryDifferences.isEmpty && report.derived.isEmpty, "\(report)")
  }

  @Test(arguments: [0, 1, 2]) func aJournalThatRottedBeforeItWasCoveredStaysUncovered_R4(kind: Int) throws {
    let bench = StoreBench(checkpointSegmentLimit: 1)
    try filled(bench)
    let old = bench.disk.contents(path)
    let store = try bench.open()
    try live(store, 7)
    try store.seal()
    let journal = try #require(store.snapshot().manifest.registryJournals(through: .max).last)
    let file = "s/journal/\(FileNames.journalSegment(journal.id))"
    let whole = try #require(bench.disk.contents(file))
    switch kind {
    case 0: bench.disk.damage(file) { $0[64 + 16 + 5] ^= 1 }
    case 1: bench.disk.damage(file) { $0[$0.count - 1] ^= 1 }
    default: try bench.disk.remove(file)
    }
    while try store.checkpointStep() {}
    #expect(bench.disk.contents(path) == old)
    #expect(store.damages.map(\.file) == [FileNames.journalSegment(journal.id)])
    // Nor when others have come behind it.
    try live(store, 8)
    try store.seal()
    while try store.checkpointStep() {}
    let registry = store.registry
    try store.close()
    #expect(bench.disk.contents(path) == old)
    guard kind < 2 else { return }
    #expect(try bench.openReader().isJournalWhole == (kind == 1))
    bench.disk.damage(file) { $0 = whole }
    let again = try bench.open()
    #expect(again.registry == registry && again.damages.isEmpty)
    try again.close()
    #expect(bench.disk.contents(path) != old)
    #expect(try verify(bench).isWhole)
  }
}
