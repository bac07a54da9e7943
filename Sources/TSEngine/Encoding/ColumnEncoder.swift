/// Encodes one column of one block at a time into a section; keeps its scratch between calls, so
/// a page costs no allocation.
///
/// First pass: each page's bounds and sum, in 16-bit arithmetic where the page allows. Second pass:
/// the cheapest codec of each page (`NarrowPage`, `WidePage`). Docs/FORMAT.md (9) has the bytes.
package struct ColumnEncoder: Sendable {
  /// Nulls replaced by a neighbour; units of a divisor; held numbers of floats.
  var held: [Int64] = []
  private var profiles: [PageProfile] = []
  /// 16 rows a page, filled where its profile is narrow; and the differences of neighbours.
  private var lanes: [LaneWord] = []
  private var differences: [LaneWord] = []
  /// One bit a value, rows of 16; empty when all are valid.
  var validity: [UInt16] = []
  var runLengths: [Int64] = []
  private var runValues: [Int64] = []

  /// Takes the cold form where it saves: for data that are seldom read.
  package var isCold: Bool
  private var cold = ColdEncoder()

  package init(isCold: Bool = false) { self.isCold = isCold }

  /// Appends the section of `values` (1 ... 65,536 slots of `type`) to `out`.
  ///
  /// Symbols and texts go through `SymbolColumn`, which gives their local codes here as `.int`.
  /// - Returns: the column's statistics.
  package mutating func encode(
    _ values: Span<Int64>, type: ColumnType, into out: inout ByteWriter
  ) -> ColumnStatistics {
    validity.removeAll(keepingCapacity: true)
    return encodeValid(values, type: type, nullCount: 0, into: &out)
  }

  /// Appends the section of `count` equal integers to `out`. O(1).
  package mutating func encode(
    constant value: Int64, count: Int, into out: inout ByteWriter
  ) -> ColumnStatistics {
    out.put(SectionForm.constant.rawValue)
    out.zigzag(value)
    var statistics = ColumnStatistics(count: count, nullCount: 0)
    (statistics.minimum, statistics.maximum) = (value, value)
    (statistics.first, statistics.last) = (value, value)
    statistics.sum = Int128(value) * Int128(count)
    return statistics
  }

  /// `values` has no nulls or has them filled; `validity` tells them.
  mutating func encodeValid(
    _ values: Span<Int64>, type: ColumnType, nullCount: Int, into out: inout ByteWriter
  ) -> ColumnStatistics {
    precondition((1...PageShape.maximumSectionCount).contains(values.count), "a section's count")
    if type == .float { return encodeFloats(values, nullCount: nullCount, into: &out) }
    let sum = profile(values)
    var statistics = statisticsOfProfiles(values)
    statistics.nullCount = nullCount
    statistics.sum = nullCount == 0 ? sum : sumOfValid(values)
    encodeProfiled(values, flags: 0, fit: nil, into: &out)
    return statistics
  }

  // MARK: First pass

  /// Fills `profiles`, returning the sum of all values.
  mutating func profile(_ values: Span<Int64>) -> Int128 {
    profiles.removeAll(keepingCapacity: true)
    let rowCount = (values.count + 255) / 256 * 16
    if lanes.count < rowCount {
      lanes = [LaneWord](repeating: .zero, count: rowCount)
      differences = lanes
    }
    var sum: Int128 = 0
    unsafe lanes.withUnsafeMutableBufferPointer { lanes in
      unsafe differences.withUnsafeMutableBufferPointer { differences in
        guard let lanes = lanes.baseAddress, let differences = differences.baseAddress else { return }
        for start in stride(from: 0, to: values.count, by: 256) {
          // SAFETY: both have 16 rows for each page of `values`; this one starts at start / 16.
          let profile = unsafe PageProfile(
            values.extracting(start..<min(start + 256, values.count)),
            lanes: lanes + start / 16, differences: differences + start / 16)
          sum += profile.sum
          profiles.append(profile)
        }
      }
    }
    return sum
  }

  private func isValid(_ index: Int) -> Bool {
    validity.isEmpty || validity[index >> 4] >> UInt16(index & 15) & 1 != 0
  }

  private func sumOfValid(_ values: Span<Int64>) -> Int128 {
    var sum: Int128 = 0
    for start in stride(from: 0, to: values.count, by: 256) {
      // Narrow pages: 256 values of less than 2^15 above the page's base.
      let profile = profiles[start >> 8]
      let base = profile.isNarrow ? profile.base : 0
      var (above, validCount): (Int64, Int64) = (0, 0)
      for index in start..<min(start + 256, values.count) where isValid(index) {
        if profile.isNarrow {
          above &+= values[index] &- base
          validCount &+= 1
        } else {
          sum += Int128(values[index])
        }
      }
      sum += Int128(above) + Int128(base) * Int128(validCount)
    }
    return sum
  }

  /// Bounds of the pages are those of their valid values, since nulls repeat a neighbour.
  func statisticsOfProfiles(_ values: Span<Int64>) -> ColumnStatistics {
    var statistics = ColumnStatistics(count: values.count, nullCount: 0)
    var (low, high) = (Int64.max, Int64.min)
    for profile in profiles {
      low = min(low, profile.minimum)
      high = max(high, profile.maximum)
    }
    (statistics.minimum, statistics.maximum) = (low, high)
    // A null at either end repeats the valid value nearest to it.
    (statistics.first, statistics.last) = (values[0], values[values.count - 1])
    return statistics
  }

  // MARK: Section forms

  /// Writes the section of values whose `profiles` are up to date.
  private mutating func encodeProfiled(
    _ values: Span<Int64>, flags: UInt8, fit: DecimalFit?, into out: inout ByteWriter
  ) {
    // A page may start with another value than the one before it ended with: one change more.
    var (low, high, changes) = (Int64.max, Int64.min, profiles.count)
    for profile in profiles {
      low = min(low, profile.minimum)
      high = max(high, profile.maximum)
      changes += profile.changeCount
    }
    if low == high && validity.isEmpty {
      out.put(flags | SectionForm.constant.rawValue)
      fit?.write(into: &out)
      out.zigzag(low)
      return
    }
    let start = out.count
    let isPackedWell = writePaged(values, low, high, flags: flags, fit, into: &out)
    if validity.isEmpty && changes * 8 <= values.count {
      replaceByRuns(values, from: start, flags: flags, fit, into: &out)
    }
    if !isPackedWell, let smaller = SectionLZ4.compress(out.bytes[start...]) {
      out.bytes.removeSubrange(start...)
      out.append(smaller)
    }
    replaceByCold(
      values, .init(minimum: low, range: UInt64(bitPattern: high &- low), divisor: 1), from: start,
      flags: flags, fit, into: &out)
  }

  /// Replaces the section from `start` on by the cold form where that saves enough to pay for its
  /// slower reading.
  private mutating func replaceByCold(
    _ values: Span<Int64>, _ head: ColumnSection.Pages.Head, from start: Int, flags: UInt8,
    _ fit: DecimalFit?, into out: inout ByteWriter
  ) {
    let packed = out.count - start
    guard isCold, validity.isEmpty, packed >= Self.leastColdByteCount else { return }
    var head = head
    head.divisor = CommonDivisor.of(values, minimum: head.minimum)
    head.range /= head.divisor
    let limit = packed - packed * Self.leastColdPercent / 100
    let end = out.count
    if cold.encode(values, head, flags: flags, fit, limit: limit, into: &out) {
      out.bytes.removeSubrange(start..<end)
    }
  }

  /// Below, tables outweigh what they save.
  private static let leastColdByteCount = 64
  private static let leastColdPercent = 3

  /// True when lanes hold all pages well, so that LZ4 need not be tried.
  private mutating func writePaged(
    _ values: Span<Int64>, _ low: Int64, _ high: Int64, flags: UInt8, _ fit: DecimalFit?,
    into out: inout ByteWriter
  ) -> Bool {
    var flags = flags
    let divisor = CommonDivisor.of(values, minimum: low)
    if divisor > 1 { flags |= SectionFlag.divisor }
    out.put(flags | SectionForm.paged.rawValue)
    fit?.write(into: &out)
    let range = UInt64(bitPattern: high &- low) / divisor
    ColumnSection.Pages.Head(minimum: low, range: range, divisor: divisor).write(into: &out)
    guard divisor > 1 else { return writePages(values, minimum: low, into: &out) }
    var units: [Int64] = []
    units.reserveCapacity(values.count)
    // Units may exceed Int64.max only for a divisor of 1; here they are below 2^63.
    for index in values.indices {
      units.append(Int64(bitPattern: UInt64(bitPattern: values[index] &- low) / divisor))
    }
    _ = profile(units.span)
    return writePages(units.span, minimum: 0, into: &out)
  }

  private mutating func writePages(
    _ values: Span<Int64>, minimum: Int64, into out: inout ByteWriter
  ) -> Bool {
    var isPackedWell = true
    var scratch = PageScratch()
    for page in profiles.indices {
      let rows = page * 256..<min(page * 256 + 256, values.count)
      if !validity.isEmpty, !writeValidity(rows, into: &out) { continue }
      let profile = profiles[page]
      if profile.minimum == profile.maximum {
        out.put(PageTag.packed(.frame, width: 0))
        out.varint(UInt64(bitPattern: profile.minimum &- minimum))
      } else if profile.isNarrow {
        let ofPage = page * 16..<page * 16 + 16
        let narrow = NarrowPage(
          PageLanes(lanes.span.extracting(ofPage)),
          differences: PageLanes(differences.span.extracting(ofPage)), profile,
          count: rows.count, minimum: minimum)
        narrow.write(&scratch)
        scratch.bytes.flush(into: &out)
      } else {
        WidePage(values, rows, above: minimum).write(changes: profile.changeCount, into: &out)
        // LZ4 over the section may do better.
        isPackedWell = false
      }
    }
    return isPackedWell
  }

  /// Writes the bitmap of a mixed page or the tag of a null one; false for the latter.
  private func writeValidity(_ rows: Range<Int>, into out: inout ByteWriter) -> Bool {
    let words = rows.lowerBound >> 4..<(rows.upperBound + 15) >> 4
    var validCount = 0
    for word in words { validCount += validity[word].nonzeroBitCount }
    if validCount == rows.count { return true }
    if validCount == 0 {
      out.put(PageTag.special(.null))
      return false
    }
    out.put(PageTag.special(.validity))
    for word in words { out.put(validity[word]) }
    return true
  }

  /// Replaces the paged section from `start` on by the runs form where that is smaller.
  private mutating func replaceByRuns(
    _ values: Span<Int64>, from start: Int, flags: UInt8, _ fit: DecimalFit?,
    into out: inout ByteWriter
  ) {
    var (lengths, runs) = (runLengths, runValues)
    (runLengths, runValues) = ([], [])
    lengths.removeAll(keepingCapacity: true)
    runs.removeAll(keepingCapacity: true)
    var runStart = 0
    for index in 1..<values.count where values[index] != values[index - 1] {
      lengths.append(Int64(index - runStart))
      runs.append(values[runStart])
      runStart = index
    }
    lengths.append(Int64(values.count - runStart))
    runs.append(values[runStart])
    var nested = ByteWriter()
    writeFlat(lengths.span, into: &nested)
    let lengthBytes = nested.count
    writeFlat(runs.span, into: &nested)
    var form = ByteWriter(reserving: nested.count + 8)
    form.put(flags | SectionForm.runs.rawValue)
    fit?.write(into: &form)
    form.varint(lengths.count)
    form.varint(lengthBytes)
    form.append(nested.bytes)
    if form.count < out.count - start {
      out.bytes.removeSubrange(start...)
      out.append(form.bytes)
    }
    (runLengths, runValues) = (lengths, runs)
  }

  /// A constant or paged section without nulls, as runs nest.
  mutating func writeFlat(_ values: Span<Int64>, into out: inout ByteWriter) {
    _ = profile(values)
    var (low, high) = (Int64.max, Int64.min)
    for profile in profiles {
      low = min(low, profile.minimum)
      high = max(high, profile.maximum)
    }
    if low == high {
      out.put(SectionForm.constant.rawValue)
      out.zigzag(low)
    } else {
      let start = out.count
      _ = writePaged(values, low, high, flags: 0, nil, into: &out)
      replaceByCold(
        values, .init(minimum: low, range: UInt64(bitPattern: high &- low), divisor: 1),
        from: start, flags: 0, nil, into: &out)
    }
  }

  // MARK: Floats

  private mutating func encodeFloats(
    _ values: Span<Int64>, nullCount: Int, into out: inout ByteWriter
  ) -> ColumnStatistics {
    var numbers: [Int64] = []
    var statistics = floatStatistics(values, keys: &numbers)
    statistics.nullCount = nullCount
    if let fit = DecimalFit.best(values, into: &numbers) {
      let flags = SectionFlag.decimal | (fit.patches.isEmpty ? 0 : SectionFlag.patched)
      _ = profile(numbers.span)
      encodeProfiled(numbers.span, flags: SectionFlag.float | flags, fit: fit, into: &out)
    } else {
      encodeProfiled(numbers.span, flags: SectionFlag.float, fit: nil, into: &out)
    }
    return statistics
  }

  /// Statistics of doubles without regard to nulls; `keys` becomes their keys, as profiled.
  mutating func floatStatistics(
    _ values: Span<Int64>, keys: inout [Int64]
  ) -> ColumnStatistics {
    keys.removeAll(keepingCapacity: true)
    keys.reserveCapacity(values.count)
    for index in values.indices { keys.append(FloatOrder.key(bits: values[index])) }
    _ = profile(keys.span)
    var statistics = statisticsOfProfiles(keys.span)
    statistics.isFloat = true
    return statistics
  }
}
