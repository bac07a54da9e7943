/// SELECT: from its clauses to a plan, in the order in which SQL computes them.
extension Binder {
  /// An output column before grouping is resolved.
  private struct Item {
    var expression: BoundExpr
    var name: String
    var range: SourceRange
  }

  func select(_ select: Select, orderBy: [SortKey]) throws(SQLError) -> BoundQuery {
    let outerRanges = columnRanges
    let (outerAggregates, outerHint) = (aggregates, aggregateHint)
    let (outerWindows, outerNamed, outerQueries, outerGaps) = (windows, namedWindows, subqueries, gaps)
    defer {
      (subqueries, gaps) = (outerQueries, outerGaps)
      columnRanges = outerRanges
      (aggregates, aggregateHint) = (outerAggregates, outerHint)
      (windows, namedWindows) = (outerWindows, outerNamed)
    }
    columnRanges = [:]
    (aggregates, aggregateHint) = (nil, nil)
    (windows, namedWindows, subqueries) = (nil, select.windows, [])
    gaps = (nil, [:])
    var (plan, scope) = try from(select.from)
    let sampling = try select.sampleBy.map { (sample) throws(SQLError) in try self.sampling(sample, scope) }
    if let sample = select.sampleBy, !select.groupBy.isEmpty {
      throw SQLError(.syntaxError, "SAMPLE BY groups by its bucket and by all that is no aggregate", at: sample.range, hint: "leave GROUP BY out")
    }
    var filter: BoundExpr?
    if let clause = select.filter {
      aggregateHint = "filter groups with HAVING"
      filter = try condition(clause, scope, "WHERE")
    }
    if let bounds = sampling.flatMap({ within($0.request) }) { filter = filter.map { .and([bounds, $0]) } ?? bounds }
    if let filter { plan = .filter(plan, filter) }
    if let latest = select.latestOn { plan = try self.latest(latest, plan, scope) }

    aggregateHint = "group by what it is computed from"
    (aggregates, windows) = ([], [])
    var items = try self.items(select, scope)
    let (found, used) = (aggregates, windows)
    (aggregates, windows) = (nil, nil)
    func sampled(_ expression: BoundExpr) -> BoundExpr {
      sampling.map { expression.replacing($0.request.time, by: $0.request.bucket) } ?? expression
    }
    for index in items.indices { items[index].expression = sampled(items[index].expression) }
    var keys = try groupKeys(select.groupBy, items, select.items, scope)
    if let sampling { keys = sampledKeys(sampling.request.bucket, items) }
    aggregates = found
    let having = try select.having.map { (e) throws(SQLError) in sampled(try condition(e, scope, "HAVING")) }
    windows = used
    var order = try orderKeys(orderBy, items, scope)
    for index in order.indices { order[index].expression = sampled(order[index].expression) }
    var distinctOn = try distinctKeys(select.distinct, items, scope, order, orderBy).map(sampled)
    if sampling != nil, orderBy.isEmpty, select.distinct != .rows {
      order = (distinctOn + keys).map { SortOrder(expression: $0, isDescending: false, nullsFirst: false) }
    }
    var uses = (windows ?? []).map { $0.mapExpressions(sampled) }
    windows = nil
    let collected = aggregates ?? []
    let isGrouped = !keys.isEmpty || !select.groupBy.isEmpty || !collected.isEmpty || having != nil
    let orderRanges = orderBy.isEmpty ? order.map { _ in select.range } : orderBy.map(\.expression.range)
    if isGrouped {
      plan = .aggregate(plan, keys: keys, collected)
      for index in items.indices { items[index].expression = try overGroups(items[index].expression, keys, items[index].range) }
      for index in order.indices { order[index].expression = try overGroups(order[index].expression, keys, orderRanges[index]) }
      if let having, let clause = select.having { plan = .filter(plan, try overGroups(having, keys, clause.range)) }
      if let gap = try gap(sampling, select, keys, collected, filter) { plan = .gapFill(plan, gap) }
      for index in distinctOn.indices { distinctOn[index] = try overGroups(distinctOn[index], keys, select.range) }
      for index in uses.indices { uses[index] = try uses[index].mapExpressions { (e) throws(SQLError) in try overGroups(e, keys, uses[index].range) } }
    }
    if gaps.request != nil, !isGrouped {
      throw SQLError(.groupingError, "time_bucket_gapfill needs a GROUP BY that holds it", at: select.range)
    }
    if !uses.isEmpty {
      let (windowed, columns) = placed(uses, on: plan)
      plan = windowed
      func place(_ expression: BoundExpr) -> BoundExpr {
        expression.remapped { $0 >= Self.windowBase ? columns[$0 - Self.windowBase] : $0 }
      }
      for index in items.indices { items[index].expression = place(items[index].expression) }
      for index in order.indices { order[index].expression = place(order[index].expression) }
      distinctOn = distinctOn.map(place)
    }
    return try finished(plan, items, order, orderRanges, select.distinct, distinctOn)
  }

