/// How often each symbol of a cold section comes in one context: whole numbers that add up to
/// 2^tableBits, each symbol that occurs having at least 1.
struct FrequencyTable: Sendable {
  var frequencies: [UInt16]

  /// Scales `counts` (of 256 symbols, not all 0).
  init(scaling counts: Span<UInt32>) {
    var total: UInt64 = 0
    for symbol in counts.indices { total += UInt64(counts[symbol]) }
    precondition(total > 0, "a table of no symbols")
    frequencies = [UInt16](repeating: 0, count: ColdShape.symbolCount)
    var sum = 0
    for symbol in counts.indices where counts[symbol] > 0 {
      let share = (UInt64(counts[symbol]) * UInt64(ColdShape.slotCount) * 2 + total) / (2 * total)
      frequencies[symbol] = UInt16(max(share, 1))
      sum += Int(frequencies[symbol])
    }
    // Rounding is put right at the most frequent ones, where it costs least.
    while sum != ColdShape.slotCount {
      let largest = frequencies.indices.max { frequencies[$0] < frequencies[$1] } ?? 0
      let size = Int(frequencies[largest])
      let change = max(ColdShape.slotCount - sum, -(size / 8 + 1))
      frequencies[largest] = UInt16(size + change)
      sum += change
    }
  }

  /// Symbols in order until the sum is full: the difference of the bit length to that of the
  /// symbol before, Elias-gamma of its zigzag + 1; then the bits below the leading one.
  func write(_ stream: inout BitStream.Writer, into out: inout [UInt8]) {
    var (before, sum) = (Self.firstLength, 0)
    for frequency in frequencies {
      let length = UInt64(frequency).bitLength
      let code = DistanceCode.zigzag(Int64(length - before)) + 1
      stream.put(0, width: code.bitLength - 1, into: &out)
      // The leading one first, so that a reader counts zeros up to it.
      stream.put(1, width: 1, into: &out)
      stream.put(code, width: code.bitLength - 1, into: &out)
      if length > 1 { stream.put(UInt64(frequency), width: length - 1, into: &out) }
      sum += Int(frequency)
      if sum == ColdShape.slotCount { return }
      before = length
    }
  }

  private static let firstLength = 7

  /// - Throws: `.corrupt`, `.truncated`.
  init(reading stream: inout BitCursor) throws(StorageError) {
    frequencies = [UInt16](repeating: 0, count: ColdShape.symbolCount)
    var (before, sum) = (Self.firstLength, 0)
    for symbol in frequencies.indices {
      var zeros = 0
      while try stream.field(1) == 0 {
        zeros += 1
        guard zeros < 6 else { throw StorageError(.corrupt, "frequency of a symbol") }
      }
      let code = try 1 << UInt64(zeros) | stream.field(zeros)
      let length = before + Int(DistanceCode.distance(code - 1))
      guard (0...ColdShape.tableBits + 1).contains(length) else {
        throw StorageError(.corrupt, "frequency of \(length) bits")
      }
      let frequency = length == 0 ? 0 : try 1 << UInt64(length - 1) | stream.field(length - 1)
      frequencies[symbol] = UInt16(truncatingIfNeeded: frequency)
      sum += Int(frequency)
      guard sum <= ColdShape.slotCount else { throw StorageError(.corrupt, "sum of frequencies") }
      if sum == ColdShape.slotCount { return }
      before = length
    }
    throw StorageError(.corrupt, "frequencies add up to \(sum)")
  }

  /// Appends a decoding entry for each slot: frequency in 11 bits, the slot's distance from the
  /// symbol's first in 10, the symbol above.
  func appendSlots(to slots: inout [UInt32]) {
    for symbol in frequencies.indices {
      let frequency = UInt32(frequencies[symbol])
      for place in 0..<frequency { slots.append(frequency | place << 11 | UInt32(symbol) << 21) }
    }
  }
}

/// Reads fields of a bit stream one after another.
struct BitCursor: ~Escapable {
  private let bytes: RawSpan
  /// Bits read.
  private(set) var position = 0

  @_lifetime(copy bytes)
  init(_ bytes: RawSpan) { self.bytes = bytes }

  /// - Throws: `.truncated`.
  @_lifetime(self: copy self)
  mutating func field(_ width: Int) throws(StorageError) -> UInt64 {
    guard width <= bytes.byteCount &* 8 &- position else {
      throw StorageError(.truncated, "bit stream")
    }
    var (value, filled): (UInt64, Int) = (0, 0)
    while filled < width {
      let taken = min(8 &- (position & 7), width &- filled)
      // SAFETY: the guard proves a bit at `position`.
      let byte = unsafe bytes.unsafeLoad(fromUncheckedByteOffset: position >> 3, as: UInt8.self)
      let part = UInt64(byte) >> UInt64(position & 7) & ((1 << UInt64(taken)) - 1)
      value |= part << UInt64(filled)
      position &+= taken
      filled &+= taken
    }
    return value
  }
}
