import Synchronization
import TSEngine

/// Who may come in. Knows tokens and API keys by their HMACs alone; a token is
/// `tsq_<public id>_<64 hex digits>`, or what TSQ_ADMIN_TOKEN says; an API key is 64 hex digits.
package final class Authority: Sendable {
  package enum Verdict: Sendable, Equatable {
    case admitted(Actor)
    /// A device, for what is its own.
    case device(String, Actor)
    /// A person, for reading what is theirs.
    case user(UserID, Actor)
    /// No token, or one that is not known, expired or revoked: not told apart.
    case unknown
    /// A writer or a reader.
    case service(TokenRole, Actor)
  }

  /// A token of a service lives so long (S4).
  private static let lifetimeNanos: Int64 = 365 * 86_400 * 1_000_000_000
  private static let prefix = "tsq_"
  package static let minimumGivenLength = 32

  private let store: Store
  private let key: [UInt8]
  /// Everybody on this machine is an administrator.
  private let isOpen: Bool
  package let bootTokens: BootTokens
  /// The public id of a token without one: that of TSQ_ADMIN_TOKEN.
  private let givenID: String
  /// What an unknown public id is compared with, so that it costs the same as a wrong secret.
  private let nobody = [UInt8](repeating: 0, count: 32)

  private init(_ store: Store, key: [UInt8], isOpen: Bool, givenID: String, bootTokens: BootTokens) {
    self.store = store
    self.key = key
    self.isOpen = isOpen
    self.givenID = givenID
    self.bootTokens = bootTokens
  }

  /// Without authentication (`--dev`).
  /// - Throws: as `TokenKey.open`.
  package static func open(_ store: Store) throws(StorageError) -> Authority {
    Authority(store, key: [], isOpen: true, givenID: "", bootTokens: try BootTokens(store))
  }

  /// Makes sure that somebody can come in: by `given` (TSQ_ADMIN_TOKEN), or, when the store has
  /// no valid admin token, by a new one.
  /// - Returns: the authority, and the new token, to be shown once.
  package static func make(
    _ store: Store, given: String?
  ) throws(StorageError) -> (authority: Authority, newToken: String?) {
    let key = try TokenKey.open(store)
    let boot = try BootTokens(store)
    let now = store.options.clock.nowNanos()
    let tokens = store.snapshot().registry.tokens
    let admins = tokens.sorted().filter { $0.grant.role == .admin && $0.isValid(at: now) }
    if let given {
      let code = HMAC.code(Array(given.utf8), key: key)
      if let known = admins.first(where: { HMAC.isEqual($0.grant.hmac, code) }) {
        return (Authority(store, key: key, isOpen: false, givenID: known.grant.publicID, bootTokens: boot), nil)
      }
      let id = freeID(tokens)
      // The one given before goes: who changes the variable means to.
      let old = admins.filter { $0.grant.label == givenLabel }.map(\.grant.publicID)
      try issue(store, id, code, label: givenLabel, revoking: old, now)
      return (Authority(store, key: key, isOpen: false, givenID: id, bootTokens: boot), nil)
    }
    // A token given by the variable once stays good when the variable is gone.
    let earlier = admins.first { $0.grant.label == givenLabel }?.grant.publicID ?? ""
    let authority = Authority(store, key: key, isOpen: false, givenID: earlier, bootTokens: boot)
    guard admins.isEmpty else { return (authority, nil) }
    let id = freeID(tokens)
    let token = token(id, secret: TokenKey.random(store.options.rng))
    try issue(store, id, HMAC.code(Array(token.utf8), key: key), label: "first start", revoking: [], now)
    return (authority, token)
  }

  /// As its holder has it.
  static func token(_ publicID: String, secret: [UInt8]) -> String { "\(prefix)\(publicID)_\(Hex.text(secret))" }

  private static let givenLabel = "TSQ_ADMIN_TOKEN"

  /// `admin`, or the next of `admin-2`, `admin-3`, … that was never given.
  private static func freeID(_ tokens: Tokens) -> String {
    var id = "admin"
    var number = 2
    while tokens[id] != nil {
      id = "admin-\(number)"
      number += 1
    }
    return id
  }

  private static func issue(
    _ store: Store, _ id: String, _ code: [UInt8], label: String, revoking: [String], _ now: Int64
  ) throws(StorageError) {
    let grant = TokenGrant(
      publicID: id, hmac: code, role: .admin, expiresAt: now + lifetimeNanos, label: label)
    let taken = try store.decide(actor: .system, cause: Cause(message: "start of the server"), aroundDamage: true) {
      registry, context in
      var events: [Event] = []
      for old in revoking { events += registry.after(events).revokeToken(old, context).events }
      var decision = registry.after(events).issueToken(grant, context)
      decision.events = events + decision.events
      return decision
    }
    if case .failure(let refusal) = taken.result {
      throw StorageError(.invalid, refusal.sentence)
    }
  }

  /// - Parameter token: as presented; nil when none was.
  package func verdict(_ token: String?) -> Verdict {
    if isOpen { return .admitted(Actor(.operator, "dev")) }
    guard let token else { return .unknown }
    if let device = bootTokens.device(of: token) { return .device(device, Actor(.device, device)) }
    let code = HMAC.code(Array(token.utf8), key: key)
    let known = store.tokens[publicID(of: token)]
    let isRight = HMAC.isEqual(known?.grant.hmac ?? nobody, code)
    let now = store.options.clock.nowNanos()
    guard let known, isRight, known.isValid(at: now) else {
      // A device's API key (D-14) has no public part. It is looked up by its HMAC, so what a look-up takes tells
      // nothing of a key, and one that ended, or was never given, is not told from a wrong token.
      guard let device = store.registry.credentials.device(apiKeyHMAC: code, at: now) else { return .unknown }
      return .device(device, Actor(.device, device))
    }
    if known.grant.role == .device, let device = known.grant.device {
      return .device(device, Actor(.token, known.grant.publicID))
    }
    if known.grant.role == .user, let user = known.grant.user {
      // Who may not log in has no token either.
      guard store.registry.users[user]?.isActive ?? false else { return .unknown }
      return .user(user, Actor(.token, known.grant.publicID))
    }
    let actor = Actor(.token, known.grant.publicID)
    switch known.grant.role {
    case .admin: return .admitted(actor)
    case .writer, .reader: return .service(known.grant.role, actor)
    // Of somebody who is not named.
    case .device, .user: return .unknown
    }
  }

  private func publicID(of token: String) -> String {
    guard token.hasPrefix(Self.prefix), let end = token.lastIndex(of: "_"),
      case let start = token.index(token.startIndex, offsetBy: Self.prefix.utf8.count), start < end
    else { return givenID }
    return String(token[start..<end])
  }
}
