/// Memory of a fixed size that is written front to back in several regions and never rewritten.
///
/// One writer at a time stores; whoever was told, through a lock, how far a region is filled may
/// copy from before that point while the writer goes on behind it. So readers share the memory of
/// rows that still grow, and neither side waits for the other or copies on write.
///
/// - Safety of `@unchecked Sendable`: stores and copies that are made as described never touch the
///   same byte at the same time; every access is checked against the size.
@safe final class GrowOnlyBuffer: @unchecked Sendable {
  private let base: UnsafeMutableRawPointer
  let byteCount: Int

  /// Memory aligned for 64-bit words. What is copied from it must have been stored before.
  init(byteCount: Int) {
    precondition(byteCount >= 0, "a size is not negative")
    self.byteCount = byteCount
    // SAFETY: freed in deinit alone; users copy only from what they stored.
    unsafe base = .allocate(byteCount: max(byteCount, 8), alignment: 8)
  }

  deinit { unsafe base.deallocate() }

  private func check(_ offset: Int, _ count: Int, stride: Int) {
    precondition(
      offset >= 0 && count >= 0 && count <= (byteCount &- offset) / stride && offset <= byteCount,
      "an access inside the buffer")
  }

  /// Stores `values` as 64-bit words from byte `offset` on.
  func store(_ values: Span<Int64>, at offset: Int) {
    check(offset, values.count, stride: 8)
    if values.isEmpty { return }
    unsafe values.withUnsafeBufferPointer { source in
      // SAFETY: `check` proves the destination; the source is another allocation.
      unsafe (base + offset).copyMemory(from: source.baseAddress!, byteCount: source.count * 8)
    }
  }

  /// Stores `value` in `count` words from byte `offset` on.
  func fill(_ value: Int64, count: Int, at offset: Int) {
    check(offset, count, stride: 8)
    for index in 0..<count {
      // SAFETY: `check` proves the bounds.
      unsafe base.storeBytes(of: value, toByteOffset: offset &+ index &* 8, as: Int64.self)
    }
  }

  func store(_ value: Int64, at offset: Int) { fill(value, count: 1, at: offset) }

  func storeByte(_ value: UInt8, at offset: Int) {
    check(offset, 1, stride: 1)
    // SAFETY: `check` proves the bounds.
    unsafe base.storeBytes(of: value, toByteOffset: offset, as: UInt8.self)
  }

  func word(at offset: Int) -> Int64 {
    check(offset, 1, stride: 8)
    // SAFETY: `check` proves the bounds.
    return unsafe base.loadUnaligned(fromByteOffset: offset, as: Int64.self)
  }

  func byte(at offset: Int) -> UInt8 {
    check(offset, 1, stride: 1)
    // SAFETY: `check` proves the bounds.
    return unsafe base.load(fromByteOffset: offset, as: UInt8.self)
  }

  /// `count` words from byte `offset` on.
  func words(_ count: Int, at offset: Int) -> [Int64] {
    check(offset, count, stride: 8)
    return unsafe [Int64](unsafeUninitializedCapacity: count) { out, filled in
      // SAFETY: `check` proves the source; the array's memory has room for `count` words.
      if count > 0 {
        unsafe UnsafeMutableRawPointer(out.baseAddress!).copyMemory(
          from: base + offset, byteCount: count * 8)
      }
      filled = count
    }
  }

  /// Copies `count` bytes of `other` from `source` on to `offset`.
  func copy(_ count: Int, of other: GrowOnlyBuffer, from source: Int, to offset: Int) {
    check(offset, count, stride: 1)
    other.check(source, count, stride: 1)
    precondition(other !== self, "two buffers")
    // SAFETY: both ranges were checked, and lie in two allocations.
    unsafe (base + offset).copyMemory(from: other.base + source, byteCount: count)
  }
}
