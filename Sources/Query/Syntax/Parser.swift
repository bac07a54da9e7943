/// Recursive descent over the tokens of one statement, with precedence climbing for expressions.
/// Never backtracks: time is linear in the text. Each `Parser+….swift` holds one area of the grammar.
package struct Parser {
  /// Bounds that keep hostile nesting off the stack, here and in whatever walks the tree later.
  package enum Limits {
    /// How deep one construct may stand in another.
    package static let nesting = 200
    /// How tall a tree may grow, chains such as `1 + 1 + …` included.
    package static let height = 600
    /// How many bytes of a name count.
    package static let nameByteCount = 255
  }

  let source: [UInt8]
  let tokens: ArraySlice<Token>
  var index: Int
  var depth = 0
  /// The height of the tallest tree built since the innermost `enter()`.
  var height = 0

  /// - Parameter tokens: of one statement, the last being `.endOfText` or the `;` after it.
  init(source: [UInt8], tokens: ArraySlice<Token>) {
    precondition(!tokens.isEmpty, "a parser needs a closing token")
    self.source = source
    self.tokens = tokens
    self.index = tokens.startIndex
  }

  // MARK: - Tokens

  var current: Token { tokens[index] }

  func peek(_ ahead: Int = 1) -> Token { tokens[min(index + ahead, tokens.endIndex - 1)] }

  /// Where the previous token ends.
  var previousEnd: UInt32 { index > tokens.startIndex ? tokens[index - 1].range.upper : 0 }

  /// From the token that began at `start` to the one just taken.
  func range(from start: UInt32) -> SourceRange { SourceRange(start, max(start, previousEnd)) }

  var start: UInt32 { current.range.lower }

  mutating func advance() {
    if index < tokens.endIndex - 1 { index += 1 }
  }

  func at(_ keyword: Keyword) -> Bool { current.keyword == keyword }
  func at(_ kind: Token.Kind) -> Bool { current.kind == kind }
  func at(_ symbol: Symbol) -> Bool { current.symbol == symbol }

  func at(_ words: Keyword...) -> Bool {
    for (ahead, word) in words.enumerated() where peek(ahead).keyword != word { return false }
    return true
  }

  mutating func accept(_ keyword: Keyword) -> Bool {
    guard at(keyword) else { return false }
    advance()
    return true
  }

  mutating func accept(_ kind: Token.Kind) -> Bool {
    guard at(kind) else { return false }
    advance()
    return true
  }

  mutating func accept(_ symbol: Symbol) -> Bool {
    guard at(symbol) else { return false }
    advance()
    return true
  }

  mutating func accept(_ words: Keyword...) -> Bool {
    for (ahead, word) in words.enumerated() where peek(ahead).keyword != word { return false }
    for _ in words { advance() }
    return true
  }

  mutating func expect(_ keyword: Keyword, _ context: String = "") throws(SQLError) {
    guard accept(keyword) else {
      throw expected(keyword.spelling + (context.isEmpty ? "" : " " + context), words: [keyword])
    }
  }

  mutating func expect(_ kind: Token.Kind, _ what: String) throws(SQLError) {
    guard accept(kind) else { throw expected(what) }
  }

  mutating func expect(_ symbol: Symbol, _ what: String) throws(SQLError) {
    guard accept(symbol) else { throw expected(what) }
  }

  // MARK: - Depth

  /// Called where one construct begins inside another.
  /// - Returns: the height so far, for `leave`.
  mutating func enter() throws(SQLError) -> Int {
    guard depth < Limits.nesting else { throw tooDeep() }
    depth += 1
    defer { height = 0 }
    return height
  }

  mutating func leave(_ outer: Int) throws(SQLError) {
    depth -= 1
    try grow()
    height = max(outer, height)
  }

  /// One more level on top of the tree being built.
  mutating func grow() throws(SQLError) {
    height += 1
    guard height <= Limits.height else { throw tooDeep() }
  }

  private func tooDeep() -> SQLError {
    SQLError(
      .statementTooComplex, "the statement is nested too deeply", at: current.range,
      hint: "use IN (…), a CTE or a table instead of a long chain of operators")
  }

  // MARK: - Lists

  mutating func list<Element>(
    _ element: (inout Parser) throws(SQLError) -> Element
  ) throws(SQLError) -> [Element] {
    var result = [try element(&self)]
    while accept(.comma) { result.append(try element(&self)) }
    return result
  }

  /// `( element, … )`, at least one.
  mutating func parenthesized<Element>(
    _ element: (inout Parser) throws(SQLError) -> Element
  ) throws(SQLError) -> [Element] {
    try expect(.leftParen, "\"(\"")
    let result = try list(element)
    try expect(.rightParen, "\",\" or \")\"")
    return result
  }
}
