extension Expression.Kind {
  /// How tightly the printed form holds together.
  var precedence: Precedence {
    switch self {
    case .or: .or
    case .and: .and
    case .not: .not
    case .isTest, .isDistinct: .isTest
    case .quantified(let symbol, _, _, _), .binary(let symbol, _, _): symbol.precedence ?? .other
    case .between, .inList, .inQuery, .like: .membership
    case .unary(.bitNot, _): .other
    case .unary: .sign
    case .literal(.integer(let value)) where value < 0: .sign
    case .literal(.decimal(let text)) where text.hasPrefix("-"): .sign
    case .atTimeZone: .atTimeZone
    case .collate: .collate
    case .element: .element
    case .cast: .typecast
    default: .primary
    }
  }
}

extension Printer {
  /// - Parameter minimum: what the place around takes without parentheses.
  mutating func expression(_ expression: Expression, _ minimum: Precedence = .lowest) {
    let precedence = expression.kind.precedence
    let isBracketed =
      precedence < minimum || (parentheses == .all && precedence < .primary && minimum != .lowest)
    if isBracketed { write("(") }
    kind(expression.kind)
    if isBracketed { write(")") }
  }

  private mutating func kind(_ kind: Expression.Kind) {
    switch kind {
    case .literal(let value): literal(value)
    case .column(let name): self.name(name)
    case .parameter(let number): write("$\(number)")
    case .namedParameter(let name): write(":\(name)")
    case .defaultValue: write("DEFAULT")
    case .unary(let op, let term): unary(op, term)
    case .binary(let symbol, let left, let right): binary(symbol, left, right)
    case .and(let terms): separated(terms, by: " AND ") { $0.expression($1, .not) }
    case .or(let terms): separated(terms, by: " OR ") { $0.expression($1, .and) }
    case .not(let term):
      write("NOT ")
      expression(term, .not)
    case .call(let call): self.call(call)
    case .cast(let value, let type):
      expression(value, .typecast)
      write("::")
      self.type(type)
    case .conditional(let conditional): self.conditional(conditional)
    case .extract(let field, let value):
      write("extract(\(Self.quoted(field)) FROM ")
      expression(value)
      write(")")
    case .atTimeZone(let value, let zone):
      expression(value, .atTimeZone)
      write(" AT TIME ZONE ")
      expression(zone, .collate)
    case .collate(let value, let collation):
      expression(value, .collate)
      write(" COLLATE ")
      name(collation)
    case .element(let array, let position):
      expression(array, .element)
      write("[")
      expression(position)
      write("]")
    case .array(let values): bracketed("ARRAY[", "]") { $0.list(values) }
    case .row(let values): bracketed("ROW(", ")") { $0.list(values) }
    case .arrayQuery(let query): bracketed("ARRAY(", ")") { $0.query(query) }
    case .exists(let query): bracketed("EXISTS (", ")") { $0.query(query) }
    case .subquery(let query): bracketed("(", ")") { $0.query(query) }
    default: predicate(kind)
    }
  }

  private mutating func predicate(_ kind: Expression.Kind) {
    func word(_ negated: Bool) -> String { negated ? "NOT " : "" }
    switch kind {
    case .isTest(let term, let test, let negated):
      expression(term, .comparison)
      write(" IS \(word(negated))\(test.rawValue)")
    case .isDistinct(let term, let other, let negated):
      expression(term, .comparison)
      write(" IS \(word(negated))DISTINCT FROM ")
      expression(other, .comparison)
    case .between(let term, let lower, let upper, let symmetric, let negated):
      expression(term, .other)
      write(" \(word(negated))BETWEEN \(symmetric ? "SYMMETRIC " : "")")
      expression(lower, .other)
      write(" AND ")
      expression(upper, .other)
    case .inList(let term, let values, let negated):
      expression(term, .other)
      bracketed(" \(word(negated))IN (", ")") { $0.list(values) }
    case .inQuery(let term, let query, let negated):
      expression(term, .other)
      bracketed(" \(word(negated))IN (", ")") { $0.query(query) }
    case .like(let kind, let term, let pattern, let escape, let negated):
      expression(term, .other)
      write(" \(word(negated))\(kind.rawValue) ")
      expression(pattern, .other)
      guard let escape else { return }
      write(" ESCAPE ")
      expression(escape, .other)
    case .quantified(let symbol, let term, let quantifier, let operand):
      expression(term, leftMinimum(symbol.precedence ?? .other))
      write(" \(symbol.rawValue) \(quantifier.rawValue) ")
      // A query brings its own parentheses.
      if case .subquery = operand.kind { return expression(operand) }
      bracketed("(", ")") { $0.expression(operand) }
    default: break
    }
  }

  mutating func bracketed(_ open: String, _ close: String, _ body: (inout Printer) -> Void) {
    write(open)
    body(&self)
    write(close)
  }

  private func leftMinimum(_ precedence: Precedence) -> Precedence {
    precedence.isAssociative ? precedence : precedence.tighter
  }

  private mutating func binary(_ symbol: Symbol, _ left: Expression, _ right: Expression) {
    let precedence = symbol.precedence ?? .other
    expression(left, leftMinimum(precedence))
    write(" \(symbol.rawValue) ")
    expression(right, precedence.tighter)
  }

  private mutating func unary(_ op: UnaryOperator, _ term: Expression) {
    write(op.rawValue)
    // Two signs in a row would read as a comment or another operator.
    if parentheses == .minimal, term.kind.precedence == .sign { write(" ") }
    expression(term, op == .bitNot ? .sum : .sign)
  }

  private mutating func literal(_ literal: Literal) {
    switch literal {
    case .null: write("NULL")
    case .boolean(let value): write(value ? "TRUE" : "FALSE")
    case .integer(let value): write(String(value))
    case .decimal(let text): write(text)
    case .string(let text): write(Self.literal(text))
    case .interval(let interval): write("INTERVAL " + Self.literal(interval.text))
    case .typed(let type, let text):
      self.type(type)
      write(" " + Self.literal(text))
    }
  }

  private mutating func conditional(_ conditional: Conditional) {
    write("CASE")
    if let operand = conditional.operand {
      write(" ")
      expression(operand)
    }
    for branch in conditional.branches {
      clause("WHEN", branch.condition)
      clause("THEN", branch.result)
    }
    clause("ELSE", conditional.otherwise)
    write(" END")
  }
}
