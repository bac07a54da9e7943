extension ByteWriter {
  /// Appends integers byte-packed against their minimum: `reference zigzag, width u8, differences`,
  /// where width is 0, 1, 2, 4 or 8 bytes, the least that holds every difference.
  package mutating func appendPacked(_ values: Span<Int64>) {
    var low = values.isEmpty ? 0 : Int64.max
    var high = values.isEmpty ? 0 : Int64.min
    for index in values.indices {
      // SAFETY: `indices` are the span's own.
      let value = unsafe values[unchecked: index]
      low = min(low, value)
      high = max(high, value)
    }
    let span = UInt64(bitPattern: high &- low)
    let width = span == 0 ? 0 : span <= 0xFF ? 1 : span <= 0xFFFF ? 2 : span <= 0xFFFF_FFFF ? 4 : 8
    zigzag(low)
    put(UInt8(width))
    switch width {
    case 1: appendDifferences(values, low, as: UInt8.self)
    case 2: appendDifferences(values, low, as: UInt16.self)
    case 4: appendDifferences(values, low, as: UInt32.self)
    case 8: appendDifferences(values, low, as: UInt64.self)
    default: break
    }
  }

  @inline(__always)
  private mutating func appendDifferences<Field: FixedWidthInteger & BitwiseCopyable>(
    _ values: Span<Int64>, _ reference: Int64, as _: Field.Type
  ) {
    let byteCount = values.count * MemoryLayout<Field>.size
    unsafe withUnsafeTemporaryAllocation(byteCount: byteCount, alignment: 8) { fields in
      for index in values.indices {
        // SAFETY: room for values.count fields was asked for, and the index is the span's own.
        let field = unsafe Field(truncatingIfNeeded: values[unchecked: index] &- reference).littleEndian
        unsafe fields.storeBytes(
          of: field, toByteOffset: index &* MemoryLayout<Field>.size, as: Field.self)
      }
      unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: fields[..<byteCount]))
    }
  }
}
