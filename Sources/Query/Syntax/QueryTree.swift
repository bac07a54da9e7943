/// A whole query: what `SELECT`, `VALUES`, a sub-query, a view or EXPLAIN holds.
package struct Query: Equatable, Sendable {
  package var with: [CommonTable] = []
  package var isRecursive = false
  package var body: Body
  package var orderBy: [SortKey] = []
  /// nil: all rows.
  package var limit: Expression?
  package var offset: Expression?
  /// FETCH FIRST n ROWS WITH TIES.
  package var withTies = false
  package var range: SourceRange

  package indirect enum Body: Equatable, Sendable {
    case select(Select)
    case values([[Expression]])
    /// `TABLE t`, and `HISTORY OF DEVICE id` as a statement.
    case table(TableReference)
    case combined(SetOperator, all: Bool, Body, Body)
    /// A branch in parentheses that has clauses of its own.
    case nested(Query)
  }
}

package enum SetOperator: String, Sendable {
  case union = "UNION"
  case intersect = "INTERSECT"
  case except = "EXCEPT"
}

package struct CommonTable: Equatable, Sendable {
  package var name: Identifier
  package var columns: [Identifier] = []
  /// MATERIALIZED, NOT MATERIALIZED, or left to the planner.
  package var isMaterialized: Bool?
  package var query: Query
}

package struct Select: Equatable, Sendable {
  package enum Distinct: Equatable, Sendable {
    case all
    case rows
    case on([Expression])
  }

  package enum Item: Equatable, Sendable {
    case star(SourceRange)
    case tableStar(ObjectName)
    case expression(Expression, alias: Identifier?)
  }

  package var distinct = Distinct.all
  package var items: [Item] = []
  /// Comma-separated; empty for `SELECT 1`.
  package var from: [TableReference] = []
  package var filter: Expression?
  package var latestOn: LatestOn?
  package var sampleBy: SampleBy?
  package var groupBy: [Expression] = []
  package var having: Expression?
  package var windows: [NamedWindow] = []
  package var range: SourceRange
}

/// `LATEST ON ts PARTITION BY a, b`: the newest row of each combination.
package struct LatestOn: Equatable, Sendable {
  package var time: Expression
  package var partitionBy: [Expression]
  package var range: SourceRange
}

/// `SAMPLE BY 5m FROM … TO … FILL(…) ALIGN TO …`.
package struct SampleBy: Equatable, Sendable {
  package enum Fill: Equatable, Sendable {
    case none, null, previous, linear
    case value(Expression)
  }

  package enum Alignment: Equatable, Sendable {
    case calendar(timeZone: Expression?, offset: Expression?)
    case firstObservation
  }

  package var step: Interval
  package var from: Expression?
  package var to: Expression?
  /// Empty: no filling. One for all aggregates, or one each.
  package var fill: [Fill] = []
  package var alignment: Alignment?
  package var range: SourceRange
}

package struct TableReference: Equatable, Sendable {
  package var kind: Kind
  package var alias: Identifier?
  package var columnAliases: [Identifier] = []
  package var range: SourceRange

  package indirect enum Kind: Equatable, Sendable {
    case table(ObjectName, TimeTravel)
    case function(FunctionCall)
    case subquery(Query)
    case join(Join)
    /// `HISTORY OF DEVICE id`.
    case deviceHistory(Expression)
  }
}

/// As of when a table is read. All nil: now.
package struct TimeTravel: Equatable, Sendable {
  /// `FOR SYSTEM_TIME AS OF t`: a registry table as recorded at t.
  package var systemTime: Expression?
  /// `WITH REGISTRY AT ts`: registry columns as of each reading's instant.
  package var registryAt: Expression?
  /// `AS KNOWN AT t`: readings as the store held them at t.
  package var knownAt: Expression?
}

package struct Join: Equatable, Sendable {
  package enum Kind: String, Sendable {
    case inner = "JOIN"
    case left = "LEFT JOIN"
    case right = "RIGHT JOIN"
    case full = "FULL JOIN"
    case cross = "CROSS JOIN"
  }

  package enum Condition: Equatable, Sendable {
    case none
    case natural
    case on(Expression)
    case using([Identifier])
  }

  package var kind: Kind
  /// Each left row meets the newest right row that is not after it.
  package var isAsof: Bool
  package var left: TableReference
  package var right: TableReference
  package var condition: Condition
}
