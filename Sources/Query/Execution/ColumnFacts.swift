import TSEngine

/// What statistics say of one argument of an aggregate over some rows, in the slots that batches
/// hold.
struct ColumnFacts: Equatable, Sendable {
  var count: Int
  var nullCount: Int
  /// Smallest and largest slot that is not null; `min > max` where unknown (symbols).
  var min: Int64
  var max: Int64
  /// Exact, for integers.
  var sum: Int128?
  /// Slots of the first and last row; nil when unknown or null.
  var first: Int64?
  var last: Int64?

  /// The same slot in every row.
  init(constant slot: Int64, count: Int) {
    self.init(
      count: count, nullCount: 0, min: slot, max: slot, sum: Int128(slot) * Int128(count),
      first: slot, last: slot)
  }

  init(
    count: Int, nullCount: Int, min: Int64, max: Int64, sum: Int128?, first: Int64?, last: Int64?
  ) {
    self.count = count
    self.nullCount = nullCount
    self.min = min
    self.max = max
    self.sum = sum
    self.first = first
    self.last = last
  }

  init(_ known: ColumnStatistics) {
    // Statistics of floats are in order space, and of symbols they have counts alone.
    func slot(_ value: Int64) -> Int64 { known.isFloat ? FloatOrder.bits(key: value) : value }
    let isEdgeKnown = known.nullCount == 0 && !known.isSymbol && known.count > 0
    self.init(
      count: known.count, nullCount: known.nullCount,
      min: known.isSymbol ? 0 : slot(known.minimum), max: known.isSymbol ? -1 : slot(known.maximum),
      sum: known.sum, first: isEdgeKnown ? slot(known.first) : nil,
      last: isEdgeKnown ? slot(known.last) : nil)
  }
}
