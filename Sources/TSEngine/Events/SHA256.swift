/// SHA-256 (FIPS 180-4, section 6.2): the digest of the registry. The engine takes no
/// cryptography package for one hash that guards against damage and divergence; secrets are the
/// business of the server, which does.
package struct SHA256 {
  private var state: SIMD8<UInt32> = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a,
    0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
  ]
  private var schedule = [UInt32](repeating: 0, count: 64)

  private init() {}

  package static func hash(_ bytes: [UInt8]) -> [UInt8] {
    // SAFETY: the bytes of UInt8 are all initialised; the span lives as long as the call.
    unsafe hash(bytes.span.bytes)
  }

  /// The 32-byte digest of `bytes`.
  package static func hash(_ bytes: RawSpan) -> [UInt8] {
    var hash = SHA256()
    let whole = bytes.byteCount / 64 * 64
    for start in stride(from: 0, to: whole, by: 64) {
      hash.block(bytes.extracting(start..<(start &+ 64)))
    }

    var tail = ByteWriter(reserving: 128)
    tail.append(bytes.extracting(whole..<bytes.byteCount))
    tail.put(UInt8(0x80))
    while tail.count % 64 != 56 { tail.put(UInt8(0)) }
    tail.put((UInt64(bytes.byteCount) << 3).byteSwapped)
    for start in stride(from: 0, to: tail.count, by: 64) {
      // SAFETY: as above; `extracting` checks the bounds.
      unsafe hash.block(tail.bytes.span.bytes.extracting(start..<(start &+ 64)))
    }
    var digest = ByteWriter(reserving: 32)
    for word in 0..<8 { digest.put(hash.state[word].byteSwapped) }
    return digest.bytes
  }

  private mutating func block(_ bytes: RawSpan) {
    precondition(bytes.byteCount == 64, "a block has 64 bytes")
    for i in 0..<16 {
      // SAFETY: 4·i + 4 ≤ 64, the byte count just checked.
      schedule[i] = unsafe bytes.unsafeLoadUnaligned(
        fromUncheckedByteOffset: 4 &* i, as: UInt32.self
      ).bigEndian
    }
    for i in 16..<64 {
      let (w15, w2) = (schedule[i &- 15], schedule[i &- 2])
      let s0 = rotate(w15, 7) ^ rotate(w15, 18) ^ (w15 >> 3)
      let s1 = rotate(w2, 17) ^ rotate(w2, 19) ^ (w2 >> 10)
      schedule[i] = schedule[i &- 16] &+ s0 &+ schedule[i &- 7] &+ s1
    }
    var (a, b, c, d) = (state[0], state[1], state[2], state[3])
    var (e, f, g, h) = (state[4], state[5], state[6], state[7])
    for i in 0..<64 {
      let s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
      let first = h &+ s1 &+ ((e & f) ^ (~e & g)) &+ Self.constants[i] &+ schedule[i]
      let s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
      let second = s0 &+ ((a & b) ^ (a & c) ^ (b & c))
      (h, g, f, e, d, c, b, a) = (g, f, e, d &+ first, c, b, a, first &+ second)
    }
    state &+= SIMD8(a, b, c, d, e, f, g, h)
  }

  @inline(__always) private func rotate(_ x: UInt32, _ n: UInt32) -> UInt32 {
    (x >> n) | (x << (32 &- n))
  }

  /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
  private static let constants: [UInt32] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
  ]
}
