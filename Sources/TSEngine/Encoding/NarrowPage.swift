/// A page that spans less than 2^15, judged in 16-bit lanes: frame, stepped frame, delta or runs,
/// whichever is the smallest; of equals the one that decodes fastest. Costlier candidates are
/// looked at only where a cheap count says that they may win.
struct NarrowPage: ~Escapable {
  private let rows: PageLanes
  private let differences: PageLanes
  private let profile: PageProfile
  private let count: Int
  /// The unit that a lane of 0 stands for, modulo 2^64: lanes may start below the section.
  private let base: UInt64
  /// Bounds of the lanes.
  private let low: UInt16
  private let high: UInt16

  private var rowCount: Int { PageShape.rowCount(count) }

  /// - Parameter minimum: the section's; units are values minus it.
  @_lifetime(copy rows, copy differences)
  init(
    _ rows: PageLanes, differences: PageLanes, _ profile: PageProfile, count: Int, minimum: Int64
  ) {
    self.rows = rows
    self.differences = differences
    self.profile = profile
    self.count = count
    base = UInt64(bitPattern: profile.base &- minimum)
    low = UInt16(truncatingIfNeeded: profile.minimum &- profile.base)
    high = UInt16(truncatingIfNeeded: profile.maximum &- profile.base)
  }

  private var mean: UInt16 {
    UInt16(truncatingIfNeeded: Int64(truncatingIfNeeded: profile.sum &- Int128(profile.base) &* Int128(count)) / Int64(count))
  }

  func write(_ scratch: inout PageScratch) {
    let frame = FrameFit.best(rows, low: low, high: high, mean: mean, rowCount: rowCount)
    var best = frame.byteCount
    guard best > 4 else { return writeFrame(frame, &scratch) }
    let changes = profile.changeCount
    let runBytes = 2 + changes + BitStream.byteCount(changes + 1, width: rangeWidth)
    let runsWin = runBytes < best
    if runsWin { best = runBytes }

    var stepped: (step: Step, fit: FrameFit)?
    if let step = findStep(frame, &scratch.step) {
      let levels = scratch.step
      var fit = FrameFit.best(
        PageLanes(levels.rows.span), low: 0, high: step.range, mean: step.range >> 1,
        rowCount: rowCount)
      // Step position, second reference, exception byte.
      fit.byteCount += 3 + (fit.exceptionCount == 0 ? 1 : 0)
      if fit.byteCount < best {
        best = fit.byteCount
        stepped = (step, fit)
      }
    }
    if let delta = deltaFit(against: best, width: frame.width, &scratch.delta),
      delta.byteCount + 2 < best
    {
      writeDelta(delta, &scratch)
    } else if let stepped {
      writeStepped(stepped.step, stepped.fit, &scratch)
    } else if runsWin {
      writeRuns(&scratch.bytes)
    } else {
      writeFrame(frame, &scratch)
    }
  }

  private var rangeWidth: Int { UInt64(high &- low).bitLength }

  // MARK: Frame

  private func writeFrame(_ fit: FrameFit, _ scratch: inout PageScratch) {
    scratch.patches.gather(rows, fit, count: count)
    let codec: PageCodec = scratch.patches.count > 0 ? .patchedFrame : .frame
    scratch.bytes.put(PageTag.packed(codec, width: fit.width))
    scratch.bytes.varint(base &+ UInt64(fit.offset))
    if scratch.patches.count > 0 { scratch.patches.writeHeader(&scratch.bytes) }
    writeBody(rows, fit, &scratch)
  }

  private func writeBody(_ rows: PageLanes, _ fit: FrameFit, _ scratch: inout PageScratch) {
    scratch.bytes.pack(rows, minus: fit.offset, width: fit.width, rowCount: rowCount)
    scratch.patches.writeBody(&scratch.bytes)
  }

  // MARK: Delta

