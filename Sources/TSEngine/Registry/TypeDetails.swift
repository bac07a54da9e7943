/// What a declared type says beside its table (D-01): fields of its devices, commands, and how to talk
/// to them. With everything that it has of its parent.
package struct TypeDetails: Sendable, Equatable {
  /// Of whom it has its fields; empty: of nobody.
  package var parent = ""
  /// For others to be made of: it has neither table nor devices.
  package var isAbstract = false
  package var states: [StateField] = []
  package var commands: [CommandSchema] = []
  package var meta = TypeMeta()

  package init() {}

  package subscript(state name: String) -> StateField? { states.first { $0.name == name } }
  package subscript(command name: String) -> CommandSchema? { commands.first { $0.name == name } }
}

/// What a value may be, as declarations name it.
package enum ValueType: String, Sendable, CaseIterable {
  case float, int, bool, string, json

  /// `value` as one of this type; an int is a float too. Nil where it is of another type.
  package func accept(_ value: FieldValue) -> FieldValue? {
    switch (self, value) {
    case (.float, .float(let number)): number.isFinite ? value : nil
    case (.float, .int(let number)): .float(Double(number))
    case (.int, .int), (.bool, .bool), (.string, .text), (.json, .json): value
    case (.json, .text(let text)): .json(JSONText.quoted(text))
    case (.json, .int(let number)): .json("\(number)")
    case (.json, .float(let number)): .json(JSONText.number(number))
    case (.json, .bool(let flag)): .json(flag ? "true" : "false")
    default: nil
    }
  }
}

/// A field of each device of a type.
package struct StateField: Sendable, Equatable {
  package var name: String
  package var type: ValueType
  package var defaultValue = FieldValue.null
  /// Empty: any value of the type.
  package var choices: [FieldValue] = []

  package init(name: String, type: ValueType, defaultValue: FieldValue = .null, choices: [FieldValue] = []) {
    self.name = name
    self.type = type
    self.defaultValue = defaultValue
    self.choices = choices
  }

  var isSound: Bool {
    Registry.isFieldName(name) && !DeviceField.all.contains(name)
      && choices.allSatisfy { type.accept($0) == $0 }
      && (defaultValue == .null || allows(defaultValue) == defaultValue)
  }

  /// `value` as the field holds it, or nil where it is of another type or none of the choices.
  package func allows(_ value: FieldValue) -> FieldValue? {
    guard let fitting = type.accept(value), choices.isEmpty || choices.contains(fitting) else { return nil }
    return fitting
  }
}

/// A command that devices of a type take.
package struct CommandSchema: Sendable, Equatable {
  package struct Parameter: Sendable, Equatable {
    package var name: String
    package var type: ValueType
    package init(name: String, type: ValueType) {
      self.name = name
      self.type = type
    }
  }
  package var name: String
  /// Each must be given, and no other.
  package var parameters: [Parameter] = []

  package init(name: String, parameters: [Parameter] = []) {
    self.name = name
    self.parameters = parameters
  }

  var isSound: Bool {
    let names = parameters.map(\.name)
    return (names + [name]).allSatisfy(Registry.isFieldName) && Set(names).count == names.count
  }
}

/// How to talk to devices of a type.
package struct TypeMeta: Sendable, Equatable {
  package static let multiplier = 2.5
  package static let defaultTopic = "{prefix}/{type_name}/{device_id}/{message_type}"

  /// `mqtt`, the only one there is.
  package var transport = "mqtt"
  /// The name of the broker that commands go to.
  package var broker = "default"
  package var auth = "token"
  /// Seconds between signs of life.
  package var heartbeatSeconds: UInt32 = 300
  package var topic = Self.defaultTopic

  package init() {}

  package var heartbeatNanos: Int64 { Int64(heartbeatSeconds) * 1_000_000_000 }

  var isSound: Bool {
    transport == "mqtt" && (1...255).contains(broker.utf8.count) && auth == "token"
      && (1...2_592_000).contains(heartbeatSeconds) && topic == Self.defaultTopic
  }
}

extension TypeDetails {
  var isSound: Bool {
    let (stateNames, commandNames) = (states.map(\.name), commands.map(\.name))
    return states.allSatisfy(\.isSound) && commands.allSatisfy(\.isSound) && meta.isSound
      && Set(stateNames).count == states.count && Set(commandNames).count == commands.count
      && states.count <= 256 && commands.count <= 256
  }

  /// These over those of a parent: what has a name of the parent's takes its place, the rest comes behind.
  func inheriting(_ parent: TypeDetails, meta own: TypeMeta?) -> TypeDetails {
    var merged = self
    merged.states = Self.merged(parent.states, states, by: \.name)
    merged.commands = Self.merged(parent.commands, commands, by: \.name)
    merged.meta = own ?? parent.meta
    return merged
  }

  static func merged<Item>(_ old: [Item], _ new: [Item], by name: (Item) -> String) -> [Item] {
    var merged = old
    for item in new {
      if let at = merged.firstIndex(where: { name($0) == name(item) }) { merged[at] = item } else { merged.append(item) }
    }
    return merged
  }
}

extension TypeDetails: Checkpointed {
  func encode(into writer: inout ByteWriter) {
    writer.string(parent)
    writer.put(UInt8(isAbstract ? 1 : 0))
    writer.varint(states.count)
    for state in states {
      writer.string(state.name)
      writer.string(state.type.rawValue)
      writer.value(state.defaultValue)
      writer.varint(state.choices.count)
      for choice in state.choices { writer.value(choice) }
    }
    writer.varint(commands.count)
    for command in commands {
      writer.string(command.name)
      writer.varint(command.parameters.count)
      for parameter in command.parameters {
        writer.string(parameter.name)
        writer.string(parameter.type.rawValue)
      }
    }
    for text in [meta.transport, meta.broker, meta.auth, meta.topic] { writer.string(text) }
    writer.put(meta.heartbeatSeconds)
  }

  init(from reader: inout ByteReader) throws(StorageError) {
    self.init()
    parent = try reader.string()
    isAbstract = try reader.next(UInt8.self) != 0
    for _ in 0..<(try reader.count(limit: reader.remaining)) {
      var state = StateField(name: try reader.string(), type: try Self.type(from: &reader))
      state.defaultValue = try reader.value()
      for _ in 0..<(try reader.count(limit: reader.remaining)) { state.choices.append(try reader.value()) }
      states.append(state)
    }
    for _ in 0..<(try reader.count(limit: reader.remaining)) {
      var command = CommandSchema(name: try reader.string())
      for _ in 0..<(try reader.count(limit: reader.remaining)) {
        command.parameters.append(.init(name: try reader.string(), type: try Self.type(from: &reader)))
      }
      commands.append(command)
    }
    meta.transport = try reader.string()
    meta.broker = try reader.string()
    meta.auth = try reader.string()
    meta.topic = try reader.string()
    meta.heartbeatSeconds = try reader.next(UInt32.self)
  }

  private static func type(from reader: inout ByteReader) throws(StorageError) -> ValueType {
    guard let type = ValueType(rawValue: try reader.string()) else {
      throw StorageError(.corrupt, "type of value", offset: reader.offset)
    }
    return type
  }
}
