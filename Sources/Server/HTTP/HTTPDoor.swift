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
    do {
      return try await route(request, Self.segments(request.uri.path), context)
    } catch let refused as Refused {
      return refused.response
    } catch let error as StorageError {
      return Refused(error).response
    }
  }

  private func route(_ request: Request, _ path: [String], _ context: Context) async throws -> Response {
    let access = try HTTPRoute.find(path, request.method).access
    switch access {
    case .open: return try await openly(request, path)
    // Frames carry tokens of their own.
    case .send where path == ["powermon", "data"]: return await postFrames(request, to: access)
    case .broker: return try await askedByBroker(request, path[2], context)
    default: return try await answer(request, path, by: try admission(Self.token(request), to: access).get(), context)
    }
  }

  private func openly(_ request: Request, _ path: [String]) async throws -> Response {
    switch path {
    case []:
      return Reply.plain("tsq: frames at /powermon/data, SQL at /api/query; the dashboard is not there yet\n")
    case ["ping"]: return Reply.empty(.noContent)
    case ["health"]: return Reply.json(#"{"name":"tsq","status":"pass"}"#)
    case ["ready"]: return ready()
    case ["time"]: return Reply.json(#"{"time_ms":\#(store.options.clock.nowNanos() / 1_000_000)}"#)
    case ["powermon", "boot"]: return try await boot(request)
    default: throw Refused.notFound("There is nothing at this path")
    }
  }

  private func answer(
    _ request: Request, _ path: [String], by admitted: Admission, _ context: Context
  ) async throws -> Response {
    switch (path.first, path.count) {
    case ("time", 1): return try await time(request, admitted)
    case ("metrics", 1): return Reply.metrics(metrics.text(store, runningQueries: runningQueries.running))
    case ("powermon", 1): return try await listFrames(request)
    case ("powermon", 3): throw notASocket(path[2], admitted)
    case ("api", 2) where path[1] == "query":
      return try await query(try await QueryRequest(request, self), admitted, cut: context.cut)
    case ("api", 2...): return try await registry(request, Array(path.dropFirst()), admitted, context)
    default: throw Refused.notFound("There is nothing at this path")
    }
  }

  /// A request for a meter's channel that did not get one.
  private func notASocket(_ sensor: String, _ admitted: Admission) -> Refused {
    guard PowerFrameParser.isSensorID(sensor) else {
      return .notFound("A meter's channel is /powermon/data/<sensor>, letters and six digits")
    }
    guard admitted.isFor(sensor) else { return .forbidden("This token is another device's") }
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

  /// The parts of a path, decoded; a trailing slash means nothing.
  static func segments(_ path: String) -> [String] {
    path.split(separator: "/").map { $0.removingPercentEncoding ?? String($0) }
  }

  /// Who has `token`, or why they do not come in where `access` is asked for.
  func admission(_ token: String?, to access: HTTPRoute.Access) -> Result<Admission, Refused> {
    let admitted: Admission
    switch authority.verdict(token) {
    case .admitted(let actor): admitted = Admission(actor: actor, role: .admin)
    case .service(let role, let actor): admitted = Admission(actor: actor, role: role)
    case .device(let device, let actor): admitted = Admission(actor: actor, role: .device, viewer: .device(device))
    case .user(let user, let actor): admitted = Admission(actor: actor, role: .user, viewer: .user(user))
    case .unknown:
      metrics.add(.authenticationFailures)
      return .failure(.unauthorized)
    }
    guard access.admits(admitted.role) else {
      metrics.add(.authenticationFailures)
      return .failure(.forbidden(admitted.role))
    }
    return .success(admitted)
  }

  /// The store as whoever was admitted may see it. Codes by which devices are claimed are for administrators.
  func snapshot(for admitted: Admission) -> Snapshot { store.snapshot(for: admitted) }

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

extension Store {
  func snapshot(for admitted: Admission) -> Snapshot {
    if let viewer = admitted.viewer { return snapshot().seen(by: viewer) }
    return admitted.role == .admin ? snapshot() : snapshot().withoutCodes()
  }
}

extension HTTPField.Name {
  static let xAPIKey = HTTPField.Name("X-API-Key")!
  static let queryTime = HTTPField.Name("X-Tsq-Time-Ms")!
  static let nextLSN = HTTPField.Name("X-Tsq-Next-Lsn")!
  static let newestLSN = HTTPField.Name("X-Tsq-Lsn")!
}
