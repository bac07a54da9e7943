/// From what to how. One walk down the logical plan carries the columns that are needed and the
/// conditions that rows must pass; each node takes what it can answer best, scans above all.
struct PhysicalBuilder {
  let pool: TextPool

  /// An operator and which column of the logical plan each of its columns is.
  struct Built {
    var root: Operator
    var columns: [Int]

    /// Position of logical column `column`.
    func position(_ column: Int) -> Int {
      guard let position = columns.firstIndex(of: column) else { preconditionFailure("a column that the plan does not read") }
      return position
    }

    func remap(_ expression: BoundExpr) -> BoundExpr { expression.remapped(position) }
  }

  /// All columns of `plan`, in order.
  func build(_ plan: LogicalPlan) -> Operator {
    let width = plan.types.count
    let built = build(plan, required: Set(0..<width), filters: [])
    if built.columns == Array(0..<width) { return built.root }
    return ProjectOperator(built.root, plan.types.enumerated().map { .column(built.position($0), $1) })
  }

  /// An operator of at least the `required` columns and only of rows that pass `filters`.
  func build(_ plan: LogicalPlan, required: Set<Int>, filters: [BoundExpr]) -> Built {
    switch plan {
    case .readings(let table): return readings(table, required, filters)
    case .rows(let table):
      let columns = required.union(filters.columns).sorted()
      return filtered(Built(root: RowTableOperator(table, columns: columns), columns: columns), filters)
    case .values(let rows, let types):
      return filtered(Built(root: ValuesOperator(rows, types), columns: Array(types.indices)), filters)
    case .filter(let child, let condition):
      return build(child, required: required, filters: condition.conjuncts + filters)
    case .project(let child, let expressions): return project(child, expressions, required, filters)
    case .aggregate(let child, let keys, let aggregates): return aggregate(child, keys, aggregates, filters)
    case .sort(let child, let order): return sort(child, order, required, filters, limit: nil)
    case .limit(.sort(let child, let order), let limit, let offset):
      let most = limit.map { $0.addingReportingOverflow(offset) }.flatMap { $0.overflow ? nil : $0.partialValue }
      let built = sort(child, order, required.union(filters.columns), [], limit: most)
      return filtered(Built(root: LimitOperator(built.root, limit: limit, offset: offset), columns: built.columns), filters)
    case .limit(.project(let child, let expressions), let limit, let offset):
      // So that a limit reaches the sort below a projection.
      return build(.project(.limit(child, limit, offset: offset), expressions), required: required, filters: filters)
    case .limit(let child, let limit, let offset):
      let built = build(child, required: required.union(filters.columns), filters: [])
      return filtered(Built(root: LimitOperator(built.root, limit: limit, offset: offset), columns: built.columns), filters)
    case .join(let left, let right, let kind, let condition):
      return join(left, right, kind, condition, required, filters)
    case .asof(let left, let right, let asof): return self.asof(left, right, asof, required, filters)
    case .setOperation(let operation, let all, let left, let right):
      let root = SetOperationOperator(operation, all: all, build(left), build(right))
      return filtered(Built(root: root, columns: Array(left.types.indices)), filters)
    case .gapFill(let child, let gap):
      let root = GapFillOperator(build(child), gap)
      return filtered(Built(root: root, columns: Array(child.types.indices)), filters)
    case .first(let child, let keys):
      let built = build(child, required: required.union(filters.columns).union(keys.columns), filters: [])
      let root = FirstOperator(built.root, keys: keys.map(built.remap))
      return filtered(Built(root: root, columns: built.columns), filters)
    case .window(let child, let window): return self.window(child, window, required, filters)
    case .unionAll(let children):
      let columns = required.union(filters.columns).sorted()
      let operators = children.map { child in
        let built = build(child, required: Set(columns), filters: filters)
        return built.columns == columns
          ? built.root : ProjectOperator(built.root, columns.map { .column(built.position($0), child.types[$0]) })
      }
      return Built(root: UnionAllOperator(operators), columns: columns)
    case .latest(let child, let time, let partition):
      return latest(child, time, partition, required, filters)
    }
  }

  private func filtered(_ built: Built, _ filters: [BoundExpr]) -> Built {
    guard let condition = BoundExpr.conjunction(filters) else { return built }
    return Built(root: FilterOperator(built.root, built.remap(condition)), columns: built.columns)
  }

