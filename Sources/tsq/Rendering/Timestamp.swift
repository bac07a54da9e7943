/// Instants as people and programs read them: RFC 3339 in UTC with as many digits as needed.
enum Timestamp {
  struct Parts: Equatable {
    var year: Int
    var month: Int
    var day: Int
    var hour: Int
    var minute: Int
    var second: Int
    var nanos: Int
  }

  /// After Howard Hinnant, "chrono-compatible low-level date algorithms".
  static func parts(of instant: Int64) -> Parts {
    let second = instant.flooredQuotient(1_000_000_000)
    // Wraps for the first representable second, whose start is not: the difference is right.
    let nanos = Int(instant &- second &* 1_000_000_000)
    let days = Int(second.flooredQuotient(86_400))
    let ofDay = Int(second) - days * 86_400
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let fromMarch = (5 * dayOfYear + 2) / 153
    let month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9
    return Parts(
      year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month: month,
      day: dayOfYear - (153 * fromMarch + 2) / 5 + 1,
      hour: ofDay / 3600, minute: ofDay / 60 % 60, second: ofDay % 60, nanos: nanos)
  }

  /// `2026-01-01T00:00:00.05Z`.
  static func append(_ instant: Int64, to out: inout [UInt8]) {
    let parts = parts(of: instant)
    append(parts.year, digits: 4, to: &out)
    out.append(UInt8(ascii: "-"))
    append(parts.month, digits: 2, to: &out)
    out.append(UInt8(ascii: "-"))
    append(parts.day, digits: 2, to: &out)
    out.append(UInt8(ascii: "T"))
    append(parts.hour, digits: 2, to: &out)
    out.append(UInt8(ascii: ":"))
    append(parts.minute, digits: 2, to: &out)
    out.append(UInt8(ascii: ":"))
    append(parts.second, digits: 2, to: &out)
    if parts.nanos > 0 {
      out.append(UInt8(ascii: "."))
      append(parts.nanos, digits: 9, to: &out)
      while out.last == UInt8(ascii: "0") { out.removeLast() }
    }
    out.append(UInt8(ascii: "Z"))
  }

  static func text(_ instant: Int64) -> String {
    var bytes: [UInt8] = []
    append(instant, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func append(_ number: Int, digits: Int, to out: inout [UInt8]) {
    let start = out.count
    var rest = number
    for _ in 0..<digits {
      out.append(UInt8(ascii: "0") + UInt8(rest % 10))
      rest /= 10
    }
    out[start...].reverse()
  }
}

extension Int64 {
  /// Rounded towards minus infinity. Precondition: `divisor` is positive.
  func flooredQuotient(_ divisor: Int64) -> Int64 {
    let quotient = self / divisor
    return self % divisor < 0 ? quotient - 1 : quotient
  }
}
