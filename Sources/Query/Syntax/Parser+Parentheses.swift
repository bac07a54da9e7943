/// What a parenthesis holds is known only at its end: `((SELECT 1) UNION SELECT 2)` is a query,
/// `((SELECT 1) + 2)` a value. Both begin alike, so this reads on from what the inner one turned out to be.
extension Parser {
  enum Parenthesized {
    case query(Query)
    /// At least one.
    case values([Expression])
  }

  /// Whether a query begins here, leaving `(` aside.
  var atQuery: Bool {
    switch current.keyword {
    case .select, .with, .table: true
    case .values: peek().kind == .leftParen
    default: false
    }
  }

  mutating func parentheses() throws(SQLError) -> Parenthesized {
    let outer = try enter()
    let result = try parenthesesContent()
    try expect(.rightParen, "\",\", an operator or \")\"")
    try leave(outer)
    return result
  }

  private mutating func parenthesesContent() throws(SQLError) -> Parenthesized {
    try expect(.leftParen, "\"(\"")
    if atQuery { return .query(try query()) }
    guard at(.leftParen) else {
      return .values(try list { p throws(SQLError) in try p.expression() })
    }
    let from = start
    let left: Expression
    switch try parentheses() {
    case .query(let query):
      if at(.rightParen) { return .query(query) }
      if atQueryTail { return .query(try self.query(continuing: .nested(query), from: from)) }
      left = Expression(.subquery(query), range(from: from))
    case .values(let values):
      left = values.count == 1 ? values[0] : Expression(.row(values), range(from: from))
    }
    var values = [try operators(after: left, from: from, .lowest)]
    while accept(.comma) { values.append(try expression()) }
    return .values(values)
  }
}
