import Testing

@testable import TSEngine

/// Random lives of a store with rollups: after each step every bucket equals the one told from the
/// visible rows, and revision and last change follow from what was stored. TSQ_SEEDS sets how many.
@Suite struct RollupModelTests {
  private static let parts = 2

  @Test(arguments: 0..<parts)
  func rollupsEqualRecomputationThroughTheLifeOfAStore_T08_T12(part: Int) throws {
    for seed in stride(from: part, to: seedCount(16), by: Self.parts) {
      var run = try RollupModelRun(seed: UInt64(seed))
      do {
        try run.run(steps: 24)
      } catch {
        Issue.record("seed \(seed) step \(run.step) \(run.history): \(error)")
      }
    }
  }
}

struct RollupModelRun {
  /// What was last seen stored of a bucket, and what its segment says.
  private struct Published {
    var told: RollupModel.Told
    var segment: Manifest.RollupSegment
  }

  private let bench: StoreBench
  private let seed: UInt64
  private var store: Store
  private var maker: BatchMaker
  private var random: SimRandom
  private(set) var step = 0
  private(set) var history: [String] = []
  private var published: [RollupModel.Key: Published] = [:]
  private var moments: [LSN] = []
  private static let second: Int64 = 1_000_000_000
  private static let lengths: [Int64] = [second, 60 * second, 900 * second, 3600 * second, 86_400 * second]

  init(seed: UInt64) throws {
    self.seed = seed
    bench = StoreBench(seed: seed, sharing: .small(seed))
    maker = BatchMaker(seed: seed &+ 900_000, start: StoreBench.start)
    random = SimRandom(seed: seed &* 77 &+ 3)
    store = try Self.open(bench, seed)
  }

  /// Of every other store only what is worth it is stored.
  private static func open(_ bench: StoreBench, _ seed: UInt64) throws(StorageError) -> Store {
    try bench.open { options in
      options.rollups.leastRows = seed % 2 == 0 ? 1 : 30
      options.rollups.rowsPerBucket = seed % 2 == 0 ? 0 : 2
    }
  }

  private var note: String { "seed \(seed) step \(step) \(history)" }

  mutating func run(steps: Int) throws {
    for every in Self.lengths { try declare(every) }
    while step < steps {
      step += 1
      bench.clock.advance(nanos: Int64(random.below(3_000_000)))
      try operate()
      moments.append(store.durableLSN)
      let chosen = Self.lengths[random.below(5)]
      for every in Self.lengths { try compare(every, isChosen: every == chosen) }
      if random.below(4) == 0 { try comparePast() }
    }
    try store.compact()
    for every in Self.lengths { try compare(every) }
    try reopen(crash: false)
    for every in Self.lengths { try compare(every) }
    try store.close()
    let report = try Verify.run(bench.options(readOnly: true), StoreBench.path)
    #expect(report.damages.isEmpty, "\(note): \(report.damages)")
  }

  private mutating func operate() throws {
    switch random.below(26) {
    case 0..<5: try append(maker.batch(store.symbols))
    case 5..<8: try append(spanBatch())
    case 8: try bulk()
    case 9, 10: try delete()
    case 11: try decide("retention") { [floor = floor()] in $0.setRetention("power", floor: floor, $1) }
    case 12:
      let policy = ConflictPolicy.allCases[random.below(3)]
      try decide("policy \(policy)") { $0.setConflictPolicy("power", policy, $1) }
    case 13: try resolve()
    case 14, 15: try seal()
    case 16, 17:
      history.append("compact")
      try store.compact()
    case 18, 19:
      history.append("build")
      try store.buildRollups()
    case 20, 21: try someSteps()
    case 22:
      history.append("forget")
      try store.forgetRollups()
      published = [:]
    case 23:
      let every = Self.lengths[random.below(5)]
      try decide("drop") { $0.dropRollup("power", every: every, $1) }
      published = published.filter { $0.key.every != every }
      try declare(every)
    case 24: try reopen(crash: false)
    default: try reopen(crash: true)
    }
  }

  // MARK: Acts

  private mutating func declare(_ every: Int64) throws {
    try decide("declare \(RollupDeclaration.text(every: every))") {
      $0.declareRollup("power", every: every, $1)
    }
  }

