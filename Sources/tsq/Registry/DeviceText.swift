import Query
import TSEngine

/// Devices and users as rows.
enum DeviceText {
  static let columns: [ResultColumn] = [
    ResultColumn(name: "device", kind: .text), ResultColumn(name: "name", kind: .text),
    ResultColumn(name: "type", kind: .text), ResultColumn(name: "owner", kind: .text),
    ResultColumn(name: "status", kind: .text), ResultColumn(name: "last_seen", kind: .timestamp),
    ResultColumn(name: "connected", kind: .bool), ResultColumn(name: "created_at", kind: .timestamp),
  ]

  static func row(_ device: Device, _ registry: TSEngine.Registry) -> [String?] {
    let owner = registry.associations.owner(of: device.id)
    return [
      device.id, device.name, device.type, registry.users[owner]?.name ?? owner.text, device.status.rawValue,
      registry.lastSeen(of: device.id).map { TimestampText.format($0) },
      registry.connections[device.id].map { "\($0.isConnected)" }, TimestampText.format(device.createdAt),
    ]
  }

  /// What one device has beside: how it is called, the code it shows while it is parked, and its further fields.
  static func extra(_ device: Device, _ registry: TSEngine.Registry) -> [(ResultColumn, String?)] {
    var extra: [(ResultColumn, String?)] = [
      (ResultColumn(name: "owner_id", kind: .text), registry.associations.owner(of: device.id).text),
      (ResultColumn(name: "text", kind: .text), device.shownText),
    ]
    if let issued = registry.codes[device.id], !issued.isUsed,
      registry.associations.owner(of: device.id) == .parked
    {
      let shown = String(issued.code.text.prefix(AssociationCode.shownDigitCount))
      extra.append((ResultColumn(name: "code", kind: .text), shown))
      extra.append((ResultColumn(name: "code_expires_at", kind: .timestamp), TimestampText.format(issued.expiresAt)))
    }
    for (field, value) in registry.stateFields(of: device) where device.fields[field] == nil {
      extra.append((ResultColumn(name: field, kind: .text), text(value)))
    }
    for (field, value) in device.fields.sorted(by: { $0.key < $1.key })
    where field != DeviceField.status && field != DeviceField.lastSeen {
      extra.append((ResultColumn(name: field, kind: .text), text(value)))
    }
    return extra
  }

  private static func text(_ value: FieldValue) -> String {
    switch value {
    case .null: "null"
    case .bool(let flag): "\(flag)"
    case .int(let number): "\(number)"
    case .float(let number): "\(number)"
    case .text(let text), .json(let text): text
    }
  }
}

extension TSEngine.Registry {
  /// - Throws: `CommandError` exit 1.
  func user(named name: String) throws -> UserID {
    guard let user = users[named: name] else {
      throw CommandError.failed("there is no user \"\(name)\"; tsq user list names them, tsq user create makes one")
    }
    return user.id
  }

  func device(_ id: String) throws -> Device {
    guard let device = devices[id] else {
      throw CommandError.failed("there is no device \"\(id)\"; tsq device list names them")
    }
    return device
  }
}
