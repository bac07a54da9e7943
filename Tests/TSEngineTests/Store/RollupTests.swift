import Testing

@testable import TSEngine

/// Rollups: exact parts, late data, revisions, damage, what is not stored.
@Suite struct RollupTests {
  private static let second: Int64 = 1_000_000_000
  private static let day: Int64 = 86_400 * second
  private static let lengths: [Int64] = [second, 60 * second, 900 * second, 3600 * second, day]
  /// The first instant of a day, some days before the clock of the bench.
  private let start = StoreBench.start / day * day - 3 * day
  private let series = SeriesKey(table: 1, device: "a", probe: 1)

  private func open(_ bench: StoreBench, everything: Bool = true) throws -> Store {
    try bench.open { options in
      guard everything else { return }
      options.rollups.leastRows = 1
      options.rollups.rowsPerBucket = 0
    }
  }

  private func declare(_ store: Store, _ lengths: [Int64] = lengths) throws {
    for every in lengths {
      let (result, _) = try store.decide(actor: StoreBench.actor) {
        $0.declareRollup("power", every: every, $1)
      }
      if case .failure(let refusal) = result { Issue.record("\(refusal)") }
    }
  }

  private func append(
    _ store: Store, at first: Int64, count: Int, step: Int64, value: Int64 = 100, span: Int64? = nil
  ) throws {
    var batch = FrameBatch(table: 1)
    batch.beginFrame(device: "a")
    let times = RegularTimes(start: first, span: Int64(count) * step, count: count)!
    batch.beginRun(probe: 1, times: .regular(times))
    batch.add(1, (0..<count).map { value + Int64($0) })
    if let span { batch.add(4, constant: span) }
    _ = try store.append(batch, creator: StoreBench.actor)
  }

