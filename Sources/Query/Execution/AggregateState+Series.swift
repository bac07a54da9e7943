import TSEngine

/// Functions of how values change with time. Rows of several series are told apart: each series counts for
/// itself, and the group has their sum.
final class SeriesState: AggregateState {
  private struct Sample {
    var series: Int32
    var time: Int64
    var sequence: UInt64
    var slot: Int64
  }

  private let type: SQLType
  private let function: AggregateFunction.OverTime
  private var series: GroupTable
  private var samples: [[Sample]] = []
  private var count = 0

  /// - Parameter seriesTypes: of the arguments behind value and instant.
  init(_ type: SQLType, _ function: AggregateFunction.OverTime, seriesTypes: [SQLType]) {
    self.type = type
    self.function = function
    series = GroupTable(types: seriesTypes)
  }

  override func resize(_ count: Int) { pad(&samples, count, []) }

  override func update(_ group: Int, _ arguments: [Vector], _ rows: Range<Int>, _ sequence: UInt64) {
    let (value, time, keys) = (arguments[0], arguments[1], Array(arguments[2...]))
    let isOne = keys.allSatisfy(\.isConstant)
    var known: Int32 = -1
    for row in rows where value.isValid(row) && time.isValid(row) {
      if known < 0 || !isOne { known = Int32(truncatingIfNeeded: keys.isEmpty ? 0 : series.find(keys, row: row, sequence: 0)) }
      samples[group].append(
        Sample(series: known, time: time[row], sequence: sequence &+ UInt64(row), slot: value[row]))
      count += 1
    }
  }

  override func merge(_ other: AggregateState, _ map: [Int32]) {
    guard let other = other as? SeriesState else { return }
    let numbers = series.merge(other.series)
    for (from, to) in map.enumerated() {
      for var sample in other.samples[from] {
        if Int(sample.series) < numbers.count { sample.series = numbers[Int(sample.series)] }
        samples[Int(to)].append(sample)
      }
      count += other.samples[from].count
    }
  }

  override func write(_ group: Int, _ function: AggregateFunction, _ out: Vector, _ row: Int) throws(SQLError) {
    let sorted = samples[group].sorted { ($0.series, $0.time, $0.sequence) < ($1.series, $1.time, $1.sequence) }
    guard !sorted.isEmpty else { return out.setNull(row) }
    var whole: Int128 = 0
    var (total, seconds) = (ExactSum(), ExactSum())
    var start = 0
    while start < sorted.count {
      var end = start + 1
      while end < sorted.count, sorted[end].series == sorted[start].series { end += 1 }
      add(sorted[start..<end], &whole, &total)
      seconds.add((Double(sorted[end - 1].time) - Double(sorted[start].time)) / 1e9)
      start = end
    }
    switch self.function {
    case .delta, .increase:
      if type == .float { return out[row] = slot(of: total.value) }
      guard let exact = Int64(exactly: whole) else { throw .integerOverflow() }
      out[row] = exact
    case .integral: out[row] = slot(of: total.value)
    case .rate:
      let rise = type == .float ? total.value : Double(whole)
      if seconds.value > 0 { out[row] = slot(of: rise / seconds.value) } else { out.setNull(row) }
    case .average:
      if seconds.value > 0 { return out[row] = slot(of: total.value / seconds.value) }
      // One instant has no length: its value, or the mean of those of several series.
      var sum = ExactSum()
      for sample in sorted { sum.add(number(sample.slot)) }
      out[row] = slot(of: sum.value / Double(sorted.count))
    }
  }

  private func number(_ slot: Int64) -> Double { type == .float ? double(slot) : Double(slot) }

  /// What one series gives; integers in `whole`, the rest in `total`.
  private func add(_ samples: ArraySlice<Sample>, _ whole: inout Int128, _ total: inout ExactSum) {
    guard let first = samples.first, let last = samples.last else { return }
    switch function {
    case .delta:
      whole += type == .float ? 0 : Int128(last.slot) - Int128(first.slot)
      if type == .float {
        total.add(double(last.slot))
        total.add(-double(first.slot))
      }
    case .increase, .rate:
      for (a, b) in zip(samples, samples.dropFirst()) {
        if type == .float {
          let (old, new) = (double(a.slot), double(b.slot))
          total.add(new)
          if new >= old { total.add(-old) }
        } else {
          whole += Int128(b.slot) - (b.slot >= a.slot ? Int128(a.slot) : 0)
        }
      }
    case .integral(let isHold), .average(let isHold):
      for (a, b) in zip(samples, samples.dropFirst()) {
        let seconds = (Double(b.time) - Double(a.time)) / 1e9
        if isHold {
          total.addProduct(number(a.slot), seconds)
        } else {
          total.addProduct(number(a.slot), seconds / 2)
          total.addProduct(number(b.slot), seconds / 2)
        }
      }
    }
  }

  override var byteCount: Int { count * MemoryLayout<Sample>.stride + samples.count * 8 + series.count * series.bytesPerGroup }
}
