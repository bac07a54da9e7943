import Glibc
import Testing

@testable import TSEngine

/// What the fault campaigns found, one claim each.
@Suite struct StoreFaultsFoundTests {
  /// The sync of the witness behind a manifest edit failed and was swallowed; the store went on
  /// acknowledging on a disk that had failed a sync (R7, `faults sync-failures --seed 1`).
  @Test func noSealingSucceedsAndGoesOnPastAFailedSync() throws {
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
      #expect(!isSealed || store.failure?.code == .failStopped, "sync \(ordinal)")
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
}
