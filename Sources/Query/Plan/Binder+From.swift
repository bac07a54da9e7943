import TSEngine

/// FROM: tables, sub-queries and joins to a plan and the names it offers.
extension Binder {
  func from(_ references: [TableReference]) throws(SQLError) -> (LogicalPlan, Scope) {
    guard let first = references.first else { return (.values([[]], []), Scope()) }
    var (plan, scope) = try table(first)
    for reference in references.dropFirst() {
      let (right, rightScope) = try table(reference)
      try requireDistinct(scope, rightScope, reference.range)
      plan = .join(plan, right, .inner, condition: [])
      scope.columns += rightScope.columns
    }
    return (plan, scope)
  }

  private func requireDistinct(_ a: Scope, _ b: Scope, _ range: SourceRange) throws(SQLError) {
    if let twice = Set(a.columns.map(\.relation)).intersection(b.columns.map(\.relation)).first(where: { !$0.isEmpty }) {
      throw SQLError(.duplicateAlias, "the table \"\(twice)\" is in FROM twice", at: range, hint: "give one of them an alias")
    }
  }

  func table(_ reference: TableReference) throws(SQLError) -> (LogicalPlan, Scope) {
    switch reference.kind {
    case .table(let name, let travel): return try named(name, travel, reference)
    case .subquery(let query):
      let bound = try renamed(self.query(query), reference.columnAliases, reference.range)
      return (bound.plan, scope(bound, reference.alias?.name ?? ""))
    case .join(let join): return try self.join(join, reference.range)
    case .function(let call): return try series(call, reference)
    case .deviceHistory(let device):
      let (plan, scope) = try resolved("events", reference.alias?.name ?? "history", reference.range)
      let id = try coerce(bind(device, Scope()), to: .text, device.range)
      guard id.constantValue != nil else {
        throw SQLError(.invalidParameterValue, "HISTORY OF DEVICE takes a constant id", at: device.range)
      }
      let column = try scope.find(ObjectName([Identifier("device_id", reference.range)]))
      return (.filter(plan, .compare(.equal, .column(column, .text), id)), scope)
    }
  }

  /// generate_series, the one function that is a table.
  private func series(_ call: FunctionCall, _ reference: TableReference) throws(SQLError) -> (LogicalPlan, Scope) {
    guard call.name.last.name.lowercased() == "generate_series" else {
      throw SQLError(
        .undefinedFunction, "there is no table function \(call.name.last.name)", at: reference.range,
        hint: "generate_series(start, stop, step)")
    }
    guard 2...3 ~= call.arguments.count else {
      throw SQLError(.undefinedFunction, "generate_series takes a start, a stop and a step", at: reference.range)
    }
    var bounds: [(expression: BoundExpr, range: SourceRange)] = []
    for argument in call.arguments.prefix(2) { bounds.append((try bind(argument.value, Scope()), argument.value.range)) }
    let isTime = bounds.contains { $0.expression.type == .timestamp || isTextConstant($0.expression) }
    let (type, stepType): (SQLType, SQLType) = isTime ? (.timestamp, .interval) : (.int, .int)
    func constant(_ expression: BoundExpr, _ type: SQLType, _ range: SourceRange) throws(SQLError) -> SQLValue {
      guard let value = try coerce(expression, to: type, range).constantValue else {
        throw SQLError(.invalidParameterValue, "generate_series takes constants", at: range)
      }
      return value
    }
    var step = SQLValue.int(1)
    if call.arguments.count > 2 {
      let given = call.arguments[2].value
      step = try constant(bind(given, Scope()), stepType, given.range)
    } else if isTime {
      throw SQLError(.undefinedFunction, "a series of instants needs a step", at: reference.range)
    }
    let table = try GeneratedSeries(
      constant(bounds[0].expression, type, bounds[0].range), constant(bounds[1].expression, type, bounds[1].range), step)
    var scope = Scope()
    // As in PostgreSQL, an alias names the column too.
    let name = reference.columnAliases.first?.name ?? reference.alias?.name ?? "generate_series"
    scope.columns = [Scope.Column(relation: reference.alias?.name ?? "generate_series", name: name, type: type)]
    return (.rows(table), scope)
  }

