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