  private func expectExact(
    _ store: Store, _ lengths: [Int64] = lengths, _ note: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let rows = try StoreReading.rows(store.snapshot())
    for every in lengths {
      let told = try RollupModel.told(store.snapshot(), every: every).filter { !$0.value.cells.isEmpty }
      #expect(
        told.mapValues(\.cells) == RollupModel.buckets(rows, every: every),
        "\(note) \(RollupDeclaration.text(every: every))", sourceLocation: sourceLocation)
    }
  }

  private func total(_ store: Store, _ every: Int64) throws -> (Int128, Int128) {
    let buckets = try store.snapshot().rollup(of: series, every: every, Int64.min..<Int64.max)
    return (0..<buckets.count).reduce((0, 0)) {
      ($0.0 + buckets.cell($1, 0).integral, $0.1 + buckets.cell($1, 0).covered)
    }
  }

  @Test func aSampleIsSplitAtTheBoundsOfBucketsAndPartsSumToTheWhole_T02() throws {
    let bench = StoreBench()
    let store = try open(bench)
    try declare(store)
    let long = Self.day + 7 * Self.second
    // 700 ms each from 0.5 s before a day ends, then one of more than a day.
    try append(store, at: start - 500_000_000, count: 40, step: 700_000_000, span: 700_000_000)
    try append(store, at: start + 100 * Self.second, count: 1, step: 1, value: 7, span: long)
    let wanted = (100..<140).reduce(Int128(0)) { $0 + Int128($1) * 700_000_000 } + 7 * Int128(long)
    for isBuilt in [false, true] {
      if isBuilt {
        try store.seal()
        try store.buildRollups()
      }
      for every in Self.lengths {
        let (integral, covered) = try total(store, every)
        #expect(integral == wanted && covered == Int128(40 * 700_000_000 + long), "\(every)")
      }
    }
    try expectExact(store)
    let first = try store.snapshot().rollup(of: series, every: Self.day, start - 1..<start)
    #expect(first.count == 1 && first.cell(0, 0).count == 1)
    #expect(first.cell(0, 0).covered == 500_000_000)
    #expect(first.cell(0, 0).integral == 100 * 500_000_000)
  }

  @Test func aLateBatchIntoAClosedPeriodCorrectsEveryRollup_T08() throws {
    let bench = StoreBench()
    let store = try open(bench)
    try declare(store)
    for hour in 0..<4 { try append(store, at: start + Int64(hour) * 3600 * Self.second, count: 50, step: Self.second) }
    try store.compact()
    var before: [Int64: [RollupModel.Key: RollupModel.Told]] = [:]
    for every in Self.lengths {
      let told = try RollupModel.told(store.snapshot(), every: every)
      #expect(told.values.allSatisfy { $0.isStored && $0.revision == 0 && $0.lastChange > 0 })
      before[every] = told
    }
    // Late, into the second hour; the period is closed for days.
    try append(store, at: start + 3600 * Self.second + 500_000_000, count: 3, step: Self.second, value: 900)
    let late = store.durableLSN
    // Told at once, then stored, then alike after a reopening.
    for stage in 0..<3 {
      var open = store
      if stage == 1 { try store.compact() }
      if stage == 2 {
        try store.close()
        open = try self.open(bench)
      }
      try expectExact(open, Self.lengths, "stage \(stage)")
      for every in Self.lengths {
        let told = try RollupModel.told(open.snapshot(), every: every)
        var corrected = 0
        for (key, now) in told {
          let was = before[every]?[key]
          if was?.cells == now.cells {
            #expect(now.revision == 0 && now.lastChange == was?.lastChange, "\(every) stage \(stage)")
          } else {
            corrected += 1
            #expect(now.revision == 1 && now.lastChange == late, "\(every) stage \(stage)")
          }
          #expect(now.isStored == (stage > 0 || was?.cells == now.cells))
          let covered = now.cells[1]?.covered ?? 0
          #expect(covered == Int128(now.cells[1]?.count ?? 0) * 50_000_000)
        }
        #expect(corrected == (every == Self.second ? 3 : 1), "\(every) stage \(stage)")
      }
    }
  }

  @Test func aDeletedBucketIsToldEmptyWithItsRevision_T08() throws {
    let bench = StoreBench()
    let store = try open(bench)
    try declare(store, [60 * Self.second])
    try append(store, at: start, count: 300, step: Self.second)
    try store.compact()
    let span = SeriesSpans(
      device: "a", probe: 1, times: [start + 60 * Self.second...start + 120 * Self.second - 1])
    let lsn = try store.delete(1, [span], extent: RemovalExtent(), actor: StoreBench.actor)
    for isCompacted in [false, true] {
      if isCompacted { try store.compact() }
      let told = try RollupModel.told(store.snapshot(), every: 60 * Self.second)
      #expect(told.count == 5)
      let gone = told[RollupModel.Key(series: series, every: 60 * Self.second, start: start + 60 * Self.second)]
      #expect(gone == .init(cells: [:], revision: 1, lastChange: lsn, isStored: isCompacted))
    }
    try expectExact(store, [60 * Self.second])
  }

  @Test func anOpenBucketChangesWithoutARevision() throws {
    let bench = StoreBench()
    let store = try open(bench)
    try declare(store, [3600 * Self.second])
    let hour = StoreBench.start / (3600 * Self.second) * 3600 * Self.second
    try append(store, at: hour, count: 10, step: Self.second)
    try store.compact()
    try append(store, at: hour + 20 * Self.second, count: 10, step: Self.second)
    for _ in 0..<2 {
      let told = try RollupModel.told(store.snapshot(), every: 3600 * Self.second)
      #expect(told.values.map(\.revision) == [0] && told.values.first?.cells[1]?.count == 20)
      try store.compact()
    }
    bench.clock.advance(nanos: 2 * 3600 * Self.second)
    // The first build behind its end closes it; what comes then is a revision.
    try append(store, at: hour + 40 * Self.second, count: 1, step: Self.second)
    try store.compact()
    #expect(try RollupModel.told(store.snapshot(), every: 3600 * Self.second).values.map(\.revision) == [0])
    try append(store, at: hour + 50 * Self.second, count: 1, step: Self.second)
    try store.compact()
    #expect(try RollupModel.told(store.snapshot(), every: 3600 * Self.second).values.map(\.revision) == [1])
  }

  @Test func damageOfARollupIsToldPassedOverAndMended() throws {
    let bench = StoreBench()
    var store = try open(bench)
    try declare(store, [60 * Self.second])
    try append(store, at: start, count: 600, step: Self.second)
    try store.compact()
    let meta = try #require(store.snapshot().manifest.rollups.first)
    let path = "\(StoreBench.path)/\(FileNames.rollupDirectory)/\(FileNames.dataSegment(meta.id))"
    try store.close()
    let byteCount = meta.byteCount
    for offset in stride(from: 0, to: byteCount, by: max(1, byteCount / 60)) {
      bench.disk.flipBit(path, 8 * (offset))
      let report = try Verify.run(bench.options(readOnly: true), StoreBench.path)
      #expect(report.damages.map(\.file) == ["rollups/\(FileNames.dataSegment(meta.id))"], "byte \(offset)")
      store = try open(bench)
      try expectExact(store, [60 * Self.second], "byte \(offset)")
      try store.close()
      bench.disk.flipBit(path, 8 * (offset))
    }
    #expect(try Verify.run(bench.options(readOnly: true), StoreBench.path).isWhole)
    bench.disk.flipBit(path, 8 * (byteCount - 60))
    store = try open(bench)
    try expectExact(store, [60 * Self.second])
    try store.buildRollups()
    try expectExact(store, [60 * Self.second])
    #expect(try RollupModel.told(store.snapshot(), every: 60 * Self.second).values.allSatisfy(\.isStored))
    try store.close()
    #expect(try Verify.run(bench.options(readOnly: true), StoreBench.path).isWhole)
  }

  @Test func aLostRollupFileIsMadeAnew() throws {
    let bench = StoreBench()
    var store = try open(bench)
    try declare(store, [60 * Self.second])
    try append(store, at: start, count: 600, step: Self.second)
    try store.compact()
    let meta = try #require(store.snapshot().manifest.rollups.first)
    try store.close()
    try bench.disk.remove("\(StoreBench.path)/\(FileNames.rollupDirectory)/\(FileNames.dataSegment(meta.id))")
    store = try open(bench)
    try expectExact(store, [60 * Self.second])
    try store.buildRollups()
    #expect(try RollupModel.told(store.snapshot(), every: 60 * Self.second).values.allSatisfy(\.isStored))
    #expect(store.damages.isEmpty)
  }

  @Test func fewRowsAreNotStored() throws {
    let bench = StoreBench()
    let store = try open(bench, everything: false)
    try declare(store)
    // Every 15 minutes for 40 days: an hour has four, only a day is worth a bucket.
    var batch = FrameBatch(table: 1)
    batch.beginFrame(device: "a")
    let step = 900 * Self.second
    let times = RegularTimes(start: start - 60 * Self.day, span: 3840 * step, count: 3840)!
    batch.beginRun(probe: 1, times: .regular(times))
    var random = SimRandom(seed: 1)
    batch.add(1, (0..<3840).map { _ in Int64(random.below(5000)) })
    batch.add(4, constant: step)
    _ = try store.append(batch, creator: StoreBench.actor)
    try store.compact()
    for every in Self.lengths {
      let stored = store.snapshot().rollupSegments.filter { $0.meta.every == every && $0.meta.rowCount > 0 }
      #expect(!stored.isEmpty == (every == Self.day), "\(every)")
    }
    try expectExact(store, Array(Self.lengths.dropFirst(2)))
    let rollups = store.snapshot().manifest.rollups.reduce(0) { $0 + $1.byteCount }
    let data = store.snapshot().manifest.data.reduce(0) { $0 + $1.byteCount }
    #expect(rollups < data, "\(rollups) of \(data)")
  }

  @Test func declaredDroppedAndDeclaredAgain() throws {
    let bench = StoreBench()
    var store = try open(bench)
    try declare(store, [60 * Self.second])
    try append(store, at: start, count: 600, step: Self.second)
    try store.compact()
    #expect(store.snapshot().rollupSegments.count == 1)
    let lsn = store.durableLSN
    try declare(store, [60 * Self.second])
    #expect(store.durableLSN == lsn, "the same again changes nothing")
    _ = try store.decide(actor: StoreBench.actor) {
      $0.declareRollup("power", every: 60 * Self.second, columns: ["voltage"], $1)
    }
    #expect(store.snapshot().rollupSegments.isEmpty)
    try store.compact()
    let buckets = try store.snapshot().rollup(of: series, every: 60 * Self.second, start..<start + Self.day)
    #expect(buckets.count == 0 && buckets.columns.map(\.id) == [3])
    _ = try store.decide(actor: StoreBench.actor) {
      $0.dropRollup("power", every: 60 * Self.second, $1)
    }
    try store.compact()
    #expect(store.snapshot().manifest.rollups.isEmpty)
    #expect(throws: StorageError.self) {
      try store.snapshot().rollup(of: series, every: 60 * Self.second, start..<start + Self.day)
    }
    try store.close()
    store = try open(bench)
    #expect(try bench.disk.list("\(StoreBench.path)/\(FileNames.rollupDirectory)").isEmpty)
    #expect(store.registry.rollups.isEmpty)
    let refusals: [(String, Int64, [String])] = [
      ("power", 7 * Self.second, []), ("power", 500_000_000, []), ("none", Self.day, []),
      ("power", Self.day, ["version"]), ("power", Self.day, ["power", "power"]),
    ]
    for (table, every, columns) in refusals {
      let (result, _) = try store.decide(actor: StoreBench.actor) {
        $0.declareRollup(table, every: every, columns: columns, $1)
      }
      guard case .failure = result else { Issue.record("\(table) \(every) \(columns)"); continue }
    }
  }

  @Test func floatsAreRolledUpTheSameWayHoweverTheyAreStored() throws {
    let bench = StoreBench()
    let store = try open(bench)
    let schema = TableSchema(
      id: 20, name: "weather", columns: [ColumnSchema(id: 1, name: "t", type: .float)],
      defaultSpanNanos: 400_000_000)
    _ = try store.decide(actor: StoreBench.actor) { registry, context in
      Decision(
        events: [context.event(registry, .typeDeclared(schema: schema, label: "W"))], result: .success(()))
    }
    _ = try store.decide(actor: StoreBench.actor) { $0.declareRollup("weather", every: 3600 * Self.second, $1) }
    var random = SimRandom(seed: 3)
    func batch(_ first: Int64) -> FrameBatch {
      var batch = FrameBatch(table: 20)
      batch.beginFrame(device: "w")
      batch.beginRun(
        probe: 0, times: .regular(RegularTimes(start: first, span: 500 * Self.second, count: 500)!))
      let odd: [Double] = [.nan, -0.0, .infinity, 1e308]
      batch.add(1, (0..<500).map { _ in
        let value = random.below(90) == 0 ? odd[random.below(4)] : Double(random.below(1 << 30)) / 777
        return Int64(bitPattern: value.bitPattern)
      })
      return batch
    }
    for part in [0, 2, 1, 5, 3, 9] { _ = try store.append(batch(start + Int64(part) * 450 * Self.second), creator: StoreBench.actor) }
    let key = SeriesKey(table: 20, device: "w", probe: 0)
    let told = try store.snapshot().rollup(of: key, every: 3600 * Self.second, start..<start + Self.day)
    #expect(told.count == 2 && told.cell(0, 0).count > 1000 && told.cell(0, 0).covered > 0)
    try store.compact()
    let stored = try store.snapshot().rollup(of: key, every: 3600 * Self.second, start..<start + Self.day)
    #expect(stored.cells == told.cells && stored.storedCount == 2 && stored.starts == told.starts)
    try store.forgetRollups()
    let again = try store.snapshot().rollup(of: key, every: 3600 * Self.second, start..<start + Self.day)
    #expect(again.cells == told.cells && again.storedCount == 0)
  }

  @Test func aBackupLeavesRollupsOutAndARestoreMakesThemAnew() throws {
    let bench = StoreBench()
    let store = try open(bench)
    try declare(store, [60 * Self.second])
    try append(store, at: start, count: 600, step: Self.second)
    try store.compact()
    #expect(!store.snapshot().manifest.rollups.isEmpty)
    _ = try Backup.run(bench.options(readOnly: true), store: StoreBench.path, to: "b")
    try store.close()
    _ = try Restore.run(bench.options(), from: "b", to: "r")
    var options = bench.options()
    options.rollups.leastRows = 1
    let restored = try Store.open("r", options)
    #expect(restored.registry.rollups.all.count == 1 && restored.snapshot().manifest.rollups.isEmpty)
    try expectExact(restored, [60 * Self.second])
    try restored.buildRollups()
    #expect(!restored.snapshot().manifest.rollups.isEmpty)
    try expectExact(restored, [60 * Self.second])
  }
}
