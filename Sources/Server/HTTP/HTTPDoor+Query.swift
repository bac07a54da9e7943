import Foundation
import Hummingbird
import Query
import Synchronization
import TSEngine

/// `GET/POST /api/query?q=…&format=json|csv|ndjson`. SQL comes in the query, or as the body: SQL
/// itself, a form, or `{"q","format","params"}` where `params` is a list for `$1` or an object for
/// `:name`. A DELETE must come by POST, for a link must not change anything. Rows stream; a slow reader slows its query, one that leaves ends it.
extension HTTPDoor {
  static let queryTimeoutNanos: Int64 = 60_000_000_000
  private static let concurrentQueries = 16
  /// Of all but administrators: they leave room for those.
  private static let concurrentQueriesOfOthers = 8

  /// Who enters leaves `runningQueries` again.
  func enterQuery(_ admitted: Admission) throws(Refused) {
    let limit = admitted.role == .admin ? Self.concurrentQueries : Self.concurrentQueriesOfOthers
    guard runningQueries.enter(limit: limit) else {
      throw Refused(
        status: .tooManyRequests, code: "53300", message: "Too many queries at once",
        extra: [.retryAfter: "1"])
    }
  }

  /// - Parameter admitted: sees what is theirs, and changes what they may.
  func query(
    _ asked: QueryRequest, _ admitted: Admission, cut: @escaping @Sendable () -> Void
  ) async throws -> Response {
    let started = store.options.clock.monotonicNanos()
    try enterQuery(admitted)
    metrics.add(.queries)
    let pipe = ChunkPipe(patienceNanos: readerPatienceNanos) { [metrics] in
      metrics.add(.slowReaders)
      cut()
    }
    let cancel = CancelFlag()
    let head: Result<Int64, SQLError> = await withCheckedContinuation { continuation in
      let run = QueryRun(asked, store, admitted, pipe, cancel, begun: continuation)
      DispatchQueue.global(qos: .userInitiated).async { [runningQueries, clock = store.options.clock] in
        run.run { clock.monotonicNanos() - started }
        runningQueries.leave()
      }
    }
    switch head {
    case .failure(let error): return Self.response(error)
    case .success(let nanos):
      let millis = "\(nanos / 1_000_000).\(String(nanos / 1_000 % 1_000 + 1_000).dropFirst())"
      let reader = PipeReader(pipe, cancel)
      return Response(
        status: .ok, headers: [.contentType: asked.format.contentType, .queryTime: millis],
        body: ResponseBody { writer in
          let pipe = reader.pipe
          do {
            try await pipe.drain { try await writer.write($0) }
          } catch {
            cancel.cancel()
            throw error
          }
          try await writer.finish(nil)
        })
    }
  }

  /// `{"code","message","line","column","hint"}`
  static func response(_ error: SQLError) -> Response {
    var json = JSONText()
    json.add("code", "\(error.state)")
    json.add("message", error.message)
    if let line = error.line { json.add("line", line) }
    if let column = error.column { json.add("column", column) }
    if let hint = error.hint { json.add("hint", hint) }
    let status: HTTPResponse.Status =
      switch "\(error.state)" {
      case "0A000": .notImplemented
      case "42501": .forbidden
      case "57014": .requestTimeout
      case "40001": .conflict
      case "53200", "53300": .serviceUnavailable
      case let state where state.hasPrefix("XX") || state.hasPrefix("58"): .internalServerError
      default: .badRequest
      }
    return Reply.json(status, json.closed)
  }
}

/// How many queries run.
package final class QueryGate: Sendable {
  private let count = Mutex(0)
  package init() {}

  func enter(limit: Int) -> Bool {
    count.withLock { count in
      guard count < limit else { return false }
      count += 1
      return true
    }
  }

  package var running: Int { count.withLock { $0 } }

  func leave() { count.withLock { $0 -= 1 } }
}

/// One statement on its way.
private struct QueryRun: Sendable {
  let asked: QueryRequest
  let store: Store
  let admitted: Admission
  let pipe: ChunkPipe
  let cancel: CancelFlag
  let begun: CheckedContinuation<Result<Int64, SQLError>, Never>

  init(
    _ asked: QueryRequest, _ store: Store, _ admitted: Admission, _ pipe: ChunkPipe, _ cancel: CancelFlag,
    begun: CheckedContinuation<Result<Int64, SQLError>, Never>
  ) {
    self.asked = asked
    self.store = store
    self.admitted = admitted
    self.pipe = pipe
    self.cancel = cancel
    self.begun = begun
  }

  private func prepared() throws(SQLError) -> PreparedQuery {
    let limits = QueryLimits(timeoutNanos: HTTPDoor.queryTimeoutNanos)
    let right: ChangeRight
    switch admitted.role {
    case .admin where asked.mayChange: right = .all
    case .writer: right = .insertValues
    default:
      return try QueryEngine.prepare(
        asked.sql, StoreCatalog(store.snapshot(for: admitted)), parameters: asked.parameters, named: asked.named,
        limits: limits, cancel: cancel, right: admitted.role == .admin ? .all : .none)
    }
    return try QueryEngine.execute(
      asked.sql, on: store, actor: admitted.actor, parameters: asked.parameters, named: asked.named,
      limits: limits, cancel: cancel, right: right)
  }

