import TSEngine

/// Standard deviation, variance and rms of integers: Σx and Σx² exact in 128 bits.
final class VarianceIntState: AggregateState {
  private let kind: AggregateFunction.Deviation
  private var sums: [Int128] = []
  private var squares: [Int128] = []
  private var counts: [Int64] = []
  private var overflowed: [Bool] = []
  init(_ kind: AggregateFunction.Deviation) { self.kind = kind }

  override func resize(_ count: Int) {
    pad(&sums, count, 0)
    pad(&squares, count, 0)
    pad(&counts, count, 0)
    pad(&overflowed, count, false)
  }

  override func update(_ group: Int, _ arguments: [Vector], _ rows: Range<Int>, _ sequence: UInt64) {
    let value = arguments[0]
    sums[group] += value.sum(rows)
    counts[group] += Int64(value.validCount(rows))
    var total: Int128 = 0
    var failed = false
    if let (low, high) = value.extremes(rows), low > -(1 << 25), high < 1 << 25 {
      // 2,048 squares below 2^50 fit in 64 bits.
      var narrow: Int64 = 0
      value.forEachValid(rows) { _, x in narrow &+= x &* x }
      total = Int128(narrow)
    } else {
      value.forEachValid(rows) { _, x in
        let (sum, overflow) = total.addingReportingOverflow(Int128(x) * Int128(x))
        total = sum
        failed = failed || overflow
      }
    }
    add(group, total, failed)
  }

  private func add(_ group: Int, _ total: Int128, _ failed: Bool) {
    let (sum, overflow) = squares[group].addingReportingOverflow(total)
    squares[group] = sum
    overflowed[group] = overflowed[group] || overflow || failed
  }

  override func merge(_ other: AggregateState, _ map: [Int32]) {
    guard let other = other as? VarianceIntState else { return }
    for (from, to) in map.enumerated() {
      sums[Int(to)] += other.sums[from]
      counts[Int(to)] += other.counts[from]
      add(Int(to), other.squares[from], other.overflowed[from])
    }
  }

  override func write(_ group: Int, _ function: AggregateFunction, _ out: Vector, _ row: Int) throws(SQLError) {
    guard !overflowed[group] else { throw .integerOverflow() }
    let count = counts[group]
    guard count > 0 else { return out.setNull(row) }
    if kind == .rootMeanSquare {
      return out[row] = slot(of: roundedQuotient(squares[group], count).squareRoot())
    }
    // n·Σx² − (Σx)² is exact where it fits, which is everywhere but at the ends of the range.
    let (scaled, overflow) = squares[group].multipliedReportingOverflow(by: Int128(count))
    let (square, overflow2) = sums[group].multipliedReportingOverflow(by: sums[group])
    let spread =
      overflow || overflow2
      ? max(0, Double(count) * Double(squares[group]) - Double(sums[group]) * Double(sums[group]))
      : Double(scaled - square)
    writeDeviation(spread, count, kind, out, row)
  }
  override var byteCount: Int { sums.count * 41 }
}

/// `spread` is n·Σx² − (Σx)².
private func writeDeviation(
  _ spread: Double, _ count: Int64, _ kind: AggregateFunction.Deviation, _ out: Vector, _ row: Int
) {
  let isSample = kind == .sampleDeviation || kind == .sampleVariance
  guard !isSample || count > 1 else { return out.setNull(row) }
  let variance = spread / (Double(count) * Double(isSample ? count - 1 : count))
  let isRoot = kind == .sampleDeviation || kind == .populationDeviation
  out[row] = slot(of: isRoot ? variance.squareRoot() : variance)
}

/// The same of floats: Σx and Σx² as exact sums, combined in twice the precision of a float.
final class VarianceFloatState: AggregateState {
  private let kind: AggregateFunction.Deviation
  private var sums: [ExactSum] = []
  private var squares: [ExactSum] = []
  private var counts: [Int64] = []
  init(_ kind: AggregateFunction.Deviation) { self.kind = kind }

  override func resize(_ count: Int) {
    pad(&sums, count, ExactSum())
    pad(&squares, count, ExactSum())
    pad(&counts, count, 0)
  }

  override func update(_ group: Int, _ arguments: [Vector], _ rows: Range<Int>, _ sequence: UInt64) {
    arguments[0].forEachValid(rows) { _, slot in
      let x = double(slot)
      sums[group].add(x)
      squares[group].addProduct(x, x)
      counts[group] += 1
    }
  }

  override func merge(_ other: AggregateState, _ map: [Int32]) {
    guard let other = other as? VarianceFloatState else { return }
    for (from, to) in map.enumerated() {
      sums[Int(to)].add(other.sums[from])
      squares[Int(to)].add(other.squares[from])
      counts[Int(to)] += other.counts[from]
    }
  }

