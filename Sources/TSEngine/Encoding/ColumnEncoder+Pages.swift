/// The choice of a page's codec: the smallest wins, of equals the one that decodes fastest.
///
/// Narrow pages (span below 2^15) are judged in 16-bit lanes; costlier candidates are looked at
/// only where a cheap count says that they may win.

extension ColumnEncoder {
  /// Writes the page `values[rows]`; units are values minus `minimum`. False when the page is wide
  /// and LZ4 over the section may do better.
  func writePage(
    _ values: Span<Int64>, _ rows: Range<Int>, _ profile: PageProfile, minimum: Int64,
    into out: inout ByteWriter
  ) -> Bool {
    let reference = UInt64(bitPattern: profile.minimum &- minimum)
    if profile.minimum == profile.maximum {
      out.put(PageTag.packed(.frame, width: 0))
      out.varint(reference)
      return true
    }
    guard profile.isNarrow else {
      WidePage(values, rows, above: minimum).write(changes: profile.changeCount, into: &out)
      return false
    }
    var page = PageRows()
    _ = page.load(values, rows, above: profile.minimum, limit: 1 << 15)
    let narrow = NarrowPage(
      rows: page, range: UInt16(truncatingIfNeeded: profile.maximum &- profile.minimum),
      count: rows.count, reference: reference)
    narrow.write(into: &out)
    return true
  }
}

/// A page whose values are `reference` + 0 ... `range`, `range` below 2^15.
struct NarrowPage {
  var rows: PageRows
  var range: UInt16
  var count: Int
  var reference: UInt64

  private var rowCount: Int { PageShape.rowCount(count) }

  func write(into out: inout ByteWriter) {
    let frame = FrameFit.best(rows, range: range, rowCount: rowCount)
    var best = frame.byteCount
    guard best > 4 else { return writeFrame(frame, into: &out) }
    let differences = rows.differences()
    let changes = FrameFit.countOutside(differences, offset: 0, size: 1, rowCount: rowCount)
    let runBytes = 2 + changes + BitStream.byteCount(changes + 1, width: UInt64(range).bitLength)
    let runsWin = changes < 256 && runBytes < best
    if runsWin { best = runBytes }

    let step = Step.find(rows, differences, range: range, count: count, fit: frame)
    var stepped = FrameFit()
    if let step {
      stepped = FrameFit.best(step.rows, range: step.range, rowCount: rowCount)
      // Step position, second reference, exception byte.
      stepped.byteCount += 3 + (stepped.exceptionCount == 0 ? 1 : 0)
    }
    let stepWins = step != nil && stepped.byteCount < best
    if stepWins { best = stepped.byteCount }

    if let (delta, low, shifted) = deltaFit(differences, against: best, width: frame.width),
      delta.byteCount + 2 < best
    {
      writeDelta(delta, low: low, rows: shifted, into: &out)
    } else if stepWins, let step {
      writeStepped(step, stepped, into: &out)
    } else if runsWin {
      writeRuns(differences, into: &out)
    } else {
      writeFrame(frame, into: &out)
    }
  }

  // MARK: Frame

  private func writeFrame(_ fit: FrameFit, into out: inout ByteWriter) {
    let patches = Patches(rows, fit, count: count)
    out.put(PageTag.packed(patches.count > 0 ? .patchedFrame : .frame, width: fit.width))
    out.varint(reference &+ UInt64(fit.offset))
    if patches.count > 0 { patches.writeHeader(into: &out) }
    writeBody(rows, fit, patches, into: &out)
  }

  private func writeBody(
    _ rows: PageRows, _ fit: FrameFit, _ patches: Patches, into out: inout ByteWriter
  ) {
    var lows = rows
    lows.subtract(fit.offset)
    LanePacking.pack(lows, width: fit.width, rowCount: rowCount, into: &out.bytes)
    patches.writeBody(into: &out)
  }

  // MARK: Delta

