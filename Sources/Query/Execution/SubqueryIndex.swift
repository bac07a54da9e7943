/// The answers of a correlated sub-query for all combinations at once. Where its captures meet the inner rows
/// in equalities alone, `WHERE inner = outer`, one run of the inner query without them, grouped by their
/// inner sides, holds every answer (decorrelation; after Neumann and Kemper, "Unnesting Arbitrary Queries", 2015).
struct SubqueryIndex: Sendable {
  private let answers: [[SQLValue]: SubqueryAnswer]
  /// Of a combination that no inner row has.
  private let absent: SubqueryAnswer
  /// Combinations with several rows where one value is wanted.
  private let crowded: Set<[SQLValue]>
  let byteCount: Int

  /// - Throws: 21000 as the sub-query itself would.
  func answer(_ key: [SQLValue]) throws(SQLError) -> SubqueryAnswer {
    let key = key.map(SubqueryAnswer.Members.key)
    // NULL equals nothing.
    if key.contains(.null) { return absent }
    if crowded.contains(key) { throw .severalRows() }
    return answers[key] ?? absent
  }

  // MARK: - Shape

  /// How a sub-query reads the row around it.
  struct Shape: Sendable {
    /// The inner sides of the equalities, then what the sub-query gives.
    fileprivate let plan: LogicalPlan
    /// The query over no rows, where it answers something even then.
    fileprivate let empty: LogicalPlan?
    fileprivate let keyCount: Int
    /// The sides of the row around, over the captures.
    let outer: [BoundExpr]
  }

  /// Nil where equalities are not all.
  static func shape(_ query: Subquery) -> Shape? {
    guard query.form != .contains, !query.captures.isEmpty else { return nil }
    func isInner(_ expression: BoundExpr) -> Bool { !expression.readsOuter(query.captures) }
    var plan = query.plan
    if query.form == .exists, case .limit(let child, 1, 0) = plan { plan = child }
    var given: [BoundExpr]?
    if case .project(let child, let expressions) = plan {
      guard expressions.allSatisfy(isInner) else { return nil }
      (plan, given) = (child, expressions)
    }
    var aggregates: [Aggregate]?
    if case .aggregate(let child, let keys, let found) = plan {
      guard keys.isEmpty, found.flatMap(\.arguments).allSatisfy(isInner) else { return nil }
      (plan, aggregates) = (child, found)
    }
    var terms: [BoundExpr] = []
    while case .filter(let child, let condition) = plan {
      terms += condition.conjuncts
      plan = child
    }
    guard !plan.readsOuter(query.captures) else { return nil }
    var (keys, outer, rest): ([BoundExpr], [BoundExpr], [BoundExpr]) = ([], [], [])
    for term in terms {
      if isInner(term) {
        rest.append(term)
        continue
      }
      guard case .compare(.equal, var a, var b) = term else { return nil }
      if !isInner(a) { (a, b) = (b, a) }
      guard isInner(a), b.columns.isEmpty, !b.hasSubquery else { return nil }
      keys.append(a)
      outer.append(b)
    }
    if keys.isEmpty { return nil }
    let rows = BoundExpr.conjunction(rest).map { LogicalPlan.filter(plan, $0) } ?? plan
    if let aggregates {
      let grouped = LogicalPlan.aggregate(rows, keys: keys, aggregates)
      let columns = keys.indices.map { BoundExpr.column($0, keys[$0].type) }
      let results = given ?? aggregates.indices.map { .column($0, aggregates[$0].type) }
      let nothing = LogicalPlan.filter(plan, .constant(.bool(false), .bool))
      return Shape(
        plan: .project(grouped, columns + results.map { $0.remapped { $0 + keys.count } }),
        empty: .project(.aggregate(nothing, keys: [], aggregates), results),
        keyCount: keys.count, outer: outer)
    }
    let results = query.form == .exists ? [] : given ?? plan.types.enumerated().map { .column($0, $1) }
    var inner = LogicalPlan.project(rows, keys + results)
    if query.form == .exists { inner = .aggregate(inner, keys: keys.indices.map { .column($0, keys[$0].type) }, []) }
    return Shape(plan: inner, empty: nil, keyCount: keys.count, outer: outer)
  }

  // MARK: - Making

  /// Runs the inner query once. O(its rows) in time and memory.
  /// - Throws: what the run throws.
  init(_ query: Subquery, _ shape: Shape, _ context: ExecutionContext) throws(SQLError) {
    let inner = ExecutionContext(
      catalog: context.catalog, pool: context.pool, limits: context.limitsLeft, cancel: context.cancel, isAnalyzing: false)
    if let empty = shape.empty {
      absent = try context.answer(Subquery(empty, query.form, operandCount: query.operandCount, captures: []), [])
    } else {
      absent =
        switch query.form {
        case .scalar: .value(.null)
        case .exists: .exists(false)
        case .compare, .contains: .members(SubqueryAnswer.Members())
        }
    }
    let root = PhysicalBuilder(pool: context.pool).build(try shape.plan.answeringSubqueries(inner))
    var answers: [[SQLValue]: SubqueryAnswer] = [:]
    var members: [[SQLValue]: SubqueryAnswer.Members] = [:]
    var crowded: Set<[SQLValue]> = []
    var bytes = 0
    let charge = MemoryCharge(inner)
    let pool = context.pool
    try root.run(inner, SinkConsumer { (batch) throws(SQLError) in
      let before = bytes
      for row in 0..<batch.count {
        let key = batch.columns[..<shape.keyCount].map { SubqueryAnswer.Members.key($0.value(row, pool)) }
        if key.contains(.null) { continue }
        switch query.form {
        case .exists: answers[key] = .exists(true)
        case .scalar:
          if answers.updateValue(.value(batch.columns[shape.keyCount].value(row, pool)), forKey: key) != nil {
            crowded.insert(key)
          }
        case .compare, .contains:
          members[key, default: SubqueryAnswer.Members()].insert([batch.columns[shape.keyCount].value(row, pool)])
          bytes += 96
        }
      }
      bytes += batch.count * (64 + 48 * shape.keyCount)
      try charge.add(bytes - before)
      return true
    })
    for (key, found) in members { answers[key] = .members(found) }
    self.answers = answers
    self.crowded = crowded
    byteCount = bytes
  }
}

extension SQLError {
  static func severalRows() -> SQLError {
    SQLError(
      .cardinalityViolation, "a sub-query that stands for one value gives more than one row",
      hint: "add LIMIT 1, an aggregate, or use IN")
  }
}

extension BoundExpr {
  /// Whether it reads one of these values of the query around, itself or in a query within.
  func readsOuter(_ numbers: [Int]) -> Bool {
    switch self {
    case .outer(let number, _): numbers.contains(number)
    case .subquery(let query, let terms):
      query.plan.readsOuter(numbers) || terms.contains { $0.readsOuter(numbers) }
    default: children.contains { $0.readsOuter(numbers) }
    }
  }
}

extension LogicalPlan {
  func readsOuter(_ numbers: [Int]) -> Bool {
    var found = false
    _ = mapExpressions { expression in
      found = found || expression.readsOuter(numbers)
      return expression
    }
    return found
  }
}
