import Query
import TSEngine

/// The seven queries that the peers were measured with, over the benchmark's data set, each answer
/// checked against plain loops over the arrays it came from.
package struct QueryBench {
  package struct Measure: Sendable {
    package var name: String
    package var sql: String
    /// Sorted, milliseconds, answer materialised.
    package var millis: [Double]
    package var median: Double { millis[millis.count / 2] }
  }

  private let data: MeterData
  private let catalog: StoreCatalog

  package init(_ data: MeterData, _ snapshot: Snapshot) {
    self.data = data
    catalog = StoreCatalog(snapshot)
  }

  private var device: String { MeterData.deviceID(data.sensors / 2) }
  private var windowStart: Int { data.seconds / 2 }

  private func instant(_ second: Int) -> String {
    TimestampText.format(MeterData.start + Int64(second) * 1_000_000_000)
  }

  package var queries: [(name: String, sql: String)] {
    [
      ("q1", "SELECT ts, power, pf, voltage FROM power WHERE sensor = '\(device)' AND probe = 2 AND ts >= '\(instant(windowStart))' AND ts < '\(instant(windowStart + 60))' ORDER BY ts"),
      ("q2", "SELECT probe, date_trunc('minute', ts) m, avg(power), min(power), max(power) FROM power WHERE sensor = '\(device)' GROUP BY 1, 2 ORDER BY 1, 2"),
      ("q3", "SELECT sum(power), avg(power), min(power), max(power), avg(voltage) FROM power"),
      ("q3_decoded", "SELECT sum(power + 0), avg(power + 0), min(power + 0), max(power + 0), avg(voltage + 0) FROM power"),
      ("q4", "SELECT sensor, time_bucket('5 min', ts) b, avg(power) FROM power GROUP BY 1, 2"),
      ("q5", "SELECT sensor, probe, last(power), last(pf), last(voltage) FROM power GROUP BY 1, 2"),
      ("q5_latest", "SELECT sensor, probe, power, pf, voltage FROM power LATEST ON ts PARTITION BY sensor, probe"),
      ("q6", "SELECT count(*) FROM power WHERE power > 3000 AND pf < 900"),
      ("q7", "SELECT sensor, quantile(power, 0.99) FROM power GROUP BY 1 ORDER BY 1"),
      ("energy", "SELECT energy(power, 'Wns') FROM power"),
    ]
  }

  /// Runs `name` `times` times after a warm-up and returns the times, or nil for an unknown name.
  package func measure(_ name: String, times: Int, threads: Int? = nil) throws -> Measure? {
    guard let (_, sql) = queries.first(where: { $0.name == name }) else { return nil }
    var millis: [Double] = []
    for round in 0...times {
      let begin = IngestBench.now()
      let query = try QueryEngine.prepare(sql, catalog)
      let rows = try query.rows(limits: QueryLimits(threads: threads))
      if round > 0 { millis.append(Double(IngestBench.now() - begin) / 1e6) }
      if round == 0 { precondition(isRight(name, rows), "the answer of \(name)") }
    }
    return Measure(name: name, sql: sql, millis: millis.sorted())
  }

  package func explain(_ name: String) throws -> [String] {
    guard let (_, sql) = queries.first(where: { $0.name == name }) else { return [] }
    return try QueryEngine.prepare("EXPLAIN ANALYZE " + sql, catalog).rows().compactMap { $0[0].text }
  }

  // MARK: - Answers

  private func isRight(_ name: String, _ rows: [[SQLValue]]) -> Bool {
    switch name {
    case "q1":
      let ticks = windowStart * 20..<(windowStart + 60) * 20
      let series = data.sensors / 2 * 3 + 1
      return rows.map { $0[1] } == ticks.map { .int(Int64(data.power[series][$0])) }
        && rows.map { $0[3] } == ticks.map { .int(Int64(data.voltage[series][$0])) }
    case "q2":
      let minute = data.power[data.sensors / 2 * 3][0..<min(1200, data.ticks)]
      return rows.count == 3 * ((data.seconds + 59) / 60) && rows[0][2] == .float(mean(minute)) && rows[0][3] == .int(Int64(minute.min() ?? 0))
    case "q3", "q3_decoded":
      let sum = data.power.reduce(0) { $0 + total($1[...]) }
      return rows[0][0] == .int(sum) && rows[0][3] == .int(Int64(data.power.compactMap { $0.max() }.max() ?? 0))
    case "q4":
      let end = min(6000, data.ticks)
      let sum = (0..<3).reduce(Int64(0)) { $0 + total(data.power[$1][0..<end]) }
      return rows.count == data.sensors * ((data.seconds + 299) / 300) && rows[0][2] == .float(Double(sum) / Double(3 * end))
    case "q5", "q5_latest":
      return rows.count == data.sensors * 3 && rows.indices.allSatisfy { rows[$0][2] == .int(Int64(data.power[$0][data.ticks - 1])) }
    case "q6":
      let count = data.power.indices.reduce(0) { sum, series in
        sum + zip(data.power[series], data.pf[series]).count { $0 > 3000 && $1 < 900 }
      }
      return rows[0][0] == .int(Int64(count))
    case "q7":
      let sorted = (data.power[0] + data.power[1] + data.power[2]).sorted()
      let position = 0.99 * Double(sorted.count - 1)
      let (low, rest) = (Int(position), position - position.rounded(.down))
      let (a, b) = (Double(sorted[low]), Double(sorted[min(low + 1, sorted.count - 1)]))
      return rows[0][1] == .float(rest == 0 ? a : a + (b - a) * rest)
    default:
      let sum = data.power.reduce(Int128(0)) { $0 + Int128(total($1[...])) }
      return rows[0][0] == .wide(sum * Int128(MeterData.stepNanos))
    }
  }

  private func total(_ values: ArraySlice<Int32>) -> Int64 { values.reduce(0) { $0 + Int64($1) } }
  private func mean(_ values: ArraySlice<Int32>) -> Double { Double(total(values)) / Double(values.count) }
}
