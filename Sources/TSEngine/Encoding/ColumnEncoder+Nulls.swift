/// Columns with nulls: few valid values go into the sparse form, else nulls repeat a neighbour and
/// the pages carry bitmaps.

extension ColumnEncoder {
  /// Appends the section of `values` to `out`, with nulls where `valid` is false; the slots there
  /// are ignored.
  /// - Returns: the column's statistics.
  package mutating func encode(
    _ values: Span<Int64>, valid: Span<Bool>, type: ColumnType, into out: inout ByteWriter
  ) -> ColumnStatistics {
    precondition(values.count == valid.count, "a flag per value")
    let validCount = Self.count(valid)
    if validCount == values.count { return encode(values, type: type, into: &out) }
    if validCount == 0 {
      out.put(SectionForm.null.rawValue)
      return ColumnStatistics(count: values.count, nullCount: values.count)
    }
    // From one valid value in four on a bitmap costs no more than the gaps.
    if validCount * 4 <= values.count {
      return encodeSparse(values, valid, validCount, type: type, into: &out)
    }
    var filled = held
    held = []
    fill(&filled, values, valid)
    let nullCount = values.count - validCount
    let start = out.count
    let statistics = encodeValid(filled.span, type: type, nullCount: nullCount, into: &out)
    held = filled
    if isCold { replaceBySparse(values, valid, validCount, type: type, from: start, into: &out) }
    return statistics
  }

  /// Pages with bitmaps have no cold form; the sparse one has, whatever share of the values is
  /// valid, for its gaps are then next to nothing.
  private mutating func replaceBySparse(
    _ values: Span<Int64>, _ valid: Span<Bool>, _ validCount: Int, type: ColumnType,
    from start: Int, into out: inout ByteWriter
  ) {
    let end = out.count
    _ = encodeSparse(values, valid, validCount, type: type, into: &out)
    if out.count - end < end - start {
      out.bytes.removeSubrange(start..<end)
    } else {
      out.bytes.removeSubrange(end...)
    }
  }

  private static func count(_ valid: Span<Bool>) -> Int {
    var count = 0
    for index in valid.indices { count &+= valid[index] ? 1 : 0 }
    return count
  }

  /// `filled` becomes `values` with nulls replaced by the valid value before, those ahead of the
  /// first valid one by that; `validity` its bitmap.
  private mutating func fill(_ filled: inout [Int64], _ values: Span<Int64>, _ valid: Span<Bool>) {
    filled.removeAll(keepingCapacity: true)
    filled.reserveCapacity(values.count)
    validity.removeAll(keepingCapacity: true)
    validity.reserveCapacity((values.count + 15) / 16)
    var neighbour: Int64 = 0
    for index in valid.indices where valid[index] {
      neighbour = values[index]
      break
    }
    for start in stride(from: 0, to: values.count, by: 16) {
      var bits: UInt16 = 0
      for index in start..<min(start + 16, values.count) {
        let isValid = valid[index]
        neighbour = isValid ? values[index] : neighbour
        bits |= (isValid ? 1 : 0) &<< UInt16(truncatingIfNeeded: index &- start)
        filled.append(neighbour)
      }
      validity.append(bits)
    }
  }

  /// The form of `SparseTable`.
  private mutating func encodeSparse(
    _ values: Span<Int64>, _ valid: Span<Bool>, _ validCount: Int, type: ColumnType,
    into out: inout ByteWriter
  ) -> ColumnStatistics {
    validity.removeAll(keepingCapacity: true)
    var (dense, gaps) = (held, runLengths)
    (held, runLengths) = ([], [])
    dense.removeAll(keepingCapacity: true)
    gaps.removeAll(keepingCapacity: true)
    var previous = 0
    for index in values.indices where valid[index] {
      dense.append(values[index])
      gaps.append(Int64(index &- previous))
      previous = index
    }
    defer { (held, runLengths) = (dense, gaps) }
    var flags: UInt8 = 0
    var exponent: Int?
    var statistics: ColumnStatistics
    if type == .float {
      var numbers = dense
      statistics = floatStatistics(dense.span, keys: &numbers)
      var decimals: [Int64] = []
      // Patches count positions in the section, which the dense values do not know.
      if let fit = DecimalFit.best(dense.span, into: &decimals), fit.patches.isEmpty {
        (exponent, numbers) = (fit.exponent, decimals)
      }
      flags = SectionFlag.float | (exponent == nil ? 0 : SectionFlag.decimal)
      dense = numbers
    } else {
      let sum = profile(dense.span)
      statistics = statisticsOfProfiles(dense.span)
      statistics.sum = sum
    }
    (statistics.count, statistics.nullCount) = (values.count, values.count - validCount)
    out.put(flags | SectionForm.sparse.rawValue)
    if let exponent { out.put(UInt8(exponent)) }
    out.varint(validCount)
    out.varint(UInt64(gaps[0]))
    var nested = ByteWriter()
    if validCount > 1 { writeFlat(gaps.span.extracting(1..<validCount), into: &nested) }
    out.varint(nested.count)
    out.append(nested.bytes)
    writeFlat(dense.span, into: &out)
    return statistics
  }
}
