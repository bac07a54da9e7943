/// The values of a cold section, decoded when it is opened.
struct ColdSection: Sendable {
  /// Held numbers.
  private(set) var values: [Int64]
  /// Least and greatest of each page.
  private(set) var bounds: [ClosedRange<Int64>] = []
  /// Of all values, as the section's head says.
  let minimum: Int64
  let maximum: Int64

  /// - Throws: `.corrupt`, `.truncated`: also when the values are not within the range that the
  ///   section names, or the coder does not end where it began.
  static func parse(
    _ reader: inout ByteReader, count: Int, hasDivisor: Bool
  ) throws(StorageError) -> ColdSection {
    let at = reader.offset
    guard count >= ColdShape.minimumCount else {
      throw StorageError(.corrupt, "cold section of \(count) values", offset: at)
    }
    let head = try ColumnSection.Pages.Head(&reader, hasDivisor: hasDivisor)
    var model = ColdModel()
    model.step = try reader.zigzag()
    let shifts = try reader.next(UInt8.self)
    (model.levelShift, model.activityShift) = (Int(shifts & 15), Int(shifts >> 4))
    model.jump = Int(try reader.next(UInt8.self))
    let starts = try reader.next(UInt32.self)
    guard model.levelShift <= 7, (1...7).contains(model.activityShift), starts & 1 == 1 else {
      throw StorageError(.corrupt, "model of a cold section", offset: at)
    }
    var firsts = InlineArray<4, Int64>(repeating: 0)
    for lane in 0..<ColdShape.laneCount { firsts[lane] = Int64(bitPattern: try reader.varint()) }
    let bits = try reader.take(try reader.count(limit: reader.remaining))
    var states = InlineArray<4, UInt32>(repeating: 0)
    for lane in 0..<ColdShape.laneCount {
      states[lane] = try reader.next(UInt32.self)
      guard states[lane] >= ColdShape.stateFloor else {
        throw StorageError(.corrupt, "state of a cold lane", offset: at)
      }
    }
    let words = try reader.take(reader.remaining)
    var decoder = try ColdDecoder(model, tableStarts: starts, bits: bits, words: words)
    let values = try decoder.decode(count: count, firsts: firsts, states: states, head)
    return try ColdSection(values, head, at)
  }

  private init(
    _ values: [Int64], _ head: ColumnSection.Pages.Head, _ at: Int
  ) throws(StorageError) {
    self.values = values
    minimum = head.minimum
    maximum = head.minimum &+ Int64(bitPattern: head.range &* head.divisor)
    bounds.reserveCapacity((values.count + 255) >> 8)
    for start in stride(from: 0, to: values.count, by: 256) {
      var (low, high) = (Int64.max, Int64.min)
      for index in start..<min(start + 256, values.count) {
        low = min(low, values[index])
        high = max(high, values[index])
      }
      guard low >= minimum, high <= maximum else {
        throw StorageError(.corrupt, "cold values out of range", offset: at)
      }
      bounds.append(low...high)
    }
  }

  /// The values of `page` within `held`.
  func select(page: Int, count: Int, in held: ClosedRange<Int64>) -> PageMask {
    let bounds = bounds[page]
    guard held.overlaps(bounds) else { return .zero }
    if held.lowerBound <= bounds.lowerBound && held.upperBound >= bounds.upperBound {
      return .first(count)
    }
    let low = held.lowerBound
    let span = UInt64(bitPattern: held.upperBound &- low)
    var mask = PageMask.zero
    for word in 0..<(count &+ 63) >> 6 {
      var bits: UInt64 = 0
      let first = page &* 256 &+ word &* 64
      for bit in 0..<min(64, values.count &- first) {
        let hit = UInt64(bitPattern: values[first &+ bit] &- low) <= span
        bits |= (hit ? 1 : 0) &<< UInt64(bit)
      }
      mask[word] = bits
    }
    return mask
  }

  func sum(page: Int, count: Int) -> Int128 {
    // Distances from the page's least value: 256 of less than 2^55 fit.
    let bounds = bounds[page]
    let rows = page &* 256..<page &* 256 &+ count
    guard UInt64(bitPattern: bounds.upperBound &- bounds.lowerBound) < 1 << 55 else {
      return values[rows].reduce(0) { $0 + Int128($1) }
    }
    var above: Int64 = 0
    for index in rows { above &+= values[index] &- bounds.lowerBound }
    return Int128(bounds.lowerBound) * Int128(count) + Int128(above)
  }
}

