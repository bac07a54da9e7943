/// Integers as `ByteWriter.appendPacked` wrote them, not yet unpacked.
@safe struct PackedIntegers: ~Escapable {
  let count: Int
  private let low: Int64
  private let width: Int
  private let differences: RawSpan

  /// - Throws: `.truncated`, `.corrupt`.
  @_lifetime(copy reader)
  init(_ reader: inout ByteReader, count: Int) throws(StorageError) {
    let low = try reader.zigzag()
    let width = Int(try reader.next(UInt8.self))
    guard width <= 8, width & (width - 1) == 0 else {
      throw StorageError(.corrupt, "impossible width", offset: reader.offset)
    }
    let (byteCount, overflow) = count.multipliedReportingOverflow(by: width)
    guard count >= 0, !overflow else {
      throw StorageError(.truncated, "short run of bytes", offset: reader.offset)
    }
    differences = try reader.take(byteCount)
    (self.count, self.low, self.width) = (count, low, width)
  }

  /// - Precondition: `room` has room for `count`.
  func append(to room: inout OutputSpan<Int64>) {
    switch width {
    case 1: append(UInt8.self, to: &room)
    case 2: append(UInt16.self, to: &room)
    case 4: append(UInt32.self, to: &room)
    case 8: append(UInt64.self, to: &room)
    default: for _ in 0..<count { room.append(low) }
    }
  }

  @inline(__always)
  private func append<Field: FixedWidthInteger & BitwiseCopyable>(
    _: Field.Type, to room: inout OutputSpan<Int64>
  ) {
    for index in 0..<count {
      // SAFETY: `init` took `count` fields of this width.
      let field = unsafe differences.unsafeLoadUnaligned(
        fromUncheckedByteOffset: index &* MemoryLayout<Field>.size, as: Field.self)
      room.append(low &+ Int64(truncatingIfNeeded: UInt64(Field(littleEndian: field))))
    }
  }
}