  /// The bucket, and each item that is no aggregate.
  private func sampledKeys(_ bucket: BoundExpr, _ items: [Item]) -> [BoundExpr] {
    var keys = [bucket]
    for item in items where !item.expression.columns.contains(where: { $0 >= Self.aggregateBase }) {
      if item.expression.constantValue == nil, !keys.contains(item.expression) { keys.append(item.expression) }
    }
    return keys
  }

  private func gap(
    _ sampling: Sampling?, _ select: Select, _ keys: [BoundExpr], _ aggregates: [Aggregate], _ filter: BoundExpr?
  ) throws(SQLError) -> GapFill? {
    if let request = gaps.request {
      let fills = aggregates.indices.map { gaps.fills[$0] ?? .null }
      return try gapFill(request, keys, aggregates, fills, filter, select.range)
    }
    if !gaps.fills.isEmpty {
      throw SQLError(.groupingError, "locf and interpolate need time_bucket_gapfill", at: select.range)
    }
    guard let sampling, let clause = select.sampleBy, !sampling.fill.isEmpty, sampling.fill != [.none] else { return nil }
    guard sampling.fill.count == 1 || sampling.fill.count == aggregates.count else {
      throw SQLError(
        .syntaxError, "FILL has \(sampling.fill.count) ways for \(aggregates.count) aggregates", at: clause.range,
        hint: "give one for all, or one each")
    }
    var fills: [GapFill.Fill] = []
    for (index, aggregate) in aggregates.enumerated() {
      switch sampling.fill[sampling.fill.count == 1 ? 0 : index] {
      case .none, .null: fills.append(.null)
      case .previous: fills.append(.previous)
      case .linear:
        guard aggregate.type == .int || aggregate.type == .float else {
          throw SQLError(.datatypeMismatch, "FILL(LINEAR) of \(aggregate.type.rawValue)", at: clause.range)
        }
        fills.append(.linear)
      case .value(let expression):
        let value = try coerce(bind(expression, Scope()), to: aggregate.type, expression.range)
        guard let constant = value.constantValue else {
          throw SQLError(.invalidParameterValue, "FILL takes a constant", at: expression.range)
        }
        fills.append(.value(constant))
      }
    }
    return try gapFill(sampling.request, keys, aggregates, fills, filter, clause.range)
  }

