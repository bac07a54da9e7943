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

  /// All names.
  static let names: Set<String> = [
    "device.discovered", "device.created", "device.renamed", "device.field_changed", "device.deleted",
    "device.status_changed", "device.associated", "device.dissociated", "code.issued", "code.tried",
    "announcement.requested", "announcement.confirmed", "user.created", "user.deleted", "user.password_set",
    "user.field_changed", "token.issued", "token.revoked", "credentials.issued", "credentials.revoked", "command.sent",
    "command.published", "command.answered", "command.ended", "type.declared", "type.setting_changed", "table.dropped",
    "retention.set", "readings.deleted", "conflict.resolved", "quarantine.settled", "rollup.declared", "rollup.dropped",
  ]

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