  private func scope(_ query: BoundQuery, _ relation: String) -> Scope {
    var scope = Scope()
    scope.columns = zip(query.names, query.types).map { Scope.Column(relation: relation, name: $0, type: $1) }
    return scope
  }

  private func named(
    _ name: ObjectName, _ travel: TimeTravel, _ reference: TableReference
  ) throws(SQLError) -> (LogicalPlan, Scope) {
    if travel.registryAt != nil { throw .unsupported("WITH REGISTRY AT", at: reference.range) }
    let word = name.last.name
    let alias = reference.alias?.name ?? word
    var (plan, scope) = try resolved(word, alias, name.range)
    if let instant = travel.systemTime { plan = try recorded(plan, word, at: instant) }
    guard reference.columnAliases.count <= scope.columns.count else {
      throw SQLError(.invalidColumnReference, "more names than columns", at: reference.range)
    }
    for (index, column) in reference.columnAliases.enumerated() { scope.columns[index].name = column.name }
    if let instant = travel.knownAt {
      guard case .readings(var table) = plan else {
        throw SQLError(
          .featureNotSupported, "AS KNOWN AT is for tables of readings", at: instant.range,
          hint: "for the registry write FOR SYSTEM_TIME AS OF")
      }
      table.past = try known(at: instant)
      plan = .readings(table)
    }
    return (plan, scope)
  }

  /// A table of the registry as it was recorded at a constant instant (T-04).
  private func recorded(_ plan: LogicalPlan, _ word: String, at expression: Expression) throws(SQLError) -> LogicalPlan {
    let bound = try bind(expression, Scope())
    guard case .timestamp(let instant) = try coerce(bound, to: .timestamp, expression.range).constantValue else {
      throw SQLError(
        .invalidParameterValue, "FOR SYSTEM_TIME AS OF takes a constant instant", at: expression.range)
    }
    guard case .rows = plan, !commonTables.contains(where: { $0.name == word }),
      let table = RegistryTables.tables(of: catalog.snapshot, at: instant).first(where: { $0.name == word })
    else {
      throw SQLError(
        .featureNotSupported, "FOR SYSTEM_TIME is for tables of the registry", at: expression.range,
        hint: "for readings write AS KNOWN AT")
    }
    return .rows(table)
  }

  /// A constant: an instant of the commit clock, or an LSN.
  private func known(at expression: Expression) throws(SQLError) -> Snapshot {
    let bound = try bind(expression, Scope())
    if bound.type == .int, case .int(let lsn) = bound.constantValue {
      guard lsn >= 0 else {
        throw SQLError(.invalidParameterValue, "an LSN is not negative", at: expression.range)
      }
      return catalog.snapshot.asKnown(at: LSN(lsn))
    }
    guard case .timestamp(let instant) = try coerce(bound, to: .timestamp, expression.range).constantValue else {
      throw SQLError(
        .invalidParameterValue, "AS KNOWN AT takes a constant instant or LSN", at: expression.range)
    }
    return catalog.snapshot.asKnown(atTime: instant)
  }

