import Synchronization

/// Takes batches. One per thread; `consume` returns false when it has seen enough.
class Consumer {
  func consume(_ batch: Batch) throws(SQLError) -> Bool { preconditionFailure("abstract") }
}

/// A consumer by a closure.
final class SinkConsumer: Consumer {
  private let body: (Batch) throws(SQLError) -> Bool
  init(_ body: @escaping (Batch) throws(SQLError) -> Bool) { self.body = body }
  override func consume(_ batch: Batch) throws(SQLError) -> Bool { try body(batch) }
}

/// What EXPLAIN ANALYZE shows of one operator.
final class OperatorMetrics: Sendable {
  let rows = Atomic(0)
  /// Time on all threads in this operator and those below it.
  let nanos = Atomic<Int64>(0)
  let notes = Mutex<[String]>([])
}

/// A node of the physical plan. It holds no state of a run: a plan may run again, and many at once.
class Operator {
  let types: [SQLType]
  let children: [Operator]
  let metrics = OperatorMetrics()

  init(_ types: [SQLType], _ children: [Operator]) {
    self.types = types
    self.children = children
  }

  /// One line for EXPLAIN.
  var title: String { preconditionFailure("abstract") }

  /// Pushes all rows, in order, into `sink` on the calling thread.
  func run(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) { preconditionFailure("abstract") }

  /// Threads that `runParallel` would use; 1 where order or size leaves nothing to share.
  func workers(_ context: ExecutionContext) -> Int { 1 }

  /// Pushes all rows, in any order, into one of `sinks`, each used by one thread at a time.
  func runParallel(_ context: ExecutionContext, _ sinks: [Consumer]) throws(SQLError) {
    try run(context, sinks[0])
  }

  /// `run`, measured when the query asks for it.
  final func start(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) {
    guard context.isAnalyzing else { return try run(context, sink) }
    let meter = MeterConsumer(sink, metrics)
    let begin = monotonicNanos()
    try run(context, meter)
    metrics.nanos.add(monotonicNanos() - begin - meter.downstreamNanos, ordering: .relaxed)
  }

  final func startParallel(_ context: ExecutionContext, _ sinks: [Consumer]) throws(SQLError) {
    guard context.isAnalyzing else { return try runParallel(context, sinks) }
    let meters = sinks.map { MeterConsumer($0, metrics) }
    let begin = monotonicNanos()
    try runParallel(context, meters)
    let downstream = meters.map(\.downstreamNanos).max() ?? 0
    metrics.nanos.add(max(0, monotonicNanos() - begin - downstream), ordering: .relaxed)
  }

  /// Column `index` of the output as a column of the scan below, when it passes through unchanged.
  func scanColumn(_ index: Int) -> (scan: ScanOperator, column: ScanColumn)? { nil }
}

/// Counts rows and takes the time that is spent above an operator out of its own.
private final class MeterConsumer: Consumer {
  private let next: Consumer
  private let metrics: OperatorMetrics
  var downstreamNanos: Int64 = 0
  init(_ next: Consumer, _ metrics: OperatorMetrics) {
    self.next = next
    self.metrics = metrics
  }
  override func consume(_ batch: Batch) throws(SQLError) -> Bool {
    metrics.rows.add(batch.count, ordering: .relaxed)
    let begin = monotonicNanos()
    let goOn = try next.consume(batch)
    downstreamNanos += monotonicNanos() - begin
    return goOn
  }
}

/// Something each of several threads has one of.
struct PerWorker<Element>: @unchecked Sendable {
  // @unchecked: worker i touches element i only, and the pool joins all workers before anyone else does.
  let elements: [Element]
  init(_ elements: [Element]) { self.elements = elements }
}
