import Dispatch
import Glibc
import Synchronization
import TSEngine

/// One claim of the fault model, shown from seeds. A seed is a life of a store with its faults; the
/// points of a seed are what is counted.
protocol Campaign: Sendable {
  var name: String { get }
  /// Of RELIABILITY: R1, R2, …
  var criterion: String { get }
  var claim: String { get }
  /// Counts of the sets: in `make test`, in `make faults`, in `make faults-nightly`.
  var counts: (small: Int, full: Int, nightly: Int) { get }
  /// Which seeds a set goes through at most.
  func seeds(_ set: String) -> ClosedRange<UInt64>
  /// Goes through the points of a seed; with `only`, judges that one alone.
  func run(seed: UInt64, _ tally: Tally, only: Int?)
}

/// What a campaign has seen. Any thread.
final class Tally: Sendable {
  struct Failure: Sendable {
    var seed: UInt64
    var point: Int
    var text: String
  }
  private struct State: Sendable {
    var count = 0
    var nextSeed: UInt64
    var lastSeed: UInt64
    var failures: [Failure] = []
  }
  private let state: Mutex<State>
  let target: Int
  private let failureLimit: Int

  init(target: Int, seeds: ClosedRange<UInt64> = 1...UInt64.max / 2, failureLimit: Int = 5) {
    self.target = target
    self.failureLimit = failureLimit
    state = Mutex(State(nextSeed: seeds.lowerBound, lastSeed: seeds.upperBound))
  }

  /// The next seed to go through; nil when it is enough.
  func claim() -> UInt64? {
    state.withLock { state in
      guard isOpen(state), state.nextSeed <= state.lastSeed else { return nil }
      defer { state.nextSeed += 1 }
      return state.nextSeed
    }
  }

  private func isOpen(_ state: State) -> Bool {
    state.count < target && state.failures.count < failureLimit
  }

  var isOpen: Bool { state.withLock { isOpen($0) } }
  var count: Int { state.withLock { $0.count } }
  var failures: [Failure] { state.withLock { $0.failures } }

  func count(_ number: Int = 1) { state.withLock { $0.count += number } }
  func fail(_ seed: UInt64, _ point: Int, _ text: String) {
    state.withLock { $0.failures.append(Failure(seed: seed, point: point, text: text)) }
  }
}

/// What came of a campaign.
struct Outcome: Sendable {
  var count: Int
  var failures: [Tally.Failure]
  var seconds: Double
}

extension Campaign {
  func seeds(_ set: String) -> ClosedRange<UInt64> { 1...UInt64.max / 2 }

  /// Runs seeds on all cores until `target` points are counted or enough has failed.
  func run(
    target: Int, seeds: ClosedRange<UInt64> = 1...UInt64.max / 2, only: Int? = nil, failureLimit: Int = 5
  ) -> Outcome {
    let tally = Tally(target: target, seeds: seeds, failureLimit: failureLimit)
    let started = SystemClock().monotonicNanos()
    let width = max(1, min(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 16))
    DispatchQueue.concurrentPerform(iterations: width) { _ in
      while let seed = tally.claim() { run(seed: seed, tally, only: only) }
    }
    let nanos = SystemClock().monotonicNanos() - started
    return Outcome(count: tally.count, failures: tally.failures, seconds: Double(nanos) / 1e9)
  }

  /// Counts point `number` and judges it, unless another one alone is asked for.
  func visit(
    _ number: inout Int, _ seed: UInt64, _ tally: Tally, only: Int?, _ what: @autoclosure () -> String,
    _ judge: (Int) throws(Judge.Wrong) -> Void
  ) {
    let point = number
    number += 1
    guard only == nil || only == point, tally.isOpen else { return }
    tally.count()
    do throws(Judge.Wrong) {
      try judge(point)
    } catch {
      tally.fail(seed, point, "\(what()): \(error.text)")
    }
  }
}

extension Judge {
  /// Opens what a fault left behind, as a new process would, and checks it.
  /// - Parameters:
  ///   - retries: the client sends again what nobody answered, then the store is closed and
  ///     opened once more.
  ///   - losesPower: after all this the power goes, and what was shown must still be there.
  static func recover(
    _ disk: SimDisk, _ ledger: Ledger, at nanos: Int64, seed: UInt64, retries: Bool = false,
    checksDigest: Bool = false, losesPower: Bool = false
  ) throws(Wrong) {
    let clock = SimClock(nanos: nanos)
    let watched = WatchedDisk(disk)
    let epoch = checksDigest ? epoch(disk) : nil
    do throws(StorageError) {
      var store = try Store.open(Bench.path, Bench.options(watched, clock, seed: seed))
      if let epoch, let next = self.epoch(disk), next <= epoch {
        throw StorageError(.invalid, "opened under the epoch \(next), which was there")
      }
      do throws(Wrong) {
        let state = try check(store, ledger)
        if checksDigest {
          try checkDigest(store)
          try checkSeries(store.snapshot(), ledger.states)
          try RollupJudge.check(store.snapshot())
        }
        if checksDigest || ledger.copies.unfinished != nil {
          try checkCopies(disk, ledger, at: nanos, seed: seed)
        }
        if retries { try retry(store, ledger, from: state, now: nanos) }
      } catch {
        throw StorageError(.invalid, error.text)
      }
      let shown = losesPower ? try Reading.sums(store.snapshot())[0] : nil
      if retries {
        try store.close()
        store = try Store.open(Bench.path, Bench.options(watched, clock, seed: seed))
        if let damage = store.damages.first {
          throw StorageError(.invalid, "the second opening calls it damage: \(damage)")
        }
      }
      guard let shown else { return }
      disk.crash(seed: seed)
      store = try Store.open(Bench.path, Bench.options(watched, clock, seed: seed))
      guard try Reading.sums(store.snapshot())[0] == shown else {
        throw StorageError(.invalid, "what an opening showed is gone when the power was")
      }
    } catch {
      throw Wrong(text: error.code == .invalid ? error.reason : "does not open: \(error)")
    }
  }
}

extension Judge {
  /// The highest epoch in the log; nil when there is none.
  private static func epoch(_ disk: SimDisk) -> UInt32? {
    guard let bytes = disk.contents("s/STORE"), let file = try? StoreFile(decoding: bytes),
      let scan = try? LogReader(disk, store: Bench.path, storeID: file.id).scan(onBatch: { _, _ in }),
      !scan.segments.isEmpty
    else { return nil }
    return scan.epoch
  }
}
