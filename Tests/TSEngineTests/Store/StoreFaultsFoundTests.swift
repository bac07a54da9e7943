import Glibc
import Testing

@testable import TSEngine

/// What the fault campaigns found, one claim each.
@Suite struct StoreFaultsFoundTests {
  /// The sync of the witness behind a manifest edit failed and was swallowed; the store answered
  /// the edit and went on, on a disk that had failed a sync (R7, `faults sync-failures --seed 1`).
  @Test func noSealingSucceedsPastAFailedSyncR7() throws {
    var failed = 0
    for ordinal in 0..<40 {
      let bench = StoreBench()
      let store = try bench.open()
      _ = try store.append(.power("m1", at: StoreBench.start), creator: StoreBench.actor)
      let syncs = bench.disk.count(of: .sync)
      bench.disk.plan([SimFault(.nth(.sync, syncs + ordinal), .error(EIO))])
      let isSealed = (try? store.seal()) != nil
      guard bench.disk.count(of: .sync) > syncs + ordinal else { break }
      failed += 1
      #expect(!isSealed, "sync \(ordinal)")
      if store.failure != nil {
        #expect(throws: StorageError.self) {
          _ = try store.append(.power("m1", at: StoreBench.start + 1_000_000_000))
        }
      }
      #expect(try StoreReading.rows(store.snapshot()).count == 60, "sync \(ordinal)")
    }
    #expect(failed > 5)
  }

  /// Bytes of the manifest that must be zero and are not cost no edit; the opening rewrote the
  /// manifest and said nothing (R4, `faults damage --seed 3`).
  @Test func damageOfTheManifestThatCostsNoEditIsTold() throws {
    let bench = StoreBench()
    var store = try bench.open()
    _ = try store.append(.power("m1", at: StoreBench.start), creator: StoreBench.actor)
    try store.seal()
    try store.close()
    let path = try #require(
      bench.disk.allContents().keys.filter { $0.hasPrefix("s/manifest/log/") }.sorted().last)
    bench.disk.flipBit(path, 8 * (LogFormat.sectorByteCount + 4_000))
    store = try bench.open()
    #expect(store.damages.contains { $0.file == path && $0.lastLSN == 0 }, "\(store.damages)")
    #expect(try StoreReading.rows(store.snapshot()).count == 60)
  }

  /// The age of the oldest unsealed batch overflowed under a clock that stood before 1970, and
  /// maintenance trapped (R15, `faults simulation --count 600`).
  @Test func aClockBefore1970StopsNoMaintenanceR15() throws {
    let bench = StoreBench()
    let store = try bench.open()
    _ = try store.append(.power("m1", at: StoreBench.start), creator: StoreBench.actor)
    for nanos in [-3_600_000_000_000, .min, StoreBench.start] as [Int64] {
      bench.clock.jump(toNanos: nanos)
      _ = store.maintain()
      _ = try store.decide(actor: StoreBench.actor) { $0.createUser("u\(nanos.magnitude)", $1) }
      try store.seal()
      _ = store.maintain()
    }
    #expect(try StoreReading.rows(store.snapshot()).count == 60)
  }

  /// A segment's header whose read failed once made damage of the whole segment, for good (R6,
  /// `faults read-errors --seed 1 --point 2`).
  @Test func aReadThatFailsOnceAtAnOpeningIsNoDamageR6() throws {
    let bench = StoreBench()
    var store = try bench.open()
    _ = try store.append(.power("m1", at: StoreBench.start), creator: StoreBench.actor)
    try store.seal()
    _ = try store.append(.power("m2", at: StoreBench.start), creator: StoreBench.actor)
    try store.close()
    var (opened, ordinal) = (0, 0)
    while true {
      bench.disk.restart()
      let before = bench.disk.count(of: .read)
      bench.disk.plan([SimFault(.nth(.read, before + ordinal), .error(EIO))])
      if let found = try? bench.open() {
        store = found
        opened += 1
        #expect(store.damages.isEmpty, "read \(ordinal): \(store.damages)")
      }
      guard bench.disk.count(of: .read) > before + ordinal else { break }
      ordinal += 1
    }
    #expect(opened > 3 && ordinal > 6, "\(opened) of \(ordinal)")
    #expect(try StoreReading.rows(store.snapshot()).count == 120)
  }

  /// A disk that refused to read for a while was taken for one that had lost what it holds (R6,
  /// `faults read-errors --seed 1`): an opening refuses then, or names what it set aside.
  @Test func aDiskThatRefusesToReadForAWhileCostsNothingR6() throws {
    var refused = 0
    for ordinal in 0..<100 {
      let bench = StoreBench()
      var store = try bench.open()
      _ = try store.append(.power("m1", at: StoreBench.start), creator: StoreBench.actor)
      try store.seal()
      _ = try store.append(.power("m2", at: StoreBench.start), creator: StoreBench.actor)
      try store.close()
      bench.disk.restart()
      let before = bench.disk.count(of: .read)
      bench.disk.plan([SimFault(.nth(.read, before + ordinal), .error(EIO), isSticky: true)])
      if (try? bench.open()) == nil { refused += 1 }
      guard bench.disk.count(of: .read) > before + ordinal else { break }
      bench.disk.restart()
      store = try bench.open()
      let count = try StoreReading.rows(store.snapshot()).count
      #expect(count == 120 || store.damages.contains { $0.firstLSN > 0 }, "read \(ordinal): \(count) rows")
    }
    #expect(refused > 3)
  }
}
