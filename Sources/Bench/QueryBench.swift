import Query
import TSEngine

/// The seven queries that all peers were measured with, each with its answer checked against the
/// raw arrays.
package struct QueryBench {
  package struct Figure: Sendable {
    package var name: String
    package var sql: String
    /// Median of the warm runs, answer materialised, in process.
    package var millis: Double
    package var isRight: Bool
  }

  private static let sensor = 5
  private static let warmRuns = 5

  private let data: MeterData
  private let snapshot: Snapshot

  package init(_ data: MeterData, _ snapshot: Snapshot) {
    self.data = data
    self.snapshot = snapshot
  }

  package func run() throws -> [Figure] {
    let target = MeterData.deviceID(min(Self.sensor, data.sensors - 1))
    let from = MeterData.start + Int64(data.seconds / 2) * 1_000_000_000
    let questions: [(String, String, ([[SQLValue]]) -> Bool)] = [
      (
        "q1",
        """
        SELECT ts, power, pf, voltage FROM power WHERE sensor = '\(target)' AND probe = 2 \
        AND ts >= \(Self.literal(from)) AND ts < \(Self.literal(from + 60_000_000_000)) ORDER BY ts
        """, isRightQ1
      ),
      (
        "q2",
        """
        SELECT probe, time_bucket(interval '1 minute', ts) AS minute, avg(power), min(power), \
        max(power) FROM power WHERE sensor = '\(target)' GROUP BY 1, 2 ORDER BY 1, 2
        """, isRightQ2
      ),
      (
        "q3", "SELECT sum(power), avg(power), min(power), max(power), avg(voltage) FROM power",
        isRightQ3
      ),
      (
        "q4",
        """
        SELECT sensor, time_bucket(interval '5 minutes', ts) AS bucket, avg(power) FROM power \
        GROUP BY 1, 2 ORDER BY 1, 2
        """, isRightQ4
      ),
      (
        "q5",
        """
        SELECT sensor, probe, last(power), last(pf), last(voltage) FROM power GROUP BY 1, 2 \
        ORDER BY 1, 2
        """, isRightQ5
      ),
      ("q6", "SELECT count(*) FROM power WHERE power > 3000 AND pf < 900", isRightQ6),
      (
        "q7", "SELECT sensor, quantile(power, 0.99) FROM power GROUP BY 1 ORDER BY 1", isRightQ7
      ),
    ]
    var figures: [Figure] = []
    for (name, sql, isRight) in questions {
      var millis: [Double] = []
      var rows: [[SQLValue]] = []
      for _ in 0...Self.warmRuns {
        let begun = IngestBench.now()
        let query = try QueryEngine.prepare(sql, StoreCatalog(snapshot))
        rows = try query.rows()
        millis.append(Double(IngestBench.now() - begun) / 1e6)
      }
      figures.append(
        Figure(
          name: name, sql: sql, millis: millis.dropFirst().sorted()[Self.warmRuns / 2],
          isRight: isRight(rows)))
    }
    return figures
  }

  private static func literal(_ instant: Int64) -> String {
    "timestamp '\(TimestampText.format(instant))'"
  }

  // MARK: Answers from the raw arrays

  private var targetSeries: Range<Int> {
    let sensor = min(Self.sensor, data.sensors - 1)
    return (sensor * 3)..<(sensor * 3 + 3)
  }

  private func isRightQ1(_ rows: [[SQLValue]]) -> Bool {
    let series = targetSeries.lowerBound + 1
    let first = data.seconds / 2 * 20
    guard rows.count == 1200 else { return false }
    return rows.enumerated().allSatisfy { index, row in
      row[1...] == [
        .int(Int64(data.power[series][first + index])), .int(Int64(data.pf[series][first + index])),
        .int(Int64(data.voltage[series][first + index])),
      ]
    }
  }

  private func isRightQ2(_ rows: [[SQLValue]]) -> Bool {
    var at = 0
    for series in targetSeries {
      for minute in stride(from: 0, to: data.ticks, by: 1200) {
        let values = data.power[series][minute..<min(minute + 1200, data.ticks)]
        guard at < rows.count, Self.isNear(rows[at][2], Self.mean(values)),
          rows[at][3] == .int(Int64(values.min() ?? 0)), rows[at][4] == .int(Int64(values.max() ?? 0))
        else { return false }
        at += 1
      }
    }
    return at == rows.count
  }

  private func isRightQ3(_ rows: [[SQLValue]]) -> Bool {
    let sum = data.power.reduce(0) { $0 + $1.reduce(Int64(0)) { $0 + Int64($1) } }
    let volts = data.voltage.reduce(0) { $0 + $1.reduce(Int64(0)) { $0 + Int64($1) } }
    guard rows.count == 1 else { return false }
    return Self.isNear(rows[0][0], Double(sum)) && Self.isNear(rows[0][1], Double(sum) / Double(data.rowCount))
      && rows[0][2] == .int(Int64(data.power.map { $0.min() ?? 0 }.min() ?? 0))
      && rows[0][3] == .int(Int64(data.power.map { $0.max() ?? 0 }.max() ?? 0))
      && Self.isNear(rows[0][4], Double(volts) / Double(data.rowCount))
  }

  private func isRightQ4(_ rows: [[SQLValue]]) -> Bool {
    var at = 0
    for sensor in 0..<data.sensors {
      for bucket in stride(from: 0, to: data.ticks, by: 6000) {
        let range = bucket..<min(bucket + 6000, data.ticks)
        let sum = (0..<3).reduce(Int64(0)) { sum, probe in
          sum + data.power[sensor * 3 + probe][range].reduce(Int64(0)) { $0 + Int64($1) }
        }
        guard at < rows.count, Self.isNear(rows[at][2], Double(sum) / Double(range.count * 3)) else {
          return false
        }
        at += 1
      }
    }
    return at == rows.count
  }

  private func isRightQ5(_ rows: [[SQLValue]]) -> Bool {
    guard rows.count == data.sensors * 3 else { return false }
    return rows.enumerated().allSatisfy { series, row in
      row[2...] == [
        .int(Int64(data.power[series][data.ticks - 1])), .int(Int64(data.pf[series][data.ticks - 1])),
        .int(Int64(data.voltage[series][data.ticks - 1])),
      ]
    }
  }

  private func isRightQ6(_ rows: [[SQLValue]]) -> Bool {
    var count: Int64 = 0
    for series in data.power.indices {
      for tick in 0..<data.ticks where data.power[series][tick] > 3000 && data.pf[series][tick] < 900 {
        count += 1
      }
    }
    return rows == [[.int(count)]]
  }

  private func isRightQ7(_ rows: [[SQLValue]]) -> Bool {
    guard rows.count == data.sensors else { return false }
    return (0..<data.sensors).allSatisfy { sensor in
      let all = (data.power[sensor * 3] + data.power[sensor * 3 + 1] + data.power[sensor * 3 + 2]).sorted()
      let place = 0.99 * Double(all.count - 1)
      let low = Double(all[Int(place)])
      let high = Double(all[min(Int(place) + 1, all.count - 1)])
      return Self.isNear(rows[sensor][1], low + (high - low) * (place - place.rounded(.down)))
    }
  }

  private static func mean(_ values: ArraySlice<Int32>) -> Double {
    Double(values.reduce(Int64(0)) { $0 + Int64($1) }) / Double(values.count)
  }

  private static func isNear(_ value: SQLValue, _ expected: Double) -> Bool {
    let found: Double
    switch value {
    case .int(let number): found = Double(number)
    case .float(let number): found = number
    case .wide(let number): found = Double(number)
    default: return false
    }
    return abs(found - expected) <= 1e-9 * max(1, abs(expected))
  }
}
