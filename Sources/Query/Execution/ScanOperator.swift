import Synchronization
import TSEngine

/// Keeps the rows where a condition is true.
final class FilterConsumer: Consumer {
  private let condition: ExpressionNode
  private let next: Consumer
  private let out: Batch
  private var selected: [UInt16] = []

  init(_ condition: ExpressionNode, _ types: [SQLType], _ next: Consumer) {
    self.condition = condition
    self.next = next
    out = Batch(types.map { Vector($0) })
    selected.reserveCapacity(Vector.capacity)
  }

  /// Rows of `batch` that pass.
  func select(_ batch: Batch) throws(SQLError) -> [UInt16] {
    let flags = try condition.evaluate(batch, nil)
    selected.removeAll(keepingCapacity: true)
    for row in 0..<batch.count where flags[row] != 0 && flags.isValid(row) { selected.append(UInt16(row)) }
    return selected
  }

  override func consume(_ batch: Batch) throws(SQLError) -> Bool {
    let rows = try select(batch)
    if rows.isEmpty { return true }
    if rows.count == batch.count { return try next.consume(batch) }
    for (index, column) in batch.columns.enumerated() {
      let target = out.columns[index]
      if column.isConstant, !column.hasNulls {
        if !target.isConstant || target[0] != column[0] || target.type.hasHighSlot {
          target.fill(column[0], high: column.highSlot(0))
        }
        continue
      }
      target.clearNulls()
      target.isConstant = false
      target.gather(column, rows)
    }
    out.count = rows.count
    out.sequence = batch.sequence
    return try next.consume(out)
  }
}

/// Reads a table of readings. Stretches are the morsels: threads take them one after the other.
final class ScanOperator: Operator {
  var specification: ScanSpecification
  private let aliasTitle: String

  init(_ specification: ScanSpecification, alias: String) {
    self.specification = specification
    aliasTitle = alias
    super.init(specification.columns.map(\.type), [])
  }

  override var title: String {
    var text = (specification.isLatest ? "LATEST " : "SCAN ") + specification.table.name
    if let past = specification.past { text += " as known at lsn \(past.lsn)" }
    if aliasTitle != specification.table.name { text += " AS \(aliasTitle)" }
    if let devices = specification.filter.devices {
      text += devices.count <= 3 ? " sensor in (\(devices.sorted().joined(separator: ", ")))" : " \(devices.count) sensors"
    }
    if let probes = specification.filter.probes { text += " probe in (\(probes.sorted().map(String.init).joined(separator: ", ")))" }
    if let times = specification.filter.times {
      text += " ts in \(TimestampText.format(times.lowerBound)) ..< \(TimestampText.format(times.upperBound))"
    }
    for predicate in specification.ranges {
      let name = specification.table.columns.first { $0.id == predicate.column }?.name ?? "?"
      let low = predicate.range.lowerBound == .min ? "" : "\(predicate.range.lowerBound)"
      let high = predicate.range.upperBound == .max ? "" : "\(predicate.range.upperBound)"
      text += " \(name) in \(low)...\(high)"
    }
    for predicate in specification.texts {
      text += " \(specification.table.columns.first { $0.id == predicate.column }?.name ?? "?") = '…'"
    }
    if specification.residual != nil { text += " + filter" }
    return text
  }

  override func scanColumn(_ index: Int) -> (scan: ScanOperator, column: ScanColumn)? {
    (self, specification.columns[index])
  }

  func plan(_ context: ExecutionContext) throws(SQLError) -> Snapshot.ScanPlan {
    var filter = specification.filter
    if let devices = context.restriction(of: self) {
      filter.devices = filter.devices?.intersection(devices) ?? devices
    }
    do throws(StorageError) {
      if specification.columns.contains(.owner) { try context.snapshot.requireWholeRegistry() }
      return try (specification.past ?? context.snapshot).scan(specification.table.id, filter)
    } catch {
      throw error.sqlError
    }
  }

