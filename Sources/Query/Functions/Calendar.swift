/// The proleptic Gregorian calendar in UTC, on nanoseconds since 1970. Algorithms after Howard
/// Hinnant, "chrono-compatible low-level date algorithms".
enum Calendar {
  static let nanosPerSecond: Int64 = 1_000_000_000
  static let nanosPerDay: Int64 = 86_400_000_000_000

  struct Date: Equatable {
    var year: Int64
    /// 1 ... 12
    var month: Int64
    /// 1 ... 31
    var day: Int64
  }

  static func date(ofDay days: Int64) -> Date {
    let z = days + 719_468
    let era = (z >= 0 ? z : z - 146_096) / 146_097
    let dayOfEra = z - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    let month = shifted < 10 ? shifted + 3 : shifted - 9
    return Date(
      year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month: month,
      day: dayOfYear - (153 * shifted + 2) / 5 + 1)
  }

  /// Days since 1970-01-01. `month` within 1 ... 12.
  static func day(year: Int64, month: Int64, day: Int64) -> Int64 {
    let y = month <= 2 ? year - 1 : year
    let era = (y >= 0 ? y : y - 399) / 400
    let yearOfEra = y - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  static func daysInMonth(year: Int64, month: Int64) -> Int64 {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// The day of `instant` and the nanoseconds into it.
  static func split(_ instant: Int64) -> (day: Int64, nanos: Int64) {
    let day = floorDivide(instant, nanosPerDay)
    // Wraps for instants of the first representable day, whose start is not: the difference is right.
    return (day, instant &- day &* nanosPerDay)
  }

  /// nil when out of the range of Int64 nanoseconds.
  static func instant(day: Int64, nanos: Int64) -> Int64? {
    let wide = Int128(day) * Int128(nanosPerDay) + Int128(nanos)
    return Int64(exactly: wide)
  }

  /// Months since year 0.
  static func monthIndex(_ date: Date) -> Int64 { date.year * 12 + date.month - 1 }

  static func date(ofMonthIndex index: Int64) -> Date {
    let year = floorDivide(index, 12)
    return Date(year: year, month: index - year * 12 + 1, day: 1)
  }

  /// `instant` plus `interval`: months first (the day is cut to the month's last), then days, then time.
  static func adding(_ interval: Interval, to instant: Int64, negated: Bool = false) -> Int64? {
    let sign: Int64 = negated ? -1 : 1
    var (day, nanos) = split(instant)
    if interval.months != 0 {
      let date = date(ofDay: day)
      var moved = self.date(ofMonthIndex: monthIndex(date) + sign * Int64(interval.months))
      moved.day = min(date.day, daysInMonth(year: moved.year, month: moved.month))
      day = self.day(year: moved.year, month: moved.month, day: moved.day)
    }
    day += sign * Int64(interval.days)
    // Both terms fit: |nanos| < 2^47 and Int128 takes the sum.
    let wide = Int128(day) * Int128(nanosPerDay) + Int128(nanos) + Int128(sign) * Int128(interval.nanos)
    nanos = 0
    return Int64(exactly: wide)
  }
}

@inline(__always) func floorDivide(_ a: Int64, _ b: Int64) -> Int64 {
  let quotient = a / b
  return (a % b != 0) && ((a < 0) != (b < 0)) ? quotient - 1 : quotient
}

/// Fields of EXTRACT and units of date_trunc.
package enum DateField: String, Sendable, CaseIterable {
  case nanoseconds, microseconds, milliseconds, second, minute, hour, day, week, month, quarter
  case year, decade, century, millennium, dow, isodow, doy, isoyear, epoch, julian

  /// By its SQL word, singular or plural.
  static func named(_ word: String) -> DateField? {
    let word = word.lowercased()
    switch word {
    case "nanosecond": return .nanoseconds
    case "microsecond": return .microseconds
    case "millisecond": return .milliseconds
    default: return DateField(rawValue: word) ?? DateField(rawValue: String(word.dropLast(word.hasSuffix("s") ? 1 : 0)))
    }
  }

  /// The value of the field; whole numbers but for seconds and epoch.
  func extract(_ instant: Int64) -> Double {
    let (day, nanos) = Calendar.split(instant)
    let date = Calendar.date(ofDay: day)
    let second = nanos / Calendar.nanosPerSecond
    return switch self {
    case .nanoseconds: Double(nanos % 60_000_000_000)
    case .microseconds: Double(nanos % 60_000_000_000) / 1e3
    case .milliseconds: Double(nanos % 60_000_000_000) / 1e6
    case .second: Double(nanos % 60_000_000_000) / 1e9
    case .minute: Double(second / 60 % 60)
    case .hour: Double(second / 3600)
    case .day: Double(date.day)
    case .week: Double(isoWeek(day).week)
    case .isoyear: Double(isoWeek(day).year)
    case .month: Double(date.month)
    case .quarter: Double((date.month + 2) / 3)
    case .year: Double(date.year)
    case .decade: Double(floorDivide(date.year, 10))
    case .century: Double(floorDivide(date.year + 99, 100))
    case .millennium: Double(floorDivide(date.year + 999, 1000))
    case .dow: Double(floorModulo(day + 4, 7))
    case .isodow: Double(floorModulo(day + 3, 7) + 1)
    case .doy: Double(day - Calendar.day(year: date.year, month: 1, day: 1) + 1)
    case .epoch: Double(instant) / 1e9
    case .julian: Double(day) + 2_440_588 + Double(nanos) / Double(Calendar.nanosPerDay)
    }
  }

  private func isoWeek(_ day: Int64) -> (year: Int64, week: Int64) {
    // The ISO year is the year of the week's Thursday.
    let thursday = day - floorModulo(day + 3, 7) + 3
    let year = Calendar.date(ofDay: thursday).year
    return (year, (thursday - Calendar.day(year: year, month: 1, day: 1)) / 7 + 1)
  }

  private func floorModulo(_ a: Int64, _ b: Int64) -> Int64 { a - floorDivide(a, b) * b }

  /// The grid that date_trunc cuts to; nil for fields that are no unit.
  var grid: TimeGrid? {
    switch self {
    case .nanoseconds: .fixed(width: 1, origin: 0)
    case .microseconds: .fixed(width: 1_000, origin: 0)
    case .milliseconds: .fixed(width: 1_000_000, origin: 0)
    case .second: .fixed(width: 1_000_000_000, origin: 0)
    case .minute: .fixed(width: 60_000_000_000, origin: 0)
    case .hour: .fixed(width: 3_600_000_000_000, origin: 0)
    case .day: .fixed(width: Calendar.nanosPerDay, origin: 0)
    // 1970-01-05 was a Monday.
    case .week: .fixed(width: 7 * Calendar.nanosPerDay, origin: 4 * Calendar.nanosPerDay)
    case .month: .months(1, origin: 0)
    case .quarter: .months(3, origin: 0)
    case .year: .months(12, origin: 0)
    case .decade: .months(120, origin: 0)
    default: nil
    }
  }
}

/// Cuts of the time line that time_bucket and date_trunc group by.
package indirect enum TimeGrid: Hashable, Sendable {
  /// Cuts every `width` nanoseconds, one of them at `origin`.
  case fixed(width: Int64, origin: Int64)
  /// Cuts at midnight UTC of the first of every n-th month; `origin` counts months since year 0.
  case months(Int64, origin: Int64)
  /// The cuts of a grid by the clocks of a zone (T-06): days of 23 and 25 hours are whole.
  case zoned(TimeGrid, SQLTimeZone)

  /// Nanoseconds from a cut to the next, at least.
  var width: Int64 {
    switch self {
    case .fixed(let width, _): width
    case .months(let count, _): count.multipliedReportingOverflow(by: 28 * Calendar.nanosPerDay).partialValue
    case .zoned(let grid, _): grid.width
    }
  }

  /// The cut at or before `instant`; the smallest instant where that is out of range.
  func start(of instant: Int64) -> Int64 {
    switch self {
    case .fixed(let width, let origin):
      let (distance, overflow) = instant.subtractingReportingOverflow(origin)
      if !overflow {
        let rest = distance % width
        let (start, overflow) = instant.subtractingReportingOverflow(rest < 0 ? rest + width : rest)
        return overflow ? .min : start
      }
      let wide = Int128(instant) - Int128(origin)
      var quotient = wide / Int128(width)
      if wide < 0, quotient * Int128(width) != wide { quotient -= 1 }
      return Int64(clamping: quotient * Int128(width) + Int128(origin))
    case .months(let count, let origin):
      let index = Calendar.monthIndex(Calendar.date(ofDay: Calendar.split(instant).day)) - origin
      return Self.instant(ofMonth: floorDivide(index, count) * count + origin)
    case .zoned(let grid, let zone): return zone.start(of: instant, grid)
    }
  }

  /// The first cut after `instant`; the largest instant where that is out of range.
  func next(after instant: Int64) -> Int64 {
    switch self {
    case .fixed(let width, _):
      let (next, overflow) = start(of: instant).addingReportingOverflow(width)
      return overflow ? .max : next
    case .months(let count, let origin):
      let index = Calendar.monthIndex(Calendar.date(ofDay: Calendar.split(instant).day)) - origin
      return Self.instant(ofMonth: (floorDivide(index, count) + 1) * count + origin)
    case .zoned(let grid, let zone): return zone.next(after: instant, grid)
    }
  }

  private static func instant(ofMonth index: Int64) -> Int64 {
    let date = Calendar.date(ofMonthIndex: index)
    let day = Calendar.day(year: date.year, month: date.month, day: 1)
    return Int64(clamping: Int128(day) * Int128(Calendar.nanosPerDay))
  }

  /// Bucket starts of a whole vector. Rows in time order mostly stay in one bucket, so the last
  /// bucket is tried before dividing.
  func starts(_ instants: Vector, _ out: Vector, _ count: Int) {
    var (low, high) = (Int64.max, Int64.max)
    mapSlots(instants, out, count) { instant in
      if instant < low || instant >= high || high == .max {
        low = start(of: instant)
        high = next(after: instant)
      }
      return low
    }
  }
}
