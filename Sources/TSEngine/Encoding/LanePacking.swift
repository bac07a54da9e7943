/// Bit packing in 16 lanes of 16-bit words, the inner loop of every scan.
///
/// Lane l of a packed page is a stream of bits, least significant first, that holds the values of
/// rows 0, 1, 2 … one after another; the streams' 16-bit words are interleaved by lane, so one
/// 32-byte word vector serves 16 values and all lanes shift alike. Each width has a kernel of its
/// own with constant shifts: no branch or table per value.
/// Source: D. Lemire, L. Boytsov, "Decoding billions of integers per second through
/// vectorization", 2015; the order of lanes is ours.

package typealias LaneWord = SIMD16<UInt16>

/// The 256 values of a page below 2^16, row by row.
///
/// Loops over a page that is not a local variable go by `rows.span`: a subscript with a running
/// index copies the 512 bytes each time.
struct PageRows {
  var rows = InlineArray<16, LaneWord>(repeating: .zero)

  @inline(__always) subscript(row: Int) -> LaneWord {
    get { rows[row] }
    set { rows[row] = newValue }
  }
}

enum LanePacking {
  /// The values of `rowCount` rows packed with `width` (0 ... 16) bits at `offset`; rows beyond
  /// stay as they are.
  ///
  /// Precondition: `offset + PageShape.packedByteCount(rowCount:width:) <= bytes.byteCount`, which
  /// `PageHeader` has checked when the section was opened.
  static func unpack(
    _ bytes: RawSpan, at offset: Int, width: Int, rowCount: Int, into page: inout PageRows
  ) {
    guard rowCount == 16 else {
      for row in 0..<rowCount {
        page[row] = unpackedRow(bytes, offset, width: width, row: row)
      }
      return
    }
    switch width {
    case 0: page = PageRows()
    case 1: unpack1(bytes, offset, &page)
    case 2: unpack2(bytes, offset, &page)
    case 3: unpack3(bytes, offset, &page)
    case 4: unpack4(bytes, offset, &page)
    case 5: unpack5(bytes, offset, &page)
    case 6: unpack6(bytes, offset, &page)
    case 7: unpack7(bytes, offset, &page)
    case 8: unpack8(bytes, offset, &page)
    case 9: unpack9(bytes, offset, &page)
    case 10: unpack10(bytes, offset, &page)
    case 11: unpack11(bytes, offset, &page)
    case 12: unpack12(bytes, offset, &page)
    case 13: unpack13(bytes, offset, &page)
    case 14: unpack14(bytes, offset, &page)
    case 15: unpack15(bytes, offset, &page)
    default: unpack16(bytes, offset, &page)
    }
  }

  // A function each: in one, the optimizer's alias analysis takes minutes for 16 x 16 rows.
  @inline(never) private static func unpack1(_ b: RawSpan, _ at: Int, _ page: inout PageRows) {
    unpackAll(b, at, width: 1, into: &page)
  }
  @inline(never) private static func unpack2(_ b: RawSpan, _ at: Int, _ page: inout PageRows) {
    unpackAll(b, at, width: 2, into: &page)
  }
  @inline(never) private static func unpack3(_ b: RawSpan, _ at: Int, _ page: inout PageRows) {
    unpackAll(b, at, width: 3, into: &page)
  }
  @inline(never) private static func unpack4(_ b: RawSpan, _ at: Int, _ page: inout PageRows) {
    unpackAll(b, at, width: 4, into: &page)
  }
  @inline(never) private static func unpack5(_ b: RawSpan, _ at: Int, _ page: inout PageRows) {
    unpackAll(b, at, width: 5, into: &page)
  }
  @inline(never) private static func unpack6(_ b: RawSpan, _ at: Int, _ page: inout PageRows) {
    unpackAll(b, at, width: 6, into: &page)
  }
  @inline(never) private static func unpack7(_ b: RawSpan, _ at: Int, _ page: inout PageRows) {
    unpackAll(b, at, width: 7, into: &page)
  }
  @inline(never) private static func unpack8(_ b: RawSpan, _ at: Int, _ page: inout PageRows) {
    unpackAll(b, at, width: 8, into: &page)
  }
  @inline(never) private static func unpack9(_ b: RawSpan, _ at: Int, _ page: inout PageRows) {
    unpackAll(b, at, width: 9, into: &page)
  }
  @inline(never) private static func unpack10(_ b: RawSpan, _ at: Int, _ page: inout PageRows) {
    unpackAll(b, at, width: 10, into: &page)
  }
  @inline(never) private static func unpack11(_ b: RawSpan, _ at: Int, _ page: inout PageRows) {
    unpackAll(b, at, width: 11, into: &page)
  }
  @inline(never) private static func unpack12(_ b: RawSpan, _ at: Int, _ page: inout PageRows) {
    unpackAll(b, at, width: 12, into: &page)
  }
  @inline(never) private static func unpack13(_ b: RawSpan, _ at: Int, _ page: inout PageRows) {
    unpackAll(b, at, width: 13, into: &page)
  }
  @inline(never) private static func unpack14(_ b: RawSpan, _ at: Int, _ page: inout PageRows) {
    unpackAll(b, at, width: 14, into: &page)
  }
  @inline(never) private static func unpack15(_ b: RawSpan, _ at: Int, _ page: inout PageRows) {
    unpackAll(b, at, width: 15, into: &page)
  }
  @inline(never) private static func unpack16(_ b: RawSpan, _ at: Int, _ page: inout PageRows) {
    unpackAll(b, at, width: 16, into: &page)
  }

