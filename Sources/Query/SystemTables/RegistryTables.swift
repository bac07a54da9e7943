import TSEngine

/// What is known of devices and users, as tables; refused while a damaged journal may say otherwise.
enum RegistryTables {
  static func tables(of snapshot: Snapshot) -> [any RowTable] {
    all(of: snapshot.registry, snapshot).map { guarded($0, snapshot) }
  }

  /// The same as everything recorded up to `instant` left them (`FOR SYSTEM_TIME AS OF`, T-04). Each scan replays
  /// the journal up to there.
  static func tables(of snapshot: Snapshot, at instant: Int64) -> [any RowTable] {
    all(of: Registry(), snapshot, through: instant).map { empty in
      guarded(
        ClosureTable(name: empty.name, columns: empty.columns) { emit throws(SQLError) in
          let registry: Registry
          do throws(StorageError) { registry = try snapshot.registry(at: instant) } catch { throw error.sqlError }
          try all(of: registry, snapshot, through: instant).first { $0.name == empty.name }?.scan(emit)
        }, snapshot)
    }
  }

  private static func all(
    of registry: Registry, _ snapshot: Snapshot, through instant: Int64 = .max
  ) -> [ClosureTable] {
    [
      associations(registry, of: snapshot.viewer), commands(snapshot), credentials(registry),
      devices(registry, of: snapshot.viewer),
      events(snapshot, through: instant),
      types(registry), users(registry),
    ]
  }

  private static func guarded(_ table: ClosureTable, _ snapshot: Snapshot) -> any RowTable {
    ClosureTable(name: table.name, columns: table.columns) { emit throws(SQLError) in
      do throws(StorageError) { try snapshot.requireWholeRegistry() } catch { throw error.sqlError }
      try table.scan(emit)
    }
  }

  private static func devices(_ registry: Registry, of viewer: Viewer?) -> ClosureTable {
    ClosureTable(
      name: "devices",
      columns: [
        RowColumn("device_id", .text), RowColumn("name", .text), RowColumn("type", .text),
        RowColumn("owner", .text), RowColumn("status", .text), RowColumn("since", .timestamp),
        RowColumn("created_at", .timestamp), RowColumn("updated_at", .timestamp),
        RowColumn("code_expires_at", .timestamp), RowColumn("category", .text), RowColumn("part_of", .text),
        RowColumn("fields", .text),
        RowColumn("last_seen", .timestamp), RowColumn("battery_level", .float),
        RowColumn("firmware_version", .text), RowColumn("is_active", .bool),
        RowColumn("mqtt_username", .text), RowColumn("metadata", .text), RowColumn("text", .text),
      ]
    ) { emit throws(SQLError) in
      for device in registry.devices.sorted() {
        let owner = registry.associations.owner(of: device.id)
        let connection = registry.connections[device.id]
        let code = owner == .parked ? registry.codes[device.id] : nil
        let goOn = try emit([
          .text(device.id), .text(device.name), .text(device.type),
          viewer == .device(device.id) ? .null : .text(registry.userName(owner)),
          .text(device.type == DeviceType.lampi ? connection.status : device.status.rawValue),
          .optional(registry.associations.timeline(of: device.id).newestSince),
          .timestamp(device.createdAt), .timestamp(device.updatedAt), .optional(code?.expiresAt),
          text(device.fields["category"]), text(device.fields["part_of"]),
          .text(RowJSON.object(registry.furtherFields(of: device))),
          .optional(registry.lastSeen(of: device.id)), device.batteryLevel.map { .float($0) } ?? .null,
          .text(device.firmwareVersion), .bool(device.isActive),
          .optional(registry.credentials[device.id]?.username), .text(device.metadata), .text(device.shownText),
        ])
        if !goOn { return }
      }
    }
  }

  private static func text(_ field: FieldValue?) -> SQLValue {
    if case .text(let text)? = field { .text(text) } else { .null }
  }

  private static func users(_ registry: Registry) -> ClosureTable {
    ClosureTable(
      name: "users",
      columns: [
        RowColumn("name", .text), RowColumn("id", .text), RowColumn("is_admin", .bool),
        RowColumn("is_active", .bool), RowColumn("devices", .int),
        RowColumn("created_at", .timestamp), RowColumn("deleted_at", .timestamp),
      ]
    ) { emit throws(SQLError) in
      let parked = registry.devices.sorted().count { registry.associations.owner(of: $0.id) == .parked }
      for user in registry.users.sorted() {
        let devices = user.id == .parked ? parked : registry.associations.devices(of: user.id).count
        let goOn = try emit([
          .text(user.name), .text(user.id.text), .bool(user.isAdmin), .bool(user.isActive),
          .int(Int64(devices)),
          .timestamp(user.createdAt), .optional(user.deletedAt),
        ])
        if !goOn { return }
      }
    }
  }

