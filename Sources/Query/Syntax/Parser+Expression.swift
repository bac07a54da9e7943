/// Operators, by precedence climbing.
extension Parser {
  /// An expression whose operators all bind at least as tightly as `minimum`.
  mutating func expression(_ minimum: Precedence = .lowest) throws(SQLError) -> Expression {
    let outer = try enter()
    let from = start
    let left = try prefix(minimum)
    let result = try operators(after: left, from: from, minimum)
    try leave(outer)
    return result
  }

  // MARK: - Prefix

  private mutating func prefix(_ minimum: Precedence) throws(SQLError) -> Expression {
    let from = start
    if at(.not) {
      guard minimum <= .not else {
        throw SQLError(
          .syntaxError, "NOT cannot follow this operator", at: current.range,
          hint: "put the NOT term in parentheses")
      }
      advance()
      let term = try expression(.not)
      return Expression(.not(term), range(from: from))
    }
    let sign: UnaryOperator
    switch current.symbol {
    case .minus: sign = .minus
    case .plus: sign = .plus
    case .match: sign = .bitNot
    default: return try primary()
    }
    advance()
    let term = try expression(sign == .bitNot ? .sum : .sign)
    if sign == .minus, case .literal(let literal) = term.kind, let negated = negate(literal) {
      return Expression(.literal(negated), range(from: from))
    }
    return Expression(.unary(sign, term), range(from: from))
  }

  /// A minus belongs to the number after it, so that the least 64-bit integer can be written.
  private func negate(_ literal: Literal) -> Literal? {
    switch literal {
    case .integer(let value):
      let (negated, overflow) = Int64(0).subtractingReportingOverflow(value)
      return overflow ? .decimal("9223372036854775808") : .integer(negated)
    case .decimal(let text):
      if text.hasPrefix("-") { return .decimal(String(text.dropFirst())) }
      return Int64("-" + text).map(Literal.integer) ?? .decimal("-" + text)
    default: return nil
    }
  }

  // MARK: - Infix and postfix

  private enum Operator {
    case or, and, isTest, isNull, notNull, between, membership, atTimeZone, collate, element,
      typecast
    case like(LikeKind)
    case symbol(Symbol)
  }

  /// The operator at this place with its precedence, and whether NOT stands before it.
  private func nextOperator() -> (Operator, Precedence, negated: Bool)? {
    let token = current
    if let symbol = token.symbol {
      return symbol.precedence.map { (.symbol(symbol), $0, false) }
    }
    switch token.kind {
    case .leftBracket: return (.element, .element, false)
    case .typecast: return (.typecast, .typecast, false)
    default: break
    }
    let negated = token.keyword == .not
    switch negated ? peek().keyword : token.keyword {
    case .between: return (.between, .membership, negated)
    case .in: return (.membership, .membership, negated)
    case .like: return (.like(.like), .membership, negated)
    case .ilike: return (.like(.ilike), .membership, negated)
    case .similar: return (.like(.similar), .membership, negated)
    case _ where negated: return nil
    case .or: return (.or, .or, false)
    case .and: return (.and, .and, false)
    case .is: return (.isTest, .isTest, false)
    case .isnull: return (.isNull, .isTest, false)
    case .notnull: return (.notNull, .isTest, false)
    case .collate: return (.collate, .collate, false)
    case .at where at(.at, .time, .zone): return (.atTimeZone, .atTimeZone, false)
    case .operator where peek().kind == .leftParen:
      return writtenOperator().map { (.symbol($0), .other, false) }
    default: return nil
    }
  }

  /// `OPERATOR(pg_catalog.~)`, as psql writes in its own queries.
  private func writtenOperator() -> Symbol? {
    peek(2).kind == .word && peek(3).kind == .dot && peek(5).kind == .rightParen
      ? peek(4).symbol : peek(3).kind == .rightParen ? peek(2).symbol : nil
  }

  /// Takes operators as long as they bind tightly enough.
  mutating func operators(
    after first: Expression, from start: UInt32, _ minimum: Precedence
  ) throws(SQLError) -> Expression {
    var left = first
    var previous = Precedence.lowest
    while let (op, precedence, negated) = nextOperator(), precedence >= minimum {
      if precedence == previous, !precedence.isAssociative { throw chained(precedence) }
      previous = precedence
      if negated { advance() }
      let kind = try apply(op, precedence, to: left, negated)
      left = Expression(kind, range(from: start))
      try grow()
    }
    if at(.symbol), current.symbol == nil, minimum == .lowest { throw unknownOperator() }
    return left
  }

