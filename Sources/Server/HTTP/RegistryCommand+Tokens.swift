import Hummingbird
import Query
import TSEngine

/// `POST /api/tokens` and `DELETE /api/tokens/{public_id}`.
extension RegistryCommand {
  /// `{"role":"user","user":"ann"}` or `{"role":"device","device":"…"}` or `{"role":"reader"}`, and perhaps `label`
  /// and `lifetime`. The token is told this once.
  func createToken() async throws -> Response {
    let word = try field(body.role, "role")
    guard let role = TokenRole(rawValue: word) else {
      throw Refused.badRequest("\"role\" is \(TokenRole.allCases.map(\.rawValue).joined(separator: ", "))")
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
    var json = JSONText()
    guard let token = try door.store.wholeRegistry().tokens[publicID], token.revokedAt == nil else {
      throw Refused(.unknownToken)
    }
    json.add("public_id", publicID)
    json.add("role", token.grant.role.rawValue)
    if isDryRun {
      json.add("dry_run", true)
    } else {
      json.add("lsn", try await decide { $0.revokeToken(publicID, $1) }.1)
    }
    return Reply.json(json.closed)
  }
}

extension RegistryJSON {
  /// Without a secret.
  static func token(_ token: Tokens.Token, _ registry: Registry, now: Int64) -> String {
    var json = JSONText()
    func add(_ name: String, _ text: String?) { json.add(name, raw: text.map { JSONText.quoted($0) } ?? "null") }
    add("public_id", token.grant.publicID)
    add("role", token.grant.role.rawValue)
    add("user", token.grant.user.map { registry.users[$0]?.name ?? $0.text })
    add("device", token.grant.device)
    add("label", token.grant.label)
    add("state", token.state(at: now).rawValue)
    add("issued_at", TimestampText.format(token.issuedAt))
    add("expires_at", TimestampText.format(token.grant.expiresAt))
    add("revoked_at", token.revokedAt.map { TimestampText.format($0) })
    return json.closed
  }
}
