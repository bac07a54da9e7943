import Foundation
import Hummingbird
import Query
import TSEngine

/// `/api/devices`, `/api/users`, `/api/claim`, `/api/events`, `/api/types`, `/api/tokens`: what `tsq device`,
/// `tsq user`, `tsq token` and `tsq events` ask over --connect.
extension HTTPDoor {
  func registry(
    _ request: Request, _ path: [String], _ admitted: Admission, _ context: Context
  ) async throws -> Response {
    if request.method == .get || request.method == .head {
      try requireSeen(path, by: admitted)
      if let commands = try await showCommands(request, path, admitted) { return commands }
      if path == ["events"] { return try await showLog(request, admitted) }
      if let events = try await showEvents(request, path, admitted) { return events }
      if let rows = try deviceRows(request, path) { return try await query(rows, admitted, cut: context.cut) }
      return try show(request, path, admitted)
    }
    let actor = admitted.actor
    if request.method == .post, path == ["types"] { return try await declareTypes(request, actor) }
    if request.method == .post, path.count == 3, path[0] == "devices", path[2] == "commands" {
      return try await sendCommand(request, path[1], actor)
    }
    let command = try await RegistryCommand(request, path, actor, self)
    let answer = try await command.run()
    registryChanged()
    return answer
  }

  // MARK: Showing

  private func show(_ request: Request, _ path: [String], _ admitted: Admission) throws -> Response {
    let registry = try wholeRegistry(for: admitted)
    switch (path.first, path.count) {
    case ("devices", 1):
      return try listDevices(request, registry)
    case ("devices", 2):
      guard let device = registry.devices[path[1]] else { throw Refused(.unknownDevice) }
      return Reply.json(RegistryJSON.device(device, registry, showsOwner: admitted.viewer != .device(device.id)))
    case ("devices", 3) where path[2] == "credentials":
      guard registry.devices.contains(path[1]) else { throw Refused(.unknownDevice) }
      guard let entry = registry.credentials[path[1]] else { throw Refused(.unknownCredentials) }
      return Reply.json(RegistryJSON.credentials(entry))
    case ("users", 1):
      let living = registry.users.sorted().filter { $0.deletedAt == nil }
      return Reply.json(RegistryJSON.list(living.map { RegistryJSON.user($0, registry) }))
    case ("users", 2):
      guard let user = registry.users[named: path[1]] else { throw Refused(.unknownUser) }
      return Reply.json(RegistryJSON.user(user, registry))
    case ("types", 1): return Reply.json(RegistryJSON.list(registry.types.all.map(RegistryJSON.type)))
    case ("types", 2):
      guard let type = registry.types.parent(named: path[1]) else { throw Refused(.unknownType) }
      return Reply.json(RegistryJSON.type(type))
    case ("tokens", 1):
      let now = store.options.clock.nowNanos()
      let isAll = request.uri.queryParameters["all"] != nil
      let wanted = registry.tokens.sorted().filter { isAll || $0.isValid(at: now) }
      return Reply.json(RegistryJSON.list(wanted.map { RegistryJSON.token($0, registry, now: now) }))
    case ("tokens", 2):
      guard let token = registry.tokens[path[1]] else { throw Refused(.unknownToken) }
      return Reply.json(RegistryJSON.token(token, registry, now: store.options.clock.nowNanos()))
    default: throw Refused.notFound("There is nothing at this path")
    }
  }

  /// What is read from journals, a chunk at a time: on a thread that may wait, and as one of the queries.
  /// - Returns: nil for another path.
  private func showEvents(_ request: Request, _ path: [String], _ admitted: Admission) async throws -> Response? {
    let work: @Sendable (Snapshot) throws -> [Event]
    switch (path.first, path.count) {
    case ("devices", 3) where path[2] == "history":
      work = { [device = path[1]] snapshot in
        let history = try snapshot.history(of: device)
        guard !history.isEmpty else { throw Refused(.unknownDevice) }
        return history
      }
    default: return nil
    }
    try enterQuery(admitted)
    defer { runningQueries.leave() }
    let snapshot = snapshot(for: admitted)
    let found = try await blocking { try work(snapshot) }
    return Reply.json(RegistryJSON.list(found.map(\.json)))
  }

