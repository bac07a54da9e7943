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

  /// `value` as a JSON string with its quotes.
  package static func quoted(_ value: String) -> String {
    var out: [UInt8] = []
    out.reserveCapacity(value.utf8.count + 2)
    append(quoted: value.utf8, to: &out)
    return String(decoding: out, as: UTF8.self)
  }

  /// `text`, which is UTF-8, as a JSON string with its quotes. RFC 8259, section 7: quotes,
  /// backslashes and control characters are escaped, all else is kept.
  package static func append(quoted text: some Sequence<UInt8>, to out: inout [UInt8]) {
    out.append(UInt8(ascii: "\""))
    for byte in text {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        out.append(UInt8(ascii: "\\"))
        out.append(byte)
      case 0x0A: out.append(contentsOf: #"\n"#.utf8)
      case 0x0D: out.append(contentsOf: #"\r"#.utf8)
      case 0x09: out.append(contentsOf: #"\t"#.utf8)
      case 0..<0x20: out.append(contentsOf: (#"\u00"# + Hex.text([byte])).utf8)
      default: out.append(byte)
      }
    }
    out.append(UInt8(ascii: "\""))
  }

  /// JSON has no NaN nor infinity; they are shown as null.
  package static func number(_ value: Double) -> String { value.isFinite ? "\(value)" : "null" }
}
