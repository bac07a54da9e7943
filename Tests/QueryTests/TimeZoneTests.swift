import Foundation
import Testing

@testable import Query

/// T-06: buckets by the clocks of a zone partition time, days of 23 and 25 hours too. Every zone of the system's
/// database, against Foundation's calendar.
@Suite struct TimeZoneTests {
  private static let hour: Int64 = 3_600_000_000_000
  private static let day = TimeGrid.fixed(width: 24 * hour, origin: 0)

  private static let names = TimeZone.knownTimeZoneIdentifiers.sorted()

  /// Instants about each change of the clocks from 1970 to 2100, and some between.
  private func instants(_ zone: TimeZone, _ random: inout SeededRandom) -> [Int64] {
    var changes: [Int64] = []
    var date = Date(timeIntervalSince1970: 0)
    let end = Date(timeIntervalSince1970: 2_000_000_000)
    while let next = zone.nextDaylightSavingTimeTransition(after: date), next < end, changes.count < 400 {
      changes.append(Int64(next.timeIntervalSince1970) * 1_000_000_000)
      date = next.addingTimeInterval(1)
    }
    var instants = (0..<20).map { _ in Int64(random.next() % 2_000_000_000) * 1_000_000_000 }
    for _ in 0..<min(30, changes.count) {
      let change = changes[Int(random.next() % UInt64(changes.count))]
      let near = Int64(random.next() % 172_800) - 86_400
      instants += [change - 1, change, change + near * 1_000_000_000]
    }
    return instants
  }

  @Test("T-06: days and months of every zone start where Foundation's do", arguments: names)
  func daysStartWhereTheyDo(_ name: String) throws {
    guard let zone = SQLTimeZone.named(name), let other = TimeZone(identifier: name) else {
      Issue.record("no zone \(name)")
      return
    }
    var calendar = Foundation.Calendar(identifier: .gregorian)
    calendar.timeZone = other
    var random = SeededRandom(7)
    let month = try #require(DateField.month.grid)
    for instant in instants(other, &random) {
      let seconds = floorDivide(instant, 1_000_000_000)
      let date = Date(timeIntervalSince1970: Double(seconds))
      #expect(zone.offset(at: instant).nanos == Int64(other.secondsFromGMT(for: date)) * 1_000_000_000, "\(instant)")
      let start = Int64(calendar.startOfDay(for: date).timeIntervalSince1970)
      // Where clocks are put back over midnight, yesterday's date comes again; a bucket that has begun goes on.
      let earlier = date.addingTimeInterval(-5 * 3600)
      if let change = other.nextDaylightSavingTimeTransition(after: earlier), change <= date,
        Int64(calendar.startOfDay(for: change.addingTimeInterval(-1)).timeIntervalSince1970) > start
      {
        continue
      }
      #expect(TimeGrid.zoned(Self.day, zone).start(of: instant) == start * 1_000_000_000, "day of \(seconds)")
      if let first = calendar.dateInterval(of: .month, for: date)?.start.timeIntervalSince1970 {
        #expect(TimeGrid.zoned(month, zone).start(of: instant) == Int64(first) * 1_000_000_000, "month of \(seconds)")
      }
    }
  }

  @Test("T-06: buckets of every width in every zone partition time", arguments: names)
  func bucketsPartition(_ name: String) throws {
    let zone = try #require(SQLTimeZone.named(name))
    let other = try #require(TimeZone(identifier: name))
    var random = SeededRandom(11)
    let widths = [Self.hour / 4, Self.hour / 2, Self.hour, 2 * Self.hour, 6 * Self.hour, 24 * Self.hour, 168 * Self.hour]
    let grids = widths.map { TimeGrid.fixed(width: $0, origin: 0) } + [.months(1, origin: 0), .months(3, origin: 0)]
    for instant in instants(other, &random) {
      for grid in grids.map({ TimeGrid.zoned($0, zone) }) {
        let (start, next) = (grid.start(of: instant), grid.next(after: instant))
        #expect(start <= instant && instant < next)
        #expect(grid.start(of: start) == start && grid.next(after: start) == next)
        #expect(grid.start(of: next) == next && grid.start(of: next - 1) == start)
      }
      // The hours of a day are 23 to 25 as a rule, and sum to it.
      let day = TimeGrid.zoned(Self.day, zone)
      let (hours, end) = (TimeGrid.zoned(.fixed(width: Self.hour, origin: 0), zone), day.next(after: instant))
      var at = day.start(of: instant)
      for _ in 0..<60 where at < end { at = hours.next(after: at) }
      #expect(at == end, "hours of the day of \(instant)")
    }
  }

  @Test func namesThatAreNone() {
    for name in ["Mars/Base", "../../etc/passwd", "/etc/localtime", "", "Asia", "+99:00", "posixrules\0"] {
      #expect(SQLTimeZone.named(name) == nil, "\(name)")
    }
    #expect(SQLTimeZone.named("+09:00")?.offset(at: 0).nanos == 9 * Self.hour)
    #expect(SQLTimeZone.named("-0330")?.offset(at: 0).nanos == -7 * Self.hour / 2)
  }

  @Test func rulesReachTheEndOfTime() throws {
    // 2200-07-01T00:00Z: summer by the rule at the end of the file.
    let zone = try #require(SQLTimeZone.named("Europe/Berlin"))
    let summer = try #require(TimestampText.parse("2200-07-01T00:00:00Z"))
    #expect(zone.offset(at: summer).nanos == 2 * Self.hour)
    #expect(zone.offset(at: .max).nanos != 0 && zone.offset(at: .min).nanos != 0)
  }
}
