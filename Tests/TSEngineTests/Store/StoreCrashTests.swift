import Glibc
import Testing

@testable import TSEngine

/// R1 to R7 of the fault model for the whole store: whatever stops it, acked ⊆ recovered ⊆ sent.
@Suite struct StoreCrashTests {
  private static let steps = 16

  @Test(arguments: 0..<4)
  func aCrashAtEveryOperationOfALifeLosesNothingAcknowledged(part: Int) throws {
    let effects: [SimFault.Effect] = [.crashBefore, .crashAfter, .crashAmid(700), .crashAmid(4_200)]
    let dry = StoreLife(seed: 3)
    dry.work(steps: Self.steps)
    let changes = dry.bench.disk.changeCount
    #expect(changes > 150, "\(changes)")
    #expect(dry.kinds.count == StoreLife.Kind.allCases.count, "all operations are in it")
    let rounds = seedCount(1000)
    for change in stride(from: part, to: changes, by: 4) {
      // All effects everywhere take minutes; by default each operation meets two of the four.
      for (index, effect) in effects.enumerated() where rounds > 1000 || (index + change / 4) % 2 == 0 {
        let life = StoreLife(seed: 3)
        life.bench.disk.plan([SimFault(.change(change), effect)])
        life.work(steps: Self.steps)
        life.die(isKill: (change + index) % 3 == 0, seed: UInt64(change * 7 + index))
        try life.recover("change \(change) \(effect)")
      }
    }
  }

  @Test(arguments: 0..<4) func manyLivesAndPowerLossesLoseNothingAcknowledged(part: Int) throws {
    for seed in stride(from: part, to: seedCount(120), by: 4) {
      var random = SimRandom(seed: UInt64(seed))
      let life = StoreLife(seed: UInt64(seed))
      for round in 0..<4 {
        let effects: [SimFault.Effect] = [
          .crashBefore, .crashAfter, .crashAmid(random.below(9_000)),
        ]
        let change = life.bench.disk.changeCount + random.below(160)
        life.bench.disk.plan([SimFault(.change(change), effects[random.below(3)])])
        life.work(steps: 12)
        life.die(isKill: random.below(4) == 0, seed: UInt64(seed * 10 + round))
        try life.recover("seed \(seed) life \(round)")
      }
    }
  }

  @Test func recoveryKilledAtEachOperationEndsInTheSameStore() throws {
    for seed in 0..<seedCount(6) {
      let life = StoreLife(seed: UInt64(seed))
      life.bench.disk.plan([SimFault(.change(60 + seed * 23), .crashAmid(600))])
      life.work(steps: Self.steps)
      life.die(isKill: false, seed: UInt64(seed))
      let reference = StoreBench(seed: 9, disk: SimDisk(copyOf: life.bench.disk), clock: life.bench.clock)
      let store = try reference.open()
      let rows = try StoreReading.rows(store.snapshot())
      let digest = StoreReading.digest(store)
      for change in 0..<reference.disk.changeCount {
        let disk = SimDisk(copyOf: life.bench.disk, seed: UInt64(seed))
        let copy = StoreBench(seed: 9, disk: disk, clock: life.bench.clock)
        let effects: [SimFault.Effect] = [.crashBefore, .crashAfter, .crashAmid(100)]
        disk.plan([SimFault(.change(change), effects[change % 3])])
        _ = try? copy.open()
        if change % 4 == 0 { disk.restart() } else { disk.crash(seed: UInt64(change)) }
        let again = try copy.open()
        #expect(try StoreReading.rows(again.snapshot()) == rows, "seed \(seed) change \(change)")
        #expect(StoreReading.digest(again) == digest, "seed \(seed) change \(change)")
        #expect(again.damages.isEmpty, "seed \(seed) change \(change): \(again.damages)")
      }
    }
  }

