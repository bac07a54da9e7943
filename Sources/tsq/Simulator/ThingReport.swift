import Foundation
import TSEngine

/// What a simulated device of a declared type reads: a value for each of the type's readings, within its bounds.
struct ThingReport {
  private static let daySeconds = 86_400.0
  private static let words = ["calm", "breezy", "windy", "gusty"]

  private let columns: [ColumnSchema]
  /// Readings that drift with the day and may be missing, not numbers from anywhere in the bounds.
  private let isRealistic: Bool
  private var random: SimulationRandom
  /// How far a realistic reading is from the middle of its day, by place in `columns`.
  private var drift: [Double]

  init(_ schema: TableSchema, isRealistic: Bool, seed: UInt64, device: Int) {
    columns = schema.columns
    self.isRealistic = isRealistic
    random = SimulationRandom(seed: seed, path: device)
    drift = columns.map { _ in 0 }
  }

  /// - Parameter second: since the Unix epoch.
  mutating func next(second: Int64) -> [String: Any] {
    var report: [String: Any] = ["timestamp": second]
    for (place, column) in columns.enumerated() {
      // A sensor that is away now and then.
      if isRealistic, !column.isRequired, random.uniform() < 0.02 { continue }
      switch column.type {
      case .bool: report[column.name] = random.uniform() < 0.5
      case .symbol, .text:
        let word = Self.words[Int(random.next() % UInt64(Self.words.count))]
        report[column.name] = column.isJSON ? ["sky": word] as Any : word
      case .float: report[column.name] = (number(place, column, second) * 1000).rounded() / 1000
      // A bound near the largest integer is beyond it as a double.
      default: report[column.name] = Int64(exactly: number(place, column, second).rounded(.towardZero)) ?? column.maximum ?? 0
      }
    }
    return report
  }

  private mutating func number(_ place: Int, _ column: ColumnSchema, _ second: Int64) -> Double {
    let (low, high) = Self.bounds(column)
    guard isRealistic else { return low + random.uniform() * (high - low) }
    // A day's wave, and beside it what comes back to nothing slowly (an autoregressive process of order 1).
    drift[place] = drift[place] * 0.999 + random.normal() * 0.001
    let day = (Double(second).truncatingRemainder(dividingBy: Self.daySeconds) / Self.daySeconds - 0.25) * 2 * .pi
    let middle = (low + high) / 2 + (high - low) * (0.15 * sin(day) + drift[place])
    return min(max(middle, low), high)
  }

  private static func bounds(_ column: ColumnSchema) -> (low: Double, high: Double) {
    func value(_ slot: Int64?) -> Double? {
      slot.map { column.type == .float ? Double(bitPattern: UInt64(bitPattern: $0)) : Double($0) }
    }
    switch (value(column.minimum), value(column.maximum)) {
    case (nil, nil): return (0, 100)
    case (let low?, nil): return (low, low + 100)
    case (nil, let high?): return (high - 100, high)
    case (let low?, let high?): return (low, high)
    }
  }
}
