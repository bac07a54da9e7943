/// The choice of reference and width for one page: how many values fit a window of 2^width from a
/// reference, at what price the rest are patched.
///
/// Windows are centred on the mean and on the level of three samples, and clipped to the page's
/// bounds. Both are counted in one pass of vector compares; widths go down from the one that
/// holds all while it pays.
struct FrameFit {
  var width = 0
  /// Subtracted from packed values; what lies outside offset ..< offset + 2^width is an exception.
  var offset: UInt16 = 0
  var exceptionCount = 0
  /// Estimated bytes of body and exceptions.
  var byteCount = 0

  /// The cheapest fit for a page whose first rows are within low ... high, which are below 2^15
  /// and whose mean is about `mean`.
  static func best(
    _ page: PageLanes, low: UInt16, high: UInt16, mean: UInt16, rowCount: Int
  ) -> FrameFit {
    let full = UInt64(high &- low).bitLength
    var best = FrameFit(
      width: full, offset: low,
      byteCount: PageShape.packedByteCount(rowCount: rowCount, width: full))
    // Three samples' median stands for the level of a page with outliers, the mean for one without.
    let level = median(
      page.value(7), page.value(16 &* (rowCount >> 1) &+ 3), page.value(16 &* rowCount &- 5))
    var width = full &- 1
    var worse = 0
    while width >= 0 && worse < 3 {
      let size = UInt16(1) &<< UInt16(truncatingIfNeeded: width)
      let a = window(around: mean, low, high, size)
      let b = window(around: level, low, high, size)
      let (outsideA, outsideB) = page.countOutside(a, b, size: size, rowCount: rowCount)
      let (offset, outside) = outsideA <= outsideB ? (a, outsideA) : (b, outsideB)
      let bits = exceptionBits(above: high &- offset, below: offset &- low, width: width)
      let extra = outside == 0 ? 0 : 1 &+ outside &+ (outside &* bits &+ 7) >> 3
      let bytes = PageShape.packedByteCount(rowCount: rowCount, width: width) &+ extra
      if bytes < best.byteCount && outside < 256 {
        best = FrameFit(width: width, offset: offset, exceptionCount: outside, byteCount: bytes)
        worse = 0
      } else {
        // Narrower windows leave at least as many outside.
        if extra >= best.byteCount { break }
        worse &+= 1
      }
      width &-= 1
    }
    return best
  }

  /// Where a window of `size` around `centre` starts, moved to lie within low ... high.
  @inline(__always) private static func window(
    around centre: UInt16, _ low: UInt16, _ high: UInt16, _ size: UInt16
  ) -> UInt16 {
    let half = size >> 1
    return max(low, min(centre &- min(centre, half), high &- (size &- 1)))
  }

  /// Bits of the widest exception's code; see `PageHeader.exceptionHigh`.
  @inline(__always) private static func exceptionBits(
    above: UInt16, below: UInt16, width: Int
  ) -> Int {
    let shift = UInt64(truncatingIfNeeded: width)
    let above = UInt64(above) &>> shift
    let below = (UInt64(below) &+ (1 &<< shift) &- 1) &>> shift
    let codes = (above > 0 ? 2 &* (above &- 1) : 0, below > 0 ? 2 &* below &- 1 : 0)
    return max(codes.0, codes.1).bitLength
  }

  @inline(__always) private static func median(_ a: UInt16, _ b: UInt16, _ c: UInt16) -> UInt16 {
    max(min(a, b), min(max(a, b), c))
  }
}
