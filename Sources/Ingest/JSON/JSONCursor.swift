/// A forward-only reader over the bytes of one JSON text (RFC 8259, stricter where the RFC leaves
/// a choice: duplicate keys, lone surrogates and invalid UTF-8 are refused). It allocates nothing
/// and never traps, whatever the bytes are. Past the end it sees the byte 0, which no JSON has.
@safe package struct JSONCursor: ~Escapable {
  /// The deepest nesting that is let in.
  package static let maximumDepth = 32

  private let bytes: RawSpan
  private let count: Int
  package private(set) var offset = 0

  @_lifetime(copy bytes)
  package init(_ bytes: RawSpan) {
    self.bytes = bytes
    self.count = bytes.byteCount
  }

  package var isAtEnd: Bool { offset >= count }

  /// The byte at the cursor, 0 past the end.
  @inline(__always) package var byte: UInt8 { byte(at: offset) }

  @inline(__always) func byte(at index: Int) -> UInt8 {
    guard index >= 0, index < count else { return 0 }
    // SAFETY: the guard proves index in bounds.
    return unsafe bytes.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)
  }

  /// The eight bytes from the cursor on, first byte lowest, or nil near the end.
  @inline(__always) var word: UInt64? {
    guard count &- offset >= 8 else { return nil }
    // SAFETY: 0 ≤ offset, and the guard proves offset + 8 ≤ count.
    return unsafe UInt64(
      littleEndian: bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self))
  }

  @_lifetime(self: copy self)
  @inline(__always) package mutating func advance(_ distance: Int = 1) { offset &+= distance }

  @_lifetime(self: copy self)
  @inline(__always) package mutating func skipSpace() {
    guard byte <= 0x20 else { return }
    while true {
      switch byte {
      case 0x20, 0x0A, 0x0D, 0x09: offset &+= 1
      default: return
      }
    }
  }

  /// Skips space and takes `expected`.
  @_lifetime(self: copy self)
  @inline(__always) package mutating func expect(_ expected: UInt8, _ what: StaticString)
    throws(Fault)
  {
    skipSpace()
    guard byte == expected else { throw syntax(what) }
    offset &+= 1
  }

  /// After a member or element: true when another follows, false when `close` was taken.
  @_lifetime(self: copy self)
  @inline(__always) package mutating func another(before close: UInt8) throws(Fault) -> Bool {
    skipSpace()
    let next = byte
    if next == UInt8(ascii: ",") {
      offset &+= 1
      return true
    }
    guard next == close else { throw syntax("',' or a closing bracket expected") }
    offset &+= 1
    return false
  }

  @inline(never) package func syntax(_ what: StaticString) -> Fault {
    isAtEnd
      ? Fault(.syntax, "the text ends where \(what)")
      : Fault(.syntax, "\(what) at byte \(offset)")
  }

  /// The bytes `range` of the text. Precondition: a range this cursor gave out.
  @_lifetime(copy self)
  package func slice(_ range: Range<Int>) -> RawSpan { bytes.extracting(range) }
}

// MARK: - Numbers

extension JSONCursor {
  /// An integer of at most seven digits, taken in one step; nil leaves the cursor where it was.
  @_lifetime(self: copy self)
  @inline(__always) package mutating func shortInteger() -> Int64? {
    guard var word else { return nil }
    let negative = UInt8(truncatingIfNeeded: word) == UInt8(ascii: "-")
    if negative { word &>>= 8 }
    let digits = DigitWord.leadingDigits(word)
    // Seven behind a sign, or eight, hide what follows them; a leading zero must be alone.
    guard digits > 0, digits < (negative ? 7 : 8) else { return nil }
    if digits > 1, UInt8(truncatingIfNeeded: word) == UInt8(ascii: "0") { return nil }
    switch UInt8(truncatingIfNeeded: word &>> UInt64(digits &* 8)) {
    case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): return nil
    default: break
    }
    offset &+= negative ? digits &+ 1 : digits
    let value = DigitWord.value(word, count: digits)
    return negative ? 0 &- value : value
  }

  /// An integer of at most fifteen digits, taken in two steps; nil leaves the cursor where it was.
  @_lifetime(self: copy self)
  @inline(__always) package mutating func integer() -> Int64? {
    if let short = shortInteger() { return short }
    guard let high = word, DigitWord.leadingDigits(high) == 8,
      UInt8(truncatingIfNeeded: high) != UInt8(ascii: "0")
    else { return nil }
    offset &+= 8
    guard let low = word, case let digits = DigitWord.leadingDigits(low), digits < 8,
      case let next = UInt8(truncatingIfNeeded: low &>> UInt64(digits &* 8)),
      next != UInt8(ascii: "."), next | 0x20 != UInt8(ascii: "e")
    else {
      offset &-= 8
      return nil
    }
    offset &+= digits
    var value = DigitWord.value(high, count: 8)
    for _ in 0..<digits { value &*= 10 }
    return digits == 0 ? value : value &+ DigitWord.value(low, count: digits)
  }

  /// Any JSON number, exactly.
  @_lifetime(self: copy self)
  package mutating func number() throws(Fault) -> ExactDecimal {
    let negative = byte == UInt8(ascii: "-")
    if negative { offset &+= 1 }
    var digits = DecimalDigits()
    let first = byte
    takeDigits(into: &digits, inFraction: false)
    guard digits.digitCount > 0 else { throw wrongType("a number") }
    if first == UInt8(ascii: "0"), digits.digitCount > 1 {
      throw Fault(.syntax, "a number with a leading zero")
    }
    if byte == UInt8(ascii: ".") {
      offset &+= 1
      let before = digits.digitCount
      takeDigits(into: &digits, inFraction: true)
      guard digits.digitCount > before else { throw syntax("a digit expected") }
    }
    let exponent = try exponentPart()
    guard !digits.overflowed else {
      throw Fault(.range, "a number with more digits than can be held exactly")
    }
    return digits.decimal(negative: negative, exponent: exponent)
  }

  @_lifetime(self: copy self)
  private mutating func takeDigits(into digits: inout DecimalDigits, inFraction: Bool) {
    while true {
      let digit = byte &- UInt8(ascii: "0")
      guard digit <= 9 else { return }
      digits.append(digit, inFraction: inFraction)
      offset &+= 1
    }
  }

  @_lifetime(self: copy self)
  private mutating func exponentPart() throws(Fault) -> Int {
    guard byte | 0x20 == UInt8(ascii: "e") else { return 0 }
    offset &+= 1
    let negative = byte == UInt8(ascii: "-")
    if negative || byte == UInt8(ascii: "+") { offset &+= 1 }
    var value = 0
    let start = offset
    while true {
      let digit = byte &- UInt8(ascii: "0")
      guard digit <= 9 else { break }
      // Saturated far beyond anything that could still fit.
      value = min(value &* 10 &+ Int(digit), 1_000_000)
      offset &+= 1
    }
    guard offset > start else { throw syntax("an exponent expected") }
    return negative ? -value : value
  }

  /// What stands at the cursor is not `wanted`: a type fault when it is JSON, else a syntax fault.
  @inline(never) package func wrongType(_ wanted: StaticString) -> Fault {
    let found: StaticString
    switch byte {
    case UInt8(ascii: "\""): found = "a string"
    case UInt8(ascii: "{"): found = "an object"
    case UInt8(ascii: "["): found = "a list"
    case UInt8(ascii: "t"), UInt8(ascii: "f"): found = "a boolean"
    case UInt8(ascii: "n"): found = "null"
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): found = "a number"
    default: return syntax("a value expected")
    }
    return Fault(.type, "\(wanted) expected, \(found) found")
  }
}
