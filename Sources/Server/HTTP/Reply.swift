import Hummingbird
import TSEngine

/// An answer before it is one of Hummingbird's.
enum Reply {
  static func json(_ text: String) -> Response { json(.ok, text) }

  static func json(
    _ status: HTTPResponse.Status, _ text: String, _ extra: HTTPFields = [:]
  ) -> Response {
    body(status, text, "application/json", extra)
  }

  static func plain(_ text: String) -> Response { body(.ok, text, "text/plain; charset=utf-8", [:]) }

  static func metrics(_ text: String) -> Response {
    body(.ok, text, "text/plain; version=0.0.4; charset=utf-8", [:])
  }

  static func empty(_ status: HTTPResponse.Status) -> Response {
    Response(status: status, headers: [.contentLength: "0"])
  }

  private static func body(
    _ status: HTTPResponse.Status, _ text: String, _ type: String, _ extra: HTTPFields
  ) -> Response {
    var headers: HTTPFields = [.contentType: type, .contentLength: "\(text.utf8.count)"]
    headers.append(contentsOf: extra)
    return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
  }
}

/// A request that is not granted, as the registry's and the query's callers see it.
struct Refused: Error {
  var status: HTTPResponse.Status
  /// A word for programs: a registry refusal's name or a SQLSTATE.
  var code: String
  var message: String
  var extra: HTTPFields = [:]

  static let unauthorized = Refused(
    status: .unauthorized, code: "unauthorized", message: "A valid token is needed",
    extra: [.wwwAuthenticate: #"Bearer realm="tsq""#])
  static func forbidden(_ message: String) -> Refused {
    Refused(status: .forbidden, code: "forbidden", message: message)
  }
  static func badRequest(_ message: String) -> Refused {
    Refused(status: .badRequest, code: "invalid", message: message)
  }
  static func notFound(_ message: String) -> Refused {
    Refused(status: .notFound, code: "notFound", message: message)
  }
  static func notYet(_ what: String) -> Refused {
    Refused(status: .notImplemented, code: "0A000", message: "\(what) is not there yet")
  }
  static func tooLarge(_ limit: Int) -> Refused {
    Refused(status: .contentTooLarge, code: "tooLarge", message: "The body is larger than \(limit) bytes")
  }

  init(status: HTTPResponse.Status, code: String, message: String, extra: HTTPFields = [:]) {
    self.status = status
    self.code = code
    self.message = message
    self.extra = extra
  }

  /// What the store said. Values and paths stay here.
  init(_ error: StorageError) {
    var retrySeconds: Int?
    switch error.code {
    case .overloaded: (status, retrySeconds) = (.tooManyRequests, 1)
    case .diskFull: (status, retrySeconds) = (.serviceUnavailable, 10)
    case .failStopped, .closed, .io: (status, retrySeconds) = (.serviceUnavailable, 30)
    case .invalid: status = .badRequest
    case .conflict: status = .conflict
    default: status = .internalServerError
    }
    code = error.code.rawValue
    message =
      switch error.code {
      case .overloaded: "More comes in than can be written; try again"
      case .diskFull: "The disk is full; nothing of this was stored"
      case .failStopped: "The disk refused an earlier sync; nothing is written until the server is started anew"
      case .closed: "The server is stopping"
      case .io: "The disk refused it"
      default: error.reason
      }
    if let retrySeconds { extra[.retryAfter] = "\(retrySeconds)" }
  }

  init(_ refusal: Refusal) {
    switch refusal {
    case .unknownDevice, .unknownUser, .unknownType, .unknownToken, .unknownCredentials, .unknownCommand: status = .notFound
    case .nameTaken, .exists, .alreadyAssociated, .notAssociated, .beforeExisting, .incompatibleType:
      status = .conflict
    case .locked: status = .tooManyRequests
    default: status = .badRequest
    }
    if case .locked = refusal { code = "locked" } else { code = "\(refusal)" }
    message = refusal.sentence
  }

  /// `{"code","message"}`
  var response: Response {
    var json = JSONText()
    json.add("code", code)
    json.add("message", message)
    return Reply.json(status, json.closed, extra)
  }

  /// `{"error","path"}`, as meters know it.
  func frameResponse(path: String = "") -> Response {
    var json = JSONText()
    json.add("error", message)
    json.add("path", path)
    return Reply.json(status, json.closed, extra)
  }
}
