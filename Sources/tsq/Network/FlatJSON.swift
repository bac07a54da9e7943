import Query

/// Objects as a server of tsq answers them: one level that matters, keys in their order. A nested
/// value is kept as its text.
struct FlatJSON {
  struct Member: Equatable {
    var key: String
    /// nil is null.
    var text: String?
    var kind: ResultColumn.Kind
  }

  private let bytes: [UInt8]
  private var at = 0

  private init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The members of an object, or nil when `bytes` are none.
  static func object(_ bytes: [UInt8]) -> [Member]? {
    var reader = FlatJSON(bytes)
    guard let members = reader.object() else { return nil }
    reader.skipSpace()
    return reader.at == bytes.count ? members : nil
  }

  /// The objects of an array.
  static func array(_ bytes: [UInt8]) -> [[Member]]? {
    var reader = FlatJSON(bytes)
    guard reader.take("[") else { return nil }
    var objects: [[Member]] = []
    if reader.take("]") { return objects }
    repeat {
      guard let members = reader.object() else { return nil }
      objects.append(members)
    } while reader.take(",")
    return reader.take("]") ? objects : nil
  }

  private mutating func object() -> [Member]? {
    guard take("{") else { return nil }
    var members: [Member] = []
    if take("}") { return members }
    repeat {
      skipSpace()
      guard let key = string(), take(":"), let (text, kind) = value() else { return nil }
      members.append(Member(key: key, text: text, kind: kind))
    } while take(",")
    return take("}") ? members : nil
  }

  private mutating func value() -> (String?, ResultColumn.Kind)? {
    skipSpace()
    guard at < bytes.count else { return nil }
    switch bytes[at] {
    case UInt8(ascii: "\""):
      guard let text = string() else { return nil }
      return (text, Self.isTimestamp(text) ? .timestamp : .text)
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      let start = at
      return skipNested() ? (String(decoding: bytes[start..<at], as: UTF8.self), .text) : nil
    default:
      let start = at
      while at < bytes.count, !",}] \n\r\t".utf8.contains(bytes[at]) { at += 1 }
      let word = String(decoding: bytes[start..<at], as: UTF8.self)
      if word == "null" { return (nil, .text) }
      if word == "true" || word == "false" { return (word, .bool) }
      return Double(word) == nil ? nil : (word, .number)
    }
  }

  private mutating func string() -> String? {
    guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { return nil }
    at += 1
    var out: [UInt8] = []
    while at < bytes.count {
      let byte = bytes[at]
      at += 1
      if byte == UInt8(ascii: "\"") { return String(decoding: out, as: UTF8.self) }
      guard byte == UInt8(ascii: "\\") else {
        out.append(byte)
        continue
      }
      guard at < bytes.count else { return nil }
      let escape = bytes[at]
      at += 1
      switch escape {
      case UInt8(ascii: "n"): out.append(0x0A)
      case UInt8(ascii: "r"): out.append(0x0D)
      case UInt8(ascii: "t"): out.append(0x09)
      case UInt8(ascii: "b"): out.append(0x08)
      case UInt8(ascii: "f"): out.append(0x0C)
      case UInt8(ascii: "u"):
        guard let scalar = escapedScalar() else { return nil }
        out.append(contentsOf: String(scalar).utf8)
      default: out.append(escape)
      }
    }
    return nil
  }

  /// Behind `\u`; a pair of surrogates is one scalar, half of one is U+FFFD.
  private mutating func escapedScalar() -> Unicode.Scalar? {
    guard let high = hex4() else { return nil }
    guard (0xD800..<0xDC00).contains(high) else { return Unicode.Scalar(high) ?? "\u{FFFD}" }
    guard at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u") else {
      return "\u{FFFD}"
    }
    at += 2
    guard let low = hex4() else { return nil }
    guard (0xDC00..<0xE000).contains(low) else { return "\u{FFFD}" }
    return Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00))
  }

  private mutating func hex4() -> UInt32? {
    guard at + 4 <= bytes.count else { return nil }
    defer { at += 4 }
    return UInt32(String(decoding: bytes[at..<at + 4], as: UTF8.self), radix: 16)
  }

  private mutating func skipNested() -> Bool {
    var depth = 0
    repeat {
      guard at < bytes.count else { return false }
      switch bytes[at] {
      case UInt8(ascii: "\""):
        guard string() != nil else { return false }
        continue
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
      default: break
      }
      at += 1
    } while depth > 0
    return true
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard at < bytes.count, bytes[at] == UInt8(ascii: character) else { return false }
    at += 1
    return true
  }

  private mutating func skipSpace() {
    while at < bytes.count, " \n\r\t".utf8.contains(bytes[at]) { at += 1 }
  }

  private static func isTimestamp(_ text: String) -> Bool {
    let utf8 = Array(text.utf8.prefix(20))
    return utf8.count == 20 && utf8[4] == UInt8(ascii: "-") && utf8[10] == UInt8(ascii: "T")
      && utf8[13] == UInt8(ascii: ":") && utf8[0] >= 0x30 && utf8[0] <= 0x39
  }
}
