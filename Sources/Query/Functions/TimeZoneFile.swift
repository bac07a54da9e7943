import Glibc

/// Reads a time zone of the system's database: TZif files (RFC 8536), versions 2 and up.
enum TimeZoneFile {
  /// A stretch of time with one offset from UTC, both in nanoseconds.
  struct Segment: Equatable, Sendable {
    var start: Int64
    var offset: Int64
  }

  /// Nil when there is no such file or it does not read.
  static func segments(named name: String) -> [Segment]? {
    let isPlain = name.utf8.allSatisfy { byte in
      UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
        || [UInt8(ascii: "/"), UInt8(ascii: "_"), UInt8(ascii: "+"), UInt8(ascii: "-")].contains(byte)
    }
    guard isPlain, !name.isEmpty, !name.hasPrefix("/"), name.utf8.count < 64 else { return nil }
    // SAFETY: getenv's text is copied at once; nobody sets variables while tsq runs.
    let folder = unsafe getenv("TZDIR").map { unsafe String(cString: $0) } ?? "/usr/share/zoneinfo"
    return read("\(folder)/\(name)").flatMap(parse)
  }

  private static func read(_ path: String) -> [UInt8]? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 17)
    let count = bytes.withUnsafeMutableBytes { unsafe Glibc.read(file, $0.baseAddress, $0.count) }
    return count > 0 && count < bytes.count ? Array(bytes[..<count]) : nil
  }

  static func parse(_ bytes: [UInt8]) -> [Segment]? {
    var at = 0
    func number(_ offset: Int, _ width: Int) -> Int64? {
      guard offset >= 0, offset + width <= bytes.count else { return nil }
      var value: UInt64 = 0
      for byte in bytes[offset..<offset + width] { value = value << 8 | UInt64(byte) }
      return width == 4 ? Int64(Int32(truncatingIfNeeded: value)) : Int64(bitPattern: value)
    }
    /// Counts: of UTC marks, standard marks, leap seconds, transitions, types, letters.
    func header() -> [Int]? {
      guard at + 44 <= bytes.count, Array(bytes[at..<at + 4]) == Array("TZif".utf8), bytes[at + 4] >= UInt8(ascii: "2")
      else { return nil }
      let counts = (0..<6).compactMap { number(at + 20 + 4 * $0, 4).map(Int.init) }
      at += 44
      return counts.count == 6 && counts.allSatisfy { (0..<1 << 16).contains($0) } ? counts : nil
    }
    guard let first = header() else { return nil }
    at += first[3] * 5 + first[4] * 6 + first[5] + first[2] * 8 + first[1] + first[0]
    guard let counts = header() else { return nil }
    let (transitions, types) = (counts[3], counts[4])
    guard types > 0 else { return nil }
    func offset(_ type: Int) -> Int64? { type < types ? number(at + transitions * 9 + type * 6, 4) : nil }
    guard let earliest = offset(0) else { return nil }
    var segments = [Segment(start: .min, offset: earliest * 1_000_000_000)]
    for index in 0..<transitions {
      guard let instant = number(at + index * 8, 8), at + transitions * 8 + index < bytes.count,
        let offset = offset(Int(bytes[at + transitions * 8 + index]))
      else { return nil }
      append(&segments, instant, offset)
    }
    at += transitions * 9 + types * 6 + counts[5] + counts[2] * 12 + counts[1] + counts[0]
    guard at < bytes.count, let end = bytes[(at + 1)...].firstIndex(of: 10) else { return nil }
    let footer = String(decoding: bytes[(at + 1)..<end], as: UTF8.self)
    guard !footer.isEmpty else { return segments }
    guard let rule = PosixTimeZone(footer) else { return nil }
    let last = segments[segments.count - 1].start
    let from = last == .min ? 1970 : Calendar.date(ofDay: Calendar.split(last).day).year
    for (instant, offset) in rule.transitions(from: from, through: 2262)
    where Int128(instant) * 1_000_000_000 > Int128(last) {
      append(&segments, instant, offset)
    }
    return segments
  }

  /// A transition at `seconds` to an offset of `offset` seconds, unless nothing changes.
  private static func append(_ segments: inout [Segment], _ seconds: Int64, _ offset: Int64) {
    let start = Int64(clamping: Int128(seconds) * 1_000_000_000)
    let segment = Segment(start: start, offset: offset * 1_000_000_000)
    if start <= segments[segments.count - 1].start {
      // Beyond the range of nanoseconds: only the last such counts.
      segments[segments.count - 1].offset = segment.offset
    } else if segments[segments.count - 1].offset != segment.offset, start < .max {
      segments.append(segment)
    }
  }
}

