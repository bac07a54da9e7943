extension [UInt8] {
  /// The bytes of this array, borrowed.
  @inlinable package var rawSpan: RawSpan {
    @_lifetime(borrow self) get {
      // SAFETY: a UInt8 has no padding, so every byte is initialised.
      unsafe span.bytes
    }
  }

  /// Fills `range` from `file` at `offset`; returns the bytes read.
  package mutating func read(
    _ range: Range<Int>, from file: any DiskFile, at offset: Int
  ) throws(StorageError) -> Int {
    var bytes = mutableSpan
    var part = bytes._mutatingExtracting(range)
    // SAFETY: a UInt8 has no padding, and any value of a byte is a UInt8.
    var raw = unsafe part.mutableBytes
    return try file.read(into: &raw, at: offset)
  }

  /// Puts `other` over the bytes from `offset` on: one copy of memory, in debug builds too.
  /// Precondition: they are there.
  package mutating func overwrite(_ offset: Int, with other: ArraySlice<UInt8>) {
    precondition(offset >= 0 && other.count <= count - offset, "within the array")
    unsafe withUnsafeMutableBytes { target in
      unsafe other.withUnsafeBytes { source in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        // SAFETY: the precondition proves the bounds; an array and another's slice do not overlap,
        // for this array is held exclusively.
        unsafe (to + offset).copyMemory(from: from, byteCount: source.count)
      }
    }
  }

  package mutating func appendZeros(_ count: Int) {
    append(addingCapacity: count) { $0.append(repeating: 0, count: count) }
  }
}
