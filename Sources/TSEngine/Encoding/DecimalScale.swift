/// Doubles that are k / 10^e exactly: readings that were decimal text once, held as integers.
///
/// k / 10^e of two exactly representable numbers is the double nearest to the decimal, which is
/// what a parser gave for the text; so division brings every such reading back bit for bit.
/// Source: A. Afroozeh, L. Kuffo, P. Boncz, "ALP: Adaptive Lossless floating-Point Compression",
/// 2023 (which multiplies and patches; we divide and need no patches).
enum DecimalScale {
  static let maximumExponent = 14
  /// k stays below 2^53, where every integer is a double.
  static let maximumMagnitude = 9_007_199_254_740_992.0

  private static let powers: InlineArray<15, Double> = [
    1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14,
  ]

  static func power(_ exponent: Int) -> Double { powers[exponent] }

  @inline(__always) static func value(_ integer: Int64, exponent: Int) -> Double {
    Double(integer) / power(exponent)
  }

  /// k such that `value` is k / 10^exponent bit for bit, or nil.
  @inline(__always) static func integer(_ value: Double, power: Double) -> Int64? {
    let scaled = (value * power).rounded(.toNearestOrEven)
    guard scaled.magnitude < maximumMagnitude else { return nil }  // Refuses NaN as well.
    let integer = Int64(scaled)
    guard (Double(integer) / power).bitPattern == value.bitPattern else { return nil }
    return integer
  }

  /// The least exponent that holds for `value`, starting from `start`; nil when none does.
  static func exponent(for value: Double, from start: Int) -> Int? {
    var exponent = start
    while exponent <= maximumExponent {
      if integer(value, power: power(exponent)) != nil { return exponent }
      exponent += 1
    }
    return nil
  }

  /// The integers k whose doubles have keys within `keys`, as a range; nil when none can.
  static func integers(keys: ClosedRange<Int64>, exponent: Int) -> ClosedRange<Int64>? {
    let limit = Int64(maximumMagnitude)
    // Keys of k / 10^e ascend with k, so the ends are found by bisection: 54 divisions a query
    // and page beat reasoning about rounding.
    let low = firstInteger(-limit, limit, exponent) { $0 >= keys.lowerBound }
    let high = firstInteger(-limit, limit, exponent) { $0 > keys.upperBound } - 1
    return low <= high ? low...high : nil
  }

  private static func firstInteger(
    _ low: Int64, _ high: Int64, _ exponent: Int, where matches: (Int64) -> Bool
  ) -> Int64 {
    var (low, high) = (low, high + 1)
    while low < high {
      let middle = low + (high - low) / 2
      if matches(FloatOrder.key(value(middle, exponent: exponent))) {
        high = middle
      } else {
        low = middle + 1
      }
    }
    return low
  }
}
