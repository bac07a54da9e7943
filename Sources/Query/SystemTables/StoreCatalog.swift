import TSEngine

/// The catalog of a store's snapshot: readings, registry, journal and the engine's own state.
package struct StoreCatalog: Catalog {
  package let snapshot: Snapshot

  package init(_ snapshot: Snapshot) { self.snapshot = snapshot }

  package func owners(of device: String, during times: Range<Int64>) -> [OwnerRun] {
    // A device is told nothing of people.
    if case .device? = snapshot.viewer { return [OwnerRun(times: times, owner: nil)] }
    return snapshot.registry.associations.owners(of: device, during: times).map { run in
      OwnerRun(times: run.range, owner: snapshot.registry.userName(run.owner))
    }
  }

  package func receivedAt(_ lsn: LSN) -> Int64? { snapshot.commitTime(of: lsn) }

  package var rowTables: [any RowTable] {
    RegistryTables.tables(of: snapshot) + StoreTables.tables(of: snapshot) + OperationalTables.tables(of: snapshot)
      + RollupTables.tables(of: snapshot)
  }
}

extension Registry {
  /// How a user is shown: by name, or by id once the name is gone.
  func userName(_ id: UserID) -> String { users[id]?.name ?? (id == .parked ? Users.parkedName : id.text) }
}

/// A table given by a closure that makes its rows.
struct ClosureTable: RowTable {
  let name: String
  let columns: [RowColumn]
  let rows: @Sendable ((([SQLValue]) throws(SQLError) -> Bool)) throws(SQLError) -> Void

  func scan(_ emit: ([SQLValue]) throws(SQLError) -> Bool) throws(SQLError) { try rows(emit) }
}

extension SQLValue {
  static func optional(_ time: Int64?) -> SQLValue { time.map { .timestamp($0) } ?? .null }
  static func optional(_ text: String?) -> SQLValue { text.map { .text($0) } ?? .null }
}
