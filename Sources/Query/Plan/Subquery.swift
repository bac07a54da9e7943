/// A query inside an expression: `(SELECT …)`, `EXISTS (…)`, `x IN (…)`, `x < ALL (…)`.
///
/// What it reads of the query around it are its *captures*. Without any it is answered once, before that
/// query runs, and is a constant then (`Subqueries`); with some it is answered once for each combination
/// of their values (`SubqueryNode`).
package final class Subquery: Hashable, Sendable {
  enum Form: Hashable, Sendable {
    /// The one value of its one row; NULL without a row.
    case scalar
    /// Whether it has a row.
    case exists
    /// The operand against its values: `= ANY` is IN, `<> ALL` is NOT IN.
    case compare(Comparison, all: Bool)
    /// A row of operands that is among its rows.
    case contains
  }

  let plan: LogicalPlan
  let form: Form
  /// Terms of the expression before those for captures.
  let operandCount: Int
  /// Numbers of the `outer` values that the plan reads, with a term each.
  let captures: [Int]

  init(_ plan: LogicalPlan, _ form: Form, operandCount: Int, captures: [Int]) {
    self.plan = plan
    self.form = form
    self.operandCount = operandCount
    self.captures = captures
  }

  var type: SQLType { form == .scalar ? plan.types[0] : .bool }

  package static func == (a: Subquery, b: Subquery) -> Bool { a === b }
  package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// The names around a sub-query, and which of them it reads.
final class OuterScope {
  private let scope: Scope
  private let parent: OuterScope?
  /// Columns of the query around that are read inside, with the numbers they have there.
  private(set) var captures: [(number: Int, column: Int)] = []

  init(_ scope: Scope, _ parent: OuterScope?) {
    self.scope = scope
    self.parent = parent
  }

  /// The column `name` of the nearest query around; nil when none has it.
  /// - Parameter next: the next free number.
  /// - Throws: 42702.
  func find(_ name: ObjectName, _ next: inout Int) throws(SQLError) -> BoundExpr? {
    let column: Int
    do throws(SQLError) {
      column = try scope.find(name)
    } catch {
      if error.state == .ambiguousColumn { throw error }
      return try parent?.find(name, &next)
    }
    let type = scope.columns[column].type
    if let known = captures.first(where: { $0.column == column }) { return .outer(known.number, type) }
    next += 1
    captures.append((next, column))
    return .outer(next, type)
  }

  /// Of this query around and those around it.
  var numbers: [Int] { captures.map(\.number) + (parent?.numbers ?? []) }

  /// A value for each capture, in the query around.
  var terms: [BoundExpr] { captures.map { .column($0.column, scope.columns[$0.column].type) } }
}

extension LogicalPlan {
  /// The same plan with `f` applied to each expression.
  func mapExpressions(_ f: (BoundExpr) -> BoundExpr) -> LogicalPlan {
    func order(_ keys: [SortOrder]) -> [SortOrder] {
      keys.map { SortOrder(expression: f($0.expression), isDescending: $0.isDescending, nullsFirst: $0.nullsFirst) }
    }
    switch self {
    case .readings, .rows: return self
    case .values(let rows, let types): return .values(rows.map { $0.map(f) }, types)
    case .filter(let child, let condition): return .filter(child.mapExpressions(f), f(condition))
    case .project(let child, let expressions): return .project(child.mapExpressions(f), expressions.map(f))
    case .aggregate(let child, let keys, let aggregates):
      return .aggregate(
        child.mapExpressions(f), keys: keys.map(f),
        aggregates.map { Aggregate(function: $0.function, arguments: $0.arguments.map(f)) })
    case .sort(let child, let keys): return .sort(child.mapExpressions(f), order(keys))
    case .limit(let child, let limit, let offset): return .limit(child.mapExpressions(f), limit, offset: offset)
    case .join(let left, let right, let kind, let condition):
      return .join(left.mapExpressions(f), right.mapExpressions(f), kind, condition: condition.map(f))
    case .asof(let left, let right, var asof):
      asof.leftTime = f(asof.leftTime)
      asof.rightTime = f(asof.rightTime)
      asof.keys = asof.keys.map { (left: f($0.left), right: f($0.right)) }
      return .asof(left.mapExpressions(f), right.mapExpressions(f), asof)
    case .unionAll(let children): return .unionAll(children.map { $0.mapExpressions(f) })
    case .setOperation(let operation, let all, let left, let right):
      return .setOperation(operation, all: all, left.mapExpressions(f), right.mapExpressions(f))
    case .latest(let child, let time, let partition):
      return .latest(child.mapExpressions(f), time: f(time), partition: partition.map(f))
    case .gapFill(let child, let gap): return .gapFill(child.mapExpressions(f), gap)
    case .first(let child, let keys): return .first(child.mapExpressions(f), keys: keys.map(f))
    case .window(let child, var window):
      window.partition = window.partition.map(f)
      window.order = order(window.order)
      window.calls = window.calls.map { $0.mapExpressions(f) }
      return .window(child.mapExpressions(f), window)
    }
  }

  /// Whether an expression of it holds a query.
  var hasSubquery: Bool {
    var found = false
    _ = mapExpressions { expression in
      found = found || expression.hasSubquery
      return expression
    }
    return found
  }

  /// Replaces `outer` values by constants, in queries within queries too.
  func substituting(_ values: [Int: SQLValue], _ folding: Folding) -> LogicalPlan {
    mapExpressions { $0.substituting(values, folding) }
  }
}

extension BoundExpr {
  func substituting(_ values: [Int: SQLValue], _ folding: Folding) -> BoundExpr {
    switch self {
    case .outer(let number, let type):
      return values[number].map { .constant($0, type) } ?? self
    case .subquery(let query, let terms):
      let inner = Subquery(
        query.plan.substituting(values, folding), query.form, operandCount: query.operandCount, captures: query.captures)
      return .subquery(inner, terms.map { $0.substituting(values, folding) })
    default: return folding.fold(mapChildren { $0.substituting(values, folding) })
    }
  }
}
