/// Cuts a query into tokens after PostgreSQL's lexical rules (manual, section 4.1) and the durations of
/// time-series dialects. Works on UTF-8 bytes; each byte is looked at a bounded number of times.
package struct Lexer: Sendable {
  package let source: [UInt8]
  var position = 0
  /// Whether the text ended inside a quote or comment.
  private(set) var endsInsideToken = false

  /// - Throws: 54000 when the text is longer than 32-bit offsets reach.
  package init(_ source: [UInt8]) throws(SQLError) {
    guard source.count < Int(Int32.max) else {
      throw SQLError(.programLimitExceeded, "the query text is longer than 2 GiB")
    }
    self.source = source
  }

  /// All tokens but comments, closed by one `.endOfText` token.
  package static func tokens(of source: [UInt8]) throws(SQLError) -> [Token] {
    var lexer = try Lexer(source)
    var tokens: [Token] = []
    tokens.reserveCapacity(source.count / 5 + 8)
    while true {
      let token = try lexer.next()
      if token.kind == .comment { continue }
      tokens.append(token)
      if token.kind == .endOfText { return tokens }
    }
  }

  /// The next token, comments included.
  package mutating func next() throws(SQLError) -> Token {
    while let byte = peek(), Ascii.isSpace(byte) { position += 1 }
    let start = position
    guard let byte = peek() else { return token(.endOfText, from: start) }
    switch byte {
    case UInt8(ascii: "'"): return try string(.string, from: start)
    case UInt8(ascii: "\""): return try quotedName(from: start)
    case UInt8(ascii: "$"): return try dollar(from: start)
    case UInt8(ascii: "("): return single(.leftParen)
    case UInt8(ascii: ")"): return single(.rightParen)
    case UInt8(ascii: "["): return single(.leftBracket)
    case UInt8(ascii: "]"): return single(.rightBracket)
    case UInt8(ascii: ","): return single(.comma)
    case UInt8(ascii: ";"): return single(.semicolon)
    case UInt8(ascii: ":"): return colon(from: start)
    case UInt8(ascii: "."):
      if let next = peek(1), Ascii.isDigit(next) { return try number(from: start) }
      return single(.dot)
    case UInt8(ascii: "-") where peek(1) == UInt8(ascii: "-"): return lineComment(from: start)
    case UInt8(ascii: "/") where peek(1) == UInt8(ascii: "*"):
      return try blockComment(from: start)
    default: break
    }
    if Ascii.isDigit(byte) { return try number(from: start) }
    if Ascii.isNameStart(byte) { return try word(from: start) }
    if Ascii.isOperator(byte) { return operatorRun(from: start) }
    position += 1
    throw SQLError(.syntaxError, "a query cannot contain this character", at: range(from: start))
  }

  // MARK: - Pieces

  func peek(_ ahead: Int = 0) -> UInt8? {
    position + ahead < source.count ? source[position + ahead] : nil
  }

  func range(from start: Int) -> SourceRange { SourceRange(UInt32(start), UInt32(position)) }

  func token(_ kind: Token.Kind, from start: Int) -> Token { Token(kind, range(from: start)) }

  private mutating func single(_ kind: Token.Kind) -> Token {
    position += 1
    return token(kind, from: position - 1)
  }

  private mutating func colon(from start: Int) -> Token {
    position += 1
    switch peek() {
    case UInt8(ascii: ":"):
      position += 1
      return token(.typecast, from: start)
    case UInt8(ascii: "="):
      position += 1
      return Token(.symbol, range(from: start), symbol: .assign)
    case let byte? where Ascii.isNameStart(byte):
      skipName()
      return token(.namedParameter, from: start)
    default: return token(.colon, from: start)
    }
  }

  mutating func skipName() {
    while let byte = peek(), Ascii.isNamePart(byte) { position += 1 }
  }

  private mutating func word(from start: Int) throws(SQLError) -> Token {
    if peek(1) == UInt8(ascii: "'"), source[start] | 32 == UInt8(ascii: "e") {
      position += 1
      return try string(.escapeString, from: start)
    }
    skipName()
    guard isValidText(start..<position) else { throw invalidText(range(from: start)) }
    let keyword = Keyword.named(source[start..<position])
    return Token(.word, range(from: start), keyword: keyword)
  }

  /// The longest run of operator characters that a comment does not begin in; a run of several ends in
  /// `+` or `-` only if it holds one of `~!@#%^&|?` and a backquote, so that `a=-1` is `a = -1`.
  private mutating func operatorRun(from start: Int) -> Token {
    var end = start
    var mayEndInSign = false
    while end < source.count, Ascii.isOperator(source[end]) {
      let pair = (source[end], end + 1 < source.count ? source[end + 1] : 0)
      if pair == (UInt8(ascii: "-"), UInt8(ascii: "-")) { break }
      if pair == (UInt8(ascii: "/"), UInt8(ascii: "*")) { break }
      switch source[end] {
      case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "*"), UInt8(ascii: "/"),
        UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "="):
        break
      default: mayEndInSign = true
      }
      end += 1
    }
    if !mayEndInSign {
      while end > start + 1,
        source[end - 1] == UInt8(ascii: "+") || source[end - 1] == UInt8(ascii: "-")
      {
        end -= 1
      }
    }
    position = end
    if end == start + 1, source[start] == UInt8(ascii: "@"), let byte = peek(),
      Ascii.isNameStart(byte)
    {
      skipName()
      return token(.namedParameter, from: start)
    }
    let symbol = Symbol.bySpelling[String(decoding: source[start..<end], as: UTF8.self)]
    return Token(.symbol, range(from: start), symbol: symbol)
  }

  // MARK: - Comments

  private mutating func lineComment(from start: Int) -> Token {
    while let byte = peek(), byte != UInt8(ascii: "\n") { position += 1 }
    return token(.comment, from: start)
  }

  /// Block comments nest.
  private mutating func blockComment(from start: Int) throws(SQLError) -> Token {
    var depth = 0
    while let byte = peek() {
      if byte == UInt8(ascii: "/"), peek(1) == UInt8(ascii: "*") {
        depth += 1
        position += 2
      } else if byte == UInt8(ascii: "*"), peek(1) == UInt8(ascii: "/") {
        depth -= 1
        position += 2
        if depth == 0 { return token(.comment, from: start) }
      } else {
        position += 1
      }
    }
    throw unterminated("comment", from: start, hint: "close it with */")
  }

  /// An error for a token whose end is missing; the shell takes it as "more lines to come".
  mutating func unterminated(_ what: String, from start: Int, hint: String) -> SQLError {
    endsInsideToken = true
    let mark = SourceRange(UInt32(start), UInt32(min(start + 1, source.count)))
    return SQLError(.syntaxError, "unterminated \(what)", at: mark, hint: hint)
  }
}
