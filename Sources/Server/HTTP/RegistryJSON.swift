import Query
import TSEngine

/// Devices, users and types as JSON. Codes are shown to administrators as a display shows them;
/// hashes never.
enum RegistryJSON {
  static func list(_ objects: [String]) -> String { "[" + objects.joined(separator: ",") + "]" }

  static func device(_ device: Device, _ registry: Registry) -> String {
    var json = JSONText()
    let owner = registry.associations.owner(of: device.id)
    json.add("device_id", device.id)
    json.add("name", device.name)
    json.add("type", device.type)
    json.add("owner", registry.users[owner]?.name ?? (owner == .parked ? Users.parkedName : owner.text))
    json.add("owner_id", owner.text)
    json.add("associated", owner != .parked)
    if let connection = registry.connections[device.id] {
      json.add("connected", connection.isConnected)
      json.add("connected_since", TimestampText.format(connection.since))
    }
    json.add("created_at", TimestampText.format(device.createdAt))
    json.add("updated_at", TimestampText.format(device.updatedAt))
    if !device.fields.isEmpty {
      var fields = JSONText()
      for (name, value) in device.fields.sorted(by: { $0.key < $1.key }) {
        fields.add(name, raw: value.json)
      }
      json.add("fields", raw: fields.closed)
    }
    if let issued = registry.codes[device.id], !issued.isUsed, owner == .parked {
      json.add("code", String(issued.code.text.prefix(AssociationCode.shownDigitCount)))
      json.add("code_expires_at", TimestampText.format(issued.expiresAt))
    }
    return json.closed
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
    json.add("version", type.version)
    let columns = type.schema.columns.map { column in
      var json = JSONText()
      json.add("name", column.name)
      json.add("type", "\(column.type)")
      json.add("unit", column.unit)
      if column.type == .int { json.add("wire", type.wireScale(of: column)) }
      return json.closed
    }
    json.add("columns", raw: list(columns))
    var settings = JSONText()
    for (key, value) in type.settings.sorted(by: { $0.key < $1.key }) { settings.add(key, value) }
    json.add("settings", raw: settings.closed)
    return json.closed
  }
}
