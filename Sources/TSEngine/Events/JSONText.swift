/// Writes one JSON object, key by key, in the order given. For showing events; not a parser's twin.
package struct JSONText: Sendable {
  package private(set) var text = "{"

  package init() {}

  /// The object, closed.
  package var closed: String { text + "}" }

  package mutating func add(_ key: String, _ value: String) {
    add(key, raw: Self.quoted(value))
  }

  package mutating func add(_ key: String, _ value: some FixedWidthInteger) {
    add(key, raw: "\(value)")
  }

  package mutating func add(_ key: String, _ value: Bool) { add(key, raw: value ? "true" : "false") }

  /// `raw` is JSON already.
  package mutating func add(_ key: String, raw: String) {
    if text.utf8.count > 1 { text += "," }
    text += Self.quoted(key)
    text += ":"
    text += raw
  }

  /// RFC 8259, section 7: quotes, backslashes and control characters are escaped, all else is kept.
  package static func quoted(_ value: String) -> String {
    var out: [UInt8] = [UInt8(ascii: "\"")]
    out.reserveCapacity(value.utf8.count + 2)
    for byte in value.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): out += [UInt8(ascii: "\\"), byte]
      case 0x0A: out += Array(#"\n"#.utf8)
      case 0x0D: out += Array(#"\r"#.utf8)
      case 0x09: out += Array(#"\t"#.utf8)
      case 0..<0x20: out += Array((#"\u00"# + Hex.text([byte])).utf8)
      default: out.append(byte)
      }
    }
    out.append(UInt8(ascii: "\""))
    return String(decoding: out, as: UTF8.self)
  }

  /// JSON has no NaN nor infinity; they are shown as null.
  package static func number(_ value: Double) -> String { value.isFinite ? "\(value)" : "null" }
}
