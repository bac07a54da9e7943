extension ByteWriter {
  /// Appends integers byte-packed against their minimum: `reference zigzag, width u8, differences`,
  /// where width is 0, 1, 2, 4 or 8 bytes, the least that holds every difference.
  package mutating func appendPacked(_ values: Span<Int64>) {
    append(atMost: FieldCursor.packedByteBound(values.count)) { $0.packed(values) }
  }

  /// Appends what `body` writes through a cursor, at most `byteCount` bytes. Room is made once, so
  /// many small fields cost a store each.
  @inline(__always)
  mutating func append(atMost byteCount: Int, _ body: (inout FieldCursor) -> Void) {
    bytes.append(addingCapacity: byteCount) { room in
      unsafe room.withUnsafeMutableBufferPointer { buffer, filled in
        guard let base = buffer.baseAddress else { return }
        // SAFETY: room for `byteCount` bytes behind those that are filled was asked for; the cursor
        // checks each store against it and does not outlive the closure.
        var cursor = unsafe FieldCursor(UnsafeMutableRawPointer(base + filled), byteCount)
        body(&cursor)
        filled += cursor.count
      }
    }
  }
}

/// Writes little-endian fields front to back into memory of a fixed size.
@safe struct FieldCursor: ~Copyable {
  private let base: UnsafeMutableRawPointer
  private let byteCount: Int
  private(set) var count = 0

  /// `base` must hold `byteCount` bytes as long as the cursor lives.
  @unsafe init(_ base: UnsafeMutableRawPointer, _ byteCount: Int) {
    unsafe (self.base, self.byteCount) = (base, byteCount)
  }

  /// The most bytes that `packed` takes for `count` values.
  static func packedByteBound(_ count: Int) -> Int { 11 + count * 8 }

  @inline(__always)
  mutating func put<Field: FixedWidthInteger & BitwiseCopyable>(_ value: Field) {
    let end = count + MemoryLayout<Field>.size
    precondition(end <= byteCount, "a field within the room")
    // SAFETY: the precondition proves the bounds.
    unsafe base.storeBytes(of: value.littleEndian, toByteOffset: count, as: Field.self)
    count = end
  }

  @inline(__always)
  mutating func varint(_ value: UInt64) {
    if value < 1 << 28, byteCount - count >= 4 { return shortVarint(UInt32(truncatingIfNeeded: value)) }
    var rest = value
    while rest >= 0x80 {
      put(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    put(UInt8(truncatingIfNeeded: rest))
  }

  /// Of at most 28 bits, without a branch for each byte: how many there are cannot be foretold.
  /// - Precondition: room for four bytes.
  @inline(__always)
  private mutating func shortVarint(_ value: UInt32) {
    let size = max(1, (38 &- value.leadingZeroBitCount) / 7)
    let groups =
      value & 0x7F | (value & 0x3F80) << 1 | (value & 0x1F_C000) << 2 | (value & 0xFE0_0000) << 3
    let more = 0x0080_8080 & (1 << UInt32(8 &* (size &- 1)) &- 1) as UInt32
    let end = count &+ size
    put(groups | more)
    count = end
  }

  @inline(__always)
  mutating func zigzag(_ value: Int64) {
    varint(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
  }

  /// The least value, and the bytes that the differences to it take each.
  private static func fit(_ values: Span<Int64>) -> (low: Int64, width: Int) {
    if values.isEmpty { return (0, 0) }
    var (low, high, other, top) = (values[0], values[0], values[0], values[0])
    var index = values.count & 1
    // Two chains: a comparison waits for the one before it.
    while index < values.count {
      // SAFETY: an even count of values is left, so both indices are the span's own.
      let (a, b) = unsafe (values[unchecked: index], values[unchecked: index &+ 1])
      low = min(low, a)
      high = max(high, a)
      other = min(other, b)
      top = max(top, b)
      index &+= 2
    }
    (low, high) = (min(low, other), max(high, top))
    let span = UInt64(bitPattern: high &- low)
    return (low, span == 0 ? 0 : span <= 0xFF ? 1 : span <= 0xFFFF ? 2 : span <= 0xFFFF_FFFF ? 4 : 8)
  }

  /// Bytes that `packed` takes for each of these values, beside 11 for all of them. O(values).
  static func packedWidth(_ values: Span<Int64>) -> Int { fit(values).width }

  /// See `ByteWriter.appendPacked`.
  mutating func packed(_ values: Span<Int64>) {
    let (low, width) = Self.fit(values)
    zigzag(low)
    put(UInt8(width))
    switch width {
    case 1: putDifferences(values, low, as: UInt8.self)
    case 2: putDifferences(values, low, as: UInt16.self)
    case 4: putDifferences(values, low, as: UInt32.self)
    case 8: putDifferences(values, low, as: UInt64.self)
    default: break
    }
  }

  @inline(__always)
  private mutating func putDifferences<Field: FixedWidthInteger & BitwiseCopyable>(
    _ values: Span<Int64>, _ reference: Int64, as _: Field.Type
  ) {
    let size = MemoryLayout<Field>.size
    precondition(values.count * size <= byteCount - count, "fields within the room")
    for index in values.indices {
      // SAFETY: the precondition proves the bounds of the store, the index is the span's own.
      let field = unsafe Field(truncatingIfNeeded: values[unchecked: index] &- reference).littleEndian
      unsafe base.storeBytes(of: field, toByteOffset: count &+ index &* size, as: Field.self)
    }
    count += values.count * size
  }
}
