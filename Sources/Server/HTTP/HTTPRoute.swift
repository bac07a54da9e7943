import Hummingbird
import TSEngine

/// The paths of the HTTP door and who may come in by them (S8): role by method by path. What is not here is not
/// there, so a new path is closed until this table says for whom it is.
struct HTTPRoute: Sendable {
  enum Access: String, Sendable, CaseIterable {
    /// Nobody is asked who they are.
    case open
    /// Readings come in: administrators and writers send anybody's, devices their own.
    case send
    /// The channel of a meter, which takes another's place and hears the meter's calls: administrators and the meter.
    case channel
    /// People and devices see what is theirs, administrators and readers all.
    case read
    /// What is not bounded to somebody.
    case readAll
    /// SQL by POST: whoever reads, and a writer's INSERT; a change is an administrator's.
    case sql
    case administer
    /// Brokers ask; who may is told by how they come.
    case broker
    /// Promised, and not there yet.
    case later

    func admits(_ role: TokenRole) -> Bool {
      switch (self, role) {
      case (_, .admin), (.sql, _): true
      case (.send, .writer), (.send, .device), (.channel, .device): true
      case (.read, .reader), (.read, .user), (.read, .device), (.readAll, .reader): true
      default: false
      }
    }
  }

  /// `*` stands for one part, whatever it is.
  let pattern: [String]
  let method: HTTPRequest.Method
  let access: Access

  private init(_ method: HTTPRequest.Method, _ pattern: String, _ access: Access) {
    self.pattern = HTTPDoor.segments(pattern)
    self.method = method
    self.access = access
  }

  static let all: [HTTPRoute] =
    [
      .init(.get, "/", .open), .init(.get, "/ping", .open), .init(.get, "/health", .open), .init(.get, "/ready", .open),
      .init(.get, "/time", .open), .init(.post, "/time", .send),
      // Its secret is in the body.
      .init(.post, "/powermon/boot", .open),
      .init(.post, "/powermon/data", .send), .init(.get, "/powermon/data/*", .channel),
      .init(.get, "/powermon", .readAll), .init(.get, "/metrics", .readAll),
      .init(.get, "/api/query", .read), .init(.post, "/api/query", .sql),
      .init(.get, "/api/devices", .read), .init(.post, "/api/devices", .administer),
      .init(.get, "/api/devices/*", .read), .init(.delete, "/api/devices/*", .administer),
      .init(.delete, "/api/devices/*/credentials", .administer),
      .init(.get, "/api/users", .read), .init(.post, "/api/users", .administer),
      .init(.get, "/api/users/*", .read), .init(.delete, "/api/users/*", .administer),
      .init(.get, "/api/types", .read), .init(.post, "/api/types", .administer),
      .init(.get, "/api/types/*", .read), .init(.post, "/api/types/*", .administer),
      .init(.get, "/api/tokens", .read), .init(.post, "/api/tokens", .administer),
      .init(.get, "/api/tokens/*", .read), .init(.delete, "/api/tokens/*", .administer),
      .init(.get, "/api/events", .read), .init(.get, "/api/commands", .read), .init(.post, "/api/claim", .administer),
    ]
    + ["history", "commands", "readings", "messages", "credentials"].map { .init(.get, "/api/devices/*/\($0)", .read) }
    + [
      "associate", "dissociate", "rename", "status", "fields", "announce", "set_config", "credentials", "sensor", "call",
      "commands",
    ].map { .init(.post, "/api/devices/*/\($0)", .administer) }
    + ["auth", "superuser", "acl"].map { .init(.post, "/api/broker/\($0)", .broker) }
    + ["/write", "/api/v2/write", "/api/v3/write_lp", "/api/login", "/api/logout"].map { .init(.post, $0, .later) }
    + ["/live", "/ws/live", "/ws/chat/*", "/api/chat/*", "/api/openapi.json"].map { .init(.get, $0, .later) }

  /// - Throws: `Refused` 404, 405 with what the path takes, 501.
  static func find(_ path: [String], _ method: HTTPRequest.Method) throws(Refused) -> HTTPRoute {
    let here = all.filter { $0.matches(path) }
    guard let first = here.first else { throw .notFound("There is nothing at this path") }
    if first.access == .later { throw .notYet("/" + path.joined(separator: "/")) }
    let asked = method == .head ? .get : method
    guard let route = here.first(where: { $0.method == asked }) else {
      throw HTTPDoor.wrongMethod(here.map(\.method.rawValue).joined(separator: ", "))
    }
    return route
  }

  private func matches(_ path: [String]) -> Bool {
    path.count == pattern.count && zip(path, pattern).allSatisfy { $0 == $1 || $1 == "*" }
  }
}

/// Who came in.
struct Admission: Sendable {
  var actor: Actor
  var role: TokenRole
  /// Sees what is theirs alone; nil for whoever is bounded to nothing.
  var viewer: Viewer?

  /// Readings of `sensor` may come from here.
  func isFor(_ sensor: String) -> Bool {
    switch role {
    case .admin, .writer: true
    case .device: viewer == .device(sensor)
    case .reader, .user: false
    }
  }

  /// Who makes devices that are not there yet: a device does not.
  var creator: Actor? { role == .admin || role == .writer ? actor : nil }
}

extension Refused {
  /// Who comes in elsewhere, and what their token is good for.
  static func forbidden(_ role: TokenRole) -> Refused {
    switch role {
    case .admin: .forbidden("This is for nobody")
    case .writer: .forbidden("A writer's token sends readings, and neither reads nor changes anything else")
    case .reader: .forbidden("A reader's token reads and changes nothing; a writer's sends readings, an administrator's does the rest")
    case .device: .forbidden("A device's token is good for what is the device's own")
    case .user: .forbidden("A person's token reads what is theirs; this is for administrators")
    }
  }
}