  private func deltaFit(
    _ differences: PageRows, against best: Int, width: Int
  ) -> (FrameFit, low: Int16, rows: PageRows)? {
    guard count > 2, width > 1 else { return nil }
    // The first difference is not used and the padding's not read: both take the second value's,
    // so that they never count as exceptions.
    var rows = differences
    let filler = rows.value(1)
    rows[0][0] = filler
    for index in count..<16 &* rowCount { rows[index >> 4][index & 15] = filler }
    // Cheap look first: with one bit less than the frame, would few enough be left outside?
    let size = UInt16(1) &<< UInt16(truncatingIfNeeded: width &- 1)
    let centre = rows.value(count >> 1)
    let outside = min(
      FrameFit.countOutside(rows, offset: 0 &- size >> 1, size: size, rowCount: rowCount),
      FrameFit.countOutside(rows, offset: centre &- size >> 1, size: size, rowCount: rowCount))
    guard 2 * rowCount * (width - 1) + outside < best else { return nil }
    let bounds = rows.signedBounds(rowCount: rowCount)
    let span = Int(bounds.high) - Int(bounds.low)
    guard span < 1 << 15 else { return nil }
    rows.subtract(UInt16(bitPattern: bounds.low))
    let fit = FrameFit.best(rows, range: UInt16(span), rowCount: rowCount)
    return (fit, bounds.low, rows)
  }

  private func writeDelta(
    _ fit: FrameFit, low: Int16, rows shifted: PageRows, into out: inout ByteWriter
  ) {
    let patches = Patches(shifted, fit, count: count)
    out.put(PageTag.packed(patches.count > 0 ? .patchedDelta : .delta, width: fit.width))
    out.varint(reference &+ UInt64(rows.value(0)))
    out.zigzag(Int64(low) + Int64(fit.offset))
    if patches.count > 0 { patches.writeHeader(into: &out) }
    writeBody(shifted, fit, patches, into: &out)
  }

  // MARK: Step

  private func writeStepped(_ step: Step, _ fit: FrameFit, into out: inout ByteWriter) {
    let patches = Patches(step.rows, fit, count: count)
    out.put(PageTag.packed(.stepped, width: fit.width))
    out.varint(reference &+ UInt64(step.before) &+ UInt64(fit.offset))
    out.put(UInt8(truncatingIfNeeded: step.position))
    out.varint(reference &+ UInt64(step.after) &+ UInt64(fit.offset))
    patches.writeHeader(into: &out)
    writeBody(step.rows, fit, patches, into: &out)
  }

  // MARK: Run length

  private func writeRuns(_ differences: PageRows, into out: inout ByteWriter) {
    let width = UInt64(range).bitLength
    let starts = ~LaneCompare.mask(differences, low: 0, span: 0) & .first(count)
    out.put(PageTag.special(.runLength))
    out.put(UInt8(truncatingIfNeeded: starts.nonzeroBitCount))
    out.put(UInt8(truncatingIfNeeded: width))
    out.varint(reference)
    starts.forEachBit { out.put(UInt8(truncatingIfNeeded: $0)) }
    var stream = BitStream.Writer()
    stream.put(UInt64(rows.value(0)), width: width, into: &out.bytes)
    starts.forEachBit { stream.put(UInt64(rows.value($0)), width: width, into: &out.bytes) }
    stream.finish(into: &out.bytes)
  }
}

/// A page in two stretches, each at a level of its own: a load that was switched.
struct Step {
  /// The first value of the second stretch.
  var position: Int
  /// Values minus the least of their stretch.
  var rows: PageRows
  var range: UInt16
  /// The least value of each stretch.
  var before: UInt16
  var after: UInt16

  /// Splits at the largest difference, when it is over half the page's range and both stretches
  /// are narrower than what `fit` packs.
  static func find(
    _ rows: PageRows, _ differences: PageRows, range: UInt16, count: Int, fit: FrameFit
  ) -> Step? {
    guard range >= 16, fit.byteCount > 64 else { return nil }
    let rowCount = PageShape.rowCount(count)
    let bounds = differences.signedBounds(rowCount: rowCount)
    let largest = bounds.high > 0 &- bounds.low ? bounds.high : bounds.low
    guard Int(largest.magnitude) &* 2 > Int(range) else { return nil }
    let hits = LaneCompare.mask(differences, low: UInt16(bitPattern: largest), span: 0)
    var position = 0
    for word in (0..<4).reversed() where hits[word] != 0 {
      position = word &* 64 &+ hits[word].trailingZeroBitCount
    }
    guard position > 0, position < count else { return nil }
    return split(rows, at: position, rowCount: rowCount, fit: fit)
  }

