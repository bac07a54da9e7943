/// What is known of a column over some rows without reading them. A value; `merge` is
/// associative, so parts may be combined in any grouping in row order.
public struct ColumnStatistics: Sendable, Equatable {
  /// Rows, nulls included.
  public var count: Int
  public var nullCount: Int
  /// Smallest and largest non-null slot in the order of the column's type; meaningless when all rows are null.
  public var min: Int64
  public var max: Int64
  /// Exact sum of the non-null values of an int or bool column; nil for other types.
  public var sum: Int128?
  /// Slots of the first and last row in time order; nil when that row is null.
  public var first: Int64?
  public var last: Int64?

  public init(
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
}
