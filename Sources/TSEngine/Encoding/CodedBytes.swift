/// A string of bytes, each coded by how often it comes in the string, by the coder of the cold form
/// (`ColdShape`) with two states in turn.
enum CodedBytes {
  private enum Kind {
    static let plain: UInt8 = 1
    static let repeated: UInt8 = 2
    static let coded: UInt8 = 3
  }

  static func write(_ bytes: [UInt8], into out: inout ByteWriter) {
    out.varint(bytes.count)
    guard let first = bytes.first else { return }
    if bytes.allSatisfy({ $0 == first }) {
      out.put(Kind.repeated)
      out.put(first)
      return
    }
    let coded = coded(bytes)
    if coded.count < bytes.count {
      out.put(Kind.coded)
      out.append(coded)
    } else {
      out.put(Kind.plain)
      out.append(bytes)
    }
  }

  private static func coded(_ bytes: [UInt8]) -> [UInt8] {
    var counts = [UInt32](repeating: 0, count: ColdShape.symbolCount)
    for byte in bytes { counts[Int(byte)] += 1 }
    let table = FrequencyTable(scaling: counts.span)
    var stream = BitStream.Writer()
    var bits: [UInt8] = []
    table.write(&stream, into: &bits)
    stream.finish(into: &bits)
    var sums: [UInt32] = []
    var sum: UInt32 = 0
    for frequency in table.frequencies {
      sums.append(sum)
      sum += UInt32(frequency)
    }
    var states = (ColdShape.stateFloor, ColdShape.stateFloor)
    var words: [UInt16] = []
    // Backwards; the states begin alike, so the one of byte 0 is the first in the end.
    for byte in bytes.reversed() {
      let frequency = UInt32(table.frequencies[Int(byte)])
      swap(&states.0, &states.1)
      var state = states.0
      if UInt64(state) >= UInt64(frequency) << UInt64(32 - ColdShape.tableBits) {
        words.append(UInt16(truncatingIfNeeded: state))
        state >>= 16
      }
      let (quotient, remainder) = state.quotientAndRemainder(dividingBy: frequency)
      states.0 = quotient << UInt32(ColdShape.tableBits) + remainder + sums[Int(byte)]
    }
    var out = ByteWriter(reserving: bits.count + 2 * words.count + 16)
    out.varint(bits.count)
    out.append(bits)
    out.put(states.0)
    out.put(states.1)
    out.varint(words.count)
    for word in words.reversed() { out.put(word) }
    return out.bytes
  }

  /// A string of at most `left` bytes, which are taken from it.
  /// - Throws: `.corrupt`, `.truncated`.
  static func read(_ reader: inout ByteReader, _ left: inout Int) throws(StorageError) -> [UInt8] {
    let count = try reader.count(limit: left)
    left -= count
    if count == 0 { return [] }
    let at = reader.offset
    switch try reader.next(UInt8.self) {
    case Kind.plain:
      var bytes = ByteWriter(reserving: min(count, reader.remaining))
      bytes.append(try reader.take(count))
      return bytes.bytes
    case Kind.repeated: return [UInt8](repeating: try reader.next(UInt8.self), count: count)
    case Kind.coded: return try decode(&reader, count, at)
    default: throw StorageError(.unsupportedVersion, "kind of coded bytes", offset: at)
    }
  }

  private static func decode(
    _ reader: inout ByteReader, _ count: Int, _ at: Int
  ) throws(StorageError) -> [UInt8] {
    var slots: [UInt32] = []
    slots.reserveCapacity(ColdShape.slotCount)
    let bits = try reader.take(try reader.count(limit: reader.remaining))
    var cursor = BitCursor(bits)
    try FrequencyTable(reading: &cursor).appendSlots(to: &slots)
    guard bits.byteCount * 8 - cursor.position < 8 else {
      throw StorageError(.corrupt, "table of coded bytes", offset: at)
    }
    var (state, other) = (try reader.next(UInt32.self), try reader.next(UInt32.self))
    guard state >= ColdShape.stateFloor, other >= ColdShape.stateFloor else {
      throw StorageError(.corrupt, "state of coded bytes", offset: at)
    }
    let wordCount = try reader.count(limit: reader.remaining / 2)
    let words = try reader.take(2 * wordCount)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    var word = 0
    for _ in 0..<count {
      let slot = slots[Int(state & UInt32(ColdShape.slotCount - 1))]
      // The product is below 2^32, since a frequency is at most 2^10; one word always refills.
      var next = (slot & 0x7FF) &* (state &>> UInt32(ColdShape.tableBits)) &+ (slot &>> 11 & 0x3FF)
      if next < ColdShape.stateFloor {
        guard word < wordCount else {
          throw StorageError(.truncated, "words of coded bytes", offset: at)
        }
        // SAFETY: two bytes at 2 · word, which is below the byte count.
        let low = unsafe words.unsafeLoadUnaligned(fromUncheckedByteOffset: 2 &* word, as: UInt16.self)
        next = next &<< 16 | UInt32(UInt16(littleEndian: low))
        word &+= 1
      }
      bytes.append(UInt8(truncatingIfNeeded: slot &>> 21))
      (state, other) = (other, next)
    }
    guard word == wordCount, state == ColdShape.stateFloor, other == ColdShape.stateFloor else {
      throw StorageError(.corrupt, "coded bytes do not come out even", offset: at)
    }
    return bytes
  }
}
