/// Filters and sums over pages without materialising them where the page allows it.

extension ColumnSection {
  /// The values of `page` that are not null and lie within `range` (order space), as bits.
  ///
  /// Frames of up to 16 bits are compared packed, runs and constants by their value; other pages
  /// are decoded to units first.
  package func select(page: Int, in range: ClosedRange<Int64>) -> PageMask {
    guard let decimalExponent else { return selectHeld(page: page, in: range) }
    let mask = DecimalScale.integers(keys: range, exponent: decimalExponent).map {
      selectHeld(page: page, in: $0)
    }
    return patches.isEmpty ? mask ?? .zero : patched(mask ?? .zero, page: page, in: range)
  }

  /// As `select`, by held numbers.
  private func selectHeld(page: Int, in held: ClosedRange<Int64>) -> PageMask {
    let count = valueCount(page: page)
    switch content {
    case .null: return .zero
    case .constant(let value): return held.contains(value) ? .first(count) : .zero
    case .runs(let table):
      var mask = PageMask.zero
      table.forEachRun(in: page &* 256..<page &* 256 &+ count) { rows, value in
        if held.contains(value) { mask |= .first(rows.upperBound) & ~.first(rows.lowerBound) }
      }
      return mask
    case .sparse(let table):
      var mask = PageMask.zero
      table.forEach(page: page) { if held.contains($1) { mask.set(bit: $0, to: true) } }
      return mask
    case .cold(let cold): return cold.select(page: page, count: count, in: held)
    case .paged(let pages): return pages.select(page, span, count: count, in: held)
    }
  }

  /// The exact sum of the valid held integers of `page`. Precondition: not a float column, whose
  /// sum depends on rounding and is the caller's to define.
  package func sum(page: Int) -> Int128 {
    precondition(!isFloat, "float sums are made from decoded values")
    let count = valueCount(page: page)
    switch content {
    case .null: return 0
    case .constant(let value): return Int128(value) * Int128(count)
    case .runs(let table):
      var sum: Int128 = 0
      table.forEachRun(in: page &* 256..<page &* 256 &+ count) { rows, value in
        sum += Int128(value) * Int128(rows.count)
      }
      return sum
    case .sparse(let table):
      return table.values[table.range(page: page)].reduce(0) { $0 + Int128($1) }
    case .cold(let cold): return cold.sum(page: page, count: count)
    case .paged(let pages): return pages.sum(page, span, count: count)
    }
  }

  /// The exact bounds of the valid values of `page` in order space; nil when all are null.
  /// Decodes the page.
  package func minMax(page: Int) -> ClosedRange<Int64>? {
    if hasPatches(page: page) { return decodedMinMax(page: page) }
    guard case .paged(let pages) = content else { return bounds(page: page) }
    let header = pages.headers[page]
    let count = valueCount(page: page)
    let valid = header.validityMask(span, count: count)
    if valid == .zero { return nil }
    var (low, high) = (UInt64.max, UInt64.min)
    header.withUnits(span, count: count) { units in
      valid.forEachBit { index in
        low = min(low, units[index])
        high = max(high, units[index])
      }
    }
    let (least, most) = (pages.slot(low), pages.slot(high))
    guard let decimalExponent else { return least...max(least, most) }
    let keys = (
      FloatOrder.key(DecimalScale.value(least, exponent: decimalExponent)),
      FloatOrder.key(DecimalScale.value(most, exponent: decimalExponent))
    )
    return keys.0...max(keys.0, keys.1)
  }
}

extension ColumnSection.Pages {
  func select(
    _ index: Int, _ bytes: RawSpan, count: Int, in held: ClosedRange<Int64>
  ) -> PageMask {
    let header = headers[index]
    guard header.kind != .null, let units = units(in: held), units.lowerBound <= header.upper,
      units.upperBound >= header.lower
    else { return .zero }
    let valid = header.validityMask(bytes, count: count)
    if units.lowerBound <= header.lower && units.upperBound >= header.upper { return valid }
    switch header.kind {
    case .frame where header.width <= 16:
      return valid & header.select(bytes, count: count, reference: header.reference, in: units)
    case .stepped where header.width <= 16:
      let before = PageMask.first(header.step)
      let first = header.select(bytes, count: count, reference: header.reference, in: units)
      let second = header.select(bytes, count: count, reference: header.secondReference, in: units)
      return valid & ((first & before) | (second & ~before))
    default:
      var mask = PageMask.zero
      header.withUnits(bytes, count: count) { decoded in
        for word in 0..<4 {
          var bits: UInt64 = 0
          for bit in 0..<64 {
            let hit = decoded[word &* 64 &+ bit] &- units.lowerBound
              <= units.upperBound &- units.lowerBound
            bits |= (hit ? 1 : 0) &<< UInt64(bit)
          }
          mask[word] = bits
        }
      }
      return valid & mask
    }
  }

