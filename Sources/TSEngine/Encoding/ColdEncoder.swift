/// Writes the cold form: tries a few models, merges contexts whose tables cost more than they
/// save, codes backwards (a state machine of this kind is a stack).
struct ColdEncoder: Sendable {
  /// Tables a section may have; more are seldom worth their bytes, and crowd the cache.
  private static let maximumTables = 6

  private var units: [Int64] = []
  /// In order of decoding: value i of each lane in turn, then value i + 1.
  private var symbols: [UInt8] = []
  private var classes: [UInt8] = []
  private var extras: [UInt64] = []
  private var extraBitCount = 0
  private var histograms = [UInt32](
    repeating: 0, count: ColdShape.classCount * ColdShape.symbolCount)
  /// One above the greatest symbol seen.
  private var symbolLimit = 0

  /// Appends the cold section of `held` to `out` where that is smaller than `limit` bytes.
  /// - Parameter head: flags, fit and head as for a paged section of the same values.
  /// - Returns: whether it did.
  mutating func encode(
    _ held: Span<Int64>, _ head: ColumnSection.Pages.Head, flags: UInt8,
    _ fit: DecimalFit?, limit: Int, into out: inout ByteWriter
  ) -> Bool {
    guard held.count >= ColdShape.minimumCount else { return false }
    load(held, head)
    let (model, tables) = choose()
    let start = out.count
    let flags = flags | (head.divisor > 1 ? SectionFlag.divisor : 0)
    out.put(flags | SectionForm.cold.rawValue)
    fit?.write(into: &out)
    head.write(into: &out)
    out.zigzag(model.step)
    out.put(UInt8(model.levelShift | model.activityShift << 4))
    out.put(UInt8(model.jump))
    out.put(tables.reduce(UInt32(0)) { $0 | 1 << UInt32($1.lowerBound) })
    for lane in 0..<ColdShape.laneCount { out.varint(UInt64(bitPattern: first(ofLane: lane))) }
    write(tables, into: &out)
    if out.count - start < limit { return true }
    out.bytes.removeSubrange(start...)
    return false
  }

  private var rounds: Int { (units.count + 3) / 4 }

  private func first(ofLane lane: Int) -> Int64 { units[min(lane * rounds, units.count - 1)] }

  private mutating func load(_ held: Span<Int64>, _ head: ColumnSection.Pages.Head) {
    units.removeAll(keepingCapacity: true)
    units.reserveCapacity(held.count)
    for index in held.indices {
      let distance = UInt64(bitPattern: held[index] &- head.minimum)
      units.append(Int64(bitPattern: head.divisor == 1 ? distance : distance / head.divisor))
    }
  }

  // MARK: Choice of the model

  /// The cheapest of the models tried: shifts about the middle first, then downhill.
  private mutating func choose() -> (model: ColdModel, tables: [Range<Int>]) {
    var best = ColdModel()
    best.step = medianStep()
    var (bits, tables) = cost(of: best)
    var last = best
    func improve(_ change: (inout ColdModel) -> Void, _ encoder: inout ColdEncoder) -> Bool {
      var other = best
      change(&other)
      let tried = encoder.cost(of: other)
      last = other
      guard tried.bits < bits else { return false }
      (best, bits, tables) = (other, tried.bits, tried.tables)
      return true
    }
    if improve({ $0.levelShift += 1 }, &self) {
      while best.levelShift < 6, improve({ $0.levelShift += 1 }, &self) {}
    } else {
      while best.levelShift > 0, improve({ $0.levelShift -= 1 }, &self) {}
    }
    _ = improve({ $0.activityShift -= 1 }, &self)
    if last != best { _ = cost(of: best) }
    return (best, tables)
  }

  /// What neighbours mostly differ by, of a sample.
  private func medianStep() -> Int64 {
    let stride = max(1, (units.count - 1) / 63)
    var sample: [Int64] = []
    for index in Swift.stride(from: 1, to: units.count, by: stride) {
      sample.append(units[index] &- units[index - 1])
    }
    sample.sort()
    return sample[sample.count / 2]
  }