  /// The fit of the differences, which `shifted` then holds above `profile.fall`.
  private func deltaFit(
    against best: Int, width: Int, _ shifted: inout PageRows
  ) -> FrameFit? {
    guard count > 2, width > 1 else { return nil }
    let span = Int(profile.rise) - Int(profile.fall)
    guard span < 1 << 15 else { return nil }
    // Cheap look first: with one bit less than the frame, would few enough be left outside?
    let size = UInt16(1) &<< UInt16(truncatingIfNeeded: width &- 1)
    let centre = differences.value(count >> 1)
    let outside = differences.countOutside(
      0 &- size >> 1, centre &- size >> 1, size: size, rowCount: rowCount)
    guard 2 * rowCount * (width - 1) + min(outside.0, outside.1) < best else { return nil }
    // The first difference is not used and the padding's not read: both take the second value's,
    // so that they never count as exceptions.
    let filler = differences.value(1)
    let floor = LaneWord(repeating: UInt16(bitPattern: profile.fall))
    for row in 0..<16 { shifted[row] = differences[row] &- floor }
    shifted[0][0] = filler &- floor[0]
    for index in count..<16 &* rowCount { shifted[index >> 4][index & 15] = filler &- floor[0] }
    let sum = Int(rows.value(count &- 1)) &- Int(rows.value(0))
    let mean = sum / (count &- 1) &- Int(profile.fall)
    return FrameFit.best(
      PageLanes(shifted.rows.span), low: 0, high: UInt16(span),
      mean: UInt16(truncatingIfNeeded: mean), rowCount: rowCount)
  }

  private func writeDelta(_ fit: FrameFit, _ scratch: inout PageScratch) {
    let shifted = scratch.delta
    let lanes = PageLanes(shifted.rows.span)
    scratch.patches.gather(lanes, fit, count: count)
    let codec: PageCodec = scratch.patches.count > 0 ? .patchedDelta : .delta
    scratch.bytes.put(PageTag.packed(codec, width: fit.width))
    scratch.bytes.varint(base &+ UInt64(rows.value(0)))
    scratch.bytes.zigzag(Int64(profile.fall) + Int64(fit.offset))
    if scratch.patches.count > 0 { scratch.patches.writeHeader(&scratch.bytes) }
    writeBody(lanes, fit, &scratch)
  }

  // MARK: Step

  /// A page in two stretches, each at a level of its own: a load that was switched.
  private struct Step {
    /// The first value of the second stretch.
    var position: Int
    /// The least value of each stretch.
    var before: UInt16
    var after: UInt16
    /// The greatest value above the least of its stretch.
    var range: UInt16
  }

  /// Splits at the largest difference, when it is over half the page's range and leaves stretches
  /// of less than three quarters of it; `levels` then holds the values above the least of their
  /// stretch.
  private func findStep(_ fit: FrameFit, _ levels: inout PageRows) -> Step? {
    let range = high &- low
    guard range >= 16, fit.byteCount > 64 else { return nil }
    let largest = profile.rise > 0 &- profile.fall ? profile.rise : profile.fall
    guard Int(largest.magnitude) &* 2 > Int(range) else { return nil }
    let hits = differences.mask(low: UInt16(bitPattern: largest), span: 0)
    var position = 0
    for word in (0..<4).reversed() where hits[word] != 0 {
      position = word &* 64 &+ hits[word].trailingZeroBitCount
    }
    guard position > 0, position < count else { return nil }
    return split(at: position, fit: fit, &levels)
  }

  private func split(at position: Int, fit: FrameFit, _ levels: inout PageRows) -> Step? {
    let lanes = SIMD16<Int16>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    // Lanes of the other stretch are overlaid with a value of this one.
    let (head, tail) = (signed(rows.value(0)), signed(rows.value(position)))
    var (lowBefore, highBefore, lowAfter, highAfter) = (head, head, tail, tail)
    for row in 0..<rowCount {
      let limit = SIMD16<Int16>(repeating: Int16(truncatingIfNeeded: position &- 16 &* row))
      let isBefore = lanes .< limit
      let values = SIMD16<Int16>(truncatingIfNeeded: rows[row])
      let first = head.replacing(with: values, where: isBefore)
      let second = values.replacing(with: tail, where: isBefore)
      lowBefore.replace(with: first, where: first .< lowBefore)
      highBefore.replace(with: first, where: first .> highBefore)
      lowAfter.replace(with: second, where: second .< lowAfter)
      highAfter.replace(with: second, where: second .> highAfter)
    }
    let (before, after) = (lowBefore.min(), lowAfter.min())
    let range = UInt16(bitPattern: max(highBefore.max() &- before, highAfter.max() &- after))
    guard Int(range) * 4 < Int(high &- low) * 3 else { return nil }
    let (beforeLanes, afterLanes) = (
      SIMD16<Int16>(repeating: before), SIMD16<Int16>(repeating: after)
    )
    for row in 0..<rowCount {
      let limit = SIMD16<Int16>(repeating: Int16(truncatingIfNeeded: position &- 16 &* row))
      let level = afterLanes.replacing(with: beforeLanes, where: lanes .< limit)
      levels[row] = rows[row] &- LaneWord(truncatingIfNeeded: level)
    }
    return Step(
      position: position, before: UInt16(bitPattern: before), after: UInt16(bitPattern: after),
      range: range)
  }

