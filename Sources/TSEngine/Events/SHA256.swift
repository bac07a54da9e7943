import CTsqShims

/// SHA-256 (FIPS 180-4): the digest of the registry, the nodes of Merkle trees, the files of a
/// backup. The engine takes no cryptography package for one hash that guards against damage and
/// divergence; secrets are the business of the server, which does. About 1.2 GB/s with the
/// processor's SHA extensions, 0.2 GB/s without.
package struct SHA256: Sendable {
  package static let byteCount = 32
  private static let blockByteCount = 64

  private var state: InlineArray<8, UInt32> = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a,
    0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
  ]
  /// The bytes behind the last whole block.
  private var rest = InlineArray<64, UInt8>(repeating: 0)
  private var restCount = 0
  private var byteCount = 0

  package init() {}

  /// The 32-byte digest of `bytes`.
  package static func hash(_ bytes: [UInt8]) -> [UInt8] { hash(bytes.rawSpan) }

  /// The 32-byte digest of `bytes`.
  package static func hash(_ bytes: RawSpan) -> [UInt8] {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finish()
  }

  package mutating func update(_ bytes: [UInt8]) { update(bytes.rawSpan) }

  package mutating func update(_ byte: UInt8) {
    byteCount += 1
    rest[restCount] = byte
    restCount += 1
    if restCount == Self.blockByteCount { compressRest() }
  }

  package mutating func update(_ bytes: RawSpan) {
    byteCount += bytes.byteCount
    var start = 0
    if restCount > 0 {
      start = min(Self.blockByteCount - restCount, bytes.byteCount)
      append(bytes.extracting(0..<start))
      guard restCount == Self.blockByteCount else { return }
      compressRest()
    }
    let whole = (bytes.byteCount - start) / Self.blockByteCount * Self.blockByteCount
    compress(bytes.extracting(start..<(start + whole)))
    append(bytes.extracting((start + whole)..<bytes.byteCount))
  }

  /// The digest of all bytes so far.
  package consuming func finish() -> [UInt8] {
    let words = finalState()
    var digest = ByteWriter(reserving: Self.byteCount)
    for index in words.indices { digest.put(words[index].byteSwapped) }
    return digest.bytes
  }

  /// The words of the digest, each of which stands for four bytes, highest first.
  consuming func finalState() -> InlineArray<8, UInt32> {
    rest[restCount] = 0x80
    restCount += 1
    if restCount > 56 { padRest(to: Self.blockByteCount) }
    padRest(to: 56)
    let bitCount = UInt64(byteCount) << 3
    for byte in 0..<8 {
      rest[56 + byte] = UInt8(truncatingIfNeeded: bitCount >> (56 - 8 * UInt64(byte)))
    }
    compressRest()
    return state
  }

  /// Makes whole blocks of a message, as section 5.1.1 has it: a bit, zeros, its length.
  static func pad(_ message: inout [UInt8]) {
    let bitCount = UInt64(message.count) << 3
    message.append(0x80)
    let over = (message.count + 8) % blockByteCount
    if over > 0 { message.appendZeros(blockByteCount - over) }
    for byte in 0..<8 { message.append(UInt8(truncatingIfNeeded: bitCount >> UInt64(56 - 8 * byte))) }
  }

  /// The words of the digest of a message that `pad` made whole blocks of.
  static func words(ofPadded blocks: RawSpan) -> InlineArray<8, UInt32> {
    var hash = SHA256()
    hash.compress(blocks)
    return hash.state
  }

  /// Fills the last block with zeros; a whole one is compressed.
  private mutating func padRest(to count: Int) {
    while restCount < count {
      rest[restCount] = 0
      restCount += 1
    }
    if count == Self.blockByteCount { compressRest() }
  }

  private mutating func append(_ bytes: RawSpan) {
    precondition(restCount + bytes.byteCount <= Self.blockByteCount, "a block at most")
    let place = restCount
    restCount += bytes.byteCount
    var room = rest.mutableSpan
    unsafe room.withUnsafeMutableBytes { room in
      unsafe bytes.withUnsafeBytes { raw in
        guard let target = room.baseAddress, let source = raw.baseAddress else { return }
        // SAFETY: the precondition proves the room; the source is not of this value.
        unsafe (target + place).copyMemory(from: source, byteCount: raw.count)
      }
    }
  }

  private mutating func compressRest() {
    let block = rest
    unsafe compress(block.span.bytes)
    restCount = 0
  }

  private mutating func compress(_ blocks: RawSpan) {
    precondition(blocks.byteCount % Self.blockByteCount == 0, "whole blocks")
    var words = state.mutableSpan
    unsafe words.withUnsafeMutableBufferPointer { state in
      unsafe blocks.withUnsafeBytes { raw in
        guard let words = state.baseAddress else { return }
        // SAFETY: `words` are the eight of the state, written in place; `raw` holds as many whole
        // blocks as are named and is only read.
        unsafe tsq_sha256(words, raw.baseAddress, raw.count / Self.blockByteCount)
      }
    }
  }

  /// The state by plain arithmetic, as processors without the extensions compute it.
  /// - Precondition: whole blocks, padded by the caller.
  static func portableState(ofBlocks blocks: [UInt8]) -> [UInt32] {
    var state = words(SHA256().state)
    unsafe state.withUnsafeMutableBufferPointer { state in
      unsafe blocks.withUnsafeBytes { raw in
        guard let words = state.baseAddress else { return }
        // SAFETY: as in `compress`.
        unsafe tsq_sha256_portable(words, raw.baseAddress, raw.count / blockByteCount)
      }
    }
    return state
  }

  /// As `portableState`, by what this processor has.
  static func state(ofBlocks blocks: [UInt8]) -> [UInt32] {
    var hash = SHA256()
    hash.compress(blocks.rawSpan)
    return words(hash.state)
  }

  private static func words(_ state: InlineArray<8, UInt32>) -> [UInt32] {
    state.indices.map { state[$0] }
  }
}
