/// An expression after binding: columns are positions in the input row, every node has its type,
/// names and coercions are gone. A value; equal expressions compute the same.
package indirect enum BoundExpr: Hashable, Sendable {
  case column(Int, SQLType)
  case constant(SQLValue, SQLType)
  case arithmetic(Arithmetic, BoundExpr, BoundExpr, SQLType)
  case negate(BoundExpr)
  case compare(Comparison, BoundExpr, BoundExpr)
  case and([BoundExpr])
  case or([BoundExpr])
  case not(BoundExpr)
  case isNull(BoundExpr, negated: Bool)
  /// IS TRUE, IS FALSE.
  case isTruth(BoundExpr, Bool, negated: Bool)
  case isDistinct(BoundExpr, BoundExpr, negated: Bool)
  case conditional([Branch], otherwise: BoundExpr, SQLType)
  case coalesce([BoundExpr], SQLType)
  case cast(BoundExpr, SQLType)
  /// `x IN (constants)`; the constants are of the type of x and not null.
  case inSet(BoundExpr, Set<SQLValue>, hasNull: Bool)
  case call(ScalarFunction, [BoundExpr], SQLType)
  /// A value of the query around, by a number of its own; a constant once that query has a row.
  case outer(Int, SQLType)
  /// A query inside the expression. Terms: what it is compared with, then a value for each of its captures.
  case subquery(Subquery, [BoundExpr])

  package struct Branch: Hashable, Sendable {
    package var condition: BoundExpr
    package var result: BoundExpr
  }

  package var type: SQLType {
    switch self {
    case .column(_, let type), .constant(_, let type), .arithmetic(_, _, _, let type),
      .conditional(_, _, let type), .coalesce(_, let type), .cast(_, let type), .call(_, _, let type),
      .outer(_, let type):
      type
    case .subquery(let query, _): query.type
    case .negate(let operand): operand.type
    case .compare, .and, .or, .not, .isNull, .isTruth, .isDistinct, .inSet: .bool
    }
  }

  static let null = BoundExpr.constant(.null, .null)

  var constantValue: SQLValue? {
    if case .constant(let value, _) = self { value } else { nil }
  }

  var children: [BoundExpr] {
    switch self {
    case .column, .constant, .outer: []
    case .arithmetic(_, let a, let b, _), .compare(_, let a, let b), .isDistinct(let a, let b, _): [a, b]
    case .negate(let a), .not(let a), .isNull(let a, _), .isTruth(let a, _, _), .cast(let a, _),
      .inSet(let a, _, _):
      [a]
    case .and(let terms), .or(let terms), .coalesce(let terms, _), .call(_, let terms, _), .subquery(_, let terms): terms
    case .conditional(let branches, let otherwise, _):
      branches.flatMap { [$0.condition, $0.result] } + [otherwise]
    }
  }

  /// The same expression with `f` applied to its children.
  func mapChildren<E: Error>(_ f: (BoundExpr) throws(E) -> BoundExpr) throws(E) -> BoundExpr {
    switch self {
    case .column, .constant, .outer: return self
    case .arithmetic(let op, let a, let b, let type): return .arithmetic(op, try f(a), try f(b), type)
    case .compare(let op, let a, let b): return .compare(op, try f(a), try f(b))
    case .isDistinct(let a, let b, let negated): return .isDistinct(try f(a), try f(b), negated: negated)
    case .negate(let a): return .negate(try f(a))
    case .not(let a): return .not(try f(a))
    case .isNull(let a, let negated): return .isNull(try f(a), negated: negated)
    case .isTruth(let a, let truth, let negated): return .isTruth(try f(a), truth, negated: negated)
    case .cast(let a, let type): return .cast(try f(a), type)
    case .inSet(let a, let set, let hasNull): return .inSet(try f(a), set, hasNull: hasNull)
    case .and(let terms): return .and(try terms.map(f))
    case .or(let terms): return .or(try terms.map(f))
    case .coalesce(let terms, let type): return .coalesce(try terms.map(f), type)
    case .call(let function, let terms, let type): return .call(function, try terms.map(f), type)
    case .subquery(let query, let terms): return .subquery(query, try terms.map(f))
    case .conditional(let branches, let otherwise, let type):
      let mapped = try branches.map { (branch) throws(E) in
        Branch(condition: try f(branch.condition), result: try f(branch.result))
      }
      return .conditional(mapped, otherwise: try f(otherwise), type)
    }
  }

  /// Columns that the expression reads.
  func collectColumns(into columns: inout Set<Int>) {
    if case .column(let index, _) = self { columns.insert(index) }
    for child in children { child.collectColumns(into: &columns) }
  }

  var columns: Set<Int> {
    var result: Set<Int> = []
    collectColumns(into: &result)
    return result
  }

  /// Replaces column i by `mapping(i)`.
  func remapped(_ mapping: (Int) -> Int) -> BoundExpr {
    if case .column(let index, let type) = self { return .column(mapping(index), type) }
    return mapChildren { $0.remapped(mapping) }
  }

  /// Replaces `part` by `other` wherever it stands.
  func replacing(_ part: BoundExpr, by other: BoundExpr) -> BoundExpr {
    self == part ? other : mapChildren { $0.replacing(part, by: other) }
  }

  /// Replaces column i by `expressions[i]`.
  func substituting(_ expressions: [BoundExpr]) -> BoundExpr {
    if case .column(let index, _) = self { return expressions[index] }
    return mapChildren { $0.substituting(expressions) }
  }

  /// Whether any part of it is a query of its own.
  var hasSubquery: Bool {
    if case .subquery = self { return true }
    return children.contains { $0.hasSubquery }
  }

  /// The terms of a conjunction.
  var conjuncts: [BoundExpr] {
    if case .and(let terms) = self { return terms.flatMap(\.conjuncts) }
    return [self]
  }

  static func conjunction(_ terms: [BoundExpr]) -> BoundExpr? {
    terms.count < 2 ? terms.first : .and(terms)
  }
}

