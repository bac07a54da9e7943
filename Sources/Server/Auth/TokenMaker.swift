import TSEngine

/// Makes tokens: random, shown once and kept as an HMAC alone (S4).
package struct TokenMaker: Sendable {
  /// As shown, once, to whoever asked for it.
  package struct Issued: Sendable {
    package let token: String
    package let publicID: String
    package let expiresAt: Int64
    package let lsn: LSN
  }

  /// Longer than any needs to be.
  private static let longestNanos: Int64 = 3_650 * 86_400_000_000_000

  private let store: Store
  private let key: [UInt8]

  /// - Throws: as `TokenKey.open`.
  package init(_ store: Store) throws(StorageError) {
    self.store = store
    key = try TokenKey.open(store)
  }

  /// How long a token lives where nobody says: a service's a year, a device's 90 days, a person's half a day.
  private static func lifetimeNanos(_ role: TokenRole) -> Int64 {
    switch role {
    case .admin, .writer, .reader: 365 * 86_400_000_000_000
    case .device: 90 * 86_400_000_000_000
    case .user: 43_200_000_000_000
    }
  }

  /// A token of `role` for `user` or `device`; durable on return.
  package func issue(
    _ role: TokenRole, user: UserID? = nil, device: String? = nil, label: String = "", lifetimeNanos: Int64? = nil,
    actor: Actor, cause: Cause = Cause()
  ) throws(StorageError) -> Result<Issued, Refusal> {
    let rng = store.options.rng
    let publicID = "\(role.rawValue)-\(Hex.text(Array(TokenKey.random(rng).prefix(6))))"
    let token = Authority.token(publicID, secret: TokenKey.random(rng))
    let lifetime = lifetimeNanos ?? Self.lifetimeNanos(role)
    guard (1...Self.longestNanos).contains(lifetime) else { return .failure(.invalidValue) }
    let grant = TokenGrant(
      publicID: publicID, hmac: HMAC.code(Array(token.utf8), key: key), role: role,
      expiresAt: store.options.clock.nowNanos() + lifetime, user: user, device: device, label: label)
    let taken = try store.decide(actor: actor, cause: cause) { $0.issueToken(grant, $1) }
    return taken.result.map { Issued(token: token, publicID: publicID, expiresAt: grant.expiresAt, lsn: taken.lsn) }
  }
}
