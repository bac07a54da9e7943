/// The bytes of one narrow page while it is made, so that the section's array grows once a page.
///
/// A page takes at most 1 + 3 · 10 + 4 bytes of header, 512 packed, 256 positions and 256 codes of
/// 16 bits: below 1,400. Reused from page to page.
struct PageBytes: ~Copyable {
  private var bytes = InlineArray<2048, UInt8>(repeating: 0)
  private(set) var count = 0

  @inline(__always) mutating func put(_ byte: UInt8) {
    bytes[count] = byte
    count &+= 1
  }

  @inline(__always) mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      put(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    put(UInt8(truncatingIfNeeded: rest))
  }

  @inline(__always) mutating func zigzag(_ value: Int64) {
    varint(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
  }

  /// Appends the packed low `width` bits of the first rows, each minus `offset`.
  @inline(__always) mutating func pack(
    _ rows: PageLanes, minus offset: UInt16, width: Int, rowCount: Int
  ) {
    precondition(count <= 2048 - 512, "room for 16 words")
    unsafe withUnsafeMutableBytes(of: &bytes) { raw in
      guard let base = raw.baseAddress else { return }
      // SAFETY: 16 rows of at most 16 bits take 512 bytes, which the precondition proves.
      unsafe LanePacking.pack(
        rows, minus: offset, width: width, rowCount: rowCount, into: base + count)
    }
    count &+= PageShape.packedByteCount(rowCount: rowCount, width: width)
  }

  /// Moves the page to the end of `out`.
  mutating func flush(into out: inout ByteWriter) {
    // Not `withUnsafeBytes(of:)`, which copies the bytes first.
    unsafe withUnsafeMutableBytes(of: &bytes) { raw in
      // SAFETY: `count` never passes the 2,048 bytes, for every put is checked.
      unsafe out.bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: raw[..<count]))
    }
    count = 0
  }

  /// Fields of up to 16 bits, least significant bit first.
  struct Bits {
    private var pending: UInt64 = 0
    private var bitCount = 0

    @inline(__always) mutating func put(_ field: UInt16, width: Int, into page: inout PageBytes) {
      pending |= UInt64(field) &<< UInt64(bitCount)
      bitCount &+= width
      while bitCount >= 8 {
        page.put(UInt8(truncatingIfNeeded: pending))
        pending &>>= 8
        bitCount &-= 8
      }
    }

    @inline(__always) mutating func finish(into page: inout PageBytes) {
      if bitCount > 0 { page.put(UInt8(truncatingIfNeeded: pending)) }
    }
  }
}
