import TSEngine

/// What a person or program gives to a command: a JSON object, by name.
package enum CommandPayload {
  /// - Throws: `Refusal.invalidPayload`.
  package static func parameters(_ text: String) throws(Refusal) -> [String: FieldValue] {
    guard case .object(let members)? = JSONTree.parse(Array(text.utf8)) else { throw .invalidPayload }
    return members.mapValues(\.field)
  }
}