  /// A number of the query; not negative.
  static func number(_ request: Request, _ name: String) throws(Refused) -> Int? {
    guard let text = request.uri.queryParameters[name[...]] else { return nil }
    guard let number = Int(text), number >= 0 else { throw .badRequest("\(name) is a number from 0 on") }
    return number
  }
}

/// A change of the registry, asked for over HTTP.
struct RegistryCommand {
  /// What bodies may hold; each command needs some of it.
  struct Body: Decodable {
    var id, type, name, user, at, code, overlap: String?
    /// Of a token.
    var role, device, label, lifetime: String?
    var admin: Bool?
    /// What a lamp is to be.
    var color: LampState.Color?
    var brightness: Double?
    var on: Bool?
    /// What people say of a sensor, and where it is.
    var sensor: [String: Change]?
    var address: [String]?
    /// What a meter is asked.
    var body: [String: CallValue]?
    /// Of a type, by name; an empty value sets back.
    var settings: [String: String]?
    /// Of a device.
    var status: String?
    var fields: [String: JSONScalar]?
    /// Of a device, as a person has written them.
    var spelled: [String: String]?
  }

  let door: HTTPDoor
  let path: [String]
  let method: HTTPRequest.Method
  let actor: Actor
  let body: Body
  let isDryRun: Bool

  init(_ request: Request, _ path: [String], _ actor: Actor, _ door: HTTPDoor) async throws {
    let bytes = try await door.body(request, limit: HTTPDoor.commandBodyLimit)
    if bytes.readableBytes == 0 {
      body = Body()
    } else {
      do {
        body = try JSONDecoder().decode(Body.self, from: Data(bytes.readableBytesView))
      } catch {
        throw Refused.badRequest("A JSON object expected, its fields texts")
      }
    }
    self.door = door
    self.path = path
    self.actor = actor
    method = request.method
    isDryRun = request.uri.queryParameters["dry_run"] != nil
  }

  func run() async throws -> Response {
    switch (method, path.first, path.count) {
    case (.post, "users", 1): return try await createUser()
    case (.delete, "users", 2): return try await deleteUser(path[1])
    case (.post, "devices", 1): return try await createDevice()
    case (.delete, "devices", 2): return try await deleteDevice(path[1])
    case (.post, "devices", 3): return try await changeDevice(path[1], path[2])
    case (.delete, "devices", 3) where path[2] == "credentials": return try await revokeCredentials(of: path[1])
    case (.post, "claim", 1): return try await claim()
    case (.post, "types", 2): return try await setType(path[1])
    case (.post, "tokens", 1): return try await createToken()
    case (.delete, "tokens", 2): return try await revokeToken(path[1])
    default: throw Refused.notFound("There is nothing at this path")
    }
  }

  // MARK: Users

  private func createUser() async throws -> Response {
    let name = try field(body.name, "name")
    let isAdmin = body.admin ?? false
    let (id, lsn) = try await decide { $0.createUser(name, isAdmin: isAdmin, $1) }
    var json = JSONText()
    json.add("id", id.text)
    json.add("name", name)
    json.add("lsn", lsn)
    return Reply.json(.created, json.closed)
  }

  private func deleteUser(_ name: String) async throws -> Response {
    let user = try person(name)
    if isDryRun {
      let registry = try door.store.wholeRegistry()
      return answer("parked", registry.associations.devices(of: user).count, dry: true)
    }
    let (parked, _) = try await decide { $0.deleteUser(user, $1) }
    return answer("parked", parked)
  }

  // MARK: Devices

  private func createDevice() async throws -> Response {
    let id = try field(body.id, "id")
    let (type, name) = (body.type ?? DeviceType.power, body.name ?? "")
    let (found, lsn) = try await decide { $0.createDevice(id, type: type, name: name, $1) }
    var json = JSONText()
    json.add("device_id", id)
    json.add("text", found.text)
    json.add("created", found.arrival == .created)
    json.add("lsn", lsn)
    return Reply.json(found.arrival == .created ? .created : .ok, json.closed)
  }

