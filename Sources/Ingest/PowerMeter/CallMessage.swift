/// One message of the dialect of calls (P-20): `[2, "<id>", "<name>", {…}]`, `[3, "<id>", {…}]`,
/// `[4, "<id>", "<code>", …]`.
package struct CallMessage: Sendable, Equatable {
  package enum Kind: UInt8, Sendable { case call = 2, result, error }

  package static let idByteLimit = 64
  package static let nameByteLimit = 64

  package var kind: Kind
  package var id: String
  /// Of a call its name, of an error its code; empty for a result.
  package var name: String
  /// An object for calls and results, a list for the rest of an error.
  package var body: String

  package init(_ kind: Kind, id: String, name: String, body: String) {
    self.kind = kind
    self.id = id
    self.name = name
    self.body = body
  }

  /// - Throws: what is wrong; the path is the place in the list.
  package init(_ text: String) throws(FrameError) {
    var reader = CallReader()
    let bytes = Array(text.utf8)
    let span = bytes.span
    do throws(Fault) {
      // SAFETY: `span` borrows `bytes`, which live to the end of this call.
      self = try reader.message(unsafe span.bytes)
    } catch {
      throw FrameError(path: reader.place.map { "[\($0)]" } ?? "", reason: error.reason, kind: error.kind)
    }
  }
}

/// Reads one message and knows where it is.
private struct CallReader {
  var place: Int?

  mutating func message(_ bytes: RawSpan) throws(Fault) -> CallMessage {
    var cursor = JSONCursor(bytes)
    cursor.skipSpace()
    guard cursor.byte == UInt8(ascii: "[") else { throw cursor.wrongType("a list") }
    cursor.advance()
    cursor.skipSpace()
    place = 0
    guard let number = try cursor.number().scaled(), let raw = UInt8(exactly: number),
      let kind = CallMessage.Kind(rawValue: raw)
    else { throw Fault(.unknown, "2, 3 or 4 expected") }
    let id = try text(&cursor, 1, limit: CallMessage.idByteLimit)
    guard !id.isEmpty else { throw Fault(.form, "an id expected") }
    var message = CallMessage(kind, id: id, name: "", body: "{}")
    if kind != .result { message.name = try text(&cursor, 2, limit: CallMessage.nameByteLimit) }
    message.body = try kind == .error ? rest(&cursor) : object(&cursor, kind == .call ? 3 : 2)
    place = nil
    cursor.skipSpace()
    guard cursor.isAtEnd else { throw cursor.syntax("the end expected") }
    return message
  }

  @_lifetime(cursor: copy cursor)
  private mutating func text(_ cursor: inout JSONCursor, _ at: Int, limit: Int) throws(Fault) -> String {
    try comma(&cursor, at)
    let string = try cursor.string()
    guard string.range.count <= limit else { throw Fault(.form, "longer than \(limit) bytes") }
    return cursor.text(of: string)
  }

  /// The last element.
  @_lifetime(cursor: copy cursor)
  private mutating func object(_ cursor: inout JSONCursor, _ at: Int) throws(Fault) -> String {
    try comma(&cursor, at)
    guard cursor.byte == UInt8(ascii: "{") else { throw cursor.wrongType("an object") }
    let range = try cursor.skipValue(depth: 1)
    guard try !cursor.another(before: UInt8(ascii: "]")) else { throw Fault(.form, "the end of the list expected") }
    return cursor.text(in: range)
  }

  /// What is left, as a list.
  @_lifetime(cursor: copy cursor)
  private mutating func rest(_ cursor: inout JSONCursor) throws(Fault) -> String {
    var parts: [String] = []
    while try cursor.another(before: UInt8(ascii: "]")) { parts.append(cursor.text(in: try cursor.skipValue(depth: 1))) }
    return "[" + parts.joined(separator: ",") + "]"
  }

  @_lifetime(cursor: copy cursor)
  private mutating func comma(_ cursor: inout JSONCursor, _ at: Int) throws(Fault) {
    place = at
    guard try cursor.another(before: UInt8(ascii: "]")) else { throw Fault(.missing, "the list ends too early") }
    cursor.skipSpace()
  }
}
