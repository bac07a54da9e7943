/// The few doubles of a decimal section that are no k / 10^e: NaN, infinities, -0, a value with
/// too many digits. Each is kept as its bit pattern beside its position; the section holds a
/// neighbour's integer in its place, which costs nothing.
///
/// Source: the exceptions of ALP (A. Afroozeh, L. Kuffo, P. Boncz, 2023).
struct FloatPatches: Sendable {
  /// Ascending positions in the section.
  private(set) var positions: [Int32] = []
  private(set) var slots: [Int64] = []

  var isEmpty: Bool { positions.isEmpty }

  /// Precondition: `position` is above those before.
  mutating func add(_ position: Int, _ slot: Int64) {
    positions.append(Int32(truncatingIfNeeded: position))
    slots.append(slot)
  }

  /// Layout: varint count, at least 1; varint distances, the first from -1; bit patterns, u64 each.
  func write(into out: inout ByteWriter) {
    out.varint(positions.count)
    var before: Int32 = -1
    for position in positions {
      out.varint(UInt64(position - before))
      before = position
    }
    for slot in slots { out.put(UInt64(bitPattern: slot)) }
  }

  static func parse(
    _ reader: inout ByteReader, count: Int
  ) throws(StorageError) -> FloatPatches {
    let at = reader.offset
    let patchCount = try reader.count(limit: min(count, reader.remaining / 9))
    var patches = FloatPatches()
    var position = -1
    for _ in 0..<patchCount {
      let distance = try reader.count(limit: count - 1 - position)
      guard distance > 0 else { throw StorageError(.corrupt, "patch of a float", offset: at) }
      position += distance
      patches.positions.append(Int32(position))
    }
    for _ in 0..<patchCount {
      patches.slots.append(Int64(bitPattern: try reader.next(UInt64.self)))
    }
    guard patchCount > 0 else { throw StorageError(.corrupt, "no patches", offset: at) }
    return patches
  }

  /// The patches at rows `rows`, as indices. O(log patches).
  func indices(in rows: Range<Int>) -> Range<Int> {
    let start = firstIndex(atOrAfter: rows.lowerBound)
    var end = start
    while end < positions.count, Int(positions[end]) < rows.upperBound { end += 1 }
    return start..<end
  }

  private func firstIndex(atOrAfter row: Int) -> Int {
    var (low, high) = (0, positions.count)
    while low < high {
      let middle = (low + high) / 2
      if Int(positions[middle]) < row { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

extension ColumnSection {
  /// The rows of `page`.
  private func rows(ofPage page: Int) -> Range<Int> {
    page &* 256..<page &* 256 &+ valueCount(page: page)
  }

  func hasPatches(page: Int) -> Bool {
    !patches.isEmpty && !patches.indices(in: rows(ofPage: page)).isEmpty
  }

  /// Puts patches at rows from `first` on into decoded `slots`.
  func patch(_ slots: inout MutableSpan<Int64>, from first: Int) {
    if patches.isEmpty { return }
    for index in patches.indices(in: first..<first + slots.count) {
      slots[Int(patches.positions[index]) - first] = patches.slots[index]
    }
  }

  /// `bounds` of `page` widened by its patches, null ones too.
  func widened(_ bounds: ClosedRange<Int64>, page: Int) -> ClosedRange<Int64> {
    if patches.isEmpty { return bounds }
    return patches.indices(in: rows(ofPage: page)).reduce(bounds) { bounds, index in
      let key = FloatOrder.key(bits: patches.slots[index])
      return min(bounds.lowerBound, key)...max(bounds.upperBound, key)
    }
  }

  /// `mask` of the values within `range` with the patched ones put right.
  func patched(_ mask: PageMask, page: Int, in range: ClosedRange<Int64>) -> PageMask {
    let rows = rows(ofPage: page)
    let indices = patches.indices(in: rows)
    if indices.isEmpty { return mask }
    var mask = mask
    let valid = validity(page: page)
    for index in indices {
      let bit = Int(patches.positions[index]) - rows.lowerBound
      let key = FloatOrder.key(bits: patches.slots[index])
      mask.set(bit: bit, to: valid.contains(bit: bit) && range.contains(key))
    }
    return mask
  }

  /// Exact bounds of a page with patches, by decoding it.
  func decodedMinMax(page: Int) -> ClosedRange<Int64>? {
    var slots = [Int64](repeating: 0, count: valueCount(page: page))
    var span = slots.mutableSpan
    decode(pages: page..<page + 1, into: &span)
    var bounds: ClosedRange<Int64>?
    validity(page: page).forEachBit { index in
      let key = FloatOrder.key(bits: slots[index])
      bounds = min(bounds?.lowerBound ?? key, key)...max(bounds?.upperBound ?? key, key)
    }
    return bounds
  }
}
