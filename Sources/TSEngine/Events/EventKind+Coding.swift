/// Kinds of events to and from the generated protobuf types, which nothing else in the engine sees.
///
/// Decoding checks what protobuf does not: ids, code digits, enum cases. A field or case this
/// version does not know means the log was written by a newer one; guessing would give another
/// digest than that one's, so it is refused.

extension EventKind {
  var message: PBEvent.OneOf_Kind {
    switch self {
    case .deviceDiscovered(let device, let type, let name, let interface):
      .deviceDiscovered(
        .with {
          $0.device = device
          $0.type = type
          $0.name = name
          $0.interface = interface
        })
    case .deviceCreated(let device, let type, let name):
      .deviceCreated(
        .with {
          $0.device = device
          $0.type = type
          $0.name = name
        })
    case .deviceRenamed(let device, let name):
      .deviceRenamed(
        .with {
          $0.device = device
          $0.name = name
        })
    case .deviceFieldChanged(let device, let field, let value):
      .deviceFieldChanged(
        .with {
          $0.device = device
          $0.field = field
          $0.value = value.message
        })
    case .deviceDeleted(let device):
      .deviceDeleted(.with { $0.device = device })
    case .deviceStatusChanged(let device, let status, let lastSeen, let previous):
      .deviceStatusChanged(
        .with {
          $0.device = device
          $0.status = status.message
          $0.lastSeen = lastSeen ?? 0
          $0.previous = previous?.message ?? .unspecified
        })
    case .deviceAssociated(let device, let user, let previousUser, let via):
      .deviceAssociated(
        .with {
          $0.device = device
          $0.user = user.raw
          $0.previousUser = previousUser.raw
          $0.via = via.message
        })
    case .deviceDissociated(let device, let previousUser):
      .deviceDissociated(
        .with {
          $0.device = device
          $0.previousUser = previousUser.raw
        })
    case .codeIssued(let device, let code, let expiresAt):
      .codeIssued(
        .with {
          $0.device = device
          $0.code = code.text
          $0.expiresAt = expiresAt
        })
    case .codeTried(let user, let attempt, let refusal):
      .codeTried(
        .with {
          $0.user = user.raw
          $0.attempt = attempt
          $0.refusal = refusal
        })
    case .announcementRequested(let device):
      .announcementRequested(.with { $0.device = device })
    case .announcementConfirmed(let device, let stateLSN):
      .announcementConfirmed(
        .with {
          $0.device = device
          $0.stateLsn = stateLSN
        })
    case .userCreated(let user, let name, let isAdmin, let isActive):
      .userCreated(
        .with {
          $0.user = user.raw
          $0.name = name
          $0.isAdmin = isAdmin
          $0.isActive = isActive
        })
    case .userDeleted(let user):
      .userDeleted(.with { $0.user = user.raw })
    case .userPasswordSet(let user, let hash):
      .userPasswordSet(
        .with {
          $0.user = user.raw
          $0.hash = hash
        })
    case .userFieldChanged(let user, let field, let value):
      .userFieldChanged(
        .with {
          $0.user = user.raw
          $0.field = field
          $0.value = value.message
        })
    case .tokenIssued(let grant):
      .tokenIssued(grant.message)
    case .tokenRevoked(let publicID):
      .tokenRevoked(.with { $0.publicID = publicID })
    case .typeDeclared(let schema, let label, let details):
      .typeDeclared(schema.message(label: label, details))
    case .typeSettingChanged(let type, let key, let value):
      .typeSettingChanged(
        .with {
          $0.type = type
          $0.key = key
          $0.value = value
        })
    case .tableDropped, .retentionSet, .readingsDeleted, .conflictResolved, .quarantineSettled:
      lifecycleMessage
    case .rollupDeclared, .rollupDropped: rollupMessage
    case .credentialsIssued, .credentialsRevoked: credentialsMessage
    case .commandSent, .commandPublished, .commandAnswered, .commandEnded: commandMessage
    }
  }

