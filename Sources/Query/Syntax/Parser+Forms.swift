/// CASE, CAST and the functions whose arguments have words between them. The latter become plain calls:
/// `substring(s FROM 2 FOR 3)` is `substring(s, 2, 3)`.
extension Parser {
  mutating func conditional() throws(SQLError) -> Expression.Kind {
    advance()
    let operand = at(.when) ? nil : try expression()
    guard at(.when) else { throw expected("WHEN", words: [.when]) }
    var branches: [Conditional.Branch] = []
    while accept(.when) {
      let condition = try expression()
      try expect(.then, "after the condition of WHEN")
      branches.append(Conditional.Branch(condition: condition, result: try expression()))
    }
    let otherwise = accept(.else) ? try expression() : nil
    guard accept(.end) else {
      throw expected(
        "WHEN, ELSE or END", words: [.when, .else, .end], hint: "every CASE closes with END")
    }
    return .conditional(Conditional(operand: operand, branches: branches, otherwise: otherwise))
  }

  mutating func cast() throws(SQLError) -> Expression.Kind {
    advance()
    try expect(.leftParen, "\"(\" after CAST")
    let value = try expression()
    try expect(.as, "and a type")
    let type = try typeName()
    try expect(.rightParen, "\")\"")
    return .cast(value, type)
  }

  mutating func exists() throws(SQLError) -> Expression.Kind {
    advance()
    let from = start
    guard case .query(let query) = try parentheses() else {
      throw SQLError(.syntaxError, "EXISTS takes a query", at: range(from: from))
    }
    return .exists(query)
  }

  mutating func array() throws(SQLError) -> Expression.Kind {
    advance()
    if at(.leftParen) {
      guard case .query(let query) = try parentheses() else {
        throw expected("a query in ARRAY(…)", hint: "a list of values is written ARRAY[1, 2, 3]")
      }
      return .arrayQuery(query)
    }
    try expect(.leftBracket, "\"[\" after ARRAY")
    if accept(.rightBracket) { return .array([]) }
    let values = try list { p throws(SQLError) in try p.expression() }
    try expect(.rightBracket, "\",\" or \"]\"")
    return .array(values)
  }

  mutating func row() throws(SQLError) -> Expression.Kind {
    advance()
    return .row(try parenthesized { p throws(SQLError) in try p.expression() })
  }

  mutating func extract() throws(SQLError) -> Expression.Kind {
    advance()
    try expect(.leftParen, "\"(\"")
    let field: String
    if isString(current) {
      field = try stringLiteral("a field").lowercased()
    } else {
      field = try label("a field such as hour, dow or epoch").name
    }
    try expect(.from, "after the field of EXTRACT")
    let value = try expression()
    try expect(.rightParen, "\")\"")
    return .extract(field: field, value)
  }

  /// `position(a IN b)` is `position(a, b)`.
  mutating func position() throws(SQLError) -> Expression.Kind {
    let name = try formName()
    let part = try expression(.other)
    guard accept(.in) || accept(.comma) else { throw expected("IN", words: [.in]) }
    return try plainCall(name, [part, try expression()])
  }

  mutating func substring() throws(SQLError) -> Expression.Kind {
    let name = try formName()
    let text = try expression()
    if at(.comma) { return try plainCall(name, [text]) }
    var from: Expression?
    var length: Expression?
    while true {
      if from == nil, accept(.from) {
        from = try expression()
      } else if length == nil, accept(.for) {
        length = try expression()
      } else {
        break
      }
    }
    guard from != nil || length != nil else {
      throw expected("FROM, FOR or \",\"", words: [.from, .for])
    }
    let first = from ?? Expression(.literal(.integer(1)), text.range)
    return try plainCall(name, [text, first] + (length.map { [$0] } ?? []))
  }

  mutating func overlay() throws(SQLError) -> Expression.Kind {
    let name = try formName()
    let text = try expression()
    if at(.comma) { return try plainCall(name, [text]) }
    try expect(.placing, "after the text of OVERLAY")
    var arguments = [text, try expression()]
    try expect(.from, "after PLACING")
    arguments.append(try expression())
    if accept(.for) { arguments.append(try expression()) }
    return try plainCall(name, arguments)
  }

  /// `trim([BOTH | LEADING | TRAILING] [characters] FROM text)` is btrim, ltrim or rtrim.
  mutating func trim() throws(SQLError) -> Expression.Kind {
    var name = try formName()
    name.name = at(.leading) ? "ltrim" : at(.trailing) ? "rtrim" : "btrim"
    if at(.leading) || at(.trailing) || at(.both) { advance() }
    if accept(.from) { return try plainCall(name, [try expression()]) }
    let first = try expression()
    guard accept(.from) else { return try plainCall(name, [first]) }
    return try plainCall(name, [try expression(), first])
  }

  /// Takes the word and its `(`.
  private mutating func formName() throws(SQLError) -> Identifier {
    let name = try label("a function")
    try expect(.leftParen, "\"(\"")
    return name
  }

  /// The rest of the arguments, where commas follow, and the `)`.
  private mutating func plainCall(
    _ name: Identifier, _ first: [Expression]
  ) throws(SQLError) -> Expression.Kind {
    var arguments = first
    while accept(.comma) { arguments.append(try expression()) }
    try expect(.rightParen, "\")\"")
    let values = arguments.map { FunctionCall.Argument(name: nil, value: $0) }
    return .call(FunctionCall(name: ObjectName([name]), arguments: values))
  }
}
