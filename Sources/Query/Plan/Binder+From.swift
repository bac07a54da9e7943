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

  func requireDistinct(_ a: Scope, _ b: Scope, _ range: SourceRange) throws(SQLError) {
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
}
