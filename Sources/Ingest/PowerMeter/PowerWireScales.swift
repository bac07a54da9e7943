/// How numbers on the wire become stored ones: stored = wire × numerator ÷ denominator, exactly.
package struct WireFactor: Equatable, Sendable {
  package let numerator: Int64
  package let denominator: Int64

  package static let one = WireFactor(1)

  /// Precondition: both positive.
  package init(_ numerator: Int64, over denominator: Int64 = 1) {
    precondition(numerator > 0 && denominator > 0, "a positive factor")
    self.numerator = numerator
    self.denominator = denominator
  }

  /// The factor between two units of one dimension: from "1V" on the wire to "1/10 V" stored it is
  /// 10. A unit is a positive number (`1`, `0.1`, `1/1000`; 1 when absent), and a name which must
  /// be the same on both sides but for a prefix k, d, c or m. Nil when they do not match.
  package init?(wire: String, stored: String) {
    guard let from = Self.unit(wire), let to = Self.unit(stored) else { return nil }
    guard from.name == to.name || from.name.isEmpty || to.name.isEmpty else {
      guard let fromBase = Self.withoutPrefix(from.name, against: to.name) else { return nil }
      self.init(from, to, fromBase.numerator, fromBase.denominator)
      return
    }
    self.init(from, to, 1, 1)
  }

  private typealias Unit = (numerator: Int64, denominator: Int64, name: Substring)

  private init?(_ from: Unit, _ to: Unit, _ numerator: Int64, _ denominator: Int64) {
    var top: Int64 = 1
    var bottom: Int64 = 1
    for factor in [from.numerator, to.denominator, numerator] {
      let (next, overflow) = top.multipliedReportingOverflow(by: factor)
      if overflow { return nil }
      top = next
    }
    for factor in [from.denominator, to.numerator, denominator] {
      let (next, overflow) = bottom.multipliedReportingOverflow(by: factor)
      if overflow { return nil }
      bottom = next
    }
    var (a, b) = (top, bottom)
    while b != 0 { (a, b) = (b, a % b) }
    self.init(top / a, over: bottom / a)
  }

  private static func unit(_ text: String) -> Unit? {
    let isNumber: (Character) -> Bool = { "0123456789./ ".contains($0) }
    let number = text.prefix(while: isNumber).filter { $0 != " " }
    let name = text.drop(while: isNumber)
    let parts = number.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2 else { return nil }
    var numerator: Int64 = 1
    var denominator: Int64 = 1
    if !number.isEmpty {
      guard let first = decimal(parts[0]) else { return nil }
      (numerator, denominator) = first
    }
    if parts.count == 2 {
      guard let below = Int64(parts[1]), below > 0, below <= 1_000_000_000 else { return nil }
      let (product, overflow) = denominator.multipliedReportingOverflow(by: below)
      guard !overflow else { return nil }
      denominator = product
    }
    return (numerator, denominator, name)
  }

  /// "0.1" as 1 over 10.
  private static func decimal(_ text: Substring) -> (Int64, Int64)? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, let digits = Int64(parts.joined()), digits > 0,
      digits <= 1_000_000_000
    else { return nil }
    var denominator: Int64 = 1
    if parts.count == 2 {
      guard parts[1].count <= 9 else { return nil }
      for _ in parts[1] { denominator *= 10 }
    }
    return (digits, denominator)
  }

  /// `name` as a multiple of `other`: "kW" is 1000 "W", "W" is 1/1000 "kW".
  private static func withoutPrefix(
    _ name: Substring, against other: Substring
  ) -> (numerator: Int64, denominator: Int64)? {
    let prefixes: [(Character, Int64, Int64)] = [
      ("k", 1_000, 1), ("d", 1, 10), ("c", 1, 100), ("m", 1, 1_000),
    ]
    for (letter, numerator, denominator) in prefixes {
      if name.first == letter, name.dropFirst() == other { return (numerator, denominator) }
      if other.first == letter, other.dropFirst() == name { return (denominator, numerator) }
    }
    return nil
  }
}

/// The scales on the wire of the built-in power type, a setting of the type (P-12).
package struct PowerWireScales: Equatable, Sendable {
  package var power = WireFactor.one
  package var pf = WireFactor.one
  package var voltage = WireFactor.one

  package init(
    power: WireFactor = .one, pf: WireFactor = .one, voltage: WireFactor = .one
  ) {
    self.power = power
    self.pf = pf
    self.voltage = voltage
  }
}
