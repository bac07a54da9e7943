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

  /// The value at `index`; traps when there is none.
  subscript(index: Int) -> Int64 {
    precondition(index >= 0 && index < count, "an index of the values")
    var difference: UInt64 = 0
    for byte in 0..<width {
      difference |= UInt64(differences.byte(at: index * width + byte)) << UInt64(8 * byte)
    }
    return low &+ Int64(bitPattern: difference)
  }

  /// Whether all are the same; nothing promises that those who wrote them took no bytes for that.
  var isConstant: Bool {
    for index in width..<max(width, differences.byteCount)
    where differences.byte(at: index) != differences.byte(at: index - width) { return false }
    return true
  }

  @inline(__always)
  func forEach(_ body: (Int64) -> Void) {
    switch width {
    case 1: forEach(UInt8.self, body)
    case 2: forEach(UInt16.self, body)
    case 4: forEach(UInt32.self, body)
    case 8: forEach(UInt64.self, body)
    default: for _ in 0..<count { body(low) }
    }
  }

  /// - Precondition: `room` has room for `count`.
  func append(to room: inout OutputSpan<Int64>) {
    forEach { room.append($0) }
  }

  @inline(__always)
  private func forEach<Field: FixedWidthInteger & BitwiseCopyable>(_: Field.Type, _ body: (Int64) -> Void) {
    for index in 0..<count {
      // SAFETY: `init` took `count` fields of this width.
      let field = unsafe differences.unsafeLoadUnaligned(
        fromUncheckedByteOffset: index &* MemoryLayout<Field>.size, as: Field.self)
      body(low &+ Int64(truncatingIfNeeded: UInt64(Field(littleEndian: field))))
    }
  }
}
