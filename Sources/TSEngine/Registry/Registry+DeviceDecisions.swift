/// Devices come, get names and go.
extension Registry {
  package enum Arrival: Sendable, Equatable {
    case created
    case found
  }

  package struct Discovery: Sendable, Equatable {
    package var arrival: Arrival
    /// `<device_id>: <name>`
    package var text: String
    /// Whether the sentinel owner was made along with it (L-03, L-17).
    package var madeParkedUser: Bool
  }

  /// A bridge of this id connected (L-11): an unknown one is created, parked, with a code.
  package func discover(
    lampi device: String, interface: String, _ context: DecisionContext
  ) -> Decision<Discovery> {
    guard DeviceID.isLampi(device) else { return .refused(.invalidDevice) }
    let name = DeviceType.lampiDefaultName
    return arrive(
      device, context,
      .deviceDiscovered(device: device, type: DeviceType.lampi, name: name, interface: interface),
      name: name)
  }

  /// A device made by its first frame, an import or a person; found when it exists.
  package func createDevice(
    _ device: String, type: String, name: String = "", _ context: DecisionContext
  ) -> Decision<Discovery> {
    let isLampi = type == DeviceType.lampi
    guard isLampi ? DeviceID.isLampi(device) : DeviceID.isValid(device) else {
      return .refused(.invalidDevice)
    }
    guard isLampi || types[type] != nil else { return .refused(.unknownType) }
    let given = isLampi && name.isEmpty ? DeviceType.lampiDefaultName : name
    guard Self.isDeviceName(given, type: type) else { return .refused(.invalidName) }
    return arrive(
      device, context, .deviceCreated(device: device, type: type, name: given), name: given)
  }

  private func arrive(
    _ device: String, _ context: DecisionContext, _ kind: EventKind, name: String
  ) -> Decision<Discovery> {
    if let known = devices[device] {
      return Decision(
        events: [],
        result: .success(Discovery(arrival: .found, text: known.text, madeParkedUser: false)))
    }
    var events: [Event] = []
    if !users.hasParkedUser {
      events.append(
        context.event(
          self,
          .userCreated(user: .parked, name: Users.parkedName, isAdmin: false, isActive: false)))
    }
    events.append(context.event(self, kind))
    events.append(codeEvent(device, context))
    return Decision(
      events: events,
      result: .success(
        Discovery(
          arrival: .created, text: "\(device): \(name)", madeParkedUser: !users.hasParkedUser)))
  }

  package func renameDevice(
    _ device: String, to name: String, _ context: DecisionContext
  ) -> Decision<Void> {
    guard let known = devices[device] else { return .refused(.unknownDevice) }
    guard Self.isDeviceName(name, type: known.type) else { return .refused(.invalidName) }
    guard known.name != name else { return Decision(events: [], result: .success(())) }
    return Decision(
      events: [context.event(self, .deviceRenamed(device: device, name: name))],
      result: .success(()))
  }

  /// Sets a further field; null takes it away.
  package func setDeviceField(
    _ device: String, _ field: String, _ value: FieldValue, _ context: DecisionContext
  ) -> Decision<Void> {
    guard let known = devices[device] else { return .refused(.unknownDevice) }
    guard Self.isFieldName(field) else { return .refused(.invalidName) }
    guard known.fields[field] ?? .null != value else {
      return Decision(events: [], result: .success(()))
    }
    return Decision(
      events: [
        context.event(self, .deviceFieldChanged(device: device, field: field, value: value))
      ], result: .success(()))
  }

  /// What goes, by kind (L-08). History and readings stay.
  package struct Deletion: Sendable, Equatable {
    package var devices = 0
    package var codes = 0
    package var tokens = 0
    package var credentials = 0
  }

  package func deleteDevice(_ device: String, _ context: DecisionContext) -> Decision<Deletion> {
    guard devices.contains(device) else { return .refused(.unknownDevice) }
    return Decision(
      events: [context.event(self, .deviceDeleted(device: device))],
      result: .success(
        Deletion(
          devices: 1, codes: codes[device] == nil ? 0 : 1,
          tokens: tokens.valid(of: device), credentials: credentials[device] == nil ? 0 : 1)))
  }

  static func isDeviceName(_ name: String, type: String) -> Bool {
    type == DeviceType.lampi ? (1...50).contains(name.count) : name.count <= 255
  }

  static func isFieldName(_ name: String) -> Bool {
    (1...64).contains(name.utf8.count)
      && name.utf8.allSatisfy {
        switch $0 {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
          UInt8(ascii: "_"):
          true
        default: false
        }
      }
  }
}