  @inline(__always) private static func unpackAll(
    _ bytes: RawSpan, _ offset: Int, width: Int, into page: inout PageRows
  ) {
    page[0] = unpackedRow(bytes, offset, width: width, row: 0)
    page[1] = unpackedRow(bytes, offset, width: width, row: 1)
    page[2] = unpackedRow(bytes, offset, width: width, row: 2)
    page[3] = unpackedRow(bytes, offset, width: width, row: 3)
    page[4] = unpackedRow(bytes, offset, width: width, row: 4)
    page[5] = unpackedRow(bytes, offset, width: width, row: 5)
    page[6] = unpackedRow(bytes, offset, width: width, row: 6)
    page[7] = unpackedRow(bytes, offset, width: width, row: 7)
    page[8] = unpackedRow(bytes, offset, width: width, row: 8)
    page[9] = unpackedRow(bytes, offset, width: width, row: 9)
    page[10] = unpackedRow(bytes, offset, width: width, row: 10)
    page[11] = unpackedRow(bytes, offset, width: width, row: 11)
    page[12] = unpackedRow(bytes, offset, width: width, row: 12)
    page[13] = unpackedRow(bytes, offset, width: width, row: 13)
    page[14] = unpackedRow(bytes, offset, width: width, row: 14)
    page[15] = unpackedRow(bytes, offset, width: width, row: 15)
  }

  @inline(__always) private static func unpackedRow(
    _ bytes: RawSpan, _ offset: Int, width: Int, row: Int
  ) -> LaneWord {
    if width == 0 { return .zero }
    let (word, shift) = ((row &* width) >> 4, (row &* width) & 15)
    var lanes = load(bytes, offset &+ 32 &* word) &>> LaneWord(repeating: UInt16(truncatingIfNeeded: shift))
    if shift &+ width > 16 {
      let next = load(bytes, offset &+ 32 &* word &+ 32)
      lanes |= next &<< LaneWord(repeating: UInt16(truncatingIfNeeded: 16 &- shift))
    }
    if width == 16 { return lanes }
    return lanes & LaneWord(repeating: (1 &<< UInt16(truncatingIfNeeded: width)) &- 1)
  }

