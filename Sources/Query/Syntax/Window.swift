package struct SortKey: Equatable, Sendable {
  package enum Nulls: String, Sendable {
    case first = "FIRST"
    case last = "LAST"
  }

  package var expression: Expression
  package var isDescending = false
  /// nil: last when ascending, first when descending, as in PostgreSQL.
  package var nulls: Nulls?
}

/// What follows OVER.
package enum WindowReference: Equatable, Sendable {
  case named(Identifier)
  case inline(WindowSpecification)
}

package struct NamedWindow: Equatable, Sendable {
  package var name: Identifier
  package var specification: WindowSpecification
}

package struct WindowSpecification: Equatable, Sendable {
  /// A window of the WINDOW clause that this one refines.
  package var base: Identifier?
  package var partitionBy: [Expression] = []
  package var orderBy: [SortKey] = []
  package var frame: WindowFrame?
  package var range: SourceRange
}

package struct WindowFrame: Equatable, Sendable {
  package enum Unit: String, Sendable {
    case rows = "ROWS"
    case range = "RANGE"
    case groups = "GROUPS"
  }

  package enum Bound: Equatable, Sendable {
    case unboundedPreceding
    case preceding(Expression)
    case currentRow
    case following(Expression)
    case unboundedFollowing
  }

  package enum Exclusion: String, Sendable {
    case currentRow = "CURRENT ROW"
    case group = "GROUP"
    case ties = "TIES"
  }

  package var unit: Unit
  package var start: Bound
  package var end: Bound
  package var exclusion: Exclusion?
}