  /// The keys of DISTINCT ON: as GROUP BY they may be positions or names of the select list.
  /// - Throws: 42P10 where ORDER BY does not begin with them.
  private func distinctKeys(
    _ distinct: Select.Distinct, _ items: [Item], _ scope: Scope, _ order: [SortOrder], _ orderBy: [SortKey]
  ) throws(SQLError) -> [BoundExpr] {
    guard case .on(let expressions) = distinct else { return [] }
    var keys: [BoundExpr] = []
    for expression in expressions {
      if let ordinal = try ordinal(expression, items.count, "DISTINCT ON") {
        keys.append(items[ordinal].expression)
      } else if let item = alias(expression, items, scope) {
        keys.append(item)
      } else {
        keys.append(try bind(expression, scope))
      }
    }
    let leading = order.prefix(Set(keys).count)
    if let wrong = leading.firstIndex(where: { !keys.contains($0.expression) }) {
      throw SQLError(
        .invalidColumnReference, "ORDER BY must begin with the keys of DISTINCT ON", at: orderBy[wrong].expression.range,
        hint: "put them first; what follows says which row of each is kept")
    }
    return keys
  }

  // MARK: - Clauses

  private func items(_ select: Select, _ scope: Scope) throws(SQLError) -> [Item] {
    var items: [Item] = []
    for item in select.items {
      switch item {
      case .star(let range):
        guard !scope.columns.isEmpty else { throw SQLError(.syntaxError, "* needs a FROM", at: range) }
        items += stars(scope, range) { !$0.isHidden }
      case .tableStar(let name):
        let relation = name.last.name
        guard scope.columns.contains(where: { $0.relation == relation }) else {
          throw SQLError(
            .undefinedTable, "there is no table \"\(relation)\" in FROM", at: name.range,
            hint: Suggestion.hint(for: relation, among: Set(scope.columns.map(\.relation)).sorted()))
        }
        items += stars(scope, name.range) { $0.relation == relation && (!$0.isHidden || $0.isShadowed) }
      case .expression(let expression, let alias):
        let bound = try bind(expression, scope)
        items.append(Item(expression: bound, name: alias?.name ?? Self.name(of: expression), range: expression.range))
      }
    }
    return items
  }

  private func stars(_ scope: Scope, _ range: SourceRange, _ isShown: (Scope.Column) -> Bool) -> [Item] {
    scope.columns.indices.filter { isShown(scope.columns[$0]) }.map { index in
      columnRanges[index] = range
      return Item(expression: .column(index, scope.columns[index].type), name: scope.columns[index].name, range: range)
    }
  }

  /// The name of a column without an alias, as PostgreSQL gives it.
  private static func name(of expression: Expression) -> String {
    switch expression.kind {
    case .column(let name): name.last.name
    case .call(let call): call.name.last.name
    case .cast(let inner, let type): if case .literal = inner.kind { type.name } else { name(of: inner) }
    case .conditional: "case"
    case .extract: "extract"
    case .collate(let inner, _), .atTimeZone(let inner, _): name(of: inner)
    default: "?column?"
    }
  }

  /// GROUP BY: positions, names of columns of FROM, names of the select list, expressions.
  private func groupKeys(
    _ groupBy: [Expression], _ items: [Item], _ trees: [Select.Item], _ scope: Scope
  ) throws(SQLError) -> [BoundExpr] {
    var keys: [BoundExpr] = []
    var constant: BoundExpr?
    for expression in groupBy {
      let key: BoundExpr
      if let ordinal = try ordinal(expression, items.count, "GROUP BY") {
        key = items[ordinal].expression
      } else if let item = alias(expression, items, scope) {
        key = item
      } else {
        aggregateHint = "GROUP BY takes no aggregates"
        key = try bind(expression, scope)
      }
      if let place = key.columns.first(where: { $0 >= Self.aggregateBase }) {
        _ = place
        throw SQLError(.groupingError, "GROUP BY takes no aggregates", at: expression.range)
      }
      if key.constantValue != nil {
        constant = constant ?? key
      } else if !keys.contains(key) {
        keys.append(key)
      }
    }
    // Constants part nothing; but with no key at all an empty input would make a row.
    if keys.isEmpty, let constant { keys.append(constant) }
    return keys
  }

