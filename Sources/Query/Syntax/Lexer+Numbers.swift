/// Numbers and durations.
extension Lexer {
  mutating func number(from start: Int) throws(SQLError) -> Token {
    if peek() == UInt8(ascii: "0"), let radix = radixOfPrefix(), let digit = peek(2),
      Ascii.hexValue(digit).map({ $0 < radix }) == true
    {
      position += 2
      skipDigits(radix)
      return try closed(.integer, from: start)
    }
    skipDigits(10)
    var kind = Token.Kind.integer
    // `1..2` is no decimal point.
    if peek() == UInt8(ascii: "."), peek(1) != UInt8(ascii: ".") {
      kind = .decimal
      position += 1
      skipDigits(10)
    }
    if let byte = peek(), byte | 32 == UInt8(ascii: "e") {
      let sign = peek(1) == UInt8(ascii: "+") || peek(1) == UInt8(ascii: "-") ? 1 : 0
      if let digit = peek(1 + sign), Ascii.isDigit(digit) {
        kind = .decimal
        position += 1 + sign
        skipDigits(10)
      }
    }
    return try closed(kind, from: start)
  }

  private func radixOfPrefix() -> UInt32? {
    switch peek(1).map({ $0 | 32 }) {
    case UInt8(ascii: "x"): 16
    case UInt8(ascii: "o"): 8
    case UInt8(ascii: "b"): 2
    default: nil
    }
  }

  /// Digits with single underscores between them.
  private mutating func skipDigits(_ radix: UInt32) {
    func isDigit(_ byte: UInt8?) -> Bool {
      byte.flatMap(Ascii.hexValue).map { $0 < radix } ?? false
    }
    while isDigit(peek()) || (peek() == UInt8(ascii: "_") && isDigit(peek(1))) { position += 1 }
  }

  /// Letters right after a number make it a duration, or a mistake.
  private mutating func closed(_ kind: Token.Kind, from start: Int) throws(SQLError) -> Token {
    guard let byte = peek(), Ascii.isNamePart(byte) else { return token(kind, from: start) }
    skipName()
    let whole = range(from: start)
    if kind == .integer, Interval(duration: source[whole.bytes]) != nil {
      return Token(.duration, whole)
    }
    throw SQLError(
      .syntaxError, "a number runs into letters", at: whole,
      hint: "put a space between them; durations are written 5m, 1h30m, with units "
        + "ns us ms s m h d w M y")
  }

  /// A number token's value; digits that do not fit 64 bits become a decimal.
  static func literal(of token: Token, in source: [UInt8]) throws(SQLError) -> Literal {
    let bytes = source[token.range.bytes].filter { $0 != UInt8(ascii: "_") }
    let text = String(decoding: bytes.map(Ascii.lowercased), as: UTF8.self)
    guard token.kind == .integer else { return .decimal(text) }
    if bytes.count > 2, !Ascii.isDigit(bytes[1]) {
      let radix =
        bytes[1] | 32 == UInt8(ascii: "x") ? 16 : bytes[1] | 32 == UInt8(ascii: "o") ? 8 : 2
      if let value = Int64(text.dropFirst(2), radix: radix) { return .integer(value) }
      throw SQLError(.numericOutOfRange, "this number does not fit 64 bits", at: token.range)
    }
    return Int64(text).map(Literal.integer) ?? .decimal(text)
  }
}
