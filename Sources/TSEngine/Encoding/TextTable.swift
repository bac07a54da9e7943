/// The distinct texts of a column of symbols or texts: one after another, or where that saves a
/// tenth as one LZ4 block, whose parts are entropy-coded besides in cold columns.
/// Docs/FORMAT.md (9.4) has the bytes.
enum TextTable {
  /// Fewer bytes are not worth a search for repeats.
  private static let leastByteCount = 64
  /// Of one text; the door lets in fewer.
  private static let textByteLimit = 1 << 20

  static func write(
    _ texts: [String], using encoder: inout ColumnEncoder, into out: inout ByteWriter
  ) {
    let byteCount = texts.reduce(0) { $0 + $1.utf8.count }
    if (leastByteCount...LZ4Block.maximumByteCount).contains(byteCount),
      let compressed = compressed(texts, byteCount, using: &encoder) {
      out.append(compressed)
      return
    }
    out.varint(texts.count)
    for text in texts { out.string(text) }
  }

  /// Nil unless a tenth is saved.
  private static func compressed(
    _ texts: [String], _ byteCount: Int, using encoder: inout ColumnEncoder
  ) -> [UInt8]? {
    var joined: [UInt8] = []
    joined.reserveCapacity(byteCount)
    var lengths: [Int64] = []
    lengths.reserveCapacity(texts.count)
    for text in texts {
      joined.append(contentsOf: text.utf8)
      lengths.append(Int64(text.utf8.count))
    }
    var section = ByteWriter()
    _ = encoder.encode(lengths.span, type: .int, into: &section)
    // As plain texts each has its length before it.
    let plain = byteCount + texts.count
    let limit = min(byteCount, plain - plain / 10 - section.count)
    let (effort, room) = encoder.isCold ? (LZ4Block.Effort.highest, byteCount) : (.high, limit)
    guard let block = LZ4Block.compress(joined[...], effort: effort, room: room) else { return nil }
    var (form, body) = (TextSectionForm.lz4, block)
    if encoder.isCold {
      let coded = LZ4Parts(of: block).coded()
      // Readers refuse what would come out longer.
      if coded.count < block.count, byteCount / LZ4Block.maximumRatio <= coded.count {
        (form, body) = (.coded, coded)
      }
    }
    guard body.count <= limit else { return nil }
    var out = ByteWriter(reserving: section.count + body.count + 24)
    out.varint(TextSectionForm.base + form.rawValue)
    out.varint(texts.count)
    out.varint(section.count)
    out.append(section.bytes)
    out.varint(byteCount)
    out.varint(block.count)
    out.append(body)
    return out.bytes
  }

  /// Calls `body` with each text of a column of `count` values; `bytes` is what `reader` reads.
  /// - Throws: `.corrupt`, `.truncated`, `.unsupportedVersion`.
  static func read(
    _ reader: inout ByteReader, _ bytes: [UInt8], count: Int, _ body: (String) -> Void
  ) throws(StorageError) {
    let at = reader.offset
    let head = try reader.count(limit: .max)
    guard head > TextSectionForm.base else {
      // No more texts than values, and each has at least its length byte.
      guard head <= min(count, reader.remaining) else {
        throw StorageError(.corrupt, "\(head) texts for \(count) values", offset: at)
      }
      for _ in 0..<head { body(try reader.string(limit: textByteLimit)) }
      return
    }
    guard let form = TextSectionForm(rawValue: head - TextSectionForm.base) else {
      throw StorageError(.unsupportedVersion, "form \(head) of texts", offset: at)
    }
    let lengths = try lengths(&reader, bytes, count: count)
    let byteCount = try reader.count(limit: LZ4Block.maximumByteCount)
    let blockByteCount = try reader.count(limit: byteCount)
    guard lengths.total == byteCount, byteCount / LZ4Block.maximumRatio <= reader.remaining else {
      throw StorageError(.corrupt, "texts of \(byteCount) bytes", offset: at)
    }
    var texts: [UInt8]?
    switch form {
    case .lz4: texts = LZ4Block.decompress(try reader.take(blockByteCount), byteCount: byteCount)
    case .coded:
      let block = try LZ4Parts(&reader, limit: blockByteCount).joined(blockByteCount)
      texts = LZ4Block.decompress(block.rawSpan, byteCount: byteCount)
    }
    guard let texts else { throw StorageError(.corrupt, "LZ4 block of texts", offset: at) }
    var start = 0
    for length in lengths.each {
      guard let text = String(validating: texts.rawSpan.extracting(start..<start + length)) else {
        throw StorageError(.corrupt, "invalid UTF-8", offset: at)
      }
      body(text)
      start += length
    }
  }

  /// Of at least one text; none above the limit, so that their total is one of a small number.
  private static func lengths(
    _ reader: inout ByteReader, _ bytes: [UInt8], count: Int
  ) throws(StorageError) -> (each: [Int], total: Int) {
    let textCount = try reader.count(limit: count)
    let byteCount = try reader.count(limit: reader.remaining)
    let start = reader.offset
    _ = try reader.take(byteCount)
    let section = try ColumnSection(bytes, in: start..<start + byteCount, count: textCount)
    var lengths: [Int] = []
    lengths.reserveCapacity(textCount)
    var total = 0
    guard !section.isFloat, !(0..<section.pageCount).contains(where: { section.hasNulls(page: $0) }) else {
      throw StorageError(.corrupt, "lengths of texts", offset: start)
    }
    for length in section.allSlots() {
      guard (0...Int64(textByteLimit)).contains(length) else {
        throw StorageError(.corrupt, "text of \(length) bytes", offset: start)
      }
      lengths.append(Int(length))
      total += Int(length)
    }
    return (lengths, total)
  }
}
