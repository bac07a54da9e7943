/// What people say of a power sensor (P-37): further fields of the device.
extension Registry {
  /// Whose consumption a sensor meters: all of a site, a part of it, or something beside it. All of a site is the sum
  /// of its parts and what is lost between.
  package enum SensorCategory: String, Sendable, CaseIterable { case main, submain, sub, special }

  package static let addressLineCount = 3
  package static let addressLineLimit = 255

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