  /// Enough rows a thread that waking it pays.
  static let rowsPerWorker = 100_000

  static func workers(_ stretches: [Stretch], _ context: ExecutionContext) -> Int {
    let rows = stretches.reduce(0) { $0 + $1.rowCount }
    return max(1, min(context.limits.threads, stretches.count, rows / rowsPerWorker))
  }

  override func workers(_ context: ExecutionContext) -> Int {
    guard let plan = try? plan(context) else { return 1 }
    return Self.workers(plan.stretches, context)
  }

  func report(_ counters: ScanCounters, _ plan: Snapshot.ScanPlan, threads: Int) {
    var total = counters
    total.stretches = plan.stretches.count + plan.prunedCount
    total.pruned = plan.prunedCount
    metrics.notes.withLock { $0 = total.notes + ["threads: \(threads)"] }
  }

  private func filtered(_ context: ExecutionContext, _ sink: Consumer) -> Consumer {
    Self.filtered(specification.residual, types, context, sink)
  }

  private static func filtered(
    _ residual: BoundExpr?, _ types: [SQLType], _ context: ExecutionContext, _ sink: Consumer
  ) -> Consumer {
    guard let residual else { return sink }
    return FilterConsumer(NodeBuilder(context).node(residual), types, sink)
  }

  override func run(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) {
    let plan = try plan(context)
    if specification.isLatest { return try runLatest(plan, context, sink) }
    let workers = Self.workers(plan.stretches, context)
    if workers > 1 { return try runOrdered(plan, workers, context, sink) }
    let scanner = StretchScanner(specification, context)
    let consumer = filtered(context, sink)
    for (index, stretch) in plan.stretches.enumerated() {
      try context.checkCancelled()
      guard let open = try scanner.open(stretch, index) else { continue }
      if try !scanner.read(open, consumer) { break }
    }
    report(scanner.counters, plan, threads: 1)
  }

  override func runParallel(_ context: ExecutionContext, _ sinks: [Consumer]) throws(SQLError) {
    guard !specification.isLatest else { return try run(context, sinks[0]) }
    let plan = try plan(context)
    let scanners = sinks.map { _ in StretchScanner(specification, context) }
    let workers = PerWorker(zip(scanners, sinks.map { filtered(context, $0) }).map { ($0, $1) })
    let queue = MorselQueue(count: plan.stretches.count)
    WorkerPool.shared.run(workers: sinks.count) { worker in
      let (scanner, consumer) = workers.elements[worker]
      while let index = queue.take() {
        do throws(SQLError) {
          try context.checkCancelled()
          guard let open = try scanner.open(plan.stretches[index], index) else { continue }
          if try !scanner.read(open, consumer) { queue.stop() }
        } catch {
          queue.fail(index, error)
        }
      }
    }
    try queue.throwFailure()
    report(scanners.reduce(into: ScanCounters()) { $0 += $1.counters }, plan, threads: sinks.count)
  }

