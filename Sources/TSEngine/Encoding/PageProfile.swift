/// What the first pass learns of a page.
struct PageProfile: Sendable {
  var minimum: Int64 = .max
  var maximum: Int64 = .min
  var sum: Int128 = 0
  /// Values that differ from the one before within the page.
  var changeCount = 0
  /// Narrow pages: what the lanes count from.
  var base: Int64 = 0
  /// Narrow pages: the least and the greatest difference of neighbours.
  var fall: Int16 = 0
  var rise: Int16 = 0
  /// The page's values span less than 2^15 and lie in 16-bit lanes, with their differences.
  var isNarrow = false

  /// - Parameter lanes: takes a narrow page's values minus `base`, the last one repeated to the
  ///   end; `differences` those of neighbours. SAFETY: room for 16 rows each.
  init(
    _ values: Span<Int64>, lanes: UnsafeMutablePointer<LaneWord>,
    differences: UnsafeMutablePointer<LaneWord>
  ) {
    base = values[0]
    // Near the ends of Int64 distances from the first value would wrap round.
    if base > .min + 16_384 && base < .max - 16_384 {
      base &-= 16_384
      isNarrow = unsafe LaneLoad.load(values, above: base, limit: 1 << 15, into: lanes)
    }
    if !isNarrow {
      scan(values)
      guard UInt64(bitPattern: maximum &- minimum) < 1 << 15 else { return }
      base = minimum
      isNarrow = unsafe LaneLoad.load(values, above: base, limit: 1 << 15, into: lanes)
    }
    unsafe measure(lanes, differences, count: values.count)
  }

  /// Bounds, sum and changes one by one.
  private mutating func scan(_ values: Span<Int64>) {
    var previous = values[0]
    for index in values.indices {
      let value = values[index]
      minimum = min(minimum, value)
      maximum = max(maximum, value)
      sum += Int128(value)
      if value != previous { changeCount += 1 }
      previous = value
    }
  }

  /// The same in 16-bit lanes, one pass for all. SAFETY: 16 rows each.
  private mutating func measure(
    _ lanes: UnsafeMutablePointer<LaneWord>, _ differences: UnsafeMutablePointer<LaneWord>,
    count: Int
  ) {
    let page = unsafe PageLanes(Span(_unsafeStart: lanes, count: 16))
    var low = SIMD16<Int16>(repeating: .max)
    var high = SIMD16<Int16>.zero
    var (fallen, risen) = (SIMD16<Int16>.zero, SIMD16<Int16>.zero)
    // Bytes are summed apart: 16 x 16 of at most 255 fit 16 bits.
    var (lowBytes, highBytes, changes) = (LaneWord.zero, LaneWord.zero, LaneWord.zero)
    let one = LaneWord(repeating: 1)
    for row in 0..<16 {
      let (value, step) = (page[row], page.difference(row: row))
      unsafe differences[row] = step
      let signed = SIMD16<Int16>(truncatingIfNeeded: value)
      let signedStep = SIMD16<Int16>(truncatingIfNeeded: step)
      low.replace(with: signed, where: signed .< low)
      high.replace(with: signed, where: signed .> high)
      fallen.replace(with: signedStep, where: signedStep .< fallen)
      risen.replace(with: signedStep, where: signedStep .> risen)
      // Scalars in `replacing` and compares of unsigned lanes become loops: vectors, signed.
      changes &+= one.replacing(with: LaneWord.zero, where: signedStep .== SIMD16<Int16>.zero)
      lowBytes &+= value & 0xFF
      highBytes &+= value &>> 8
    }
    minimum = base &+ Int64(low.min())
    maximum = base &+ Int64(high.max())
    (fall, rise) = (fallen.min(), risen.max())
    changeCount = changes.smallSum
    let padding = (256 &- count) &* Int(page.value(255))
    sum = Int128(base) * Int128(count)
      + Int128(lowBytes.sum &+ highBytes.sum &* 256 &- padding)
  }
}

enum LaneLoad {
  /// Loads the 1 ... 256 `values` minus `base` into 16 rows, repeating the last one to the end.
  /// False when some difference is not within 0 ..< limit, a power of two of at most 2^16; the
  /// rows are then meaningless. SAFETY: `lanes` has room for 16 rows.
  @inline(__always) static func load(
    _ values: Span<Int64>, above base: Int64, limit: UInt64,
    into lanes: UnsafeMutablePointer<LaneWord>
  ) -> Bool {
    if values.count == 256 {
      return unsafe values.withUnsafeBytes { raw in
        unsafe load(raw.baseAddress!, base, limit, into: lanes)  // SAFETY: 256 values.
      }
    }
    var padded = InlineArray<256, Int64>(repeating: values[values.count - 1])
    for index in values.indices { padded[index] = values[index] }
    return unsafe withUnsafeBytes(of: padded) { raw in
      unsafe load(raw.baseAddress!, base, limit, into: lanes)  // SAFETY: 256 values.
    }
  }

  /// SAFETY: `source` has 256 Int64, `lanes` room for 16 rows.
  @inline(__always) private static func load(
    _ source: UnsafeRawPointer, _ base: Int64, _ limit: UInt64,
    into lanes: UnsafeMutablePointer<LaneWord>
  ) -> Bool {
    var seen = SIMD16<Int64>.zero
    let base = SIMD16<Int64>(repeating: base)
    for row in 0..<16 {
      let distance =
        unsafe source.loadUnaligned(fromByteOffset: 128 &* row, as: SIMD16<Int64>.self) &- base
      seen |= distance
      unsafe lanes[row] = LaneWord(truncatingIfNeeded: distance)
    }
    var bits: UInt64 = 0
    for lane in 0..<16 { bits |= UInt64(bitPattern: seen[lane]) }
    return bits < limit
  }
}
