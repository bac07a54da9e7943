/// Decoding pages into columns of 64-bit or 32-bit slots.
///
/// A packed page goes in two steps: its lanes into 512 bytes of 16-bit values, which stay in the
/// first-level cache, then widened and added to the reference. Exceptions are patched afterwards,
/// so the common path has no branch per value.

extension ColumnSection {
  /// Fills `out` with the slots of `pages`. Null slots hold an arbitrary value.
  ///
  /// Precondition: `out` has as many elements as the pages have values.
  package func decode(pages: Range<Int>, into out: inout MutableSpan<Int64>) {
    decodePages(pages, into: &out)
    if isFloat { mapFloats(&out) }
    patch(&out, from: pages.lowerBound &* 256)
  }

  /// As above, keeping the low 32 bits: exact where the section's bounds fit Int32.
  /// Precondition: not a float column.
  package func decode(pages: Range<Int>, into out: inout MutableSpan<Int32>) {
    precondition(!isFloat, "floats decode to 64-bit slots")
    decodePages(pages, into: &out)
  }

  /// The bounds of the whole section in held numbers fit Int32.
  package var fitsInt32: Bool {
    switch content {
    case .null: true
    case .constant(let value): Int32(exactly: value) != nil
    case .runs(let table): table.values.allSatisfy { Int32(exactly: $0) != nil }
    case .sparse(let table): table.values.allSatisfy { Int32(exactly: $0) != nil }
    case .cold(let cold): Int32(exactly: cold.minimum) != nil && Int32(exactly: cold.maximum) != nil
    case .paged(let pages):
      Int32(exactly: pages.minimum) != nil && Int32(exactly: pages.slot(pages.range)) != nil
    }
  }

  @inline(__always) private func decodePages<T: FixedWidthInteger & SIMDScalar & BitwiseCopyable>(
    _ pages: Range<Int>, into out: inout MutableSpan<T>
  ) {
    precondition(pages.lowerBound >= 0 && pages.upperBound <= pageCount, "pages of the section")
    if pages.isEmpty { return }
    let expected = min(count, pages.upperBound * 256) - pages.lowerBound * 256
    precondition(out.count == expected, "a slot per value")
    unsafe out.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      for page in pages {
        let start = (page &- pages.lowerBound) &* 256
        // SAFETY: the slots of all pages but the section's last are 256; `out` holds them all.
        unsafe decodePage(page, count: valueCount(page: page), into: base + start)
      }
    }
  }

  @inline(__always) private func decodePage<T: FixedWidthInteger & SIMDScalar & BitwiseCopyable>(
    _ page: Int, count: Int, into out: UnsafeMutablePointer<T>
  ) {
    // SAFETY (all of this function): `out` has room for `count` values.
    switch content {
    case .null: unsafe out.update(repeating: 0, count: count)
    case .constant(let value):
      unsafe out.update(repeating: T(truncatingIfNeeded: value), count: count)
    case .runs(let table):
      table.forEachRun(in: page &* 256..<page &* 256 &+ count) { rows, value in
        unsafe (out + rows.lowerBound).update(
          repeating: T(truncatingIfNeeded: value), count: rows.count)
      }
    case .sparse(let table):
      unsafe out.update(repeating: 0, count: count)
      // Positions of a page's valid values are below its count, which parsing has proved.
      table.forEach(page: page) { unsafe out[$0] = T(truncatingIfNeeded: $1) }
    case .cold(let cold):
      // Checked when opened: there are as many values as the section counts.
      for index in 0..<count {
        unsafe out[index] = T(truncatingIfNeeded: cold.values[page &* 256 &+ index])
      }
    case .paged(let pages):
      if count == 256 {
        unsafe pages.headers[page].decode(
          span, count: count, minimum: pages.minimum, divisor: pages.divisor, into: out)
      } else {
        unsafe withUnsafeTemporaryAllocation(of: T.self, capacity: 256) { scratch in
          guard let whole = scratch.baseAddress else { return }
          unsafe pages.headers[page].decode(
            span, count: count, minimum: pages.minimum, divisor: pages.divisor, into: whole)
          unsafe out.update(from: whole, count: count)
        }
      }
    }
  }

  private func mapFloats(_ out: inout MutableSpan<Int64>) {
    if let decimalExponent {
      for index in out.indices {
        let value = DecimalScale.value(out[index], exponent: decimalExponent)
        out[index] = Int64(bitPattern: value.bitPattern)
      }
    } else {
      for index in out.indices { out[index] = FloatOrder.bits(key: out[index]) }
    }
  }
}

