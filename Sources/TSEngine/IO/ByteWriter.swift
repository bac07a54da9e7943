/// Appends little-endian fields to a growing byte array; the counterpart of `ByteReader`.
package struct ByteWriter: Sendable {
  package var bytes: [UInt8] = []

  package init(reserving byteCount: Int = 0) { bytes.reserveCapacity(byteCount) }

  package var count: Int { bytes.count }

  @inlinable package mutating func put<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
    let little = value.littleEndian
    unsafe withUnsafeBytes(of: little) { raw in
      // SAFETY: `raw` covers exactly the bytes of `little` for the duration of the closure.
      unsafe bytes.append(contentsOf: raw)
    }
  }

  @inlinable package mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  @inlinable package mutating func varint(_ value: Int) { varint(UInt64(value)) }

  @inlinable package mutating func zigzag(_ value: Int64) {
    varint(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
  }

  package mutating func string(_ text: String) {
    let utf8 = text.utf8
    varint(utf8.count)
    bytes.append(contentsOf: utf8)
  }

  package mutating func append(_ other: [UInt8]) { bytes.append(contentsOf: other) }

  package mutating func append(_ other: RawSpan) {
    unsafe other.withUnsafeBytes { raw in
      // SAFETY: `raw` is valid for the duration of the closure; the bytes are copied.
      unsafe bytes.append(contentsOf: raw)
    }
  }

  /// Overwrites bytes written before, as for a length or checksum known only afterwards.
  package mutating func patch<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
    precondition(offset >= 0 && offset + MemoryLayout<T>.size <= bytes.count, "patch past the end")
    for index in 0..<MemoryLayout<T>.size {
      bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
    }
  }

  /// Appends zeros until the count is a multiple of `alignment`.
  package mutating func pad(to alignment: Int) {
    let over = bytes.count % alignment
    if over != 0 { bytes.appendZeros(alignment - over) }
  }
}