  /// Runs `model` over the units, and groups classes into tables.
  private mutating func cost(of model: ColdModel) -> (bits: Int, tables: [Range<Int>]) {
    run(model)
    var groups: [(classes: Range<Int>, bits: Int)] = []
    var start = 0
    for number in 0..<ColdShape.classCount {
      // Classes that never come belong to the group before; the first group begins at class 0.
      guard histogramBits(number..<number + 1) > 0 else { continue }
      if !groups.isEmpty { groups[groups.count - 1].classes = start..<number }
      start = groups.isEmpty ? 0 : number
      groups.append((start..<number + 1, histogramBits(start..<number + 1)))
    }
    groups[groups.count - 1].classes = start..<ColdShape.classCount
    var merged = zip(groups, groups.dropFirst()).map { histogramBits($0.classes.lowerBound..<$1.classes.upperBound) }
    while groups.count > 1 {
      var (place, gain) = (0, Int.min)
      for index in merged.indices {
        let saved = groups[index].bits + groups[index + 1].bits - merged[index]
        if saved > gain { (place, gain) = (index, saved) }
      }
      if gain < 0 && groups.count <= Self.maximumTables { break }
      let whole = groups[place].classes.lowerBound..<groups[place + 1].classes.upperBound
      groups[place] = (whole, merged[place])
      groups.remove(at: place + 1)
      merged.remove(at: place)
      for index in [place - 1, place] where merged.indices.contains(index) {
        merged[index] = histogramBits(
          groups[index].classes.lowerBound..<groups[index + 1].classes.upperBound)
      }
    }
    return (groups.reduce(extraBitCount) { $0 + $1.bits }, groups.map(\.classes))
  }

  /// Symbols, classes and histograms under `model`.
  private mutating func run(_ model: ColdModel) {
    let (rounds, count) = (rounds, units.count)
    if symbols.count != rounds * 4 {
      symbols = [UInt8](repeating: 0, count: rounds * 4)
      classes = symbols
      extras = [UInt64](repeating: 0, count: rounds * 4)
    }
    for index in histograms.indices { histograms[index] = 0 }
    (extraBitCount, symbolLimit) = (0, 0)
    for number in 0..<ColdShape.laneCount {
      var lane = ColdLane(first: first(ofLane: number))
      for index in 0..<rounds {
        let place = number * rounds + index
        // Behind the last value the prediction holds.
        let unit = place < count ? units[place] : lane.prediction
        let zigzag = DistanceCode.zigzag(unit &- lane.prediction)
        let symbol = DistanceCode.symbol(zigzag)
        let kind = Int(ActivityClass.ofQuarter[lane.activity >> 2])
        let slot = 4 * index + number
        symbols[slot] = UInt8(truncatingIfNeeded: symbol)
        classes[slot] = UInt8(truncatingIfNeeded: kind)
        extras[slot] = zigzag &- DistanceCode.base(symbol)
        extraBitCount += DistanceCode.extraBits(symbol)
        symbolLimit = max(symbolLimit, symbol + 1)
        histograms[kind * ColdShape.symbolCount + symbol] += 1
        lane.take(
          unit, symbol: symbol, levelShift: Int64(model.levelShift),
          activityShift: model.activityShift, jump: model.jump << ColdShape.activityFraction,
          step: model.step << ColdShape.levelFraction)
      }
    }
  }

