/// An LZ4 block taken apart into bytes of one nature each: entropy-coded by themselves they take
/// a third less than the block, about what zstd makes of the same texts.
///
/// A block is a row of sequences: a token (length of the literals in its high four bits, of the
/// match in its low), more bytes of the first length where the token's is 15, the literals, the
/// match's offset in two bytes, more bytes of its length. The last one ends with its literals.
/// Source: Y. Collet, "LZ4 Block Format Description".
struct LZ4Parts {
  private var tokens: [UInt8] = []
  private var literals: [UInt8] = []
  private var lowOffsets: [UInt8] = []
  private var highOffsets: [UInt8] = []
  /// What lengths have beyond their tokens.
  private var lengths: [UInt8] = []

  /// Precondition: `block` is whole, as the library made it.
  init(of block: [UInt8]) {
    var at = 0
    while at < block.count {
      let token = block[at]
      at += 1
      tokens.append(token)
      let literalCount = Self.length(token >> 4, block, &at, into: &lengths)
      literals += block[at..<at + literalCount]
      at += literalCount
      guard at < block.count else { return }
      lowOffsets.append(block[at])
      highOffsets.append(block[at + 1])
      at += 2
      _ = Self.length(token & 15, block, &at, into: &lengths)
    }
  }

  private static func length(
    _ short: UInt8, _ block: [UInt8], _ at: inout Int, into lengths: inout [UInt8]
  ) -> Int {
    var length = Int(short)
    guard short == 15 else { return length }
    while true {
      let more = block[at]
      at += 1
      lengths.append(more)
      length += Int(more)
      if more < 255 { return length }
    }
  }

  func coded() -> [UInt8] {
    var out = ByteWriter()
    for part in [tokens, literals, lowOffsets, highOffsets, lengths] {
      CodedBytes.write(part, into: &out)
    }
    return out.bytes
  }

  /// Parts of at most `limit` bytes in all.
  /// - Throws: `.corrupt`, `.truncated`.
  init(_ reader: inout ByteReader, limit: Int) throws(StorageError) {
    var left = limit
    tokens = try CodedBytes.read(&reader, &left)
    literals = try CodedBytes.read(&reader, &left)
    lowOffsets = try CodedBytes.read(&reader, &left)
    highOffsets = try CodedBytes.read(&reader, &left)
    lengths = try CodedBytes.read(&reader, &left)
  }

  /// The block again, of `byteCount` bytes.
  /// - Throws: `.corrupt` where the parts do not come out even.
  func joined(_ byteCount: Int) throws(StorageError) -> [UInt8] {
    let offsetCount = lowOffsets.count
    guard
      tokens.count + literals.count + 2 * offsetCount + lengths.count == byteCount,
      highOffsets.count == offsetCount, tokens.count == offsetCount + 1
    else { throw StorageError(.corrupt, "parts of an LZ4 block") }
    var block: [UInt8] = []
    block.reserveCapacity(byteCount)
    var (literal, length) = (0, 0)
    /// The further bytes of a length, copied; its value.
    func copyLength(_ short: UInt8) throws(StorageError) -> Int {
      var value = Int(short)
      guard short == 15 else { return value }
      while true {
        guard length < lengths.count else { throw StorageError(.corrupt, "lengths of an LZ4 block") }
        let more = lengths[length]
        length += 1
        block.append(more)
        value += Int(more)
        if more < 255 { return value }
      }
    }
    for index in tokens.indices {
      let token = tokens[index]
      block.append(token)
      let literalCount = try copyLength(token >> 4)
      guard literalCount <= literals.count - literal else {
        throw StorageError(.corrupt, "literals of an LZ4 block")
      }
      block += literals[literal..<literal + literalCount]
      literal += literalCount
      guard index < offsetCount else { break }
      block.append(lowOffsets[index])
      block.append(highOffsets[index])
      _ = try copyLength(token & 15)
    }
    guard literal == literals.count, length == lengths.count else {
      throw StorageError(.corrupt, "parts of an LZ4 block left over")
    }
    return block
  }
}
