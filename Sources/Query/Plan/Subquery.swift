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
  func mapExpressions<E: Error>(_ f: (BoundExpr) throws(E) -> BoundExpr) throws(E) -> LogicalPlan {
    switch self {
    case .readings, .rows: return self
    case .values(let rows, let types):
      return .values(try rows.map { (row) throws(E) in try row.map(f) }, types)
    case .filter(let child, let condition): return .filter(try child.mapExpressions(f), try f(condition))
    case .project(let child, let expressions): return .project(try child.mapExpressions(f), try expressions.map(f))
    case .aggregate(let child, let keys, let aggregates):
      let mapped = try aggregates.map { (aggregate) throws(E) in
        Aggregate(function: aggregate.function, arguments: try aggregate.arguments.map(f))
      }
      return .aggregate(try child.mapExpressions(f), keys: try keys.map(f), mapped)
    case .sort(let child, let keys):
      return .sort(try child.mapExpressions(f), try keys.map { (key) throws(E) in try key.mapExpression(f) })
    case .limit(let child, let limit, let offset): return .limit(try child.mapExpressions(f), limit, offset: offset)
    case .join(let left, let right, let kind, let condition):
      return .join(try left.mapExpressions(f), try right.mapExpressions(f), kind, condition: try condition.map(f))
    case .asof(let left, let right, var asof):
      asof.leftTime = try f(asof.leftTime)
      asof.rightTime = try f(asof.rightTime)
      asof.keys = try asof.keys.map { (key) throws(E) in (left: try f(key.left), right: try f(key.right)) }
      return .asof(try left.mapExpressions(f), try right.mapExpressions(f), asof)
    case .unionAll(let children):
      return .unionAll(try children.map { (child) throws(E) in try child.mapExpressions(f) })
    case .setOperation(let operation, let all, let left, let right):
      return .setOperation(operation, all: all, try left.mapExpressions(f), try right.mapExpressions(f))
    case .latest(let child, let time, let partition):
      return .latest(try child.mapExpressions(f), time: try f(time), partition: try partition.map(f))
    case .gapFill(let child, let gap): return .gapFill(try child.mapExpressions(f), gap)
    case .first(let child, let keys): return .first(try child.mapExpressions(f), keys: try keys.map(f))
    case .window(let child, let window): return .window(try child.mapExpressions(f), try window.mapExpressions(f))
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
