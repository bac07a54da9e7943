/// Queries inside expressions.
extension Binder {
  /// The same text twice in one SELECT is one query, answered once: GROUP BY and the select list may both hold it.
  func subquery(_ expression: Expression, _ scope: Scope) throws(SQLError) -> BoundExpr {
    let text = Printer.text(of: expression)
    if let known = subqueries.first(where: { $0.text == text && $0.columns == scope.columns }) { return known.bound }
    let bound = try newSubquery(expression, scope)
    // What holds an aggregate or a window function may stand in some clauses only.
    if bound.columns.allSatisfy({ $0 < Self.aggregateBase }) { subqueries.append((text, scope.columns, bound)) }
    return bound
  }

  private func newSubquery(_ expression: Expression, _ scope: Scope) throws(SQLError) -> BoundExpr {
    switch expression.kind {
    case .subquery(let query):
      let (inner, outer) = try within(query, scope)
      try requireColumns(1, inner, query.range)
      return made(inner.plan, .scalar, [], outer)
    case .exists(let query):
      let (inner, outer) = try within(query, scope)
      return made(.limit(inner.plan, 1, offset: 0), .exists, [], outer)
    case .inQuery(let operand, let query, let negated):
      let found = try inQuery(operand, query, scope, expression.range)
      return negated ? folding.fold(.not(found)) : found
    case .quantified(let symbol, let operand, let quantifier, let source):
      guard let operation = Comparison(rawValue: symbol.rawValue) else {
        throw .unsupported("the operator \(symbol.rawValue) with \(quantifier.rawValue)", at: expression.range)
      }
      return try quantified(operation, operand, all: quantifier == .all, source, scope, expression.range)
    default: throw .unsupported("this expression", at: expression.range)
    }
  }

  /// Binds `query` with the names of `scope` around it.
  private func within(_ query: Query, _ scope: Scope) throws(SQLError) -> (BoundQuery, OuterScope) {
    let outer = OuterScope(scope, surroundings)
    let (around, collected, hint, spans) = (surroundings, aggregates, aggregateHint, defaultSpans)
    let (calls, known) = (windows, subqueries)
    defer {
      subqueries = known
      surroundings = around
      (aggregates, aggregateHint, defaultSpans) = (collected, hint, spans)
      windows = calls
    }
    surroundings = outer
    (aggregates, windows, subqueries) = (nil, nil, [])
    return (try self.query(query), outer)
  }

  private func made(
    _ plan: LogicalPlan, _ form: Subquery.Form, _ operands: [BoundExpr], _ outer: OuterScope
  ) -> BoundExpr {
    let query = Subquery(plan, form, operandCount: operands.count, captures: outer.captures.map(\.number))
    return .subquery(query, operands + outer.terms)
  }

  private func requireColumns(_ count: Int, _ query: BoundQuery, _ range: SourceRange) throws(SQLError) {
    guard query.types.count == count else {
      throw SQLError(
        .syntaxError, "this sub-query gives \(query.types.count) columns where \(count) \(count == 1 ? "is" : "are") wanted",
        at: range)
    }
  }

  private func inQuery(
    _ operand: Expression, _ query: Query, _ scope: Scope, _ range: SourceRange
  ) throws(SQLError) -> BoundExpr {
    guard case .row(let parts) = operand.kind else {
      return try compared(.equal, operand, all: false, query, scope, range)
    }
    let (inner, outer) = try within(query, scope)
    try requireColumns(parts.count, inner, query.range)
    var (operands, columns): ([BoundExpr], [BoundExpr]) = ([], [])
    for (index, part) in parts.enumerated() {
      let (x, column) = try matched(bind(part, scope), .column(index, inner.types[index]), "IN", part.range)
      operands.append(x)
      columns.append(column)
    }
    return made(.project(inner.plan, columns), .contains, operands, outer)
  }

  private func quantified(
    _ operation: Comparison, _ operand: Expression, all: Bool, _ source: Expression, _ scope: Scope, _ range: SourceRange
  ) throws(SQLError) -> BoundExpr {
    switch source.kind {
    case .subquery(let query): return try compared(operation, operand, all: all, query, scope, range)
    case .array(let members):
      let x = try bind(operand, scope)
      var terms: [BoundExpr] = []
      for member in members { terms.append(try compare(operation, x, bind(member, scope), member.range)) }
      if terms.isEmpty { return .constant(.bool(all), .bool) }
      return terms.count == 1 ? terms[0] : folding.fold(all ? .and(terms) : .or(terms))
    default: throw .unsupported("\(all ? "ALL" : "ANY") of this", at: source.range, hint: "give a sub-query or ARRAY[…]")
    }
  }

  private func compared(
    _ operation: Comparison, _ operand: Expression, all: Bool, _ query: Query, _ scope: Scope, _ range: SourceRange
  ) throws(SQLError) -> BoundExpr {
    let (inner, outer) = try within(query, scope)
    try requireColumns(1, inner, query.range)
    let (x, column) = try matched(bind(operand, scope), .column(0, inner.types[0]), operation.rawValue, range)
    let plan: LogicalPlan
    if case .column = column { plan = inner.plan } else { plan = .project(inner.plan, [column]) }
    return made(plan, .compare(operation, all: all), [x], outer)
  }
}
