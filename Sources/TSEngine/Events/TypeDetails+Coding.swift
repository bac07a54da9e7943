/// What a type says beside its table, to and from protobuf and as JSON.
extension TypeDetails {
  func write(to message: inout PBTypeDeclared) {
    message.parent = parent
    message.abstract = isAbstract
    message.states = states.map { state in
      .with {
        $0.name = state.name
        $0.type = state.type.message
        if state.defaultValue != .null { $0.defaultValue = state.defaultValue.message }
        $0.choices = state.choices.map(\.message)
      }
    }
    message.commands = commands.map { command in
      .with {
        $0.name = command.name
        $0.parameters = command.parameters.map { parameter in
          .with {
            $0.name = parameter.name
            $0.type = parameter.type.message
          }
        }
      }
    }
    if meta != TypeMeta() {
      message.meta = .with {
        $0.protocol = meta.transport
        $0.broker = meta.broker
        $0.auth = meta.auth
        $0.heartbeatInterval = meta.heartbeatSeconds
        $0.topic = meta.topic
      }
    }
  }

  init(_ message: PBTypeDeclared) throws(StorageError) {
    self.init()
    parent = message.parent
    isAbstract = message.abstract
    for state in message.states {
      try Known.check(state)
      var field = StateField(name: state.name, type: try ValueType(state.type))
      if state.hasDefaultValue { field.defaultValue = try FieldValue(state.defaultValue) }
      for choice in state.choices { field.choices.append(try FieldValue(choice)) }
      states.append(field)
    }
    for command in message.commands {
      try Known.check(command)
      var schema = CommandSchema(name: command.name)
      for parameter in command.parameters {
        try Known.check(parameter)
        schema.parameters.append(.init(name: parameter.name, type: try ValueType(parameter.type)))
      }
      commands.append(schema)
    }
    guard message.hasMeta else { return }
    try Known.check(message.meta)
    meta.transport = message.meta.protocol
    meta.broker = message.meta.broker
    meta.auth = message.meta.auth
    meta.heartbeatSeconds = message.meta.heartbeatInterval
    meta.topic = message.meta.topic
  }

  /// Nothing where the type says nothing.
  package func add(to json: inout JSONText) {
    if !parent.isEmpty { json.add("parent", parent) }
    if isAbstract { json.add("abstract", true) }
    if !states.isEmpty { json.add("state", raw: Self.list(states.map(\.json))) }
    if !commands.isEmpty { json.add("commands", raw: Self.list(commands.map(\.json))) }
    if meta != TypeMeta() { json.add("meta", raw: meta.json) }
  }

  private static func list(_ items: [String]) -> String { "[" + items.joined(separator: ",") + "]" }
}

extension StateField {
  var json: String {
    var json = JSONText()
    json.add("name", name)
    json.add("type", type.rawValue)
    if defaultValue != .null { json.add("default", raw: defaultValue.json) }
    if !choices.isEmpty { json.add("choices", raw: "[" + choices.map(\.json).joined(separator: ",") + "]") }
    return json.closed
  }
}

extension CommandSchema {
  var json: String {
    var json = JSONText()
    json.add("name", name)
    var parameters = JSONText()
    for parameter in self.parameters { parameters.add(parameter.name, parameter.type.rawValue) }
    json.add("payload", raw: parameters.closed)
    return json.closed
  }
}

extension TypeMeta {
  package var json: String {
    var json = JSONText()
    json.add("protocol", transport)
    json.add("broker", broker)
    json.add("auth", auth)
    json.add("heartbeat_interval", heartbeatSeconds)
    json.add("topic", topic)
    return json.closed
  }
}

extension ValueType {
  var message: PBValueType {
    switch self {
    case .float: .float
    case .int: .int
    case .bool: .bool
    case .string: .string
    case .json: .json
    }
  }

  init(_ message: PBValueType) throws(StorageError) {
    switch message {
    case .float: self = .float
    case .int: self = .int
    case .bool: self = .bool
    case .string: self = .string
    case .json: self = .json
    case .unspecified: throw StorageError(.corrupt, "a value without its type")
    case .UNRECOGNIZED: throw Known.newer("a type of value")
    }
  }
}

extension DeviceStatus {
  var message: PBDeviceStatus {
    switch self {
    case .offline: .offline
    case .online: .online
    case .error: .error
    case .maintenance: .maintenance
    case .lowBattery: .lowBattery
    case .provisioning: .provisioning
    }
  }

  init(_ message: PBDeviceStatus) throws(StorageError) {
    switch message {
    case .offline: self = .offline
    case .online: self = .online
    case .error: self = .error
    case .maintenance: self = .maintenance
    case .lowBattery: self = .lowBattery
    case .provisioning: self = .provisioning
    case .unspecified: throw StorageError(.corrupt, "a status that is none")
    case .UNRECOGNIZED: throw Known.newer("a status")
    }
  }
}
