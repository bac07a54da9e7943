/// Whether a text is one JSON value (RFC 8259), without making anything of it. Nested 64 deep at most.
package struct JSONCheck {
  private static let depthLimit = 64
  private let bytes: [UInt8]
  private var at = 0

  /// O(bytes).
  package static func isJSON(_ text: some Sequence<UInt8>) -> Bool {
    var check = JSONCheck(bytes: Array(text))
    guard check.value(depth: 0) else { return false }
    check.skipSpace()
    return check.at == check.bytes.count
  }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  private var byte: UInt8 { at < bytes.count ? bytes[at] : 0 }

  private mutating func skipSpace() {
    while at < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[at]) { at += 1 }
  }

  private mutating func accept(_ ascii: Unicode.Scalar) -> Bool {
    guard at < bytes.count, bytes[at] == UInt8(ascii: ascii) else { return false }
    at += 1
    return true
  }

  private mutating func value(depth: Int) -> Bool {
    guard depth < Self.depthLimit else { return false }
    skipSpace()
    switch byte {
    case UInt8(ascii: "{"): return members(to: "}", depth) { $0.string() && $0.colon() && $0.value(depth: depth + 1) }
    case UInt8(ascii: "["): return members(to: "]", depth) { $0.value(depth: depth + 1) }
    case UInt8(ascii: "\""): return string()
    case UInt8(ascii: "t"): return word("true")
    case UInt8(ascii: "f"): return word("false")
    case UInt8(ascii: "n"): return word("null")
    default: return number()
    }
  }

  private mutating func members(
    to end: Unicode.Scalar, _ depth: Int, _ member: (inout JSONCheck) -> Bool
  ) -> Bool {
    at += 1
    skipSpace()
    if accept(end) { return true }
    repeat {
      skipSpace()
      guard member(&self) else { return false }
      skipSpace()
    } while accept(",")
    return accept(end)
  }

  private mutating func colon() -> Bool {
    skipSpace()
    return accept(":")
  }

  private mutating func word(_ word: StaticString) -> Bool {
    let expected = Array("\(word)".utf8)
    guard bytes[at...].starts(with: expected) else { return false }
    at += expected.count
    return true
  }

  private mutating func string() -> Bool {
    guard accept("\"") else { return false }
    while at < bytes.count {
      let byte = bytes[at]
      at += 1
      switch byte {
      case UInt8(ascii: "\""): return true
      case 0..<0x20: return false
      case UInt8(ascii: "\\"): if !escape() { return false }
      default: break
      }
    }
    return false
  }

  private mutating func escape() -> Bool {
    let kind = byte
    at += 1
    switch kind {
    case UInt8(ascii: "u"):
      for _ in 0..<4 {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
          UInt8(ascii: "A")...UInt8(ascii: "F"):
          at += 1
        default: return false
        }
      }
      return true
    default: return #""\/bfnrt"#.utf8.contains(kind)
    }
  }

  private mutating func digits() -> Bool {
    let start = at
    while 0x30...0x39 ~= byte { at += 1 }
    return at > start
  }

  private mutating func number() -> Bool {
    _ = accept("-")
    if !accept("0"), !digits() { return false }
    if accept("."), !digits() { return false }
    if accept("e") || accept("E") {
      _ = accept("+") || accept("-")
      return digits()
    }
    return true
  }
}
