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
}
