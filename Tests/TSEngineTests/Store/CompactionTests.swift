import Testing

@testable import TSEngine

/// Compaction that runs by itself: what it chooses, what it leaves, and that nobody notices.
@Suite struct CompactionTests {
  private static let day: Int64 = 86_400_000_000_000
  private let start = StoreBench.start / day * day

  // MARK: The plan

  /// Segments that only the plan sees; merging costs no bytes, cutting spreads them evenly.
  private struct Table {
    var segments: [Manifest.DataSegment] = []
    var nextID: UInt64 = 1
    var written = 0

    mutating func add(_ times: ClosedRange<Int64>, bytes: Int) {
      segments.append(
        Manifest.DataSegment(
          id: nextID, table: 1, rowCount: bytes, byteCount: bytes, firstTime: times.lowerBound,
          lastTime: times.upperBound, oldestLSN: nextID, newestLSN: nextID))
      nextID += 1
    }

    mutating func run(
      _ options: CompactionPlan.Options, isFinal: Bool = false,
      forms: CompactionPlan.Forms = CompactionPlan.Forms()
    ) throws -> Int {
      var jobs = 0
      while let job = CompactionPlan.next(
        segments, isFinal: isFinal, options: options, forms: forms)
      {
        jobs += 1
        let isForForm = segments.contains { segment in
          segment.id == job.inputs[0]
            && (segment.packedFrom < forms.coldBefore
              || forms.packsTheRest && segment.coldUntil >= forms.coldBefore)
        }
        #expect(
          job.inputs.count > 1 || job.windows.count > 1 || isForForm, "a job changes something")
        #expect(zip(job.windows, job.windows.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
        apply(job)
        try #require(jobs < 2_000, "the plan ends: \(job) of \(segments.count)")
      }
      return jobs
    }

    private mutating func apply(_ job: CompactionPlan.Job) {
      let inputs = segments.filter { job.inputs.contains($0.id) }
      segments.removeAll { job.inputs.contains($0.id) }
      for window in job.windows {
        var bytes = 0.0
        var reach: ClosedRange<Int64>?
        for input in inputs {
          let (low, high) = (max(input.firstTime, window.lowerBound), min(input.lastTime, window.upperBound))
          guard low <= high else { continue }
          let span = Double(input.lastTime) - Double(input.firstTime) + 1
          bytes += Double(input.byteCount) * (Double(high) - Double(low) + 1) / span
          reach = reach.map { min($0.lowerBound, low)...max($0.upperBound, high) } ?? low...high
        }
        guard let reach else { continue }
        written += Int(bytes)
        add(reach, bytes: max(1, Int(bytes)))
        setForms(coldBefore: job.coldBefore)
      }
    }

    /// Of the newest segment, as if it had a block at every instant.
    private mutating func setForms(coldBefore: Int64) {
      var segment = segments.removeLast()
      (segment.packedFrom, segment.coldUntil) = (.max, .min)
      for time in [segment.firstTime, segment.lastTime] {
        segment.note(lastTime: time, isCold: time < coldBefore)
      }
      if segment.firstTime < coldBefore, segment.lastTime >= coldBefore {
        (segment.packedFrom, segment.coldUntil) = (coldBefore, coldBefore - 1)
      }
      segments.append(segment)
    }

    mutating func addPacked(_ times: ClosedRange<Int64>, bytes: Int) {
      add(times, bytes: bytes)
      setForms(coldBefore: .min)
    }

