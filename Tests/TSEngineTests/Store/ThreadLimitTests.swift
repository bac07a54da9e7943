import Glibc
import Testing

@testable import TSEngine

/// R6: a process that may have no further thread says so, or does without.
@Suite struct ThreadLimitTests {
  private struct NoThreads: Scheduler {
    func run(
      _ name: String, yields: Bool, _ step: @escaping @Sendable () -> StepOutcome
    ) throws(StorageError) -> any Wakeable {
      throw StorageError(.io, "no thread can be started", errno: EAGAIN)
    }
  }

  @Test func aLoadIsEncodedByItsCallerAlone_R6() throws {
    let store = try StoreBench().open { $0.scheduler = NoThreads() }
    var load = try store.bulkWriter(1, creator: StoreBench.actor)
    for device in ["a", "b", "c"] { try load.append(.power(device, at: StoreBench.start)) }
    #expect(try load.commit().new == 180)
    #expect(try StoreReading.rows(store.snapshot()).count == 180)
  }

  @Test func aStoreThatCannotMaintainItselfDoesNotOpen_R6() throws {
    let bench = StoreBench()
    let error = #expect(throws: StorageError.self) {
      _ = try bench.open { options in
        options.maintainsItself = true
        options.scheduler = NoThreads()
      }
    }
    #expect(error?.code == .io && error?.errno == EAGAIN)
    // It let go of the store.
    let store = try bench.open()
    #expect(try store.append(.power("a", at: StoreBench.start), creator: StoreBench.actor).new == 60)
  }
}
