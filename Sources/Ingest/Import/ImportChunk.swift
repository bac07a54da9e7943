import TSEngine

/// Rows of one series on their way into the store, by column.
package struct ImportChunk: Sendable {
  package var device: String
  package var probe: Int32
  /// Strictly increasing, nanoseconds since the Unix epoch; never empty.
  package var times: [Int64]
  /// The columns that have a value somewhere.
  package var columns: [Column]
  /// Of the texts among the slots.
  package var texts: [TextHold] = []

  package struct Column: Sendable {
    package var id: ColumnID
    package var slots: [Int64]
    /// Empty when every row has a value; else false where there is none, and the slot is 0.
    package var validity: [Bool]
  }

  /// Shorter regular stretches than this are not worth a run of their own.
  static let minimumRegularCount = 32

  /// The rows as runs: regular stretches by themselves, what lies between as explicit times.
  package func stretches() -> [(rows: Range<Int>, times: SampleTimes)] {
    var result: [(rows: Range<Int>, times: SampleTimes)] = []
    var loose = 0
    var row = 0
    func flush(to end: Int) {
      if loose < end { result.append((loose..<end, .explicit(Array(times[loose..<end])))) }
    }
    while row < times.count {
      guard let regular = regularStretch(from: row) else {
        row += 1
        continue
      }
      flush(to: row)
      result.append((row..<(row + regular.count), .regular(regular)))
      row += regular.count
      loose = row
    }
    flush(to: times.count)
    return result
  }

  /// The longest regular stretch that starts at `row`: a constant step, or a frame's rate of a
  /// number of samples to the second that does not divide it; nil when it is short.
  private func regularStretch(from row: Int) -> RegularTimes? {
    guard row + Self.minimumRegularCount <= times.count else { return nil }
    let step = times[row + 1] &- times[row]
    if let constant = extend(row, num: step, den: 1) { return constant }
    // A fractional rate has steps of two neighbouring lengths and meets the second again.
    guard abs((times[row + 2] &- times[row + 1]) &- step) <= 1,
      case let perSecond = 1_000_000_000 / max(step, 1), 2...1_000 ~= perSecond
    else { return nil }
    for count in perSecond...(perSecond + 1) {
      if let regular = extend(row, num: 1_000_000_000, den: count) { return regular }
    }
    return nil
  }

  private func extend(_ row: Int, num: Int64, den: Int64) -> RegularTimes? {
    guard let probe = RegularTimes(start: times[row], span: num, count: Int(den)) else {
      return nil
    }
    var count = 1
    while row + count < times.count,
      times[row + count] &- times[row]
        == Int64(
          truncatingIfNeeded: Int128(count) * Int128(probe.stepNumerator)
            / Int128(probe.stepDenominator))
    { count += 1 }
    guard count >= Self.minimumRegularCount else { return nil }
    return RegularTimes(
      start: times[row], count: count, stepNumerator: probe.stepNumerator,
      stepDenominator: probe.stepDenominator)
  }

  /// Adds the rows to `batch` as one frame. Rows of the table `power` that say nothing of their
  /// span get `spanNanos`, their voltage likewise where it has a value.
  package func append(to batch: inout FrameBatch, spanNanos: Int64) {
    batch.beginFrame(device: device)
    batch.texts.keep(texts)
    for (rows, times) in stretches() {
      batch.beginRun(probe: probe, times: times)
      for column in columns {
        if column.validity.isEmpty {
          batch.add(column.id, column.slots[rows])
        } else {
          batch.add(column.id, column.slots[rows], valid: column.validity[rows])
        }
      }
      if batch.table == TableSchema.power.id { addSpans(rows, spanNanos, to: &batch) }
    }
  }

  private func addSpans(_ rows: Range<Int>, _ spanNanos: Int64, to batch: inout FrameBatch) {
    func id(_ name: String) -> ColumnID? { TableSchema.power.columns.first { $0.name == name }?.id }
    guard let span = id("span"), let voltage = id("voltage"), let voltageSpan = id("voltage_span")
    else { return }
    if !columns.contains(where: { $0.id == span }) { batch.add(span, constant: spanNanos) }
    guard let values = columns.first(where: { $0.id == voltage }),
      !columns.contains(where: { $0.id == voltageSpan })
    else { return }
    if values.validity.isEmpty {
      batch.add(voltageSpan, constant: spanNanos)
    } else {
      let valid = values.validity[rows]
      batch.add(voltageSpan, valid.map { $0 ? spanNanos : 0 }, valid: valid)
    }
  }
}
