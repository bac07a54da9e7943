import Query
import TSEngine

/// A value that is none of its field's.
package struct FieldProblem: Error {
  package let sentence: String
}

/// Values of a device's fields on their way to the registry. What a name means, its type says: a state that a type
/// declares goes before what people say of sensors.
package enum FieldForm {
  /// `value` as the registry takes it: of an instant its one form.
  package static func checked(
    _ name: String, _ value: FieldValue, of device: String, _ registry: Registry
  ) throws(FieldProblem) -> FieldValue {
    registry.isSensorField(name, of: device) ? try sensor(name, value) : value
  }

  /// As above, of what a person has written; nothing takes the field away.
  package static func spelled(
    _ text: String, _ name: String, of device: String, _ registry: Registry
  ) throws(FieldProblem) -> FieldValue {
    if text.isEmpty { return .null }
    if registry.isSensorField(name, of: device) { return try sensor(name, .text(text)) }
    let isText =
      registry.stateType(of: name, device).map { $0 == .string }
      ?? [DeviceField.firmwareVersion, DeviceField.status, DeviceField.metadata].contains(name)
    if isText { return .text(text) }
    if let flag = Bool(text) { return .bool(flag) }
    if let number = Int64(text) { return .int(number) }
    if let number = Double(text), number.isFinite { return .float(number) }
    return .text(text)
  }

  /// What people say of a sensor. Null and an empty text take it away, and nothing else does.
  package static func sensor(_ name: String, _ value: FieldValue) throws(FieldProblem) -> FieldValue {
    if value == .null || value == .text("") { return .null }
    switch name {
    case "registered_at":
      guard case .text(let text) = value, let nanos = TimestampText.parse(text) else {
        throw FieldProblem(sentence: "\"registered_at\" is an instant with an offset, as 2026-01-01T00:00:00Z")
      }
      return .text(TimestampText.format(nanos))
    case "category":
      guard case .text(let text) = value, Registry.SensorCategory(rawValue: text) != nil else {
        let known = Registry.SensorCategory.allCases.map(\.rawValue).joined(separator: ", ")
        throw FieldProblem(sentence: "\"category\" is one of \(known)")
      }
      return value
    default:
      guard case .text = value else { throw FieldProblem(sentence: "\"\(name)\" is a text") }
      return value
    }
  }
}
