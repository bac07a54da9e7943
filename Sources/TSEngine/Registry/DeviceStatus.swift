/// How a device is doing, as it said or as its silence tells (D-10).
package enum DeviceStatus: String, Sendable, CaseIterable {
  case online, offline, error, maintenance
  case lowBattery = "low_battery"
  case provisioning

  /// For people.
  package var label: String {
    switch self {
    case .online: "Online"
    case .offline: "Offline"
    case .error: "Error"
    case .maintenance: "Maintenance"
    case .lowBattery: "Low Battery"
    case .provisioning: "Provisioning"
    }
  }

  /// Whether it says that the device is there: then its silence is news.
  package var claimsPresence: Bool { self == .online || self == .lowBattery || self == .error }
}

/// Fields that all devices have. They stand among the device's `fields` once they are set.
package enum DeviceField {
  package static let status = "status"
  package static let lastSeen = "last_seen"
  package static let batteryLevel = "battery_level"
  package static let firmwareVersion = "firmware_version"
  package static let isActive = "is_active"
  package static let metadata = "metadata"

  /// Names that no type can give a field of its own, others than those of `fields` among them.
  static let all: Set<String> = [
    status, lastSeen, batteryLevel, firmwareVersion, isActive, metadata, "device_id", "name", "type", "owner",
    "mqtt_username", "created_at", "updated_at",
  ]
  package static let inFields: Set<String> = [
    status, lastSeen, batteryLevel, firmwareVersion, isActive, metadata,
  ]
  static let firmwareVersionLimit = 50
  /// Bytes of one value of a device's state.
  static let stateByteLimit = 4096
}

extension Device {
  package var status: DeviceStatus {
    if case .text(let text) = fields[DeviceField.status] { DeviceStatus(rawValue: text) ?? .offline } else { .offline }
  }

  /// As the newest change of its status has it; what came since is in the registry's `presence`.
  package var lastSeenThen: Int64? {
    if case .int(let time) = fields[DeviceField.lastSeen] { time } else { nil }
  }

  package var batteryLevel: Double? {
    if case .float(let level) = fields[DeviceField.batteryLevel] { level } else { nil }
  }

  package var firmwareVersion: String {
    if case .text(let text) = fields[DeviceField.firmwareVersion] { text } else { "" }
  }

  package var isActive: Bool { fields[DeviceField.isActive] != .bool(false) }

  /// A JSON object.
  package var metadata: String {
    if case .json(let text) = fields[DeviceField.metadata] { text } else { "{}" }
  }

  /// Whether nothing was heard for longer than `interval` x `multiplier`, or never (D-13).
  package static func isHeartbeatOverdue(
    lastSeen: Int64?, now: Int64, intervalNanos: Int64 = TypeMeta().heartbeatNanos,
    multiplier: Double = TypeMeta.multiplier
  ) -> Bool {
    guard let lastSeen else { return true }
    return Double(now) - Double(lastSeen) > Double(intervalNanos) * multiplier
  }
}

extension Registry {
  /// When a device was last heard of, as far as it is known.
  package func lastSeen(of device: String) -> Int64? {
    let then = devices[device]?.lastSeenThen
    guard let since = presence[device] else { return then }
    return max(since, then ?? since)
  }

  /// - Parameter since: when somebody began to listen: silence before that is nobody's; nil: somebody always did.
  package func isHeartbeatOverdue(_ device: Device, at now: Int64, listeningSince since: Int64? = nil) -> Bool {
    let lastSeen = lastSeen(of: device.id)
    return Device.isHeartbeatOverdue(
      lastSeen: since.map { max($0, lastSeen ?? $0) } ?? lastSeen, now: now,
      intervalNanos: types.details(of: device.type).meta.heartbeatNanos)
  }

  /// The fields that the device's type declares, with their values or defaults, in order of declaration.
  package func stateFields(of device: Device) -> [(name: String, value: FieldValue)] {
    types.details(of: device.type).states.map { ($0.name, device.fields[$0.name] ?? $0.defaultValue) }
  }
}
