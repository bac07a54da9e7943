/// A span of time as calendars count it: months and days have no fixed length, so they stay apart.
package struct Interval: Hashable, Sendable {
  package var months: Int32
  package var days: Int32
  package var nanos: Int64

  package init(months: Int32 = 0, days: Int32 = 0, nanos: Int64 = 0) {
    self.months = months
    self.days = days
    self.nanos = nanos
  }

  package var isPositive: Bool {
    months >= 0 && days >= 0 && nanos >= 0 && self != Interval()
  }

  /// A unit of the three parts, and how many of the part it makes.
  package enum Unit: Hashable, Sendable {
    case months(Int64)
    case days(Int64)
    case nanos(Int64)

    /// By the words of `interval '…'`, singular, plural or short.
    static func named(_ word: String) -> Unit? {
      switch word {
      case "nanosecond", "nanoseconds", "ns": .nanos(1)
      case "microsecond", "microseconds", "us", "µs", "usec", "usecs": .nanos(1_000)
      case "millisecond", "milliseconds", "ms", "msec", "msecs": .nanos(1_000_000)
      case "second", "seconds", "sec", "secs", "s": .nanos(1_000_000_000)
      case "minute", "minutes", "min", "mins", "m": .nanos(60_000_000_000)
      case "hour", "hours", "hr", "hrs", "h": .nanos(3_600_000_000_000)
      case "day", "days", "d": .days(1)
      case "week", "weeks", "w": .days(7)
      case "month", "months", "mon", "mons", "mo": .months(1)
      case "quarter", "quarters": .months(3)
      case "year", "years", "yr", "yrs", "y": .months(12)
      case "decade", "decades": .months(120)
      case "century", "centuries": .months(1200)
      default: nil
      }
    }
  }

  /// Adds `count` whole units and `thousandths…` of one: `fraction` over 10^9.
  /// - Returns: false when a part overflows.
  mutating func add(_ count: Int64, fraction: Int64 = 0, _ unit: Unit) -> Bool {
    switch unit {
    case .nanos(let size):
      let (whole, over) = count.multipliedReportingOverflow(by: size)
      let part = Int64(Double(fraction) / 1e9 * Double(size))
      let exact = size % 1_000_000_000 == 0 ? fraction * (size / 1_000_000_000) : part
      let (sum, over2) = nanos.addingReportingOverflow(whole)
      let (total, over3) = sum.addingReportingOverflow(exact)
      nanos = total
      return !(over || over2 || over3)
    case .days(let size):
      guard let sum = Self.narrow(count, size, days) else { return false }
      days = sum
      // A part of a day is time: `1.5 days` is one day and twelve hours.
      return fraction == 0 || add(0, fraction: fraction, .nanos(size * 86_400_000_000_000))
    case .months(let size):
      guard let sum = Self.narrow(count, size, months) else { return false }
      months = sum
      let (parts, rest) = (fraction * size).quotientAndRemainder(dividingBy: 1_000_000_000)
      guard rest == 0, let total = Self.narrow(parts, 1, months) else { return false }
      months = total
      return true
    }
  }

  private static func narrow(_ count: Int64, _ size: Int64, _ base: Int32) -> Int32? {
    let (product, over) = count.multipliedReportingOverflow(by: size)
    let (sum, over2) = product.addingReportingOverflow(Int64(base))
    return over || over2 ? nil : Int32(exactly: sum)
  }
}

// MARK: - Text

extension Interval {
  /// `5m`, `1h30m`, `1M`: whole numbers with units. `M` is a month, `m` a minute.
  init?(duration bytes: ArraySlice<UInt8>) {
    self.init()
    var at = bytes.startIndex
    guard at < bytes.endIndex else { return nil }
    while at < bytes.endIndex {
      guard let count = Self.digits(bytes, &at)?.value else { return nil }
      let start = at
      while at < bytes.endIndex, !Ascii.isDigit(bytes[at]) { at += 1 }
      let word = String(decoding: bytes[start..<at], as: UTF8.self)
      let unit: Unit? =
        switch word {
        case "M": .months(1)
        case "ns", "us", "µs", "ms", "s", "m", "h", "d", "w", "mo", "y": Unit.named(word)
        default: nil
        }
      guard let unit, add(count, unit) else { return nil }
    }
  }

  /// The text of `interval '…'`: numbers with units, `HH:MM[:SS[.fff]]`, `ago`; or a duration.
  /// - Parameter unit: what a number without a unit counts (`interval '5' day`).
  package init?(text: String, defaultUnit: Unit = .nanos(1_000_000_000)) {
    let bytes = Array(text.utf8)[...]
    self.init()
    var at = bytes.startIndex
    var isEmpty = true
    while true {
      while at < bytes.endIndex, Ascii.isSpace(bytes[at]) { at += 1 }
      guard at < bytes.endIndex else { break }
      if !isEmpty, bytes[at...].elementsEqual("ago".utf8) {
        guard months != .min, days != .min, nanos != .min else { return nil }
        (months, days, nanos) = (-months, -days, -nanos)
        break
      }
      guard term(bytes, &at, defaultUnit) else { return nil }
      isEmpty = false
    }
    if isEmpty { return nil }
  }