  @Test(arguments: 0..<4)
  func aFailureOfAnyOperationOnceOrForeverLosesNothingAcknowledged(part: Int) throws {
    let dry = StoreLife(seed: 5)
    dry.work(steps: Self.steps)
    let effects: [SimFault.Effect] = [
      .error(EIO), .error(ENOSPC), .partialWrite(1_000, errno: EIO),
      .partialWrite(4_096, errno: ENOSPC),
    ]
    let rounds = seedCount(1000)
    for change in stride(from: part, to: dry.bench.disk.changeCount, by: 4) {
      let effect = effects[change / 4 % effects.count]
      for isSticky in [false, true] where rounds > 1000 || isSticky == (change / 16 % 2 == 0) {
        let life = StoreLife(seed: 5)
        life.bench.disk.plan([SimFault(.change(change), effect, isSticky: isSticky)])
        life.work(steps: Self.steps)
        let note = "change \(change) \(effect) sticky \(isSticky)"
        // Whatever failed, what is open goes on being read.
        if let store = life.store { try life.expectReadable(store, note) }
        life.die(isKill: change % 2 == 0, seed: UInt64(change))
        try life.recover(note)
      }
    }
  }

  @Test func aFailedSyncStopsWritingAndReadingGoesOn() throws {
    let bench = StoreBench()
    let store = try bench.open()
    _ = try store.append(.power("m1", at: StoreBench.start), creator: StoreBench.actor)
    bench.disk.plan([SimFault(.nth(.sync, bench.disk.count(of: .sync)), .error(EIO))])
    #expect(throws: StorageError.self) {
      _ = try store.append(.power("m1", at: StoreBench.start + 1_000_000_000))
    }
    #expect(store.failure?.code == .failStopped)
    let syncs = bench.disk.count(of: .sync)
    let error = #expect(throws: StorageError.self) {
      _ = try store.append(.power("m1", at: StoreBench.start + 2_000_000_000))
    }
    #expect(error?.code == .failStopped)
    #expect(throws: StorageError.self) { try store.seal() }
    #expect(throws: StorageError.self) { _ = try store.record([]) }
    #expect(bench.disk.count(of: .sync) == syncs, "a failed sync is never tried again")
    #expect(try StoreReading.rows(store.snapshot()).count == 60)
    try? store.close()
    bench.disk.restart()
    let again = try bench.open()
    #expect(try StoreReading.rows(again.snapshot()).count >= 60)
    #expect(try again.append(.power("m1", at: StoreBench.start)).same == 60)
  }

  @Test func aFullDiskRefusesAndWritingResumesWhenSpaceReturns() throws {
    for extra in stride(from: 0, to: 60_000, by: 2_900) {
      let bench = StoreBench(seed: UInt64(extra))
      let store = try bench.open()
      var model = StoreModel()
      var refused = 0
      bench.disk.capacity = bench.disk.usedByteCount + extra
      for round in 0..<60 as Range<Int64> {
        if round == 50 { bench.disk.capacity = 1 << 22 }
        let batch = FrameBatch.power("m\(round % 3)", at: StoreBench.start + round * 1_000_000_000)
        do throws(StorageError) {
          _ = try store.append(batch, creator: StoreBench.actor)
          _ = model.append(
            batch, now: bench.clock.nowNanos(), symbols: store.symbols, schema: .power)
          if round % 9 == 8 { try store.seal() }
          if round % 27 == 26 { try store.compact() }
        } catch {
          #expect(error.code == .diskFull, "extra \(extra) round \(round): \(error)")
          #expect(round < 50, "space is back")
          refused += 1
        }
      }
      #expect(refused > 0 && store.failure == nil, "extra \(extra)")
      #expect(try StoreReading.rows(store.snapshot()) == model.visible, "extra \(extra)")
      try store.seal()
      bench.disk.crash(seed: UInt64(extra))
      let again = try bench.open()
      #expect(try StoreReading.rows(again.snapshot()) == model.visible, "extra \(extra)")
      #expect(again.damages.isEmpty)
    }
  }

  @Test func aStoreOpensOnAFullDiskFromItsReserve() throws {
    let bench = StoreBench()
    var options = bench.options()
    options.reserveByteCount = 64 << 10
    for seconds in 0..<3 as Range<Int64> {
      let store = try Store.open(StoreBench.path, options)
      _ = try store.append(
        .power("m1", at: StoreBench.start + seconds * 1_000_000_000), creator: StoreBench.actor)
      try store.close()
    }
    bench.disk.capacity = bench.disk.usedByteCount
    let store = try Store.open(StoreBench.path, options)
    #expect(try StoreReading.rows(store.snapshot()).count == 180)
  }
}