/// The rule for all time to come at the end of a TZif file: `CET-1CEST,M3.5.0,M10.5.0/3` (POSIX, TZ).
struct PosixTimeZone {
  private enum Day {
    /// Day 1 ... 365, never a 29 February.
    case julian(Int64)
    /// Day 0 ... 365.
    case ordinal(Int64)
    /// The n-th (5: last) weekday (0: Sunday) of a month.
    case weekday(month: Int64, week: Int64, day: Int64)
  }

  private var standard: Int64 = 0
  private var summer: (offset: Int64, from: (day: Day, time: Int64), to: (day: Day, time: Int64))?

  init?(_ text: String) {
    var rest = Substring(text)
    func name() -> Bool {
      if rest.first == "<" {
        guard let end = rest.firstIndex(of: ">") else { return false }
        rest = rest[rest.index(after: end)...]
        return true
      }
      let letters = rest.prefix { $0.isLetter }
      rest = rest.dropFirst(letters.count)
      return letters.count >= 3
    }
    func number() -> Int64? {
      let digits = rest.prefix { $0.isNumber }
      rest = rest.dropFirst(digits.count)
      return Int64(digits)
    }
    /// `[+-]hh[:mm[:ss]]` in seconds.
    func time() -> Int64? {
      var sign: Int64 = 1
      if rest.first == "-" || rest.first == "+" { sign = rest.removeFirst() == "-" ? -1 : 1 }
      guard var total = number().map({ $0 * 3600 }) else { return nil }
      for unit: Int64 in [60, 1] where rest.first == ":" {
        rest.removeFirst()
        guard let part = number() else { return nil }
        total += part * unit
      }
      return sign * total
    }
    func day() -> (day: Day, time: Int64)? {
      guard rest.popFirst() == "," else { return nil }
      let found: Day
      switch rest.first {
      case "M":
        rest.removeFirst()
        guard let month = number(), rest.popFirst() == ".", let week = number(), rest.popFirst() == ".", let day = number(),
          1...12 ~= month, 1...5 ~= week, 0...6 ~= day
        else { return nil }
        found = .weekday(month: month, week: week, day: day)
      case "J":
        rest.removeFirst()
        guard let day = number() else { return nil }
        found = .julian(day)
      default:
        guard let day = number() else { return nil }
        found = .ordinal(day)
      }
      guard rest.first == "/" else { return (found, 7200) }
      rest.removeFirst()
      return time().map { (found, $0) }
    }
    guard name(), let west = time() else { return nil }
    standard = -west
    if rest.isEmpty { return }
    guard name() else { return nil }
    var offset = standard + 3600
    if rest.first != "," {
      guard let west = time() else { return nil }
      offset = -west
    }
    guard let from = day(), let to = day(), rest.isEmpty else { return nil }
    summer = (offset, from, to)
  }

  /// Seconds since the epoch and the offset from then on, in order.
  func transitions(from first: Int64, through last: Int64) -> [(instant: Int64, offset: Int64)] {
    guard let summer else { return [(Calendar.day(year: first, month: 1, day: 1) * 86_400, standard)] }
    return (first...last).flatMap { year -> [(instant: Int64, offset: Int64)] in
      // Each rule is told by the clock that holds before it.
      [
        (Self.day(summer.from.day, year) * 86_400 + summer.from.time - standard, summer.offset),
        (Self.day(summer.to.day, year) * 86_400 + summer.to.time - summer.offset, standard),
      ]
    }.sorted { $0.instant < $1.instant }
  }

  private static func day(_ day: Day, _ year: Int64) -> Int64 {
    let first = Calendar.day(year: year, month: 1, day: 1)
    switch day {
    case .julian(let number):
      let isLeap = Calendar.daysInMonth(year: year, month: 2) == 29
      return first + number - 1 + (isLeap && number > 59 ? 1 : 0)
    case .ordinal(let number): return first + number
    case .weekday(let month, let week, let weekday):
      let start = Calendar.day(year: year, month: month, day: 1)
      // 1970-01-01 was a Thursday.
      let of = start + 4 - floorDivide(start + 4, 7) * 7
      let offset = (weekday - of + 7) % 7 + (week - 1) * 7
      return start + (offset < Calendar.daysInMonth(year: year, month: month) ? offset : offset - 7)
    }
  }
}
