/// A scale such as `1V`, `1/10 V` or `1/1000`: what a 1 means on the wire or in the store (P-12).
package struct WireScale: Sendable, Equatable {
  package let numerator: Int64
  package let denominator: Int64
  /// `V`, `W`, or empty for a pure number.
  package let unit: String

  /// Nil unless `text` is `n`, `n/m`, or either followed by a unit; n and m at most 9 digits, not 0.
  package init?(_ text: String) {
    var rest = text.utf8[...]
    guard let numerator = Self.number(&rest) else { return nil }
    var denominator: Int64 = 1
    if rest.first == UInt8(ascii: "/") {
      rest.removeFirst()
      guard let below = Self.number(&rest) else { return nil }
      denominator = below
    }
    if rest.first == UInt8(ascii: " ") { rest.removeFirst() }
    guard !rest.contains(UInt8(ascii: " ")), rest.count <= 16 else { return nil }
    self.numerator = numerator
    self.denominator = denominator
    unit = String(decoding: rest, as: UTF8.self)
  }

  /// A bare unit (`W`) is its 1.
  package init?(unit text: String) {
    if let first = text.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) {
      self.init("1" + text)
    } else {
      self.init(text.isEmpty ? "1" : text)
    }
  }

  /// By what a wire value is multiplied to be stored in `stored`; nil when the units differ or a
  /// wire value would fall between two stored ones.
  package func multiplier(to stored: WireScale) -> Int64? {
    guard unit == stored.unit else { return nil }
    // At most 9 digits each: the products fit.
    let above = numerator * stored.denominator
    let below = denominator * stored.numerator
    return above % below == 0 ? above / below : nil
  }

  private static func number(_ rest: inout Substring.UTF8View) -> Int64? {
    var value: Int64 = 0
    var digits = 0
    while let byte = rest.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
      value = value * 10 + Int64(byte - UInt8(ascii: "0"))
      digits += 1
      guard digits <= 9 else { return nil }
      rest.removeFirst()
    }
    return value > 0 ? value : nil
  }
}
