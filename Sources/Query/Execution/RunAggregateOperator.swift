import TSEngine

/// A key that changes only at known instants of a series, so that groups are ranges of rows and no
/// row is hashed.
enum RunKey {
  /// The same for a whole series: an expression over sensor and probe.
  case series(BoundExpr)
  case bucket(TimeGrid)
  case owner

  /// How `expression`, over the columns of a scan, runs; nil when it may change at any row.
  init?(_ expression: BoundExpr, _ columns: [ScanColumn]) {
    switch expression {
    case .column(let index, _) where columns[index] == .owner: self = .owner
    case .call(.bucket(let grid), let arguments, _):
      guard case .column(let index, _) = arguments[0], columns[index] == .time else { return nil }
      self = .bucket(grid)
    default:
      guard expression.columns.allSatisfy({ columns[$0] == .device || columns[$0] == .probe }) else { return nil }
      self = .series(expression)
    }
  }
}

/// GROUP BY straight over a scan whose keys are runs: answers whole stretches from their
/// statistics, folds ranges of decoded rows for the rest, and hashes once a run.
final class RunAggregateOperator: Operator {
  private let scan: ScanOperator
  private let keys: [RunKey]
  private let keyTypes: [SQLType]
  private let aggregates: [Aggregate]
  /// Only what the aggregates read.
  private let specification: ScanSpecification

  /// nil when the keys are no runs or the scan filters row by row.
  init?(_ scan: ScanOperator, keys: [BoundExpr], aggregates: [Aggregate]) {
    guard scan.specification.residual == nil, !scan.specification.isLatest else { return nil }
    let columns = scan.specification.columns
    var runs: [RunKey] = []
    for key in keys {
      guard let run = RunKey(key, columns) else { return nil }
      runs.append(run)
    }
    let read = aggregates.flatMap(\.arguments).reduce(into: Set<Int>()) { $1.collectColumns(into: &$0) }.sorted()
    let position = Dictionary(uniqueKeysWithValues: read.enumerated().map { ($1, $0) })
    var specification = scan.specification
    specification.columns = read.map { columns[$0] }
    self.scan = scan
    self.specification = specification
    self.keys = zip(runs, keys).map { run, key in
      // Series keys see a row of sensor and probe.
      if case .series = run { return .series(key.remapped { columns[$0] == .device ? 0 : 1 }) }
      return run
    }
    keyTypes = keys.map(\.type)
    self.aggregates = aggregates.map { aggregate in
      Aggregate(function: aggregate.function, arguments: aggregate.arguments.map { $0.remapped { position[$0] ?? 0 } })
    }
    super.init(keys.map(\.type) + aggregates.map(\.type), [scan])
  }

  override var title: String { "AGGREGATE by runs: \(keys.count) keys, \(aggregates.count) aggregates" }

  override func run(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) {
    let plan = try scan.plan(context)
    let begin = context.isAnalyzing ? monotonicNanos() : 0
    let count = ScanOperator.workers(plan.stretches, context)
    let workers = (0..<count).map { _ in
      RunAggregateWorker(specification, keys, keyTypes, aggregates, context)
    }
    let shared = PerWorker(workers)
    // Short morsels: statistics answer a stretch in a microsecond or so.
    let width = max(1, min(16, plan.stretches.count / (count * 8)))
    let queue = MorselQueue(count: (plan.stretches.count + width - 1) / width)
    WorkerPool.shared.run(workers: count) { worker in
      while let morsel = queue.take() {
        do throws(SQLError) {
          try context.checkCancelled()
          for index in morsel * width..<min(morsel * width + width, plan.stretches.count) {
            try shared.elements[worker].process(plan.stretches[index], index)
          }
        } catch {
          queue.fail(morsel, error)
        }
      }
    }
    try queue.throwFailure()
    for other in workers.dropFirst() { try workers[0].grouping.merge(other.grouping) }
    let counters = workers.reduce(into: ScanCounters()) { $0 += $1.scanner.counters }
    scan.metrics.rows.add(counters.rows, ordering: .relaxed)
    if context.isAnalyzing { scan.metrics.nanos.add(monotonicNanos() - begin, ordering: .relaxed) }
    scan.report(counters, plan, threads: count)
    try workers[0].grouping.emit(sink)
  }
}

/// One worker's part.
final class RunAggregateWorker {
  let scanner: StretchScanner
  let grouping: Grouping
  private let context: ExecutionContext
  private let keys: [RunKey]
  private let seriesNodes: [ExpressionNode?]
  private let keyVectors: [Vector]
  /// One row: sensor and probe.
  private let series = Batch([Vector(.text), Vector(.int)], count: 1)
  private let arguments: [[ExpressionNode]]
  private var pending: [Int] = []
  private var lastSeries: SeriesKey?
  private var facts = SegmentFacts(rowCount: 0, arguments: [], sequence: 0)
  private let readsColumns: Bool
  /// Arguments of the loaded chunk, by state.
  private var inputs: [[Vector]] = []

