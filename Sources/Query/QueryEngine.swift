import TSEngine

/// The door to queries: text in, batches of typed columns out.
package enum QueryEngine {
  /// Parses, binds and plans one statement.
  /// - Parameters:
  ///   - parameters: values of `$1`, `$2`, …
  ///   - named: values of `:name`.
  ///   - limits, cancel: of EXPLAIN DELETE, which is worked out here.
  ///   - right: of whoever asks, to say why a change is refused: here none is made.
  /// - Throws: with SQLSTATE, line and column; 0A000 for what is understood but not there yet.
  package static func prepare(
    _ sql: String, _ catalog: any Catalog, parameters: [SQLValue] = [],
    named: [String: SQLValue] = [:], nowNanos: Int64? = nil, limits: QueryLimits = QueryLimits(),
    cancel: CancelFlag = CancelFlag(), right: ChangeRight = .all
  ) throws(SQLError) -> PreparedQuery {
    let statement = try SQL.parse(sql)
    do throws(SQLError) {
      try right.check(statement)
      return try prepare(
        statement, catalog, parameters: parameters, named: named, nowNanos: nowNanos, limits: limits,
        cancel: cancel)
    } catch {
      throw error.located(in: Array(sql.utf8))
    }
  }

  package static func prepare(
    _ statement: Statement, _ catalog: any Catalog, parameters: [SQLValue] = [],
    named: [String: SQLValue] = [:], nowNanos: Int64? = nil, limits: QueryLimits = QueryLimits(),
    cancel: CancelFlag = CancelFlag()
  ) throws(SQLError) -> PreparedQuery {
    let pool = TextPool(symbols: catalog.snapshot.symbols)
    let binder = Binder(catalog, pool, parameters, named: named, nowNanos: nowNanos ?? wallNanos())
    if catalog.snapshot.viewer != nil { try requireReading(statement) }
    if isChange(statement.kind) {
      throw SQLError(
        .readOnlyTransaction, "the store is open for reading", at: statement.range,
        hint: "EXPLAIN DELETE and EXPLAIN DROP TABLE tell what they would take")
    }
    if case .explain(let inner, let options) = statement.kind,
      case .drop(.table, let names, let ifExists) = inner.kind
    {
      if options.analyze { throw .unsupported("EXPLAIN ANALYZE of a DROP TABLE", at: statement.range) }
      return try prepare(dropAnswer(names, ifExists: ifExists, catalog.snapshot), catalog)
    }
    if case .explain(let inner, let options) = statement.kind, case .delete(let delete) = inner.kind {
      if options.analyze { throw .unsupported("EXPLAIN ANALYZE of a DELETE", at: statement.range) }
      let removal = try DeletePlan(
        delete, catalog, parameters: parameters, named: named, nowNanos: nowNanos, limits: limits,
        cancel: cancel)
      return try prepare(removal.answer(), catalog)
    }
    switch statement.kind {
    case .query(let query):
      let bound = try binder.query(query)
      let columns = zip(bound.names, bound.types).map { (name: $0, type: $1) }
      return PreparedQuery(columns: columns, mode: .rows, plan: bound.plan, catalog: catalog, pool: pool)
    case .explain(let inner, let options):
      guard case .query(let query) = inner.kind else { throw .unsupported("EXPLAIN of this statement", at: inner.range) }
      let bound = try binder.query(query)
      return PreparedQuery(
        columns: [(name: "plan", type: .text)], mode: options.analyze ? .analyze : .explain, plan: bound.plan,
        catalog: catalog, pool: pool)
    default: throw .unsupported("this statement", at: statement.range)
    }
  }

  /// Whoever sees a part changes nothing, and is not told what a change would take.
  private static func requireReading(_ statement: Statement) throws(SQLError) {
    var kind = statement.kind
    while case .explain(let inner, _) = kind { kind = inner.kind }
    if isChange(kind) {
      throw SQLError(
        .insufficientPrivilege, "readings and tables are changed by administrators", at: statement.range)
    }
  }
}

