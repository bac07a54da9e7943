/// How long the readings of a table are kept, the type's setting `retention`: a whole number and one of
/// s, m, h, d, w; `400d`.
package struct RetentionAge: Sendable, Equatable {
  package static let settingKey = "retention"

  private static let units: [(name: Substring, nanos: Int64)] = [
    ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000), ("w", 604_800_000_000_000),
  ]

  package let nanos: Int64

  /// Nil for what is no age, or one of a second and less.
  package init?(_ text: String) {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let count = Int64(digits), count > 0,
      let unit = Self.units.first(where: { $0.name == text.dropFirst(digits.count) }),
      case let (nanos, overflow) = count.multipliedReportingOverflow(by: unit.nanos), !overflow,
      nanos > 1_000_000_000
    else { return nil }
    self.nanos = nanos
  }

  /// Floors lie on a grid of days, hours, minutes or seconds, at most a 32nd of the age wide: every floor
  /// is an event that is kept for ever. So a reading is kept up to a 32nd longer.
  private var step: Int64 {
    Self.units.dropLast().last { $0.nanos <= nanos / 32 }?.nanos ?? Self.units[0].nanos
  }

  /// The floor at `now`, nanoseconds since the epoch: what lies before it is older than the age.
  package func floor(at now: Int64) -> Int64 {
    let (instant, overflow) = now.subtractingReportingOverflow(nanos)
    if overflow { return .min }
    let rest = instant % step
    return instant.subtractingReportingOverflow(rest < 0 ? rest + step : rest).partialValue
  }
}
