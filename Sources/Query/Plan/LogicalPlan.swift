import TSEngine

/// What a query computes, before it is decided how. Columns are positions; each node's columns are
/// those its comment names.
package indirect enum LogicalPlan: Sendable {
  /// All columns of `ReadingsTable.columns`.
  case readings(ReadingsTable)
  case rows(any RowTable)
  case values([[BoundExpr]], [SQLType])
  case filter(LogicalPlan, BoundExpr)
  case project(LogicalPlan, [BoundExpr])
  /// Keys, then aggregates.
  case aggregate(LogicalPlan, keys: [BoundExpr], [Aggregate])
  case sort(LogicalPlan, [SortOrder])
  case limit(LogicalPlan, Int?, offset: Int)
  /// Columns of left, then right.
  case join(LogicalPlan, LogicalPlan, JoinKind, condition: [BoundExpr])
  /// Columns of left, then right.
  case asof(LogicalPlan, LogicalPlan, AsofJoin)
  case unionAll([LogicalPlan])
  /// INTERSECT and EXCEPT.
  case setOperation(SetOperator, all: Bool, LogicalPlan, LogicalPlan)
  case latest(LogicalPlan, time: BoundExpr, partition: [BoundExpr])
  /// The first row of each combination of keys, in the order of the input.
  case first(LogicalPlan, keys: [BoundExpr])
  /// Keys, then aggregates, with the buckets that are missing.
  case gapFill(LogicalPlan, GapFill)
  /// Columns of the input, then a column for each call.
  case window(LogicalPlan, WindowPlan)

  var types: [SQLType] {
    switch self {
    case .readings(let table): table.columns.map(\.column.type)
    case .rows(let table): table.columns.map(\.type)
    case .values(_, let types): types
    case .filter(let child, _), .sort(let child, _), .limit(let child, _, _), .latest(let child, _, _),
      .first(let child, _), .setOperation(_, _, let child, _), .gapFill(let child, _):
      child.types
    case .project(_, let expressions): expressions.map(\.type)
    case .aggregate(_, let keys, let aggregates): keys.map(\.type) + aggregates.map(\.type)
    case .join(let left, let right, _, _), .asof(let left, let right, _): left.types + right.types
    case .unionAll(let children): children[0].types
    case .window(let child, let window): child.types + window.calls.map(\.type)
    }
  }
}

package enum JoinKind: Sendable {
  case inner, left, full
}

/// ASOF JOIN: each left row meets, among the right rows of equal keys, the nearest one in time.
package struct AsofJoin: Sendable {
  /// Over the columns of its own side.
  var keys: [(left: BoundExpr, right: BoundExpr)]
  var leftTime: BoundExpr
  /// Over the columns of right.
  var rightTime: BoundExpr
  /// `left time OP right time`: ≥ and > look back, ≤ and < forward.
  var comparison: Comparison
  /// A left row without a partner stays, beside NULLs.
  var isLeft: Bool
}

/// A table of readings as SQL sees it.
package struct ReadingsTable: Sendable {
  package struct Column: Sendable {
    package var name: String
    /// A second name, shown nowhere.
    package var alias: String?
    package var column: ScanColumn
    /// Left out of `*`: derived from elsewhere.
    package var isHidden = false
  }
  package let schema: TableSchema
  package let alias: String
  package let columns: [Column]
  /// Set by AS KNOWN AT: the readings as they were known then.
  package var past: Snapshot?

  package init(_ schema: TableSchema, alias: String) {
    self.schema = schema
    self.alias = alias
    let isPower = schema.name == "power"
    var columns = [
      Column(name: "ts", alias: "time", column: .time),
      Column(name: isPower ? "sensor" : "device", alias: isPower ? "device" : "sensor", column: .device),
      Column(name: "probe", column: .probe),
    ]
    columns += schema.columns.map { Column(name: $0.name, column: .value($0.id, SQLType($0.type))) }
    columns += [
      Column(name: "received_at", column: .receivedAt, isHidden: true),
      Column(name: "owner", column: .owner, isHidden: true),
      Column(name: "lsn", column: .lsn, isHidden: true),
    ]
    self.columns = columns
  }
}