  private func project(
    _ child: LogicalPlan, _ expressions: [BoundExpr], _ required: Set<Int>, _ filters: [BoundExpr]
  ) -> Built {
    let wanted = required.sorted()
    let below = wanted.reduce(into: Set<Int>()) { expressions[$1].collectColumns(into: &$0) }
    let built = build(child, required: below, filters: filters.map { $0.substituting(expressions) })
    let plain = wanted.map { index -> Int? in
      if case .column(let column, _) = expressions[index] { built.position(column) } else { nil }
    }
    // Columns that only change place need no operator.
    if Set(plain).count == plain.count, !plain.contains(nil), plain.count == built.columns.count {
      var columns = built.columns
      for (index, position) in zip(wanted, plain) { if let position { columns[position] = index } }
      return Built(root: built.root, columns: columns)
    }
    return Built(root: ProjectOperator(built.root, wanted.map { built.remap(expressions[$0]) }), columns: wanted)
  }

  private func aggregate(
    _ child: LogicalPlan, _ keys: [BoundExpr], _ aggregates: [Aggregate], _ filters: [BoundExpr]
  ) -> Built {
    // A condition on keys alone holds for a group exactly if it holds for its rows.
    let onKeys = filters.filter { !keys.isEmpty && $0.columns.allSatisfy { $0 < keys.count } }
    let above = filters.filter { keys.isEmpty || !$0.columns.allSatisfy { $0 < keys.count } }
    let below = (keys + aggregates.flatMap(\.arguments)).columns
    let built = build(child, required: below, filters: onKeys.map { $0.substituting(keys) })
    let inner = keys.map(built.remap)
    let computed = aggregates.map { Aggregate(function: $0.function, arguments: $0.arguments.map(built.remap)) }
    let root: Operator
    if let scan = built.root as? ScanOperator, let runs = RunAggregateOperator(scan, keys: inner, aggregates: computed) {
      root = runs
    } else {
      root = AggregateOperator(built.root, keys: inner, aggregates: computed)
    }
    return filtered(Built(root: root, columns: Array(0..<keys.count + aggregates.count)), above)
  }

  private func sort(
    _ child: LogicalPlan, _ order: [SortOrder], _ required: Set<Int>, _ filters: [BoundExpr], limit: Int?
  ) -> Built {
    let built = build(child, required: required.union(order.map(\.expression).columns), filters: filters)
    let keys = order.map { $0.mapExpression(built.remap) }
    return Built(root: SortOperator(built.root, keys, limit: limit), columns: built.columns)
  }

  // MARK: - Joins

  private func join(
    _ left: LogicalPlan, _ right: LogicalPlan, _ kind: JoinKind, _ condition: [BoundExpr], _ required: Set<Int>,
    _ filters: [BoundExpr]
  ) -> Built {
    let isInner = kind == .inner
    let width = left.types.count
    func side(_ expression: BoundExpr) -> (left: Bool, right: Bool) {
      let columns = expression.columns
      return (columns.contains { $0 < width }, columns.contains { $0 >= width })
    }
    var (leftFilters, rightFilters, above): ([BoundExpr], [BoundExpr], [BoundExpr]) = ([], [], [])
    var (leftKeys, rightKeys, residual): ([BoundExpr], [BoundExpr], [BoundExpr]) = ([], [], [])
    // An inner join does not tell ON from WHERE; others do.
    for term in condition + (isInner ? filters : []) {
      switch side(term) {
      case (true, false) where isInner: leftFilters.append(term)
      case (false, true) where kind != .full: rightFilters.append(term.remapped { $0 - width })
      default:
        if case .compare(.equal, let a, let b) = term, side(a) == (true, false), side(b) == (false, true) {
          leftKeys.append(a)
          rightKeys.append(b.remapped { $0 - width })
        } else if case .compare(.equal, let a, let b) = term, side(a) == (false, true), side(b) == (true, false) {
          leftKeys.append(b)
          rightKeys.append(a.remapped { $0 - width })
        } else {
          residual.append(term)
        }
      }
    }
    if !isInner {
      for term in filters {
        if kind == .left, side(term) == (true, false) { leftFilters.append(term) } else { above.append(term) }
      }
    }
    let needed = required.union((residual + above).columns)
    let a = build(left, required: Set(needed.filter { $0 < width }).union(leftKeys.columns), filters: leftFilters)
    let b = build(
      right, required: Set(needed.filter { $0 >= width }.map { $0 - width }).union(rightKeys.columns), filters: rightFilters)
    let columns = a.columns + b.columns.map { $0 + width }
    let positions = Built(root: a.root, columns: columns)
    let root = JoinOperator(
      a.root, b.root, kind, leftKeys: leftKeys.map(a.remap), rightKeys: rightKeys.map(b.remap),
      residual: BoundExpr.conjunction(residual).map(positions.remap))
    return filtered(Built(root: root, columns: columns), above)
  }

