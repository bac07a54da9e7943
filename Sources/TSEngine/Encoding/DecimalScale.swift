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

  /// Fills `integers` with the k of all `values` (bit patterns) at `exponent`, eight at a time;
  /// false when one has none, or none below 2^50, which the caller then looks at one by one.
  static func integers(_ values: Span<Int64>, exponent: Int, into integers: inout [Int64]) -> Bool {
    let power = SIMD8(repeating: power(exponent))
    // Added to a number below 2^51 this leaves its nearest integer in the low bits.
    let magic = SIMD8<Double>(repeating: 6_755_399_441_055_744.0)
    let magicBits = SIMD8<Int64>(repeating: Int64(bitPattern: magic[0].bitPattern))
    var (differences, magnitudes) = (SIMD8<Int64>.zero, SIMD8<Int64>.zero)
    integers.removeAll(keepingCapacity: true)
    integers.reserveCapacity(values.count + 8)
    unsafe values.withUnsafeBytes { raw in
      for start in stride(from: 0, to: values.count, by: 8) {
        // Fewer than eight are filled up with the last one.
        var bits = SIMD8<Int64>(repeating: values[values.count - 1])
        if start + 8 <= values.count {
          // SAFETY: eight values from `start` on are within `values`.
          bits = unsafe raw.loadUnaligned(fromByteOffset: 8 &* start, as: SIMD8<Int64>.self)
        } else {
          for index in start..<values.count { bits[index - start] = values[index] }
        }
        // SAFETY: eight words each way.
        let value = unsafe unsafeBitCast(bits, to: SIMD8<Double>.self)
        let sum = value * power + magic
        let back = unsafe unsafeBitCast((sum - magic) / power, to: SIMD8<Int64>.self)
        let integer = unsafe unsafeBitCast(sum, to: SIMD8<Int64>.self) &- magicBits
        differences |= back ^ bits
        // From 2^50 on, NaN among them, some bit above is unlike the sign.
        magnitudes |= integer ^ (integer &>> 63)
        for lane in 0..<8 { integers.append(integer[lane]) }
      }
    }
    integers.removeLast(integers.count - values.count)
    var (difference, magnitude): (Int64, Int64) = (0, 0)
    for lane in 0..<8 {
      difference |= differences[lane]
      magnitude |= magnitudes[lane]
    }
    return difference == 0 && magnitude < 1 << 50
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
