/// A page that spans 2^15 or more: units of up to 64 bits, judged one by one.
struct WidePage {
  private var units = InlineArray<256, UInt64>(repeating: 0)
  private let count: Int

  private var rowCount: Int { PageShape.rowCount(count) }

  /// Repeats the last value to the end of the page.
  init(_ values: Span<Int64>, _ rows: Range<Int>, above minimum: Int64) {
    count = rows.count
    for index in 0..<256 {
      let value = values[min(rows.lowerBound &+ index, rows.upperBound &- 1)]
      units[index] = UInt64(bitPattern: value &- minimum)
    }
  }

  func write(changes: Int, into out: inout ByteWriter) {
    // Spans throughout: reading an element of an inline array may copy all of it.
    let units = self.units.span
    var low = UInt64.max
    for index in 0..<256 { low = min(low, units[index]) }
    let frame = Fit(units, above: low, rowCount: rowCount)
    var best = frame.byteCount

    var runStarts = PageMask.zero
    for index in 1..<count where units[index] != units[index - 1] {
      runStarts.set(bit: index, to: true)
    }
    let runCount = runStarts.nonzeroBitCount + 1
    let entryWidth = frame.maximum.bitLength
    let runBytes = 1 + runCount + BitStream.byteCount(runCount, width: entryWidth)
    let runsWin = runBytes < best
    if runsWin { best = runBytes }

    let dictionary = Dictionary(units, count: count)
    let dictionaryBytes = dictionary.map {
      2 + BitStream.byteCount($0.entryCount, width: entryWidth)
        + PageShape.packedByteCount(rowCount: rowCount, width: $0.codeWidth)
    }
    let dictionaryWins = dictionaryBytes.map { $0 < best } ?? false
    if dictionaryWins, let dictionaryBytes { best = dictionaryBytes }

    let delta = Delta(units, count: count)
    if delta.byteCount < best {
      delta.write(into: &out)
    } else if dictionaryWins, let dictionary {
      dictionary.write(units, above: low, width: entryWidth, rowCount: rowCount, into: &out)
    } else if runsWin {
      writeRuns(runStarts, above: low, width: entryWidth, into: &out)
    } else {
      let patches = frame.patches(units, above: low, count: count)
      out.put(PageTag.packed(patches.count > 0 ? .patchedFrame : .frame, width: frame.width))
      if frame.width > 16 { out.put(UInt8(truncatingIfNeeded: frame.width)) }
      out.varint(low)
      if patches.count > 0 { patches.writeHeader(into: &out) }
      Self.pack(units, above: low, width: frame.width, rowCount: rowCount, into: &out)
      patches.writeBody(into: &out)
    }
  }

  private func writeRuns(
    _ starts: PageMask, above low: UInt64, width: Int, into out: inout ByteWriter
  ) {
    out.put(PageTag.special(.runLength))
    out.put(UInt8(truncatingIfNeeded: starts.nonzeroBitCount))
    out.put(UInt8(truncatingIfNeeded: width))
    out.varint(low)
    starts.forEachBit { out.put(UInt8(truncatingIfNeeded: $0)) }
    var stream = BitStream.Writer()
    let units = self.units.span
    stream.put(units[0] &- low, width: width, into: &out.bytes)
    for index in 1..<count where starts.contains(bit: index) {
      stream.put(units[index] &- low, width: width, into: &out.bytes)
    }
    stream.finish(into: &out.bytes)
  }

  /// Packs the low `width` bits of values minus `low`, plane by plane of 16 bits.
  static func pack(
    _ values: Span<UInt64>, above low: UInt64, width: Int, rowCount: Int,
    into out: inout ByteWriter
  ) {
    var rows = PageRows()
    var packed = PageBytes()
    var plane = 0
    while plane < width {
      for row in 0..<16 {
        var word = LaneWord.zero
        for lane in 0..<16 {
          word[lane] = UInt16(
            truncatingIfNeeded: (values[16 &* row &+ lane] &- low) &>> UInt64(plane))
        }
        rows[row] = word
      }
      packed.pack(
        PageLanes(rows.rows.span), minus: 0, width: min(width - plane, 16), rowCount: rowCount)
      packed.flush(into: &out)
      plane += 16
    }
  }
}

extension WidePage {
  /// The best width for values above their least one; exceptions lie above only.
  struct Fit {
    var width = 64
    var byteCount = Int.max
    /// The largest value.
    var maximum: UInt64 = 0

    init(_ values: Span<UInt64>, above low: UInt64, rowCount: Int) {
      // longer[w] counts values of more than w bits.
      var longer = InlineArray<66, Int>(repeating: 0)
      for index in 0..<16 * rowCount {
        let value = values[index] &- low
        maximum = max(maximum, value)
        longer[value.bitLength] += 1
      }
      var outside = 0
      for candidate in (0...64).reversed() {
        // `outside` counts values of more than `candidate` bits here.
        let bytes = PageShape.packedByteCount(rowCount: rowCount, width: candidate)
        let high = candidate < 64 ? maximum >> UInt64(candidate) : 0
        if outside < 256, high < 1 << 62 {
          let codeBits = high > 0 ? ((high - 1) * 2).bitLength : 0
          let extra = outside == 0 ? 0 : 3 + outside + BitStream.byteCount(outside, width: codeBits)
          if bytes + extra < byteCount { (width, byteCount) = (candidate, bytes + extra) }
        }
        outside += longer[candidate]
      }
    }

    func patches(
      _ values: Span<UInt64>, above low: UInt64, count: Int
    ) -> Patches {
      var patches = Patches()
      guard width < 64 else { return patches }
      for index in 0..<count {
        let high = (values[index] &- low) >> UInt64(width)
        if high != 0 { patches.add(position: index, high: Int64(bitPattern: high)) }
      }
      return patches
    }
  }