/// Four interleaved coders with a table by context.
struct ColdDecoder {
  private let model: ColdModel
  /// Tables one after another, 2^tableBits entries each.
  private var slots: [UInt32] = []
  /// First slot of the table of an activity, by a quarter of it.
  private var tables: [UInt16]
  /// Copies with room behind them, so that one round of four values need not look for the end.
  private let bits: [UInt8]
  private let bitCount: Int
  private var bitPosition: Int
  private let words: [UInt16]
  private let wordCount: Int

  /// - Throws: `.corrupt`, `.truncated`.
  init(
    _ model: ColdModel, tableStarts: UInt32, bits: RawSpan, words: RawSpan
  ) throws(StorageError) {
    self.model = model
    tables = [UInt16](repeating: 0, count: ColdShape.activityCount / 4)
    slots.reserveCapacity(tableStarts.nonzeroBitCount * ColdShape.slotCount)
    var cursor = BitCursor(bits)
    for number in 0..<ColdShape.classCount where tableStarts >> UInt32(number) & 1 == 1 {
      for quarter in ColdShape.classStarts[number] / 4..<tables.count {
        tables[quarter] = UInt16(slots.count)
      }
      try FrequencyTable(reading: &cursor).appendSlots(to: &slots)
    }
    bitPosition = cursor.position
    bitCount = bits.byteCount * 8
    var plain: [UInt8] = []
    plain.reserveCapacity(bits.byteCount + 64)
    unsafe bits.withUnsafeBytes { unsafe plain.append(contentsOf: $0) }  // SAFETY: a copy.
    self.bits = plain + [UInt8](repeating: 0, count: 64)
    guard words.byteCount % 2 == 0 else { throw StorageError(.truncated, "half a word") }
    wordCount = words.byteCount / 2
    var copied: [UInt16] = []
    copied.reserveCapacity(wordCount + 8)
    for index in 0..<wordCount {
      // SAFETY: two bytes at 2 · index, which is below the byte count.
      copied.append(
        UInt16(littleEndian: unsafe words.unsafeLoadUnaligned(
          fromUncheckedByteOffset: 2 &* index, as: UInt16.self)))
    }
    self.words = copied + [UInt16](repeating: 0, count: 8)
  }

  /// - Throws: `.truncated`, `.corrupt`.
  mutating func decode(
    count: Int, firsts: InlineArray<4, Int64>, states: InlineArray<4, UInt32>,
    _ head: ColumnSection.Pages.Head
  ) throws(StorageError) -> [Int64] {
    let rounds = (count + 3) / 4
    var isWhole = false
    var values = unsafe [Int64](unsafeUninitializedCapacity: rounds * 4) { buffer, used in
      guard let out = buffer.baseAddress else { return }
      // SAFETY: `out` has room for 4 · rounds values.
      isWhole = unsafe run(rounds: rounds, firsts, states, head, into: out)
      used = isWhole ? rounds * 4 : 0
    }
    guard isWhole else { throw StorageError(.corrupt, "cold section does not come out even") }
    values.removeLast(values.count - count)
    return values
  }

  /// False when the bytes end early or late. SAFETY: `out` has room for 4 · rounds values.
  @inline(never) private mutating func run(
    rounds: Int, _ firsts: InlineArray<4, Int64>, _ states: InlineArray<4, UInt32>,
    _ head: ColumnSection.Pages.Head, into out: UnsafeMutablePointer<Int64>
  ) -> Bool {
    unsafe slots.withUnsafeBufferPointer { slots in
      unsafe tables.withUnsafeBufferPointer { tables in
        unsafe words.withUnsafeBufferPointer { words in
          unsafe bits.withUnsafeBytes { bits in
            guard let slots = slots.baseAddress, let tables = tables.baseAddress,
              let words = words.baseAddress, let bits = bits.baseAddress
            else { return false }
            var source = unsafe ColdSource(
              slots: slots, tables: tables, word: words, bits: bits, bitPosition: bitPosition,
              model, head)
            var (a, b, c, d) = (
              ColdLane(first: firsts[0]), ColdLane(first: firsts[1]), ColdLane(first: firsts[2]),
              ColdLane(first: firsts[3])
            )
            var (w, x, y, z) = (states[0], states[1], states[2], states[3])
            // SAFETY: a round takes at most four words and 4 · 61 bits; both have more room
            // behind their end, and a round begins before it. Lanes are `rounds` values apart.
            let lastWord = unsafe words + wordCount
            for index in 0..<rounds {
              guard unsafe source.word <= lastWord, unsafe source.bitPosition <= bitCount else {
                return false
              }
              unsafe out[index] = source.next(&a, &w)
              unsafe out[rounds &+ index] = source.next(&b, &x)
              unsafe out[2 &* rounds &+ index] = source.next(&c, &y)
              unsafe out[3 &* rounds &+ index] = source.next(&d, &z)
            }
            let floor = ColdShape.stateFloor
            return unsafe source.word == lastWord && source.bitPosition <= bitCount
              && bitCount &- source.bitPosition < 8 && w == floor && x == floor && y == floor
              && z == floor
          }
        }
      }
    }
  }
}

