/// Operands: literals, columns, calls and the forms with words of their own.
extension Parser {
  mutating func primary() throws(SQLError) -> Expression {
    let token = current
    switch token.kind {
    case .integer, .decimal:
      advance()
      return Expression(.literal(try Lexer.literal(of: token, in: source)), token.range)
    case .string, .escapeString, .dollarString:
      let text = try stringLiteral("a string")
      return Expression(.literal(.string(text)), range(from: token.range.lower))
    case .duration:
      return Expression(.literal(.interval(try duration())), token.range)
    case .parameter: return try parameter()
    case .namedParameter:
      advance()
      let name = source[token.range.bytes].dropFirst().map(Ascii.lowercased)
      return Expression(.namedParameter(String(decoding: name, as: UTF8.self)), token.range)
    case .leftParen:
      switch try parentheses() {
      case .query(let query): return Expression(.subquery(query), range(from: token.range.lower))
      case .values(let values) where values.count == 1: return values[0]
      case .values(let values): return Expression(.row(values), range(from: token.range.lower))
      }
    case .word:
      if let keyword = token.keyword, let kind = try special(keyword) {
        return Expression(kind, range(from: token.range.lower))
      }
      return try named()
    case .quotedName: return try named()
    case .symbol where token.symbol == .star:
      throw expected("an expression", hint: "* stands alone in a SELECT list, or in count(*)")
    case .symbol where token.symbol == nil: throw unknownOperator()
    default: throw expected("an expression")
    }
  }

  private mutating func parameter() throws(SQLError) -> Expression {
    let token = current
    let digits = String(decoding: source[token.range.bytes].dropFirst(), as: UTF8.self)
    guard let number = Int(digits), 1...65_535 ~= number else {
      throw SQLError(
        .undefinedParameter, "there is no parameter $\(digits.prefix(20))", at: token.range,
        hint: "parameters are numbered from $1 to $65535")
    }
    advance()
    return Expression(.parameter(number), token.range)
  }

  /// Forms that a keyword begins; nil where the word is an ordinary name here.
  private mutating func special(_ keyword: Keyword) throws(SQLError) -> Expression.Kind? {
    let isCall = peek().kind == .leftParen
    switch keyword {
    case .null:
      advance()
      return .literal(.null)
    case .true, .false:
      advance()
      return .literal(.boolean(keyword == .true))
    case .default:
      advance()
      return .defaultValue
    case .case: return try conditional()
    case .cast: return try cast()
    case .exists where isCall: return try exists()
    case .array: return try array()
    case .row where isCall: return try row()
    case .interval where isString(peek()):
      advance()
      return .literal(.interval(try interval()))
    case .extract where isCall: return try extract()
    case .position where isCall: return try position()
    case .substring where isCall: return try substring()
    case .trim where isCall: return try trim()
    case .overlay where isCall: return try overlay()
    case .currentDate, .currentTime, .currentTimestamp, .localtime, .localtimestamp, .currentUser,
      .sessionUser:
      let name = Identifier(keyword.rawValue, current.range)
      advance()
      return .call(FunctionCall(name: ObjectName([name]), isBare: true))
    case .left where isCall, .right where isCall:
      let name = Identifier(keyword.rawValue, current.range)
      advance()
      return .call(try call(ObjectName([name])))
    case .time where peek().keyword == .with, .timestamp where peek().keyword == .with:
      return try zonedLiteral()
    default: return nil
    }
  }

  /// A column, a call or a typed literal.
  private mutating func named() throws(SQLError) -> Expression {
    let from = start
    let isWord = at(.word)
    let name = try objectName("an expression")
    if at(.leftParen) { return Expression(.call(try call(name)), range(from: from)) }
    if isWord, isString(current), name.parts.count == 1 {
      let type = TypeName(TypeName.canonical(name.last.name))
      return Expression(.literal(.typed(type, try stringLiteral("a string"))), range(from: from))
    }
    return Expression(.column(name), name.range)
  }

  /// `timestamp with time zone '…'`.
  private mutating func zonedLiteral() throws(SQLError) -> Expression.Kind? {
    guard peek(2).keyword == .time, peek(3).keyword == .zone, isString(peek(4)) else { return nil }
    let type = try typeName()
    return .literal(.typed(type, try stringLiteral("a string")))
  }

  // MARK: - Intervals

  mutating func duration() throws(SQLError) -> Interval {
    guard at(.duration), let interval = Interval(duration: source[current.range.bytes]) else {
      throw expected("a duration", hint: "durations are written 5m, 1h30m or interval '5 minutes'")
    }
    advance()
    return interval
  }

  /// After INTERVAL: the text, and a unit for its bare numbers (`interval '5' day`).
  mutating func interval() throws(SQLError) -> Interval {
    let token = current
    let text = try stringLiteral("a string after INTERVAL")
    var unit = Interval.Unit.nanos(1_000_000_000)
    if at(.word), let named = intervalField(current) {
      advance()
      unit = named
      if at(.to), let last = intervalField(peek()) {
        advance()
        advance()
        unit = last
      }
    }
    guard let interval = Interval(text: text, defaultUnit: unit) else {
      throw SQLError(
        .invalidDatetime, "this is no interval", at: token.range,
        hint: "write interval '5 minutes', '1 day 02:30:00' or '1h30m'")
    }
    return interval
  }

  private func intervalField(_ token: Token) -> Interval.Unit? {
    switch Lexer.name(of: token, in: source) {
    case "year": .months(12)
    case "month": .months(1)
    case "day": .days(1)
    case "hour": .nanos(3_600_000_000_000)
    case "minute": .nanos(60_000_000_000)
    case "second": .nanos(1_000_000_000)
    default: nil
    }
  }
}
