/// A whole section as one LZ4 block, where its pages repeat what packing cannot see (wide floats,
/// dictionaries).
enum SectionLZ4 {
  /// A section of `count` values is never longer than this: raw pages with header and validity.
  static func maximumByteCount(count: Int) -> Int { 64 + ((count + 255) / 256) * (2048 + 128) }

  /// Form byte, varint raw byte count, block; nil unless a tenth is saved.
  static func compress(_ section: ArraySlice<UInt8>) -> [UInt8]? {
    guard section.count >= 256 else { return nil }
    var header = ByteWriter(reserving: 8)
    header.put(SectionForm.lz4.rawValue)
    header.varint(section.count)
    let room = section.count - section.count / 10 - header.count
    return LZ4Block.compress(section, room: room).map { header.bytes + $0 }
  }

  static func decompress(
    _ bytes: [UInt8], _ range: Range<Int>, count: Int
  ) throws(StorageError) -> [UInt8] {
    var reader = ByteReader(bytes.rawSpan.extracting(range))
    _ = try reader.next(UInt8.self)
    let size = try reader.count(limit: maximumByteCount(count: count))
    guard size > 0, size / LZ4Block.maximumRatio <= reader.remaining else {
      throw StorageError(.corrupt, "LZ4 section of \(size) bytes", offset: range.lowerBound)
    }
    guard let section = LZ4Block.decompress(try reader.take(reader.remaining), byteCount: size)
    else { throw StorageError(.corrupt, "LZ4 section", offset: range.lowerBound) }
    return section
  }
}