  private func resolved(_ word: String, _ alias: String, _ range: SourceRange) throws(SQLError) -> (LogicalPlan, Scope) {
    if let common = commonTables.last(where: { $0.name == word }) {
      return (common.query.plan, scope(common.query, alias))
    }
    if let schema = catalog.snapshot.table(named: word) {
      let table = ReadingsTable(schema, alias: alias)
      var scope = Scope()
      scope.columns = table.columns.map {
        Scope.Column(relation: alias, name: $0.name, alias: $0.alias, type: $0.column.type, isHidden: $0.isHidden)
      }
      defaultSpans[alias] = schema.defaultSpanNanos
      return (.readings(table), scope)
    }
    if catalog.snapshot.viewer != nil, SystemTables.administrative.contains(word) {
      throw SQLError(
        .insufficientPrivilege, "the table \"\(word)\" is for administrators", at: range,
        hint: "the readings and records of your own devices are in the other tables")
    }
    let rowTables = catalog.rowTables + SystemTables.tables(of: catalog)
    if let table = rowTables.first(where: { $0.name == word }) {
      var scope = Scope()
      scope.columns = table.columns.map { Scope.Column(relation: alias, name: $0.name, type: $0.type) }
      return (.rows(table), scope)
    }
    switch TypeTables.find(word, catalog) {
    case .rows(let table)?:
      var scope = Scope()
      scope.columns = table.columns.map { Scope.Column(relation: alias, name: $0.name, type: $0.type) }
      return (.rows(table), scope)
    case .query(let text)?:
      guard case .query(let query) = try SQL.parse(text).kind else { break }
      // A view knows nothing of the names around it.
      let (around, outside, known) = (commonTables, surroundings, subqueries)
      (commonTables, surroundings, subqueries) = ([], nil, [])
      defer { (commonTables, surroundings, subqueries) = (around, outside, known) }
      let bound = try self.query(query)
      return (bound.plan, self.scope(bound, alias))
    case nil: break
    }
    let known =
      commonTables.map(\.name) + catalog.snapshot.tables.map(\.name) + rowTables.map(\.name)
      + TypeTables.names(catalog.snapshot.registry)
    throw SQLError(
      .undefinedTable, "there is no table \"\(word)\"", at: range, hint: Suggestion.hint(for: word, among: known))
  }

  // MARK: - Joins

  private func join(_ join: Join, _ range: SourceRange) throws(SQLError) -> (LogicalPlan, Scope) {
    if join.isAsof { return try asofJoin(join, range) }
    if join.kind == .right { return try rightJoin(join, range) }
    let (left, leftScope) = try table(join.left)
    let (right, rightScope) = try table(join.right)
    try requireDistinct(leftScope, rightScope, join.right.range)
    var scope = leftScope
    scope.columns += rightScope.columns
    var condition: [BoundExpr] = []
    switch join.condition {
    case .none: break
    case .on(let expression):
      condition = try self.condition(expression, scope, "ON").conjuncts
    case .using(let names):
      condition = try using(names.map { ObjectName([$0]) }, leftScope, rightScope, &scope)
    case .natural:
      let shared = leftScope.columns.filter { column in
        !column.isHidden && rightScope.columns.contains { $0.name == column.name && !$0.isHidden }
      }
      condition = try using(shared.map { ObjectName([Identifier($0.name, range)]) }, leftScope, rightScope, &scope)
    }
    let kind: JoinKind = join.kind == .left ? .left : join.kind == .full ? .full : .inner
    let plan = LogicalPlan.join(left, right, kind, condition: condition)
    return kind == .full ? try merged(plan, scope, range) : (plan, scope)
  }

  /// The columns of USING of a FULL JOIN: whichever side has a value.
  private func merged(_ plan: LogicalPlan, _ scope: Scope, _ range: SourceRange) throws(SQLError) -> (LogicalPlan, Scope) {
    var (columns, result): ([BoundExpr], Scope) = ([], Scope())
    var scope = scope
    for (index, column) in scope.columns.enumerated() where column.isShadowed {
      guard let left = scope.columns.firstIndex(where: { $0.name == column.name && !$0.isShadowed }) else { continue }
      let (a, b) = try matched(.column(left, scope.columns[left].type), .column(index, column.type), "USING", range)
      columns.append(.coalesce([a, b], a.type))
      result.columns.append(Scope.Column(relation: "", name: column.name, type: a.type))
      scope.columns[left].isHidden = true
      scope.columns[left].isShadowed = true
    }
    guard !columns.isEmpty else { return (plan, scope) }
    columns += scope.columns.enumerated().map { .column($0, $1.type) }
    result.columns += scope.columns
    return (.project(plan, columns), result)
  }

