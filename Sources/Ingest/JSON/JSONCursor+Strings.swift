/// A string of the text, quotes excluded.
package struct JSONString: Sendable {
  /// Byte offsets in the text.
  package var range: Range<Int>
  package var hasEscapes: Bool
}

/// A key of at most 15 bytes as one number, for comparing in one step; longer ones and those with
/// escapes have none.
struct ShortKey: Equatable, Sendable {
  var packed: UInt128

  init(packed: UInt128) { self.packed = packed }

  /// Nil when the text has more than 15 bytes.
  init?(_ utf8: some Collection<UInt8>) {
    guard utf8.count <= 15 else { return nil }
    packed = UInt128(UInt64(utf8.count)) << 120
    for (index, byte) in utf8.enumerated() { packed |= UInt128(byte) << UInt128(index * 8) }
  }

  init(_ text: StaticString) {
    var packed: UInt128 = 0
    var count: UInt128 = 0
    text.withUTF8Buffer { utf8 in
      // SAFETY: `utf8` is valid for the duration of the closure.
      for index in utf8.indices {
        packed |= unsafe UInt128(utf8[index]) << (8 * count)
        count += 1
      }
    }
    precondition(count <= 15, "a short key")
    self.packed = packed | count << 120
  }
}

extension JSONCursor {
  /// Takes a string, checking escapes and UTF-8. The cursor stands on the opening quote.
  @_lifetime(self: copy self)
  package mutating func string() throws(Fault) -> JSONString {
    guard byte == UInt8(ascii: "\"") else { throw wrongType("a string") }
    advance()
    let start = offset
    var hasEscapes = false
    while true {
      if let word {
        let plain = Self.plainBytes(word)
        advance(plain)
        if plain == 8 { continue }
      }
      let next = byte
      switch next {
      case UInt8(ascii: "\""):
        let end = offset
        advance()
        return JSONString(range: start..<end, hasEscapes: hasEscapes)
      case UInt8(ascii: "\\"):
        hasEscapes = true
        _ = try escape()
      case 0x00..<0x20:
        throw isAtEnd ? syntax("a string goes on") : syntax("a control character in a string")
      case 0x80...: try multibyte()
      default: advance()
      }
    }
  }

  /// How many leading bytes of `word` need no second look: no quote, backslash, control character
  /// or byte of a multibyte sequence.
  @inline(__always) private static func plainBytes(_ word: UInt64) -> Int {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let highs: UInt64 = 0x8080_8080_8080_8080
    let quote = word ^ (ones &* 0x22)
    let slash = word ^ (ones &* 0x5C)
    // Borrows only spoil bytes behind the first hit, which is the only one asked for.
    let hit =
      ((quote &- ones) & ~quote) | ((slash &- ones) & ~slash)
      | ((word &- ones &* 0x20) & ~word) | word
    return (hit & highs).trailingZeroBitCount >> 3
  }

  /// Takes one well-formed UTF-8 sequence of two to four bytes (Unicode table 3-7).
  @_lifetime(self: copy self)
  private mutating func multibyte() throws(Fault) {
    let lead = byte
    let second = byte(at: offset &+ 1)
    let length: Int
    let allowed: ClosedRange<UInt8>
    switch lead {
    case 0xC2...0xDF: (length, allowed) = (2, 0x80...0xBF)
    case 0xE0: (length, allowed) = (3, 0xA0...0xBF)
    case 0xED: (length, allowed) = (3, 0x80...0x9F)
    case 0xE1...0xEF: (length, allowed) = (3, 0x80...0xBF)
    case 0xF0: (length, allowed) = (4, 0x90...0xBF)
    case 0xF1...0xF3: (length, allowed) = (4, 0x80...0xBF)
    case 0xF4: (length, allowed) = (4, 0x80...0x8F)
    default: throw syntax("invalid UTF-8")
    }
    guard allowed.contains(second) else { throw syntax("invalid UTF-8") }
    if length > 2 {
      for index in 2..<length {
        guard byte(at: offset &+ index) & 0xC0 == 0x80 else { throw syntax("invalid UTF-8") }
      }
    }
    advance(length)
  }

  /// Takes an escape and gives its scalar. The cursor stands on the backslash.
  @_lifetime(self: copy self)
  private mutating func escape() throws(Fault) -> Unicode.Scalar {
    let kind = byte(at: offset &+ 1)
    advance(2)
    switch kind {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(kind)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default: throw syntax("an unknown escape")
    }
    let unit = try hexUnit()
    if let scalar = Unicode.Scalar(unit) { return scalar }
    // The rest are surrogates: a high one must be followed by its low one.
    guard unit < 0xDC00, byte == UInt8(ascii: "\\"), byte(at: offset &+ 1) == UInt8(ascii: "u")
    else { throw syntax("a lone surrogate") }
    advance(2)
    let low = try hexUnit()
    guard 0xDC00...0xDFFF ~= low,
      let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))
    else { throw syntax("a lone surrogate") }
    return scalar
  }

  @_lifetime(self: copy self)
  private mutating func hexUnit() throws(Fault) -> UInt32 {
    var unit: UInt32 = 0
    for _ in 0..<4 {
      let digit: UInt8
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte &- UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte &- UInt8(ascii: "a") &+ 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte &- UInt8(ascii: "A") &+ 10
      default: throw syntax("four hex digits expected")
      }
      unit = unit << 4 | UInt32(digit)
      advance()
    }
    return unit
  }

  /// What a string that was taken spells.
  package func text(of string: JSONString) -> String {
    if !string.hasEscapes { return text(in: string.range) }
    var utf8: [UInt8] = []
    utf8.reserveCapacity(string.range.count)
    var inner = JSONCursor(slice(string.range))
    while !inner.isAtEnd {
      if inner.byte == UInt8(ascii: "\\"), let scalar = try? inner.escape() {
        utf8.append(contentsOf: Array(String(scalar).utf8))
      } else {
        utf8.append(inner.byte)
        inner.advance()
      }
    }
    return String(decoding: utf8, as: UTF8.self)
  }

  /// The bytes `range`, which `string()` or `skipValue` has found to be UTF-8, as text.
  package func text(in range: Range<Int>) -> String {
    unsafe slice(range).withUnsafeBytes { raw in
      // SAFETY: `raw` is valid for the duration of the closure; the bytes are copied.
      unsafe String(decoding: raw, as: UTF8.self)
    }
  }

  /// The key packed for comparison, or nil when it is long or has escapes.
  @inline(__always) func shortKey(of string: JSONString) -> ShortKey? {
    let length = string.range.count
    guard length <= 15, !string.hasEscapes else { return nil }
    var packed = UInt128(UInt64(length)) &<< 120
    for index in 0..<length {
      packed |= UInt128(byte(at: string.range.lowerBound &+ index)) &<< UInt128(index &* 8)
    }
    return ShortKey(packed: packed)
  }

  /// The same key, however its characters are escaped, has the same hash (FNV-1a).
  func keyHash(of string: JSONString) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    if string.hasEscapes {
      for byte in text(of: string).utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    } else {
      for index in string.range { hash = (hash ^ UInt64(byte(at: index))) &* 0x100_0000_01B3 }
    }
    return hash
  }
}
