/// Functions over a window: calls that share their partitions and their order.
package struct WindowPlan: Sendable {
  var partition: [BoundExpr]
  var order: [SortOrder]
  var calls: [WindowCall]

  func mapExpressions<E: Error>(_ f: (BoundExpr) throws(E) -> BoundExpr) throws(E) -> WindowPlan {
    WindowPlan(
      partition: try partition.map(f), order: try order.map { (key) throws(E) in try key.mapExpression(f) },
      calls: try calls.map { (call) throws(E) in try call.mapExpressions(f) })
  }
}

/// A window function where the SELECT uses it, before calls are put together.
struct WindowUse: Equatable {
  var partition: [BoundExpr]
  var order: [SortOrder]
  var call: WindowCall
  /// For errors.
  var range: SourceRange

  func mapExpressions<E: Error>(_ f: (BoundExpr) throws(E) -> BoundExpr) throws(E) -> WindowUse {
    WindowUse(
      partition: try partition.map(f), order: try order.map { (key) throws(E) in try key.mapExpression(f) },
      call: try call.mapExpressions(f), range: range)
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

  func mapExpressions<E: Error>(_ f: (BoundExpr) throws(E) -> BoundExpr) throws(E) -> WindowCall {
    WindowCall(function: function, arguments: try arguments.map(f), frame: frame)
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
