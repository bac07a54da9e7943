import TSEngine

/// Turns a parsed query into a logical plan: resolves names against the catalog, gives every
/// expression its type, and refuses what has no meaning, with its place.
final class Binder {
  let catalog: any Catalog
  let folding: Folding
  let parameters: [SQLValue]
  /// Of `:name`.
  let namedParameters: [String: SQLValue]
  let nowNanos: Int64
  /// Aggregates of the SELECT being bound; nil where none may stand.
  var aggregates: [Aggregate]?
  var aggregateHint: String?
  /// Window functions of the SELECT being bound; nil where none may stand.
  var windows: [WindowUse]?
  /// Of its WINDOW clause.
  var namedWindows: [NamedWindow] = []
  /// Gaps that the SELECT being bound fills: in which bucket, and how an aggregate does by its number.
  var gaps: (request: GapRequest?, fills: [Int: GapFill.Fill]) = (nil, [:])
  /// The names around the sub-query being bound.
  var surroundings: OuterScope?
  /// Sub-queries of the SELECT being bound, by their text.
  var subqueries: [(text: String, columns: [Scope.Column], bound: BoundExpr)] = []
  /// The last number given to a value of a query around.
  var lastOuter = 0
  /// Where a column was last mentioned, for errors about it.
  var columnRanges: [Int: SourceRange] = [:]
  /// What a row without a span covers, by relation of FROM.
  var defaultSpans: [String: Int64] = [:]
  /// WITH: innermost last.
  var commonTables: [(name: String, query: BoundQuery)] = []

  init(
    _ catalog: any Catalog, _ pool: TextPool, _ parameters: [SQLValue],
    named namedParameters: [String: SQLValue] = [:], nowNanos: Int64
  ) {
    self.catalog = catalog
    folding = Folding(pool: pool)
    self.parameters = parameters
    self.namedParameters = namedParameters
    self.nowNanos = nowNanos
  }
}

/// A query with the names of its columns.
struct BoundQuery {
  var plan: LogicalPlan
  var names: [String]
  var types: [SQLType] { plan.types }
}

// MARK: - Queries

extension Binder {
  func query(_ query: Query) throws(SQLError) -> BoundQuery {
    if query.isRecursive { throw .unsupported("WITH RECURSIVE", at: query.range) }
    if query.withTies { throw .unsupported("WITH TIES", at: query.range) }
    let depth = commonTables.count
    defer { commonTables.removeSubrange(depth...) }
    for table in query.with {
      let bound = try renamed(self.query(table.query), table.columns, table.name.range)
      commonTables.append((table.name.name, bound))
    }
    var result = try body(query.body, orderBy: query.orderBy)
    let limit = try query.limit.map { (e) throws(SQLError) in try rowCount(e, "LIMIT") } ?? nil
    let offset = try query.offset.map { (e) throws(SQLError) in try rowCount(e, "OFFSET") } ?? nil
    if limit != nil || offset != nil { result.plan = .limit(result.plan, limit, offset: offset ?? 0) }
    return result
  }

  /// LIMIT and OFFSET: a constant; NULL is none.
  private func rowCount(_ expression: Expression, _ clause: String) throws(SQLError) -> Int? {
    let bound = try coerce(bind(expression, Scope()), to: .int, expression.range)
    switch bound.constantValue {
    case .null: return nil
    case .int(let count) where count >= 0: return Int(clamping: count)
    default: throw SQLError(.invalidParameterValue, "\(clause) is a number of rows, at least 0", at: expression.range)
    }
  }

  private func body(_ body: Query.Body, orderBy: [SortKey]) throws(SQLError) -> BoundQuery {
    switch body {
    case .select(let select): return try self.select(select, orderBy: orderBy)
    case .values(let rows): return try ordered(values(rows), orderBy)
    case .nested(let query): return try ordered(self.query(query), orderBy)
    case .table(let reference):
      let (plan, scope) = try table(reference)
      let shown = scope.columns.indices.filter { !scope.columns[$0].isHidden }
      let projected = LogicalPlan.project(plan, shown.map { .column($0, scope.columns[$0].type) })
      return try ordered(BoundQuery(plan: projected, names: shown.map { scope.columns[$0].name }), orderBy)
    case .combined(let operation, let all, let left, let right):
      let combined = try self.combined(
        operation, all, self.body(left, orderBy: []), self.body(right, orderBy: []))
      return try ordered(combined, orderBy)
    }
  }

