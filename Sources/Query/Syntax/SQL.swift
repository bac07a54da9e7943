/// The door to the syntax: text in, statements or a located error out.
package enum SQL {
  /// One statement; a closing `;` is fine.
  /// - Throws: 42601 and kin, with line and column filled in.
  package static func parse(_ text: String) throws(SQLError) -> Statement {
    let source = Array(text.utf8)
    let statements = try parseScript(source)
    guard let first = statements.first else {
      throw SQLError(.syntaxError, "the query is empty", at: SourceRange(0, 0)).located(in: source)
    }
    if statements.count > 1 {
      throw SQLError(
        .syntaxError, "expected one statement, found \(statements.count)", at: statements[1].range
      ).located(in: source)
    }
    return first
  }

  /// All statements of a script, cut at `;`; empty ones are left out.
  package static func parseScript(_ text: String) throws(SQLError) -> [Statement] {
    try parseScript(Array(text.utf8))
  }

  /// - Complexity: O(bytes).
  package static func parseScript(_ source: [UInt8]) throws(SQLError) -> [Statement] {
    do throws(SQLError) {
      let tokens = try Lexer.tokens(of: source)
      var statements: [Statement] = []
      for piece in pieces(tokens) {
        var parser = Parser(source: source, tokens: piece)
        statements.append(try parser.wholeStatement())
      }
      return statements
    } catch {
      throw error.located(in: source)
    }
  }

  /// The statements of a script as ranges of its bytes, unparsed: a script runner goes on after an error
  /// in one of them.
  package static func split(_ source: [UInt8]) throws(SQLError) -> [SourceRange] {
    do throws(SQLError) {
      return pieces(try Lexer.tokens(of: source)).map { piece in
        let last = piece[max(piece.startIndex, piece.endIndex - 2)]
        return piece[piece.startIndex].range.through(last.range)
      }
    } catch {
      throw error.located(in: source)
    }
  }

  /// One expression and nothing after it: settings, filters of subscriptions, tests.
  package static func parseExpression(_ text: String) throws(SQLError) -> Expression {
    let source = Array(text.utf8)
    do throws(SQLError) {
      var parser = Parser(source: source, tokens: try Lexer.tokens(of: source)[...])
      let expression = try parser.expression()
      guard parser.at(.endOfText) else {
        throw parser.expected("an operator or the end of the expression")
      }
      return expression
    } catch {
      throw error.located(in: source)
    }
  }

  /// Statements' tokens, each closed by its `;` or the end.
  private static func pieces(_ tokens: [Token]) -> [ArraySlice<Token>] {
    var pieces: [ArraySlice<Token>] = []
    var start = tokens.startIndex
    for index in tokens.indices
    where tokens[index].kind == .semicolon || tokens[index].kind == .endOfText {
      if index > start { pieces.append(tokens[start...index]) }
      start = index + 1
    }
    return pieces
  }
}
