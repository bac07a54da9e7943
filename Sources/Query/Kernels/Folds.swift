/// Folds over ranges of rows. Nulls split a range into runs without any, so that each inner loop
/// runs over plain slots.

extension Vector {
  /// Calls `body` with each maximal run of non-null rows in `rows`.
  @inline(__always)
  func forEachValidRun(_ rows: Range<Int>, _ body: (Range<Int>) -> Void) {
    guard !rows.isEmpty else { return }
    guard hasNulls else { return body(rows) }
    var row = rows.lowerBound
    while row < rows.upperBound {
      let rest = validityWord(row >> 6) >> UInt64(row & 63)
      if rest == 0 {
        row = (row | 63) + 1
        continue
      }
      row += rest.trailingZeroBitCount
      let start = row
      while row < rows.upperBound {
        let ones = (~(validityWord(row >> 6) >> UInt64(row & 63))).trailingZeroBitCount
        let step = min(ones, 64 - row & 63)
        row += step
        if row & 63 != 0 || step == 0 { break }
      }
      let end = min(row, rows.upperBound)
      if start < end { body(start..<end) }
    }
  }

  func validCount(_ rows: Range<Int>) -> Int {
    guard hasNulls else { return rows.count }
    var count = 0
    forEachValidRun(rows) { count += $0.count }
    return count
  }

  /// Exact sum of the non-null slots as integers.
  func sum(_ rows: Range<Int>) -> Int128 {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= Self.capacity, "rows of a batch")
    var total: Int128 = 0
    forEachValidRun(rows) { run in
      // SAFETY: run lies in rows, which the precondition bounds.
      total += unsafe sumSlots(slots, run)
    }
    return total
  }

  /// Smallest and largest non-null slot as integers; nil when all are null.
  func extremes(_ rows: Range<Int>) -> (min: Int64, max: Int64)? {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= Self.capacity, "rows of a batch")
    var (low, high) = (Int64.max, Int64.min)
    var found = false
    forEachValidRun(rows) { run in
      found = true
      // SAFETY: run lies in rows, which the precondition bounds.
      let (a, b) = unsafe extremesOfSlots(slots, run)
      low = min(low, a)
      high = max(high, b)
    }
    return found ? (low, high) : nil
  }

  /// Calls `body` for each non-null row of `rows`.
  @inline(__always)
  func forEachValid(_ rows: Range<Int>, _ body: (Int, Int64) -> Void) {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= Self.capacity, "rows of a batch")
    forEachValidRun(rows) { run in
      // SAFETY: run lies in rows, which the precondition bounds.
      for row in run { unsafe body(row, slots[row]) }
    }
  }
}

/// At most 2,048 slots below 2^50 in magnitude cannot overflow 64 bits, so the fast loop also
/// gathers the bits of all magnitudes and the rare large ones are summed again in 128.
private func sumSlots(_ slots: UnsafeMutablePointer<Int64>, _ rows: Range<Int>) -> Int128 {
  var sum: Int64 = 0
  var magnitude: Int64 = 0
  for row in rows {
    // SAFETY: the caller bounds rows by the vector.
    let value = unsafe slots[row]
    sum &+= value
    magnitude |= value ^ (value >> 63)
  }
  if magnitude < 1 << 50 { return Int128(sum) }
  var wide: Int128 = 0
  // SAFETY: as above.
  for row in rows { wide += Int128(unsafe slots[row]) }
  return wide
}

private func extremesOfSlots(_ slots: UnsafeMutablePointer<Int64>, _ rows: Range<Int>) -> (Int64, Int64) {
  // The baseline has no 64-bit vector minimum: two chains of conditional moves each keep both
  // execution ports busy.
  var (low, high, low2, high2) = (Int64.max, Int64.min, Int64.max, Int64.min)
  var row = rows.lowerBound
  while row &+ 2 <= rows.upperBound {
    // SAFETY: row + 1 < rows.upperBound, which the caller bounds by the vector.
    let (a, b) = unsafe (slots[row], slots[row &+ 1])
    low = a < low ? a : low
    high = a > high ? a : high
    low2 = b < low2 ? b : low2
    high2 = b > high2 ? b : high2
    row &+= 2
  }
  if row < rows.upperBound {
    // SAFETY: as above.
    let value = unsafe slots[row]
    low = min(low, value)
    high = max(high, value)
  }
  return (min(low, low2), max(high, high2))
}
