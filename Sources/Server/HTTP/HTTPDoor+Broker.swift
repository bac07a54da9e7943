import Foundation
import HTTPTypes
import Hummingbird
import TSEngine

/// L-50: `POST /api/broker/auth`, `/superuser` and `/acl`, as mosquitto-go-auth and mosquitto-auth-plug ask their HTTP
/// back end: `username`, `password`, `clientid`, `topic`, `acc` (1 read, 2 write, 3 both, 4 subscribe) as a form or as
/// JSON. 200 allows; 401 and 403 deny.
///
/// Only a server told so (`--broker-backend`) answers: brokers on this machine without a token, others with an
/// administrator's; whoever may ask may try passwords. A proxy in front that names nobody would let everybody ask.
extension HTTPDoor {
  /// Logins of tsq itself, and where topics lie.
  struct BrokerRules: Sendable {
    var logins: [BrokerAccess.Login] = []
    var discoveryPrefix = DiscoveryPolicy().prefix
    var thingsPrefix = ThingTopic.defaultPrefix
  }

  private static let concurrentLogins = 4
  /// What the password of nobody is compared with, so that it takes as long as a wrong one.
  private static let nobody = MosquittoPassword.hash("") { Array(repeating: 0, count: $0) }

  private struct Question {
    var username = ""
    var password = ""
    var topic = ""
    var access: Int?
  }

  func askedByBroker(_ request: Request, _ asked: String, _ context: Context) async throws -> Response {
    guard let brokerRules else {
      throw Refused.notFound("This server answers no broker; start it with --broker-backend")
    }
    // A proxy on this machine, or a page in a browser, lets others in.
    let isDirect = ["forwarded", "x-forwarded-for", "via", "x-real-ip", "origin", "referer"].allSatisfy { name in
      HTTPField.Name(name).map { request.headers[$0] == nil } ?? true
    }
    if !context.isLocal || !isDirect { _ = try admission(Self.token(request), to: .broker).get() }
    let question = try await question(request)
    let access = BrokerAccess(
      try store.wholeRegistry(), logins: brokerRules.logins, discoveryPrefix: brokerRules.discoveryPrefix,
      thingsPrefix: brokerRules.thingsPrefix)
    let isAllowed: Bool
    switch asked {
    case "auth":
      guard try await isRight(question, access) else {
        metrics.add(.authenticationFailures)
        throw Refused(status: .unauthorized, code: "unauthorized", message: "The user or the password is wrong")
      }
      isAllowed = true
    case "superuser": isAllowed = access.isSuperuser(question.username)
    default:
      isAllowed = question.access.flatMap(BrokerAccess.Wish.init).map {
        access.mayDo($0, question.topic, as: question.username)
      } ?? false
    }
    guard isAllowed else { throw Refused.forbidden("Not allowed") }
    return Reply.plain("ok")
  }

  /// A hash takes a tenth of a second on purpose: few at once, and none on the threads of connections.
  private func isRight(_ question: Question, _ access: BrokerAccess) async throws -> Bool {
    guard brokerLogins.enter(limit: Self.concurrentLogins) else {
      throw Refused(
        status: .tooManyRequests, code: "53300", message: "Too many logins at once", extra: [.retryAfter: "1"])
    }
    defer { brokerLogins.leave() }
    let now = store.options.clock.nowNanos()
    let hashes = access.passwordHashes(of: question.username, at: now)
    let password = question.password
    return try await blocking {
      if hashes.isEmpty {
        _ = MosquittoPassword.matches(password, Self.nobody)
        return false
      }
      return hashes.contains { MosquittoPassword.matches(password, $0) }
    }
  }

  private func question(_ request: Request) async throws -> Question {
    let bytes = Data(try await body(request, limit: Self.commandBodyLimit).readableBytesView)
    var question = Question()
    if request.headers[.contentType]?.hasPrefix("application/json") ?? false {
      guard case .object(let members)? = JSONTree.parse(Array(bytes)) else {
        throw Refused.badRequest("A JSON object expected: username, password, clientid, topic, acc")
      }
      func text(_ name: String) -> String { if case .text(let text)? = members[name] { text } else { "" } }
      (question.username, question.password, question.topic) = (text("username"), text("password"), text("topic"))
      if case .int(let code)? = members["acc"] { question.access = Int(code) } else { question.access = Int(text("acc")) }
    } else {
      let fields = QueryRequest.form(String(decoding: bytes, as: UTF8.self))
      question.username = fields["username"] ?? ""
      question.password = fields["password"] ?? ""
      question.topic = fields["topic"] ?? ""
      question.access = fields["acc"].flatMap { Int($0) }
    }
    return question
  }
}
