/// Few valid values among many nulls: a meter's voltage once a second among twenty rows of power.
///
/// Positions are gaps in a section of their own, so that a regular pattern costs a few bytes a
/// section; the values are packed without the nulls between them.
struct SparseTable: Sendable {
  /// The valid values of each page.
  var masks: [PageMask] = []
  /// How many valid values come before each page; one more for the end.
  var ranks: [Int32] = [0]
  /// Held numbers of the valid values.
  var values: [Int64] = []

  /// Layout: varint number v of valid values, varint position of the first, varint byte count of
  /// the gaps' section, that section of v - 1 distances to the one before (nothing for v = 1),
  /// then the values' section to the end.
  static func parse(
    _ reader: inout ByteReader, _ bytes: [UInt8], count: Int
  ) throws(StorageError) -> SparseTable {
    let at = reader.offset
    let validCount = try reader.count(limit: count)
    var position = try reader.count(limit: count - 1)
    let gapBytes = try reader.count(limit: reader.remaining)
    let gapsStart = reader.offset
    _ = try reader.take(gapBytes)
    let valuesStart = reader.offset
    _ = try reader.take(reader.remaining)
    guard validCount >= 1, (validCount == 1) == (gapBytes == 0) else {
      throw StorageError(.corrupt, "sparse section of \(validCount) values", offset: at)
    }
    let gaps = validCount == 1
      ? [] : try RunTable.flat(bytes, gapsStart..<valuesStart, count: validCount - 1)
    var table = SparseTable()
    table.values = try RunTable.flat(bytes, valuesStart..<reader.offset, count: validCount)
    table.masks = [PageMask](repeating: .zero, count: (count + 255) >> 8)
    table.masks[position >> 8].set(bit: position & 255, to: true)
    for gap in gaps {
      guard gap > 0, gap < Int64(count - position) else {
        throw StorageError(.corrupt, "gap of \(gap)", offset: at)
      }
      position += Int(gap)
      table.masks[position >> 8].set(bit: position & 255, to: true)
    }
    table.ranks.reserveCapacity(table.masks.count + 1)
    var rank: Int32 = 0
    for mask in table.masks {
      rank += Int32(truncatingIfNeeded: mask.nonzeroBitCount)
      table.ranks.append(rank)
    }
    return table
  }

  /// The valid values of `page`, as indices of `values`.
  @inline(__always) func range(page: Int) -> Range<Int> {
    Int(ranks[page])..<Int(ranks[page &+ 1])
  }

  /// Calls `body` with the position in the page and the value of each that is valid.
  @inline(__always) func forEach(page: Int, _ body: (Int, Int64) -> Void) {
    var rank = Int(ranks[page])
    masks[page].forEachBit { index in
      body(index, values[rank])
      rank &+= 1
    }
  }

  /// Nil when all values of `page` are null.
  func bounds(page: Int) -> ClosedRange<Int64>? {
    let range = range(page: page)
    if range.isEmpty { return nil }
    var (low, high) = (Int64.max, Int64.min)
    for index in range {
      low = min(low, values[index])
      high = max(high, values[index])
    }
    return low...max(low, high)
  }
}
