import Dispatch
import Foundation
import HTTPTypes
import Hummingbird
import Ingest
import TSEngine

/// Answers HTTP requests. Routes are few and known, so a switch finds them.
package struct HTTPDoor: HTTPResponder {
  package struct Context: InitializableFromSource {
    /// Ends the connection at once, also in the middle of an answer.
    let cut: @Sendable () -> Void
    /// Whether who asks is on this machine.
    let isLocal: Bool

    package init(source: ApplicationRequestContextSource) {
      let channel = source.channel
      isLocal = channel.remoteAddress?.ipAddress.map { ServerOptions.Address(host: $0, port: 0).isLoopback } ?? false
      cut = { channel.close(mode: .all, promise: nil) }
    }
  }

  static let bodyLimit = 8 << 20
  static let commandBodyLimit = 64 << 10

  let store: Store
  let authority: Authority
  let frames: FrameDoor
  let metrics: ServerMetrics
  /// Where meters are told to send to; nil: where they asked.
  let publicURL: String?
  let runningQueries = QueryGate()
  let brokerLogins = QueryGate()
  let meters = MeterSockets()
  /// How long an answer waits for its reader.
  let readerPatienceNanos: Int64
  /// Called after the registry has changed: association messages may be due.
  let registryChanged: @Sendable () -> Void
  /// Where commands can go.
  var brokerNames: Set<String> = []
  /// What brokers that ask are told by; nil: none is answered.
  var brokerRules: BrokerRules?
  /// Hands a message to every broker; how many took it.
  let publish: @Sendable (MQTTPublication) -> Int

  package init(
    _ store: Store, _ authority: Authority, _ frames: FrameDoor, _ metrics: ServerMetrics, publicURL: String? = nil,
    readerPatienceNanos: Int64 = ServerOptions.defaultReaderPatienceNanos,
    registryChanged: @escaping @Sendable () -> Void,
    publish: @escaping @Sendable (MQTTPublication) -> Int = { _ in 0 }
  ) {
    self.store = store
    self.authority = authority
    self.frames = frames
    self.metrics = metrics
    self.publicURL = publicURL
    self.readerPatienceNanos = readerPatienceNanos
    self.registryChanged = registryChanged
    self.publish = publish
  }

  package func respond(to request: Request, context: Context) async throws -> Response {
    metrics.add(.httpRequests)
    let path = request.uri.path
    if path == "/powermon/data" || path == "/powermon/data/" {
      guard request.method == .post else { return Self.wrongMethod("POST").response }
      return await postFrames(request)
    }
    do {
      return try await route(request, Self.segments(path), context)
    } catch let refused as Refused {
      return refused.response
    } catch let error as StorageError {
      return Refused(error).response
    }
  }

  private func route(_ request: Request, _ path: [String], _ context: Context) async throws -> Response {
    switch path {
    case []:
      return Reply.plain("tsq: frames at /powermon/data, SQL at /api/query; the dashboard is not there yet\n")
    case ["ping"]: return Reply.empty(.noContent)
    case ["health"]: return Reply.json(#"{"name":"tsq","status":"pass"}"#)
    case ["ready"]: return ready()
    case ["time"]: return try await time(request)
    case ["powermon", "boot"]: return try await boot(request)
    case ["metrics"]:
      _ = try admit(request)
      return Reply.metrics(metrics.text(store, runningQueries: runningQueries.running))
    case ["powermon"]:
      _ = try admit(request)
      try expect(request, .get)
      return try await listFrames(request)
    case _ where path.count == 3 && path.starts(with: ["powermon", "data"]): throw notASocket(request, path[2])
    case _ where path.first == "api": return try await api(request, Array(path.dropFirst()), context)
    case ["write"], ["live"]: throw Refused.notYet(request.uri.path)
    case _ where path.first == "ws": throw Refused.notYet(request.uri.path)
    default: throw Refused.notFound("There is nothing at this path")
    }
  }

  private func api(_ request: Request, _ path: [String], _ context: Context) async throws -> Response {
    switch path.first {
    case "devices", "users", "events", "types", "claim", "commands", "tokens":
      return try await registry(request, path, context)
    case "broker": return try await askedByBroker(request, path, context)
    case "query":
      let admitted = try reader(request)
      let asked = try await QueryRequest(request, self, by: admitted)
      return try await query(asked, admitted.viewer, cut: context.cut)
    case "login", "logout", "chat", "v2", "v3", "openapi.json": throw Refused.notYet(request.uri.path)
    default: throw Refused.notFound("There is nothing at this path")
    }
  }

  /// A request for a meter's channel that did not get one.
  private func notASocket(_ request: Request, _ sensor: String) -> Refused {
    guard PowerFrameParser.isSensorID(sensor) else {
      return .notFound("A meter's channel is /powermon/data/<sensor>, letters and six digits")
    }
    switch admission(Self.token(request)) {
    case .failure(let refused): return refused
    case .success(let admitted) where !admitted.isFor(sensor): return .forbidden("This token is another device's")
    case .success: break
    }
    return Refused(
      status: .upgradeRequired, code: "upgrade", message: "This path is a WebSocket's", extra: [.upgrade: "websocket"])
  }

  // MARK: Small ones

  private func ready() -> Response {
    guard let failure = store.failure else { return Reply.json(#"{"status":"ready"}"#) }
    return Refused(failure).response
  }

  // MARK: Requests

  static func wrongMethod(_ allowed: String) -> Refused {
    Refused(
      status: .methodNotAllowed, code: "method", message: "This path takes \(allowed)",
      extra: [.allow: allowed])
  }

  func expect(_ request: Request, _ method: HTTPRequest.Method) throws {
    guard request.method == method else { throw Self.wrongMethod(method.rawValue) }
  }

  /// The parts of a path, decoded; a trailing slash means nothing.
  static func segments(_ path: String) -> [String] {
    path.split(separator: "/").map { $0.removingPercentEncoding ?? String($0) }
  }

  /// - Throws: `Refused` 401 or 403.
  func admit(_ request: Request) throws -> Actor {
    switch verdict(Self.token(request)) {
    case .success(let actor): return actor
    case .failure(let refused): throw refused
    }
  }

  /// An administrator, or why not.
  func verdict(_ token: String?) -> Result<Actor, Refused> {
    admission(token).flatMap { admitted in
      guard admitted.device == nil else {
        metrics.add(.authenticationFailures)
        return .failure(.forbidden("A device's token is good for what the device sends"))
      }
      return .success(admitted.actor)
    }
  }

  /// An administrator or a device, or why not: who may send.
  func admission(_ token: String?) -> Result<Admission, Refused> {
    anyone(token).flatMap { admitted in
      guard case .user? = admitted.viewer else { return .success(admitted) }
      metrics.add(.authenticationFailures)
      return .failure(.forbidden("A person's token reads what is theirs; this is for administrators"))
    }
  }

  /// Whoever may read, bounded to what is theirs unless they are an administrator (T-04).
  /// - Throws: `Refused` 401 or 403.
  func reader(_ request: Request) throws(Refused) -> Admission { try anyone(Self.token(request)).get() }

  private func anyone(_ token: String?) -> Result<Admission, Refused> {
    switch authority.verdict(token) {
    case .admitted(let actor): return .success(Admission(actor: actor))
    case .device(let device, let actor): return .success(Admission(actor: actor, viewer: .device(device)))
    case .user(let user, let actor): return .success(Admission(actor: actor, viewer: .user(user)))
    case .unknown:
      metrics.add(.authenticationFailures)
      return .failure(.unauthorized)
    case .forbidden(let role):
      metrics.add(.authenticationFailures)
      return .failure(.forbidden("Tokens of the role \(role.rawValue) are not served yet; use an admin's"))
    }
  }

  /// Who came in.
  struct Admission: Sendable {
    var actor: Actor
    /// Nil for an administrator, who sees all.
    var viewer: Viewer?

    /// Only this device's own matters.
    var device: String? { if case .device(let device)? = viewer { device } else { nil } }
    func isFor(_ sensor: String) -> Bool { viewer == nil || device == sensor }
    /// Who makes devices that are not there yet; only administrators do.
    var creator: Actor? { viewer == nil ? actor : nil }
  }

  /// The store as `viewer` may see it.
  func snapshot(for viewer: Viewer?) -> Snapshot {
    viewer.map { store.snapshot().seen(by: $0) } ?? store.snapshot()
  }

  /// `Authorization: Bearer T`, `Token T` or Basic with the token as password; `X-API-Key: T`.
  static func token(_ request: Request) -> String? {
    if let header = request.headers[.authorization] { return token(authorization: header) }
    return request.headers[.xAPIKey]
  }

  static func token(authorization header: String) -> String {
    let parts = header.split(separator: " ", maxSplits: 1)
    guard parts.count == 2 else { return "" }
    switch parts[0].lowercased() {
    case "bearer", "token": return String(parts[1])
    case "basic":
      guard let data = Data(base64Encoded: String(parts[1])) else { return "" }
      let login = String(decoding: data, as: UTF8.self).split(
        separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      return login.count == 2 ? String(login[1]) : ""
    default: return ""
    }
  }

  /// The whole body. Never more than `limit` bytes are held.
  /// - Throws: `Refused` 413, 415; 400 when it breaks off.
  func body(_ request: Request, limit: Int) async throws(Refused) -> ByteBuffer {
    if let encoding = request.headers[.contentEncoding], encoding != "identity" {
      throw Refused(
        status: .unsupportedMediaType, code: "encoding",
        message: "Content-Encoding \(encoding.prefix(32)) is not there yet; send it plain")
    }
    if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limit {
      throw .tooLarge(limit)
    }
    var whole: ByteBuffer?
    do {
      for try await var part in request.body {
        guard (whole?.readableBytes ?? 0) + part.readableBytes <= limit else {
          throw Refused.tooLarge(limit)
        }
        if whole == nil { whole = part } else { whole?.writeBuffer(&part) }
      }
    } catch let refused as Refused {
      throw refused
    } catch {
      throw .badRequest("The body broke off")
    }
    return whole ?? ByteBuffer()
  }

  /// Runs what waits for the disk on a thread that may wait.
  func blocking<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
      DispatchQueue.global(qos: .userInitiated).async {
        continuation.resume(with: Result(catching: work))
      }
    }
  }
}

extension HTTPField.Name {
  static let xAPIKey = HTTPField.Name("X-API-Key")!
  static let queryTime = HTTPField.Name("X-Tsq-Time-Ms")!
}