  /// Threads filter windows of stretches side by side; rows come out in order. Windows grow, so
  /// that a LIMIT reads little and a long scan keeps the threads busy.
  private func runOrdered(
    _ plan: Snapshot.ScanPlan, _ workers: Int, _ context: ExecutionContext, _ sink: Consumer
  ) throws(SQLError) {
    let scanners = (0..<workers).map { _ in StretchScanner(specification, context) }
    defer { report(scanners.reduce(into: ScanCounters()) { $0 += $1.counters }, plan, threads: workers) }
    let (types, residual) = (types, specification.residual)
    let charge = MemoryCharge(context)
    var start = 0
    var width = workers
    while start < plan.stretches.count {
      let window = start..<min(start + width, plan.stretches.count)
      let results = WindowResults(count: window.count, types: types)
      let queue = MorselQueue(count: window.count)
      let perWorker = PerWorker(scanners)
      WorkerPool.shared.run(workers: workers) { worker in
        let scanner = perWorker.elements[worker]
        while let offset = queue.take() {
          do throws(SQLError) {
            try context.checkCancelled()
            guard let open = try scanner.open(plan.stretches[window.lowerBound + offset], window.lowerBound + offset) else { continue }
            var rows = RowStore(types: types)
            let collect = Self.filtered(residual, types, context, SinkConsumer { (batch) throws(SQLError) in
              try charge.add(batch.count * rows.rowByteCount)
              rows.append(batch)
              return true
            })
            _ = try scanner.read(open, collect)
            results.put(offset, rows)
          } catch {
            queue.fail(offset, error)
          }
        }
      }
      try queue.throwFailure()
      for offset in 0..<window.count {
        let rows = results.take(offset)
        guard try rows.emit(0..<rows.count, context, sink) else { return }
        charge.release(rows.count * rows.rowByteCount)
      }
      start = window.upperBound
      width = min(width * 2, workers * 64)
    }
  }

  /// The newest row of each series: stretches are tried from the last on, pages likewise.
  private func runLatest(
    _ plan: Snapshot.ScanPlan, _ context: ExecutionContext, _ sink: Consumer
  ) throws(SQLError) {
    let scanner = StretchScanner(specification, context)
    let filter = specification.residual.map {
      FilterConsumer(NodeBuilder(context).node($0), types, sink)
    }
    var end = plan.stretches.count
    var latest: [Int] = []
    while end > 0 {
      var start = end - 1
      while start > 0, plan.stretches[start - 1].series == plan.stretches[start].series { start -= 1 }
      latest.append(start)
      end = start
    }
    let out = Batch(types.map { Vector($0) })
    for (position, start) in latest.reversed().enumerated() {
      let stop = position + 1 < latest.count ? latest[latest.count - 2 - position] : plan.stretches.count
      for index in (start..<stop).reversed() {
        try context.checkCancelled()
        guard let open = try scanner.open(plan.stretches[index], index),
          let row = try lastRow(open, scanner, filter)
        else { continue }
        for (column, vector) in out.columns.enumerated() { vector.gather(scanner.batch.columns[column], [UInt16(row)], at: out.count) }
        out.count += 1
        break
      }
      if out.count == Vector.capacity {
        if try !sink.consume(out) { break }
        out.count = 0
        for vector in out.columns { vector.clearNulls() }
      }
    }
    if out.count > 0 { _ = try sink.consume(out) }
    report(scanner.counters, plan, threads: 1)
  }

  /// The last passing row, as a row of the scanner's batch.
  private func lastRow(
    _ open: StretchScanner.Open, _ scanner: StretchScanner, _ filter: FilterConsumer?
  ) throws(SQLError) -> Int? {
    let pages = open.rows.lowerBound / StretchReader.pageRows...(open.rows.upperBound - 1) / StretchReader.pageRows
    for page in pages.reversed() {
      let mask = try scanner.mask(open, page: page, within: open.rows)
      if mask == SIMD4(repeating: 0) { continue }
      scanner.batch.count = 0
      try scanner.append(open, page: page, mask)
      guard let filter else { return scanner.batch.count - 1 }
      if let row = try filter.select(scanner.batch).last { return Int(row) }
    }
    return nil
  }
}

/// Rows of the morsels of a window, by place.
private final class WindowResults: Sendable {
  private let rows: Mutex<[RowStore]>
  private let empty: RowStore
  init(count: Int, types: [SQLType]) {
    empty = RowStore(types: types)
    rows = Mutex([RowStore](repeating: empty, count: count))
  }
  func put(_ index: Int, _ store: RowStore) { rows.withLock { $0[index] = store } }
  /// Once each: what was taken is not held here any longer.
  func take(_ index: Int) -> RowStore {
    rows.withLock { rows in
      defer { rows[index] = empty }
      return rows[index]
    }
  }
}
