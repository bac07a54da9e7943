import Testing

@testable import TSEngine

/// Random appends, late frames, conflicts, deletes, retention, resolutions and quarantine against a
/// history, with seals, compactions, reopens and crashes between. TSQ_SEEDS sets how many.
@Suite struct LifecycleModelTests {
  private static let parts = 4

  @Test(arguments: 0..<parts)
  func aStoreIsItsHistoryNowAndAtEveryEarlierLSN_T03_T07_T11_T12(part: Int) throws {
    for seed in stride(from: part, to: seedCount(600), by: Self.parts) {
      var run = try LifecycleModelRun(seed: UInt64(seed))
      do {
        try run.run(steps: 16)
      } catch {
        Issue.record("seed \(seed) step \(run.step) \(run.history): \(error)")
      }
    }
  }
}

struct LifecycleModelRun {
  private let bench: StoreBench
  private let seed: UInt64
  private var store: Store
  private var model = LifecycleModel()
  private var maker: BatchMaker
  private var random: SimRandom
  private(set) var step = 0
  private(set) var history: [String] = []
  /// Newest LSNs after each step.
  private var moments: [LSN] = [0]
  /// Below this LSN the past may be gone: the newest removal before the newest compaction.
  private var forgotten: LSN = 0
  private let second: Int64 = 1_000_000_000

  init(seed: UInt64) throws {
    self.seed = seed
    bench = StoreBench(seed: seed, sharing: .small(seed))
    store = try bench.open(Self.keepsRemoved)
    maker = BatchMaker(seed: seed &+ 500_000, start: StoreBench.start)
    random = SimRandom(seed: seed &* 131 &+ 5)
  }

  /// A time of grace that no run outlasts.
  private static func keepsRemoved(_ options: inout StoreOptions) {
    options.removalGraceNanos = 86_400_000_000_000
  }

  private var note: String { "seed \(seed) step \(step) \(history)" }

  mutating func run(steps: Int) throws {
    while step < steps {
      step += 1
      bench.clock.advance(nanos: Int64(random.below(3_000_000)))
      try operate()
      moments.append(store.durableLSN)
    }
    try compareAll()
    try reopen(crash: false)
    try compareAll()
    try store.close()
    let report = try Verify.run(bench.options(readOnly: true), StoreBench.path)
    #expect(report.damages.isEmpty, "\(note): \(report.damages)")
  }

  private mutating func operate() throws {
    switch random.below(26) {
    case 0..<8: try append()
    case 8, 9: try bulk()
    case 10, 11: try deleteTimes()
    case 12, 13: try deleteValues()
    case 14: try setRetention()
    case 15: try setPolicy()
    case 16, 17: try resolve()
    case 18, 19: try settle()
    case 20, 21:
      history.append("seal")
      try store.seal()
    case 22, 23:
      let purges = random.below(2) == 0
      history.append(purges ? "purge" : "compact")
      try store.compact(purges: purges)
      if purges { forgotten = model.acts.last?.lsn ?? 0 }
    case 24: try reopen(crash: false)
    default: try reopen(crash: true)
    }
    if random.below(4) == 0 { try compare() }
    if random.below(4) == 0 { try compare(at: moments[random.below(moments.count)]) }
  }

  // MARK: Acts

  private mutating func append() throws {
    let batch = maker.batch(store.symbols)
    history.append("append \(batch.rowCount)")
    let expected = model.append(
      batch, now: bench.clock.nowNanos(), lsn: .max - 1, symbols: store.symbols)
    do throws(StorageError) {
      var result = try store.append(batch, creator: StoreBench.actor)
      result.lsn = 0
      #expect(result == expected, "\(note)")
    } catch {
      #expect(error.code == .conflict && expected == nil, "\(note): \(error)")
    }
    model.number(store.durableLSN)
  }

  private mutating func bulk() throws {
    history.append("bulk")
    var writer = try store.bulkWriter(1, creator: StoreBench.actor)
    let before = model
    var expected: AppendResult? = AppendResult()
    for _ in 0...random.below(2) {
      let batch = maker.batch(store.symbols)
      let part = model.append(
        batch, now: bench.clock.nowNanos(), lsn: .max - 1, symbols: store.symbols)
      expected = part.flatMap { part in expected.map { $0 + part } }
      try writer.append(batch)
    }
    do throws(StorageError) {
      var result = try writer.commit()
      result.lsn = 0
      #expect(result == expected, "\(note)")
    } catch {
      #expect(error.code == .conflict && expected == nil, "\(note): \(error)")
      model = before
    }
    model.number(store.durableLSN)
  }

  private mutating func series(of table: TableID) -> [SeriesKey] {
    store.snapshot().series(of: table).filter { _ in random.below(3) > 0 }
  }

