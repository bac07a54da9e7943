import Query
import TSEngine

/// The registry of a server, over its HTTP API.
struct RemoteRegistry {
  private let connection: HTTPConnection

  init(_ url: String) throws { connection = HTTPConnection(try ServerURL(url)) }

  /// Asks for a list or an object and prints it.
  /// - Parameter query: what stands behind the path, nil left out.
  func show(_ path: String..., query: [(name: String, value: String?)] = [], format: OutputFormat) throws {
    let bytes = try ask("GET", path, query: Self.form(query))
    guard let rows = FlatJSON.array(bytes) ?? FlatJSON.object(bytes).map({ [$0] }) else { throw strange }
    try print(rows, format)
  }

  /// Asks for an object and prints the list that it has under `key`.
  func showList(_ key: String, of path: String..., format: OutputFormat) throws {
    let members = FlatJSON.object(try ask("GET", path)) ?? []
    guard let list = members.first(where: { $0.key == key })?.text, let rows = FlatJSON.array(Array(list.utf8))
    else { throw strange }
    try print(rows, format)
  }

  private var strange: CommandError {
    CommandError(.unavailable, "\(connection.url.text) gave an answer that this tsq does not understand")
  }

  private func print(_ rows: [[FlatJSON.Member]], _ format: OutputFormat) throws {
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
    var json = JSONText()
    for (key, text) in body.compactMapValues({ $0 }).sorted(by: { $0.key < $1.key }) {
      if key == "admin" { json.add(key, text == "true") } else { json.add(key, text) }
    }
    return Self.members(try ask("POST", path, json.closed))
  }

  /// Changes something that takes texts by name under one key.
  func post(_ path: String..., object: (key: String, texts: [String: String])) throws {
    var (json, texts) = (JSONText(), JSONText())
    for (key, text) in object.texts.sorted(by: { $0.key < $1.key }) { texts.add(key, text) }
    json.add(object.key, raw: texts.closed)
    _ = try ask("POST", path, json.closed)
  }

  /// `payload` is JSON.
  func send(
    _ command: String, to device: String, payload: String?, broker: String?, expires: String, timeout: String
  ) throws -> [String: String] {
    var json = JSONText()
    json.add("command", command)
    if let payload { json.add("payload", raw: payload) }
    if let broker { json.add("broker", broker) }
    json.add("expires", expires)
    json.add("timeout", timeout)
    return Self.members(try ask("POST", ["devices", device, "commands"], json.closed))
  }

  /// Declares types as their document has them.
  func declareTypes(_ document: String) throws { _ = try ask("POST", ["types"], document) }

  /// Changes something by a body that is JSON already.
  @discardableResult
  func post(_ path: String..., json: String) throws -> [String: String] { Self.members(try ask("POST", path, json)) }

  /// - Throws: what the server says when there is nothing.
  func require(_ path: String...) throws { _ = try ask("GET", path) }

  func delete(_ path: String..., dryRun: Bool) throws -> [String: String] {
    Self.members(try ask("DELETE", path, query: dryRun ? "?dry_run" : ""))
  }

  /// A page of the log, where the next one begins, and how far the log went.
  func log(
    _ query: [(name: String, value: String?)]
  ) throws -> (rows: [[FlatJSON.Member]], next: UInt64, newest: UInt64) {
    let (response, bytes) = try answer("GET", ["events"], query: Self.form(query))
    func position(_ name: String) -> UInt64? { response.headers[name].flatMap { UInt64($0) } }
    guard let rows = FlatJSON.array(bytes), let next = position("x-tsq-next-lsn"), let newest = position("x-tsq-lsn") else {
      throw strange
    }
    return (rows, next, newest)
  }

  /// What stands behind a path.
  private static func form(_ query: [(name: String, value: String?)]) -> String {
    let asked = query.compactMap { item in item.value.map { "\(item.name)=\(HTTPConnection.escaped($0))" } }
    return asked.isEmpty ? "" : "?" + asked.joined(separator: "&")
  }

  private func ask(_ method: String, _ path: [String], _ body: String = "", query: String = "") throws -> [UInt8] {
    try answer(method, path, body, query: query).1
  }

  private func answer(
    _ method: String, _ path: [String], _ body: String = "", query: String = ""
  ) throws -> (HTTPConnection.Response, [UInt8]) {
    let target = "/api/" + path.map(HTTPConnection.escaped).joined(separator: "/") + query
    let (response, bytes) = try connection.request(method, target, body: Array(body.utf8))
    guard (200..<300).contains(response.status) else {
      throw RemoteFailure.error(bytes, response.status, connection.url)
    }
    return (response, bytes)
  }

  private static func members(_ bytes: [UInt8]) -> [String: String] {
    Dictionary((FlatJSON.object(bytes) ?? []).map { ($0.key, $0.text ?? "") }, uniquingKeysWith: { first, _ in first })
  }
}
