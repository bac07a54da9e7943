import Foundation
import TSEngine

/// A JSON text as a value, for what devices and people send in small: settings, commands, messages.
indirect enum JSONTree: Decodable, Sendable, Equatable {
  case null
  case bool(Bool)
  case int(Int64)
  case float(Double)
  case text(String)
  case array([JSONTree])
  case object([String: JSONTree])

  /// Nil where `bytes` is not one JSON value, nested 64 deep at most.
  static func parse(_ bytes: [UInt8]) -> JSONTree? {
    guard JSONCheck.isJSON(bytes) else { return nil }
    return try? JSONDecoder().decode(JSONTree.self, from: Data(bytes))
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let flag = try? container.decode(Bool.self) {
      self = .bool(flag)
    } else if let number = try? container.decode(Int64.self) {
      self = .int(number)
    } else if let number = try? container.decode(Double.self) {
      self = .float(number)
    } else if let text = try? container.decode(String.self) {
      self = .text(text)
    } else if let items = try? container.decode([JSONTree].self) {
      self = .array(items)
    } else {
      self = .object(try container.decode([String: JSONTree].self))
    }
  }

  /// As JSON, keys in order.
  var text: String {
    switch self {
    case .null: "null"
    case .bool(let flag): flag ? "true" : "false"
    case .int(let number): "\(number)"
    case .float(let number): JSONText.number(number)
    case .text(let text): JSONText.quoted(text)
    case .array(let items): "[" + items.map(\.text).joined(separator: ",") + "]"
    case .object(let members):
      "{" + members.sorted { $0.key < $1.key }.map { "\(JSONText.quoted($0.key)):\($0.value.text)" }
        .joined(separator: ",") + "}"
    }
  }

  /// As a field holds it; arrays and objects as JSON.
  var field: FieldValue {
    switch self {
    case .null: .null
    case .bool(let flag): .bool(flag)
    case .int(let number): .int(number)
    case .float(let number): .float(number)
    case .text(let text): .text(text)
    case .array, .object: .json(text)
    }
  }
}