  private static func split(
    _ rows: PageRows, at position: Int, rowCount: Int, fit: FrameFit
  ) -> Step? {
    // Lanes of the other stretch are overlaid with a value of this one.
    var (first, second) = (rows, rows)
    let (head, tail) = (LaneWord(repeating: rows.value(0)), LaneWord(repeating: rows.value(position)))
    var lanes = LaneWord.zero
    for lane in 0..<16 { lanes[lane] = UInt16(lane) }
    let limit = LaneWord(repeating: UInt16(position))
    let values = rows.rows.span
    for row in 0..<rowCount {
      let isBefore = (lanes &+ LaneWord(repeating: UInt16(16 &* row))) .< limit
      first[row] = head.replacing(with: values[row], where: isBefore)
      second[row] = values[row].replacing(with: tail, where: isBefore)
    }
    let (a, b) = (first.signedBounds(rowCount: rowCount), second.signedBounds(rowCount: rowCount))
    let range = UInt16(bitPattern: max(a.high &- a.low, b.high &- b.low))
    guard UInt64(range).bitLength < fit.width + 2 else { return nil }
    var split = rows
    let (low, high) = (UInt16(bitPattern: a.low), UInt16(bitPattern: b.low))
    for row in 0..<rowCount {
      let isBefore = (lanes &+ LaneWord(repeating: UInt16(16 &* row))) .< limit
      split[row] &-= LaneWord(repeating: high).replacing(with: LaneWord(repeating: low), where: isBefore)
    }
    return Step(position: position, rows: split, range: range, before: low, after: high)
  }
}

/// The exceptions of a page, gathered before its header is written.
struct Patches {
  private var positions = InlineArray<256, UInt8>(repeating: 0)
  private var codes = InlineArray<256, UInt64>(repeating: 0)
  private(set) var count = 0
  private var all: UInt64 = 0

  init() {}

  init(_ rows: PageRows, _ fit: FrameFit, count valueCount: Int) {
    if fit.exceptionCount == 0 { return }
    let span = UInt16(truncatingIfNeeded: (UInt32(1) << UInt32(fit.width)) &- 1)
    let outside = ~LaneCompare.mask(rows, low: fit.offset, span: span) & .first(valueCount)
    let values = rows.rows.span
    outside.forEachBit { position in
      let high = (Int(values[position >> 4][position & 15]) &- Int(fit.offset)) >> fit.width
      add(position: position, high: Int64(high))
    }
  }

  /// `high` is what the value has above its packed bits, not 0.
  mutating func add(position: Int, high: Int64) {
    let code = high > 0 ? UInt64(bitPattern: high &- 1) &* 2 : UInt64(bitPattern: -high) &* 2 &- 1
    positions[count] = UInt8(truncatingIfNeeded: position)
    codes[count] = code
    all |= code
    count += 1
  }

  private var shortCode: UInt8? {
    count <= ExceptionCode.maximumShortCount ? ExceptionCode.code(atLeast: all.bitLength) : nil
  }

  private var width: Int { shortCode.map { ExceptionCode.width($0) } ?? all.bitLength }

  func writeHeader(into out: inout ByteWriter) {
    if let shortCode {
      out.put(shortCode << 5 | UInt8(truncatingIfNeeded: count))
    } else {
      out.put(ExceptionCode.extended << 5)
      out.put(UInt8(truncatingIfNeeded: count))
      out.put(UInt8(truncatingIfNeeded: width))
    }
  }

  func writeBody(into out: inout ByteWriter) {
    if count == 0 { return }
    for index in 0..<count { out.bytes.append(positions[index]) }
    let width = width
    if width == 0 { return }
    var stream = BitStream.Writer()
    for index in 0..<count { stream.put(codes[index], width: width, into: &out.bytes) }
    stream.finish(into: &out.bytes)
  }
}
