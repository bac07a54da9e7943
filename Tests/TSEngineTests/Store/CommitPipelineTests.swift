import Foundation
import Glibc
import Synchronization
import Testing

@testable import TSEngine

/// Groups that are written while those before them are not yet durable.
@Suite struct CommitPipelineTests {
  private typealias Answer = Latch<Result<AppendResult, StorageError>>

  private static func submit(_ batches: [FrameBatch], to store: Store) throws -> [Answer] {
    try batches.map { batch in
      let answer = Answer()
      try store.append(.init(batch, creator: StoreBench.actor), done: answer.fulfil)
      return answer
    }
  }

  private func opened(_ bench: StoreBench) throws -> Store { try bench.open { $0.lookahead = 3 } }

  @Test func groupsUnderWayAreWrittenBeforeTheFirstIsSynced() throws {
    let bench = StoreBench()
    let store = try opened(bench)
    _ = try store.append(.power("m0", at: StoreBench.start), creator: StoreBench.actor)
    let syncs = bench.disk.count(of: .sync)
    let answers = try Self.submit((1...3).map { .power("m\($0)", at: StoreBench.start) }, to: store)
    store.writing?.writer.drive()
    for answer in answers { #expect(try answer.current?.get().new == 60) }
    #expect(bench.disk.count(of: .sync) == syncs + 1, "one sync covers what was written before it")
    #expect(try StoreReading.rows(store.snapshot()).count == 240)
  }

  /// "Same" is acknowledged only once the original is durable, and is not stored twice.
  @Test func aRetransmissionWaitsForItsOriginalUnderWay() throws {
    let bench = StoreBench()
    let store = try opened(bench)
    let batch = FrameBatch.power("m1", at: StoreBench.start)
    let answers = try Self.submit([batch, batch, batch], to: store)
    store.writing?.writer.drive()
    #expect(try answers.map { try #require($0.current).get().new } == [60, 0, 0])
    #expect(try answers.map { try #require($0.current).get().same } == [0, 60, 60])
    #expect(try StoreReading.versions(store).count == 60)
  }

  /// Of two racing decisions the second sees the first, durable or not; when the first is lost, so is
  /// what was decided by it (L-29).
  @Test func aDecisionSeesTheGroupsUnderWay() throws {
    for failsSync in [false, true] {
      let bench = StoreBench()
      let store = try opened(bench)
      _ = try store.append(.power("m0", at: StoreBench.start), creator: StoreBench.actor)
      var answers: [(Latch<Bool>, Latch<Result<LSN, StorageError>>)] = []
      for _ in 0..<2 {
        let (isNew, answer) = (Latch<Bool>(), Latch<Result<LSN, StorageError>>())
        answers.append((isNew, answer))
        let context = DecisionContext(
          now: StoreBench.start, actor: StoreBench.actor, cause: Cause(), random: SimRNG(seed: 1))
        try store.submit(
          .decide(
            { registry in
              let decision = registry.createUser("eve", context)
              isNew.fulfil(!decision.events.isEmpty)
              return decision.events
            }, answer.fulfil))
      }
      if failsSync {
        bench.disk.plan([SimFault(.nth(.sync, bench.disk.count(of: .sync)), .error(EIO))])
      }
      store.writing?.writer.drive()
      #expect(answers.map { $0.0.current } == [true, false], "the second sees the first")
      for (_, answer) in answers {
        let isAcknowledged = if case .success? = answer.current { true } else { false }
        #expect(isAcknowledged == !failsSync, "a refusal by what is lost is no answer either")
      }
      #expect((store.failure != nil) == failsSync)
    }
  }

  /// Behind a group that has nothing to write the next one still decides on the whole registry.
  @Test func aGroupWithNothingToWriteHidesNoRegistry() throws {
    let bench = StoreBench()
    var store = try opened(bench)
    _ = try store.decide(actor: StoreBench.actor) { $0.createUser("eve", $1) }.result.get()
    let declared = try store.decide(actor: StoreBench.actor) {
      $0.declareType(
        "weather", columns: [ColumnSchema(id: 0, name: "hum", type: .int)],
        defaultSpanNanos: 1_000_000_000, $1)
    }.result.get()
    try store.close()
    store = try opened(bench)
    let before = try store.snapshot().events().map(\.kind.name)
    let context = DecisionContext(
      now: StoreBench.start, actor: StoreBench.actor, cause: Cause(), random: SimRNG(seed: 1))
    try store.submit(.decide({ _ in [] }, { _ in }))
    var batch = FrameBatch(table: declared.id)
    batch.beginFrame(device: "w1")
    batch.beginRun(probe: 1, times: .explicit([StoreBench.start]))
    batch.add(1, constant: 40)
    let answer = try Self.submit([batch], to: store)
    try store.submit(.decide({ $0.createUser("eve", context).events }, { _ in }))
    store.writing?.writer.drive()
    #expect(try answer[0].current?.get().new == 1)
    let made = ["user.created", "device.created", "code.issued"]
    #expect(try store.snapshot().events().map(\.kind.name) == before + made, "the parked user; eve is known")
    #expect(store.registry.types["weather"]?.schema == declared)
  }

  /// A run longer than any block is sealed and read like all others.
  @Test func aRunLongerThanABlockIsSealed() throws {
    for isConstant in [true, false] {
      let bench = StoreBench()
      var store = try opened(bench)
      var batch = FrameBatch(table: 1)
      for second in 0..<2 as Range<Int64> {
        batch.beginFrame(device: "m1")
        let times = RegularTimes(
          start: StoreBench.start - (2 - second) * 1_000_000_000_000, span: 100_000_000_000, count: 100_000)
        batch.beginRun(probe: 1, times: .regular(try #require(times)))
        if isConstant { batch.add(1, constant: 7) } else { batch.add(1, (0..<100_000).map { Int64($0) }) }
      }
      _ = try store.append(batch, creator: StoreBench.actor)
      while store.shared.live.withLock({ $0.heads[0] }).encodeNext() {}
      try store.seal()
      try store.close()
      store = try bench.open()
      #expect(try store.snapshot().scan(1).stretches.reduce(0) { $0 + $1.rowCount } == 200_000)
      #expect(try Verify.run(bench.options(readOnly: true), StoreBench.path).isWhole)
      try store.close()
    }
  }

  /// A write that fails takes its own batch back; those before and behind it stand.
  @Test func aFailedWriteTouchesNoGroupUnderWay() throws {
    for ordinal in 0..<3 {
      let bench = StoreBench()
      var store = try opened(bench)
      _ = try store.append(.power("m0", at: StoreBench.start), creator: StoreBench.actor)
      bench.disk.plan([
        SimFault(.nth(.write, bench.disk.count(of: .write) + ordinal), .partialWrite(700, errno: ENOSPC))
      ])
      let answers = try Self.submit((1...3).map { .power("m\($0)", at: StoreBench.start) }, to: store)
      store.writing?.writer.drive()
      let stored = answers.map { if case .success? = $0.current { true } else { false } }
      #expect(stored == (0..<3).map { $0 != ordinal })
      #expect(store.failure == nil)
      _ = try store.append(.power("m9", at: StoreBench.start), creator: StoreBench.actor)
      for _ in 0..<2 {
        #expect(try StoreReading.rows(store.snapshot()).count == 240)
        bench.disk.plan([])
        bench.disk.restart()
        store = try bench.open()
        #expect(store.damages.isEmpty)
      }
    }
  }

  /// A rotation, a seal and a bulk append wait for what is under way.
  @Test func whatStandsAloneComesWhenAllIsSettled() throws {
    let bench = StoreBench()
    let store = try opened(bench)
    _ = try store.append(.power("m0", at: StoreBench.start), creator: StoreBench.actor)
    let answers = try Self.submit((1...2).map { .power("m\($0)", at: StoreBench.start) }, to: store)
    try store.seal()
    for answer in answers { #expect(try answer.current?.get().new == 60) }
    #expect(try StoreReading.rows(store.snapshot()).count == 180)
    #expect(store.snapshot().manifest.data.map(\.rowCount).reduce(0, +) == 180)
  }

  /// Many threads on a real disk, each with a device of its own and one that they share.
  @Test func producersOnThreadsLoseAndDoubleNothing() throws {
    let directory = NSTemporaryDirectory() + "tsq-pipeline-\(getpid())"
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let store = try Store.open(directory)
    let (threads, frames) = (4, 150)
    let outcome = Mutex((new: 0, same: 0))
    let producers = try (0..<threads).map { thread in
      try ThreadScheduler().run("producer") {
        for frame in 0..<frames {
          let time = StoreBench.start + Int64(frame) * 1_000_000_000
          var batch = FrameBatch.power("own-\(thread)", at: time)
          batch.addPower("shared", at: time)
          guard let result = try? store.append(batch, creator: StoreBench.actor) else { return .done }
          outcome.withLock { ($0.new, $0.same) = ($0.new + result.new, $0.same + result.same) }
        }
        return .done
      }
    }
    for producer in producers { producer.join() }
    let rows = (threads + 1) * frames * 60
    #expect(outcome.withLock { $0.new } == rows)
    #expect(outcome.withLock { $0.same } == (threads - 1) * frames * 60)
    try store.close()
    let reopened = try Store.open(directory)
    #expect(try StoreReading.rows(reopened.snapshot()).count == rows)
    #expect(try StoreReading.versions(reopened).count == rows)
    try reopened.close()
  }
}