  init(
    _ specification: ScanSpecification, _ keys: [RunKey], _ keyTypes: [SQLType],
    _ aggregates: [Aggregate], _ context: ExecutionContext
  ) {
    let builder = NodeBuilder(context)
    self.context = context
    self.keys = keys
    scanner = StretchScanner(specification, context)
    grouping = Grouping(keyTypes, aggregates, context)
    seriesNodes = keys.map { if case .series(let expression) = $0 { builder.node(expression) } else { nil } }
    keyVectors = keyTypes.map { Vector($0) }
    arguments = grouping.stateArguments.map { $0.map(builder.node) }
    readsColumns = !specification.columns.isEmpty
    inputs = arguments.map { _ in [] }
  }

  func process(_ stretch: Stretch, _ index: Int) throws(SQLError) {
    guard let undecided = scanner.undecided(stretch) else {
      scanner.counters.excluded += 1
      return
    }
    try setSeriesKeys(stretch)
    pending.removeAll(keepingCapacity: true)
    pending.append(contentsOf: grouping.states.indices)
    let isSettled =
      stretch.hasExactRowCount && undecided.isEmpty && scanner.specification.texts.isEmpty && scanner.isInside(stretch)
    if isSettled, setRunKeys(stretch, at: stretch.firstTime) > stretch.lastTime {
      let sequence = UInt64(index) << 32
      let group = grouping.table.find(keyVectors, row: 0, sequence: sequence)
      grouping.resize()
      (facts.rowCount, facts.sequence) = (stretch.rowCount, sequence)
      pending.removeAll { state in
        facts.arguments.removeAll(keepingCapacity: true)
        for argument in grouping.stateArguments[state] { facts.arguments.append(statistics(of: argument, stretch)) }
        return grouping.states[state].absorb(group, facts)
      }
      if pending.isEmpty {
        scanner.counters.answered += 1
        return
      }
    }
    guard let open = try scanner.open(stretch, index) else { return }
    var row = open.rows.lowerBound
    while row < open.rows.upperBound {
      let next = setRunKeys(stretch, at: row == 0 ? stretch.firstTime : time(open, row))
      let end = next > stretch.lastTime ? open.rows.upperBound : min(open.rows.upperBound, open.reader.firstRow(atOrAfter: next))
      try feed(open, row..<max(end, row + 1))
      row = max(end, row + 1)
    }
    try grouping.charge()
  }

  private func time(_ open: StretchScanner.Open, _ row: Int) -> Int64 {
    if let times = open.reader.regularTimes { return times.tick(row) }
    var instant: [Int64] = [0]
    var span = instant.mutableSpan
    open.reader.times(row..<row + 1, into: &span)
    return instant[0]
  }

  // MARK: - Keys

  private func setSeriesKeys(_ stretch: Stretch) throws(SQLError) {
    guard seriesNodes.contains(where: { $0 != nil }), stretch.series != lastSeries else { return }
    lastSeries = stretch.series
    series.columns[0][0] = context.pool.code(of: stretch.series.device)
    series.columns[1][0] = Int64(stretch.series.probe)
    for (index, node) in seriesNodes.enumerated() {
      guard let node else { continue }
      let value = try node.evaluate(series, nil)
      keyVectors[index].clearNulls()
      keyVectors[index].gather(value, [0])
    }
  }

  /// Sets the keys that depend on time for a row at `instant`; returns when the first of them changes.
  private func setRunKeys(_ stretch: Stretch, at instant: Int64) -> Int64 {
    var next = Int64.max
    for (index, key) in keys.enumerated() {
      switch key {
      case .series: continue
      case .bucket(let grid):
        keyVectors[index][0] = grid.start(of: instant)
        next = min(next, grid.next(after: instant))
      case .owner:
        let runs = context.catalog.owners(of: stretch.series.device, during: stretch.firstTime..<stretch.lastTime &+ 1)
        let run = runs.first { $0.times.upperBound > instant }
        keyVectors[index].clearNulls()
        if let run, run.times.lowerBound <= instant {
          if let owner = run.owner { keyVectors[index][0] = context.pool.code(of: owner) } else { keyVectors[index].setNull(0) }
          next = min(next, run.times.upperBound)
        } else {
          keyVectors[index].setNull(0)
          next = min(next, run?.times.lowerBound ?? .max)
        }
      }
    }
    return next
  }

  // MARK: - Statistics

