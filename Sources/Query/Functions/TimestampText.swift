/// RFC 3339 to and from nanoseconds since the epoch.
package enum TimestampText {
  /// An instant in UTC, by the clock on the wall.
  package struct Parts: Equatable, Sendable {
    package var year, month, day, hour, minute, second, nanos: Int64
  }

  package static func parts(of instant: Int64) -> Parts {
    let (day, nanos) = Calendar.split(instant)
    let date = Calendar.date(ofDay: day)
    let second = nanos / Calendar.nanosPerSecond
    return Parts(
      year: date.year, month: date.month, day: date.day, hour: second / 3600, minute: second / 60 % 60,
      second: second % 60, nanos: nanos % Calendar.nanosPerSecond)
  }

  /// `2026-01-02T03:04:05.06Z`: UTC, as many digits of a second as needed.
  package static func format(_ instant: Int64) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(30)
    append(instant, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// As `format`, behind what `bytes` hold.
  package static func append(_ instant: Int64, to bytes: inout [UInt8]) {
    let parts = parts(of: instant)
    append(&bytes, parts.year, 4)
    bytes.append(UInt8(ascii: "-"))
    append(&bytes, parts.month, 2)
    bytes.append(UInt8(ascii: "-"))
    append(&bytes, parts.day, 2)
    bytes.append(UInt8(ascii: "T"))
    append(&bytes, parts.hour, 2)
    bytes.append(UInt8(ascii: ":"))
    append(&bytes, parts.minute, 2)
    bytes.append(UInt8(ascii: ":"))
    append(&bytes, parts.second, 2)
    var fraction = parts.nanos
    if fraction != 0 {
      bytes.append(UInt8(ascii: "."))
      var width = 9
      while fraction % 10 == 0 {
        fraction /= 10
        width -= 1
      }
      append(&bytes, fraction, width)
    }
    bytes.append(UInt8(ascii: "Z"))
  }

  private static func append(_ bytes: inout [UInt8], _ number: Int64, _ width: Int) {
    let start = bytes.count
    for _ in 0..<width { bytes.append(UInt8(ascii: "0")) }
    var rest = number
    for index in stride(from: start + width - 1, through: start, by: -1) {
      bytes[index] = UInt8(ascii: "0") + UInt8(rest % 10)
      rest /= 10
    }
  }

  /// `YYYY-MM-DD[(T| )HH:MM[:SS[.fraction]][Z|±HH[[:]MM]]]`; without a zone it is UTC. Digits past
  /// the ninth are cut. nil for anything else, impossible dates and instants out of range.
  package static func parse(_ text: String) -> Int64? {
    var reader = Reader(bytes: Array(text.utf8))
    reader.skipSpaces()
    guard let year = reader.number(4), reader.take("-"), let month = reader.number(2),
      reader.take("-"), let day = reader.number(2),
      (1...12).contains(month), day >= 1, day <= Calendar.daysInMonth(year: year, month: month)
    else { return nil }
    var nanos: Int64 = 0
    if reader.take("T") || reader.take("t") || reader.takeSpace() {
      guard let hour = reader.number(2), reader.take(":"), let minute = reader.number(2),
        hour < 24, minute < 60
      else { return nil }
      var second: Int64 = 0
      var fraction: Int64 = 0
      if reader.take(":") {
        guard let value = reader.number(2), value < 61 else { return nil }
        second = value
        if reader.take(".") {
          guard let value = reader.fraction() else { return nil }
          fraction = value
        }
      }
      guard let offset = reader.offsetSeconds() else { return nil }
      nanos = (hour * 3600 + minute * 60 + second - offset) * Calendar.nanosPerSecond + fraction
    }
    reader.skipSpaces()
    guard reader.isAtEnd else { return nil }
    return Calendar.instant(day: Calendar.day(year: year, month: month, day: day), nanos: nanos)
  }

  private struct Reader {
    let bytes: [UInt8]
    var at = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { at == bytes.count }

    mutating func skipSpaces() { while at < bytes.count, bytes[at] == 32 { at += 1 } }

    mutating func take(_ character: Character) -> Bool {
      guard at < bytes.count, bytes[at] == character.asciiValue else { return false }
      at += 1
      return true
    }

    /// A space with a digit behind it: what parts the date from the time.
    mutating func takeSpace() -> Bool {
      guard at + 1 < bytes.count, bytes[at] == 32, Ascii.isDigit(bytes[at + 1]) else { return false }
      at += 1
      return true
    }

    mutating func number(_ width: Int) -> Int64? {
      guard at + width <= bytes.count else { return nil }
      var value: Int64 = 0
      for byte in bytes[at..<at + width] {
        guard Ascii.isDigit(byte) else { return nil }
        value = value * 10 + Int64(byte - 48)
      }
      at += width
      return value
    }

    mutating func fraction() -> Int64? {
      var (value, digits) = (Int64(0), 0)
      let start = at
      while at < bytes.count, Ascii.isDigit(bytes[at]) {
        if digits < 9 {
          value = value * 10 + Int64(bytes[at] - 48)
          digits += 1
        }
        at += 1
      }
      guard at > start else { return nil }
      while digits < 9 {
        value *= 10
        digits += 1
      }
      return value
    }

    mutating func offsetSeconds() -> Int64? {
      skipSpaces()
      if take("Z") || take("z") || isAtEnd { return 0 }
      let sign: Int64
      if take("+") { sign = 1 } else if take("-") { sign = -1 } else { return nil }
      guard let hours = number(2), hours < 19 else { return nil }
      _ = take(":")
      let minutes = isAtEnd ? 0 : number(2)
      guard let minutes, minutes < 60 else { return nil }
      return sign * (hours * 3600 + minutes * 60)
    }
  }
}

extension SQLValue {
  /// The value as PostgreSQL's text output has it; timestamps in RFC 3339; NULL is nil.
  package var text: String? {
    switch self {
    case .null: nil
    case .bool(let flag): flag ? "true" : "false"
    case .int(let number): String(number)
    case .float(let number): floatText(number)
    case .text(let text): text
    case .timestamp(let instant): TimestampText.format(instant)
    case .interval(let interval): interval.text
    case .wide(let number): String(number)
    }
  }
}

/// The shortest digits that read back as the same float; whole numbers without a point.
func floatText(_ value: Double) -> String {
  if value.isNaN { return "NaN" }
  if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
  let text = "\(value)"
  return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}