  /// The item that a bare name means, when FROM has no such column.
  private func alias(_ expression: Expression, _ items: [Item], _ scope: Scope) -> BoundExpr? {
    guard case .column(let name) = expression.kind, name.parts.count == 1,
      !scope.columns.contains(where: { ($0.name == name.last.name || $0.alias == name.last.name) && !$0.isShadowed })
    else { return nil }
    return items.first { $0.name == name.last.name }?.expression
  }

  private func orderKeys(_ orderBy: [SortKey], _ items: [Item], _ scope: Scope) throws(SQLError) -> [SortOrder] {
    var order: [SortOrder] = []
    for key in orderBy {
      let expression: BoundExpr
      if let ordinal = try ordinal(key.expression, items.count, "ORDER BY") {
        expression = items[ordinal].expression
      } else if case .column(let name) = key.expression.kind, name.parts.count == 1,
        let item = items.first(where: { $0.name == name.last.name })
      {
        // ORDER BY prefers names of the select list.
        expression = item.expression
      } else {
        expression = try bind(key.expression, scope)
      }
      order.append(sortOrder(key, expression))
    }
    return order
  }

  private func latest(_ latest: LatestOn, _ plan: LogicalPlan, _ scope: Scope) throws(SQLError) -> LogicalPlan {
    let time = try bind(latest.time, scope)
    guard time.type == .timestamp else {
      throw SQLError(.datatypeMismatch, "LATEST ON needs a timestamp", at: latest.time.range)
    }
    var partition: [BoundExpr] = []
    for key in latest.partitionBy { partition.append(try bind(key, scope)) }
    return .latest(plan, time: time, partition: partition)
  }

  // MARK: - Groups

  /// `expression` over the columns of the grouped plan.
  /// - Throws: 42803 when it reads a column that is neither grouped nor inside an aggregate.
  private func overGroups(_ expression: BoundExpr, _ keys: [BoundExpr], _ range: SourceRange) throws(SQLError) -> BoundExpr {
    if let key = keys.firstIndex(of: expression) { return .column(key, expression.type) }
    if case .column(let index, let type) = expression {
      if index >= Self.windowBase { return expression }
      if index >= Self.aggregateBase { return .column(keys.count + index - Self.aggregateBase, type) }
      throw SQLError(
        .groupingError, "a column that is neither in GROUP BY nor inside an aggregate", at: columnRanges[index] ?? range,
        hint: "add it to GROUP BY, or take first(…), last(…), max(…)")
    }
    return try expression.mapChildren { (child) throws(SQLError) in try overGroups(child, keys, range) }
  }

  /// Projects the items, with what ORDER BY needs beside them, sorts, and drops the rest.
  private func finished(
    _ plan: LogicalPlan, _ items: [Item], _ order: [SortOrder], _ ranges: [SourceRange], _ distinct: Select.Distinct,
    _ distinctOn: [BoundExpr]
  ) throws(SQLError) -> BoundQuery {
    let isDistinct = distinct == .rows
    var columns = items.map(\.expression)
    var order = order
    func position(_ expression: BoundExpr) -> BoundExpr {
      let known = columns.firstIndex(of: expression)
      if known == nil { columns.append(expression) }
      return .column(known ?? columns.count - 1, expression.type)
    }
    for index in order.indices {
      if isDistinct, !columns.contains(order[index].expression) {
        throw SQLError(
          .invalidColumnReference, "ORDER BY of SELECT DISTINCT must be in the select list", at: ranges[index])
      }
      order[index].expression = position(order[index].expression)
    }
    let firsts = distinctOn.map(position)
    var result = LogicalPlan.project(plan, columns)
    if isDistinct { result = self.distinct(result) }
    if !order.isEmpty { result = .sort(result, order) }
    if !firsts.isEmpty { result = .first(result, keys: firsts) }
    if columns.count > items.count {
      result = .project(result, items.indices.map { .column($0, items[$0].expression.type) })
    }
    return BoundQuery(plan: result, names: items.map(\.name))
  }
}
