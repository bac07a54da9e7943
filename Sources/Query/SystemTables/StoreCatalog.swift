import TSEngine

/// The catalog of a store at one snapshot: its readings, its registry and its journal.
package struct StoreCatalog: Catalog {
  package let snapshot: Snapshot

  package init(_ snapshot: Snapshot) { self.snapshot = snapshot }

  /// Owners by name, as `users` has them; a device that is nobody's is the parked user's.
  package func owners(of device: String, during times: Range<Int64>) -> [OwnerRun] {
    let registry = snapshot.registry
    return registry.associations.owners(of: device, during: times).map { run in
      OwnerRun(times: run.range, owner: registry.users.name(of: run.owner))
    }
  }

  package func receivedAt(_ lsn: LSN) -> Int64? { snapshot.commitTime(of: lsn) }

  package var rowTables: [any RowTable] {
    [
      AssociationsTable(snapshot: snapshot), DevicesTable(snapshot: snapshot), EventsTable(snapshot: snapshot),
      TypesTable(snapshot: snapshot), UsersTable(snapshot: snapshot),
    ]
  }
}

extension Users {
  /// The name by which a user is shown; the id of one that was never heard of.
  fileprivate func name(of id: UserID) -> String {
    self[id]?.name ?? (id == .parked ? Users.parkedName : id.text)
  }
}

private struct DevicesTable: RowTable {
  let snapshot: Snapshot
  let name = "devices"
  let columns = [
    RowColumn("id", .text), RowColumn("name", .text), RowColumn("type", .text), RowColumn("owner", .text),
    RowColumn("connected", .bool), RowColumn("created_at", .timestamp), RowColumn("updated_at", .timestamp),
  ]

  func scan(_ emit: ([SQLValue]) throws(SQLError) -> Bool) throws(SQLError) {
    let registry = snapshot.registry
    for device in registry.devices.sorted() {
      let owner = registry.users.name(of: registry.associations.owner(of: device.id))
      let goOn = try emit([
        .text(device.id), .text(device.name), .text(device.type), .text(owner),
        registry.connections[device.id].map { .bool($0.isConnected) } ?? .null, .timestamp(device.createdAt),
        .timestamp(device.updatedAt),
      ])
      if !goOn { return }
    }
  }
}

private struct UsersTable: RowTable {
  let snapshot: Snapshot
  let name = "users"
  let columns = [
    RowColumn("id", .text), RowColumn("name", .text), RowColumn("is_admin", .bool), RowColumn("is_active", .bool),
    RowColumn("devices", .int), RowColumn("created_at", .timestamp), RowColumn("deleted_at", .timestamp),
  ]

  func scan(_ emit: ([SQLValue]) throws(SQLError) -> Bool) throws(SQLError) {
    let registry = snapshot.registry
    for user in registry.users.sorted() {
      let count =
        user.id == .parked
        ? registry.devices.sorted().count { registry.associations.owner(of: $0.id) == .parked }
        : registry.associations.devices(of: user.id).count
      let goOn = try emit([
        .text(user.id.text), .text(user.name), .bool(user.isAdmin), .bool(user.isActive), .int(Int64(count)),
        .timestamp(user.createdAt), user.deletedAt.map { .timestamp($0) } ?? .null,
      ])
      if !goOn { return }
    }
  }
}

/// Who had which device when; `until` is NULL for the present owner.
private struct AssociationsTable: RowTable {
  let snapshot: Snapshot
  let name = "associations"
  let columns = [
    RowColumn("device", .text), RowColumn("owner", .text), RowColumn("since", .timestamp),
    RowColumn("until", .timestamp), RowColumn("lsn", .int),
  ]

  func scan(_ emit: ([SQLValue]) throws(SQLError) -> Bool) throws(SQLError) {
    let registry = snapshot.registry
    for (device, timeline) in registry.associations.timelines.sorted(by: { $0.key < $1.key }) {
      for (index, transition) in timeline.transitions.enumerated() {
        let next = index + 1 < timeline.transitions.count ? timeline.transitions[index + 1].at : nil
        let goOn = try emit([
          .text(device), .text(registry.users.name(of: transition.owner)), .timestamp(transition.at),
          next.map { .timestamp($0) } ?? .null, .int(Int64(bitPattern: transition.lsn)),
        ])
        if !goOn { return }
      }
    }
  }
}

/// The journal, oldest first.
private struct EventsTable: RowTable {
  let snapshot: Snapshot
  let name = "events"
  let columns = [
    RowColumn("lsn", .int), RowColumn("kind", .text), RowColumn("device", .text), RowColumn("user", .text),
    RowColumn("actor", .text), RowColumn("cause", .text), RowColumn("recorded_at", .timestamp),
    RowColumn("effective_at", .timestamp),
  ]

  func scan(_ emit: ([SQLValue]) throws(SQLError) -> Bool) throws(SQLError) {
    for event in snapshot.events() {
      let actor = event.actor.id.isEmpty ? event.actor.kind.rawValue : "\(event.actor.kind.rawValue):\(event.actor.id)"
      let cause = event.cause.reason.isEmpty ? event.cause.message : event.cause.reason
      let goOn = try emit([
        .int(Int64(bitPattern: event.lsn)), .text(event.kind.name), event.kind.device.map { .text($0) } ?? .null,
        event.kind.user.map { .text(snapshot.registry.users.name(of: $0)) } ?? .null, .text(actor),
        cause.isEmpty ? .null : .text(cause), .timestamp(event.recordedAt), .timestamp(event.effectiveAt),
      ])
      if !goOn { return }
    }
  }
}

private struct TypesTable: RowTable {
  let snapshot: Snapshot
  let name = "types"
  let columns = [
    RowColumn("name", .text), RowColumn("label", .text), RowColumn("version", .int), RowColumn("columns", .int),
    RowColumn("settings", .text),
  ]

  func scan(_ emit: ([SQLValue]) throws(SQLError) -> Bool) throws(SQLError) {
    for type in snapshot.registry.types.all {
      let settings = type.settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
      let goOn = try emit([
        .text(type.schema.name), .text(type.label), .int(Int64(type.version)), .int(Int64(type.schema.columns.count)),
        settings.isEmpty ? .null : .text(settings),
      ])
      if !goOn { return }
    }
  }
}
