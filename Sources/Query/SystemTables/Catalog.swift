import TSEngine

/// What the planner and the operators see of the world: the readings of one snapshot, the registry
/// at the same moment, and tables made of rows. One value serves one query; it does not change.
package protocol Catalog: Sendable {
  var snapshot: Snapshot { get }

  /// Who had `device` when: consecutive runs that cover `times`, in order. nil: nobody.
  func owners(of device: String, during times: Range<Int64>) -> [OwnerRun]

  /// When `lsn` became durable by the commit clock, nanoseconds since the epoch; nil when unknown.
  func receivedAt(_ lsn: LSN) -> Int64?

  /// Tables made of rows (`devices`, `events`, …), in order of name.
  var rowTables: [any RowTable] { get }
}

package struct OwnerRun: Equatable, Sendable {
  package var times: Range<Int64>
  package var owner: String?
  package init(times: Range<Int64>, owner: String?) {
    self.times = times
    self.owner = owner
  }
}

/// A table whose rows come one by one: the registry, the journal, the engine's own state.
package protocol RowTable: Sendable {
  var name: String { get }
  var columns: [RowColumn] { get }
  /// Calls `emit` for each row, a value per column; ends when `emit` returns false.
  func scan(_ emit: ([SQLValue]) throws(SQLError) -> Bool) throws(SQLError)
}

package struct RowColumn: Equatable, Sendable {
  package var name: String
  package var type: SQLType
  package init(_ name: String, _ type: SQLType) {
    self.name = name
    self.type = type
  }
}
