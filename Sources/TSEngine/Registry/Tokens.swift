import HashTreeCollections

/// Tokens by public id. Expired ones stay until a clock is asked; revoked ones stay for ever, so
/// that a public id is never given twice.
package struct Tokens: Sendable, Equatable {
  package struct Token: Sendable, Equatable {
    package let grant: TokenGrant
    package let issuedAt: Int64
    package var revokedAt: Int64?

    package enum State: String, Sendable { case valid, expired, revoked }
    package func state(at now: Int64) -> State {
      if revokedAt != nil { return .revoked }
      return now < grant.expiresAt ? .valid : .expired
    }
    package func isValid(at now: Int64) -> Bool { state(at: now) == .valid }
  }

  private var byPublicID: TreeDictionary<String, Token> = [:]
  /// Public ids of tokens not revoked, by whom they stand for.
  private var byUser: TreeDictionary<UserID, TreeSet<String>> = [:]
  private var byDevice: TreeDictionary<String, TreeSet<String>> = [:]

  package init() {}

  package var count: Int { byPublicID.count }
  package subscript(publicID: String) -> Token? { byPublicID[publicID] }
  /// Ascending by public id. O(n log n).
  package func sorted() -> [Token] {
    byPublicID.values.sorted { $0.grant.publicID < $1.grant.publicID }
  }

  /// How many tokens of `device` are not revoked.
  package func valid(of device: String) -> Int { byDevice[device]?.count ?? 0 }

  /// Those that stand for `viewer` and are not revoked. O(of them).
  func only(_ viewer: Viewer) -> Tokens {
    let (ids, role): (TreeSet<String>?, TokenRole) =
      switch viewer {
      case .user(let user): (byUser[user], .user)
      case .device(let device): (byDevice[device], .device)
      }
    var some = Tokens()
    for id in ids ?? [] {
      if let token = byPublicID[id], token.grant.role == role { some.add(token) }
    }
    return some
  }

  mutating func apply(_ event: Event) {
    switch event.kind {
    case .tokenIssued(let grant):
      guard byPublicID[grant.publicID] == nil else { return }
      add(Token(grant: grant, issuedAt: event.recordedAt))
    case .tokenRevoked(let publicID):
      revoke(publicID, event.recordedAt)
    case .userDeleted(let user):
      for publicID in byUser[user] ?? [] { revoke(publicID, event.recordedAt) }
    case .deviceDeleted(let device):
      for publicID in byDevice[device] ?? [] { revoke(publicID, event.recordedAt) }
    default: break
    }
  }

  private mutating func add(_ token: Token) {
    byPublicID[token.grant.publicID] = token
    guard token.revokedAt == nil else { return }
    if let user = token.grant.user { byUser[user, default: []].insert(token.grant.publicID) }
    if let device = token.grant.device { byDevice[device, default: []].insert(token.grant.publicID) }
  }

  private mutating func revoke(_ publicID: String, _ instant: Int64) {
    guard var token = byPublicID[publicID], token.revokedAt == nil else { return }
    token.revokedAt = instant
    byPublicID[publicID] = token
    if let user = token.grant.user { Self.drop(publicID, from: &byUser, user) }
    if let device = token.grant.device { Self.drop(publicID, from: &byDevice, device) }
  }

  private static func drop<Key>(
    _ publicID: String, from index: inout TreeDictionary<Key, TreeSet<String>>, _ key: Key
  ) {
    guard var rest = index[key] else { return }
    rest.remove(publicID)
    index[key] = rest.isEmpty ? nil : rest
  }
}

extension Tokens: Checkpointed {
  func encode(into writer: inout ByteWriter) {
    writer.varint(byPublicID.count)
    for token in sorted() {
      writer.string(token.grant.publicID)
      writer.varint(token.grant.hmac.count)
      writer.append(token.grant.hmac)
      writer.string(token.grant.role.rawValue)
      writer.put(token.grant.expiresAt)
      writer.put(token.grant.user?.raw ?? 0)
      writer.string(token.grant.device ?? "")
      writer.string(token.grant.label)
      writer.put(token.issuedAt)
      writer.optional(token.revokedAt)
    }
  }

  init(from reader: inout ByteReader) throws(StorageError) {
    for _ in 0..<(try reader.count(limit: reader.remaining)) {
      let publicID = try reader.string()
      var hmac: [UInt8] = []
      for _ in 0..<(try reader.count(limit: reader.remaining)) {
        hmac.append(try reader.next(UInt8.self))
      }
      guard let role = TokenRole(rawValue: try reader.string()) else {
        throw StorageError(.corrupt, "token role", offset: reader.offset)
      }
      let expiresAt = try reader.next(Int64.self)
      let user = try reader.next(UInt64.self)
      let device = try reader.string()
      let grant = TokenGrant(
        publicID: publicID, hmac: hmac, role: role, expiresAt: expiresAt,
        user: user == 0 ? nil : UserID(user), device: device.isEmpty ? nil : device,
        label: try reader.string())
      add(
        Token(grant: grant, issuedAt: try reader.next(Int64.self), revokedAt: try reader.optional()))
    }
  }
}