extension PageHeader {
  /// Decodes the page into `out`, which has room for 256 values whatever `count` is: `minimum`
  /// plus `divisor` times each unit.
  @inline(never) func decode<T: FixedWidthInteger & SIMDScalar & BitwiseCopyable>(
    _ bytes: RawSpan, count: Int, minimum: Int64, divisor: UInt64, into out: UnsafeMutablePointer<T>
  ) {
    // A divisor other than 1 is applied to units afterwards; 1 merges into the reference.
    let offset: T = divisor == 1 ? T(truncatingIfNeeded: minimum) : 0
    let base = offset &+ T(truncatingIfNeeded: reference)
    // SAFETY (all of this function): `out` has room for 256 values, and rows end at 256.
    switch kind {
    case .null: unsafe out.update(repeating: T(truncatingIfNeeded: minimum), count: 256)
    case .frame:
      unsafe decodePacked(bytes, count: count, adding: base, into: out)
    case .stepped:
      unsafe decodePacked(bytes, count: count, adding: base, into: out)
      let change = T(truncatingIfNeeded: secondReference &- reference)
      for at in step..<256 { unsafe out[at] &+= change }
    case .delta:
      let step = T(truncatingIfNeeded: secondReference)
      unsafe decodePacked(bytes, count: count, adding: step, into: out)
      var value = base
      unsafe out[0] = value
      for at in 1..<256 {
        value = unsafe value &+ out[at]
        unsafe out[at] = value
      }
    case .runLength:
      unsafe decodeRuns(bytes, adding: base, into: out)
    case .dictionary:
      unsafe decodeDictionary(bytes, count: count, adding: base, into: out)
    }
    if divisor != 1 && kind != .null {
      let (scale, base) = (T(truncatingIfNeeded: divisor), T(truncatingIfNeeded: minimum))
      for at in 0..<256 { unsafe out[at] = out[at] &* scale &+ base }
    }
  }
}

extension PageHeader {
  /// Packed values plus `addend`, exceptions patched.
  @inline(never) func decodePacked<T: FixedWidthInteger & SIMDScalar & BitwiseCopyable>(
    _ bytes: RawSpan, count: Int, adding addend: T, into out: UnsafeMutablePointer<T>
  ) {
    // SAFETY (all of this function): `out` has room for 16 rows of 16; exceptions' positions are
    // single bytes.
    let raw = UnsafeMutableRawPointer(out)
    let rowCount = PageShape.rowCount(count)
    let rowStride = 16 &* MemoryLayout<T>.stride
    var page = PageRows()
    LanePacking.unpack(bytes, at: body, width: min(width, 16), rowCount: rowCount, into: &page)
    let base = SIMD16<T>(repeating: addend)
    for row in 0..<16 {
      let values = SIMD16<T>(truncatingIfNeeded: page[row]) &+ base
      unsafe raw.storeBytes(of: values, toByteOffset: row &* rowStride, as: SIMD16<T>.self)
    }
    var plane = 16
    var at = body &+ PageShape.packedByteCount(rowCount: rowCount, width: min(width, 16))
    while plane < width && plane < T.bitWidth {
      let planeWidth = min(width &- plane, 16)
      LanePacking.unpack(bytes, at: at, width: planeWidth, rowCount: rowCount, into: &page)
      for row in 0..<16 {
        var values = unsafe raw.loadUnaligned(fromByteOffset: row &* rowStride, as: SIMD16<T>.self)
        values &+= SIMD16<T>(truncatingIfNeeded: page[row]) &<< T(truncatingIfNeeded: plane)
        unsafe raw.storeBytes(of: values, toByteOffset: row &* rowStride, as: SIMD16<T>.self)
      }
      at &+= PageShape.packedByteCount(rowCount: rowCount, width: planeWidth)
      plane &+= 16
    }
    for index in 0..<exceptionCount {
      let high = T(truncatingIfNeeded: exceptionHigh(bytes, index))
      unsafe out[exceptionPosition(bytes, index)] &+= high << T(truncatingIfNeeded: width)
    }
  }

  @inline(never) func decodeRuns<T: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: RawSpan, adding addend: T, into out: UnsafeMutablePointer<T>
  ) {
    var start = 0
    for index in 0..<entryCount {
      // SAFETY: parsing has proved `entryCount - 1` ascending run starts at `body`, each below
      // 256; so start < end <= 256, the room of `out`.
      let end = index == entryCount &- 1
        ? 256 : Int(unsafe bytes.unsafeLoad(fromUncheckedByteOffset: body &+ index, as: UInt8.self))
      let value = BitStream.field(bytes, at: exceptions, width: width, index: index)
      unsafe (out + start).update(
        repeating: addend &+ T(truncatingIfNeeded: value), count: end &- start)
      start = end
    }
  }

  @inline(never) func decodeDictionary<T: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: RawSpan, count: Int, adding addend: T, into out: UnsafeMutablePointer<T>
  ) {
    var page = PageRows()
    LanePacking.unpack(
      bytes, at: body, width: codeWidth, rowCount: PageShape.rowCount(count), into: &page)
    var entries = InlineArray<256, T>(repeating: addend)
    for index in 0..<entryCount {
      entries[index] &+= T(
        truncatingIfNeeded: BitStream.field(bytes, at: exceptions, width: width, index: index))
    }
    unsafe withUnsafeBytes(of: page) { codes in
      for index in 0..<256 {
        // SAFETY: the rows are 256 16-bit codes, and `out` has room for 256 values.
        let code = unsafe codes.loadUnaligned(fromByteOffset: 2 &* index, as: UInt16.self)
        unsafe out[index] = entries[Int(code & 255)]
      }
    }
  }
}