  /// One row a stretch of ownership; `until` is null for the newest.
  private static func associations(_ registry: Registry, of viewer: Viewer?) -> ClosureTable {
    ClosureTable(
      name: "associations",
      columns: [
        RowColumn("device_id", .text), RowColumn("owner", .text), RowColumn("since", .timestamp),
        RowColumn("until", .timestamp), RowColumn("lsn", .int),
      ]
    ) { emit throws(SQLError) in
      for (device, timeline) in registry.associations.timelines.sorted(by: { $0.key < $1.key }) {
        for (index, change) in timeline.transitions.enumerated() {
          // Who is nobody to a viewer may be somebody else.
          if viewer != nil, change.owner == .parked { continue }
          let next = index + 1 < timeline.transitions.count ? timeline.transitions[index + 1].at : nil
          let goOn = try emit([
            .text(device), .text(registry.userName(change.owner)), .timestamp(change.at),
            .optional(next), .int(Int64(bitPattern: change.lsn)),
          ])
          if !goOn { return }
        }
      }
    }
  }

  /// No secret and no hash is shown.
  private static func credentials(_ registry: Registry) -> ClosureTable {
    ClosureTable(
      name: "credentials",
      columns: [
        RowColumn("public_id", .text), RowColumn("role", .text), RowColumn("device_id", .text),
        RowColumn("owner", .text), RowColumn("label", .text), RowColumn("issued_at", .timestamp),
        RowColumn("expires_at", .timestamp), RowColumn("revoked_at", .timestamp),
      ]
    ) { emit throws(SQLError) in
      for token in registry.tokens.sorted() {
        let goOn = try emit([
          .text(token.grant.publicID), .text(token.grant.role.rawValue),
          .optional(token.grant.device), .optional(token.grant.user.map(registry.userName)),
          .text(token.grant.label), .timestamp(token.issuedAt),
          .timestamp(token.grant.expiresAt), .optional(token.revokedAt),
        ])
        if !goOn { return }
      }
      for entry in registry.credentials.sorted() {
        for until in [nil] + entry.former.map({ Optional($0.until) }) {
          let goOn = try emit([
            .text(entry.username), .text(TokenRole.device.rawValue), .text(entry.device), .null,
            .text(until == nil ? "mqtt" : "mqtt, replaced"), .timestamp(entry.issuedAt), .optional(until), .null,
          ])
          if !goOn { return }
        }
      }
    }
  }

  private static func types(_ registry: Registry) -> ClosureTable {
    ClosureTable(
      name: "types",
      columns: [
        RowColumn("name", .text), RowColumn("label", .text), RowColumn("version", .int),
        RowColumn("columns", .int), RowColumn("settings", .text), RowColumn("display_name", .text),
      ]
    ) { emit throws(SQLError) in
      for type in registry.types.all {
        let settings = type.settings.sorted { $0.key < $1.key }
        let goOn = try emit([
          .text(type.schema.name), .text(type.label), .int(Int64(type.version)),
          .int(Int64(type.schema.columns.count)),
          .text(RowJSON.object(settings.map { ($0.key, FieldValue.text($0.value)) })), .text(type.displayName),
        ])
        if !goOn { return }
      }
    }
  }

  /// In the order in which they were sent.
  private static func commands(_ snapshot: Snapshot) -> ClosureTable {
    ClosureTable(
      name: "commands",
      columns: [
        RowColumn("id", .text), RowColumn("device_id", .text), RowColumn("command", .text),
        RowColumn("payload", .text), RowColumn("broker", .text), RowColumn("state", .text),
        RowColumn("answer", .text), RowColumn("sent_at", .timestamp), RowColumn("published_at", .timestamp),
        RowColumn("ended_at", .timestamp), RowColumn("expires_at", .timestamp),
      ]
    ) { emit throws(SQLError) in
      let history: CommandHistory
      do throws(StorageError) { history = try snapshot.commandHistory() } catch { throw error.sqlError }
      for entry in history.entries {
        let goOn = try emit([
          .text(entry.order.id), .text(entry.order.device), .text(entry.order.name),
          .optional(entry.order.payload.isEmpty ? nil : entry.order.payload), .text(entry.order.broker),
          .text(entry.state), .optional(entry.answer.isEmpty ? nil : entry.answer), .timestamp(entry.sentAt),
          .optional(entry.publishedAt), .optional(entry.endedAt), .timestamp(entry.order.expiresAt),
        ])
        if !goOn { return }
      }
    }
  }

  private static func next(_ events: inout EventCursor) throws(SQLError) -> Event? {
    do throws(StorageError) { return try events.next() } catch { throw error.sqlError }
  }

  private static func events(_ snapshot: Snapshot, through instant: Int64) -> ClosureTable {
    ClosureTable(
      name: "events", columns: LogRow.columns
    ) { emit throws(SQLError) in
      var events = snapshot.eventCursor()
      while let event = try Self.next(&events), event.recordedAt <= instant {
        if try !emit(LogRow.values(.event(event), snapshot.registry)) { return }
      }
    }
  }
}

extension Connections.Connection? {
  /// Of a device whose broker tells whether it is there.
  fileprivate var status: String { self?.isConnected ?? false ? "online" : "offline" }
}

extension Registry {
  /// What the device's type declares, and what was set beside what every device has.
  fileprivate func furtherFields(of device: Device) -> [(String, FieldValue)] {
    let states = Dictionary(stateFields(of: device).map { ($0.name, $0.value) }) { first, _ in first }
    return device.fields.filter { !DeviceField.inFields.contains($0.key) }
      .merging(states) { set, _ in set }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }
}
