import Testing

@testable import TSEngine

/// How removed readings leave the files, and what can still be told of the past then.
@Suite struct RemovalTests {
  private let start = StoreBench.start
  private let second: Int64 = 1_000_000_000
  private let day: Int64 = 86_400_000_000_000

  private func rows(_ snapshot: Snapshot) throws -> Int { try StoreReading.rows(snapshot).count }

  private func spans(_ times: ClosedRange<Int64>) -> [SeriesSpans] {
    [SeriesSpans(device: "a", probe: 1, times: [times])]
  }

  @discardableResult
  private func delete(_ store: Store, _ spans: [SeriesSpans]) throws -> LSN {
    try store.delete(
      1, spans, extent: store.snapshot().extent(of: 1, spans), actor: Actor(.operator, "ann"))
  }

  private func append(_ store: Store, at time: Int64, count: Int = 900) throws {
    _ = try store.append(
      .power("a", at: time, probes: [1], count: count), creator: StoreBench.actor)
  }

  @Test func aDeleteIsReadableAsKnownUntilItsGraceIsOver_T12() throws {
    let bench = StoreBench()
    func open() throws -> Store { try bench.open { $0.removalGraceNanos = 7 * 86_400_000_000_000 } }
    var store = try open()
    try append(store, at: start)
    let before = store.durableLSN
    try delete(store, spans(start...(start + 10 * second)))
    for days in [0, 3, 3] as [Int64] {
      bench.clock.advance(nanos: days * day)
      try store.compact()
      #expect(try rows(store.snapshot()) == 699)
      #expect(try rows(store.snapshot().asKnown(at: before)) == 900, "the grace is not over")
      #expect(store.snapshot().manifest.removed.isEmpty)
      try store.close()
      store = try open()
    }
    bench.clock.advance(nanos: 2 * day)
    try store.compact()
    #expect(try rows(store.snapshot()) == 699)
    #expect(throws: StorageError.self) { _ = try store.snapshot().asKnown(at: before).scan(1) }
  }

  @Test func askedForByAPersonRemovedReadingsGoAtOnce_T12() throws {
    let store = try StoreBench().open { $0.removalGraceNanos = 7 * 86_400_000_000_000 }
    try append(store, at: start)
    try delete(store, spans(start...(start + 10 * second)))
    try store.compact(purges: true)
    #expect(store.snapshot().manifest.data.map(\.rowCount) == [699])
    #expect(store.snapshot().manifest.removed[1]?.parts.count == 1)
  }

