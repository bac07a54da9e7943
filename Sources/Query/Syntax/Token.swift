/// One lexical unit of a query. Its text stays in the source; `Lexer.text(of:)` and friends decode it.
package struct Token: Equatable, Sendable {
  package enum Kind: UInt8, Sendable {
    case endOfText
    /// An unquoted name or keyword; `keyword` tells which.
    case word
    case quotedName
    case string
    case escapeString
    case dollarString
    case integer
    case decimal
    /// `5m`, `1h30m`: whole numbers with units, no spaces.
    case duration
    /// `$1`.
    case parameter
    /// `:name` or `@name`.
    case namedParameter
    /// A run of operator characters; `symbol` tells which, or nil when tsq has no such operator.
    case symbol
    case leftParen, rightParen, leftBracket, rightBracket
    case comma, semicolon, dot, colon, typecast
    case comment
    /// Bytes that begin no token, or a token without its end; only `Scanner` reports it.
    case invalid
  }

  package var kind: Kind
  package var keyword: Keyword?
  package var symbol: Symbol?
  package var range: SourceRange

  package init(
    _ kind: Kind, _ range: SourceRange, keyword: Keyword? = nil, symbol: Symbol? = nil
  ) {
    self.kind = kind
    self.range = range
    self.keyword = keyword
    self.symbol = symbol
  }
}

/// The operators of the dialect, by PostgreSQL's spelling; `!=` is read as `<>`.
package enum Symbol: String, CaseIterable, Sendable {
  case plus = "+"
  case minus = "-"
  case star = "*"
  case slash = "/"
  case percent = "%"
  case caret = "^"
  case less = "<"
  case greater = ">"
  case equal = "="
  case lessEqual = "<="
  case greaterEqual = ">="
  case notEqual = "<>"
  case concat = "||"
  case match = "~"
  case matchInsensitive = "~*"
  case notMatch = "!~"
  case notMatchInsensitive = "!~*"
  case arrow = "->"
  case arrowText = "->>"
  case bitAnd = "&"
  case bitOr = "|"
  case bitXor = "#"
  case shiftLeft = "<<"
  case shiftRight = ">>"
  case contains = "@>"
  case containedBy = "<@"
  case overlap = "&&"
  case named = "=>"
  case assign = ":="

  static let bySpelling: [String: Symbol] = {
    var table = [String: Symbol](uniqueKeysWithValues: allCases.map { ($0.rawValue, $0) })
    table["!="] = .notEqual
    return table
  }()
}
