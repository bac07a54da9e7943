/// A decimal number as written: (−1)^negative × mantissa × 10^exponent, nothing rounded.
package struct ExactDecimal: Equatable, Sendable {
  package var negative: Bool
  package var mantissa: UInt64
  /// Not meaningful when the mantissa is 0.
  package var exponent: Int

  package init(negative: Bool, mantissa: UInt64, exponent: Int) {
    self.negative = negative
    self.mantissa = mantissa
    self.exponent = exponent
  }

  /// This number × numerator ÷ denominator when that is an integer that fits Int64, else nil.
  /// Precondition: both factors positive.
  package func scaled(by numerator: Int64 = 1, over denominator: Int64 = 1) -> Int64? {
    if mantissa == 0 { return 0 }
    // |value| ≥ 10^exponent, so past 10^36 × numerator nothing fits any more.
    guard exponent <= 18, exponent >= -37 else { return nil }
    let (product, overflow) = Int128(mantissa).multipliedReportingOverflow(by: Int128(numerator))
    guard !overflow else { return nil }
    var value = product
    var divisor = Int128(denominator)
    for _ in 0..<abs(exponent) {
      if exponent > 0 {
        let (next, overflow) = value.multipliedReportingOverflow(by: 10)
        guard !overflow else { return nil }
        value = next
      } else if value % 10 == 0 {
        value /= 10
      } else {
        let (next, overflow) = divisor.multipliedReportingOverflow(by: 10)
        guard !overflow else { return nil }
        divisor = next
      }
    }
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    guard remainder == 0 else { return nil }
    return Int64(exactly: negative ? -quotient : quotient)
  }
}

/// Gathers the digits of a decimal one by one; zeros that may be trailing cost no precision.
struct DecimalDigits {
  private(set) var mantissa: UInt64 = 0
  private(set) var digitCount = 0
  /// More significant digits than 64 bits hold.
  private(set) var overflowed = false
  private var pendingZeros = 0
  private var fractionDigits = 0

  @inline(__always) mutating func append(_ digit: UInt8, inFraction: Bool) {
    digitCount &+= 1
    if inFraction { fractionDigits &+= 1 }
    guard digit != 0 else {
      pendingZeros &+= 1
      return
    }
    if mantissa != 0 {
      guard pendingZeros < 19 else {
        overflowed = true
        return
      }
      for _ in 0...pendingZeros {
        let (next, overflow) = mantissa.multipliedReportingOverflow(by: 10)
        overflowed = overflowed || overflow
        mantissa = next
      }
    }
    pendingZeros = 0
    let (sum, overflow) = mantissa.addingReportingOverflow(UInt64(digit))
    overflowed = overflowed || overflow
    mantissa = sum
  }

  func decimal(negative: Bool, exponent: Int) -> ExactDecimal {
    ExactDecimal(
      negative: negative, mantissa: mantissa,
      exponent: exponent &+ pendingZeros &- fractionDigits)
  }
}