  /// What statistics say of an argument over the whole stretch.
  private func statistics(of expression: BoundExpr, _ stretch: Stretch) -> KnownValues? {
    switch expression {
    case .column(let index, _):
      switch scanner.specification.columns[index] {
      case .value(let id, _): return stretch.statistics(of: id).flatMap { KnownValues($0) }
      case .time:
        return KnownValues(
          count: stretch.rowCount, min: stretch.firstTime, max: stretch.lastTime, first: stretch.firstTime,
          last: stretch.lastTime, sum: nil)
      case .probe: return constant(Int64(stretch.series.probe), stretch)
      case .device: return constant(context.pool.code(of: stretch.series.device), stretch)
      case .lsn, .receivedAt, .owner: return nil
      }
    case .constant(.int(let value), _): return constant(value, stretch)
    case .coalesce(let terms, .int):
      // A column with a default: one of the two throughout.
      guard terms.count == 2, let known = statistics(of: terms[0], stretch) else { return nil }
      if known.nullCount == 0 { return known }
      return known.nullCount == known.count ? statistics(of: terms[1], stretch) : nil
    default: return nil
    }
  }

  private func constant(_ slot: Int64, _ stretch: Stretch) -> KnownValues {
    KnownValues(
      count: stretch.rowCount, min: slot, max: slot, first: slot, last: slot,
      sum: Int128(slot) * Int128(stretch.rowCount))
  }

  // MARK: - Rows

  /// Feeds `rows`, all of the current keys, to the states that statistics did not answer.
  private func feed(_ open: StretchScanner.Open, _ rows: Range<Int>) throws(SQLError) {
    if open.live.isEmpty { return try feedDense(open, rows) }
    scanner.batch.count = 0
    var counted = 0
    for page in rows.lowerBound / StretchReader.pageRows...(rows.upperBound - 1) / StretchReader.pageRows {
      let mask = try scanner.mask(open, page: page, within: rows)
      if mask == SIMD4(repeating: 0) {
        scanner.counters.pagesSkipped += 1
        continue
      }
      guard readsColumns else {
        counted += (0..<4).reduce(0) { $0 + mask[$1].nonzeroBitCount }
        continue
      }
      if scanner.batch.count + StretchReader.pageRows > Vector.capacity { try flush(open) }
      try scanner.append(open, page: page, mask)
    }
    if counted > 0 {
      update(group(open, rows.lowerBound), 0..<counted, open.sequence)
      scanner.counters.rows += counted
    }
    if scanner.batch.count > 0 { try flush(open) }
  }

  private func group(_ open: StretchScanner.Open, _ row: Int) -> Int {
    let group = grouping.table.find(keyVectors, row: 0, sequence: open.sequence &+ UInt64(row))
    grouping.resize()
    return group
  }

  private func flush(_ open: StretchScanner.Open) throws(SQLError) {
    try evaluate(nil)
    let batch = scanner.batch
    update(group(open, Int(batch.sequence &- open.sequence)), 0..<batch.count, batch.sequence)
    batch.count = 0
  }

  private func feedDense(_ open: StretchScanner.Open, _ rows: Range<Int>) throws(SQLError) {
    let group = group(open, rows.lowerBound)
    guard readsColumns else {
      scanner.counters.rows += rows.count
      return update(group, rows, open.sequence)
    }
    for chunk in rows.lowerBound / Vector.capacity...(rows.upperBound - 1) / Vector.capacity {
      let first = chunk * Vector.capacity
      let isNew = scanner.batch.sequence != open.sequence &+ UInt64(first) || rows.lowerBound == open.rows.lowerBound || rows.lowerBound <= first
      try scanner.loadChunk(open, chunk)
      if isNew {
        let inside = max(open.rows.lowerBound - first, 0)..<min(open.rows.upperBound - first, scanner.batch.count)
        try evaluate(inside.count == scanner.batch.count ? nil : RowMask(inside))
      }
      let local = max(rows.lowerBound - first, 0)..<min(rows.upperBound - first, scanner.batch.count)
      update(group, local, scanner.batch.sequence)
    }
  }

  private func evaluate(_ active: RowMask?) throws(SQLError) {
    for state in pending {
      inputs[state].removeAll(keepingCapacity: true)
      for node in arguments[state] { inputs[state].append(try node.evaluate(scanner.batch, active)) }
    }
  }

  private func update(_ group: Int, _ rows: Range<Int>, _ sequence: UInt64) {
    for state in pending { grouping.states[state].update(group, inputs[state], rows, sequence) }
  }
}

extension RowMask {
  /// The rows of `range`.
  init(_ range: Range<Int>) {
    self.init(count: range.upperBound)
    subtract(RowMask(count: range.lowerBound))
  }
}