  func unknownOperator() -> SQLError {
    let spelling = String(decoding: source[current.range.bytes].prefix(40), as: UTF8.self)
    let hint = Suggestion.nearest(to: spelling, among: Symbol.allCases.map(\.rawValue))
    return SQLError(
      .undefinedFunction, "there is no operator \(spelling)", at: current.range,
      hint: spelling == "==" ? "equality is written =" : hint.map { "did you mean \($0)?" })
  }

  private func chained(_ precedence: Precedence) -> SQLError {
    SQLError(
      .syntaxError, "this operator cannot follow another of its kind", at: current.range,
      hint: precedence == .comparison
        ? "write a < b AND b < c, or use parentheses" : "use parentheses")
  }

  private mutating func apply(
    _ op: Operator, _ precedence: Precedence, to left: Expression, _ negated: Bool
  ) throws(SQLError) -> Expression.Kind {
    let operatorToken = current
    if case .symbol(let symbol) = op {
      if accept(.operator) { while !accept(.rightParen) { advance() } } else { advance() }
      return try binary(symbol, precedence, left)
    }
    advance()
    switch op {
    case .or: return .or(try terms(left, .or, .or))
    case .and: return .and(try terms(left, .and, .and))
    case .isTest: return try isTest(left)
    case .isNull: return .isTest(left, .null, negated: false)
    case .notNull: return .isTest(left, .null, negated: true)
    case .between: return try between(left, negated)
    case .membership: return try membership(left, negated)
    case .like(let kind):
      if kind == .similar { try expect(.to, "after SIMILAR") }
      let pattern = try expression(.other)
      let escape = accept(.escape) ? try expression(.other) : nil
      return .like(kind, left, pattern: pattern, escape: escape, negated: negated)
    case .atTimeZone:
      advance()
      advance()
      return .atTimeZone(left, try expression(.collate))
    case .collate: return .collate(left, try objectName("a collation"))
    case .element:
      let position = try expression()
      try expect(.rightBracket, "\"]\"")
      return .element(left, position)
    case .typecast: return .cast(left, try typeName())
    case .symbol: throw SQLError(.internalError, "operator", at: operatorToken.range)
    }
  }

  private mutating func terms(
    _ first: Expression, _ word: Keyword, _ precedence: Precedence
  ) throws(SQLError) -> [Expression] {
    var terms = [first]
    repeat { terms.append(try expression(precedence.tighter)) } while accept(word)
    return terms
  }

  private mutating func binary(
    _ symbol: Symbol, _ precedence: Precedence, _ left: Expression
  ) throws(SQLError) -> Expression.Kind {
    guard at(.any) || at(.some) || at(.all), peek().kind == .leftParen else {
      return .binary(symbol, left, try expression(precedence.tighter))
    }
    let quantifier: Quantifier = at(.all) ? .all : .any
    advance()
    let from = start
    switch try parentheses() {
    case .query(let query):
      return .quantified(symbol, left, quantifier, Expression(.subquery(query), range(from: from)))
    case .values(let values) where values.count == 1:
      return .quantified(symbol, left, quantifier, values[0])
    case .values:
      throw SQLError(
        .syntaxError, "\(quantifier.rawValue) takes a query or an array", at: range(from: from),
        hint: "write x IN (1, 2, 3), or x = ANY (ARRAY[1, 2, 3])")
    }
  }

  private mutating func isTest(_ left: Expression) throws(SQLError) -> Expression.Kind {
    let negated = accept(.not)
    if accept(.null) { return .isTest(left, .null, negated: negated) }
    if accept(.true) { return .isTest(left, .isTrue, negated: negated) }
    if accept(.false) { return .isTest(left, .isFalse, negated: negated) }
    if accept(.unknown) { return .isTest(left, .unknown, negated: negated) }
    if accept(.distinct) {
      try expect(.from, "after IS DISTINCT")
      return .isDistinct(left, from: try expression(.comparison), negated: negated)
    }
    throw expected(
      "NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM",
      words: [.null, .true, .false, .unknown, .distinct])
  }

  private mutating func between(_ left: Expression, _ negated: Bool) throws(SQLError)
    -> Expression.Kind
  {
    let symmetric = accept(.symmetric)
    if !symmetric { _ = accept(.asymmetric) }
    let lower = try expression(.other)
    try expect(.and, "between the two bounds")
    let upper = try expression(.other)
    return .between(left, lower, upper, symmetric: symmetric, negated: negated)
  }

  private mutating func membership(_ left: Expression, _ negated: Bool) throws(SQLError)
    -> Expression.Kind
  {
    guard at(.leftParen) else {
      throw expected("\"(\" after IN", hint: "write IN (1, 2, 3) or IN (SELECT …)")
    }
    if peek().kind == .rightParen {
      advance()
      throw expected("a value")
    }
    switch try parentheses() {
    case .query(let query): return .inQuery(left, query, negated: negated)
    case .values(let values): return .inList(left, values, negated: negated)
    }
  }
}
