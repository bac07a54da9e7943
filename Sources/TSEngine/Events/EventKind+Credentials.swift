/// Kinds of events about device credentials, to and from protobuf.
extension EventKind {
  /// - Precondition: a kind of this group.
  var credentialsMessage: PBEvent.OneOf_Kind {
    switch self {
    case .credentialsIssued(let grant):
      return .credentialsIssued(
        .with {
          $0.device = grant.device
          $0.mqttUsername = grant.username
          $0.passwordHash = grant.secrets.passwordHash
          $0.apiKeyHmac = .init(grant.secrets.apiKeyHMAC)
          $0.overlap = grant.overlapNanos
        })
    case .credentialsRevoked(let device):
      return .credentialsRevoked(.with { $0.device = device })
    default: preconditionFailure("a kind of another group")
    }
  }

  static func ofCredentials(_ message: PBEvent.OneOf_Kind) throws(StorageError) -> EventKind {
    switch message {
    case .credentialsIssued(let m):
      try Known.check(m)
      guard m.apiKeyHmac.count == 32 else { throw StorageError(.corrupt, "an HMAC has 32 bytes") }
      guard m.overlap >= 0 else { throw StorageError(.corrupt, "credentials overlap by less than nothing") }
      return .credentialsIssued(
        CredentialGrant(
          device: try Known.device(m.device), username: m.mqttUsername,
          secrets: DeviceSecrets(passwordHash: m.passwordHash, apiKeyHMAC: Array(m.apiKeyHmac)),
          overlapNanos: m.overlap))
    case .credentialsRevoked(let m):
      try Known.check(m)
      return .credentialsRevoked(device: try Known.device(m.device))
    default: throw StorageError(.corrupt, "an event of another group")
    }
  }
}