  private mutating func term(_ bytes: ArraySlice<UInt8>, _ at: inout Int, _ defaultUnit: Unit)
    -> Bool
  {
    let isNegative = bytes[at] == UInt8(ascii: "-")
    if isNegative || bytes[at] == UInt8(ascii: "+") { at += 1 }
    let sign: Int64 = isNegative ? -1 : 1
    guard let whole = Self.digits(bytes, &at) else { return false }
    if at < bytes.endIndex, bytes[at] == UInt8(ascii: ":") {
      return clock(hours: whole.value, sign, bytes, &at)
    }
    guard let fraction = Self.fraction(bytes, &at) else { return false }
    while at < bytes.endIndex, bytes[at] == 32 { at += 1 }
    let start = at
    while at < bytes.endIndex, Ascii.isNameStart(bytes[at]) { at += 1 }
    var unit: Unit? = defaultUnit
    if start < at {
      let word = bytes[start..<at]
      unit =
        word.elementsEqual("M".utf8)
        ? .months(1) : .named(String(decoding: word.map(Ascii.lowercased), as: UTF8.self))
    }
    guard let unit else { return false }
    return add(sign * whole.value, fraction: sign * fraction, unit)
  }

  private mutating func clock(
    hours: Int64, _ sign: Int64, _ bytes: ArraySlice<UInt8>, _ at: inout Int
  ) -> Bool {
    at += 1
    guard let minutes = Self.digits(bytes, &at), minutes.value < 60 else { return false }
    var seconds: Int64 = 0
    if at < bytes.endIndex, bytes[at] == UInt8(ascii: ":") {
      at += 1
      guard let value = Self.digits(bytes, &at)?.value, value < 60 else { return false }
      seconds = value
    }
    guard let fraction = Self.fraction(bytes, &at) else { return false }
    return add(sign * hours, .nanos(3_600_000_000_000))
      && add(sign * minutes.value, .nanos(60_000_000_000))
      && add(sign * seconds, fraction: sign * fraction, .nanos(1_000_000_000))
  }

  private static func digits(_ bytes: ArraySlice<UInt8>, _ at: inout Int) -> (
    value: Int64, count: Int
  )? {
    let start = at
    var value: Int64 = 0
    while at < bytes.endIndex, Ascii.isDigit(bytes[at]) {
      let (product, over) = value.multipliedReportingOverflow(by: 10)
      let (sum, over2) = product.addingReportingOverflow(Int64(bytes[at] - 48))
      if over || over2 { return nil }
      value = sum
      at += 1
    }
    return at > start ? (value, at - start) : nil
  }

  /// `.25` as billionths: 250,000,000; 0 where there is no point; nil for more than nine digits.
  private static func fraction(_ bytes: ArraySlice<UInt8>, _ at: inout Int) -> Int64? {
    guard at < bytes.endIndex, bytes[at] == UInt8(ascii: ".") else { return 0 }
    at += 1
    guard var (value, count) = digits(bytes, &at), count <= 9 else { return nil }
    while count < 9 {
      value *= 10
      count += 1
    }
    return value
  }

  /// PostgreSQL's long form, `1 year 2 mons 3 days 4 hours 5 mins 6.5 secs`, which `init(text:)` reads back.
  package var text: String {
    var parts: [String] = []
    func part(_ count: Int64, _ one: String) {
      if count != 0 { parts.append("\(count) \(one)\(count == 1 || count == -1 ? "" : "s")") }
    }
    part(Int64(months / 12), "year")
    part(Int64(months % 12), "mon")
    part(Int64(days), "day")
    part(nanos / 3_600_000_000_000, "hour")
    part(nanos / 60_000_000_000 % 60, "min")
    let rest = nanos % 60_000_000_000
    if rest != 0 {
      let billionths = (rest % 1_000_000_000).magnitude
      var seconds = (rest < 0 ? "-" : "") + String((rest / 1_000_000_000).magnitude)
      if billionths != 0 {
        var digits = String(String(billionths + 1_000_000_000).dropFirst())
        while digits.hasSuffix("0") { digits.removeLast() }
        seconds += "." + digits
      }
      parts.append(seconds + (rest == 1_000_000_000 || rest == -1_000_000_000 ? " sec" : " secs"))
    }
    return parts.isEmpty ? "0 secs" : parts.joined(separator: " ")
  }

  /// `1h30m`, as SAMPLE BY is written; nil for intervals with a negative part.
  package var duration: String? {
    guard isPositive else { return nil }
    var out = ""
    func part(_ count: Int64, _ unit: String) { if count != 0 { out += "\(count)\(unit)" } }
    part(Int64(months / 12), "y")
    part(Int64(months % 12), "M")
    part(Int64(days), "d")
    part(nanos / 3_600_000_000_000, "h")
    part(nanos / 60_000_000_000 % 60, "m")
    part(nanos / 1_000_000_000 % 60, "s")
    part(nanos / 1_000_000 % 1_000, "ms")
    part(nanos / 1_000 % 1_000, "us")
    part(nanos % 1_000, "ns")
    return out
  }
}
