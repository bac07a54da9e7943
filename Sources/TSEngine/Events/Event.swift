/// One fact about the registry, as the rest of the engine sees it. Kept for ever.
package struct Event: Sendable, Equatable {
  /// Its place in the log; 0 until the log has given one. Not part of its bytes.
  package var lsn: LSN
  package var id: EventID
  /// Nanoseconds since the Unix epoch by the server's clock. `FOR SYSTEM_TIME` goes by this.
  package var recordedAt: Int64
  /// When it holds in the world; `owner` and bills go by this. Equals `recordedAt` as a rule.
  package var effectiveAt: Int64
  package var actor: Actor
  package var cause: Cause
  /// Joins the records of one request across the log; at most 256 bytes.
  package var correlation: String
  package var kind: EventKind

  package init(
    lsn: LSN = 0, id: EventID, recordedAt: Int64, effectiveAt: Int64? = nil, actor: Actor,
    cause: Cause = Cause(), correlation: String = "", kind: EventKind
  ) {
    self.lsn = lsn
    self.id = id
    self.recordedAt = recordedAt
    self.effectiveAt = effectiveAt ?? recordedAt
    self.actor = actor
    self.cause = cause
    self.correlation = correlation
    self.kind = kind
  }
}

/// Who did it.
package struct Actor: Sendable, Equatable {
  package enum Kind: String, Sendable, CaseIterable {
    case system, user, token, device, `operator`, daemon
  }
  package var kind: Kind
  package var id: String

  package init(_ kind: Kind, _ id: String = "") {
    self.kind = kind
    self.id = id
  }

  package static let system = Actor(.system)
}

/// Why it was done.
package struct Cause: Sendable, Equatable {
  /// An earlier record of the same log, or 0.
  package var lsn: LSN
  /// Topic or request.
  package var message: String
  /// A person's words.
  package var reason: String

  package init(lsn: LSN = 0, message: String = "", reason: String = "") {
    self.lsn = lsn
    self.message = message
    self.reason = reason
  }
}

/// What happened. Docs/FORMAT.md has the number of each kind.
package enum EventKind: Sendable, Equatable {
  case deviceDiscovered(device: String, type: String, name: String, interface: String)
  case deviceCreated(device: String, type: String, name: String)
  case deviceRenamed(device: String, name: String)
  case deviceFieldChanged(device: String, field: String, value: FieldValue)
  case deviceDeleted(device: String)
  /// `lastSeen` is as far as it is known then; nil is never. `previous` is what the device was before; nil in events of
  /// versions that did not say.
  case deviceStatusChanged(device: String, status: DeviceStatus, lastSeen: Int64?, previous: DeviceStatus? = nil)

  case deviceAssociated(
    device: String, user: UserID, previousUser: UserID, via: AssociationVia)
  case deviceDissociated(device: String, previousUser: UserID)
  case codeIssued(device: String, code: AssociationCode, expiresAt: Int64)
  case codeTried(user: UserID, attempt: UInt32, refusal: String)
  case announcementRequested(device: String)
  case announcementConfirmed(device: String, stateLSN: LSN)

  case userCreated(user: UserID, name: String, isAdmin: Bool, isActive: Bool)
  case userDeleted(user: UserID)
  case userPasswordSet(user: UserID, hash: String)
  case userFieldChanged(user: UserID, field: String, value: FieldValue)

  case tokenIssued(TokenGrant)
  case tokenRevoked(publicID: String)
  case credentialsIssued(CredentialGrant)
  case credentialsRevoked(device: String)

  /// An abstract type has no table: its id is 0.
  case typeDeclared(schema: TableSchema, label: String, details: TypeDetails = TypeDetails())
  case commandSent(CommandOrder)
  case commandPublished(id: String, device: String)
  case commandAnswered(id: String, device: String, isDone: Bool, answer: String)
  case commandEnded(id: String, device: String, end: CommandEnd, reason: String)
  case typeSettingChanged(type: String, key: String, value: String)
  /// All readings of the table and of its quarantine are gone, and its name is free. `rows` and `bytes`
  /// are what whoever did it was shown.
  case tableDropped(table: TableID, rows: UInt64, bytes: UInt64)

  /// Readings before `floor` are gone and later ones below it expire; `.min` keeps all from now on.
  case retentionSet(table: TableID, floor: Int64)
  /// `rows` and `bytes` are what whoever did it was shown.
  case readingsDeleted(table: TableID, spans: [SeriesSpans], rows: UInt64, bytes: UInt64)
  /// The version that `chosenLSN` brought is right; the frame behind this event repeats it.
  case conflictResolved(series: SeriesKey, time: Int64, chosenLSN: LSN)
  /// These readings leave the quarantine of `table`; released ones follow as frames, moved by `shift`.
  case quarantineSettled(
    table: TableID, spans: [SeriesSpans], action: QuarantineAction, shift: Int64, rows: UInt64)

  /// Buckets of `every` nanoseconds over the readings; no columns mean all that are numbers.
  case rollupDeclared(table: TableID, every: Int64, columns: [ColumnID])
  case rollupDropped(table: TableID, every: Int64)
}

