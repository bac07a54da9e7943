import CLZ4

/// A whole section as one LZ4 block, where its pages repeat what packing cannot see (wide floats,
/// dictionaries).
enum SectionLZ4 {
  /// LZ4 reaches 255 at most; a longer claim is damage.
  private static let maximumRatio = 256

  /// A section of `count` values is never longer than this: raw pages with header and validity.
  static func maximumByteCount(count: Int) -> Int { 64 + ((count + 255) / 256) * (2048 + 128) }

  /// Form byte, varint raw byte count, block; nil unless a tenth is saved.
  static func compress(_ section: ArraySlice<UInt8>) -> [UInt8]? {
    guard section.count >= 256 else { return nil }
    var header = ByteWriter(reserving: 8)
    header.put(SectionForm.lz4.rawValue)
    header.varint(section.count)
    let room = section.count - section.count / 10 - header.count
    var written = 0
    let block = unsafe [UInt8](unsafeUninitializedCapacity: room) { target, used in
      // SAFETY: LZ4 reads `source.count` bytes of `source` and writes at most `room` bytes of
      // `target`, or returns 0; all fit Int32, since a section has at most 140 KiB.
      written = unsafe section.withUnsafeBytes { source in
        Int(
          unsafe LZ4_compress_default(
            source.baseAddress?.assumingMemoryBound(to: CChar.self),
            UnsafeMutableRawPointer(target.baseAddress)?.assumingMemoryBound(to: CChar.self),
            Int32(truncatingIfNeeded: source.count), Int32(truncatingIfNeeded: room)))
      }
      used = max(0, written)
    }
    return written > 0 ? header.bytes + block : nil
  }

  static func decompress(
    _ bytes: [UInt8], _ range: Range<Int>, count: Int
  ) throws(StorageError) -> [UInt8] {
    var reader = ByteReader(bytes.rawSpan.extracting(range))
    _ = try reader.next(UInt8.self)
    let size = try reader.count(limit: maximumByteCount(count: count))
    guard size > 0, size / maximumRatio <= reader.remaining else {
      throw StorageError(.corrupt, "LZ4 section of \(size) bytes", offset: range.lowerBound)
    }
    let block = try reader.take(reader.remaining)
    var result: Int32 = 0
    let section = unsafe [UInt8](unsafeUninitializedCapacity: size) { target, used in
      // SAFETY: LZ4_decompress_safe reads at most `source.count` bytes of `source`, writes at most
      // `size` bytes of `target`, and returns a negative number for any malformed block.
      result = unsafe block.withUnsafeBytes { source in
        unsafe LZ4_decompress_safe(
          source.baseAddress?.assumingMemoryBound(to: CChar.self),
          UnsafeMutableRawPointer(target.baseAddress)?.assumingMemoryBound(to: CChar.self),
          Int32(truncatingIfNeeded: source.count), Int32(truncatingIfNeeded: size))
      }
      used = result == Int32(truncatingIfNeeded: size) ? size : 0
    }
    guard section.count == size else {
      throw StorageError(.corrupt, "LZ4 section", offset: range.lowerBound)
    }
    return section
  }
}