  /// Bits of the symbols of these classes under one table, and about those of the table; 0 when
  /// there are none.
  private func histogramBits(_ classes: Range<Int>) -> Int {
    var (total, coded, table, gap): (UInt32, Int, Int, Bool) = (0, 0, 0, false)
    for symbol in 0..<symbolLimit {
      var count: UInt32 = 0
      for number in classes { count += histograms[number * ColdShape.symbolCount + symbol] }
      if count == 0 {
        table += 1
        gap = true
        continue
      }
      total += count
      coded -= Int(count) * Logarithm.of(count)
      // A length's code and the bits below its leading one: see `FrequencyTable.write`.
      table += UInt64(count).bitLength + (gap ? 9 : 2)
      gap = false
    }
    if total == 0 { return 0 }
    coded += Int(total) * Logarithm.of(total)
    return coded >> Logarithm.fractionBits + table + 8
  }

  // MARK: Coding

  private func write(_ groups: [Range<Int>], into out: inout ByteWriter) {
    var stream = BitStream.Writer()
    var bits: [UInt8] = []
    // Frequency and the sum of those before it, by class and symbol.
    var codes: [[UInt32]] = []
    for group in groups {
      var counts = [UInt32](repeating: 0, count: ColdShape.symbolCount)
      for number in group {
        for symbol in 0..<symbolLimit {
          counts[symbol] += histograms[number * ColdShape.symbolCount + symbol]
        }
      }
      let table = FrequencyTable(scaling: counts.span)
      table.write(&stream, into: &bits)
      var sum: UInt32 = 0
      let code = table.frequencies.map { frequency in
        defer { sum += UInt32(frequency) }
        return UInt32(frequency) | sum << 16
      }
      for _ in group { codes.append(code) }
    }
    for slot in symbols.indices {
      stream.put(extras[slot], width: DistanceCode.extraBits(Int(symbols[slot])), into: &bits)
    }
    stream.finish(into: &bits)
    out.varint(bits.count)
    out.append(bits)

    var states = InlineArray<4, UInt32>(repeating: ColdShape.stateFloor)
    var words: [UInt16] = []
    words.reserveCapacity(symbols.count / 4)
    for slot in symbols.indices.reversed() {
      let code = codes[Int(classes[slot])][Int(symbols[slot])]
      let (frequency, sum) = (code & 0xFFFF, code >> 16)
      var state = states[slot & 3]
      if UInt64(state) >= UInt64(frequency) << UInt64(32 - ColdShape.tableBits) {
        words.append(UInt16(truncatingIfNeeded: state))
        state >>= 16
      }
      let (quotient, remainder) = state.quotientAndRemainder(dividingBy: frequency)
      states[slot & 3] = quotient << UInt32(ColdShape.tableBits) + remainder + sum
    }
    for lane in 0..<ColdShape.laneCount { out.put(states[lane]) }
    for word in words.reversed() { out.put(word) }
  }
}

enum ActivityClass {
  /// The class of an activity, by a quarter of it.
  static let ofQuarter: [UInt8] = {
    var table = [UInt8](repeating: 0, count: ColdShape.activityCount / 4)
    for (number, start) in ColdShape.classStarts.enumerated() {
      for quarter in start / 4..<table.count { table[quarter] = UInt8(number) }
    }
    return table
  }()
}

/// Base-two logarithms of whole numbers, good to a part in a hundred of a bit.
enum Logarithm {
  static let fractionBits = 10

  /// In units of 2^-fractionBits. Precondition: `number` is at least 1.
  @inline(__always) static func of(_ number: UInt32) -> Int {
    let top = 31 &- number.leadingZeroBitCount
    let mantissa = top <= 8 ? number &<< UInt32(8 &- top) : number &>> UInt32(top &- 8)
    return top &<< fractionBits &+ Int(fractions[Int(mantissa & 255)])
  }

  /// log2(1 + i/256): squared once for each bit, which doubles the logarithm.
  private static let fractions: [UInt16] = (0..<256).map { index in
    var (value, bits): (Double, UInt16) = (1 + Double(index) / 256, 0)
    for _ in 0..<fractionBits {
      value *= value
      bits <<= 1
      if value >= 2 {
        value /= 2
        bits |= 1
      }
    }
    return bits
  }
}
