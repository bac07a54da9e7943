/// The coverage of every series, by its number. Most have one run: it lies in a row of plain words;
/// what has more has a `Coverage` of its own out of line, from then on.
package struct CoverageTable: Sendable {
  private struct Row: Sendable {
    static let none = Row(first: 0, last: 0, step: 0, count: 0, form: 0)
    var first: Int64
    var last: Int64
    /// The step's numerator; of a series out of line its index there.
    var step: Int64
    /// 0 where the series has no rows.
    var count: UInt32
    /// The step's denominator, or one of the forms below.
    var form: UInt32
  }

  private static let irregular: UInt32 = 0
  private static let outOfLine = UInt32.max

  private var rows: [Row] = []
  private var others: [Coverage] = []

  package init() {}

  package var count: Int { rows.count }

  /// Bytes held, roughly. O(series out of line).
  package var byteCount: Int {
    rows.capacity * MemoryLayout<Row>.stride
      + others.reduce(0) { $0 + 64 + $1.runs.capacity * MemoryLayout<Coverage.Run>.stride }
  }

  /// Adds a series without rows.
  package mutating func add() { rows.append(.none) }

  /// The newest instant of a series; nil when it has none. O(1).
  package func last(_ series: Int) -> Int64? {
    let row = rows[series]
    if row.form == Self.outOfLine { return others[Int(row.step)].last }
    return row.count == 0 ? nil : row.last
  }

  /// See `Coverage.check`. O(1) for what comes behind all that the series has.
  package func check(_ times: SampleTimes, _ series: Int) -> Coverage.Verdict {
    let row = rows[series]
    if row.form == Self.outOfLine { return others[Int(row.step)].check(times) }
    guard row.count > 0, times.first <= row.last, times.last >= row.first else { return .absent }
    return Coverage([Self.run(row)]).check(times)
  }

  package func coverage(_ series: Int) -> Coverage {
    let row = rows[series]
    if row.form == Self.outOfLine { return others[Int(row.step)] }
    return row.count == 0 ? Coverage() : Coverage([Self.run(row)])
  }

  /// See `Coverage.insert`. O(1), without allocation, where the series goes on as it did.
  package mutating func insert(_ times: SampleTimes, _ series: Int) {
    let row = rows[series]
    if row.form == Self.outOfLine { return others[Int(row.step)].insert(times) }
    switch times {
    case .regular(let regular):
      if row.count > 0, row.form != Self.irregular {
        var run = Self.run(row)
        if run.extend(by: regular) { return keep(run, series) }
      }
      insert(Coverage.Run(regular), series)
    case .explicit(let instants):
      insert(
        Coverage.Run(irregular: instants[0], instants[instants.count - 1], count: instants.count), series)
    }
  }

  package mutating func insert(_ run: Coverage.Run, _ series: Int) {
    let row = rows[series]
    if row.form == Self.outOfLine { return others[Int(row.step)].insert(run) }
    if row.count == 0 { return keep(run, series) }
    let before = Self.run(row)
    if run.first > before.last, let joined = before.joined(with: run) { return keep(joined, series) }
    var coverage = Coverage([before])
    coverage.insert(run)
    if coverage.runs.count == 1 { keep(coverage.runs[0], series) } else { move(coverage, series) }
  }

  /// The only run of a series from now on.
  private mutating func keep(_ run: Coverage.Run, _ series: Int) {
    guard let count = UInt32(exactly: run.count), run.stepDenominator < Int64(Self.outOfLine) else {
      return move(Coverage([run]), series)
    }
    let isRegular = run.stepNumerator != 0
    rows[series] = Row(
      first: run.first, last: run.last, step: run.stepNumerator, count: count,
      form: isRegular ? UInt32(run.stepDenominator) : Self.irregular)
  }

  private mutating func move(_ coverage: Coverage, _ series: Int) {
    rows[series] = Row(first: 0, last: 0, step: Int64(others.count), count: 1, form: Self.outOfLine)
    others.append(coverage)
  }

  private static func run(_ row: Row) -> Coverage.Run {
    Coverage.Run(
      first: row.first, last: row.last, count: Int(row.count), stepNumerator: row.step,
      stepDenominator: row.form == irregular ? 1 : Int64(row.form))
  }
}