  override func write(_ group: Int, _ function: AggregateFunction, _ out: Vector, _ row: Int) {
    let count = counts[group]
    guard count > 0 else { return out.setNull(row) }
    if kind == .rootMeanSquare {
      return out[row] = slot(of: (squares[group].value / Double(count)).squareRoot())
    }
    // n·Σx² − (Σx)², each factor as a sum of two floats, gathered exactly.
    let (high, low) = squares[group].parts
    let (sumHigh, sumLow) = sums[group].parts
    var spread = ExactSum()
    spread.addProduct(Double(count), high)
    spread.addProduct(Double(count), low)
    spread.addProduct(-sumHigh, sumHigh)
    spread.addProduct(-2 * sumHigh, sumLow)
    spread.addProduct(-sumLow, sumLow)
    writeDeviation(max(0, spread.value), count, kind, out, row)
  }
  override var byteCount: Int { sums.count * (2 * ExactSum.byteCount + 8) }
}

/// energy of an integer column: Σ value x span in W·ns, exact.
final class EnergyIntState: AggregateState {
  private let isExact: Bool
  private var sums: [Int128] = []
  private var isSet: [Bool] = []
  /// Some group left 128 bits: values and spans that no meter sends.
  private var overflowed = false
  init(isExact: Bool) { self.isExact = isExact }

  /// Nanoseconds of an hour: W·ns a Wh.
  static let nanosPerHour: Int64 = 3_600_000_000_000

  override func resize(_ count: Int) {
    pad(&sums, count, 0)
    pad(&isSet, count, false)
  }

  override func update(_ group: Int, _ arguments: [Vector], _ rows: Range<Int>, _ sequence: UInt64) {
    let (value, span) = (arguments[0], arguments[1])
    if span.isConstant, !span.hasNulls {
      guard value.validCount(rows) > 0 else { return }
      add(group, value.sum(rows), times: span[0])
      isSet[group] = true
      return
    }
    value.forEachValid(rows) { row, slot in
      guard span.isValid(row) else { return }
      add(group, Int128(slot), times: span[row])
      isSet[group] = true
    }
  }

  private func add(_ group: Int, _ sum: Int128, times span: Int64) {
    let (product, overflow) = sum.multipliedReportingOverflow(by: Int128(span))
    let (total, carry) = sums[group].addingReportingOverflow(product)
    sums[group] = total
    overflowed = overflowed || overflow || carry
  }

  override func absorb(_ group: Int, _ facts: SegmentFacts) -> Bool {
    guard let value = facts.arguments[0], let span = facts.arguments[1], let sum = value.sum,
      span.nullCount == 0, span.min == span.max
    else { return false }
    if value.count > value.nullCount {
      add(group, sum, times: span.min)
      isSet[group] = true
    }
    return true
  }

  override func merge(_ other: AggregateState, _ map: [Int32]) {
    guard let other = other as? EnergyIntState else { return }
    overflowed = overflowed || other.overflowed
    for (from, to) in map.enumerated() {
      add(Int(to), other.sums[from], times: 1)
      isSet[Int(to)] = isSet[Int(to)] || other.isSet[from]
    }
  }

  override func write(_ group: Int, _ function: AggregateFunction, _ out: Vector, _ row: Int) throws(SQLError) {
    guard isSet[group] else { return out.setNull(row) }
    if overflowed { throw .integerOverflow() }
    if isExact {
      out.setWide(row, sums[group])
    } else {
      out[row] = slot(of: roundedQuotient(sums[group], Self.nanosPerHour))
    }
  }
  override var byteCount: Int { sums.count * 17 }
}

/// energy of a float column in Wh: an exact sum, divided once.
final class EnergyFloatState: AggregateState {
  private var sums: [ExactSum] = []
  private var isSet: [Bool] = []

  override func resize(_ count: Int) {
    pad(&sums, count, ExactSum())
    pad(&isSet, count, false)
  }

  override func update(_ group: Int, _ arguments: [Vector], _ rows: Range<Int>, _ sequence: UInt64) {
    let span = arguments[1]
    arguments[0].forEachValid(rows) { row, slot in
      guard span.isValid(row) else { return }
      sums[group].addProduct(double(slot), Double(span[row]))
      isSet[group] = true
    }
  }

  override func merge(_ other: AggregateState, _ map: [Int32]) {
    guard let other = other as? EnergyFloatState else { return }
    for (from, to) in map.enumerated() {
      sums[Int(to)].add(other.sums[from])
      isSet[Int(to)] = isSet[Int(to)] || other.isSet[from]
    }
  }

  override func write(_ group: Int, _ function: AggregateFunction, _ out: Vector, _ row: Int) {
    guard isSet[group] else { return out.setNull(row) }
    let sum = sums[group].value
    out[row] = slot(of: function == .energy(isExact: true) ? sum : sum / Double(EnergyIntState.nanosPerHour))
  }
  override var byteCount: Int { sums.count * (ExactSum.byteCount + 1) }
}