/// What all lanes of one section read from.
@unsafe private struct ColdSource {
  let slots: UnsafePointer<UInt32>
  let tables: UnsafePointer<UInt16>
  var word: UnsafePointer<UInt16>
  let bits: UnsafeRawPointer
  var bitPosition: Int
  private let levelShift: Int64
  private let activityShift: Int
  private let jump: Int
  private let step: Int64
  private let minimum: Int64
  private let divisor: Int64

  init(
    slots: UnsafePointer<UInt32>, tables: UnsafePointer<UInt16>, word: UnsafePointer<UInt16>,
    bits: UnsafeRawPointer, bitPosition: Int, _ model: ColdModel, _ head: ColumnSection.Pages.Head
  ) {
    unsafe self.slots = slots
    unsafe self.tables = tables
    unsafe self.word = word
    unsafe self.bits = bits
    unsafe self.bitPosition = bitPosition
    unsafe levelShift = Int64(model.levelShift)
    unsafe activityShift = model.activityShift
    unsafe jump = model.jump &<< ColdShape.activityFraction
    unsafe step = model.step &<< ColdShape.levelFraction
    unsafe minimum = head.minimum
    unsafe divisor = Int64(bitPattern: head.divisor)
  }

  /// The next held number of a lane.
  /// SAFETY: a word at `word`, and 16 bytes of bits at `bitPosition`.
  @inline(__always) mutating func next(_ lane: inout ColdLane, _ state: inout UInt32) -> Int64 {
    // SAFETY: an activity is below 4,096, so a quarter of it is one of the 1,024 `tables`; each
    // holds the first of 1,024 slots.
    let table = unsafe Int(tables[lane.activity &>> 2])
    let slot = unsafe slots[table &+ Int(state & UInt32(ColdShape.slotCount &- 1))]
    var next = (slot & 0x7FF) &* (state &>> UInt32(ColdShape.tableBits)) &+ (slot &>> 11 & 0x3FF)
    // A select, not a branch: which symbols take a word is as good as random.
    let isLow = next < ColdShape.stateFloor
    let refilled = unsafe next &<< 16 | UInt32(word.pointee)
    next = isLow ? refilled : next
    unsafe word += isLow ? 1 : 0
    state = next
    let symbol = Int(slot &>> 21)
    var zigzag = UInt64(truncatingIfNeeded: symbol)
    if symbol >= 16 {
      let width = DistanceCode.extraBits(symbol)
      zigzag = unsafe DistanceCode.base(symbol) &+ takeBits(width)
    }
    let unit = lane.prediction &+ DistanceCode.distance(zigzag)
    unsafe lane.take(
      unit, symbol: symbol, levelShift: levelShift, activityShift: activityShift, jump: jump,
      step: step)
    return unsafe minimum &+ unit &* divisor
  }

  @inline(__always) private mutating func takeBits(_ width: Int) -> UInt64 {
    let shift = unsafe UInt64(bitPosition & 7)
    let at = unsafe bitPosition &>> 3
    var value = unsafe UInt64(littleEndian: bits.loadUnaligned(fromByteOffset: at, as: UInt64.self)) &>> shift
    if width > 56 {
      let next = unsafe UInt64(bits.load(fromByteOffset: at &+ 8, as: UInt8.self))
      value |= shift == 0 ? 0 : next &<< (64 &- shift)
    }
    unsafe bitPosition &+= width
    return value & ((1 &<< UInt64(width)) &- 1)
  }
}