  init(_ message: PBEvent.OneOf_Kind) throws(StorageError) {
    switch message {
    case .deviceDiscovered(let m):
      try Known.check(m)
      self = .deviceDiscovered(
        device: try Known.device(m.device), type: m.type, name: m.name, interface: m.interface)
    case .deviceCreated(let m):
      try Known.check(m)
      self = .deviceCreated(device: try Known.device(m.device), type: m.type, name: m.name)
    case .deviceRenamed(let m):
      try Known.check(m)
      self = .deviceRenamed(device: try Known.device(m.device), name: m.name)
    case .deviceFieldChanged(let m):
      try Known.check(m)
      self = .deviceFieldChanged(
        device: try Known.device(m.device), field: m.field, value: try FieldValue(m.value))
    case .deviceDeleted(let m):
      try Known.check(m)
      self = .deviceDeleted(device: try Known.device(m.device))
    case .deviceStatusChanged(let m):
      try Known.check(m)
      self = .deviceStatusChanged(
        device: try Known.device(m.device), status: try DeviceStatus(m.status),
        lastSeen: m.lastSeen == 0 ? nil : m.lastSeen,
        previous: m.previous == .unspecified ? nil : try DeviceStatus(m.previous))
    case .deviceAssociated(let m):
      try Known.check(m)
      self = .deviceAssociated(
        device: try Known.device(m.device), user: UserID(m.user),
        previousUser: UserID(m.previousUser), via: try AssociationVia(m.via))
    case .deviceDissociated(let m):
      try Known.check(m)
      self = .deviceDissociated(
        device: try Known.device(m.device), previousUser: UserID(m.previousUser))
    case .codeIssued(let m):
      try Known.check(m)
      guard let code = AssociationCode(m.code) else {
        throw StorageError(.corrupt, "an association code is 32 lower-case hex digits")
      }
      self = .codeIssued(device: try Known.device(m.device), code: code, expiresAt: m.expiresAt)
    case .announcementRequested(let m):
      try Known.check(m)
      self = .announcementRequested(device: try Known.device(m.device))
    case .announcementConfirmed(let m):
      try Known.check(m)
      self = .announcementConfirmed(device: try Known.device(m.device), stateLSN: m.stateLsn)
    default:
      self = try Self.notOfDevices(message)
    }
  }

  private static func notOfDevices(_ message: PBEvent.OneOf_Kind) throws(StorageError) -> EventKind {
    switch message {
    case .codeTried(let m):
      try Known.check(m)
      return .codeTried(user: UserID(m.user), attempt: m.attempt, refusal: m.refusal)
    case .userCreated(let m):
      try Known.check(m)
      return .userCreated(
        user: UserID(m.user), name: m.name, isAdmin: m.isAdmin, isActive: m.isActive)
    case .userDeleted(let m):
      try Known.check(m)
      return .userDeleted(user: UserID(m.user))
    case .userPasswordSet(let m):
      try Known.check(m)
      return .userPasswordSet(user: UserID(m.user), hash: m.hash)
    case .userFieldChanged(let m):
      try Known.check(m)
      return .userFieldChanged(
        user: UserID(m.user), field: m.field, value: try FieldValue(m.value))
    case .tokenIssued(let m):
      try Known.check(m)
      return .tokenIssued(try TokenGrant(m))
    case .tokenRevoked(let m):
      try Known.check(m)
      return .tokenRevoked(publicID: m.publicID)
    case .typeDeclared(let m):
      try Known.check(m)
      return .typeDeclared(schema: try TableSchema(m), label: m.label, details: try TypeDetails(m))
    case .typeSettingChanged(let m):
      try Known.check(m)
      return .typeSettingChanged(type: m.type, key: m.key, value: m.value)
    case .tableDropped, .retentionSet, .readingsDeleted, .conflictResolved, .quarantineSettled:
      return try ofLifecycle(message)
    case .rollupDeclared, .rollupDropped: return try ofRollup(message)
    case .credentialsIssued, .credentialsRevoked: return try ofCredentials(message)
    case .commandSent, .commandPublished, .commandAnswered, .commandEnded:
      return try ofCommand(message)
    case .deviceDiscovered, .deviceCreated, .deviceRenamed, .deviceFieldChanged, .deviceDeleted,
      .deviceStatusChanged, .deviceAssociated, .deviceDissociated, .codeIssued, .announcementRequested,
      .announcementConfirmed:
      throw StorageError(.corrupt, "a device's event without its device")
    }
  }
}
