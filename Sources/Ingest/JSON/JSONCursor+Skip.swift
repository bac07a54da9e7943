/// Values nobody asked for are still checked: well-formed, not too deep, no key twice.
extension JSONCursor {
  /// More members in an object than any device has reason to send.
  static let maximumUnknownMembers = 256

  /// Takes any value and gives its bytes. `depth` is the nesting it stands in.
  @_lifetime(self: copy self)
  package mutating func skipValue(depth: Int) throws(Fault) -> Range<Int> {
    skipSpace()
    let start = offset
    switch byte {
    case UInt8(ascii: "\""): _ = try string()
    case UInt8(ascii: "{"): try skipObject(depth: depth + 1)
    case UInt8(ascii: "["): try skipArray(depth: depth + 1)
    case UInt8(ascii: "t"): try literal("true")
    case UInt8(ascii: "f"): try literal("false")
    case UInt8(ascii: "n"): try literal("null")
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      // Kept as text, so more digits than fit are none of our business.
      do throws(Fault) { _ = try number() } catch  where error.kind == .range {}
    default: throw syntax("a value expected")
    }
    return start..<offset
  }

  @_lifetime(self: copy self)
  private mutating func skipObject(depth: Int) throws(Fault) {
    guard depth <= Self.maximumDepth else { throw Self.tooDeep }
    advance()
    skipSpace()
    if byte == UInt8(ascii: "}") { return advance() }
    var hashes: [UInt64] = []
    repeat {
      skipSpace()
      let hash = keyHash(of: try string())
      guard !hashes.contains(hash) else { throw Fault(.duplicate, "a key given twice") }
      guard hashes.count < Self.maximumUnknownMembers else {
        throw Fault(.limit, "an object with more than \(Self.maximumUnknownMembers) members")
      }
      hashes.append(hash)
      try expect(UInt8(ascii: ":"), "':' expected")
      _ = try skipValue(depth: depth)
    } while try another(before: UInt8(ascii: "}"))
  }

  @_lifetime(self: copy self)
  private mutating func skipArray(depth: Int) throws(Fault) {
    guard depth <= Self.maximumDepth else { throw Self.tooDeep }
    advance()
    skipSpace()
    if byte == UInt8(ascii: "]") { return advance() }
    repeat { _ = try skipValue(depth: depth) } while try another(before: UInt8(ascii: "]"))
  }

  @_lifetime(self: copy self)
  private mutating func literal(_ text: StaticString) throws(Fault) {
    let expected = ShortKey(text).packed
    for index in 0..<text.utf8CodeUnitCount {
      guard byte(at: offset &+ index) == UInt8(truncatingIfNeeded: expected >> UInt128(index * 8))
      else { throw syntax("an unknown word") }
    }
    advance(text.utf8CodeUnitCount)
  }

  private static var tooDeep: Fault {
    Fault(.limit, "nested deeper than \(maximumDepth) levels")
  }
}
