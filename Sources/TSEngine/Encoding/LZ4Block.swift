import CLZ4

/// One block of LZ4's own format, without a frame.
enum LZ4Block {
  /// LZ4 reaches 255 at most; a longer claim is damage.
  static let maximumRatio = 256
  /// What the library takes at once, with room to spare.
  static let maximumByteCount = 1 << 30

  /// Of the search for repeats; all are read at the same speed.
  enum Effort: Int32 {
    case fast = 0
    /// A tenth of that speed, a fifth smaller on texts.
    case high = 3
    /// Slower by another ten times, for what is written once and kept.
    case highest = 12
  }

  /// Nil where the block would take more than `room` bytes.
  /// Precondition: `bytes` has at most `maximumByteCount`.
  static func compress(
    _ bytes: ArraySlice<UInt8>, effort: Effort = .fast, room: Int
  ) -> [UInt8]? {
    precondition(bytes.count <= maximumByteCount, "an LZ4 block's size")
    guard room > 0 else { return nil }
    var written: Int32 = 0
    let block = unsafe [UInt8](unsafeUninitializedCapacity: room) { target, used in
      // SAFETY: LZ4 reads `source.count` bytes of `source` and writes at most `room` bytes of
      // `target`, or returns 0; both fit Int32 by the precondition, as room is below the input.
      unsafe bytes.withUnsafeBytes { source in
        let input = unsafe source.baseAddress?.assumingMemoryBound(to: CChar.self)
        let output = unsafe UnsafeMutableRawPointer(target.baseAddress)?
          .assumingMemoryBound(to: CChar.self)
        let (inputCount, outputCount) = (
          Int32(truncatingIfNeeded: source.count), Int32(truncatingIfNeeded: room)
        )
        written =
          if effort == .fast {
            unsafe LZ4_compress_default(input, output, inputCount, outputCount)
          } else {
            unsafe LZ4_compress_HC(input, output, inputCount, outputCount, effort.rawValue)
          }
      }
      used = Int(max(0, written))
    }
    return written > 0 ? block : nil
  }

  /// Nil unless `block` is whole and gives exactly `byteCount` bytes.
  /// Precondition: `byteCount` is at most `maximumByteCount`, and bounded by what was read.
  static func decompress(_ block: RawSpan, byteCount: Int) -> [UInt8]? {
    guard block.byteCount <= maximumByteCount else { return nil }
    var result: Int32 = 0
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { target, used in
      // SAFETY: LZ4_decompress_safe reads at most `source.count` bytes of `source`, writes at most
      // `byteCount` bytes of `target`, and returns a negative number for any malformed block.
      result = unsafe block.withUnsafeBytes { source in
        unsafe LZ4_decompress_safe(
          source.baseAddress?.assumingMemoryBound(to: CChar.self),
          UnsafeMutableRawPointer(target.baseAddress)?.assumingMemoryBound(to: CChar.self),
          Int32(truncatingIfNeeded: source.count), Int32(truncatingIfNeeded: byteCount))
      }
      used = Int(result) == byteCount ? byteCount : 0
    }
    return Int(result) == byteCount ? bytes : nil
  }
}