  /// The units whose slots lie within `held`, or nil when none can.
  private func units(in held: ClosedRange<Int64>) -> ClosedRange<UInt64>? {
    guard held.upperBound >= minimum else { return nil }
    let high = UInt64(bitPattern: held.upperBound &- minimum) / divisor
    if held.lowerBound <= minimum { return 0...high }
    let distance = UInt64(bitPattern: held.lowerBound &- minimum)
    let low = divisor == 1 ? distance : (distance &- 1) / divisor &+ 1
    return low <= high ? low...high : nil
  }

  func sum(_ index: Int, _ bytes: RawSpan, count: Int) -> Int128 {
    let header = headers[index]
    if header.kind == .null { return 0 }
    let valid = header.validityMask(bytes, count: count)
    var units: Int128 = 0
    if header.kind == .frame, header.width <= 16, header.validity == nil {
      units = header.packedSum(bytes, count: count)
    } else {
      header.withUnits(bytes, count: count) { decoded in
        valid.forEachBit { units += Int128(decoded[$0]) }
      }
    }
    return Int128(minimum) * Int128(valid.nonzeroBitCount) + units * Int128(divisor)
  }
}

extension PageHeader {
  /// Calls `body` with the page's 256 units; those past `count` are arbitrary.
  @inline(__always) func withUnits(
    _ bytes: RawSpan, count: Int, _ body: (Span<UInt64>) -> Void
  ) {
    unsafe withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 256) { scratch in
      guard let units = scratch.baseAddress else { return }
      // SAFETY: `units` has room for 256 values, which `decode` fills and `body` may read.
      unsafe decode(bytes, count: count, minimum: 0, divisor: 1, into: units)
      body(unsafe Span(_unsafeElements: UnsafeBufferPointer(scratch)))
    }
  }

  /// Which values of a frame of up to 16 bits lie within `units` when its reference is `reference`.
  @inline(__always) func select(
    _ bytes: RawSpan, count: Int, reference: UInt64, in units: ClosedRange<UInt64>
  ) -> PageMask {
    let top = width == 16 ? UInt64(UInt16.max) : (1 &<< UInt64(width)) &- 1
    // Exceptions above may carry past either end, so packed values and exceptions go apart.
    var mask = PageMask.zero
    var page = PageRows()
    LanePacking.unpack(
      bytes, at: body, width: width, rowCount: PageShape.rowCount(count), into: &page)
    if units.upperBound >= reference,
      units.lowerBound <= reference || units.lowerBound &- reference <= top
    {
      let low = units.lowerBound > reference ? units.lowerBound &- reference : 0
      let high = min(units.upperBound &- reference, top)
      if low <= high {
        mask = PageLanes(page.rows.span).mask(
          low: UInt16(truncatingIfNeeded: low), span: UInt16(truncatingIfNeeded: high &- low))
      }
    }
    for index in 0..<exceptionCount {
      let position = exceptionPosition(bytes, index)
      let low = UInt64(page[position >> 4][position & 15])
      let high = UInt64(bitPattern: exceptionHigh(bytes, index)) << UInt64(width)
      mask.set(bit: position, to: units.contains(reference &+ low &+ high))
    }
    return mask
  }

  /// The sum of the units of a frame of up to 16 bits, all valid.
  @inline(__always) func packedSum(_ bytes: RawSpan, count: Int) -> Int128 {
    var page = PageRows()
    LanePacking.unpack(
      bytes, at: body, width: width, rowCount: PageShape.rowCount(count), into: &page)
    // Bytes of 16-bit values summed apart: 16 rows of at most 255 fit a lane.
    var (lowBytes, highBytes) = (LaneWord.zero, LaneWord.zero)
    let rows = PageShape.rowCount(count)
    for row in 0..<rows &- 1 {
      lowBytes &+= page[row] & 0xFF
      highBytes &+= page[row] &>> 8
    }
    // The last row may be partial, and its lanes past the end are not values.
    var last = page[rows &- 1]
    for lane in count &- 16 &* (rows &- 1)..<16 { last[lane] = 0 }
    lowBytes &+= last & 0xFF
    highBytes &+= last &>> 8
    let packed = Int64(lowBytes.wrappedSum()) &+ Int64(highBytes.wrappedSum()) &* 256
    var sum = Int128(reference) * Int128(count) + Int128(packed)
    for index in 0..<exceptionCount {
      sum += Int128(exceptionHigh(bytes, index)) << Int128(width)
    }
    return sum
  }
}
