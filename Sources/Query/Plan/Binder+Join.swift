/// Joins: two sides, what pairs their rows, and the names they offer together.
extension Binder {
  func join(_ join: Join, _ range: SourceRange) throws(SQLError) -> (LogicalPlan, Scope) {
    if join.isAsof { return try asofJoin(join, range) }
    if join.kind == .right { return try rightJoin(join, range) }
    let (left, right, leftScope, rightScope) = try sides(of: join)
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

  private func sides(
    of join: Join
  ) throws(SQLError) -> (left: LogicalPlan, right: LogicalPlan, leftScope: Scope, rightScope: Scope) {
    let (left, leftScope) = try table(join.left)
    let (right, rightScope) = try table(join.right)
    try requireDistinct(leftScope, rightScope, join.right.range)
    return (left, right, leftScope, rightScope)
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
    let (left, right, leftScope, rightScope) = try sides(of: join)
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
