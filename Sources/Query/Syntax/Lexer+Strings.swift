/// Quoted things: where they end, and what they say.
extension Lexer {
  mutating func string(_ kind: Token.Kind, from start: Int) throws(SQLError) -> Token {
    position += 1
    while let byte = peek() {
      position += 1
      if byte == UInt8(ascii: "\\"), kind == .escapeString, position < source.count {
        position += 1
      } else if byte == UInt8(ascii: "'") {
        guard peek() == UInt8(ascii: "'") else { return try checked(kind, from: start) }
        position += 1
      }
    }
    throw unterminated(
      "quoted string", from: start, hint: "close it with '; write '' for a quote inside")
  }

  mutating func quotedName(from start: Int) throws(SQLError) -> Token {
    position += 1
    while let byte = peek() {
      position += 1
      guard byte == UInt8(ascii: "\"") else { continue }
      if peek() == UInt8(ascii: "\"") {
        position += 1
        continue
      }
      guard position - start > 2 else {
        throw SQLError(.syntaxError, "a quoted name cannot be empty", at: range(from: start))
      }
      return try checked(.quotedName, from: start)
    }
    throw unterminated("quoted name", from: start, hint: "close it with \"")
  }

  /// `$1`, `$$text$$` or `$tag$text$tag$`.
  mutating func dollar(from start: Int) throws(SQLError) -> Token {
    position += 1
    if let byte = peek(), Ascii.isDigit(byte) {
      while let byte = peek(), Ascii.isDigit(byte) { position += 1 }
      return token(.parameter, from: start)
    }
    while let byte = peek(), Ascii.isNamePart(byte), byte != UInt8(ascii: "$") { position += 1 }
    guard peek() == UInt8(ascii: "$") else {
      throw SQLError(
        .syntaxError, "expected a parameter number or a dollar-quoted string after \"$\"",
        at: range(from: start), hint: "parameters are written $1, $2, …")
    }
    position += 1
    let tag = source[start..<position]
    while let byte = peek() {
      if byte == UInt8(ascii: "$"), source[position...].starts(with: tag) {
        position += tag.count
        return try checked(.dollarString, from: start)
      }
      position += 1
    }
    let spelling = String(decoding: tag, as: UTF8.self)
    throw unterminated("dollar-quoted string", from: start, hint: "close it with \(spelling)")
  }

  private func checked(_ kind: Token.Kind, from start: Int) throws(SQLError) -> Token {
    guard isValidText(start..<position) else { throw invalidText(range(from: start)) }
    return token(kind, from: start)
  }

  func isValidText(_ bytes: Range<Int>) -> Bool {
    let slice = source[bytes]
    if slice.allSatisfy({ $0 < 128 }) { return !slice.contains(0) }
    return !slice.contains(0) && String(validating: slice, as: UTF8.self) != nil
  }

  func invalidText(_ range: SourceRange) -> SQLError {
    SQLError(.invalidByteSequence, "this text is not valid UTF-8, or holds a zero byte", at: range)
  }

  // MARK: - Decoding

  /// The name a word or quoted name stands for: unquoted ones fold to lower case.
  package static func name(of token: Token, in source: [UInt8]) -> String {
    let bytes = source[token.range.bytes]
    guard token.kind == .quotedName else {
      return String(decoding: bytes.map(Ascii.lowercased), as: UTF8.self)
    }
    return undoubled(bytes.dropFirst().dropLast(), UInt8(ascii: "\""))
  }

  /// The value of a string token of any of the three kinds.
  package static func stringValue(of token: Token, in source: [UInt8]) throws(SQLError) -> String {
    let bytes = source[token.range.bytes]
    switch token.kind {
    case .escapeString: return try unescaped(token.range, in: source)
    case .dollarString:
      let tagCount =
        1 + (bytes.dropFirst().firstIndex(of: UInt8(ascii: "$")) ?? bytes.startIndex)
        - bytes.startIndex
      return String(decoding: bytes.dropFirst(tagCount).dropLast(tagCount), as: UTF8.self)
    default: return undoubled(bytes.dropFirst().dropLast(), UInt8(ascii: "'"))
    }
  }

  private static func undoubled(_ bytes: ArraySlice<UInt8>, _ quote: UInt8) -> String {
    guard bytes.contains(quote) else { return String(decoding: bytes, as: UTF8.self) }
    var out: [UInt8] = []
    var skip = false
    for byte in bytes {
      skip = byte == quote && !skip
      if !skip { out.append(byte) }
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// E'…': C escapes, octal, `\xhh`, `\uXXXX` and `\UXXXXXXXX`.
  private static func unescaped(_ range: SourceRange, in source: [UInt8]) throws(SQLError) -> String
  {
    var out: [UInt8] = []
    var at = Int(range.lower) + 2
    let end = Int(range.upper) - 1
    while at < end {
      let byte = source[at]
      at += 1
      guard byte == UInt8(ascii: "\\"), at < end else {
        if byte == UInt8(ascii: "'") { at += 1 }
        out.append(byte)
        continue
      }
      let escape = source[at]
      at += 1
      switch escape {
      case UInt8(ascii: "b"): out.append(8)
      case UInt8(ascii: "f"): out.append(12)
      case UInt8(ascii: "n"): out.append(10)
      case UInt8(ascii: "r"): out.append(13)
      case UInt8(ascii: "t"): out.append(9)
      case UInt8(ascii: "0")...UInt8(ascii: "7"):
        at -= 1
        let value = digits(&at, end, count: 1...3, radix: 8, in: source) ?? 0
        out.append(UInt8(truncatingIfNeeded: value))
      case UInt8(ascii: "x"):
        let value = digits(&at, end, count: 1...2, radix: 16, in: source)
        out.append(value.map { UInt8(truncatingIfNeeded: $0) } ?? escape)
      case UInt8(ascii: "u"), UInt8(ascii: "U"):
        let count = escape == UInt8(ascii: "u") ? 4 : 8
        let value = digits(&at, end, count: count...count, radix: 16, in: source)
        guard let scalar = value.flatMap(Unicode.Scalar.init), scalar != "\0" else {
          throw SQLError(
            .invalidEscape, "invalid Unicode escape in the string", at: range,
            hint: "Unicode escapes are \\uXXXX or \\UXXXXXXXX")
        }
        out.append(contentsOf: String(scalar).utf8)
      default: out.append(escape)
      }
    }
    guard !out.contains(0), let text = String(validating: out, as: UTF8.self) else {
      throw SQLError(.invalidByteSequence, "the escapes make no valid UTF-8 text", at: range)
    }
    return text
  }

  private static func digits(
    _ at: inout Int, _ end: Int, count: ClosedRange<Int>, radix: UInt32, in source: [UInt8]
  ) -> UInt32? {
    var value: UInt32 = 0
    var read = 0
    while read < count.upperBound, at < end, let digit = Ascii.hexValue(source[at]), digit < radix {
      value = value &* radix &+ digit
      read += 1
      at += 1
    }
    return read >= count.lowerBound ? value : nil
  }
}
