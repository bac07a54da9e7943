import Ingest

/// Instants as answers show them: RFC 3339 with `Z` and as many digits as needed.
enum RFC3339 {
  /// - Source: H. Hinnant, "chrono-compatible low-level date algorithms", civil_from_days.
  static func text(_ nanos: Int64) -> String {
    let perDay: Int64 = 86_400_000_000_000
    let days = Int((nanos >= 0 ? nanos : nanos - (perDay - 1)) / perDay)
    let within = nanos &- Int64(days) &* perDay
    let z = days + 719_468
    let era = (z >= 0 ? z : z - 146_096) / 146_097
    let dayOfEra = z - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let m = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * m + 2) / 5 + 1
    let month = m < 10 ? m + 3 : m - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    let seconds = within / 1_000_000_000
    var text = "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T"
    text += "\(padded(Int(seconds / 3600), 2)):\(padded(Int(seconds / 60 % 60), 2)):\(padded(Int(seconds % 60), 2))"
    let fraction = Int(within % 1_000_000_000)
    if fraction > 0 {
      var digits = padded(fraction, 9)
      while digits.hasSuffix("0") { digits.removeLast() }
      text += "." + digits
    }
    return text + "Z"
  }

  private static func padded(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }

  /// Nil unless `text` is an instant with an offset.
  static func nanos(_ text: String) -> Int64? {
    let bytes = Array(text.utf8)
    return bytes.withUnsafeBytes { try? Instant.iso8601(RawSpan(_unsafeBytes: $0)) }
  }
}