  private mutating func decide(
    _ name: String, _ decision: @escaping @Sendable (Registry, DecisionContext) -> Decision<Void>
  ) throws {
    history.append(name)
    _ = try store.decide(actor: StoreBench.actor, decision)
  }

  private mutating func floor() -> Int64 {
    [.min, StoreBench.start - 20 * 86_400 * Self.second, StoreBench.start - 86_400 * Self.second][random.below(3)]
  }

  private mutating func append(_ batch: FrameBatch) throws {
    history.append("append \(batch.rowCount)")
    do throws(StorageError) {
      _ = try store.append(batch, creator: StoreBench.actor)
    } catch {
      #expect(error.code == .conflict, "\(note): \(error)")
    }
  }

  /// Spans of their own, from one that is over at once to some hours, early and late.
  private mutating func spanBatch() -> FrameBatch {
    var batch = FrameBatch(table: 1)
    batch.beginFrame(device: "d\(random.below(3))")
    let first = StoreBench.start - Int64(random.below(40)) * 3600 * Self.second + Int64(random.below(1000))
    let spans: [Int64] = [1, 50_000_000, 1_500_000_000, 90 * Self.second, 7200 * Self.second]
    let step = spans[1 + random.below(3)]
    let count = 1 + random.below(60)
    batch.beginRun(
      probe: Int32(random.below(2)),
      times: .regular(RegularTimes(start: first, span: step * Int64(count), count: count)!))
    batch.add(1, (0..<count).map { Int64($0 * 7) - 50 })
    if random.flip() { batch.add(2, constant: 990) }
    if random.flip() { batch.add(3, constant: 2300) }
    let span = spans[random.below(random.below(6) == 0 ? 5 : 4)]
    if random.flip() { batch.add(4, constant: span) }
    if random.below(3) == 0 { batch.add(5, constant: Self.second) }
    return batch
  }

  private mutating func bulk() throws {
    history.append("bulk")
    var writer = try store.bulkWriter(1, creator: StoreBench.actor)
    try writer.append(random.flip() ? spanBatch() : maker.batch(store.symbols))
    do throws(StorageError) {
      _ = try writer.commit()
    } catch {
      #expect(error.code == .conflict, "\(note): \(error)")
    }
  }

  private mutating func delete() throws {
    history.append("delete")
    let spans = store.snapshot().series(of: 1).filter { _ in random.flip() }.map { key in
      let first = StoreBench.start - Int64(random.below(30)) * 3600 * Self.second
      let length = [Self.second, 100 * Self.second, 10 * 3600 * Self.second][random.below(3)]
      return SeriesSpans(
        device: key.device, probe: key.probe,
        times: [random.below(6) == 0 ? .min ... .max : first...(first + length)])
    }
    _ = try store.delete(1, spans, extent: RemovalExtent(), actor: StoreBench.actor)
  }

  private mutating func resolve() throws {
    var conflicts: [Snapshot.Conflict] = []
    let failure = store.snapshot().conflicts(of: 1) { conflict -> Bool in
      conflicts.append(conflict)
      return conflicts.count < 20
    }
    if let failure { throw failure }
    guard !conflicts.isEmpty else { return }
    history.append("resolve")
    let conflict = conflicts[random.below(conflicts.count)]
    let chosen = conflict.versions[random.below(conflict.versions.count)]
    _ = try store.resolve(conflict.series, at: conflict.time, choosing: chosen.lsn, actor: StoreBench.actor)
  }

  private mutating func seal() throws {
    history.append("seal")
    try store.seal()
  }

  /// Compaction and building as their thread does them, left wherever they are.
  private mutating func someSteps() throws {
    let count = random.below(12)
    history.append("\(count) steps")
    for _ in 0..<count { _ = store.compactStep() }
  }

  private mutating func reopen(crash: Bool) throws {
    history.append(crash ? "crash" : "reopen")
    if crash {
      for _ in 0..<random.below(4) { _ = store.compactStep() }
      if random.flip() { bench.disk.restart() } else { bench.disk.crash(seed: seed) }
    } else {
      try store.close()
    }
    store = try Self.open(bench, seed)
    #expect(store.damages.isEmpty, "\(note) \(store.damages)")
    let registry = store.registry
    #expect(try Registry(checkpoint: registry.checkpoint().span.bytes) == registry, "\(note)")
  }