/// A query bound to one snapshot. It may run more than once; each run gives the same rows.
package final class PreparedQuery {
  enum Mode { case rows, explain, analyze }

  package let columns: [(name: String, type: SQLType)]
  private let mode: Mode
  private let plan: LogicalPlan
  /// Made once where no sub-query must be answered first.
  private let root: Operator?
  private let catalog: any Catalog
  private let pool: TextPool

  init(
    columns: [(name: String, type: SQLType)], mode: Mode, plan: LogicalPlan, catalog: any Catalog, pool: TextPool
  ) {
    self.columns = columns
    self.mode = mode
    self.plan = plan
    root = plan.hasSubquery ? nil : PhysicalBuilder(pool: pool).build(plan)
    self.catalog = catalog
    self.pool = pool
  }

  /// Calls `sink` with each batch of the result, in order, on the calling thread; stops early when
  /// it returns false. A batch is valid during the call only.
  /// - Throws: what the sink throws; 57014 when cancelled or out of time, 53200 out of memory.
  package func run(
    limits: QueryLimits = QueryLimits(), cancel: CancelFlag = CancelFlag(),
    sink: @escaping (ResultBatch) throws(SQLError) -> Bool
  ) throws(SQLError) {
    let context = ExecutionContext(
      catalog: catalog, pool: pool, limits: limits, cancel: cancel, isAnalyzing: mode == .analyze)
    try context.checkCancelled()
    if mode == .explain { return try emit(Explain.lines(plan, pool), sink) }
    let begin = monotonicNanos()
    let root: Operator
    if let known = self.root { root = known } else { root = PhysicalBuilder(pool: pool).build(try plan.answeringSubqueries(context)) }
    switch mode {
    case .rows:
      try root.run(context, SinkConsumer { [pool] (batch) throws(SQLError) in
        try context.checkCancelled()
        if batch.count == 0 { return true }
        return try sink(ResultBatch(batch, pool))
      })
    case .explain: break
    case .analyze:
      try root.start(context, SinkConsumer { _ in true })
      let summary = Explain.Summary(nanos: monotonicNanos() - begin, peakBytes: context.peakByteCount)
      try emit(Explain.lines(root, summary) + Explain.subqueries(plan, pool), sink)
    }
  }

  private func emit(_ lines: [String], _ sink: (ResultBatch) throws(SQLError) -> Bool) throws(SQLError) {
    let vector = Vector(.text)
    for (row, line) in lines.prefix(Vector.capacity).enumerated() { vector.set(row, .text(line), pool) }
    _ = try sink(ResultBatch(Batch([vector], count: min(lines.count, Vector.capacity)), pool))
  }

  /// All rows as values: for small results and tests.
  package func rows(
    limits: QueryLimits = QueryLimits(), cancel: CancelFlag = CancelFlag()
  ) throws(SQLError) -> [[SQLValue]] {
    var rows: [[SQLValue]] = []
    try run(limits: limits, cancel: cancel) { (batch) throws(SQLError) in
      for row in 0..<batch.rowCount { rows.append((0..<batch.columnCount).map { batch.value(row, $0) }) }
      return true
    }
    return rows
  }
}

/// A batch of a result, for printing and sending: read the columns as they lie, or value by value.
package struct ResultBatch {
  private let batch: Batch
  package let pool: TextPool

  init(_ batch: Batch, _ pool: TextPool) {
    self.batch = batch
    self.pool = pool
  }

  package var rowCount: Int { batch.count }
  package var columnCount: Int { batch.columns.count }
  package func isNull(_ row: Int, _ column: Int) -> Bool { !batch.columns[column].isValid(row) }
  /// The slot of a non-null value: an int, bool or timestamp as itself, a float's bits, a text's code of `pool`.
  package func slot(_ row: Int, _ column: Int) -> Int64 { batch.columns[column][row] }
  package func value(_ row: Int, _ column: Int) -> SQLValue { batch.columns[column].value(row, pool) }
}
