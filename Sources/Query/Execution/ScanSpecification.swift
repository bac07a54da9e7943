import TSEngine

/// A column of a table of readings as a scan yields it.
package enum ScanColumn: Hashable, Sendable {
  case time
  case device
  case probe
  case value(ColumnID, SQLType)
  case lsn
  case receivedAt
  case owner

  var type: SQLType {
    switch self {
    case .time, .receivedAt: .timestamp
    case .device, .owner: .text
    case .probe, .lsn: .int
    case .value(_, let type): type
    }
  }
}

/// What a scan of readings reads and what it leaves out.
struct ScanSpecification {
  var table: TableSchema
  var columns: [ScanColumn]
  /// Read instead of the query's snapshot.
  var past: Snapshot?
  /// Series and time.
  var filter = Snapshot.ScanFilter()
  /// Integer columns within bounds: tested on packed pages.
  var ranges: [(column: ColumnID, range: ClosedRange<Int64>)] = []
  /// Symbol columns equal to a text: likewise, by code.
  var texts: [(column: ColumnID, text: String)] = []
  /// What is left to test on decoded rows; columns are those of the scan.
  var residual: BoundExpr?
  /// Only the newest row of each series that passes.
  var isLatest = false

  /// The row filter on decoded columns costs little beside this being empty.
  var hasPredicates: Bool { !ranges.isEmpty || !texts.isEmpty || residual != nil }
}

/// What a scan did, for EXPLAIN ANALYZE.
struct ScanCounters: Sendable {
  var stretches = 0
  /// Left out by series and time.
  var pruned = 0
  /// Left out because statistics contradict the predicate.
  var excluded = 0
  /// Answered from statistics.
  var answered = 0
  /// Opened for reading.
  var opened = 0
  var pagesDecoded = 0
  /// Pages whose predicate left no row, so that no other column was read.
  var pagesSkipped = 0
  /// Slots decoded, 8 bytes each.
  var slotsDecoded = 0
  var rows = 0

  static func += (a: inout ScanCounters, b: ScanCounters) {
    a.stretches += b.stretches
    a.pruned += b.pruned
    a.excluded += b.excluded
    a.answered += b.answered
    a.opened += b.opened
    a.pagesDecoded += b.pagesDecoded
    a.pagesSkipped += b.pagesSkipped
    a.slotsDecoded += b.slotsDecoded
    a.rows += b.rows
  }

  var notes: [String] {
    [
      "blocks: \(stretches) seen, \(pruned) pruned by series and time, \(excluded) by statistics, \(answered) answered from statistics, \(opened) read",
      "pages: \(pagesDecoded) decoded, \(pagesSkipped) skipped; \(slotsDecoded * 8) bytes decoded; \(rows) rows",
    ]
  }
}

extension SQLType {
  init(_ type: ColumnType) {
    self =
      switch type {
      case .int: .int
      case .float: .float
      case .bool: .bool
      case .symbol, .text: .text
      }
  }
}

extension StorageError {
  /// What a query says when the store cannot answer.
  var sqlError: SQLError {
    switch code {
    case .corrupt, .truncated:
      SQLError(SQLState("XX001"), description, hint: "run \"tsq verify\"")
    case .io: SQLError(SQLState("58030"), description)
    case .invalid: SQLError(.invalidParameterValue, reason)
    case .conflict: SQLError(.serializationFailure, reason)
    case .closed: SQLError(.readOnlyTransaction, reason)
    case .diskFull: SQLError(SQLState("53100"), reason)
    case .overloaded: SQLError(SQLState("53300"), reason)
    default: SQLError(.internalError, description)
    }
  }
}
