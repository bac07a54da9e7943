import Glibc
import Synchronization
import Testing

@testable import TSEngine

/// The store as its callers see it, over the simulated disk.
@Suite struct StoreTests {
  let bench = StoreBench()
  let start = StoreBench.start

  private func reopened(_ store: Store) throws -> Store {
    try store.close()
    return try bench.open()
  }

  @Test func whatWasAppendedIsReadBeforeAndAfterReopening() throws {
    var store = try bench.open()
    let result = try store.append(.power("m1", at: start), creator: StoreBench.actor)
    #expect(result.new == 60 && result.same == 0 && result.conflict == 0)
    #expect(result.lsn == store.durableLSN)
    let rows = try StoreReading.rows(store.snapshot())
    #expect(rows.count == 60)
    #expect(
      rows[RowKey(series: SeriesKey(table: 1, device: "m1", probe: 2), time: start + 50_000_000)]
        == [1: .int(201), 3: .int(2300)])
    let digest = StoreReading.digest(store)
    store = try reopened(store)
    #expect(try StoreReading.rows(store.snapshot()) == rows)
    #expect(StoreReading.digest(store) == digest)
    #expect(store.durableLSN == result.lsn && store.damages.isEmpty)
  }

  /// P-05: the same body again is 60 times the same, wherever the first one is by now.
  @Test func theSameBodyTwiceIsSameAcrossReopenSealAndCompaction() throws {
    var store = try bench.open()
    let batch = FrameBatch.power("m1", at: start)
    #expect(try store.append(batch, creator: StoreBench.actor).new == 60)
    func expectSame(_ note: String) throws {
      let before = store.durableLSN
      let again = try store.append(batch)
      #expect(again.same == 60 && again.new == 0 && again.conflict == 0, "\(note)")
      #expect(store.durableLSN == before, "\(note): nothing is written")
    }
    try expectSame("head")
    store = try reopened(store)
    try expectSame("reopened")
    try store.seal()
    try expectSame("sealed")
    store = try reopened(store)
    try expectSame("sealed and reopened")
    _ = try store.append(.power("m1", at: start + 1_000_000_000))
    try store.compact()
    try expectSame("compacted")
    store = try reopened(store)
    try expectSame("compacted and reopened")
  }

  /// P-06, T-03: the later values win, both versions stay.
  @Test func ofConflictingValuesTheLaterWinAndBothStay() throws {
    var store = try bench.open()
    _ = try store.append(.power("m1", at: start, probes: [1]), creator: StoreBench.actor)
    let conflict = try store.append(.power("m1", at: start, probes: [1], count: 5, value: 7))
    #expect(conflict.conflict == 5 && conflict.new == 0)
    let key = RowKey(series: SeriesKey(table: 1, device: "m1", probe: 1), time: start)
    func expectBoth(_ note: String) throws {
      #expect(try StoreReading.rows(store.snapshot())[key]?[1] == .int(107), "\(note)")
      let versions = try StoreReading.versions(store)
      #expect(versions.values.reduce(0, +) == 25, "\(note)")
      #expect(versions.keys.filter { $0.key == key }.count == 2, "\(note)")
    }
    try expectBoth("head")
    store = try reopened(store)
    try expectBoth("reopened")
    try store.seal()
    try expectBoth("sealed")
    _ = try store.append(.power("m1", at: start + 1_000_000_000, probes: [1], count: 1))
    try store.compact()
    _ = try store.append(.power("m1", at: start + 1_000_000_000, probes: [1], count: 1))
    store = try reopened(store)
    #expect(try StoreReading.versions(store).values.reduce(0, +) == 26)
    // Back to the first value: a third version, the first one again the one that is read.
    #expect(try store.append(.power("m1", at: start, probes: [1], count: 1)).conflict == 1)
    for step in 0..<4 {
      if step == 1 { try store.seal() }
      if step == 2 { try store.compact() }
      if step == 3 { store = try reopened(store) }
      #expect(try StoreReading.rows(store.snapshot())[key]?[1] == .int(100))
      #expect(try StoreReading.versions(store).values.reduce(0, +) == 27, "step \(step)")
    }
  }

  @Test func absurdTimesAreHeldBackInTheTwinTableAndNothingElseIs() throws {
    var store = try bench.open()
    let limit = start + 300_000_000_000
    // 20 samples, of which those after the limit are held back.
    let straddling = try store.append(
      .power("m1", at: limit - 450_000_000, probes: [1]), creator: StoreBench.actor)
    #expect(straddling.new == 10 && straddling.quarantined == 10)
    let past = try store.append(.power("m1", at: 946_684_800_000_000_000 - 50_000_000, probes: [2]))
    #expect(past.new == 19 && past.quarantined == 1)
    for extreme in [Int64.min, Int64.min + 7, Int64.max - 2_000_000_000] {
      #expect(try store.append(.power("m1", at: extreme, probes: [3])).quarantined == 20)
    }
    var wide = FrameBatch(table: 1)
    wide.beginFrame(device: "m1")
    wide.beginRun(probe: 4, times: .explicit([.min, 0, start, .max]))
    wide.add(1, [1, 2, 3, 4])
    let extremes = try store.append(wide)
    #expect(extremes.new == 1 && extremes.quarantined == 3)
    let before = try StoreReading.rows(store.snapshot())
    #expect(before.keys.filter { $0.series.table.isQuarantine }.count == 11 + 60 + 3)
    #expect(try store.append(wide).same == 4)
    for step in 0..<4 {
      if step == 1 { try store.seal() }
      if step == 2 { try store.compact() }
      if step == 3 { store = try reopened(store) }
      #expect(try StoreReading.rows(store.snapshot()) == before, "step \(step)")
      #expect(try store.append(wide).same == 4)
    }
  }

  @Test func lateFramesOfAnyAgeAndDuplicatesWithinABatchAreSorted() throws {
    var store = try bench.open()
    let day: Int64 = 86_400_000_000_000
    for age in [0, 1, 400, 2, 7_000, 3] as [Int64] {
      #expect(
        try store.append(
          .power("m1", at: start - age * day, probes: [1]), creator: StoreBench.actor
        ).new == 20)
    }
    var batch = FrameBatch(table: 1)
    batch.addPower("m1", at: start + 2_000_000_000, probes: [1])
    batch.addPower("m1", at: start + 2_000_000_000, probes: [1])
    batch.addPower("m1", at: start + 2_500_000_000, probes: [1])
    batch.addPower("m1", at: start + 2_000_000_000, probes: [1, 1], count: 2, value: 9)
    let result = try store.append(batch)
    // The third frame repeats ten instants with other values; the fourth has two conflicts, twice.
    #expect(result.new == 30 && result.same == 22 && result.conflict == 12)
    let rows = try StoreReading.rows(store.snapshot())
    #expect(rows.count == 150)
    for step in 0..<3 {
      if step == 0 { store = try reopened(store) }
      if step == 1 { try store.seal() }
      if step == 2 { try store.compact() }
      #expect(try StoreReading.rows(store.snapshot()) == rows, "step \(step)")
    }
  }

  @Test func twoValuesOfOneInstantInOneFrameReadTheSameBeforeAndAfterSealing() throws {
    var batch = FrameBatch(table: 1)
    batch.beginFrame(device: "m1")
    for (offset, value) in [(100, 1), (0, 2)] as [(Int64, Int64)] {
      let instants = (0..<8).map { start + offset + Int64($0) * 100 }
      batch.beginRun(probe: 1, times: .explicit(instants))
      batch.add(1, [Int64](repeating: value, count: 8))
    }
    var store = try bench.open()
    let result = try store.append(batch, creator: StoreBench.actor)
    #expect(result.new == 9 && result.conflict == 7)
    let key = RowKey(series: SeriesKey(table: 1, device: "m1", probe: 1), time: start + 100)
    for step in 0..<4 {
      if step == 1 { store = try reopened(store) }
      if step == 2 { try store.seal() }
      if step == 3 { try store.compact() }
      #expect(try StoreReading.rows(store.snapshot())[key] == [1: .int(2)], "step \(step)")
    }
  }

  @Test func snapshotsDoNotChangeWhateverTheStoreDoes() throws {
    let store = try bench.open()
    _ = try store.append(.power("m1", at: start), creator: StoreBench.actor)
    let snapshot = store.snapshot()
    let rows = try StoreReading.rows(snapshot)
    for round in 1...40 as ClosedRange<Int64> {
      let value: Int64 = round % 3 == 0 ? 5 : 0
      _ = try store.append(.power("m1", at: start + round % 7 * 400_000_000, value: value))
      _ = try store.append(.power("m\(round)", at: start), creator: StoreBench.actor)
      if round % 10 == 0 { try store.seal() }
      if round % 20 == 0 { try store.compact() }
    }
    #expect(try StoreReading.rows(snapshot) == rows)
    #expect(snapshot.registry.devices.contains("m1") && !snapshot.registry.devices.contains("m2"))
    #expect(try snapshot.events().count < store.snapshot().events().count)
  }

  @Test func closedChunksOfManyRowsAreCutAtTheSnapshotsLSN() throws {
    let store = try bench.open()
    var counts: [Int] = []
    var snapshots: [Snapshot] = []
    for second in 0..<120 as Range<Int64> {
      _ = try store.append(
        .power("m1", at: start + second * 1_000_000_000, probes: [1]), creator: StoreBench.actor)
      if second % 9 == 0 {
        snapshots.append(store.snapshot())
        counts.append(Int(second + 1) * 20)
      }
    }
    for (snapshot, count) in zip(snapshots, counts) {
      #expect(try StoreReading.rows(snapshot).count == count)
    }
  }

  /// Cold and packed again: the same rows, and a second compaction has nothing to do.
  @Test func compactionGivesOldBlocksTheColdForm() throws {
    let store = try bench.open()
    for round in 0..<40 as Range<Int64> {
      _ = try store.append(
        .power("m", at: start + round * 1_000_000_000, value: round % 4), creator: StoreBench.actor)
    }
    func forms() throws -> [Bool] {
      try store.snapshot().segments.flatMap { try $0.directory().table.rows.map(\.isCold) }
    }
    func ids() -> [UInt64] { store.snapshot().segments.map(\.id) }
    try store.compact()
    let rows = try StoreReading.rows(store.snapshot())
    #expect(try !forms().isEmpty && forms().allSatisfy { !$0 }, "just measured")
    let packed = store.snapshot().segments.reduce(0) { $0 + $1.byteCount }
    bench.clock.advance(nanos: store.options.coldAfterNanos + 3_600_000_000_000)
    try store.compact()
    #expect(try forms().allSatisfy { $0 }, "a week old")
    #expect(store.snapshot().segments.reduce(0) { $0 + $1.byteCount } < packed)
    #expect(try StoreReading.rows(store.snapshot()) == rows)
    let before = ids()
    try store.compact()
    try store.compact(.cold)
    #expect(ids() == before)
    try store.compact(.packed)
    #expect(try forms().allSatisfy { !$0 })
    #expect(store.snapshot().segments.reduce(0) { $0 + $1.byteCount } == packed)
    #expect(try StoreReading.rows(store.snapshot()) == rows)
    try store.compact(.cold)
    let reopened = try reopened(store)
    #expect(try StoreReading.rows(reopened.snapshot()) == rows)
  }

  @Test func compactionChangesNoRowAndKeepsWhatIsSuperseded() throws {
    var store = try bench.open()
    for round in 0..<12 as Range<Int64> {
      _ = try store.append(
        .power("m\(round % 3)", at: start + round / 3 * 700_000_000, value: round % 4),
        creator: StoreBench.actor)
      if round % 3 == 2 { try store.seal() }
    }
    let rows = try StoreReading.rows(store.snapshot())
    let versions = try StoreReading.versions(store)
    #expect(store.snapshot().segments.count > 3)
    try store.compact()
    #expect(store.snapshot().segments.count == 1)
    #expect(try StoreReading.rows(store.snapshot()) == rows)
    #expect(try StoreReading.versions(store) == versions)
    store = try reopened(store)
    #expect(try StoreReading.rows(store.snapshot()) == rows)
    #expect(try StoreReading.versions(store) == versions)
    try store.compact()
    #expect(try StoreReading.versions(store) == versions)
  }

  @Test func devicesAreMadeByTheirFirstFrameOnlyForACreator() throws {
    let store = try bench.open()
    let refusal = #expect(throws: StorageError.self) { _ = try store.append(.power("m1", at: start)) }
    #expect(refusal?.code == .invalid)
    #expect(try StoreReading.rows(store.snapshot()).isEmpty && store.durableLSN == 0)
    _ = try store.append(.power("m1", at: start), creator: StoreBench.actor)
    #expect(store.snapshot().registry.devices.contains("m1"))
    for bad in ["", "a b", String(repeating: "x", count: 129), "ä"] {
      let error = #expect(throws: StorageError.self) {
        _ = try store.append(.power(bad, at: start), creator: StoreBench.actor)
      }
      #expect(error?.code == .invalid)
    }
    var unknown = FrameBatch(table: 1)
    unknown.beginFrame(device: "m1")
    unknown.beginRun(probe: 1, times: .explicit([start]))
    unknown.add(99, [1])
    #expect(throws: StorageError.self) { _ = try store.append(unknown) }
    #expect(throws: StorageError.self) { _ = try store.append(FrameBatch(table: 77)) }
  }

  @Test func aColumnAddedToAnOpenTableIsStoredFromThenOn() throws {
    var store = try bench.open()
    func declare(_ names: [String]) throws -> TableSchema {
      try store.decide(actor: StoreBench.actor) { registry, context in
        registry.declareType(
          "weather",
          columns: names.enumerated().map {
            ColumnSchema(id: ColumnID($0.offset + 1), name: $0.element, type: .int)
          }, defaultSpanNanos: 1_000_000_000, context)
      }.result.get()
    }
    var schema = try declare(["a"])
    func send(_ second: Int64, _ columns: [ColumnID]) throws {
      var batch = FrameBatch(table: schema.id)
      batch.beginFrame(device: "w")
      batch.beginRun(
        probe: 1,
        times: .regular(
          RegularTimes(start: start + second * 1_000_000_000, span: 1_000_000_000, count: 500)!))
      for column in columns { batch.add(column, (0..<500).map { second * 1000 + Int64($0) }) }
      _ = try store.append(batch, creator: StoreBench.actor)
    }
    // Three runs close a chunk, so that the head has encoded this table before the column comes.
    for second in 0..<4 as Range<Int64> { try send(second, [1]) }
    schema = try declare(["a", "b"])
    for second in 4..<12 as Range<Int64> { try send(second, [1, 2]) }
    let rows = try StoreReading.rows(store.snapshot())
    #expect(rows.count == 6_000)
    #expect(rows.values.filter { $0[2] != nil }.count == 4_000)
    try store.seal()
    #expect(try StoreReading.rows(store.snapshot()) == rows)
    store = try reopened(store)
    #expect(try StoreReading.rows(store.snapshot()) == rows)
  }

  @Test func messagesAreRecordedWithTheirFrames() throws {
    var store = try bench.open()
    var message = ReceivedMessage(device: "m1", interface: "mqtt", topic: "t/m1")
    message.extras = "{\"rssi\":-70}"
    let result = try store.append(
      .power("m1", at: start), creator: StoreBench.actor, messages: [message])
    // Again, by a caller who makes no devices: no frame is stored, the message is.
    _ = try store.append(.power("m1", at: start), messages: [message])
    func check(_ records: [OperationalRecord], _ note: String) {
      #expect(records.count == 2, "\(note)")
      #expect(records.allSatisfy { $0.recordedAt == start }, "\(note): recorded when")
      guard case .messageReceived(let first)? = records.first?.kind else {
        Issue.record("\(note): no message")
        return
      }
      #expect(first.frameLSN == result.lsn - 1 && first.extras == message.extras)
    }
    check(Array(try #require(store.shared.live.withLock { $0.heads.last }).records.all), "head")
    store = try reopened(store)
    check(Array(try #require(store.shared.live.withLock { $0.heads.last }).records.all), "reopened")
    try store.seal()
    let sealed = store.snapshot().manifest.journals.filter { $0.content == .operational }
    #expect(sealed.count == 1)
    let content = try JournalSegment.read(
      bench.disk, directory: StoreBench.path, store: store.storeID, id: sealed[0].id)
    check(
      try content.records.map { try Journal.decodeRecord($0.bytes.rawSpan, lsn: $0.lsn) }, "sealed")
  }

  @Test func aMessageThatCannotBeStoredRefusesItsWholeRequest() throws {
    let store = try bench.open()
    _ = try store.append(.power("m1", at: start), creator: StoreBench.actor)
    var message = ReceivedMessage(device: "m1", interface: "mqtt", topic: "t")
    message.payload = [UInt8](repeating: 0, count: Journal.maximumByteCount + 1)
    let outcome = Latch<Result<AppendResult, StorageError>>()
    let other = Latch<Result<AppendResult, StorageError>>()
    try store.append(
      .init(.power("m1", at: start + 1_000_000_000), messages: [message]), done: outcome.fulfil)
    try store.append(.init(.power("m1", at: start + 2_000_000_000)), done: other.fulfil)
    store.writing?.writer.drive()
    #expect(throws: StorageError.self) { _ = try outcome.wait().get() }
    #expect(try other.wait().get().new == 60)
    let times = Set(try StoreReading.rows(store.snapshot()).keys.map(\.time))
    #expect(!times.contains(start + 1_000_000_000) && times.contains(start + 2_000_000_000))
  }

  /// Three requests that fit a batch each, but not together: none of them may be refused for the
  /// company it keeps.
  @Test func requestsTooLargeForOneBatchTogetherAreCommittedOneAfterTheOther() throws {
    let store = try bench.open()
    _ = try store.append(.power("m1", at: start), creator: StoreBench.actor)
    var outcomes: [Latch<Result<AppendResult, StorageError>>] = []
    for second in 1...3 {
      var messages: [ReceivedMessage] = []
      for _ in 0..<9 {
        var message = ReceivedMessage(device: "m1", interface: "http", topic: "t")
        message.extras = String(repeating: "x", count: 1_000_000)
        messages.append(message)
      }
      let outcome = Latch<Result<AppendResult, StorageError>>()
      try store.append(
        .init(.power("m1", at: start + Int64(second) * 1_000_000_000), messages: messages),
        done: outcome.fulfil)
      outcomes.append(outcome)
    }
    store.writing?.writer.drive()
    for outcome in outcomes { #expect(try outcome.wait().get().new == 60) }
  }

  /// A frame of two instants, an old known one and a new one, must not cost the rows between.
  @Test func instantsFarApartAreLookedUpWhereTheyAre() throws {
    let store = try bench.open()
    for second in 0..<200 {
      let batch = FrameBatch.power("m1", at: start + Int64(second) * 1_000_000_000, probes: [1])
      _ = try store.append(batch, creator: StoreBench.actor)
    }
    try store.seal()
    let sources = SeriesSources(live: store.shared.live.withLock { $0 })
    let key = SeriesKey(table: 1, device: "m1", probe: 1)
    let far = SampleTimes.explicit([start, start + 86_400_000_000_000])
    let all = try #require(try sources.rows(of: key, number: 0, at: far))
    #expect(all.times.first == start)
    let between = SampleTimes.explicit([start - 1, start + 86_400_000_000_000])
    #expect(try sources.rows(of: key, number: 0, at: between) == nil)
    var batch = FrameBatch(table: 1)
    batch.beginFrame(device: "m1")
    batch.beginRun(probe: 1, times: .explicit([start, start + 7_000_000_000_001]))
    batch.add(1, [0, 0])
    let result = try store.append(batch)
    #expect(result.new + result.conflict + result.same + result.quarantined == 2)
  }

  /// Closing waits for whoever leads, serves what waits, and leads for good.
  @Test func closingWhileOthersCommitLosesNothingThatWasAnswered() throws {
    var options = bench.options()
    options.maintainsItself = true
    options.scheduler = ThreadScheduler()
    options.clock = SystemClock()
    let store = try Store.open(StoreBench.path, options)
    let base = SystemClock().nowNanos() / 1_000_000_000 * 1_000_000_000 - 3_600_000_000_000
    _ = try store.append(.power("m0", at: base), creator: StoreBench.actor)
    let answered = Mutex([Int]())
    let workers = try (1...4).map { worker in
      try ThreadScheduler().run("worker-\(worker)") {
        for second in 0..<200 {
          let batch = FrameBatch.power(
            "w\(worker)", at: base + Int64(second) * 1_000_000_000, probes: [1])
          guard (try? store.append(batch, creator: StoreBench.actor)) != nil else { return .done }
          answered.withLock { $0.append(worker * 1000 + second) }
        }
        return .done
      }
    }
    while answered.withLock({ $0.count }) < 40 { sched_yield() }
    try store.close()
    for worker in workers { worker.join() }
    let again = try bench.open()
    let times = Set(try StoreReading.rows(again.snapshot()).keys.map { "\($0.series.device) \($0.time)" })
    for mark in answered.withLock({ $0 }) {
      #expect(times.contains("w\(mark / 1000) \(base + Int64(mark % 1000) * 1_000_000_000)"))
    }
  }

  /// L-29: of two racing claims one wins and the other is told.
  @Test func ofTwoRacingClaimsOneWins() throws {
    var store = try bench.open()
    _ = try store.decide(actor: StoreBench.actor) {
      $0.discover(lampi: "b827eb08451e", interface: "mqtt", $1)
    }
    var users: [UserID] = []
    for name in ["ann", "bob"] {
      users.append(
        try store.decide(actor: StoreBench.actor) { $0.createUser(name, $1) }.result.get())
    }
    let code = store.snapshot().registry.code("b827eb08451e")
    let context = DecisionContext(
      now: bench.clock.nowNanos(), actor: StoreBench.actor, random: SimRNG(seed: 3))
    let outcomes = Latch<Bool>()
    let refusals = Latch<Refusal>()
    for user in users {
      try store.submit(
        .decide(
          { registry in
            let decision = registry.claim(code: code, by: user, context)
            switch decision.result {
            case .success: outcomes.fulfil(true)
            case .failure(let refusal): refusals.fulfil(refusal)
            }
            return decision.events
          }, { _ in }))
    }
    store.writing?.writer.drive()
    #expect(outcomes.current == true && refusals.current != nil)
    #expect(store.snapshot().registry.associations.owner(of: "b827eb08451e") == users[0])
    let digest = StoreReading.digest(store)
    for step in 0..<4 {
      if step == 1 { try store.seal() }
      if step == 3 { try store.compact() }
      store = try reopened(store)
      #expect(StoreReading.digest(store) == digest, "step \(step)")
    }
  }

  @Test func aSecondWriterIsRefusedAndClosingFreesTheStore() throws {
    let store = try bench.open()
    let busy = #expect(throws: StorageError.self) { _ = try bench.open() }
    #expect(busy?.code == .busy)
    try store.close()
    try store.close()
    let closed = #expect(throws: StorageError.self) {
      _ = try store.append(.power("m1", at: start), creator: StoreBench.actor)
    }
    #expect(closed?.code == .closed)
    try bench.open().close()
    var options = bench.options()
    options.createIfMissing = false
    let missing = #expect(throws: StorageError.self) { _ = try Store.open("nowhere", options) }
    #expect(missing?.code == .notFound)
  }

  @Test func aReaderBesideTheWriterSeesWhatIsWitnessed() throws {
    let store = try bench.open()
    _ = try store.append(.power("m1", at: start), creator: StoreBench.actor)
    _ = store.maintain()
    let first = try bench.openReader()
    #expect(try StoreReading.rows(first.snapshot()).count == 60)
    let refused = #expect(throws: StorageError.self) {
      _ = try first.append(.power("m1", at: start), creator: StoreBench.actor)
    }
    #expect(refused?.code == .closed)
    // Nothing follows the second batch: it is durable, but nobody beside the writer knows.
    _ = try store.append(.power("m2", at: start), creator: StoreBench.actor)
    let second = try bench.openReader()
    #expect(try StoreReading.rows(second.snapshot()).count == 60)
    #expect(!second.snapshot().registry.devices.contains("m2"))
    _ = StoreReading.digest(second)
    _ = store.maintain()
    #expect(try StoreReading.rows(bench.openReader().snapshot()).count == 120)
    try store.seal()
    _ = try store.append(.power("m1", at: start, value: 3))
    try store.compact()
    #expect(try StoreReading.rows(first.snapshot()).count == 60)
    let third = try bench.openReader()
    #expect(try StoreReading.rows(third.snapshot()) == StoreReading.rows(store.snapshot()))
    try store.close()
    #expect(try StoreReading.rows(bench.openReader().snapshot()).count == 120)
  }

  @Test func commitTimesTellWhenRowsWereReceived() throws {
    var store = try bench.open()
    var received: [LSN: Int64] = [:]
    for round in 0..<6 as Range<Int64> {
      bench.clock.advance(nanos: 5_000_000)
      let time = bench.clock.nowNanos()
      if round % 2 == 0 {
        let lsn = try store.append(
          .power("m1", at: start + round * 1_000_000_000), creator: StoreBench.actor
        ).lsn
        received[lsn] = time
      } else {
        var bulk = try store.bulkWriter(1, creator: StoreBench.actor)
        try bulk.append(.power("m1", at: start + round * 1_000_000_000))
        received[try bulk.commit().lsn] = time
      }
    }
    for step in 0..<4 {
      if step == 1 { store = try reopened(store) }
      if step == 2 { try store.seal() }
      if step == 3 { store = try reopened(store) }
      for (lsn, time) in received {
        #expect(store.snapshot().commitTime(of: lsn) == time, "step \(step) lsn \(lsn)")
      }
    }
  }
}
