import TSEngine

/// HMAC-SHA-256 (RFC 2104).
enum HMAC {
  private static let blockByteCount = 64

  /// The 32-byte code of `message` under `key`.
  static func code(_ message: [UInt8], key: [UInt8]) -> [UInt8] {
    let short = key.count > blockByteCount ? SHA256.hash(key) : key
    let padded = short + [UInt8](repeating: 0, count: blockByteCount - short.count)
    let inner = SHA256.hash(padded.map { $0 ^ 0x36 } + message)
    return SHA256.hash(padded.map { $0 ^ 0x5C } + inner)
  }

  /// Equality in a time that tells nothing about where two codes differ.
  static func isEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    guard a.count == b.count else { return false }
    var difference: UInt8 = 0
    for index in a.indices { difference |= a[index] ^ b[index] }
    return difference == 0
  }
}
