/// What a block's index says about one column, so that whole blocks are answered or skipped
/// without being read. A value: merging in time order gives the statistics of both stretches.
package struct ColumnStatistics: Sendable, Equatable {
  package var count: Int
  package var nullCount: Int
  /// Bounds of the valid values in order space (`ColumnSection`): `FloatOrder` keys for floats, in
  /// PostgreSQL's order with NaN greatest. 0 when all are null.
  package var minimum: Int64 = 0
  package var maximum: Int64 = 0
  /// First and last valid value in order space.
  package var first: Int64 = 0
  package var last: Int64 = 0
  /// Exact for integers; nil for floats, whose sum in doubles depends on the order of addition and
  /// is made from the values by the query.
  package var sum: Int128?
  package var isFloat = false
  /// Symbols have counts only: their codes mean nothing outside the process.
  package var isSymbol = false

  package init(count: Int, nullCount: Int) {
    self.count = count
    self.nullCount = nullCount
    sum = nullCount == count ? 0 : nil
  }

  package var validCount: Int { count - nullCount }
  package var hasValues: Bool { nullCount < count }
  package var bounds: ClosedRange<Int64>? { hasValues && !isSymbol ? minimum...max(minimum, maximum) : nil }

  /// Takes in the statistics of the stretch after this one.
  package mutating func merge(_ later: ColumnStatistics) {
    defer {
      count += later.count
      nullCount += later.nullCount
    }
    guard later.hasValues else { return }
    guard hasValues else {
      (minimum, maximum) = (later.minimum, later.maximum)
      (first, last) = (later.first, later.last)
      (sum, isFloat, isSymbol) = (later.sum, later.isFloat, later.isSymbol)
      return
    }
    minimum = min(minimum, later.minimum)
    maximum = max(maximum, later.maximum)
    last = later.last
    if let a = sum, let b = later.sum { sum = a + b } else { sum = nil }
  }
}

extension ColumnStatistics {
  private enum Flag {
    static let values: UInt8 = 1
    static let nulls: UInt8 = 2
    static let sum: UInt8 = 4
    static let float: UInt8 = 8
    static let symbol: UInt8 = 16
    static let known: UInt8 = 31
  }

  /// Flags, varint count, then as flagged: varint null count; zigzag minimum, and above it as
  /// varints maximum, first, last; the sum above validCount · minimum as a varint of up to 128 bits.
  package func encode(into out: inout ByteWriter) {
    let hasSum = hasValues && sum != nil
    out.put(
      (hasValues ? Flag.values : 0) | (nullCount > 0 ? Flag.nulls : 0) | (hasSum ? Flag.sum : 0)
        | (isFloat ? Flag.float : 0) | (isSymbol ? Flag.symbol : 0))
    out.varint(count)
    if nullCount > 0 { out.varint(nullCount) }
    guard hasValues, !isSymbol else { return }
    out.zigzag(minimum)
    for value in [maximum, first, last] { out.varint(UInt64(bitPattern: value &- minimum)) }
    guard let sum else { return }
    var rest = UInt128(bitPattern: sum - Int128(minimum) * Int128(validCount))
    while rest >= 0x80 {
      out.put(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    out.put(UInt8(truncatingIfNeeded: rest))
  }

  /// - Throws: `.corrupt`, `.truncated`.
  package static func decode(
    _ reader: inout ByteReader
  ) throws(StorageError) -> ColumnStatistics {
    let at = reader.offset
    let flags = try reader.next(UInt8.self)
    let count = try reader.count(limit: 1 << 48)
    let nullCount = flags & Flag.nulls != 0 ? try reader.count(limit: count) : 0
    var statistics = ColumnStatistics(count: count, nullCount: nullCount)
    statistics.isFloat = flags & Flag.float != 0
    statistics.isSymbol = flags & Flag.symbol != 0
    guard flags & ~Flag.known == 0, (flags & Flag.values != 0) == statistics.hasValues else {
      throw StorageError(.corrupt, "statistics flags \(flags)", offset: at)
    }
    guard statistics.hasValues, !statistics.isSymbol else { return statistics }
    let minimum = try reader.zigzag()
    statistics.minimum = minimum
    let range = try reader.varint()
    let (first, last) = (try reader.varint(), try reader.varint())
    guard range <= UInt64(bitPattern: Int64.max &- minimum), first <= range, last <= range else {
      throw StorageError(.corrupt, "statistics out of their bounds", offset: at)
    }
    statistics.maximum = minimum &+ Int64(bitPattern: range)
    statistics.first = minimum &+ Int64(bitPattern: first)
    statistics.last = minimum &+ Int64(bitPattern: last)
    guard flags & Flag.sum != 0 else { return statistics }
    var excess: UInt128 = 0
    var shift = 0
    while true {
      let byte = try reader.next(UInt8.self)
      excess |= UInt128(byte & 0x7F) << UInt128(shift)
      if byte & 0x80 == 0 { break }
      shift += 7
      if shift > 112 { throw StorageError(.corrupt, "statistics sum", offset: at) }
    }
    guard excess <= UInt128(range) * UInt128(statistics.validCount) else {
      throw StorageError(.corrupt, "statistics sum above count times range", offset: at)
    }
    statistics.sum = Int128(excess) + Int128(minimum) * Int128(statistics.validCount)
    return statistics
  }
}
