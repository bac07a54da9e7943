import Ingest
import TSEngine

/// Instants on the command line.
enum CommandTime {
  /// RFC 3339 with an offset, as nanoseconds since the epoch.
  static func parse(_ text: String) throws -> Int64 {
    let bytes = Array(text.utf8)
    do {
      return try Instant.iso8601(bytes.span.bytes)
    } catch {
      throw CommandError.usage("\"\(text)\" is no instant; one looks like 2026-01-01T09:00:00+09:00")
    }
  }

  /// A position of the log, or an instant.
  static func moment(_ text: String) throws -> Moment {
    if let lsn = UInt64(text) { return .lsn(lsn) }
    return .time(try parse(text))
  }

  /// `1s`, `50ms`, `5m`, `1h`: a length in nanoseconds.
  static func parseSpan(_ text: String) throws -> Int64 {
    let units: [(String, Int64)] = [
      ("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
      ("h", 3_600_000_000_000), ("d", 86_400_000_000_000),
    ]
    let digits = text.prefix { $0.isNumber }
    guard let count = Int64(digits), count > 0,
      let unit = units.first(where: { $0.0 == text.dropFirst(digits.count) }),
      case let (nanos, overflow) = count.multipliedReportingOverflow(by: unit.1), !overflow
    else { throw CommandError.usage("\"\(text)\" is no length of time; one looks like 1s or 50ms") }
    return nanos
  }
}
