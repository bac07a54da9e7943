import TSEngine
import Yams

/// Device types as a person writes them (D-01): YAML, or JSON, which is YAML too. One type, a list of them, or
/// several documents:
///
///     type: weather_station
///     label: Weather Station
///     parent: base            # declared before, or above
///     abstract: false
///     span: 60s
///     readings:
///       temperature: {type: float, unit: °C, range: [-80, 80], required: true}
///       rain: {type: int, range: [0, null]}
///     commands:
///       set_interval: {interval: int}
///       reboot:
///     state:
///       mode: {type: string, default: auto, choices: [auto, manual]}
///     meta: {heartbeat_interval: 300}
///
/// Every key is known or refused, with its line.
package enum TypeDocument {
  package struct Wrong: Error, Equatable {
    /// Names the place.
    package let sentence: String
  }

  /// A text that opens more than so much within each other is refused unread.
  private static let nestingLimit = 32
  package static let byteLimit = 64 << 10

  package static func parse(_ text: String) throws(Wrong) -> [TypeDraft] {
    guard text.utf8.count <= byteLimit else { throw Wrong(sentence: "The declaration is larger than \(byteLimit) bytes") }
    guard isFlat(text) else { throw Wrong(sentence: "The declaration is nested too deep") }
    var drafts: [TypeDraft] = []
    for document in try documents(text) {
      if let list = document.sequence {
        for item in list { drafts.append(try draft(item)) }
      } else {
        drafts.append(try draft(document))
      }
    }
    guard !drafts.isEmpty else { throw Wrong(sentence: "The declaration holds no type") }
    return drafts
  }

  private static func documents(_ text: String) throws(Wrong) -> [Node] {
    do {
      var sequence = try Yams.compose_all(yaml: text)
      var documents: [Node] = []
      while let document = sequence.next() { documents.append(document) }
      if let error = sequence.error { throw error }
      return documents
    } catch let error as YamlError {
      switch error {
      case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
        .composer(_, let problem, let mark, _):
        throw Wrong(sentence: "line \(mark.line): \(problem)")
      case .duplicatedKeysInMapping(let keys, let context):
        throw Wrong(sentence: "line \(context.mark.line): \(keys.joined(separator: ", ")) is there twice")
      default: throw Wrong(sentence: "This is no YAML")
      }
    } catch {
      throw Wrong(sentence: "This is no YAML")
    }
  }

  /// Counts brackets and leading dashes, in texts too: none of them is that deep.
  private static func isFlat(_ text: String) -> Bool {
    var depth = 0
    for line in text.utf8.split(separator: 0x0A) {
      let lead = line.prefix { $0 == 0x20 || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "?") }
      if lead.count > 4 * nestingLimit { return false }
      for byte in line {
        if byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") { depth += 1 }
        if byte == UInt8(ascii: "]") || byte == UInt8(ascii: "}") { depth -= 1 }
        if depth > nestingLimit { return false }
      }
    }
    return true
  }

  // MARK: Types

  private static func draft(_ node: Node) throws(Wrong) -> TypeDraft {
    var name: String?
    var draft = TypeDraft(name: "")
    for (key, value) in try members(node, "type") {
      switch key {
      case "type", "name": name = try text(value, key)
      case "label", "display_name": draft.label = try text(value, key)
      case "parent", "extends": draft.details.parent = try text(value, key)
      case "abstract": draft.details.isAbstract = try flag(value, key)
      case "span": draft.defaultSpanNanos = try span(value)
      case "readings":
        for (name, value) in try members(value, key) { draft.columns.append(try column(name, value)) }
      case "commands":
        for (name, value) in try members(value, key) { draft.details.commands.append(try command(name, value)) }
      case "state", "states":
        for (name, value) in try members(value, key) { draft.details.states.append(try state(name, value)) }
      case "meta": draft.meta = try meta(value)
      default: throw unknown(key, value, "type, label, parent, abstract, span, readings, commands, state, meta")
      }
    }
    guard let name else { throw Wrong(sentence: "\(place(node))a type has no name; write: type: weather_station") }
    draft.name = name
    return draft
  }

  private static func column(_ name: String, _ node: Node) throws(Wrong) -> ColumnSchema {
    var column = ColumnSchema(id: 0, name: name, type: .float)
    var bounds: Node?
    var kind: (String, Node)?
    if node.scalar != nil {
      kind = (try text(node, name), node)
    } else {
      for (key, value) in try members(node, name) {
        switch key {
        case "type": kind = (try text(value, key), value)
        case "unit": column.unit = try text(value, key)
        case "range": bounds = value
        case "required": column.isRequired = try flag(value, key)
        default: throw unknown(key, value, "type, unit, range, required")
        }
      }
    }
    guard let kind else { throw Wrong(sentence: "\(place(node))the reading \(name) has no type") }
    switch kind.0 {
    case "float": column.type = .float
    case "int": column.type = .int
    case "bool": column.type = .bool
    case "string": column.type = .text
    case "symbol": column.type = .symbol
    case "json": (column.type, column.isJSON) = (.text, true)
    default: throw unknown(kind.0, kind.1, "float, int, bool, string, symbol, json")
    }
    if let bounds { try bound(&column, by: bounds) }
    return column
  }

  private static func bound(_ column: inout ColumnSchema, by node: Node) throws(Wrong) {
    guard let sides = node.sequence, sides.count == 2, column.type == .int || column.type == .float else {
      throw Wrong(sentence: "\(place(node))a range is [lowest, highest] of a number, null for an open side")
    }
    var slots: [Int64?] = []
    for side in sides {
      switch try value(side, "range") {
      case .null: slots.append(nil)
      case .int(let number) where column.type == .int: slots.append(number)
      case .int(let number): slots.append(Int64(bitPattern: Double(number).bitPattern))
      case .float(let number) where column.type == .float: slots.append(Int64(bitPattern: number.bitPattern))
      default: throw Wrong(sentence: "\(place(side))a bound of \(column.name) is of another type")
      }
    }
    (column.minimum, column.maximum) = (slots[0], slots[1])
    guard slots.allSatisfy({ $0.map(column.accepts) ?? true }) else {
      throw Wrong(sentence: "\(place(node))no value lies in the range of \(column.name)")
    }
  }

  private static func command(_ name: String, _ node: Node) throws(Wrong) -> CommandSchema {
    var command = CommandSchema(name: name)
    if node.null != nil { return command }
    for (key, value) in try members(node, name) {
      command.parameters.append(.init(name: key, type: try type(value, key)))
    }
    return command
  }

  private static func state(_ name: String, _ node: Node) throws(Wrong) -> StateField {
    if node.scalar != nil { return StateField(name: name, type: try type(node, name)) }
    var given: (type: ValueType?, initial: Node?, choices: Node?)
    for (key, value) in try members(node, name) {
      switch key {
      case "type": given.type = try type(value, key)
      case "default": given.initial = value
      case "choices": given.choices = value
      default: throw unknown(key, value, "type, default, choices")
      }
    }
    guard let type = given.type else { throw Wrong(sentence: "\(place(node))the state \(name) has no type") }
    func fitting(_ node: Node) throws(Wrong) -> FieldValue {
      let raw = try value(node, name)
      if raw == .null { return .null }
      guard let value = type.accept(raw) else {
        throw Wrong(sentence: "\(place(node))a value of \(name) is of another type than \(type.rawValue)")
      }
      return value
    }
    var field = StateField(name: name, type: type)
    if let initial = given.initial { field.defaultValue = try fitting(initial) }
    if let choices = given.choices {
      guard let list = choices.sequence else { throw Wrong(sentence: "\(place(choices))choices are a list") }
      for choice in list { field.choices.append(try fitting(choice)) }
    }
    guard field.defaultValue == .null || field.allows(field.defaultValue) != nil else {
      throw Wrong(sentence: "\(place(node))the default of \(name) is none of its choices")
    }
    return field
  }

  private static func meta(_ node: Node) throws(Wrong) -> TypeMeta {
    var meta = TypeMeta()
    for (key, value) in try members(node, "meta") {
      switch key {
      case "protocol": meta.transport = try text(value, key)
      case "broker": meta.broker = try text(value, key)
      case "auth": meta.auth = try text(value, key)
      case "topic", "topic_template": meta.topic = try text(value, key)
      case "heartbeat_interval":
        guard case .int(let seconds) = try self.value(value, key), let number = UInt32(exactly: seconds) else {
          throw Wrong(sentence: "\(place(value))heartbeat_interval is a number of seconds")
        }
        meta.heartbeatSeconds = number
      default: throw unknown(key, value, "protocol, broker, auth, heartbeat_interval, topic")
      }
    }
    return meta
  }

  // MARK: Parts

  private static func place(_ node: Node) -> String { node.mark.map { "line \($0.line): " } ?? "" }

  private static func unknown(_ word: String, _ node: Node, _ known: String) -> Wrong {
    Wrong(sentence: "\(place(node))\"\(word.prefix(64))\" is none of \(known)")
  }

  private static func members(_ node: Node, _ name: String) throws(Wrong) -> [(String, Node)] {
    if node.null != nil { return [] }
    guard let mapping = node.mapping else { throw Wrong(sentence: "\(place(node))\(name) has names and what they mean") }
    var members: [(String, Node)] = []
    for (key, value) in mapping {
      guard let key = key.scalar?.string else { throw Wrong(sentence: "\(place(node))a key of \(name) is no text") }
      members.append((key, value))
    }
    return members
  }

  private static func text(_ node: Node, _ name: String) throws(Wrong) -> String {
    guard let scalar = node.scalar, node.null == nil, scalar.string.utf8.count <= 255 else {
      throw Wrong(sentence: "\(place(node))\(name) is a text")
    }
    return scalar.string
  }

  private static func flag(_ node: Node, _ name: String) throws(Wrong) -> Bool {
    guard let flag = node.bool else { throw Wrong(sentence: "\(place(node))\(name) is true or false") }
    return flag
  }

  private static func type(_ node: Node, _ name: String) throws(Wrong) -> ValueType {
    let word = try text(node, name)
    guard let type = ValueType(rawValue: word) else { throw unknown(word, node, "float, int, bool, string, json") }
    return type
  }

  private static func span(_ node: Node) throws(Wrong) -> Int64 {
    let word = try text(node, "span")
    if word == "1s" { return 1_000_000_000 }
    guard let age = RetentionAge(word) else { throw Wrong(sentence: "\(place(node))span is a length of time, as 60s") }
    return age.nanos
  }

  /// A scalar: what is quoted is a text.
  private static func value(_ node: Node, _ name: String) throws(Wrong) -> FieldValue {
    guard let scalar = node.scalar, scalar.string.utf8.count <= 1024 else {
      throw Wrong(sentence: "\(place(node))a value of \(name) is a text, number, true or false")
    }
    if scalar.style == .singleQuoted || scalar.style == .doubleQuoted { return .text(scalar.string) }
    if node.null != nil { return .null }
    if let flag = node.bool { return .bool(flag) }
    if let number = Int64.construct(from: scalar) { return .int(number) }
    if let number = node.float, number.isFinite { return .float(number) }
    return .text(scalar.string)
  }
}
