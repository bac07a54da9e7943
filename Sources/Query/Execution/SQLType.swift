import TSEngine

/// Types of SQL values. Every value of a vector is one `Int64` slot: a float as its bit pattern, a
/// bool as 0 or 1, a timestamp as nanoseconds since the Unix epoch (UTC), a text as a code of the
/// query's `TextPool`. `interval` and `wide` have a second slot.
package enum SQLType: String, Sendable, Hashable {
  /// The type of a bare NULL.
  case null = "unknown"
  case bool = "boolean"
  case int = "bigint"
  case float = "double precision"
  case text = "text"
  case timestamp = "timestamp with time zone"
  case interval = "interval"
  /// 128-bit integer: exact sums of products.
  case wide = "numeric"

  package var isNumeric: Bool { self == .int || self == .float || self == .wide }
  var hasHighSlot: Bool { self == .interval || self == .wide }
}

extension Interval {
  /// The second slot of a vector: months above, days below.
  var highSlot: Int64 { Int64(months) << 32 | Int64(UInt32(bitPattern: days)) }

  init(slot: Int64, high: Int64) {
    self.init(
      months: Int32(truncatingIfNeeded: high >> 32), days: Int32(truncatingIfNeeded: high),
      nanos: slot)
  }

  /// Comparable length, a month being 30 days and a day 24 hours, as PostgreSQL compares.
  var comparable: Int128 {
    (Int128(months) * 30 + Int128(days)) * 86_400_000_000_000 + Int128(nanos)
  }

  /// The length when it does not depend on a calendar.
  var fixedNanos: Int64? {
    guard months == 0 else { return nil }
    let (days, overflow) = Int64(days).multipliedReportingOverflow(by: 86_400_000_000_000)
    let (sum, carry) = days.addingReportingOverflow(nanos)
    return overflow || carry ? nil : sum
  }
}

/// One value, for printing, parameters and constants. Never used per row on the way.
package enum SQLValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case int(Int64)
  case float(Double)
  case text(String)
  case timestamp(Int64)
  case interval(Interval)
  case wide(Int128)

  /// The same value to the bit: a constant that is not a number equals itself.
  package static func == (a: SQLValue, b: SQLValue) -> Bool {
    switch (a, b) {
    case (.null, .null): true
    case (.bool(let x), .bool(let y)): x == y
    case (.int(let x), .int(let y)), (.timestamp(let x), .timestamp(let y)): x == y
    case (.float(let x), .float(let y)): x.bitPattern == y.bitPattern
    case (.text(let x), .text(let y)): TextKey(x) == TextKey(y)
    case (.interval(let x), .interval(let y)): x == y
    case (.wide(let x), .wide(let y)): x == y
    default: false
    }
  }

  package func hash(into hasher: inout Hasher) {
    switch self {
    case .null: hasher.combine(0)
    case .bool(let flag): hasher.combine(flag)
    case .int(let number), .timestamp(let number): hasher.combine(number)
    case .float(let number): hasher.combine(number.bitPattern)
    case .text(let text): hasher.combine(TextKey(text))
    case .interval(let interval): hasher.combine(interval)
    case .wide(let number): hasher.combine(number)
    }
  }

  package var type: SQLType {
    switch self {
    case .null: .null
    case .bool: .bool
    case .int: .int
    case .float: .float
    case .text: .text
    case .timestamp: .timestamp
    case .interval: .interval
    case .wide: .wide
    }
  }
}
