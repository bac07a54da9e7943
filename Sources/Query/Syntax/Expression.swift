/// A scalar expression as written, with its place. AND and OR are n-ary, so that a long list of
/// conditions is no deep tree; all other depth is bounded by `Parser.Limits`.
package struct Expression: Equatable, Sendable {
  package var kind: Kind
  package var range: SourceRange

  package init(_ kind: Kind, _ range: SourceRange) {
    self.kind = kind
    self.range = range
  }

  package indirect enum Kind: Equatable, Sendable {
    case literal(Literal)
    /// `column`, `table.column`, `schema.table.column`.
    case column(ObjectName)
    /// `$n`, from 1.
    case parameter(Int)
    case namedParameter(String)
    /// DEFAULT in INSERT and UPDATE.
    case defaultValue
    case unary(UnaryOperator, Expression)
    case binary(Symbol, Expression, Expression)
    /// Two or more terms.
    case and([Expression])
    case or([Expression])
    case not(Expression)
    case isTest(Expression, TruthTest, negated: Bool)
    case isDistinct(Expression, from: Expression, negated: Bool)
    case between(Expression, Expression, Expression, symmetric: Bool, negated: Bool)
    case inList(Expression, [Expression], negated: Bool)
    case inQuery(Expression, Query, negated: Bool)
    case like(LikeKind, Expression, pattern: Expression, escape: Expression?, negated: Bool)
    case exists(Query)
    /// A query in parentheses, for its one value.
    case subquery(Query)
    /// `x = ANY (…)`, `x < ALL (…)` over a query or an array.
    case quantified(Symbol, Expression, Quantifier, Expression)
    case call(FunctionCall)
    case cast(Expression, TypeName)
    case conditional(Conditional)
    case extract(field: String, Expression)
    case atTimeZone(Expression, Expression)
    case collate(Expression, ObjectName)
    case array([Expression])
    case arrayQuery(Query)
    /// `ROW(…)`, or `(a, b)`.
    case row([Expression])
    case element(Expression, Expression)
  }
}

package enum Literal: Hashable, Sendable {
  case null
  case boolean(Bool)
  case integer(Int64)
  /// Digits with point or exponent, or too long for 64 bits; lower case, without underscores.
  case decimal(String)
  case string(String)
  case interval(Interval)
  /// `timestamp '…'`, `date '…'`: the binder reads the text.
  case typed(TypeName, String)
}

package enum UnaryOperator: String, Sendable {
  case minus = "-"
  case plus = "+"
  case bitNot = "~"
}

package enum TruthTest: String, Sendable {
  case null = "NULL"
  case isTrue = "TRUE"
  case isFalse = "FALSE"
  case unknown = "UNKNOWN"
}

package enum LikeKind: String, Sendable {
  case like = "LIKE"
  case ilike = "ILIKE"
  case similar = "SIMILAR TO"
}

package enum Quantifier: String, Sendable {
  case any = "ANY"
  case all = "ALL"
}

/// A name as the query means it: folded to lower case unless it was quoted.
package struct Identifier: Equatable, Sendable {
  package var name: String
  package var range: SourceRange

  package init(_ name: String, _ range: SourceRange) {
    self.name = name
    self.range = range
  }
}

/// One to three names with dots between. Never empty.
package struct ObjectName: Equatable, Sendable {
  package var parts: [Identifier]
  package init(_ parts: [Identifier]) { self.parts = parts }

  package var last: Identifier { parts[parts.count - 1] }
  package var range: SourceRange { parts[0].range.through(last.range) }
}

package struct TypeName: Hashable, Sendable {
  /// PostgreSQL's short name: `timestamptz`, `varchar`, `double precision`; folded like names.
  package var name: String
  /// `numeric(10, 2)`.
  package var modifiers: [Int]
  /// `int[][]` has two.
  package var arrayDepth: Int

  package init(_ name: String, modifiers: [Int] = [], arrayDepth: Int = 0) {
    self.name = name
    self.modifiers = modifiers
    self.arrayDepth = arrayDepth
  }
}

package struct FunctionCall: Equatable, Sendable {
  package struct Argument: Equatable, Sendable {
    /// `name => value`.
    package var name: Identifier?
    package var value: Expression
  }

  package var name: ObjectName
  package var arguments: [Argument] = []
  /// `count(*)`.
  package var isStar = false
  package var isDistinct = false
  package var orderBy: [SortKey] = []
  package var withinGroup: [SortKey] = []
  package var filter: Expression?
  package var over: WindowReference?
  /// `current_date` and its kin, which take no parentheses.
  package var isBare = false
}

package struct Conditional: Equatable, Sendable {
  package struct Branch: Equatable, Sendable {
    package var condition: Expression
    package var result: Expression
  }

  /// `CASE operand WHEN value …`.
  package var operand: Expression?
  package var branches: [Branch]
  package var otherwise: Expression?
}