  private func combined(
    _ operation: SetOperator, _ all: Bool, _ a: BoundQuery, _ b: BoundQuery
  ) throws(SQLError) -> BoundQuery {
    let word = operation.rawValue
    guard a.types.count == b.types.count else {
      throw SQLError(.syntaxError, "\(word) joins \(a.types.count) columns with \(b.types.count)")
    }
    var types: [SQLType] = []
    for (x, y) in zip(a.types, b.types) {
      guard let type = common(x, y) else {
        throw SQLError(.datatypeMismatch, "\(word) joins \(x.rawValue) with \(y.rawValue)", hint: "cast one of them with ::")
      }
      types.append(type)
    }
    let (left, right) = (try converted(a.plan, types), try converted(b.plan, types))
    guard operation == .union else {
      return BoundQuery(plan: .setOperation(operation, all: all, left, right), names: a.names)
    }
    let plan = LogicalPlan.unionAll([left, right])
    return BoundQuery(plan: all ? plan : distinct(plan), names: a.names)
  }

  private func converted(_ plan: LogicalPlan, _ types: [SQLType]) throws(SQLError) -> LogicalPlan {
    if plan.types == types { return plan }
    let columns = zip(plan.types, types).enumerated().map { index, pair in
      let column = BoundExpr.column(index, pair.0)
      return pair.0 == pair.1 ? column : .cast(column, pair.1)
    }
    return .project(plan, columns)
  }

  func distinct(_ plan: LogicalPlan) -> LogicalPlan {
    .aggregate(plan, keys: plan.types.enumerated().map { .column($0, $1) }, [])
  }

  private func values(_ rows: [[Expression]]) throws(SQLError) -> BoundQuery {
    var bound: [[(expression: BoundExpr, range: SourceRange)]] = []
    for row in rows {
      var cells: [(expression: BoundExpr, range: SourceRange)] = []
      for cell in row { cells.append((try bind(cell, Scope()), cell.range)) }
      if let first = bound.first, first.count != cells.count {
        throw SQLError(.syntaxError, "the rows of VALUES differ in length", at: row.first?.range)
      }
      bound.append(cells)
    }
    let width = bound.first?.count ?? 0
    var types: [SQLType] = []
    for column in 0..<width { types.append(try common(bound.map { $0[column] }, "VALUES")) }
    var result: [[BoundExpr]] = []
    for row in bound {
      var cells: [BoundExpr] = []
      for (cell, type) in zip(row, types) { cells.append(try coerce(cell.expression, to: type, cell.range)) }
      result.append(cells)
    }
    return BoundQuery(plan: .values(result, types), names: (0..<width).map { "column\($0 + 1)" })
  }

  /// ORDER BY over a finished query: its columns by name or number, or expressions of them.
  private func ordered(_ query: BoundQuery, _ orderBy: [SortKey]) throws(SQLError) -> BoundQuery {
    guard !orderBy.isEmpty else { return query }
    var scope = Scope()
    scope.columns = zip(query.names, query.types).map { Scope.Column(relation: "", name: $0, type: $1) }
    var order: [SortOrder] = []
    for key in orderBy {
      let expression: BoundExpr
      if let ordinal = try ordinal(key.expression, query.names.count, "ORDER BY") {
        expression = .column(ordinal, query.types[ordinal])
      } else {
        expression = try bind(key.expression, scope)
      }
      order.append(sortOrder(key, expression))
    }
    return BoundQuery(plan: .sort(query.plan, order), names: query.names)
  }

  func sortOrder(_ key: SortKey, _ expression: BoundExpr) -> SortOrder {
    let nullsFirst = key.nulls.map { $0 == .first } ?? key.isDescending
    return SortOrder(expression: expression, isDescending: key.isDescending, nullsFirst: nullsFirst)
  }

  /// `ORDER BY 2`: the position from 0; nil when the expression is no bare integer.
  func ordinal(_ expression: Expression, _ count: Int, _ clause: String) throws(SQLError) -> Int? {
    guard case .literal(.integer(let number)) = expression.kind else { return nil }
    guard number >= 1, number <= Int64(count) else {
      throw SQLError(.invalidColumnReference, "\(clause) position \(number) is not in the select list", at: expression.range)
    }
    return Int(number - 1)
  }

  func renamed(_ query: BoundQuery, _ names: [Identifier], _ range: SourceRange) throws(SQLError) -> BoundQuery {
    guard names.count <= query.names.count else {
      throw SQLError(.invalidColumnReference, "\(names.count) names for \(query.names.count) columns", at: range)
    }
    var result = query
    for (index, name) in names.enumerated() { result.names[index] = name.name }
    return result
  }
}