  /// First differences, modulo 2^64.
  struct Delta {
    private var differences = InlineArray<256, UInt64>(repeating: 0)
    private let count: Int
    private let first: UInt64
    private let low: Int64
    private let narrow: (rows: PageRows, fit: FrameFit)?
    private let wide: Fit
    let byteCount: Int

    init(_ units: Span<UInt64>, count: Int) {
      self.count = count
      first = units[0]
      let rowCount = PageShape.rowCount(count)
      var (low, high) = (Int64.max, Int64.min)
      for index in 1..<max(count, 2) {
        let difference = Int64(bitPattern: units[index] &- units[index - 1])
        differences[index] = UInt64(bitPattern: difference)
        low = min(low, difference)
        high = max(high, difference)
      }
      // Not used, or not read: never an exception.
      differences[0] = differences[1]
      for index in count..<256 { differences[index] = differences[1] }
      self.low = low
      let span = UInt64(bitPattern: high) &- UInt64(bitPattern: low)
      if span < 1 << 15 {
        var rows = PageRows()
        let steps = differences.span
        for row in 0..<16 {
          var word = LaneWord.zero
          for lane in 0..<16 {
            word[lane] = UInt16(
              truncatingIfNeeded: steps[16 &* row &+ lane] &- UInt64(bitPattern: low))
          }
          rows[row] = word
        }
        let mean = (Int64(bitPattern: units[count - 1] &- units[0]) / Int64(max(count - 1, 1))) &- low
        let fit = FrameFit.best(
          PageLanes(rows.rows.span), low: 0, high: UInt16(span),
          mean: UInt16(truncatingIfNeeded: mean), rowCount: rowCount)
        narrow = (rows, fit)
        wide = Fit(differences.span, above: UInt64(bitPattern: low), rowCount: rowCount)
        byteCount = fit.byteCount + 3
      } else {
        narrow = nil
        wide = Fit(differences.span, above: UInt64(bitPattern: low), rowCount: rowCount)
        byteCount = wide.byteCount + 4
      }
    }

    func write(into out: inout ByteWriter) {
      let rowCount = PageShape.rowCount(count)
      let base = UInt64(bitPattern: low)
      let patches: Patches
      let width: Int
      var offset: Int64 = 0
      if let narrow {
        patches = Patches(narrow.rows, narrow.fit, count: count)
        (width, offset) = (narrow.fit.width, Int64(narrow.fit.offset))
      } else {
        patches = wide.patches(differences.span, above: base, count: count)
        width = wide.width
      }
      out.put(PageTag.packed(patches.count > 0 ? .patchedDelta : .delta, width: width))
      if width > 16 { out.put(UInt8(truncatingIfNeeded: width)) }
      out.varint(first)
      out.zigzag(low &+ offset)
      if patches.count > 0 { patches.writeHeader(into: &out) }
      WidePage.pack(
        differences.span, above: UInt64(bitPattern: low &+ offset), width: width, rowCount: rowCount,
        into: &out)
      patches.writeBody(into: &out)
    }
  }

  /// Up to 128 distinct values, in order of appearance.
  struct Dictionary {
    private var entries = InlineArray<128, UInt64>(repeating: 0)
    private var codes = PageRows()
    private(set) var entryCount = 0

    var codeWidth: Int { UInt64(entryCount - 1).bitLength }

    /// Nil when there are more.
    init?(_ units: Span<UInt64>, count: Int) {
      // Open addressing; a slot holds an entry's number plus one.
      var slots = InlineArray<512, UInt8>(repeating: 0)
      for index in 0..<count {
        let unit = units[index]
        var at = Int(truncatingIfNeeded: (unit &* 0x9E37_79B9_7F4A_7C15) >> 55)
        while slots[at] != 0, entries.span[Int(slots[at]) - 1] != unit { at = (at + 1) & 511 }
        if slots[at] == 0 {
          if entryCount == 128 { return nil }
          entries[entryCount] = unit
          entryCount += 1
          slots[at] = UInt8(entryCount)
        }
        codes[index >> 4][index & 15] = UInt16(slots[at]) - 1
      }
    }

    func write(
      _ units: Span<UInt64>, above low: UInt64, width: Int, rowCount: Int,
      into out: inout ByteWriter
    ) {
      out.put(PageTag.special(.dictionary))
      out.put(UInt8(truncatingIfNeeded: entryCount - 1))
      out.put(UInt8(truncatingIfNeeded: width))
      out.varint(low)
      var stream = BitStream.Writer()
      for index in 0..<entryCount {
        stream.put(entries[index] &- low, width: width, into: &out.bytes)
      }
      stream.finish(into: &out.bytes)
      var packed = PageBytes()
      packed.pack(PageLanes(codes.rows.span), minus: 0, width: codeWidth, rowCount: rowCount)
      packed.flush(into: &out)
    }
  }
}

/// The exceptions of a wide page, gathered before its header is written.
struct Patches {
  private var positions = InlineArray<256, UInt8>(repeating: 0)
  private var codes = InlineArray<256, UInt64>(repeating: 0)
  private(set) var count = 0
  private var all: UInt64 = 0

  init() {}

  init(_ rows: PageRows, _ fit: FrameFit, count valueCount: Int) {
    if fit.exceptionCount == 0 { return }
    let span = UInt16(truncatingIfNeeded: (UInt32(1) << UInt32(fit.width)) &- 1)
    let outside = ~PageLanes(rows.rows.span).mask(low: fit.offset, span: span) & .first(valueCount)
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
