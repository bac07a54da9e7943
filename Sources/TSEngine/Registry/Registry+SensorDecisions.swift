/// What people say of a power sensor (P-37): further fields of the device.
extension Registry {
  /// Whose consumption a sensor meters: all of a site, a part of it, or something beside it. All of a site is the sum
  /// of its parts and what is lost between.
  package enum SensorCategory: String, Sendable, CaseIterable { case main, submain, sub, special }

  package static let addressLineCount = 3
  package static let addressLineLimit = 255

  /// Fields that people fill in, of devices whose type declares none of that name.
  package static let sensorFields: Set<String> = [
    "category", "sensor_status", "address1", "address2", "address3", "registered_at", "part_of",
  ]

  /// Whether `name` is what people say of a sensor, and no state that the device's type declares.
  package func isSensorField(_ name: String, of device: String) -> Bool {
    Self.sensorFields.contains(name) && stateType(of: name, device) == nil
  }

  /// Of a state that the device's type declares.
  package func stateType(of name: String, _ device: String) -> ValueType? {
    devices[device].flatMap { types.details(of: $0.type)[state: name]?.type }
  }

  /// Sets fields of a device, those that people say of sensors among them, in one batch: all or none. What has a
  /// command of its own (`name`, `owner`, …) is no field.
  package func setFields(
    of device: String, _ fields: [(name: String, value: FieldValue)], _ context: DecisionContext
  ) -> Decision<Void> {
    guard let known = devices[device] else { return .refused(.unknownDevice) }
    let details = types.details(of: known.type)
    var own: [(name: String, value: FieldValue)] = []
    var said: [String: FieldValue] = [:]
    for (name, value) in fields {
      if details[state: name] == nil, Self.sensorFields.contains(name) {
        said[name] = value
      } else if DeviceField.all.contains(name), !DeviceField.inFields.contains(name) {
        return .refused(.notAField)
      } else {
        own.append((name, value))
      }
    }
    var decision = reportStatus(device, status: nil, fields: own, context)
    guard case .success = decision.result else { return decision }
    let rest = after(decision.events).describeSensor(device, said, context)
    guard case .success = rest.result else { return rest }
    decision.events += rest.events
    return decision
  }

  /// Sets what is given, in one batch; null takes a field away.
  package func describeSensor(
    _ device: String, _ fields: [String: FieldValue], _ context: DecisionContext
  ) -> Decision<Void> {
    var (current, events) = (self, [Event]())
    for (name, value) in fields.sorted(by: { $0.key < $1.key }) {
      guard Self.isSensorField(name, value) else { return .refused(.invalidValue) }
      let set = current.setDeviceField(device, name, value, context)
      if case .failure(let refusal) = set.result { return .refused(refusal) }
      current = current.after(set.events)
      events += set.events
    }
    return Decision(events: events, result: .success(()))
  }

  private static func isSensorField(_ name: String, _ value: FieldValue) -> Bool {
    if value == .null { return true }
    guard case .text(let text) = value else { return false }
    switch name {
    case "category": return SensorCategory(rawValue: text) != nil
    case "sensor_status": return (1...64).contains(text.count)
    case "address1", "address2", "address3": return (1...addressLineLimit).contains(text.count)
    case "registered_at": return !text.isEmpty
    // The sensor that meters all of which this one meters a part.
    case "part_of": return DeviceID.isValid(text)
    default: return false
    }
  }
}