  @inline(__always) private static func load(_ bytes: RawSpan, _ offset: Int) -> LaneWord {
    // SAFETY: row r < rowCount touches words up to (r·width + width - 1) / 16, which is below the
    // packed word count of `rowCount` rows; the caller's precondition bounds those.
    unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: LaneWord.self)
  }

  /// Stores the low `width` (0 ... 16) bits of the first `rowCount` rows, each minus `offset`, as
  /// ⌈rowCount·width/16⌉ words. SAFETY: `out` has room for them.
  static func pack(
    _ page: PageLanes, minus offset: UInt16, width: Int, rowCount: Int,
    into out: UnsafeMutableRawPointer
  ) {
    guard rowCount == 16 else {
      return unsafe packRows(page, offset, width: width, rowCount: rowCount, out)
    }
    // A kernel each for the common widths, with shifts known to the compiler.
    switch width {
    case 0: return
    case 1: unsafe packRows(page, offset, width: 1, rowCount: 16, out)
    case 2: unsafe packRows(page, offset, width: 2, rowCount: 16, out)
    case 3: unsafe packRows(page, offset, width: 3, rowCount: 16, out)
    case 4: unsafe packRows(page, offset, width: 4, rowCount: 16, out)
    case 5: unsafe packRows(page, offset, width: 5, rowCount: 16, out)
    case 6: unsafe packRows(page, offset, width: 6, rowCount: 16, out)
    case 7: unsafe packRows(page, offset, width: 7, rowCount: 16, out)
    case 8: unsafe packRows(page, offset, width: 8, rowCount: 16, out)
    default: unsafe packRows(page, offset, width: width, rowCount: 16, out)
    }
  }

  @inline(__always) private static func packRows(
    _ page: PageLanes, _ offset: UInt16, width: Int, rowCount: Int, _ out: UnsafeMutableRawPointer
  ) {
    if width == 0 { return }
    let mask = LaneWord(repeating: width >= 16 ? .max : (1 &<< UInt16(truncatingIfNeeded: width)) &- 1)
    let base = LaneWord(repeating: offset)
    var word = 0
    var shift = 0
    var current = LaneWord.zero
    // SAFETY (all of this function): word ⌊row·width/16⌋ at most, of which `out` has room for all.
    for row in 0..<rowCount {
      let lanes = (page[row] &- base) & mask
      current |= lanes &<< LaneWord(repeating: UInt16(truncatingIfNeeded: shift))
      shift &+= width
      if shift >= 16 {
        unsafe out.storeBytes(of: current, toByteOffset: 32 &* word, as: LaneWord.self)
        word &+= 1
        shift &-= 16
        // What did not fit; a shift by 16 (nothing left over) must give zero, not the value.
        current = shift == 0
          ? .zero : lanes &>> LaneWord(repeating: UInt16(truncatingIfNeeded: width &- shift))
      }
    }
    if shift > 0 {
      unsafe out.storeBytes(of: current, toByteOffset: 32 &* word, as: LaneWord.self)
    }
  }
}

/// One bit for each value of a page: bit i % 64 of scalar i / 64 is value i.
@usableFromInline package typealias PageMask = SIMD4<UInt64>

extension SIMD4 where Scalar == UInt64 {
  /// Bits 0 ..< count set.
  @inlinable package static func first(_ count: Int) -> PageMask {
    var mask = PageMask.zero
    for word in 0..<4 {
      let bits = Swift.min(Swift.max(count - 64 * word, 0), 64)
      mask[word] = bits == 64 ? .max : (1 << UInt64(bits)) - 1
    }
    return mask
  }

  @inlinable package var nonzeroBitCount: Int {
    self[0].nonzeroBitCount + self[1].nonzeroBitCount + self[2].nonzeroBitCount
      + self[3].nonzeroBitCount
  }

  @inlinable package func contains(bit index: Int) -> Bool {
    self[index >> 6] >> UInt64(index & 63) & 1 != 0
  }

  @inlinable package mutating func set(bit index: Int, to value: Bool) {
    let bit = UInt64(1) << UInt64(index & 63)
    if value { self[index >> 6] |= bit } else { self[index >> 6] &= ~bit }
  }

  /// Calls `body` with the index of each set bit, ascending.
  @inline(__always) func forEachBit(_ body: (Int) -> Void) {
    for word in 0..<4 {
      var rest = self[word]
      while rest != 0 {
        body(word &* 64 &+ rest.trailingZeroBitCount)
        rest &= rest &- 1
      }
    }
  }
}

enum LaneCompare {
  /// From bit r of lane l to bit 16·r + l: a 16 x 16 bit matrix transposed by swapping blocks of
  /// 8, 4, 2 and 1 (Warren, "Hacker's Delight", 7-3).
  @inline(__always) static func transposed(_ columns: LaneWord) -> PageMask {
    var m = unsafe unsafeBitCast(columns, to: PageMask.self)  // SAFETY: both are 32 plain bytes.
    swap(&m, 0, 2, 8, 0x00FF_00FF_00FF_00FF)
    swap(&m, 1, 3, 8, 0x00FF_00FF_00FF_00FF)
    swap(&m, 0, 1, 4, 0x0F0F_0F0F_0F0F_0F0F)
    swap(&m, 2, 3, 4, 0x0F0F_0F0F_0F0F_0F0F)
    var t = ((m &>> 30) ^ m) & PageMask(repeating: 0x0000_0000_CCCC_CCCC)
    m ^= t ^ (t &<< 30)
    t = ((m &>> 15) ^ m) & PageMask(repeating: 0x0000_AAAA_0000_AAAA)
    return m ^ t ^ (t &<< 15)
  }

  @inline(__always) private static func swap(
    _ m: inout PageMask, _ a: Int, _ b: Int, _ by: UInt64, _ mask: UInt64
  ) {
    let t = ((m[a] &>> by) ^ m[b]) & mask
    m[b] ^= t
    m[a] ^= t &<< by
  }
}
