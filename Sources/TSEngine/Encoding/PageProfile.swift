/// What the first pass learns of a page.
struct PageProfile: Sendable {
  var minimum: Int64 = .max
  var maximum: Int64 = .min
  var sum: Int128 = 0
  /// Values that differ from the one before, that of the page before included.
  var changeCount = 0

  /// The page's values span less than 2^15, so 16-bit lanes hold them and their differences.
  var isNarrow: Bool { UInt64(bitPattern: maximum &- minimum) < 1 << 15 }

  init(_ values: Span<Int64>, _ rows: Range<Int>) {
    let base = values[rows.lowerBound]
    var page = PageRows()
    // Near the ends of Int64 distances from the first value would wrap round.
    let isInside = base > .min + 16_384 && base < .max - 16_384
    if isInside, page.load(values, rows, above: base &- 16_384, limit: 1 << 15) {
      // All within 2^14 of the first value: bounds, sum and changes in 16-bit lanes.
      let rowCount = PageShape.rowCount(rows.count)
      let bounds = page.signedBounds(rowCount: rowCount)
      minimum = base &- 16_384 &+ Int64(bounds.low)
      maximum = base &- 16_384 &+ Int64(bounds.high)
      let padding = 16 &* rowCount &- rows.count
      let last = Int(page[rowCount &- 1][15])
      let packed = page.sum(rowCount: rowCount) &- padding &* last
      sum = (Int128(base) - 16_384) * Int128(rows.count) + Int128(packed)
      changeCount = FrameFit.countOutside(
        page.differences(), offset: 0, size: 1, rowCount: rowCount)
    } else {
      var previous = base
      for index in rows {
        let value = values[index]
        minimum = min(minimum, value)
        maximum = max(maximum, value)
        sum += Int128(value)
        if value != previous { changeCount += 1 }
        previous = value
      }
    }
    if rows.lowerBound > 0, values[rows.lowerBound - 1] != base { changeCount += 1 }
  }
}

extension PageRows {
  /// Loads `values[rows]` minus `base`, repeating the last one to the end of the page.
  /// False when some difference is not within 0 ..< limit, a power of two of at most 2^16; the
  /// rows are then meaningless.
  @inline(__always) mutating func load(
    _ values: Span<Int64>, _ rows: Range<Int>, above base: Int64, limit: UInt64
  ) -> Bool {
    if rows.count == 256 {
      return unsafe values.withUnsafeBufferPointer { buffer in
        // SAFETY: `rows` are 256 indices of `values`, as the caller's pages are.
        unsafe load(UnsafeRawPointer(buffer.baseAddress! + rows.lowerBound), base, limit)
      }
    }
    var padded = InlineArray<256, Int64>(repeating: values[rows.upperBound - 1])
    for index in 0..<rows.count { padded[index] = values[rows.lowerBound + index] }
    return unsafe withUnsafeBytes(of: padded) { raw in
      unsafe load(raw.baseAddress!, base, limit)  // SAFETY: 256 values.
    }
  }

  /// SAFETY: `source` has 256 Int64.
  @inline(__always) private mutating func load(
    _ source: UnsafeRawPointer, _ base: Int64, _ limit: UInt64
  ) -> Bool {
    var seen = SIMD16<Int64>.zero
    let base = SIMD16<Int64>(repeating: base)
    for row in 0..<16 {
      let distance =
        unsafe source.loadUnaligned(fromByteOffset: 128 &* row, as: SIMD16<Int64>.self) &- base
      seen |= distance
      self[row] = LaneWord(truncatingIfNeeded: distance)
    }
    var bits: UInt64 = 0
    for lane in 0..<16 { bits |= UInt64(bitPattern: seen[lane]) }
    return bits < limit
  }

  /// Each value minus the one before it, modulo 2^16; 0 for the first.
  @inline(__always) func differences() -> PageRows {
    var result = PageRows()
    var first = self[0]
    for lane in 1..<16 { first[lane] = self[0][lane &- 1] }
    result[0] = self[0] &- first
    unsafe withUnsafeBytes(of: self) { raw in
      for row in 1..<16 {
        // SAFETY: 32·row - 2 + 32 <= 510, within the 512 bytes of the rows.
        let before = unsafe raw.loadUnaligned(fromByteOffset: 32 &* row &- 2, as: LaneWord.self)
        let values = unsafe raw.loadUnaligned(fromByteOffset: 32 &* row, as: LaneWord.self)
        result[row] = values &- before
      }
    }
    return result
  }

  @inline(__always) func value(_ index: Int) -> UInt16 {
    let rows = rows.span
    return rows[index >> 4][index & 15]
  }

  @inline(__always) mutating func subtract(_ amount: UInt16) {
    let amount = LaneWord(repeating: amount)
    for row in 0..<16 { self[row] &-= amount }
  }
}