package enum Arithmetic: String, Sendable {
  case add = "+"
  case subtract = "-"
  case multiply = "*"
  case divide = "/"
  case modulo = "%"
  case power = "^"
}

package enum Comparison: String, Sendable {
  case equal = "="
  case notEqual = "<>"
  case less = "<"
  case lessOrEqual = "<="
  case greater = ">"
  case greaterOrEqual = ">="

  /// The comparison that holds where this one does not.
  var negated: Comparison {
    switch self {
    case .equal: .notEqual
    case .notEqual: .equal
    case .less: .greaterOrEqual
    case .lessOrEqual: .greater
    case .greater: .lessOrEqual
    case .greaterOrEqual: .less
    }
  }

  /// The comparison with its sides exchanged.
  var flipped: Comparison {
    switch self {
    case .equal, .notEqual: self
    case .less: .greater
    case .lessOrEqual: .greaterOrEqual
    case .greater: .less
    case .greaterOrEqual: .lessOrEqual
    }
  }
}

/// Functions of one row. Which arguments they take is the binder's business (`FunctionCatalog`).
package enum ScalarFunction: Hashable, Sendable {
  case abs, floor, ceil, round, roundTo, trunc, sqrt, exp, ln, log10, sign
  case greatest, least
  case lower, upper, length, substring, trim, trimLeading, trimTrailing, concat, concatStrict
  case replace, startsWith, position, left, right, reverse, splitPart
  case like(caseInsensitive: Bool)
  case regex(caseInsensitive: Bool)
  case extract(DateField)
  /// What the clocks of a zone show, as if it were UTC: for EXTRACT alone.
  case localTime(SQLTimeZone)
  /// The start of the bucket that holds a timestamp.
  case bucket(TimeGrid)
  /// An interval in seconds, a month being 30 days.
  case intervalSeconds
  /// Seconds since the epoch to a timestamp.
  case toTimestamp
}