  private mutating func spans(of table: TableID) -> [SeriesSpans] {
    series(of: table).map { key in
      var times: [ClosedRange<Int64>] = []
      if random.below(5) == 0 {
        times = [.min ... .max]
      } else {
        var first = StoreBench.start - Int64(random.below(3)) * 86_400 * second
        for _ in 0...random.below(2) {
          first += Int64(random.below(3 * 20)) * 50_000_000
          let last = first + Int64(random.below(40)) * 50_000_000
          times.append(first...last)
          first = last + 1
        }
      }
      return SeriesSpans(device: key.device, probe: key.probe, times: times)
    }
  }

  private mutating func deleteTimes() throws {
    let spans = spans(of: 1)
    try delete(spans, seenAt: nil)
  }

  /// Of each series the rows whose power is odd: stretches of neighbours that are.
  private mutating func deleteValues() throws {
    var chosen: [SeriesKey: [ClosedRange<Int64>]] = [:]
    var isOpen: [SeriesKey: Bool] = [:]
    for (key, cells) in model.visible().sorted(by: { $0.key < $1.key })
    where key.series.table == 1 {
      guard case .int(let power)? = cells[1], power % 2 != 0 else {
        isOpen[key.series] = false
        continue
      }
      if isOpen[key.series] == true, let last = chosen[key.series]?.popLast() {
        chosen[key.series]?.append(last.lowerBound...key.time)
      } else {
        chosen[key.series, default: []].append(key.time...key.time)
      }
      isOpen[key.series] = true
    }
    let spans = chosen.sorted { $0.key < $1.key }.map {
      SeriesSpans(device: $0.key.device, probe: $0.key.probe, times: $0.value)
    }
    try delete(spans, seenAt: store.durableLSN)
  }