  @inline(__always) private func signed(_ value: UInt16) -> SIMD16<Int16> {
    SIMD16(repeating: Int16(bitPattern: value))
  }

  private func writeStepped(_ step: Step, _ fit: FrameFit, _ scratch: inout PageScratch) {
    let levels = scratch.step
    let lanes = PageLanes(levels.rows.span)
    scratch.patches.gather(lanes, fit, count: count)
    scratch.bytes.put(PageTag.packed(.stepped, width: fit.width))
    scratch.bytes.varint(base &+ UInt64(step.before) &+ UInt64(fit.offset))
    scratch.bytes.put(UInt8(truncatingIfNeeded: step.position))
    scratch.bytes.varint(base &+ UInt64(step.after) &+ UInt64(fit.offset))
    scratch.patches.writeHeader(&scratch.bytes)
    writeBody(lanes, fit, &scratch)
  }

  // MARK: Run length

  private func writeRuns(_ bytes: inout PageBytes) {
    let width = rangeWidth
    let starts = ~differences.mask(low: 0, span: 0) & .first(count)
    bytes.put(PageTag.special(.runLength))
    bytes.put(UInt8(truncatingIfNeeded: starts.nonzeroBitCount))
    bytes.put(UInt8(truncatingIfNeeded: width))
    bytes.varint(base &+ UInt64(low))
    starts.forEachBit { bytes.put(UInt8(truncatingIfNeeded: $0)) }
    var stream = PageBytes.Bits()
    stream.put(rows.value(0) &- low, width: width, into: &bytes)
    starts.forEachBit { stream.put(rows.value($0) &- low, width: width, into: &bytes) }
    stream.finish(into: &bytes)
  }
}

/// What the pages of a section are made in, one after another.
struct PageScratch: ~Copyable {
  var bytes = PageBytes()
  var patches = NarrowPatches()
  /// Values above the level of their stretch.
  var step = PageRows()
  /// Differences above the least one.
  var delta = PageRows()
}

/// The exceptions of a narrow page, gathered before its header is written.
struct NarrowPatches: ~Copyable {
  private var positions = InlineArray<256, UInt8>(repeating: 0)
  private var codes = InlineArray<256, UInt16>(repeating: 0)
  private(set) var count = 0
  private var all: UInt16 = 0

  /// Takes what `fit` leaves outside its window.
  mutating func gather(_ rows: PageLanes, _ fit: FrameFit, count valueCount: Int) {
    (count, all) = (0, 0)
    if fit.exceptionCount == 0 { return }
    let span = UInt16(truncatingIfNeeded: (UInt32(1) << UInt32(fit.width)) &- 1)
    let outside = ~rows.mask(low: fit.offset, span: span) & .first(valueCount)
    for word in 0..<4 {
      var rest = outside[word]
      while rest != 0 {
        let position = word &* 64 &+ rest.trailingZeroBitCount
        rest &= rest &- 1
        // Above its packed bits the value has 1, -1, 2, -2 …: codes 0, 1, 2, 3 …
        let high = (Int(rows.value(position)) &- Int(fit.offset)) >> fit.width
        let code = UInt16(truncatingIfNeeded: high > 0 ? 2 &* high &- 2 : -2 &* high &- 1)
        positions[count] = UInt8(truncatingIfNeeded: position)
        codes[count] = code
        all |= code
        count &+= 1
      }
    }
  }

  private var shortCode: UInt8? {
    count <= ExceptionCode.maximumShortCount
      ? ExceptionCode.code(atLeast: UInt64(all).bitLength) : nil
  }

  private var width: Int { shortCode.map { ExceptionCode.width($0) } ?? UInt64(all).bitLength }

  // `mutating`, for a borrow of a part of an `inout` copies it.
  mutating func writeHeader(_ bytes: inout PageBytes) {
    if let shortCode {
      bytes.put(shortCode << 5 | UInt8(truncatingIfNeeded: count))
    } else {
      bytes.put(ExceptionCode.extended << 5)
      bytes.put(UInt8(truncatingIfNeeded: count))
      bytes.put(UInt8(truncatingIfNeeded: width))
    }
  }

  mutating func writeBody(_ bytes: inout PageBytes) {
    if count == 0 { return }
    // By span: a subscript with a running index copies the array.
    let (positions, codes) = (positions.span, codes.span)
    for index in 0..<count { bytes.put(positions[index]) }
    let width = width
    if width == 0 { return }
    var stream = PageBytes.Bits()
    for index in 0..<count { stream.put(codes[index], width: width, into: &bytes) }
    stream.finish(into: &bytes)
  }
}
