import Testing

@testable import TSEngine

/// Random operations against a dictionary, reopening between. TSQ_SEEDS sets how many.
@Suite struct StoreModelTests {
  private static let parts = 4

  @Test(arguments: 0..<parts)
  func aStoreIsADictionaryOfNewestRowsWhateverHappensToIt(part: Int) throws {
    for seed in stride(from: part, to: seedCount(1000), by: Self.parts) {
      var run = try StoreModelRun(seed: UInt64(seed))
      do {
        try run.run(steps: 10)
      } catch {
        Issue.record("seed \(seed) step \(run.step) \(run.history): \(error)")
      }
    }
  }
}

struct StoreModelRun {
  let bench: StoreBench
  let seed: UInt64
  var store: Store
  var model = StoreModel()
  var maker: BatchMaker
  var random: SimRandom
  var step = 0
  var history: [String] = []

  init(seed: UInt64) throws {
    self.seed = seed
    // Half of the runs open with a series checkpoint.
    bench = StoreBench(seed: seed, checkpointSegmentLimit: seed % 2 == 0 ? 1 : .max, sharing: .small(seed))
    store = try bench.open()
    maker = BatchMaker(seed: seed, start: StoreBench.start)
    random = SimRandom(seed: seed &* 31 &+ 7)
  }

  mutating func run(steps: Int) throws {
    while step < steps {
      step += 1
      bench.clock.advance(nanos: Int64(random.below(3_000_000)))
      try operate()
    }
    try reopen(crash: false)
    try compare()
    try store.close()
  }

  private mutating func operate() throws {
    switch random.below(19) {
    case 0..<8: try append()
    case 8, 9: try bulk()
    case 10, 11:
      history.append("seal")
      try store.seal()
    case 12:
      history.append("compact")
      try store.compact([.byAge, .packed, .cold][random.below(3)])
    case 13:
      history.append("witness")
      _ = store.maintain()
    case 14: try reopen(crash: false)
    case 16, 17: try compactALittle()
    case 18:
      // A day goes by, and what is too little to be worth it is merged, too.
      bench.clock.advance(nanos: 86_400_000_000_000)
      try compactALittle()
    default: try reopen(crash: true)
    }
    if random.below(5) == 0 { try compare() }
  }

  /// Compaction as it runs by itself, left in the middle of a job or not.
  private mutating func compactALittle() throws {
    let count = 1 + random.below(40)
    history.append("step \(count)")
    for _ in 0..<count { _ = store.compactStep() }
  }

  private mutating func append() throws {
    let batch = maker.batch(store.symbols)
    history.append("append \(batch.rowCount)")
    let expected = model.append(
      batch, now: bench.clock.nowNanos(), symbols: store.symbols, schema: .power)
    var result = try store.append(batch, creator: StoreBench.actor)
    result.lsn = 0
    #expect(result == expected, "seed \(seed) step \(step) \(history)")
  }

  private mutating func bulk() throws {
    history.append("bulk")
    var writer = try store.bulkWriter(1, creator: StoreBench.actor)
    var expected = AppendResult()
    // The writer knows rows of its own load and of the store, not in which order the store got them.
    for _ in 0...random.below(2) {
      let batch = maker.batch(store.symbols)
      let part = model.append(
        batch, now: bench.clock.nowNanos(), symbols: store.symbols, schema: .power)
      expected.new += part.new
      expected.same += part.same
      expected.conflict += part.conflict
      expected.quarantined += part.quarantined
      try writer.append(batch)
    }
    let before = store.durableLSN
    var result = try writer.commit()
    #expect(result.lsn >= before, "seed \(seed) step \(step)")
    result.lsn = 0
    #expect(result == expected, "seed \(seed) step \(step) \(history)")
  }

  private mutating func reopen(crash: Bool) throws {
    history.append(crash ? "crash" : "reopen")
    let lsn = store.durableLSN
    let digest = store.snapshot().registry.digest
    if crash {
      if random.flip() { bench.disk.restart() } else { bench.disk.crash(seed: seed) }
    } else {
      try store.close()
    }
    store = try bench.open()
    #expect(store.damages.isEmpty, "seed \(seed) step \(step) \(history) \(store.damages)")
    #expect(store.durableLSN == lsn, "seed \(seed) step \(step) \(history)")
    #expect(
      StoreReading.digest(store, "seed \(seed)") == digest, "seed \(seed) step \(step) \(history)")
    if random.below(3) == 0 { try compare() }
  }

  private mutating func compare() throws {
    let note = "seed \(seed) step \(step) \(history)"
    let rows = try StoreReading.rows(store.snapshot(), note)
    if rows != model.visible { Issue.record("\(note): \(Self.difference(rows, model.visible))") }
    let versions = try StoreReading.versions(store)
    #expect(versions == model.allVersions, "\(note): versions")
  }

  /// The first few rows that differ.
  static func difference(_ found: [RowKey: Cells], _ wanted: [RowKey: Cells]) -> String {
    var lines: [String] = []
    for key in Set(found.keys).union(wanted.keys).sorted() where found[key] != wanted[key] {
      let text = { (cells: Cells?) in cells.map { "\($0)" } ?? "nothing" }
      lines.append(
        "\(key.series) \(key.time): \(text(found[key])) instead of \(text(wanted[key]))")
      if lines.count == 4 { break }
    }
    return lines.joined(separator: "; ")
  }
}
