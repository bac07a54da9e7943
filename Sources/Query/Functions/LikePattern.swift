/// A LIKE pattern, read once and matched against many texts. `%` is any run, `_` one scalar.
/// Matching is greedy with one point of return, so it takes O(pattern x text) at worst.
package struct LikePattern: Sendable {
  private enum Token: Equatable, Sendable {
    case scalar(Unicode.Scalar)
    case one
    case run
  }
  private let tokens: [Token]
  private let caseInsensitive: Bool

  /// nil when the pattern ends in its escape character.
  package init?(_ pattern: String, escape: Unicode.Scalar? = "\\", caseInsensitive: Bool = false) {
    var tokens: [Token] = []
    var scalars = (caseInsensitive ? pattern.lowercased() : pattern).unicodeScalars.makeIterator()
    while let scalar = scalars.next() {
      if scalar == escape {
        guard let literal = scalars.next() else { return nil }
        tokens.append(.scalar(literal))
      } else if scalar == "%" {
        if tokens.last != .run { tokens.append(.run) }
      } else {
        tokens.append(scalar == "_" ? .one : .scalar(scalar))
      }
    }
    self.tokens = tokens
    self.caseInsensitive = caseInsensitive
  }

  package func matches(_ text: String) -> Bool {
    let scalars = Array((caseInsensitive ? text.lowercased() : text).unicodeScalars)
    var (at, token) = (0, 0)
    var returnPoint: (token: Int, at: Int)?
    while at < scalars.count {
      if token < tokens.count {
        switch tokens[token] {
        case .run:
          returnPoint = (token, at)
          token += 1
          continue
        case .one:
          token += 1
          at += 1
          continue
        case .scalar(let scalar) where scalar == scalars[at]:
          token += 1
          at += 1
          continue
        case .scalar: break
        }
      }
      guard let point = returnPoint else { return false }
      token = point.token + 1
      at = point.at + 1
      returnPoint = (point.token, at)
    }
    while token < tokens.count, tokens[token] == .run { token += 1 }
    return token == tokens.count
  }
}
