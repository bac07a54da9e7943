/// The step all values of a section share: 1,000,000 for millisecond clocks in nanoseconds, 10 for
/// volts in tenths.
enum CommonDivisor {
  /// The greatest divisor of all distances from `minimum`; 1 is found from a few samples, so
  /// columns without one pay next to nothing.
  static func of(_ values: Span<Int64>, minimum: Int64) -> UInt64 {
    var divisor: UInt64 = 0
    let stride = max(1, values.count / 16)
    var index = 0
    while index < values.count && divisor != 1 {
      divisor = gcd(divisor, UInt64(bitPattern: values[index] &- minimum))
      index += stride
    }
    index = 0
    while index < values.count && divisor != 1 {
      let distance = UInt64(bitPattern: values[index] &- minimum)
      if divisor == 0 || distance % divisor != 0 { divisor = gcd(divisor, distance) }
      index += 1
    }
    return max(divisor, 1)
  }

  private static func gcd(_ a: UInt64, _ b: UInt64) -> UInt64 {
    var (x, y) = (a, b)
    while y != 0 { (x, y) = (y, x % y) }
    return x
  }
}