/// Instants of one series, or of all series of a table.
package struct SeriesSpans: Sendable, Equatable {
  /// Empty, with probe 0: all series, those to come too.
  package var device: String
  package var probe: Int32
  /// Ascending and apart from each other.
  package var times: [ClosedRange<Int64>]

  package init(device: String, probe: Int32, times: [ClosedRange<Int64>]) {
    self.device = device
    self.probe = probe
    self.times = times
  }

  /// Instants of all series of a table.
  package static func everySeries(_ times: [ClosedRange<Int64>]) -> SeriesSpans {
    SeriesSpans(device: "", probe: 0, times: times)
  }

  package var isOfEverySeries: Bool { device.isEmpty && probe == 0 }
}

package enum QuarantineAction: String, Sendable, CaseIterable { case released, dropped }

package enum AssociationVia: String, Sendable { case claim, admin }

package enum FieldValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case int(Int64)
  case float(Double)
  case text(String)
  /// JSON text, kept as it came.
  case json(String)
}

package enum TokenRole: String, Sendable, CaseIterable {
  case admin, writer, reader, device, user
}

/// What a device proves itself with; the secrets are known to their holder alone.
package struct CredentialGrant: Sendable, Equatable {
  package var device: String
  /// `tsq-<type>device-<device>`
  package var username: String
  package var secrets: DeviceSecrets
  /// How long what was valid before stays so, at most; 0: no longer.
  package var overlapNanos: Int64

  package init(device: String, username: String, secrets: DeviceSecrets, overlapNanos: Int64) {
    self.device = device
    self.username = username
    self.secrets = secrets
    self.overlapNanos = overlapNanos
  }
}

/// A password and an API key as the registry knows them.
package struct DeviceSecrets: Sendable, Equatable {
  /// PBKDF2-SHA512 in mosquitto's form, `$7$iterations$salt$hash`.
  package var passwordHash: String
  /// HMAC-SHA-256 of the API key, 32 bytes.
  package var apiKeyHMAC: [UInt8]

  package init(passwordHash: String, apiKeyHMAC: [UInt8]) {
    self.passwordHash = passwordHash
    self.apiKeyHMAC = apiKeyHMAC
  }
}

/// What a token allows; its secret is known to its holder alone.
package struct TokenGrant: Sendable, Equatable {
  package var publicID: String
  /// HMAC-SHA-256 of the secret, 32 bytes.
  package var hmac: [UInt8]
  package var role: TokenRole
  /// Nanoseconds since the Unix epoch; from then on it is refused.
  package var expiresAt: Int64
  package var user: UserID?
  package var device: String?
  package var label: String

  package init(
    publicID: String, hmac: [UInt8], role: TokenRole, expiresAt: Int64, user: UserID? = nil,
    device: String? = nil, label: String = ""
  ) {
    self.publicID = publicID
    self.hmac = hmac
    self.role = role
    self.expiresAt = expiresAt
    self.user = user
    self.device = device
    self.label = label
  }
}
