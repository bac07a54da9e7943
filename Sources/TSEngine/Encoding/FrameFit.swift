/// The choice of reference and width for one page: how many values fit a window of 2^width from a
/// reference, at what price the rest are patched.
///
/// Counting is one pass of 16 vector compares for a (reference, width) pair, so a handful of
/// candidates is tried for each width instead of sorting the page.
struct FrameFit {
  var width = 0
  /// Added to packed values; what lies outside offset ..< offset + 2^width is an exception.
  var offset: UInt16 = 0
  var exceptionCount = 0
  /// Estimated bytes of body and exceptions.
  var byteCount = 0

  /// The cheapest fit for the rows of a page whose values are 0 ... `range`, below 2^15.
  static func best(_ page: PageRows, range: UInt16, rowCount: Int) -> FrameFit {
    let full = UInt64(range).bitLength
    var best = FrameFit(
      width: full, byteCount: PageShape.packedByteCount(rowCount: rowCount, width: full))
    guard full > 0 else { return best }
    // Three samples' median stands for the level of a page with outliers, the mean for one without.
    let level = median(
      page.value(7), page.value(16 &* (rowCount >> 1) &+ 3), page.value(16 &* rowCount &- 5))
    let average = mean(page, rowCount: rowCount)
    var width = full &- 1
    var worse = 0
    while width >= 0 && worse < 3 {
      let fit = bestOffset(page, range, rowCount, width: width, level: level, average: average)
      if fit.byteCount < best.byteCount {
        best = fit
        worse = 0
      } else if fit.exceptionCount < 128 {
        // With most of a page outside, a narrower window says nothing about narrower ones still;
        // with some outside it only gets worse.
        worse &+= 1
      }
      if fit.exceptionCount > 200 && width < full &- 2 { break }
      width &-= 1
    }
    return best
  }

  @inline(__always) private static func bestOffset(
    _ page: PageRows, _ range: UInt16, _ rowCount: Int, width: Int, level: UInt16, average: UInt16
  ) -> FrameFit {
    let size = UInt16(1) &<< UInt16(truncatingIfNeeded: width)
    let last = range &- (size &- 1)
    var best = FrameFit(width: width, byteCount: .max)
    let half = size >> 1
    consider(page, range, rowCount, 0, size, &best)
    consider(page, range, rowCount, last, size, &best)
    consider(page, range, rowCount, min(average &- min(average, half), last), size, &best)
    consider(page, range, rowCount, min(level &- min(level, half), last), size, &best)
    return best
  }

  @inline(__always) private static func consider(
    _ page: PageRows, _ range: UInt16, _ rowCount: Int, _ offset: UInt16, _ size: UInt16,
    _ best: inout FrameFit
  ) {
    let outside = countOutside(page, offset: offset, size: size, rowCount: rowCount)
    let bits = exceptionBits(range: range, offset: offset, width: best.width)
    let extra = outside == 0 ? 0 : 1 &+ outside &+ (outside &* bits &+ 7) >> 3
    let bytes = PageShape.packedByteCount(rowCount: rowCount, width: best.width) &+ extra
    if bytes < best.byteCount && outside < 256 {
      (best.offset, best.exceptionCount, best.byteCount) = (offset, outside, bytes)
    }
  }

  @inline(__always) static func countOutside(
    _ page: PageRows, offset: UInt16, size: UInt16, rowCount: Int
  ) -> Int {
    var counts = LaneWord.zero
    let rows = page.rows.span
    let (base, top) = (LaneWord(repeating: offset), LaneWord(repeating: size &- 1))
    for row in 0..<rowCount {
      let outside = (rows[row] &- base) .> top
      counts &+= LaneWord.zero.replacing(with: 1, where: outside)
    }
    return Int(counts.wrappedSum())
  }

  /// Bits of the widest exception's code; see `PageHeader.exceptionHigh`.
  @inline(__always) private static func exceptionBits(
    range: UInt16, offset: UInt16, width: Int
  ) -> Int {
    let shift = UInt64(width)
    let above = UInt64(range &- offset) >> shift
    let below = (UInt64(offset) + (1 &<< shift) - 1) >> shift
    let codes = (above > 0 ? 2 &* (above &- 1) : 0, below > 0 ? 2 &* below &- 1 : 0)
    return max(codes.0, codes.1).bitLength
  }

  @inline(__always) private static func median(_ a: UInt16, _ b: UInt16, _ c: UInt16) -> UInt16 {
    max(min(a, b), min(max(a, b), c))
  }

  @inline(__always) private static func mean(_ page: PageRows, rowCount: Int) -> UInt16 {
    let sum = page.sum(rowCount: rowCount)
    return UInt16(truncatingIfNeeded: (sum &+ 8 &* rowCount) / (16 &* rowCount))
  }
}

extension PageRows {
  /// The sum of the first rows. Bytes are summed apart: 16 x 16 of at most 255 fit 16 bits.
  @inline(__always) func sum(rowCount: Int) -> Int {
    var (lowBytes, highBytes) = (LaneWord.zero, LaneWord.zero)
    let rows = rows.span
    for row in 0..<rowCount {
      lowBytes &+= rows[row] & 0xFF
      highBytes &+= rows[row] &>> 8
    }
    return Int(lowBytes.wrappedSum()) &+ Int(highBytes.wrappedSum()) &* 256
  }

  /// Least and greatest of the first rows, read as signed numbers.
  @inline(__always) func signedBounds(rowCount: Int) -> (low: Int16, high: Int16) {
    var low = SIMD16<Int16>(repeating: .max)
    var high = SIMD16<Int16>(repeating: .min)
    let rows = rows.span
    for row in 0..<rowCount {
      let values = SIMD16<Int16>(truncatingIfNeeded: rows[row])
      low.replace(with: values, where: values .< low)
      high.replace(with: values, where: values .> high)
    }
    return (low.min(), high.max())
  }
}
