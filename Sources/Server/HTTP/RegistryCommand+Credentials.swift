import Hummingbird
import Query
import TSEngine

/// `/api/devices/{id}/credentials`.
extension RegistryCommand {
  /// New secrets, told this once; what was valid before stays so for `overlap`.
  func issueCredentials(of device: String) async throws -> Response {
    let overlap = try body.overlap.map(Self.overlapNanos) ?? 0
    let (store, actor, cause) = (door.store, actor, cause)
    let issued = try await door.blocking {
      try DeviceKeys(store).issue(for: device, overlapNanos: overlap, actor: actor, cause: cause)
    }.mapError { Refused($0) }.get()
    var json = JSONText()
    json.add("device_id", device)
    json.add("mqtt_username", issued.username)
    json.add("mqtt_password", issued.password)
    json.add("api_key", issued.apiKey)
    json.add("lsn", issued.lsn)
    return Reply.json(.created, json.closed, [.cacheControl: "no-store"])
  }

  func revokeCredentials(of device: String) async throws -> Response {
    let (_, lsn) = try await decide { $0.revokeCredentials(of: device, $1) }
    var json = JSONText()
    json.add("device_id", device)
    json.add("lsn", lsn)
    return Reply.json(json.closed)
  }

  private static func overlapNanos(_ text: String) throws(Refused) -> Int64 {
    guard let age = RetentionAge(text) else { throw .badRequest("\"overlap\" is a length of time, as 10m or 2h") }
    return age.nanos
  }
}

extension RegistryJSON {
  /// Without a secret.
  static func credentials(_ entry: Credentials.Entry) -> String {
    var json = JSONText()
    json.add("device_id", entry.device)
    json.add("mqtt_username", entry.username)
    json.add("issued_at", TimestampText.format(entry.issuedAt))
    json.add("former_valid_until", raw: list(entry.former.map { JSONText.quoted(TimestampText.format($0.until)) }))
    return json.closed
  }
}
