import Glibc
import Synchronization
import TSEngine

/// What one run of a query may take.
package struct QueryLimits: Sendable {
  /// Hash tables, sorts and materialised rows together.
  package var memoryBytes: Int
  package var threads: Int
  /// Wall time from the start of the run; nil is no limit.
  package var timeoutNanos: Int64?
  /// How long a correlated sub-query is answered row by row before all its answers are worked out at once.
  package var patienceNanos: Int64

  package init(
    memoryBytes: Int = 1 << 30, threads: Int? = nil, timeoutNanos: Int64? = nil, patienceNanos: Int64 = 20_000_000
  ) {
    self.patienceNanos = patienceNanos
    self.memoryBytes = memoryBytes
    self.threads = threads ?? WorkerPool.coreCount
    self.timeoutNanos = timeoutNanos
  }
}

/// Raised from any thread; the query ends at its next batch or morsel.
package final class CancelFlag: Sendable {
  private let raised = Atomic(false)
  package init() {}
  package func cancel() { raised.store(true, ordering: .relaxed) }
  package var isCancelled: Bool { raised.load(ordering: .relaxed) }
}

/// What all operators and threads of one run share.
final class ExecutionContext: Sendable {
  let catalog: any Catalog
  let snapshot: Snapshot
  let pool: TextPool
  let limits: QueryLimits
  let cancel: CancelFlag
  /// EXPLAIN ANALYZE measures time per operator.
  let isAnalyzing: Bool
  private let deadline: Int64?
  private let usedBytes = Atomic(0)
  private let peakBytes = Atomic(0)
  /// Sensors that a join found to be all that can match, by scan.
  private let memos = Mutex<[Subquery: SubqueryMemo]>([:])
  private let restrictions = Mutex<[ObjectIdentifier: Set<String>]>([:])

  init(
    catalog: any Catalog, pool: TextPool, limits: QueryLimits, cancel: CancelFlag, isAnalyzing: Bool
  ) {
    self.catalog = catalog
    snapshot = catalog.snapshot
    self.pool = pool
    self.limits = limits
    self.cancel = cancel
    self.isAnalyzing = isAnalyzing
    deadline = limits.timeoutNanos.map { monotonicNanos() &+ $0 }
  }

  /// What a query that runs as a part of this one may take.
  var limitsLeft: QueryLimits {
    var left = limits
    left.memoryBytes = max(0, limits.memoryBytes - usedBytes.load(ordering: .relaxed))
    left.timeoutNanos = deadline.map { max(0, $0 - monotonicNanos()) }
    return left
  }

  /// Called once a batch or morsel.
  func checkCancelled() throws(SQLError) {
    if cancel.isCancelled { throw SQLError(.queryCancelled, "the query was cancelled") }
    if let deadline, monotonicNanos() > deadline {
      throw SQLError(
        .queryCancelled, "the query ran longer than its limit",
        hint: "narrow it by time or sensor, or raise the limit")
    }
    // Texts that the query made count too, wherever they were made.
    if pool.ownByteCount > limits.memoryBytes { throw outOfMemory }
  }

  /// Adds `bytes` (negative when freed) to what the query holds. Operators that may end early hold
  /// a `MemoryCharge` instead.
  /// - Throws: 53200 when that is more than the limit.
  func charge(_ bytes: Int) throws(SQLError) {
    let used = usedBytes.add(bytes, ordering: .relaxed).newValue
    peakBytes.max(used, ordering: .relaxed)
    guard used + pool.ownByteCount <= limits.memoryBytes || bytes <= 0 else { throw outOfMemory }
  }

  /// Takes `bytes` off what the query holds.
  func release(_ bytes: Int) { usedBytes.subtract(bytes, ordering: .relaxed) }

  private var outOfMemory: SQLError {
    SQLError(
      .outOfMemory, "the query needs more than its memory limit of \(limits.memoryBytes >> 20) MiB",
      hint: "group or filter to fewer rows, add LIMIT, or raise the limit")
  }

  func memo(of query: Subquery) -> SubqueryMemo {
    memos.withLock { memos in
      if let memo = memos[query] { return memo }
      let memo = SubqueryMemo(query)
      memos[query] = memo
      return memo
    }
  }

  func restrict(_ scan: ScanOperator, to devices: Set<String>) {
    let key = ObjectIdentifier(scan)
    restrictions.withLock { $0[key] = $0[key]?.intersection(devices) ?? devices }
  }

  func restriction(of scan: ScanOperator) -> Set<String>? {
    let key = ObjectIdentifier(scan)
    return restrictions.withLock { $0[key] }
  }

  var peakByteCount: Int { peakBytes.load(ordering: .relaxed) }
}

/// Nanoseconds of a clock that never jumps.
func monotonicNanos() -> Int64 { readClock(CLOCK_MONOTONIC) }
/// Nanoseconds since the Unix epoch.
package func wallNanos() -> Int64 { readClock(CLOCK_REALTIME) }

private func readClock(_ clock: clockid_t) -> Int64 {
  var time = timespec()
  // SAFETY: the pointer is to a local and not kept.
  _ = unsafe clock_gettime(clock, &time)
  return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
}