  private mutating func delete(_ spans: [SeriesSpans], seenAt: LSN?) throws {
    let extent = try store.snapshot().extent(of: 1, spans)
    let rows = model.rows(of: 1, spans)
    history.append("delete \(rows.count) of \(spans.map { "\($0.device)/\($0.probe)" })")
    #expect(extent.rowCount == rows.count, "\(note): rows of the dry run")
    #expect(
      extent.seriesCount == Set(rows.keys.map(\.series)).count, "\(note): series of the dry run")
    let lsn = try store.delete(
      1, spans, extent: extent, seenAt: seenAt, actor: StoreBench.actor,
      cause: Cause(reason: "test"))
    #expect(lsn == store.durableLSN, "\(note)")
    if !spans.isEmpty { model.remove(1, spans, lsn: lsn) }
  }

  private mutating func setRetention() throws {
    let floors: [Int64] = [
      .min, StoreBench.start - 20 * 86_400 * second, StoreBench.start,
      StoreBench.start + Int64(random.below(50)) * 50_000_000,
    ]
    let floor = min(floors[random.below(4)], bench.clock.nowNanos())
    history.append("retention \(floor)")
    let (result, lsn) = try store.decide(actor: StoreBench.actor) {
      $0.setRetention("power", floor: floor, $1)
    }
    if case .failure(let refusal) = result { Issue.record("\(note): \(refusal)") }
    if floor != model.floor { model.setFloor(floor, lsn: lsn) }
  }

  private mutating func setPolicy() throws {
    let policy = ConflictPolicy.allCases[random.below(3)]
    history.append("policy \(policy)")
    _ = try store.decide(actor: StoreBench.actor) { $0.setConflictPolicy("power", policy, $1) }
    model.policy = policy
  }

  private mutating func resolve() throws {
    var conflicts: [Snapshot.Conflict] = []
    let failure = store.snapshot().conflicts(of: 1) { conflict -> Bool in
      conflicts.append(conflict)
      return conflicts.count < 50
    }
    if let failure { throw failure }
    guard !conflicts.isEmpty else { return }
    let conflict = conflicts[random.below(conflicts.count)]
    let chosen = conflict.versions[random.below(conflict.versions.count)]
    let key = RowKey(series: conflict.series, time: conflict.time)
    history.append("resolve \(key.series.device)/\(key.series.probe) \(key.time)")
    let lsn = try store.resolve(
      conflict.series, at: conflict.time, choosing: chosen.lsn, actor: StoreBench.actor)
    let cells = store.cells(chosen.values)
    #expect(
      model.state(of: key)?.live.contains { $0.cells == cells } == true, "\(note): a version")
    model.resolve(key, to: cells, lsn: lsn)
    let snapshot = store.snapshot()
    #expect(snapshot.registry.lifecycles.resolution(of: 1, lsn: lsn) == lsn - 1, "\(note)")
  }

  private mutating func settle() throws {
    let twin = TableID(1).quarantine
    let spans = series(of: twin).map {
      SeriesSpans(device: $0.device, probe: $0.probe, times: [.min ... .max])
    }
    let rows = model.rows(of: twin, spans)
    let isRelease = random.flip()
    var shift: Int64 = 0
    if let some = rows.keys.map(\.time).max(), random.flip(), rows.keys.allSatisfy({ abs(Double($0.time)) < 4e18 }) {
      shift = StoreBench.start - some
    }
    history.append("\(isRelease ? "release" : "drop") \(rows.count) by \(shift)")
    let lsn = store.durableLSN
    do throws(StorageError) {
      var result = try store.settleQuarantine(
        of: 1, spans, isRelease ? .released : .dropped, shift: shift, actor: StoreBench.actor)
      result.lsn = 0
      guard store.durableLSN > lsn else {
        #expect(rows.isEmpty, "\(note): settled nothing")
        return
      }
      if isRelease {
        #expect(
          model.release(spans, shift: shift, lsn: store.durableLSN) == result, "\(note): released")
      } else {
        model.remove(twin, spans, lsn: store.durableLSN)
        #expect(result == AppendResult(), "\(note): dropped")
      }
    } catch {
      var copy = model
      #expect(
        error.code == .conflict && isRelease && copy.release(spans, shift: shift, lsn: lsn) == nil,
        "\(note): \(error)")
    }
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
    store = try bench.open(Self.keepsRemoved)
    #expect(store.damages.isEmpty, "\(note) \(store.damages)")
    #expect(store.durableLSN == lsn, "\(note)")
    #expect(StoreReading.digest(store, note) == digest, "\(note)")
    let registry = store.snapshot().registry
    #expect(try Registry(checkpoint: registry.checkpoint().span.bytes) == registry, "\(note)")
  }

  // MARK: Comparison

  private mutating func compareAll() throws {
    try compare()
    for moment in moments { try compare(at: moment) }
  }

  private func compare() throws {
    let snapshot = store.snapshot()
    let rows = try StoreReading.rows(snapshot, note)
    let wanted = model.visible()
    if rows != wanted { Issue.record("\(note): \(StoreModelRun.difference(rows, wanted))") }
    var listed: [RowKey: [Cells: Int]] = [:]
    let failure = snapshot.conflicts(of: 1) { conflict -> Bool in
      let key = RowKey(series: conflict.series, time: conflict.time)
      let cells = conflict.versions.map { store.cells($0.values) }
      #expect(cells[0] == wanted[key], "\(note): the kept value of a conflict")
      listed[key] = Dictionary(cells.map { ($0, 1) }, uniquingKeysWith: +)
      return true
    }
    if let failure { throw failure }
    var expected: [RowKey: [Cells: Int]] = [:]
    for key in model.versions.keys where key.series.table == 1 {
      guard let live = model.state(of: key)?.live, live.count > 1 else { continue }
      expected[key] = Dictionary(live.map { ($0.cells, 1) }, uniquingKeysWith: +)
    }
    #expect(listed == expected, "\(note): conflicts")
  }

  private func compare(at lsn: LSN) throws {
    let past = store.snapshot().asKnown(at: lsn)
    do {
      let rows = try StoreReading.rows(past, "\(note) at \(lsn)")
      let wanted = model.visible(at: lsn)
      if rows != wanted {
        Issue.record("\(note) at \(lsn): \(StoreModelRun.difference(rows, wanted))")
      }
    } catch let error as StorageError {
      #expect(error.code == .invalid && lsn < forgotten, "\(note) at \(lsn): \(error)")
    }
  }
}

extension LifecycleModel {
  /// Gives what came in the last act its LSN.
  mutating func number(_ lsn: LSN) {
    for key in versions.keys {
      guard let last = versions[key]?.last, last.lsn == .max - 1 else { continue }
      for index in versions[key]!.indices where versions[key]![index].lsn == .max - 1 {
        versions[key]![index].lsn = lsn
      }
    }
  }
}

extension Store {
  fileprivate func cells(_ values: [(column: ColumnID, slot: Int64?)]) -> Cells {
    var cells: Cells = [:]
    let texts = Set(
      TableSchema.power.columns.filter { $0.type == .symbol || $0.type == .text }.map(\.id))
    for (column, slot) in values {
      guard let slot else { continue }
      cells[column] = texts.contains(column) ? .text(symbols.text(of: slot) ?? "?") : .int(slot)
    }
    return cells
  }
}

extension AppendResult {
  fileprivate static func + (a: AppendResult, b: AppendResult) -> AppendResult {
    var sum = a
    sum.new += b.new
    sum.same += b.same
    sum.conflict += b.conflict
    sum.quarantined += b.quarantined
    sum.expired += b.expired
    return sum
  }
}
