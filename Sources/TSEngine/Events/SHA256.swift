import CTsqShims

/// SHA-256 (FIPS 180-4): the digest of the registry, the nodes of Merkle trees, the files of a
/// backup. The engine takes no cryptography package for one hash that guards against damage and
/// divergence; secrets are the business of the server, which does. About 1.2 GB/s with the
/// processor's SHA extensions, 0.2 GB/s without.
package struct SHA256: Sendable {
  package static let byteCount = 32
  private static let blockByteCount = 64

  private var state: [UInt32] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a,
    0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
  ]
  /// The bytes behind the last whole block.
  private var rest: [UInt8] = []
  private var byteCount = 0

  package init() { rest.reserveCapacity(Self.blockByteCount) }

  /// The 32-byte digest of `bytes`.
  package static func hash(_ bytes: [UInt8]) -> [UInt8] { hash(bytes.rawSpan) }

  /// The 32-byte digest of `bytes`.
  package static func hash(_ bytes: RawSpan) -> [UInt8] {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finish()
  }

  package mutating func update(_ bytes: [UInt8]) { update(bytes.rawSpan) }

  package mutating func update(_ bytes: RawSpan) {
    byteCount += bytes.byteCount
    var start = 0
    if !rest.isEmpty {
      start = min(Self.blockByteCount - rest.count, bytes.byteCount)
      append(bytes.extracting(0..<start))
      guard rest.count == Self.blockByteCount else { return }
      compressRest()
    }
    let whole = (bytes.byteCount - start) / Self.blockByteCount * Self.blockByteCount
    Self.compress(&state, bytes.extracting(start..<(start + whole)))
    append(bytes.extracting((start + whole)..<bytes.byteCount))
  }

  /// The digest of all bytes so far.
  package consuming func finish() -> [UInt8] {
    rest.append(0x80)
    if rest.count > 56 {
      rest.appendZeros(Self.blockByteCount - rest.count)
      compressRest()
    }
    rest.appendZeros(56 - rest.count)
    let bitCount = UInt64(byteCount) << 3
    for byte in 0..<8 {
      rest.append(UInt8(truncatingIfNeeded: bitCount >> (56 - 8 * UInt64(byte))))
    }
    compressRest()
    var digest = ByteWriter(reserving: Self.byteCount)
    for word in state { digest.put(word.byteSwapped) }
    return digest.bytes
  }

  private mutating func append(_ bytes: RawSpan) {
    unsafe bytes.withUnsafeBytes { raw in
      // SAFETY: `raw` is valid during the closure; its bytes are copied.
      unsafe rest.append(contentsOf: raw)
    }
  }

  private mutating func compressRest() {
    // Out and back, for state and rest are both of this value.
    var block: [UInt8] = []
    swap(&block, &rest)
    Self.compress(&state, block.rawSpan)
    block.removeAll(keepingCapacity: true)
    swap(&block, &rest)
  }

  private static func compress(_ state: inout [UInt32], _ blocks: RawSpan) {
    precondition(blocks.byteCount % blockByteCount == 0, "whole blocks")
    unsafe state.withUnsafeMutableBufferPointer { state in
      unsafe blocks.withUnsafeBytes { raw in
        guard let words = state.baseAddress else { return }
        // SAFETY: `words` are the eight of the state, written in place; `raw` holds as many whole
        // blocks as are named and is only read.
        unsafe tsq_sha256(words, raw.baseAddress, raw.count / blockByteCount)
      }
    }
  }

  /// The digest by plain arithmetic, as processors without the extensions compute it.
  /// - Precondition: whole blocks, padded by the caller.
  static func portableState(ofBlocks blocks: [UInt8]) -> [UInt32] {
    var state = SHA256().state
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
    var state = SHA256().state
    compress(&state, blocks.rawSpan)
    return state
  }
}