    var byteCount: Int { segments.reduce(0) { $0 + $1.byteCount } }
  }

  @Test func aFleetThatReportsForYearsHasOneSegmentADayAndRewritesARowAFewTimes() throws {
    var table = Table()
    let options = CompactionPlan.Options()
    // Hourly sealings of 16 MiB: days are more than the target, so each is a partition.
    let hours = 24 * 90
    for hour in 0..<hours {
      let first = start + Int64(hour) * 3_600_000_000_000
      table.add(first...(first + 3_599_950_000_000), bytes: 16 << 20)
      _ = try table.run(options)
    }
    #expect(table.segments.count <= 90 + 9, "\(table.segments.count)")
    let amplification = Double(table.written) / Double(hours * (16 << 20))
    #expect(amplification < 4, "a row is written \(amplification) times behind its sealing")
  }

  @Test func aSmallFleetKeepsFewSegmentsHoweverLongItLives() throws {
    var table = Table()
    let options = CompactionPlan.Options()
    let hours = 24 * 365
    for hour in 0..<hours {
      let first = start + Int64(hour) * 3_600_000_000_000
      table.add(first...(first + 3_540_000_000_000), bytes: 40_000)
      if hour % 7 == 0 { _ = try table.run(options) }
    }
    _ = try table.run(options)
    #expect(table.segments.count < 60, "\(table.segments.count)")
    let amplification = Double(table.written) / Double(hours * 40_000)
    #expect(amplification < 12, "a row is written \(amplification) times behind its sealing")
  }

  @Test(arguments: [16 << 20, 40_000])
  func whatGrowsOldBecomesColdOnceAndIsRewrittenAFewTimesMore(_ bytesAnHour: Int) throws {
    let options = CompactionPlan.Options()
    func live(_ age: Int64) throws -> (table: Table, forms: CompactionPlan.Forms) {
      var table = Table()
      var forms = CompactionPlan.Forms()
      for hour in 0..<(24 * 120) {
        let first = start + Int64(hour) * 3_600_000_000_000
        table.addPacked(first...(first + 3_599_950_000_000), bytes: bytesAnHour)
        forms.coldBefore = TimeWindow.containing(first - age, level: 0).bounds.lowerBound
        _ = try table.run(options, forms: forms)
      }
      return (table, forms)
    }
    let packed = try live(9_999 * Self.day).table
    var (table, forms) = try live(7 * Self.day)
    let more = Double(table.written - packed.written) / Double(24 * 120 * bytesAnHour)
    #expect(more < 3, "a row is written \(more) times more")
    let old = table.segments.filter { $0.lastTime < forms.coldBefore && $0.packedFrom < .max }
    #expect(old.reduce(0) { $0 + $1.byteCount } <= table.byteCount / 4, "\(old.count)")
    #expect(try table.run(options, forms: forms) == 0)
    // Asked for by age, for all, for none: each once.
    forms.packsTheRest = true
    for bound in [forms.coldBefore, .max, .min] {
      forms.coldBefore = bound
      _ = try table.run(options, isFinal: true, forms: forms)
      #expect(table.segments.allSatisfy { $0.packedFrom >= bound })
      #expect(table.segments.allSatisfy { $0.coldUntil == .min || $0.coldUntil < bound })
      #expect(try table.run(options, isFinal: true, forms: forms) == 0)
    }
  }

  @Test func rowsThatComeLateAreAnEighthAtMostBeforeTheyFindTheirPlace() throws {
    var random = SimRandom(seed: 5)
    var table = Table()
    var options = CompactionPlan.Options()
    options.targetByteCount = 1 << 20
    for round in 0..<300 {
      let first = start + Int64(round) * Self.day / 8
      table.add(first...(first + Self.day / 8 - 1), bytes: 200_000 + random.below(9_000))
      // A device that was offline sends days or months at once.
      let back = Int64(1 + random.below(min(round + 1, 300))) * Self.day / 8
      table.add((first - back)...first, bytes: 500 + random.below(4_000))
      _ = try table.run(options)
    }
    let settled = Dictionary(grouping: table.segments) {
      TimeWindow.containing($0.firstTime, level: 0)
    }.compactMapValues { $0.map(\.byteCount).max() }.values.reduce(0, +)
    #expect(Double(table.byteCount) / Double(settled) < 1.2, "\(table.byteCount) \(settled)")
    #expect(table.segments.count < 38 * 6, "\(table.segments.count)")
    // Asked for, the final form: one segment a partition, and nothing more to do.
    #expect(try table.run(options, isFinal: true) > 0)
    #expect(try table.run(options, isFinal: true) == 0)
    #expect(table.segments.allSatisfy { segment in
      TimeWindow.containing(segment.firstTime, level: 0)
        == TimeWindow.containing(segment.lastTime, level: 0)
        || segment.byteCount <= 1 << 20
    })
  }

  @Test func anyTableComesToRestAndAnyInstantHasItsPlace() throws {
    for seed in 0..<20 as Range<UInt64> {
      var random = SimRandom(seed: seed)
      var table = Table()
      var options = CompactionPlan.Options()
      options.targetByteCount = 1 << (14 + random.below(6))
      for _ in 0..<(1 + random.below(60)) {
        let extremes: [Int64] = [.min, .max, 0, -1, start, start + Self.day - 1, start - Self.day * 999]
        let ends = [extremes[random.below(7)], start + Int64(random.below(99)) * Self.day / 3].sorted()
        table.add(ends[0]...ends[1], bytes: 1 << random.below(18))
        if random.flip() { _ = try table.run(options) }
      }
      _ = try table.run(options)
      _ = try table.run(options, isFinal: true)
      #expect(try table.run(options, isFinal: true) == 0, "seed \(seed)")
      for bound in [start, .max, 0, .min, start + 9 * Self.day] {
        var forms = CompactionPlan.Forms()
        (forms.coldBefore, forms.packsTheRest) = (bound, random.flip())
        _ = try table.run(options, forms: forms)
        _ = try table.run(options, isFinal: true, forms: forms)
        #expect(try table.run(options, isFinal: true, forms: forms) == 0, "seed \(seed) \(bound)")
      }
    }
    for time in [Int64.min, -1, 0, start, .max] {
      for level in 0...TimeWindow.rootLevel {
        #expect(TimeWindow.containing(time, level: level).bounds.contains(time), "\(time) \(level)")
      }
    }
  }

  // MARK: In a store

  /// Steps until nothing is to be done. Precondition: no time passes.
  private func settle(_ store: Store) -> Int {
    var steps = 0
    while steps < 100_000, store.compactStep() != .idle(nanos: 1_000_000_000) { steps += 1 }
    return steps
  }

  @Test func manySmallLateBatchesConvergeToFullBlocksWithinAFifthOfTheirSmallestForm() throws {
    let bench = StoreBench(clock: SimClock(nanos: start + 40 * Self.day))
    var options = bench.options()
    options.compaction = CompactionPlan.Options()
    let store = try Store.open(StoreBench.path, options)
    let minute: Int64 = 60_000_000_000
    var random = SimRandom(seed: 3)
    // Three devices, a row a minute for two weeks, in 120 batches of random order.
    var batches: [FrameBatch] = []
    for batch in 0..<120 as Range<Int64> {
      for device in 0..<3 {
        var frame = FrameBatch(table: 1)
        frame.beginFrame(device: "slow\(device)")
        let count = 14 * 1440 / 120
        let times = RegularTimes(
          start: start + batch * Int64(count) * minute, span: Int64(count) * minute, count: count)!
        frame.beginRun(probe: 1, times: .regular(times))
        frame.add(1, (0..<count).map { _ in Int64(1000 + random.below(60)) })
        batches.append(frame)
      }
    }
    for index in batches.indices.reversed() { batches.swapAt(index, random.below(index + 1)) }
    for (index, batch) in batches.enumerated() {
      _ = try store.append(batch, creator: StoreBench.actor)
      if index % 3 == 2 {
        try store.seal()
        _ = settle(store)
      }
    }
    func blocks() throws -> [Int] {
      try store.snapshot().scan(1).stretches.map(\.rowCount)
    }
    func bytes() -> Int { store.snapshot().segments.reduce(0) { $0 + $1.byteCount } }
    #expect(store.snapshot().segments.count < 16, "\(store.snapshot().segments.count)")
    let rows = try StoreReading.rows(store.snapshot())
    #expect(rows.count == 3 * 14 * 1440)
    let byItself = bytes()
    // Left alone for a day, the rest is merged as well: days of 1440 rows, each one block.
    bench.clock.advance(nanos: Self.day)
    _ = settle(store)
    bench.clock.advance(nanos: Self.day)
    _ = settle(store)
    #expect(try blocks() == Array(repeating: 1440, count: 3 * 14))
    #expect(store.snapshot().segments.count == 1)
    #expect(Double(byItself) / Double(bytes()) < 1.2, "\(byItself) of \(bytes())")
    let byRest = bytes()
    try store.compact()
    #expect(bytes() == byRest, "the final form was reached")
    #expect(try StoreReading.rows(store.snapshot()) == rows)
  }

  @Test func aStoreMakesOldBlocksColdByItselfAndThenRests() throws {
    let bench = StoreBench(clock: SimClock(nanos: start + Self.day))
    var store = try bench.open()
    for round in 0..<30 as Range<Int64> {
      _ = try store.append(
        .power("m", at: start + round * 60_000_000_000, count: 900), creator: StoreBench.actor)
      try store.seal()
      _ = settle(store)
    }
    func forms() throws -> Set<Bool> {
      Set(try store.snapshot().segments.flatMap { try $0.directory().table.rows.map(\.isCold) })
    }
    func ids() -> [UInt64] { store.snapshot().segments.map(\.id) }
    bench.clock.advance(nanos: Self.day)
    for _ in 0..<2 { _ = settle(store) }
    let rows = try StoreReading.rows(store.snapshot())
    #expect(try forms() == [false])
    let packed = store.snapshot().segments.reduce(0) { $0 + $1.byteCount }
    bench.clock.advance(nanos: 7 * Self.day)
    #expect(settle(store) > 0)
    #expect(try forms() == [true])
    #expect(store.snapshot().segments.reduce(0) { $0 + $1.byteCount } < packed)
    #expect(try StoreReading.rows(store.snapshot()) == rows)
    // Neither time nor another life of the store makes it work again.
    let before = ids()
    for _ in 0..<3 {
      bench.clock.advance(nanos: Self.day)
      #expect(settle(store) == 0)
      try store.close()
      store = try bench.open()
    }
    try store.compact()
    #expect(ids() == before)
    #expect(try StoreReading.rows(store.snapshot()) == rows)
    // What a person wants cold although it is young stays so.
    _ = try store.append(
      .power("m", at: bench.clock.nowNanos() - Self.day, count: 900), creator: StoreBench.actor)
    try store.compact(.cold)
    #expect(try forms() == [true])
    bench.clock.advance(nanos: Self.day)
    #expect(settle(store) == 0)
  }

  /// Edits of the first kind are in stores that exist: read for what they say, packed.
  @Test func bothKindsOfAnAddedSegmentAreRead() throws {
    var segment = Manifest.DataSegment(
      id: 7, table: 2, rowCount: 300, byteCount: 9_000, firstTime: -5, lastTime: start,
      oldestLSN: 3, newestLSN: 400, baseLSN: 1)
    (segment.packedFrom, segment.coldUntil) = (start, start - 1)
    var out = ByteWriter()
    ManifestEdit.addData(segment).encode(into: &out)
    #expect(out.bytes[0] == 10)
    #expect(try ManifestEdit(decoding: out.bytes.rawSpan) == .addData(segment))
    // Without both bounds and the applied LSN, which is 0.
    let first = [1] + out.bytes.dropFirst().dropLast(17)
    (segment.packedFrom, segment.coldUntil) = (-5, .min)
    #expect(try ManifestEdit(decoding: first.rawSpan) == .addData(segment))
    for count in 1..<out.bytes.count {
      let cut = Array(out.bytes.prefix(count))
      #expect(throws: StorageError.self) { try ManifestEdit(decoding: cut.rawSpan) }
    }
  }

  // MARK: Blocks that stay as they are

  /// Five minutes at 20 rows a second are a cell; `rows` of them from its `part`-th on.
  private func append(_ cell: Int, _ rows: Int, part: Int = 0, to store: Store) throws {
    let time = start + (Int64(cell) * 6000 + Int64(part)) * 50_000_000
    let batch = FrameBatch.power("m1", at: time, probes: [1], count: rows, value: Int64(cell))
    _ = try store.append(batch, creator: StoreBench.actor)
  }

  private func rewritten(_ store: Store) throws -> (copied: Int, blocks: [BlockBuilder.Built]) {
    let sources = try store.snapshot().scan(1).stretches.map(\.source)
    var builder = BlockBuilder(schema: .power, symbols: store.symbols)
    var sink = BuiltBlocks()
    let result = try SeriesRewrite.append(
      sources, of: SeriesKey(table: 1, device: "m1", probe: 1), to: &sink, builder: &builder)
    let blocks = sink.parts.compactMap { if case .block(let block) = $0 { block } else { nil } }
    return (result.copiedBlocks, blocks)
  }

  @Test func aBlockAloneInItsCellIsCopiedAsItLies() throws {
    let store = try StoreBench().open()
    for cell in 0..<4 {
      try append(cell, 6000, to: store)
      if cell % 2 == 1 { try store.seal() }
    }
    // The halves of a cell lie in two segments: they become one block.
    try append(4, 3000, to: store)
    try store.seal()
    try append(4, 3000, part: 3000, to: store)
    try store.seal()
    let before = try StoreReading.rows(store.snapshot())
    let (copied, blocks) = try rewritten(store)
    #expect(copied == 4)
    #expect(blocks.map(\.entry.rowCount) == [6000, 6000, 6000, 6000, 6000])
    var builder = BlockBuilder(schema: .power, symbols: store.symbols)
    for (stretch, block) in zip(try store.snapshot().scan(1).stretches, blocks.prefix(4)) {
      let anew = builder.build(try stretch.rows(), series: 0)
      #expect(anew.entry == block.entry && anew.bytes == block.bytes, "the same block as from its rows")
    }
    try store.compact()
    #expect(try StoreReading.rows(store.snapshot()) == before)
    #expect(try rewritten(store).copied == 5)
    try store.compact(.cold)
    #expect(try rewritten(store).copied == 0, "another form is wanted")
    #expect(try StoreReading.rows(store.snapshot()) == before)
  }

  /// Versions of one load have LSNs of their own, counted from the one of the load.
  @Test func aBlockOfABulkAppendWithSeveralLSNsIsNotCopied() throws {
    let store = try StoreBench().open()
    try append(9, 20, to: store)
    var writer = try store.bulkWriter(1, creator: StoreBench.actor)
    try writer.append(.power("m1", at: start, probes: [1], count: 6000))
    try writer.append(.power("m1", at: start + 50_000_000 * 100, probes: [1], count: 50, value: 7))
    _ = try writer.commit()
    let known = try StoreReading.versions(store)
    #expect(try rewritten(store).copied == 0)
    try store.compact()
    #expect(try StoreReading.versions(store) == known)
  }

  @Test func ingestSealingAndReadingGoOnBetweenTheStepsOfAJob() throws {
    let bench = StoreBench()
    let store = try bench.open()
    var model = StoreModel()
    func append(_ round: Int64, value: Int64 = 0) throws {
      var batch = FrameBatch(table: 1)
      for device in 0..<40 {
        batch.addPower("m\(device)", at: StoreBench.start + round * 1_000_000_000, value: value)
      }
      _ = model.append(batch, now: bench.clock.nowNanos(), symbols: store.symbols, schema: .power)
      _ = try store.append(batch, creator: StoreBench.actor)
    }
    for round in 0..<4 as Range<Int64> {
      try append(round)
      try store.seal()
    }
    let inputs = Set(store.snapshot().segments.map(\.id))
    let job = CompactionJob(
      .init(inputs: inputs.sorted(), windows: [.min ... .max]), store.snapshot().segments,
      schema: .power, registry: store.registry, context: store.segments, takeID: { store.takeFileID() })
    var round: Int64 = 4
    var steps = 0
    var installation: CommitRequest.Installation?
    while installation == nil {
      // One series at a time; a frame, a conflict and a sealing between two of them.
      if case .done(let files) = try job.step(byteLimit: 1) { installation = files }
      steps += 1
      if steps % 30 == 0 {
        try append(round)
        try append(round % 4, value: round)
        try store.seal()
        round += 1
        #expect(try StoreReading.rows(store.snapshot()) == model.visible, "step \(steps)")
      }
    }
    #expect(steps > 100)
    let held = store.snapshot()
    _ = try store.install(try #require(installation))
    #expect(Set(store.snapshot().segments.map(\.id)).isDisjoint(with: inputs))
    #expect(try StoreReading.rows(held) == model.visible)
    #expect(try StoreReading.rows(store.snapshot()) == model.visible)
    #expect(try StoreReading.versions(store) == model.allVersions)
  }

  @Test func aStepIsFollowedByRestAndTheStoreRestsWhenNothingIsToBeDone() throws {
    let bench = StoreBench()
    let store = try bench.open()
    #expect(store.compactStep() == .idle(nanos: 1_000_000_000))
    for round in 0..<4 as Range<Int64> {
      _ = try store.append(
        .power("m1", at: StoreBench.start + round * 1_000_000_000), creator: StoreBench.actor)
      try store.seal()
      #expect((store.compactStep() == .idle(nanos: 1_000_000_000)) == (round < 3), "four are merged")
    }
    #expect(settle(store) > 0)
    #expect(store.snapshot().segments.count == 1)
    try store.close()
    #expect(store.compactStep() == .done)
  }

  @Test func aDamagedInputIsNotReplacedAndTheOthersAre() throws {
    let bench = StoreBench()
    var options = bench.options()
    options.compaction = CompactionPlan.Options()
    var store = try Store.open(StoreBench.path, options)
    for round in 0..<9 as Range<Int64> {
      var batch = FrameBatch(table: 1)
      batch.beginFrame(device: "m1")
      let first = StoreBench.start - round * 30 * Self.day
      let times = RegularTimes(start: first, span: 90_000_000_000, count: 1800)!
      batch.beginRun(probe: 1, times: .regular(times))
      // Nothing to be said in the index.
      batch.add(1, (0..<1800).map { ($0 * 7919) % 1009 })
      _ = try store.append(batch, creator: StoreBench.actor)
      try store.seal()
    }
    let victim = store.snapshot().segments[2]
    try store.close()
    // A section, not the index: the damage is met by whoever reads the block.
    bench.disk.flipBit("s/data/\(FileNames.dataSegment(victim.id))", 8 * 80)
    let bytes = bench.disk.contents("s/data/\(FileNames.dataSegment(victim.id))")
    store = try Store.open(StoreBench.path, options)
    #expect(store.damages.isEmpty)
    _ = settle(store)
    #expect(store.snapshot().segments.contains { $0.id == victim.id })
    let error = #expect(throws: StorageError.self) { try store.compact() }
    #expect(error?.code == .corrupt)
    #expect(store.snapshot().segments.count == 2)
    #expect(bench.disk.contents("s/data/\(FileNames.dataSegment(victim.id))") == bytes)
    #expect(!bench.disk.allContents().keys.contains { $0.hasSuffix(".tmp") })
    var read = 0
    for stretch in try store.snapshot().scan(1).stretches { read += (try? stretch.rows().count) ?? 0 }
    #expect(read >= 8 * 1800 && read < 9 * 1800, "\(read)")
  }

  @Test func aBlockAcrossAPartitionBoundIsCutAndNoVersionIsLost() throws {
    let bench = StoreBench(clock: SimClock(nanos: start + 3 * Self.day))
    var options = bench.options()
    options.compaction.targetByteCount = 4_000
    var store = try Store.open(StoreBench.path, options)
    // Over midnight, superseded rows too.
    for value in 0..<3 as Range<Int64> {
      var batch = FrameBatch(table: 1)
      for device in 0..<6 {
        batch.addPower("m\(device)", at: start + Self.day - 7_000_000_000, count: 300, value: value)
      }
      _ = try store.append(batch, creator: StoreBench.actor)
      try store.seal()
    }
    let rows = try StoreReading.rows(store.snapshot())
    let versions = try StoreReading.versions(store)
    try store.compact()
    let segments = store.snapshot().segments
    #expect(segments.count == 2)
    let bound = start + Self.day
    #expect(segments.allSatisfy { $0.lastTime < bound || $0.firstTime >= bound })
    for step in 0..<2 {
      #expect(try StoreReading.rows(store.snapshot()) == rows, "step \(step)")
      #expect(try StoreReading.versions(store) == versions, "step \(step)")
      try store.close()
      store = try Store.open(StoreBench.path, options)
    }
  }
}