  private func deleteDevice(_ id: String) async throws -> Response {
    let deletion: Registry.Deletion
    if isDryRun {
      let options = door.store.options
      let context = DecisionContext(now: options.clock.nowNanos(), actor: actor, random: options.rng)
      let registry = try door.store.wholeRegistry()
      deletion = try registry.deleteDevice(id, context).result.mapError { Refused($0) }.get()
    } else {
      deletion = try await decide { $0.deleteDevice(id, $1) }.0
    }
    var json = JSONText()
    json.add("devices", deletion.devices)
    json.add("codes", deletion.codes)
    json.add("tokens", deletion.tokens)
    json.add("credentials", deletion.credentials)
    if isDryRun { json.add("dry_run", true) }
    return Reply.json(json.closed)
  }

  private func changeDevice(_ id: String, _ verb: String) async throws -> Response {
    if verb == "set_config" { return try configureLamp(id) }
    if verb == "credentials" { return try await issueCredentials(of: id) }
    if verb == "sensor" { return try await describeSensor(id) }
    if verb == "call" { return try await callMeter(id) }
    let at = try instant()
    switch verb {
    case "associate":
      let user = try person(field(body.user, "user"))
      _ = try await decide { $0.associate(id, with: user, at: at, $1) }
    case "dissociate": _ = try await decide { $0.dissociate(id, at: at, $1) }
    case "rename":
      let name = try field(body.name, "name")
      _ = try await decide { $0.renameDevice(id, to: name, $1) }
    case "status": try await setStatus(of: id)
    case "fields": try await setFields(of: id)
    case "announce": _ = try await decide { $0.requestAnnouncement(of: id, $1) }
    default: throw Refused.notFound("There is nothing at this path")
    }
    let registry = try door.store.wholeRegistry()
    guard let device = registry.devices[id] else { throw Refused(.unknownDevice) }
    return Reply.json(RegistryJSON.device(device, registry))
  }

  private func claim() async throws -> Response {
    let code = body.code ?? ""
    let user = try person(field(body.user, "user"))
    let (claimed, lsn) = try await decide { $0.claim(code: code, by: user, $1) }
    var json = JSONText()
    json.add("device_id", claimed.device)
    json.add("lsn", lsn)
    return Reply.json(json.closed)
  }

  /// All settings or none.
  private func setType(_ name: String) async throws -> Response {
    guard let settings = body.settings, !settings.isEmpty else {
      throw Refused.badRequest(#"The body lacks "settings": {"<column>.wire": "1V"}"#)
    }
    _ = try await decide { $0.setTypeSettings(name, settings, $1) }
    guard let type = try door.store.wholeRegistry().types[name] else { throw Refused(.unknownType) }
    return Reply.json(RegistryJSON.type(type))
  }

  // MARK: Parts

  var cause: Cause { Cause(message: "http \(method.rawValue) /api/\(path.joined(separator: "/"))") }

  func decide<Value: Sendable>(
    _ decision: @escaping @Sendable (Registry, DecisionContext) -> Decision<Value>
  ) async throws -> (Value, LSN) {
    let (store, actor, cause) = (door.store, actor, cause)
    let taken = try await door.blocking { try store.decide(actor: actor, cause: cause, decision) }
    return (try taken.result.mapError { Refused($0) }.get(), taken.lsn)
  }

  func person(_ name: String) throws -> UserID {
    let users = try door.store.wholeRegistry().users
    guard let user = users[named: name] else { throw Refused(.unknownUser) }
    return user.id
  }

  func field(_ value: String?, _ name: String) throws(Refused) -> String {
    guard let value else { throw .badRequest("The body lacks \"\(name)\"") }
    return value
  }

  private func instant() throws(Refused) -> Int64? {
    guard let text = body.at else { return nil }
    guard let nanos = TimestampText.parse(text) else {
      throw .badRequest("\"at\" is an instant with an offset, as 2026-01-01T00:00:00Z")
    }
    return nanos
  }

  private func answer(_ name: String, _ count: Int, dry: Bool = false) -> Response {
    var json = JSONText()
    json.add(name, count)
    if dry { json.add("dry_run", true) }
    return Reply.json(json.closed)
  }
}
