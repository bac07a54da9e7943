/// The words the grammar knows, case-insensitive. Those of the first part are reserved: as names they
/// must be quoted. All others keep being good names for columns and tables, as in PostgreSQL.
package enum Keyword: String, CaseIterable, Sendable {
  // Reserved.
  case all, and, any, array, `as`, asc, both, `case`, cast, collate, create, cross
  case currentDate = "current_date"
  case currentTime = "current_time"
  case currentTimestamp = "current_timestamp"
  case currentUser = "current_user"
  case `default`, desc
  case distinct, `else`, end, except, exists, `false`, fetch, `for`, from, full, group, having
  case ilike, `in`, inner, intersect, into, `is`, isnull, join, lateral, leading, left, like
  case limit, localtime, localtimestamp, natural, not, notnull, null, offset, on, or, order
  case outer, placing, returning, right, select
  case sessionUser = "session_user"
  case similar, some
  case symmetric, table, then, to, trailing, `true`, union, using, when, `where`, window, with

  // Free.
  case abort, add, align, alter, analyze, asof, asymmetric, at, begin, between, by, calendar
  case cascade, characteristics, column, commit, conflict, copy, current, deallocate, delete
  case device, discard, `do`, drop, escape, exclude, explain, extract, fill, filter, first
  case following, groups, header, history, `if`, insert, interval, isolation, known, last
  case latest, level, linear, local, materialized, next, no, nothing, nulls, observation, of
  case off, only, `operator`, others, over, overlay, partition, position, preceding, precision
  case prev, range, read, recursive, registry, replace, reset, restrict, rollback, row, rows
  case sample, scale, session, `set`, show, start, stdin, stdout, substring
  case systemTime = "system_time"
  case temp, temporary, ties, time, timestamp, transaction, trim
  case unbounded, unit, unknown, update, values, varying, verbose, view, within, without, work
  case write, zone

  /// Whether the word cannot name a column, table or alias without quotes.
  package var isReserved: Bool { Self.reserved.contains(self) }

  /// Upper case, as messages and canonical text show it.
  package var spelling: String { rawValue.uppercased() }

  /// Reserved words that are functions too: `left(s, 2)`.
  var isReservedFunction: Bool { self == .left || self == .right }

  /// Words that begin a form of their own before `(`; a function of that name is quoted.
  var beginsSpecialForm: Bool {
    switch self {
    case .extract, .trim, .row, .values: true
    default: false
    }
  }

  static let byName = [String: Keyword](uniqueKeysWithValues: allCases.map { ($0.rawValue, $0) })

  static func named(_ bytes: ArraySlice<UInt8>) -> Keyword? {
    guard bytes.count <= longestByteCount else { return nil }
    return byName[String(decoding: bytes.map(Ascii.lowercased), as: UTF8.self)]
  }

  private static let longestByteCount = allCases.map(\.rawValue.utf8.count).max() ?? 0

  private static let reserved: Set<Keyword> = {
    // The declaration's order is the rule: everything up to `with` is reserved.
    let words = allCases
    return Set(words[...(words.firstIndex(of: .with) ?? 0)])
  }()
}
