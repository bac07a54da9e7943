/// The 16 rows of a page below 2^15 (or of its differences, as signed numbers), borrowed: no page
/// is copied to be looked at.
struct PageLanes: ~Escapable {
  private let rows: Span<LaneWord>

  @_lifetime(copy rows)
  init(_ rows: Span<LaneWord>) {
    precondition(rows.count == 16, "the rows of a page")
    self.rows = rows
  }

  @inline(__always) subscript(row: Int) -> LaneWord {
    // SAFETY: there are 16 rows, and the low four bits of a number are below 16.
    unsafe rows[unchecked: row & 15]
  }

  @inline(__always) func value(_ index: Int) -> UInt16 { self[index >> 4][index & 15] }

  /// How many values of the first rows lie outside `size` numbers from `a` and from `b` on. One
  /// pass for both, and compares are signed, which every processor has.
  @inline(__always) func countOutside(
    _ a: UInt16, _ b: UInt16, size: UInt16, rowCount: Int
  ) -> (Int, Int) {
    var (outsideA, outsideB) = (LaneWord.zero, LaneWord.zero)
    let (baseA, baseB) = (LaneWord(repeating: a ^ 0x8000), LaneWord(repeating: b ^ 0x8000))
    let top = SIMD16<Int16>(repeating: Int16(bitPattern: (size &- 1) ^ 0x8000))
    let one = LaneWord(repeating: 1)
    for row in 0..<rowCount {
      let values = self[row]
      outsideA &+= LaneWord.zero.replacing(
        with: one, where: SIMD16<Int16>(truncatingIfNeeded: values &- baseA) .> top)
      outsideB &+= LaneWord.zero.replacing(
        with: one, where: SIMD16<Int16>(truncatingIfNeeded: values &- baseB) .> top)
    }
    return (outsideA.smallSum, outsideB.smallSum)
  }

  /// Which values, taken minus `low` modulo 2^16, are at most `span`.
  func mask(low: UInt16, span: UInt16) -> PageMask {
    var columns = LaneWord.zero
    let base = LaneWord(repeating: low ^ 0x8000)
    let top = SIMD16<Int16>(repeating: Int16(bitPattern: span ^ 0x8000))
    for row in 0..<16 {
      let hit = SIMD16<Int16>(truncatingIfNeeded: self[row] &- base) .<= top
      let bit = LaneWord(repeating: 1 &<< UInt16(truncatingIfNeeded: row))
      columns |= LaneWord.zero.replacing(with: bit, where: hit)
    }
    return LaneCompare.transposed(columns)
  }

  /// Least and greatest of the first rows, read as signed numbers.
  @inline(__always) func bounds(rowCount: Int) -> (low: Int16, high: Int16) {
    var low = SIMD16<Int16>(repeating: .max)
    var high = SIMD16<Int16>(repeating: .min)
    for row in 0..<rowCount {
      let values = SIMD16<Int16>(truncatingIfNeeded: self[row])
      low.replace(with: values, where: values .< low)
      high.replace(with: values, where: values .> high)
    }
    return (low.min(), high.max())
  }

  /// Each value minus the one before it, modulo 2^16; 0 for the first.
  @inline(__always) func difference(row: Int) -> LaneWord {
    if row == 0 {
      var before = self[0]
      let first = before
      for lane in 1..<16 { before[lane] = first[lane &- 1] }
      return first &- before
    }
    // SAFETY: rows 1 ... 15 start at byte 32 · row of 512, so two bytes before are inside.
    let before = unsafe rows.bytes.unsafeLoadUnaligned(
      fromUncheckedByteOffset: 32 &* (row & 15) &- 2, as: LaneWord.self)
    return self[row] &- before
  }
}

extension SIMD16 where Scalar == UInt16 {
  /// The sum of lanes below 2^12: four 16-bit fields at a time.
  @inline(__always) var smallSum: Int {
    // SAFETY: both are 32 plain bytes.
    let words = unsafe unsafeBitCast(self, to: SIMD4<UInt64>.self)
    let fields = words[0] &+ words[1] &+ words[2] &+ words[3]
    return Int(truncatingIfNeeded: (fields &* 0x0001_0001_0001_0001) >> 48)
  }

  /// The sum of any lanes: each word's four fields are spread over 32 bits first.
  @inline(__always) var sum: Int {
    // SAFETY: both are 32 plain bytes.
    let words = unsafe unsafeBitCast(self, to: SIMD8<UInt32>.self)
    let pairs = (words & 0xFFFF) &+ (words &>> 16)
    let sums = unsafe unsafeBitCast(pairs, to: SIMD4<UInt64>.self)  // SAFETY: as above.
    let fields = sums[0] &+ sums[1] &+ sums[2] &+ sums[3]
    return Int(truncatingIfNeeded: (fields & 0xFFFF_FFFF) &+ (fields >> 32))
  }
}
