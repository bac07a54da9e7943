import Glibc

/// A hash of bytes for tables in memory, seeded by the process: who chooses the bytes cannot foretell
/// which of them collide. Never on disk.
///
/// - Source: folded 64 x 64 multiplication, after wyhash (Wang Yi, public domain).
package struct ByteHash: Sendable {
  private static let multiplier: UInt64 = 0x9E37_79B9_7F4A_7C15
  private let seed: UInt64

  package init() {
    var hasher = Hasher()
    hasher.combine(Self.multiplier)
    seed = UInt64(bitPattern: Int64(hasher.finalize()))
  }

  /// O(bytes), eight at a time.
  @inline(__always)
  package func callAsFunction(_ bytes: RawSpan, _ start: UInt64) -> UInt64 {
    var state = Self.fold(seed ^ start, UInt64(bytes.byteCount) ^ Self.multiplier)
    var offset = 0
    while bytes.byteCount &- offset >= 8 {
      // SAFETY: the condition proves offset ..< offset + 8 is in bounds.
      let word = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
      state = Self.fold(state ^ word, Self.multiplier)
      offset &+= 8
    }
    var rest: UInt64 = 0
    while offset < bytes.byteCount {
      // SAFETY: the condition proves that the byte is in bounds.
      rest = unsafe rest << 8 | UInt64(bytes.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self))
      offset &+= 1
    }
    return Self.fold(state ^ rest, Self.multiplier)
  }

  @inline(__always)
  private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
  }
}

extension [UInt8] {
  package mutating func append(_ more: RawSpan) {
    unsafe more.withUnsafeBytes { raw in
      // SAFETY: `raw` is valid for the duration of the closure; the bytes are copied.
      unsafe append(contentsOf: raw)
    }
  }
}

extension RawSpan {
  /// Whether both hold the same bytes. O(n).
  package func hasSameBytes(as other: RawSpan) -> Bool {
    guard byteCount == other.byteCount else { return false }
    return unsafe withUnsafeBytes { mine in
      unsafe other.withUnsafeBytes { theirs in
        guard let a = mine.baseAddress, let b = theirs.baseAddress else { return true }
        // SAFETY: both are valid for `byteCount` bytes for the duration of the closures.
        return unsafe memcmp(a, b, mine.count) == 0
      }
    }
  }
}

extension String {
  /// Calls `body` with the UTF-8 of this string, without a copy where it lies in one piece.
  @inline(__always)
  package func withUTF8Bytes<R>(_ body: (RawSpan) -> R) -> R {
    let utf8 = utf8.span
    // SAFETY: a UInt8 has no padding, so every byte is initialised.
    return unsafe body(utf8.bytes)
  }
}
