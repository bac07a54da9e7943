/// Doubles as integers in PostgreSQL's order: -∞ … -0, +0 … +∞, then every NaN.
///
/// A bijection on bit patterns, so every NaN payload and both zeros come back bit for bit, and
/// frames of reference, bounds and range filters work on floats as on integers.
package enum FloatOrder {
  /// Order-preserving for both signs, then turned by 2^52 - 1 so that NaN patterns with the sign
  /// bit, which would come below -∞, wrap to the top.
  @inlinable package static func key(bits: Int64) -> Int64 {
    (bits ^ ((bits >> 63) & .max)) &- ((1 << 52) - 1)
  }

  @inlinable package static func bits(key: Int64) -> Int64 {
    let sortable = key &+ ((1 << 52) - 1)
    return sortable ^ ((sortable >> 63) & .max)
  }

  @inlinable package static func key(_ value: Double) -> Int64 {
    key(bits: Int64(bitPattern: value.bitPattern))
  }

  @inlinable package static func value(key: Int64) -> Double {
    Double(bitPattern: UInt64(bitPattern: bits(key: key)))
  }

  /// The lowest key of what equals `value` in SQL: both zeros are equal, and so are all NaN.
  @inlinable package static func lowestKey(equalTo value: Double) -> Int64 {
    if value == 0 { return key(-0.0) }
    return value.isNaN ? key(.infinity) + 1 : key(value)
  }

  /// The highest key of what equals `value` in SQL.
  @inlinable package static func highestKey(equalTo value: Double) -> Int64 {
    if value == 0 { return key(0.0) }
    return value.isNaN ? .max : key(value)
  }
}
