import Glibc
import Testing

@testable import TSEngine

/// R1, R2, R3, R6 and R7 of the fault model, over the simulated disk.
@Suite struct LogCrashTests {
  private static let steps = 12

  /// One life: open, check, work. False when the disk or the open failed.
  private static func live(
    _ bench: LogBench, _ model: inout LogModel, steps: Int, ahead: Int, _ note: String
  ) -> Bool {
    do throws(StorageError) {
      let opened = try LogBench.open(bench.disk, bench.clock, ahead: ahead)
      model.check(opened.records, note)
      // Losing power is never damage.
      #expect(opened.outcome.scan.damaged.isEmpty, "\(note)")
      #expect(opened.outcome.scan.jumps.isEmpty, "\(note)")
      model.work(opened.writer, clock: bench.clock, steps: steps)
      return true
    } catch {
      return false
    }
  }

  @Test(arguments: [0, 8192]) func aCrashAtEveryOperationLosesNothingAcknowledged(
    ahead: Int
  ) throws {
    let dry = try LogBench()
    var dryModel = LogModel(seed: 7)
    _ = Self.live(dry, &dryModel, steps: Self.steps, ahead: ahead, "dry")
    let changes = dry.disk.changeCount
    #expect(changes > 40)
    for change in 0..<changes {
      for effect in [SimFault.Effect.crashBefore, .crashAfter, .crashAmid(1), .crashAmid(4_100)] {
        for isKill in [true, false] {
          let note = "change \(change) \(effect) kill \(isKill)"
          let bench = try LogBench()
          // The bench itself has made two changes; the dry run counted them too.
          bench.disk.plan([SimFault(.change(change), effect)])
          var model = LogModel(seed: 7)
          _ = Self.live(bench, &model, steps: Self.steps, ahead: ahead, note)
          if isKill { bench.disk.restart() } else { bench.disk.crash(seed: UInt64(change)) }
          if !bench.disk.exists(LogBench.store) { try bench.disk.createDirectory(LogBench.store) }
          #expect(Self.live(bench, &model, steps: 0, ahead: ahead, note), "\(note): opens")
        }
      }
    }
  }

  @Test func manyLivesAndPowerLossesLoseNothingAcknowledged() throws {
    for seed in 0..<300 as Range<UInt64> {
      var random = SimRandom(seed: seed)
      let bench = try LogBench(disk: SimDisk(seed: seed))
      var model = LogModel(seed: seed)
      for life in 0..<4 {
        let effects: [SimFault.Effect] = [
          .crashBefore, .crashAfter, .crashAmid(random.below(9_000)),
        ]
        let change = bench.disk.changeCount + random.below(50)
        bench.disk.plan([SimFault(.change(change), effects[random.below(3)])])
        let ahead = random.flip() ? 0 : 12_288
        _ = Self.live(bench, &model, steps: 10, ahead: ahead, "seed \(seed) life \(life)")
        if random.below(4) == 0 { bench.disk.restart() } else { bench.disk.crash(seed: seed) }
      }
      #expect(Self.live(bench, &model, steps: 0, ahead: 0, "seed \(seed) end"))
    }
  }

  @Test func aFailureOfAnyOperationOnceOrForeverLosesNothingAcknowledged() throws {
    let dry = try LogBench()
    var dryModel = LogModel(seed: 9)
    _ = Self.live(dry, &dryModel, steps: Self.steps, ahead: 8192, "dry")
    let effects: [SimFault.Effect] = [
      .error(EIO), .error(ENOSPC), .error(EDQUOT), .error(EFBIG), .error(EMFILE),
      .partialWrite(1, errno: EIO), .partialWrite(4_096, errno: ENOSPC),
    ]
    for change in 2..<dry.disk.changeCount {
      for effect in effects {
        let isSticky = (change + effects.count) % 3 == 0
        let note = "change \(change) \(effect) sticky \(isSticky)"
        let bench = try LogBench()
        bench.disk.plan([SimFault(.change(change), effect, isSticky: isSticky)])
        var model = LogModel(seed: 9)
        _ = Self.live(bench, &model, steps: Self.steps, ahead: 8192, note)
        bench.disk.crash(seed: UInt64(change))
        #expect(Self.live(bench, &model, steps: 0, ahead: 0, note), "\(note): opens")
      }
    }
  }