  /// Tells once, through `begun`, the nanoseconds to the first chunk or what is wrong.
  func run(elapsed: @escaping () -> Int64) {
    let sink = PipeSink(pipe) { begun.resume(returning: .success(elapsed())) }
    do throws(SQLError) {
      let query = try prepared()
      var writer = asked.format.writer(to: sink)
      // A reader who has gone is no failure of the query, and there is nobody to tell.
      _ = try query.run(
        into: &writer, limits: QueryLimits(timeoutNanos: HTTPDoor.queryTimeoutNanos), cancel: cancel)
      pipe.finish()
    } catch {
      if sink.hasBegun { pipe.finish(error) } else { begun.resume(returning: .failure(error)) }
    }
  }
}

/// Rendered rows on their way into the pipe. An error before the first of them is still an error
/// with a status.
private final class PipeSink: ByteSink {
  private let pipe: ChunkPipe
  private let begin: () -> Void
  private(set) var hasBegun = false

  init(_ pipe: ChunkPipe, begin: @escaping () -> Void) {
    self.pipe = pipe
    self.begin = begin
  }

  func write(_ bytes: inout [UInt8]) throws(OutputError) {
    if !hasBegun {
      hasBegun = true
      begin()
    }
    defer { bytes.removeAll(keepingCapacity: true) }
    if !pipe.send(bytes) { throw .closed }
  }

  func flush() throws(OutputError) {}
}

extension ResultFormat {
  var contentType: String {
    switch self {
    case .json: "application/json"
    case .csv: "text/csv; charset=utf-8; header=present"
    case .ndjson: "application/x-ndjson"
    }
  }
}

/// What was asked, from wherever it stood in the request.
struct QueryRequest: Sendable {
  var sql = ""
  var format = ResultFormat.json
  var parameters: [SQLValue] = []
  var named: [String: SQLValue] = [:]
  /// Whether it came in a way in which something can be changed: a link must not.
  var mayChange = false

  /// A query of the server's own; `parameters` are `$1`, `$2`, ….
  init(_ sql: String, _ parameters: [SQLValue], format: String?) throws(Refused) {
    (self.sql, self.parameters) = (sql, parameters)
    try take(format)
  }

  init(_ request: Request, _ door: HTTPDoor) async throws {
    var fields = Self.form(request.uri.query ?? "")
    switch request.method {
    case .get: break
    case .post:
      mayChange = true
      let bytes = Data(try await door.body(request, limit: 1 << 20).readableBytesView)
      let type = request.headers[.contentType] ?? ""
      if type.hasPrefix("application/json") {
        try takeJSON(bytes, &fields)
      } else if type.hasPrefix("application/x-www-form-urlencoded"), bytes.starts(with: Data("q=".utf8)) {
        fields.merge(Self.form(String(decoding: bytes, as: UTF8.self))) { $1 }
      } else if !bytes.isEmpty {
        fields["q"] = String(decoding: bytes, as: UTF8.self)
      }
    default: throw HTTPDoor.wrongMethod("GET, POST")
    }
    guard let sql = fields["q"], !sql.isEmpty else { throw Refused.badRequest("Give the SQL as q") }
    self.sql = sql
    try take(fields["format"])
  }

  private mutating func take(_ name: String?) throws(Refused) {
    guard let name else { return }
    guard let format = ResultFormat(rawValue: name) else { throw .badRequest("format is json, csv or ndjson") }
    self.format = format
  }

  private mutating func takeJSON(_ bytes: Data, _ fields: inout [String: String]) throws(Refused) {
    struct Body: Decodable {
      var q, format: String?
      var params: Parameters?
    }
    let body: Body
    do {
      body = try JSONDecoder().decode(Body.self, from: bytes)
    } catch {
      throw .badRequest(#"A JSON object {"q", "format", "params"} expected"#)
    }
    if let q = body.q { fields["q"] = q }
    if let format = body.format { fields["format"] = format }
    parameters = body.params?.list.map(\.sql) ?? []
    named = body.params?.named.mapValues(\.sql) ?? [:]
  }

  private struct Parameters: Decodable {
    var list: [Value] = []
    var named: [String: Value] = [:]

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let list = try? container.decode([Value].self) {
        self.list = list
      } else {
        named = try container.decode([String: Value].self)
      }
    }
  }

  private struct Value: Decodable {
    var sql: SQLValue

    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      if value.decodeNil() {
        sql = .null
      } else if let flag = try? value.decode(Bool.self) {
        sql = .bool(flag)
      } else if let number = try? value.decode(Int64.self) {
        sql = .int(number)
      } else if let number = try? value.decode(Double.self) {
        sql = .float(number)
      } else {
        sql = .text(try value.decode(String.self))
      }
    }
  }

  /// `a=b&c=d`, percent-decoded; a plus is a space.
  static func form(_ text: String) -> [String: String] {
    var fields: [String: String] = [:]
    for pair in text.split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      func decoded(_ part: Substring) -> String {
        let spaced = String(decoding: part.utf8.map { $0 == UInt8(ascii: "+") ? 0x20 : $0 }, as: UTF8.self)
        return spaced.removingPercentEncoding ?? spaced
      }
      fields[decoded(parts[0])] = parts.count > 1 ? decoded(parts[1]) : ""
    }
    return fields
  }
}

/// Owned by the body of an answer: when that goes unread, because the client left before it was
/// begun, the query ends and its thread is freed.
private final class PipeReader: Sendable {
  let pipe: ChunkPipe
  private let cancel: CancelFlag

  init(_ pipe: ChunkPipe, _ cancel: CancelFlag) {
    self.pipe = pipe
    self.cancel = cancel
  }

  deinit {
    cancel.cancel()
    pipe.close()
  }
}
