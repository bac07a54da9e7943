/// How devices are doing (D-10 to D-13, D-22).
extension Registry {
  /// The device is there, and was heard of now (D-12).
  package func markOnline(_ device: String, _ context: DecisionContext) -> Decision<Void> {
    setStatus(device, .online, seenAt: context.time(self), context)
  }

  /// The device is not there; when it was last heard of stays (D-12).
  package func markOffline(_ device: String, _ context: DecisionContext) -> Decision<Void> {
    setStatus(device, .offline, seenAt: nil, context)
  }

  /// - Parameter time: when it was heard of; nil when this tells nothing of it.
  package func setStatus(
    _ device: String, _ status: DeviceStatus, seenAt time: Int64?, _ context: DecisionContext
  ) -> Decision<Void> {
    guard let known = devices[device] else { return .refused(.unknownDevice) }
    if known.status == status, time == nil { return Decision(events: [], result: .success(())) }
    return Decision(events: [statusEvent(known, status, seenAt: time, context)], result: .success(()))
  }

  /// What the device itself reports on its status channel: all of it, or a refusal of all. Its being heard is the
  /// message's business.
  package func reportStatus(
    _ device: String, status: DeviceStatus?, fields: [(name: String, value: FieldValue)],
    _ context: DecisionContext
  ) -> Decision<Void> {
    guard let known = devices[device] else { return .refused(.unknownDevice) }
    var events: [Event] = []
    if let status, status != known.status {
      // Its last will says that it is gone, and nothing of when it was heard.
      events.append(statusEvent(known, status, seenAt: status == .offline ? nil : context.time(self), context))
    }
    for (name, value) in fields {
      let set = setDeviceField(device, name, value, context)
      if case .failure(let refusal) = set.result { return .refused(refusal) }
      events += set.events
    }
    return Decision(events: events, result: .success(()))
  }

  /// Devices whose silence is news at `now`, at most `limit` of them. O(devices that claim to be there).
  package func overdue(at now: Int64, listeningSince since: Int64? = nil, limit: Int = 1000) -> [Device] {
    Array(devices.claimingPresence.lazy.filter { isHeartbeatOverdue($0, at: now, listeningSince: since) }.prefix(limit))
  }

  /// Turns overdue devices offline, each once (D-13). The value is which.
  package func markOverdueOffline(
    listeningSince since: Int64? = nil, limit: Int = 1000, _ context: DecisionContext
  ) -> Decision<[String]> {
    let silent = overdue(at: context.now, listeningSince: since, limit: limit)
    return Decision(
      events: silent.map { statusEvent($0, .offline, seenAt: nil, context) },
      result: .success(silent.map(\.id)))
  }

  private func statusEvent(
    _ device: Device, _ status: DeviceStatus, seenAt time: Int64?, _ context: DecisionContext
  ) -> Event {
    let known = lastSeen(of: device.id)
    let lastSeen = time.map { max($0, known ?? $0) } ?? known
    return context.event(self, .deviceStatusChanged(
      device: device.id, status: status, lastSeen: lastSeen, previous: device.status))
  }

  /// `value` as the field of the device holds it; null for what it is without being set.
  /// - Returns: nil for a field that has no rule.
  func checked(_ field: String, _ value: FieldValue, of device: Device) -> Result<FieldValue, Refusal>? {
    if let declared = types.details(of: device.type)[state: field] {
      if value == .null { return .success(.null) }
      guard declared.type.accept(value) != nil else { return .failure(.wrongType) }
      // It is an event, which stays.
      guard value.json.utf8.count <= DeviceField.stateByteLimit else { return .failure(.invalidValue) }
      guard let allowed = declared.allows(value) else { return .failure(.invalidValue) }
      return .success(allowed == declared.defaultValue ? .null : allowed)
    }
    switch (field, value) {
    case (DeviceField.lastSeen, _), (DeviceField.status, .null): return .failure(.invalidValue)
    case (_, .null): return DeviceField.inFields.contains(field) ? .success(.null) : nil
    case (DeviceField.batteryLevel, let level):
      guard let number = ValueType.float.accept(level) else { return .failure(.wrongType) }
      return .success(number)
    case (DeviceField.firmwareVersion, .text(let text)):
      return text.count <= DeviceField.firmwareVersionLimit && text.utf8.count <= 4 * DeviceField.firmwareVersionLimit ? .success(text.isEmpty ? .null : value) : .failure(.invalidValue)
    case (DeviceField.isActive, .bool(let flag)): return .success(flag ? .null : value)
    case (DeviceField.metadata, .json(let text)), (DeviceField.metadata, .text(let text)):
      let isObject = JSONCheck.isJSON(text.utf8) && text.first { !$0.isWhitespace } == "{"
      guard isObject, text.utf8.count <= 1 << 16 else { return .failure(.invalidValue) }
      return .success(text == "{}" ? .null : .json(text))
    default: return DeviceField.inFields.contains(field) ? .failure(.wrongType) : nil
    }
  }
}