  @Test func aFailedSyncIsFinalAndTheNextStartReadsTheDiskNotTheCache() throws {
    for ordinal in 2..<14 {
      for seed in 0..<6 as Range<UInt64> {
        let bench = try LogBench(disk: SimDisk(seed: seed))
        bench.disk.plan([SimFault(.nth(.sync, ordinal), .error(EIO))])
        var model = LogModel(seed: seed)
        let opened = try bench.open(ahead: 8192)
        model.work(opened.writer, clock: bench.clock, steps: 20)
        #expect(opened.writer.isFailStopped)
        let syncs = bench.disk.count(of: .sync)
        #expect(syncs == ordinal + 1, "no sync follows the failed one")
        var batch = LogBatchBuilder.frames([1])
        let error = #expect(throws: StorageError.self) { _ = try opened.writer.append(&batch) }
        #expect(error?.code == .failStopped)
        #expect(throws: StorageError.self) { try opened.writer.sync() }
        #expect(bench.disk.count(of: .sync) == syncs)
        bench.disk.restart()
        let (_, records) = try LogBench.repair(bench.disk)
        model.check(records, "sync \(ordinal) seed \(seed)")
        // What recovery believed must outlive the power.
        bench.disk.crash(seed: seed)
        model.check(try LogBench.repair(bench.disk).1, "then power loss")
      }
    }
  }

  @Test func aFullDiskRefusesAndWritingResumesWhenSpaceReturns() throws {
    for capacity in stride(from: 9_000, to: 60_000, by: 1_700) {
      for ahead in [0, 8_192] {
        let bench = try LogBench(disk: SimDisk(capacity: capacity))
        let opened = try bench.open(ahead: ahead)
        var acked: [LogBench.Record] = []
        var refused = 0
        for index in 0..<40 {
          if index == 30 { bench.disk.capacity = 1 << 20 }
          do throws(StorageError) {
            let body: [UInt8] = [UInt8(index)] + [UInt8](repeating: 1, count: index * 200)
            acked.append(.init(lsn: try opened.writer.commit(body), body: body))
          } catch {
            #expect(error.code == .diskFull)
            #expect(index < 30, "space is back")
            refused += 1
          }
        }
        #expect(refused > 0 && !opened.writer.isFailStopped)
        bench.disk.crash(seed: UInt64(capacity))
        let (outcome, records) = try LogBench.repair(bench.disk)
        #expect(records == acked)
        #expect(outcome.scan.damaged.isEmpty && outcome.scan.jumps.isEmpty)
      }
    }
  }

  @Test func aStoreOnAFullDiskStartsFromItsReserve() throws {
    let bench = try LogBench()
    try bench.open().writer.commit([1])
    let reserve = ReserveFile(bench.disk, directory: LogBench.store, byteCount: 10_000)
    #expect(try reserve.ensure())
    bench.disk.capacity = bench.disk.usedByteCount
    let (outcome, _) = try LogBench.repair(bench.disk)
    #expect(throws: StorageError.self) {
      _ = try LogWriter(
        bench.disk, clock: bench.clock, store: LogBench.store, storeID: LogBench.id,
        after: outcome.scan)
    }
    let writer = try LogWriter(
      bench.disk, clock: bench.clock, store: LogBench.store, storeID: LogBench.id,
      after: try LogBench.repair(bench.disk).0.scan, reserve: reserve)
    #expect(try writer.commit([2]) == 2)
    #expect(!reserve.isHeld)
    #expect(try !reserve.ensure(), "no room, no error")
  }

  @Test func recoveryKilledAtEachOperationTwiceEndsInTheSameBytes() throws {
    for seed in 0..<12 as Range<UInt64> {
      let disk = try Self.wreck(seed)
      let reference = SimDisk(copyOf: disk)
      let expected = try LogBench.repair(reference)
      for change in 0..<reference.changeCount {
        for effect in [SimFault.Effect.crashBefore, .crashAfter, .crashAmid(100)] {
          let copy = SimDisk(copyOf: disk, seed: seed)
          for round in 0..<2 {
            copy.plan([SimFault(.change(copy.changeCount + max(0, change - round)), effect)])
            _ = try? LogBench.repair(copy)
            if change % 2 == 0 { copy.restart() } else { copy.crash(seed: seed) }
          }
          let result = try LogBench.repair(copy)
          #expect(result.1 == expected.1)
          #expect(copy.allContents() == reference.allContents(), "seed \(seed) change \(change)")
          #expect(result.0.scan.nextLSN == expected.0.scan.nextLSN)
        }
      }
    }
  }

  /// A disk after a power loss with a torn tail, and with damage when the seed is odd.
  private static func wreck(_ seed: UInt64) throws -> SimDisk {
    let bench = try LogBench(disk: SimDisk(seed: seed))
    var model = LogModel(seed: seed)
    let opened = try bench.open(ahead: 8192)
    model.work(opened.writer, clock: bench.clock, steps: 8)
    if seed % 2 == 1 { bench.disk.flipBit(LogBench.segment(1), 8 * (4096 + 70)) }
    var batch = LogBatchBuilder.frames([UInt8](repeating: 9, count: 9_000))
    _ = try opened.writer.append(&batch)
    bench.disk.crash(seed: seed)
    return bench.disk
  }
}
