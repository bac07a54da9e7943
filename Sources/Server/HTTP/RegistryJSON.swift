import Query
import TSEngine

/// Devices, users and types as JSON. Codes are shown to administrators as a display shows them;
/// hashes never.
enum RegistryJSON {
  static func list(_ objects: [String]) -> String { "[" + objects.joined(separator: ",") + "]" }

  /// - Parameter showsOwner: false where who it is whose is not told.
  static func device(_ device: Device, _ registry: Registry, showsOwner: Bool = true) -> String {
    var json = JSONText()
    let owner = registry.associations.owner(of: device.id)
    json.add("device_id", device.id)
    json.add("name", device.name)
    json.add("type", device.type)
    if showsOwner {
      json.add("owner", registry.users[owner]?.name ?? (owner == .parked ? Users.parkedName : owner.text))
      json.add("owner_id", owner.text)
      json.add("associated", owner != .parked)
    }
    if let connection = registry.connections[device.id] {
      json.add("connected", connection.isConnected)
      json.add("connected_since", TimestampText.format(connection.since))
    }
    json.add("created_at", TimestampText.format(device.createdAt))
    json.add("updated_at", TimestampText.format(device.updatedAt))
    record(device, registry, &json)
    if let issued = registry.codes[device.id], !issued.isUsed, owner == .parked {
      json.add("code", String(issued.code.text.prefix(AssociationCode.shownDigitCount)))
      json.add("code_expires_at", TimestampText.format(issued.expiresAt))
    }
    return json.closed
  }

  /// What every device has, what its type declares, and what else was set.
  private static func record(_ device: Device, _ registry: Registry, _ json: inout JSONText) {
    json.add("status", device.status.rawValue)
    json.add("status_label", device.status.label)
    json.add("text", device.shownText)
    json.add("last_seen", raw: registry.lastSeen(of: device.id).map { JSONText.quoted(TimestampText.format($0)) } ?? "null")
    json.add("battery_level", raw: device.batteryLevel.map(JSONText.number) ?? "null")
    json.add("firmware_version", device.firmwareVersion)
    json.add("is_active", device.isActive)
    json.add("mqtt_username", raw: registry.credentials[device.id].map { JSONText.quoted($0.username) } ?? "null")
    json.add("metadata", raw: device.metadata)
    let states = registry.stateFields(of: device)
    if !states.isEmpty {
      var state = JSONText()
      for (name, value) in states { state.add(name, raw: shown(value)) }
      json.add("state", raw: state.closed)
    }
    let further = device.fields.filter { field in
      !DeviceField.inFields.contains(field.key) && !states.contains { $0.name == field.key }
    }
    if further.isEmpty { return }
    var fields = JSONText()
    for (name, value) in further.sorted(by: { $0.key < $1.key }) { fields.add(name, raw: value.json) }
    json.add("fields", raw: fields.closed)
  }

  /// JSON of a declared field was checked when it came.
  private static func shown(_ value: FieldValue) -> String {
    if case .json(let text) = value { text } else { value.json }
  }

  static func user(_ user: User, _ registry: Registry) -> String {
    var json = JSONText()
    json.add("id", user.id.text)
    json.add("name", user.name)
    json.add("is_admin", user.isAdmin)
    json.add("is_active", user.isActive)
    json.add("created_at", TimestampText.format(user.createdAt))
    if let deleted = user.deletedAt { json.add("deleted_at", TimestampText.format(deleted)) }
    let devices = registry.associations.devices(of: user.id)
    json.add("devices", raw: list(devices.map { JSONText.quoted($0) }))
    return json.closed
  }

  static func type(_ type: Types.Declared) -> String {
    var json = JSONText()
    json.add("name", type.schema.name)
    json.add("label", type.label)
    json.add("display_name", type.displayName)
    json.add("version", type.version)
    let columns = type.schema.columns.map { column in
      var json = JSONText()
      json.add("name", column.name)
      json.add("type", "\(column.type)")
      json.add("unit", column.unit)
      if column.type == .int { json.add("wire", type.wireScale(of: column)) }
      json.add("range", raw: column.isBounded ? JSONText.quoted(column.boundsText) : "null")
      json.add("required", column.isRequired)
      if column.isJSON { json.add("json", true) }
      return json.closed
    }
    json.add("columns", raw: list(columns))
    var settings = JSONText()
    for (key, value) in type.settings.sorted(by: { $0.key < $1.key }) { settings.add(key, value) }
    json.add("settings", raw: settings.closed)
    type.details.add(to: &json)
    if !type.details.isAbstract {
      var tables = JSONText()
      for part in TypePart.allCases {
        var table = JSONText()
        table.add("name", type.tableName(of: part))
        table.add("display_name", type.displayName(of: part))
        tables.add(part.rawValue, raw: table.closed)
      }
      json.add("tables", raw: tables.closed)
    }
    return json.closed
  }
}
