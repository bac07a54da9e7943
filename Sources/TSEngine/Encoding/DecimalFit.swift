/// A column of doubles as integers k of k / 10^e, but for some that have none.
struct DecimalFit {
  var exponent = 0
  var patches = FloatPatches()

  /// What a patch costs, in bits, and a decimal digit more in every other value.
  private static let patchBits = 80
  private static let digitTenthBits = 33
  /// From this share of patches on the doubles are not decimals at all.
  private static let greatestPatchShare = 8

  /// The cheapest fit of `values` (bit patterns), `numbers` becoming the integers; nil when none
  /// pays, `numbers` then being as it was.
  static func best(_ values: Span<Int64>, into numbers: inout [Int64]) -> DecimalFit? {
    // A few values mostly tell the exponent, and then all are taken at once.
    var fit = DecimalFit()
    var (looked, odd) = (0, 0)
    for index in stride(from: 0, to: values.count, by: max(1, values.count / 16)) {
      looked += 1
      let value = Double(bitPattern: UInt64(bitPattern: values[index]))
      if let needed = DecimalScale.exponent(for: value, from: fit.exponent) {
        fit.exponent = needed
      } else {
        odd += 1
      }
    }
    guard odd * 2 <= looked else { return nil }
    var scaled: [Int64] = []
    if odd == 0, DecimalScale.integers(values, exponent: fit.exponent, into: &scaled) {
      numbers = scaled
      return fit
    }
    guard let exponent = cheapestExponent(values) else { return nil }
    fit.exponent = exponent
    let power = DecimalScale.power(exponent)
    scaled.removeAll(keepingCapacity: true)
    for index in values.indices {
      let value = Double(bitPattern: UInt64(bitPattern: values[index]))
      if let integer = DecimalScale.integer(value, power: power) {
        // Those ahead of the first that fits take its integer.
        if fit.patches.positions.count == index, index > 0 {
          for before in scaled.indices { scaled[before] = integer }
        }
        scaled.append(integer)
      } else {
        fit.patches.add(index, values[index])
        scaled.append(scaled.last ?? 0)
      }
    }
    guard fit.patches.positions.count * greatestPatchShare <= values.count else { return nil }
    numbers = scaled
    return fit
  }

  /// What follows a section's first byte.
  func write(into out: inout ByteWriter) {
    out.put(UInt8(exponent))
    if !patches.isEmpty { patches.write(into: &out) }
  }

  private static func cheapestExponent(_ values: Span<Int64>) -> Int? {
    var needing = InlineArray<16, Int>(repeating: 0)
    for index in values.indices {
      let value = Double(bitPattern: UInt64(bitPattern: values[index]))
      needing[DecimalScale.exponent(for: value, from: 0) ?? 15] += 1
    }
    var best: (exponent: Int, tenthBits: Int)?
    var patched = values.count
    for exponent in 0...DecimalScale.maximumExponent {
      patched -= needing[exponent]
      let cost = patched * patchBits * 10 + (values.count - patched) * exponent * digitTenthBits
      if patched * greatestPatchShare <= values.count, best.map({ cost < $0.tenthBits }) ?? true {
        best = (exponent, cost)
      }
    }
    return best?.exponent
  }
}
