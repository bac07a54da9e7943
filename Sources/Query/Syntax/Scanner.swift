/// The lexer for a text being typed: never throws, loses no byte. For highlighting, completion, and
/// telling whether Return runs the query or starts a new line.
package enum Scanner {
  /// All tokens with comments; what is no token comes as `.invalid`. Closed by `.endOfText`.
  package static func tokens(_ text: String) -> [Token] {
    scan(Array(text.utf8)).tokens
  }

  package enum Completeness: Equatable, Sendable {
    /// Nothing but space, comments and `;`.
    case empty
    /// The last statement is closed by `;`.
    case complete
    /// More lines are to come.
    case incomplete(Reason)

    package enum Reason: Equatable, Sendable {
      case noSemicolon
      case openParenthesis
      /// A quote or comment without its end.
      case openQuote
    }
  }

  package static func completeness(_ text: String) -> Completeness {
    let (tokens, isOpen) = scan(Array(text.utf8))
    if isOpen { return .incomplete(.openQuote) }
    var depth = 0
    var isClosed = false
    var isEmpty = true
    for token in tokens {
      switch token.kind {
      case .comment, .endOfText: continue
      case .leftParen, .leftBracket: depth += 1
      case .rightParen, .rightBracket: depth = max(0, depth - 1)
      case .semicolon:
        // One inside a parenthesis closes nothing, as in psql.
        isClosed = depth == 0
        continue
      default: break
      }
      isEmpty = false
      isClosed = false
    }
    if isEmpty { return .empty }
    if isClosed { return .complete }
    return .incomplete(depth > 0 ? .openParenthesis : .noSemicolon)
  }

  private static func scan(_ source: [UInt8]) -> (tokens: [Token], isOpen: Bool) {
    var tokens: [Token] = []
    guard var lexer = try? Lexer(source) else {
      return ([Token(.endOfText, SourceRange(0, 0))], false)
    }
    while true {
      let before = lexer.position
      do throws(SQLError) {
        let token = try lexer.next()
        tokens.append(token)
        if token.kind == .endOfText { return (tokens, lexer.endsInsideToken) }
      } catch {
        let start = error.range.map { Int($0.lower) } ?? before
        tokens.append(Token(.invalid, SourceRange(UInt32(start), UInt32(lexer.position))))
      }
    }
  }
}
