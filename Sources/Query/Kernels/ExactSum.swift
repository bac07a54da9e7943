/// The exact sum of floats, rounded once at the end: independent of the order of the terms, so of
/// block layout and of threads. A fixed-point number of 67 overlapping 32-bit digits over the whole
/// range of Double (Radford Neal, "Fast Exact Summation Using Small and Large Superaccumulators", 2015).
struct ExactSum: Sendable {
  /// Digit i weighs 2^(32·i − 1075). Between carries a digit holds up to 2^63.
  private var digits = [Int64](repeating: 0, count: 68)
  /// Terms added since the last carry; each adds less than 2^52 to a digit.
  private var pending = 0
  private var hasNaN = false
  private var hasPositiveInfinity = false
  private var hasNegativeInfinity = false

  static let byteCount = 68 * 8 + 48

  mutating func add(_ value: Double) {
    let bits = value.bitPattern
    var exponent = Int(bits >> 52 & 0x7FF)
    var mantissa = bits & 0xF_FFFF_FFFF_FFFF
    if exponent == 0x7FF {
      if mantissa != 0 { hasNaN = true } else if value > 0 { hasPositiveInfinity = true } else { hasNegativeInfinity = true }
      return
    }
    if exponent == 0 {
      if mantissa == 0 { return }
      exponent = 1
    } else {
      mantissa |= 1 << 52
    }
    let shift = UInt64(exponent & 31)
    let digit = exponent >> 5
    let low = Int64(bitPattern: mantissa << shift & 0xFFFF_FFFF)
    let high = Int64(bitPattern: mantissa >> (32 - shift))
    if value < 0 {
      digits[digit] &-= low
      digits[digit + 1] &-= high
    } else {
      digits[digit] &+= low
      digits[digit + 1] &+= high
    }
    pending += 1
    if pending == 1_000 { carry() }
  }

  /// Adds x·y exactly: the rounded product and what rounding left.
  mutating func addProduct(_ x: Double, _ y: Double) {
    let product = x * y
    add(product)
    if product.isFinite { add((-product).addingProduct(x, y)) }
  }

  mutating func add(_ other: ExactSum) {
    var other = other
    other.carry()
    carry()
    for index in digits.indices { digits[index] &+= other.digits[index] }
    hasNaN = hasNaN || other.hasNaN
    hasPositiveInfinity = hasPositiveInfinity || other.hasPositiveInfinity
    hasNegativeInfinity = hasNegativeInfinity || other.hasNegativeInfinity
    pending = 1
  }

  /// Makes every digit but the last 0 ..< 2^32.
  private mutating func carry() {
    for index in 0..<digits.count - 1 {
      let over = digits[index] >> 32
      digits[index] &= 0xFFFF_FFFF
      digits[index + 1] &+= over
    }
    pending = 0
  }

  /// The nearest Double to the exact sum, ties to even.
  var value: Double {
    if hasNaN || (hasPositiveInfinity && hasNegativeInfinity) { return .nan }
    if hasPositiveInfinity { return .infinity }
    if hasNegativeInfinity { return -.infinity }
    var sum = self
    sum.carry()
    let isNegative = sum.digits[67] < 0
    if isNegative {
      for index in sum.digits.indices { sum.digits[index] = -sum.digits[index] }
      sum.carry()
    }
    guard let top = sum.digits.lastIndex(where: { $0 != 0 }) else { return 0 }
    // 96 bits from the top digit on; whatever lies below only tells whether it is exactly a tie.
    var leading: UInt128 = 0
    for index in stride(from: top, through: top - 2, by: -1) {
      leading = leading << 32 | (index >= 0 ? UInt128(UInt64(bitPattern: sum.digits[index])) : 0)
    }
    if top > 2, sum.digits[..<(top - 2)].contains(where: { $0 != 0 }) { leading |= 1 }
    // A sum below the normal range is a multiple of the smallest Double, so this never rounds twice.
    let magnitude = scaled(Double(leading), 32 * (top - 2) - 1075)
    return isNegative ? -magnitude : magnitude
  }

  /// The sum as a rounded Double and the rounded rest.
  var parts: (high: Double, low: Double) {
    let high = value
    guard high.isFinite else { return (high, 0) }
    var rest = self
    rest.add(-high)
    return (high, rest.value)
  }

  private func scaled(_ value: Double, _ exponent: Int) -> Double {
    Double(sign: .plus, exponent: exponent, significand: value)
  }
}

/// `dividend / divisor` as the nearest Double, rounded once. Precondition: divisor > 0.
func roundedQuotient(_ dividend: Int128, _ divisor: Int64) -> Double {
  precondition(divisor > 0, "a positive divisor")
  guard dividend != 0 else { return 0 }
  var magnitude = dividend.magnitude
  let shift = magnitude.leadingZeroBitCount
  magnitude <<= UInt128(shift)
  // At least 65 bits of quotient, so that the lowest can tell whether a rest remains.
  let (quotient, rest) = magnitude.quotientAndRemainder(dividingBy: UInt128(divisor))
  let result = Double(sign: .plus, exponent: -shift, significand: Double(rest == 0 ? quotient : quotient | 1))
  return dividend < 0 ? -result : result
}
