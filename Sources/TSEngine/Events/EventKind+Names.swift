extension EventKind {
  /// As a person and `tsq events` name it.
  package var name: String {
    switch self {
    case .deviceDiscovered: "device.discovered"
    case .deviceCreated: "device.created"
    case .deviceRenamed: "device.renamed"
    case .deviceFieldChanged: "device.field_changed"
    case .deviceDeleted: "device.deleted"
    case .deviceStatusChanged: "device.status_changed"
    case .deviceAssociated: "device.associated"
    case .deviceDissociated: "device.dissociated"
    case .codeIssued: "code.issued"
    case .codeTried: "code.tried"
    case .announcementRequested: "announcement.requested"
    case .announcementConfirmed: "announcement.confirmed"
    case .userCreated: "user.created"
    case .userDeleted: "user.deleted"
    case .userPasswordSet: "user.password_set"
    case .userFieldChanged: "user.field_changed"
    case .tokenIssued: "token.issued"
    case .tokenRevoked: "token.revoked"
    case .credentialsIssued: "credentials.issued"
    case .credentialsRevoked: "credentials.revoked"
    case .commandSent: "command.sent"
    case .commandPublished: "command.published"
    case .commandAnswered: "command.answered"
    case .commandEnded: "command.ended"
    case .typeDeclared: "type.declared"
    case .typeSettingChanged: "type.setting_changed"
    case .tableDropped: "table.dropped"
    case .retentionSet: "retention.set"
    case .readingsDeleted: "readings.deleted"
    case .conflictResolved: "conflict.resolved"
    case .quarantineSettled: "quarantine.settled"
    case .rollupDeclared: "rollup.declared"
    case .rollupDropped: "rollup.dropped"
    }
  }

  /// The field of `Event` that holds a kind, by the kind's name (events.proto).
  static let fields: [String: Int] = [
    "device.discovered": 20, "device.created": 21, "device.renamed": 22, "device.field_changed": 23,
    "device.deleted": 24, "device.status_changed": 25, "device.associated": 40, "device.dissociated": 41,
    "code.issued": 42, "code.tried": 43, "announcement.requested": 44, "announcement.confirmed": 45,
    "user.created": 60, "user.deleted": 61, "user.password_set": 62, "user.field_changed": 63, "token.issued": 80,
    "token.revoked": 81, "credentials.issued": 100, "credentials.revoked": 101, "command.sent": 130,
    "command.published": 131, "command.answered": 132, "command.ended": 133, "type.declared": 110,
    "type.setting_changed": 111, "table.dropped": 112, "retention.set": 150, "readings.deleted": 160,
    "conflict.resolved": 190, "quarantine.settled": 200, "rollup.declared": 170, "rollup.dropped": 171,
  ]

  /// All names.
  static let names = Set(fields.keys)

  /// The device it is about, or nil.
  package var device: String? {
    switch self {
    case .deviceDiscovered(let device, _, _, _), .deviceCreated(let device, _, _),
      .deviceRenamed(let device, _), .deviceFieldChanged(let device, _, _),
      .deviceDeleted(let device), .deviceStatusChanged(let device, _, _, _), .deviceAssociated(let device, _, _, _),
      .deviceDissociated(let device, _), .codeIssued(let device, _, _),
      .announcementRequested(let device), .announcementConfirmed(let device, _),
      .credentialsRevoked(let device):
      device
    case .credentialsIssued(let grant): grant.device
    case .commandSent(let order): order.device
    case .commandPublished(_, let device), .commandAnswered(_, let device, _, _),
      .commandEnded(_, let device, _, _):
      device
    case .tokenIssued(let grant): grant.device
    case .conflictResolved(let series, _, _): series.device
    case .codeTried, .userCreated, .userDeleted, .userPasswordSet, .userFieldChanged,
      .tokenRevoked, .typeDeclared, .typeSettingChanged, .tableDropped, .retentionSet,
      .readingsDeleted, .quarantineSettled, .rollupDeclared, .rollupDropped:
      nil
    }
  }

  /// The user it is about, or nil; for a dissociation the one who had the device.
  package var user: UserID? {
    switch self {
    case .deviceAssociated(_, let user, _, _), .deviceDissociated(_, let user),
      .codeTried(let user, _, _), .userCreated(let user, _, _, _), .userDeleted(let user),
      .userPasswordSet(let user, _), .userFieldChanged(let user, _, _):
      user
    case .tokenIssued(let grant): grant.user
    case .deviceDiscovered, .deviceCreated, .deviceRenamed, .deviceFieldChanged, .deviceDeleted,
      .deviceStatusChanged, .codeIssued, .announcementRequested, .announcementConfirmed, .tokenRevoked, .typeDeclared,
      .typeSettingChanged, .tableDropped, .retentionSet, .readingsDeleted, .conflictResolved,
      .quarantineSettled, .rollupDeclared, .rollupDropped, .credentialsIssued, .credentialsRevoked,
      .commandSent, .commandPublished, .commandAnswered, .commandEnded:
      nil
    }
  }
}
