/// The numbers of leaves, trees and the chain. Docs/FORMAT.md, "Proofs", is normative.
///
///     tree     RFC 6962, section 2.1: leaf = SHA-256(0 ‖ leaf), node = SHA-256(1 ‖ left ‖ right)
///     head     SHA-256(2 ‖ store id ‖ previous head ‖ first LSN ‖ last LSN ‖ leaf count ‖ root)
package enum ProofFormat {
  static let leafPrefix: UInt8 = 0
  static let nodePrefix: UInt8 = 1
  static let headPrefix: UInt8 = 2
  static let leafVersion: UInt8 = 1
  static let linkVersion: UInt8 = 1
  /// Leaves whose subtree is kept: what a proof must make again is at most so many leaves.
  static let groupLeafCount = 256
  /// Instants in one leaf of readings, so that the proof of one reading is small.
  static let leafInstantCount = 64

  package enum LeafKind: UInt8, Sendable, CaseIterable {
    case rows = 1, event = 2
  }

  enum TimesForm { static let even: UInt8 = 1, uneven: UInt8 = 2 }
  enum ColumnForm { static let constant: UInt8 = 1, values: UInt8 = 2, nullable: UInt8 = 3 }
}

/// Records of journal segments that are not of the log.
package enum ProofRecordKind: UInt8, Sendable {
  case chainLink = 128
  case leafGroup = 129
}

/// A SHA-256, in place.
package struct Digest: Hashable, Sendable {
  private var words: SIMD4<UInt64>

  /// - Precondition: 32 bytes.
  package init(_ bytes: [UInt8]) {
    precondition(bytes.count == SHA256.byteCount, "a digest has 32 bytes")
    let raw = bytes.rawSpan
    words = SIMD4(raw.uint64(at: 0), raw.uint64(at: 8), raw.uint64(at: 16), raw.uint64(at: 24))
  }

  package init(from reader: inout ByteReader) throws(StorageError) {
    words = SIMD4(
      try reader.next(UInt64.self), try reader.next(UInt64.self), try reader.next(UInt64.self),
      try reader.next(UInt64.self))
  }

  /// Of all that went into `hash`.
  init(_ hash: consuming SHA256) { self.init(hash.finalState()) }

  init(_ state: InlineArray<8, UInt32>) {
    words = SIMD4()
    for word in 0..<4 {
      words[word] =
        UInt64(state[2 * word].byteSwapped) | UInt64(state[2 * word + 1].byteSwapped) << 32
    }
  }

  fileprivate func put(into hash: inout SHA256) {
    var little = words
    for word in 0..<4 { little[word] = words[word].littleEndian }
    unsafe withUnsafeBytes(of: &little) { raw in
      // SAFETY: `raw` covers the 32 bytes of `little` while the closure runs.
      unsafe hash.update(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(raw)))
    }
  }

  /// Writes the 32 bytes of it from `offset` on.
  func put(into message: inout InlineArray<128, UInt8>, at offset: Int) {
    var bytes = message.mutableSpan
    // SAFETY: any value of a byte is a UInt8; each store is checked.
    var raw = unsafe bytes.mutableBytes
    for word in 0..<4 {
      raw.storeBytes(of: words[word].littleEndian, toByteOffset: offset + 8 * word, as: UInt64.self)
    }
  }

  /// What stands before the first link of a chain.
  package static let zero = Digest([UInt8](repeating: 0, count: SHA256.byteCount))

  package var bytes: [UInt8] {
    var out = ByteWriter(reserving: SHA256.byteCount)
    out.put(self)
    return out.bytes
  }

  fileprivate func put(into out: inout ByteWriter) {
    for word in 0..<4 { out.put(words[word]) }
  }
}

extension SHA256 {
  mutating func update(_ digest: Digest) { digest.put(into: &self) }
}

extension ByteWriter {
  package mutating func put(_ digest: Digest) { digest.put(into: &self) }
}
