/// Names, literals that the grammar itself needs, and what errors say.
extension Parser {
  // MARK: - Names

  /// Whether the token can name something without quotes.
  func isName(_ token: Token) -> Bool {
    token.kind == .quotedName || (token.kind == .word && token.keyword?.isReserved != true)
  }

  /// - Parameter what: with its article, for the message: `a column name`.
  mutating func identifier(_ what: String) throws(SQLError) -> Identifier {
    guard isName(current) else {
      if let word = current.keyword, current.kind == .word {
        throw expected(
          what, hint: "\(word.spelling) is a reserved word; as a name write \"\(word)\"")
      }
      throw expected(what)
    }
    return try anyWord()
  }

  /// A name where even reserved words will do: after AS and after a dot.
  mutating func label(_ what: String) throws(SQLError) -> Identifier {
    guard at(.word) || at(.quotedName) else { throw expected(what) }
    return try anyWord()
  }

  private mutating func anyWord() throws(SQLError) -> Identifier {
    let token = current
    guard token.range.bytes.count <= Limits.nameByteCount else {
      throw SQLError(
        .nameTooLong, "the name is longer than \(Limits.nameByteCount) bytes", at: token.range)
    }
    advance()
    return Identifier(Lexer.name(of: token, in: source), token.range)
  }

  /// `name`, `schema.name`, `database.schema.name`.
  mutating func objectName(_ what: String) throws(SQLError) -> ObjectName {
    var parts = [try identifier(what)]
    while at(.dot) {
      guard parts.count < 3 else { throw tooManyParts() }
      advance()
      parts.append(try label("a name after \".\""))
    }
    return ObjectName(parts)
  }

  func tooManyParts() -> SQLError {
    SQLError(.syntaxError, "a name has at most three parts", at: current.range)
  }

  /// `(a, b, …)` where one begins here, else nothing.
  mutating func columnNames() throws(SQLError) -> [Identifier] {
    guard at(.leftParen) else { return [] }
    return try parenthesized { p throws(SQLError) in try p.identifier("a column name") }
  }

  // MARK: - Literals

  func isString(_ token: Token) -> Bool {
    token.kind == .string || token.kind == .escapeString || token.kind == .dollarString
  }

  mutating func stringLiteral(_ what: String) throws(SQLError) -> String {
    guard isString(current) else { throw expected(what) }
    let token = current
    advance()
    var text = try Lexer.stringValue(of: token, in: source)
    // Standard SQL: strings apart by a line break are one.
    while token.kind == .string, at(.string), hasLineBreak(previousEnd, start) {
      text += try Lexer.stringValue(of: current, in: source)
      advance()
    }
    return text
  }

  private func hasLineBreak(_ from: UInt32, _ to: UInt32) -> Bool {
    source[Int(from)..<Int(to)].contains(UInt8(ascii: "\n"))
  }

  // MARK: - Errors

  /// "expected `what`, found …" at the current token.
  /// - Parameter words: keywords that would have been right, for "did you mean".
  func expected(_ what: String, words: [Keyword] = [], hint: String? = nil) -> SQLError {
    SQLError(
      .syntaxError, "expected \(what), found \(describe(current))", at: current.range,
      hint: hint ?? slip(words))
  }

  /// Names and keywords are quoted; values are not shown.
  private func describe(_ token: Token) -> String {
    switch token.kind {
    case .endOfText: "the end of the query"
    case .string, .escapeString, .dollarString: "a string"
    case .integer, .decimal: "a number"
    default: "\"\(String(decoding: source[token.range.bytes].prefix(60), as: UTF8.self))\""
    }
  }

  /// A misspelt keyword: this word, or the one before it that passed for a name
  /// (`SELECT a FORM power` fails at `power`).
  private func slip(_ words: [Keyword]) -> String? {
    let names = words.map(\.spelling)
    if let name = misspelt(current, names) { return "did you mean \(name)?" }
    guard index > tokens.startIndex else { return nil }
    let previous = tokens[index - 1]
    return misspelt(previous, names).map { "did you mean \($0) instead of \(describe(previous))?" }
  }

  private func misspelt(_ token: Token, _ names: [String]) -> String? {
    guard token.kind == .word, token.keyword == nil, token.range.bytes.count > 2 else { return nil }
    return Suggestion.nearest(to: Lexer.name(of: token, in: source), among: names)
  }
}
