/// Functions over a window: calls that share their partitions and their order.
package struct WindowPlan: Sendable {
  var partition: [BoundExpr]
  var order: [SortOrder]
  var calls: [WindowCall]
}

/// A window function where the SELECT uses it, before calls are put together.
struct WindowUse: Equatable {
  var partition: [BoundExpr]
  var order: [SortOrder]
  var call: WindowCall
  /// For errors.
  var range: SourceRange

  func mapExpressions(_ f: (BoundExpr) -> BoundExpr) -> WindowUse {
    WindowUse(
      partition: partition.map(f),
      order: order.map { SortOrder(expression: f($0.expression), isDescending: $0.isDescending, nullsFirst: $0.nullsFirst) },
      call: call.mapExpressions(f), range: range)
  }

  static func == (a: WindowUse, b: WindowUse) -> Bool {
    a.partition == b.partition && a.order == b.order && a.call == b.call
  }
}

package struct WindowCall: Hashable, Sendable {
  package enum Function: Hashable, Sendable {
    case rowNumber, rank, denseRank, percentRank, cumeDist
    /// Argument: how many buckets.
    case ntile
    /// Arguments: value, offset, default.
    case lag, lead
    case firstValue, lastValue
    /// Arguments: value, which, from 1.
    case nthValue
    case aggregate(AggregateFunction)
  }

  var function: Function
  var arguments: [BoundExpr]
  var frame: Frame

  var type: SQLType {
    switch function {
    case .rowNumber, .rank, .denseRank, .ntile: .int
    case .percentRank, .cumeDist: .float
    case .lag, .lead, .firstValue, .lastValue, .nthValue: arguments[0].type
    case .aggregate(let function): Aggregate(function: function, arguments: arguments).type
    }
  }

  func mapExpressions(_ f: (BoundExpr) -> BoundExpr) -> WindowCall {
    WindowCall(function: function, arguments: arguments.map(f), frame: frame)
  }

  /// Which rows of its partition a row sees.
  struct Frame: Hashable, Sendable {
    /// Distance from the current row: rows, groups of peers, or values of the order key.
    enum Bound: Hashable, Sendable {
      case unboundedPreceding
      case preceding(SQLValue)
      case currentRow
      case following(SQLValue)
      case unboundedFollowing
    }

    var unit = WindowFrame.Unit.range
    var start = Bound.unboundedPreceding
    var end = Bound.currentRow
    var exclusion: WindowFrame.Exclusion?

    /// All rows of the partition.
    static let whole = Frame(end: .unboundedFollowing)
  }
}