  @Test func thePastIsRefusedForTheTimesThatWentAndForNoOthers_T12() throws {
    let bench = StoreBench()
    var store = try bench.open()
    try append(store, at: start - 3 * day)
    let first = store.durableLSN
    try append(store, at: start)
    let before = store.durableLSN
    let gone = try delete(store, spans(start...(start + 10 * second)))
    try store.compact()
    for _ in 0..<2 {
      let past = store.snapshot().asKnown(at: before)
      let whole = try past.scan(1, .init(times: (start - 4 * day)..<start))
      #expect(whole.stretches.reduce(0) { $0 + $1.rowCount } == 900, "another time")
      #expect(try past.scan(1, .init(times: (start + 20 * second)..<(start + day))).stretches.count == 1)
      let error = #expect(throws: StorageError.self) {
        _ = try past.scan(1, .init(times: start..<(start + second)))
      }
      #expect(error?.code == .invalid)
      #expect(try rows(store.snapshot().asKnown(at: first)) == 900, "the rows came later")
      #expect(try rows(store.snapshot().asKnown(at: gone)) == 1599)
      try store.close()
      store = try bench.open()
    }
  }

  @Test func onlyRowsThatReallyWentCount_T12() throws {
    let store = try StoreBench().open()
    try append(store, at: start)
    let before = store.durableLSN
    // Between two ticks.
    try delete(store, spans((start + 1)...(start + 2)))
    try store.compact()
    #expect(store.snapshot().manifest.removed.isEmpty)
    #expect(try rows(store.snapshot().asKnown(at: before)) == 900)
  }

  @Test func oneRemovedReadingIsNotWorthARewritingUntilNothingElseIsGoingOn() throws {
    let bench = StoreBench()
    let store = try bench.open()
    try append(store, at: start)
    try store.seal()
    func settle() {
      while case .idle(let nanos) = store.compactStep(), nanos < 1_000_000_000 {}
    }
    func ids() -> [UInt64] { store.snapshot().manifest.data.map(\.id) }
    let sealed = ids()
    try delete(store, spans(start...start))
    settle()
    #expect(ids() == sealed)
    try delete(store, spans(start...(start + 6 * second)))
    settle()
    #expect(ids() != sealed && store.snapshot().manifest.data.map(\.rowCount) == [779], "an eighth and more")
    let rewritten = ids()
    try delete(store, spans((start + 7 * second)...(start + 7 * second)))
    settle()
    #expect(ids() == rewritten)
    try store.compact()
    #expect(store.snapshot().manifest.data.map(\.rowCount) == [778])
  }

  @Test func aDeleteOfAllSeriesNamesNoneAndTakesThoseThatComeLaterNot_T11() throws {
    let bench = StoreBench()
    var store = try bench.open()
    for device in 0..<50 {
      _ = try store.append(.power("d\(device)", at: start, probes: [1]), creator: StoreBench.actor)
    }
    let all = [SeriesSpans.everySeries([start...(start + second / 2 - 1)])]
    let extent = try store.snapshot().extent(of: 1, all)
    #expect(extent.rowCount == 500 && extent.seriesCount == 50)
    try delete(store, all)
    guard case .readingsDeleted(_, let spans, let count, _)? = try store.snapshot().events().last?.kind else {
      Issue.record("no delete")
      return
    }
    #expect(spans.count == 1 && count == 500)
    _ = try store.append(.power("later", at: start, probes: [1]), creator: StoreBench.actor)
    for step in 0..<3 {
      #expect(try rows(store.snapshot()) == 520, "step \(step)")
      if step == 0 { try store.compact() }
      try store.close()
      store = try bench.open()
    }
  }

  @Test func removalsAreFoundWhateverLongOnesReachOver() {
    var random = SimRandom(seed: 7)
    for size in [0, 1, 15, 16, 17, 300, 5_000] {
      var removals = Removals()
      var all: [Removal] = []
      while all.count < size {
        let isBehind = random.below(3) > 0
        let new = (0..<(1 + random.below(40))).map { index in
          let first = Int64(isBehind ? all.count * 10 + index : random.below(all.count * 10 + 1))
          let length = random.below(20) == 0 ? random.below(100_000) : random.below(30)
          return Removal(first...(first + Int64(length)), lsn: LSN(all.count + index))
        }.sorted { $0.times.lowerBound < $1.times.lowerBound }
        removals.insert(new)
        all += new
      }
      for _ in 0..<50 {
        let first = Int64(random.below(size * 11 + 10))
        let times = first...(first + Int64(random.below(200)))
        var found: Set<LSN> = []
        removals.forEach(meeting: times) { found.insert($0.lsn) }
        #expect(found == Set(all.filter { $0.times.overlaps(times) }.map(\.lsn)), "\(size)")
      }
    }
  }

  @Test func thePartsOfWhatWentAreBoundedAndForgetNothing() {
    var random = SimRandom(seed: 3)
    var removed = RemovedRows(limit: 8)
    var all: [RemovedRows.Part] = []
    for lsn in 1...200 as ClosedRange<LSN> {
      let first = Int64(random.below(100_000))
      let part = RemovedRows.Part(first...(first + Int64(random.below(500))), from: lsn, removedLSN: lsn + 9)
      removed.insert(part)
      all.append(part)
      #expect(removed.parts.count <= 8)
    }
    for part in all {
      #expect(removed.known(at: part.oldestLSN, within: part.times) != nil)
      #expect(removed.known(at: part.removedLSN - 1, within: part.times) != nil)
    }
    #expect(removed.known(at: 300, within: .min ... .max) == nil)
  }

  @Test func whatAnOlderVersionSaidOfRemovedRowsIsStillRead() throws {
    // Kind 9, table 1, LSN 300.
    let bytes: [UInt8] = [9, 1, 0xAC, 0x02]
    let edit = try ManifestEdit(decoding: bytes.rawSpan)
    #expect(edit == .removedRows(table: 1, .init(.min ... .max, from: 0, removedLSN: 300)))
    var out = ByteWriter()
    edit.encode(into: &out)
    #expect(try ManifestEdit(decoding: out.bytes.rawSpan) == edit && out.bytes[0] == 11)
  }

  // MARK: Retention by age

  @Test func retentionByAgeFollowsTheClockAndIsAnEventEachTime_T11() throws {
    let bench = StoreBench()
    var store = try bench.open()
    for age in 0..<6 as Range<Int64> { try append(store, at: start - age * 20 * day, count: 20) }
    #expect(try store.retentionStep() == 0, "no table has one")
    let age = try #require(RetentionAge("50d"))
    let extent = try store.snapshot().extent(of: 1, olderThan: age, now: bench.clock.nowNanos())
    #expect(extent.rowCount == 60 && extent.seriesCount == 1 && extent.byteCount > 0)
    #expect(try rows(store.snapshot()) == 120, "a dry run takes nothing")
    try store.decide(actor: Actor(.operator, "ann"), cause: Cause(reason: "contract")) {
      $0.setTypeSetting("power", "retention", "50d", $1)
    }.result.get()
    #expect(try store.retentionStep() == 1)
    #expect(try store.retentionStep() == 0, "the same floor is no event")
    #expect(try rows(store.snapshot()) == 60, "at once, for readers")
    let event = try #require(try store.snapshot().events().last)
    #expect(event.kind.name == "retention.set" && event.actor == Actor(.system, "retention"))
    #expect(event.cause.reason == "retention = 50d")
    bench.clock.advance(nanos: 11 * day)
    #expect(try store.retentionStep() == 0, "nothing new has come")
    try append(store, at: start + 11 * day, count: 20)
    _ = store.maintain()
    #expect(try rows(store.snapshot()) == 60, "maintenance follows the clock: 20 came, 20 went")
    try store.close()
    store = try bench.open()
    #expect(try rows(store.snapshot()) == 60)
    try store.compact()
    #expect(store.snapshot().manifest.data.reduce(0) { $0 + $1.rowCount } == 60, "and the files do")
    try store.setRetention("power", nil, actor: StoreBench.actor)
    bench.clock.advance(nanos: 100 * day)
    #expect(try store.retentionStep() == 0 && rows(store.snapshot()) == 60)
  }

  /// A clock that is years ahead takes nothing that the devices still send.
  @Test func aClockThatIsAheadRaisesNoFloorPastTheReadings_T11() throws {
    let bench = StoreBench()
    let store = try bench.open()
    for age in 0..<3 as Range<Int64> { try append(store, at: start - age * 20 * day, count: 20) }
    bench.clock.jump(toNanos: start + 3_650 * day)
    // An event stamped by it stays the newest for ever.
    _ = try store.decide(actor: StoreBench.actor) { $0.createUser("eve", $1) }
    try store.setRetention("power", "50d", actor: StoreBench.actor)
    #expect(try store.retentionStep() == 0 && rows(store.snapshot()) == 60)
    bench.clock.jump(toNanos: start)
    #expect(try store.retentionStep() == 0 && rows(store.snapshot()) == 60)
    try append(store, at: start + second, count: 20)
    #expect(try rows(store.snapshot()) == 80, "what comes is stored")
  }

  /// Who keeps longer takes late readings in again; what went stays gone.
  @Test func aLongerAgeLowersTheFloor_T11() throws {
    let store = try StoreBench().open()
    for age in 0..<3 as Range<Int64> { try append(store, at: start - age * 20 * day, count: 20) }
    try store.setRetention("power", "10d", actor: StoreBench.actor)
    #expect(try rows(store.snapshot()) == 20)
    for (age, lowest) in [("30d", start - 30 * day), (nil, .min)] as [(String?, Int64)] {
      try store.setRetention("power", age, actor: StoreBench.actor)
      #expect(store.registry.lifecycles.floor(of: 1) <= lowest)
    }
    #expect(try rows(store.snapshot()) == 20)
    try append(store, at: start - 20 * day, count: 20)
    #expect(try rows(store.snapshot()) == 40)
  }

  @Test func anAgeIsAWholeNumberAndAUnitAndItsFloorsLieOnAGrid() throws {
    for text in ["", "d", "0d", "1s", "-3d", "3", "3 d", "1.5d", "99999999999d", "4y"] {
      #expect(RetentionAge(text) == nil, "\(text)")
    }
    for (text, step) in [("400d", day), ("32d", day), ("31d", 3_600 * second), ("2h", 60 * second), ("90s", second)] {
      let age = try #require(RetentionAge(text))
      for now in [start, start + 12_345_678_912_345, -5] {
        let floor = age.floor(at: now)
        #expect(floor % step == 0 && floor <= now - age.nanos && floor > now - age.nanos - step, "\(text)")
      }
    }
    let store = try StoreBench().open()
    #expect(throws: Refusal.invalidValue) {
      try store.decide(actor: StoreBench.actor) { $0.setTypeSetting("power", "retention", "soon", $1) }.result.get()
    }
  }
}
