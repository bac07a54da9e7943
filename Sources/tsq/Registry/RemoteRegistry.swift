import Query
import TSEngine

/// The registry of a server, over its HTTP API.
struct RemoteRegistry {
  private let connection: HTTPConnection

  init(_ url: String) throws { connection = HTTPConnection(try ServerURL(url)) }

  /// Asks for a list or an object and prints it.
  func show(_ path: String..., format: OutputFormat) throws {
    let bytes = try ask("GET", path, [:])
    guard let rows = FlatJSON.array(bytes) ?? FlatJSON.object(bytes).map({ [$0] }) else {
      throw CommandError(.unavailable, "\(connection.url.text) gave an answer that this tsq does not understand")
    }
    var columns: [ResultColumn] = []
    for member in rows.flatMap({ $0 }) {
      if let at = columns.firstIndex(where: { $0.name == member.key }) {
        if member.text != nil, columns[at].kind == .text { columns[at].kind = member.kind }
      } else {
        columns.append(ResultColumn(name: member.key, kind: member.kind))
      }
    }
    let cells = rows.map { row in columns.map { column in row.first { $0.key == column.name }?.text } }
    try format.print(columns, cells)
  }

  /// Changes something; gives the members of the answer.
  @discardableResult
  func post(_ path: String..., body: [String: String?] = [:]) throws -> [String: String] {
    Self.members(try ask("POST", path, body))
  }

  func delete(_ path: String..., dryRun: Bool) throws -> [String: String] {
    Self.members(try ask("DELETE", path, [:], query: dryRun ? "?dry_run" : ""))
  }

  private func ask(_ method: String, _ path: [String], _ body: [String: String?], query: String = "") throws -> [UInt8] {
    let given = body.compactMapValues { $0 }.sorted { $0.key < $1.key }
    let members = given.map { key, text in "\(JSONText.quoted(key)):\(["true", "false"].contains(text) && key == "admin" ? text : JSONText.quoted(text))" }
    let json = method == "POST" ? Array("{\(members.joined(separator: ","))}".utf8) : []
    let target = "/api/" + path.map(HTTPConnection.escaped).joined(separator: "/") + query
    let (response, bytes) = try connection.request(method, target, body: json)
    guard (200..<300).contains(response.status) else {
      throw RemoteFailure.error(bytes, response.status, connection.url)
    }
    return bytes
  }

  private static func members(_ bytes: [UInt8]) -> [String: String] {
    Dictionary((FlatJSON.object(bytes) ?? []).map { ($0.key, $0.text ?? "") }, uniquingKeysWith: { first, _ in first })
  }
}
