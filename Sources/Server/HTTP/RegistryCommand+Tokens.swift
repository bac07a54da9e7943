import Hummingbird
import Query
import TSEngine

/// `POST /api/tokens` and `DELETE /api/tokens/{public_id}`: the table `credentials` lists them.
extension RegistryCommand {
  /// `{"role":"user","user":"ann"}` or `{"role":"device","device":"…"}` or `{"role":"admin"}`, and perhaps `label`
  /// and `lifetime`. The token is told this once.
  func createToken() async throws -> Response {
    let word = try field(body.role, "role")
    guard let role = TokenRole(rawValue: word), role != .writer, role != .reader else {
      throw Refused.badRequest("\"role\" is admin, device or user")
    }
    let user = role == .user ? try person(field(body.user, "user")) : nil
    let device = role == .device ? try field(body.device, "device") : nil
    var lifetime: Int64?
    if let text = body.lifetime {
      guard let age = RetentionAge(text) else { throw Refused.badRequest("\"lifetime\" is a length of time, as 12h or 90d") }
      lifetime = age.nanos
    }
    let (store, actor, cause, label) = (door.store, actor, cause, body.label ?? "")
    let issued = try await door.blocking { [lifetime] in
      try TokenMaker(store).issue(
        role, user: user, device: device, label: label, lifetimeNanos: lifetime, actor: actor, cause: cause)
    }.mapError { Refused($0) }.get()
    var json = JSONText()
    json.add("token", issued.token)
    json.add("public_id", issued.publicID)
    json.add("role", role.rawValue)
    json.add("expires_at", TimestampText.format(issued.expiresAt))
    json.add("lsn", issued.lsn)
    return Reply.json(.created, json.closed, [.cacheControl: "no-store"])
  }

  func revokeToken(_ publicID: String) async throws -> Response {
    let (_, lsn) = try await decide { $0.revokeToken(publicID, $1) }
    var json = JSONText()
    json.add("public_id", publicID)
    json.add("lsn", lsn)
    return Reply.json(json.closed)
  }
}