  private func asof(
    _ left: LogicalPlan, _ right: LogicalPlan, _ asof: AsofJoin, _ required: Set<Int>, _ filters: [BoundExpr]
  ) -> Built {
    let width = left.types.count
    // What is asked of the left row alone may be asked first; the right side must be whole.
    let leftFilters = filters.filter { $0.columns.allSatisfy { $0 < width } }
    let above = filters.filter { !$0.columns.allSatisfy { $0 < width } }
    let needed = required.union(above.columns)
    let a = build(
      left, required: Set(needed.filter { $0 < width }).union((asof.keys.map(\.left) + [asof.leftTime]).columns),
      filters: leftFilters)
    let b = build(
      right,
      required: Set(needed.filter { $0 >= width }.map { $0 - width })
        .union((asof.keys.map(\.right) + [asof.rightTime]).columns), filters: [])
    var inner = asof
    inner.keys = asof.keys.map { (left: a.remap($0.left), right: b.remap($0.right)) }
    inner.leftTime = a.remap(asof.leftTime)
    inner.rightTime = b.remap(asof.rightTime)
    let columns = a.columns + b.columns.map { $0 + width }
    return filtered(Built(root: AsofJoinOperator(a.root, b.root, inner), columns: columns), above)
  }

  private func window(
    _ child: LogicalPlan, _ window: WindowPlan, _ required: Set<Int>, _ filters: [BoundExpr]
  ) -> Built {
    let width = child.types.count
    // A condition on partition columns alone takes whole partitions or none.
    let partition = window.partition.reduce(into: Set<Int>()) { columns, key in
      if case .column(let column, _) = key { columns.insert(column) }
    }
    func isOnPartitions(_ filter: BoundExpr) -> Bool {
      let columns = filter.columns
      return !columns.isEmpty && columns.isSubset(of: partition)
    }
    let above = filters.filter { !isOnPartitions($0) }
    let needed = required.union(above.columns).filter { $0 < width }
    let read = (window.partition + window.order.map(\.expression) + window.calls.flatMap(\.arguments)).columns
    let built = build(child, required: needed.union(read), filters: filters.filter(isOnPartitions))
    let inner = window.mapExpressions(built.remap)
    let columns = built.columns + window.calls.indices.map { width + $0 }
    return filtered(Built(root: WindowOperator(built.root, inner), columns: columns), above)
  }

  private func latest(
    _ child: LogicalPlan, _ time: BoundExpr, _ partition: [BoundExpr], _ required: Set<Int>, _ filters: [BoundExpr]
  ) -> Built {
    let needed = required.union(filters.columns).union(([time] + partition).columns)
    let built = build(child, required: needed, filters: [])
    let (at, by) = (built.remap(time), partition.map(built.remap))
    if let scan = built.root as? ScanOperator, !scan.specification.isLatest {
      let columns = scan.specification.columns
      func column(_ expression: BoundExpr) -> ScanColumn? {
        if case .column(let index, _) = expression { columns[index] } else { nil }
      }
      if column(at) == .time, Set(by.map(column)) == [.device, .probe] {
        scan.specification.isLatest = true
        return filtered(built, filters)
      }
    }
    return filtered(Built(root: LatestOperator(built.root, time: at, partition: by), columns: built.columns), filters)
  }
}

extension [BoundExpr] {
  /// Columns that any of them reads.
  var columns: Set<Int> { reduce(into: Set<Int>()) { $1.collectColumns(into: &$0) } }
}