  /// Equalities, and one comparison of instants; without it `ts` of the left side is not before `ts` of the right.
  private func asofJoin(_ join: Join, _ range: SourceRange) throws(SQLError) -> (LogicalPlan, Scope) {
    guard join.kind == .inner || join.kind == .left else {
      throw .unsupported("ASOF \(join.kind.rawValue)", at: range, hint: "write ASOF JOIN or ASOF LEFT JOIN")
    }
    let (left, leftScope) = try table(join.left)
    let (right, rightScope) = try table(join.right)
    try requireDistinct(leftScope, rightScope, join.right.range)
    var scope = leftScope
    scope.columns += rightScope.columns
    var condition: [BoundExpr] = []
    switch join.condition {
    case .none: break
    case .natural: throw .unsupported("NATURAL ASOF JOIN", at: range, hint: "write ON or USING")
    case .on(let expression): condition = try self.condition(expression, scope, "ON").conjuncts
    case .using(let names): condition = try using(names.map { ObjectName([$0]) }, leftScope, rightScope, &scope)
    }
    let width = leftScope.columns.count
    func side(_ expression: BoundExpr) -> Bool? {
      let columns = expression.columns
      if columns.isEmpty { return nil }
      if columns.allSatisfy({ $0 < width }) { return true }
      return columns.allSatisfy { $0 >= width } ? false : nil
    }
    var keys: [(left: BoundExpr, right: BoundExpr)] = []
    var time: (left: BoundExpr, right: BoundExpr, comparison: Comparison)?
    for term in condition {
      guard case .compare(var operation, var a, var b) = term, let first = side(a), let second = side(b), first != second,
        operation != .notEqual
      else {
        throw SQLError(
          .featureNotSupported, "ASOF JOIN takes equalities and one comparison of both sides", at: range,
          hint: "put other conditions in WHERE")
      }
      if !first { (a, b, operation) = (b, a, operation.flipped) }
      b = b.remapped { $0 - width }
      if operation == .equal, a.type != .timestamp || time != nil || b.type != .timestamp {
        keys.append((a, b))
      } else if time == nil {
        time = (a, b, operation == .equal ? .greaterOrEqual : operation)
      } else {
        throw SQLError(.featureNotSupported, "ASOF JOIN takes one comparison beside its equalities", at: range)
      }
    }
    if time == nil {
      func instant(_ scope: Scope) throws(SQLError) -> BoundExpr {
        let found = scope.columns.indices.filter {
          scope.columns[$0].type == .timestamp && (scope.columns[$0].name == "ts" || scope.columns[$0].alias == "ts")
        }
        guard found.count == 1 else {
          throw SQLError(
            .undefinedColumn, "ASOF JOIN finds no one column ts on each side", at: range,
            hint: "name the instants: ON … AND a.ts >= b.ts")
        }
        return .column(found[0], .timestamp)
      }
      time = (try instant(leftScope), try instant(rightScope), .greaterOrEqual)
    }
    guard let time, [.timestamp, .int, .float].contains(time.left.type) else {
      throw SQLError(.datatypeMismatch, "ASOF JOIN compares timestamps or numbers", at: range)
    }
    let asof = AsofJoin(
      keys: keys, leftTime: time.left, rightTime: time.right, comparison: time.comparison, isLeft: join.kind == .left)
    return (.asof(left, right, asof), scope)
  }

  /// A RIGHT JOIN is a LEFT JOIN with its sides exchanged, and the columns put back in order.
  private func rightJoin(_ join: Join, _ range: SourceRange) throws(SQLError) -> (LogicalPlan, Scope) {
    var mirrored = join
    mirrored.kind = .left
    (mirrored.left, mirrored.right) = (join.right, join.left)
    let (plan, scope) = try self.join(mirrored, range)
    let (_, rightScope) = try table(join.right)
    let width = rightScope.columns.count
    let order = Array(width..<scope.columns.count) + Array(0..<width)
    var result = Scope()
    result.columns = order.map { scope.columns[$0] }
    return (.project(plan, order.map { .column($0, scope.columns[$0].type) }), result)
  }

  private func using(
    _ names: [ObjectName], _ left: Scope, _ right: Scope, _ scope: inout Scope
  ) throws(SQLError) -> [BoundExpr] {
    var condition: [BoundExpr] = []
    for name in names {
      let a = try left.find(name)
      let b = try right.find(name) + left.columns.count
      condition.append(
        try compare(.equal, .column(a, scope.columns[a].type), .column(b, scope.columns[b].type), name.range))
      scope.columns[b].isHidden = true
      scope.columns[b].isShadowed = true
    }
    return condition
  }
}
