import TSEngine

/// Instants as devices and files write them, to nanoseconds since the Unix epoch, exactly.
package enum Instant {
  /// What a number without a name for its unit counts.
  package enum Unit: Int64, Sendable, CaseIterable {
    case seconds = 1_000_000_000
    case millis = 1_000_000
    case micros = 1_000
    case nanos = 1
  }

  /// `decimal` in `unit` as nanoseconds; nil when finer than a nanosecond or outside 1677-2262.
  package static func nanos(_ decimal: ExactDecimal, _ unit: Unit) -> Int64? {
    decimal.scaled(by: unit.rawValue)
  }

  /// The unit of a number by its size: seconds below 10^11, then milliseconds below 10^14,
  /// microseconds below 10^17, nanoseconds. (10^11 s is the year 5138, 10^11 ms is 1973.)
  package static func unit(ofMagnitude decimal: ExactDecimal) -> Unit {
    if below(decimal, 100_000_000_000) { return .seconds }
    if below(decimal, 100_000_000_000_000) { return .millis }
    return below(decimal, 100_000_000_000_000_000) ? .micros : .nanos
  }

  private static func below(_ decimal: ExactDecimal, _ limit: Int128) -> Bool {
    if decimal.mantissa == 0 || decimal.exponent < -40 { return true }
    guard decimal.exponent <= 18 else { return false }
    var left = Int128(decimal.mantissa)
    if decimal.exponent < 0 {
      for _ in 0..<(-decimal.exponent) { left /= 10 }
      return left < limit
    }
    for _ in 0..<decimal.exponent {
      left *= 10
      if left >= limit { return false }
    }
    return left < limit
  }

  /// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
  /// - Source: H. Hinnant, "chrono-compatible low-level date algorithms", days_from_civil.
  package static func days(year: Int, month: Int, day: Int) -> Int {
    let y = month <= 2 ? year - 1 : year
    let era = (y >= 0 ? y : y - 399) / 400
    let yearOfEra = y - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  /// ISO 8601 / RFC 3339 with an offset: `2022-10-17T09:46:40.5Z`, `… 18:46:40+09:00`. Without an
  /// offset the instant is unknown, so it is refused (P-09), as is more than nanoseconds.
  package static func iso8601(_ text: RawSpan) throws(Fault) -> Int64 {
    var reader = ISOReader(text)
    return try reader.read()
  }
}

/// The fields of an ISO 8601 text, one after the other. Past the end it sees the byte 0.
private struct ISOReader: ~Escapable {
  private let bytes: RawSpan
  private var offset = 0

  @_lifetime(copy bytes)
  init(_ bytes: RawSpan) { self.bytes = bytes }

  private var byte: UInt8 {
    guard offset < bytes.byteCount else { return 0 }
    // SAFETY: the guard proves 0 ≤ offset < byteCount.
    return unsafe bytes.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
  }

  @_lifetime(self: copy self)
  mutating func read() throws(Fault) -> Int64 {
    let year = try digits(4)
    try take("-")
    let month = try digits(2)
    try take("-")
    let day = try digits(2)
    guard byte == UInt8(ascii: "T") || byte == UInt8(ascii: "t") || byte == UInt8(ascii: " ")
    else { throw malformed }
    offset += 1
    let hour = try digits(2)
    try take(":")
    let minute = try digits(2)
    var second = 0
    var fraction: Int64 = 0
    if byte == UInt8(ascii: ":") {
      offset += 1
      second = try digits(2)
      if byte == UInt8(ascii: ".") || byte == UInt8(ascii: ",") { fraction = try nanos() }
    }
    let offsetSeconds = try zone()
    guard offset == bytes.byteCount else { throw malformed }
    guard 1...12 ~= month, 1...Self.length(ofMonth: month, year) ~= day, hour < 24, minute < 60,
      second < 60
    else { throw Fault(.range, "no such date or time of day") }
    let days = Instant.days(year: year, month: month, day: day)
    let seconds = Int64(days * 86_400 + hour * 3_600 + minute * 60 + second - offsetSeconds)
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let (nanos, overflowToo) = whole.addingReportingOverflow(fraction)
    guard !overflow, !overflowToo else { throw Fault(.range, "an instant outside 1677-2262") }
    return nanos
  }

  @_lifetime(self: copy self)
  private mutating func digits(_ count: Int) throws(Fault) -> Int {
    var value = 0
    for _ in 0..<count {
      let digit = byte &- UInt8(ascii: "0")
      guard digit <= 9 else { throw malformed }
      value = value * 10 + Int(digit)
      offset += 1
    }
    return value
  }

  @_lifetime(self: copy self)
  private mutating func take(_ character: Unicode.Scalar) throws(Fault) {
    guard UInt32(byte) == character.value else { throw malformed }
    offset += 1
  }

  @_lifetime(self: copy self)
  private mutating func nanos() throws(Fault) -> Int64 {
    offset += 1
    var value: Int64 = 0
    var place: Int64 = 100_000_000
    let start = offset
    while true {
      let digit = byte &- UInt8(ascii: "0")
      guard digit <= 9 else { break }
      guard place > 0 || digit == 0 else { throw Fault(.range, "an instant finer than 1 ns") }
      value += Int64(digit) * place
      place /= 10
      offset += 1
    }
    guard offset > start else { throw malformed }
    return value
  }

  /// Seconds east of UTC.
  @_lifetime(self: copy self)
  private mutating func zone() throws(Fault) -> Int {
    let sign = byte
    offset += 1
    switch sign {
    case UInt8(ascii: "Z"), UInt8(ascii: "z"): return 0
    case UInt8(ascii: "+"), UInt8(ascii: "-"): break
    case 0: throw Fault(.form, "a time without an offset from UTC (\"Z\" or \"+09:00\")")
    default: throw malformed
    }
    let hours = try digits(2)
    var minutes = 0
    if byte == UInt8(ascii: ":") { offset += 1 }
    if offset < bytes.byteCount { minutes = try digits(2) }
    guard hours < 24, minutes < 60 else { throw Fault(.range, "no such offset from UTC") }
    let east = hours * 3_600 + minutes * 60
    return sign == UInt8(ascii: "-") ? -east : east
  }

  private static func length(ofMonth month: Int, _ year: Int) -> Int {
    switch month {
    case 4, 6, 9, 11: 30
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    default: 31
    }
  }

  private var malformed: Fault {
    Fault(.form, "an ISO 8601 time such as 2022-10-17T09:46:40Z expected")
  }
}
