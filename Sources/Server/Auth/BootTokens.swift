import TSEngine

/// Tokens that meters get at boot (P-08). A token says whose it is and how long it lasts, under an HMAC of the
/// store's token key: nothing of it is stored, however often a fleet boots. It is bound to the API key that it was
/// given for and ends with it.
///
///     tsq_boot.<device>.<expiry, seconds since 1970>.<16 hex digits of the API key's HMAC>_<64 hex digits: HMAC>
package struct BootTokens: Sendable {
  package static let lifetimeNanos: Int64 = 7 * 86_400_000_000_000
  private static let prefix = "tsq_boot."

  private let store: Store
  private let key: [UInt8]

  /// - Throws: as `TokenKey.open`.
  package init(_ store: Store) throws(StorageError) {
    self.store = store
    key = try TokenKey.open(store)
  }

  /// A token for `device` by its API key `secret`; nil when that is not one of its keys now.
  package func token(for device: String, secret: String) -> (text: String, expirySeconds: Int64)? {
    let now = store.options.clock.nowNanos()
    let code = HMAC.code(Array(secret.utf8), key: key)
    guard store.registry.credentials.device(apiKeyHMAC: code, at: now) == device else { return nil }
    let expiry = (now &+ Self.lifetimeNanos) / 1_000_000_000
    let head = "\(Self.prefix)\(device).\(expiry).\(Self.mark(code))"
    return ("\(head)_\(Hex.text(signature(head)))", expiry)
  }

  /// Whose token `text` is; nil when it is none of ours, has expired or its API key is no longer good.
  package func device(of text: String) -> String? {
    guard text.hasPrefix(Self.prefix), let end = text.lastIndex(of: "_") else { return nil }
    let head = String(text[..<end])
    let given = Array(text[text.index(after: end)...].utf8)
    guard HMAC.isEqual(Array(Hex.text(signature(head)).utf8), given) else { return nil }
    let parts = head.dropFirst(Self.prefix.count).split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count >= 3, let expiry = Int64(parts[parts.count - 2]) else { return nil }
    let device = parts.dropLast(2).joined(separator: ".")
    let now = store.options.clock.nowNanos()
    guard now / 1_000_000_000 < expiry, let entry = store.registry.credentials[device],
      entry.valid(at: now).contains(where: { Self.mark($0.apiKeyHMAC) == parts[parts.count - 1] })
    else { return nil }
    return device
  }

  private func signature(_ head: String) -> [UInt8] { HMAC.code(Array(head.utf8), key: key) }
  private static func mark(_ code: [UInt8]) -> String { Hex.text(Array(code.prefix(8))) }
}