  // MARK: Comparison

  private mutating func compare(_ every: Int64, isChosen: Bool = true) throws {
    let snapshot = store.snapshot()
    let wanted = RollupModel.buckets(try StoreReading.rows(snapshot, note), every: every)
    let told = try RollupModel.told(snapshot, every: every)
    expectEqual(told, wanted, every, "")
    for (key, told) in told { checkHistory(key, told, snapshot) }
    // What is told no more has no history.
    for key in published.keys where key.every == every && told[key] == nil { published[key] = nil }
    guard isChosen else { return }
    if random.below(6) == 0 {
      let reader = try bench.openReader()
      let wanted = RollupModel.buckets(try StoreReading.rows(reader.snapshot(), note), every: every)
      // It may not have seen the declaration witnessed.
      if reader.registry.rollups[1, every] != nil {
        expectEqual(try RollupModel.told(reader.snapshot(), every: every), wanted, every, "a reader")
      }
    }
    // A part of the time alone gives the same buckets.
    let from = StoreBench.start - Int64(random.below(40)) * 3600 * Self.second
    let part = try RollupModel.told(snapshot, every: every, from..<from + 6 * 3600 * Self.second)
    for (key, bucket) in told where key.start < from + 6 * 3600 * Self.second && key.start + every > from {
      #expect(part[key] == bucket, "\(note): \(key) of a part of the time")
    }
    #expect(part.keys.allSatisfy { told[$0] != nil }, "\(note): buckets of a part of the time")
  }

  private func expectEqual(
    _ told: [RollupModel.Key: RollupModel.Told], _ wanted: [RollupModel.Key: [ColumnID: RollupCell]],
    _ every: Int64, _ what: String
  ) {
    let cells = told.mapValues(\.cells).filter { !$0.value.isEmpty }
    guard cells != wanted else { return }
    let wrong = Set(cells.keys).union(wanted.keys).first { cells[$0] != wanted[$0] }
    Issue.record(
      """
      \(note) \(what) \(RollupDeclaration.text(every: every)): \(String(describing: wrong)) is \
      \(wrong.map { String(describing: told[$0]) } ?? "") for \(wrong.map { String(describing: wanted[$0]) } ?? "")
      """)
  }

  /// Revision and last change follow from what was stored when the segment was built.
  private mutating func checkHistory(
    _ key: RollupModel.Key, _ told: RollupModel.Told, _ snapshot: Snapshot
  ) {
    #expect(told.lastChange <= snapshot.lsn, "\(note): \(key)")
    #expect(told.isStored ? told.revision != nil : true, "\(note): \(key)")
    let segment = snapshot.rollupSegments.first {
      $0.meta.every == key.every && $0.meta.window.contains(key.start)
    }?.meta
    guard let segment, let revision = told.revision else {
      // Told from readings: begun anew when it is stored again.
      published[key] = nil
      return
    }
    if let before = published[key] {
      let isChanged = before.told.cells != told.cells
      let isClosed = key.start + key.every <= before.segment.closedUntil
      #expect(
        revision == (before.told.revision ?? 0) + (isChanged && isClosed ? 1 : 0),
        "\(note): revision of \(key) was \(before) is \(told)")
      if isChanged {
        #expect(told.lastChange > before.segment.builtLSN, "\(note): last change of \(key)")
      } else {
        #expect(told.lastChange == before.told.lastChange, "\(note): last change of \(key)")
      }
    }
    if told.isStored { published[key] = Published(told: told, segment: segment) }
  }

  private mutating func comparePast() throws {
    let moment = moments[random.below(moments.count)]
    let past = store.snapshot().asKnown(at: moment)
    let every = Self.lengths[random.below(5)]
    do {
      let wanted = RollupModel.buckets(try StoreReading.rows(past, note), every: every)
      expectEqual(try RollupModel.told(past, every: every), wanted, every, "at \(moment)")
    } catch let error as StorageError {
      #expect(error.code == .invalid, "\(note) at \(moment): \(error)")
    }
  }
}
