/// How tightly operators bind, loosest first: PostgreSQL's table (manual, section 4.1.6; gram.y).
package enum Precedence: UInt8, Comparable, Sendable {
  case lowest
  case or
  case and
  case not
  /// IS, ISNULL, NOTNULL. Not associative.
  case isTest
  /// < > = <= >= <>. Not associative.
  case comparison
  /// BETWEEN, IN, LIKE, ILIKE, SIMILAR. Not associative.
  case membership
  /// `||`, `~`, `->` and every operator not named elsewhere.
  case other
  case sum
  case product
  case power
  case atTimeZone
  case collate
  /// Unary plus and minus.
  case sign
  case element
  case typecast
  case primary

  package static func < (a: Precedence, b: Precedence) -> Bool { a.rawValue < b.rawValue }

  /// The next tighter level: what the right side of a left-associative operator takes.
  package var tighter: Precedence { Precedence(rawValue: rawValue + 1) ?? .primary }

  var isAssociative: Bool { self != .isTest && self != .comparison && self != .membership }
}

extension Symbol {
  /// nil: not an operator between two values.
  package var precedence: Precedence? {
    switch self {
    case .plus, .minus: .sum
    case .star, .slash, .percent: .product
    case .caret: .power
    case .less, .greater, .equal, .lessEqual, .greaterEqual, .notEqual: .comparison
    case .named, .assign: nil
    default: .other
    }
  }
}
