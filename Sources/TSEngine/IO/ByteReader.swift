/// Reads little-endian fields from bytes that came from a disk or a network.
/// Every access is checked against what remains and throws `.truncated`; nothing traps.
@safe package struct ByteReader: ~Escapable {
  private let bytes: RawSpan
  package private(set) var offset = 0

  @_lifetime(copy bytes)
  package init(_ bytes: RawSpan) { self.bytes = bytes }

  package var remaining: Int { bytes.byteCount &- offset }
  package var isAtEnd: Bool { offset == bytes.byteCount }

  @_lifetime(self: copy self)
  package mutating func next<T: FixedWidthInteger & BitwiseCopyable>(
    _: T.Type
  ) throws(StorageError) -> T {
    guard remaining >= MemoryLayout<T>.size else {
      throw StorageError(.truncated, "short field", offset: offset)
    }
    // SAFETY: the guard proves offset ..< offset + size is in bounds.
    let raw = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: T.self)
    offset &+= MemoryLayout<T>.size
    return T(littleEndian: raw)
  }

  /// The next `count` bytes; `count` may be any value read from the input.
  @_lifetime(self: copy self)
  @_lifetime(copy self)
  package mutating func take(_ count: Int) throws(StorageError) -> RawSpan {
    guard count >= 0, count <= remaining else {
      throw StorageError(.truncated, "short run of bytes", offset: offset)
    }
    let slice = bytes.extracting(offset..<(offset &+ count))
    offset &+= count
    return slice
  }

  /// Unsigned LEB128, at most 10 bytes.
  @_lifetime(self: copy self)
  package mutating func varint() throws(StorageError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let byte = try next(UInt8.self)
      if shift == 63 && byte > 1 { throw StorageError(.corrupt, "varint over 64 bits", offset: offset) }
      value |= UInt64(byte & 0x7F) << shift
      if byte & 0x80 == 0 { return value }
      shift &+= 7
      if shift > 63 { throw StorageError(.corrupt, "varint over 10 bytes", offset: offset) }
    }
  }

  /// Zigzag-coded signed varint.
  @_lifetime(self: copy self)
  package mutating func zigzag() throws(StorageError) -> Int64 {
    let raw = try varint()
    return Int64(bitPattern: (raw >> 1) ^ (0 &- (raw & 1)))
  }

  /// A varint that must fit a non-negative Int not above `limit`.
  @_lifetime(self: copy self)
  package mutating func count(limit: Int) throws(StorageError) -> Int {
    let raw = try varint()
    guard raw <= UInt64(limit) else {
      throw StorageError(.corrupt, "count \(raw) above limit \(limit)", offset: offset)
    }
    return Int(raw)
  }

  /// A varint length followed by that many bytes of UTF-8.
  @_lifetime(self: copy self)
  package mutating func string(limit: Int = 1 << 20) throws(StorageError) -> String {
    let length = try count(limit: limit)
    let at = offset
    let slice = try take(length)
    guard let text = String(validating: slice) else {
      throw StorageError(.corrupt, "invalid UTF-8", offset: at)
    }
    return text
  }
}

extension String {
  /// The string these bytes spell, or nil when they are not UTF-8. O(n).
  package init?(validating bytes: RawSpan) {
    let text: String? = unsafe bytes.withUnsafeBytes { raw in
      // SAFETY: `raw` is valid for the duration of the closure; the bytes are copied.
      unsafe String(validating: raw, as: UTF8.self)
    }
    guard let text else { return nil }
    self = text
  }
}
