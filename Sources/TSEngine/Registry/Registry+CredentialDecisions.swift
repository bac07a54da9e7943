/// What devices prove themselves with (D-14).
extension Registry {
  /// A broker takes no longer name of us.
  package static let usernameLimit = 128
  /// How long replaced secrets can stay valid beside the new ones.
  package static let overlapLimitNanos: Int64 = 30 * 86_400_000_000_000

  /// `tsq-<type>device-<device>`, the type without its underscores.
  package static func mqttUsername(type: String, device: String) -> String {
    "tsq-\(type.replacing("_", with: ""))device-\(device)"
  }

  /// Replaces what the device had; with an overlap the old stays valid beside the new that long.
  /// The value is the MQTT name.
  package func issueCredentials(
    of device: String, _ secrets: DeviceSecrets, overlapNanos: Int64 = 0, _ context: DecisionContext
  ) -> Decision<String> {
    guard let known = devices[device] else { return .refused(.unknownDevice) }
    guard secrets.passwordHash.hasPrefix("$7$"), secrets.passwordHash.utf8.count <= 256,
      secrets.apiKeyHMAC.count == 32, (0...Self.overlapLimitNanos).contains(overlapNanos)
    else { return .refused(.invalidValue) }
    let username = Self.mqttUsername(type: known.type, device: device)
    guard username.utf8.count <= Self.usernameLimit else { return .refused(.longUsername) }
    let grant = CredentialGrant(
      device: device, username: username, secrets: secrets, overlapNanos: overlapNanos)
    return Decision(events: [context.event(self, .credentialsIssued(grant))], result: .success(username))
  }

  /// Takes all secrets of the device away, also those that overlap.
  package func revokeCredentials(of device: String, _ context: DecisionContext) -> Decision<Void> {
    guard devices.contains(device) else { return .refused(.unknownDevice) }
    guard credentials[device] != nil else { return .refused(.unknownCredentials) }
    return Decision(
      events: [context.event(self, .credentialsRevoked(device: device))], result: .success(()))
  }
}
