import Foundation
import TSEngine

/// What devices prove themselves with: makes it, and checks it. Secrets are random, shown once and kept as
/// hash and HMAC alone (D-14).
package struct DeviceKeys: Sendable {
  /// As shown, once, to whoever asked for them.
  package struct Issued: Sendable {
    package let username: String
    /// 32 random bytes in URL-safe base64.
    package let password: String
    /// 64 hex digits.
    package let apiKey: String
    package let lsn: LSN
  }

  private static let secretByteCount = TokenKey.byteCount

  private let store: Store
  private let key: [UInt8]

  /// - Throws: `.corrupt`, `.io`, `.diskFull`: the store's token key.
  package init(_ store: Store) throws(StorageError) {
    self.store = store
    key = try TokenKey.open(store)
  }

  /// Gives `device` new secrets instead of those it has, which stay valid for `overlapNanos` more.
  /// Durable on return; takes a tenth of a second on purpose.
  package func issue(
    for device: String, overlapNanos: Int64 = 0, actor: Actor, cause: Cause = Cause()
  ) throws(StorageError) -> Result<Issued, Refusal> {
    let rng = store.options.rng
    let password = Self.urlSafe(TokenKey.random(rng))
    let apiKey = Hex.text(TokenKey.random(rng))
    let hash = MosquittoPassword.hash(password) { Array(TokenKey.random(rng).prefix($0)) }
    let secrets = DeviceSecrets(passwordHash: hash, apiKeyHMAC: HMAC.code(Array(apiKey.utf8), key: key))
    let taken = try store.decide(actor: actor, cause: cause) {
      $0.issueCredentials(of: device, secrets, overlapNanos: overlapNanos, $1)
    }
    return taken.result.map { Issued(username: $0, password: password, apiKey: apiKey, lsn: taken.lsn) }
  }

  /// Whether a broker may let a client of this name in. False when it has no password.
  package func checkMQTTPassword(_ password: String, username: String) -> Bool {
    guard let entry = store.registry.credentials[username: username] else { return false }
    return entry.valid(at: store.options.clock.nowNanos()).contains {
      MosquittoPassword.matches(password, $0.passwordHash)
    }
  }

  /// As `checkMQTTPassword(_:username:)`, of a device.
  package func checkMQTTPassword(_ password: String, device: String) -> Bool {
    guard let entry = store.registry.credentials[device] else { return false }
    return checkMQTTPassword(password, username: entry.username)
  }

  /// Whose API key this is, if it is a valid one.
  package func device(apiKey: String) -> String? {
    store.registry.credentials.device(
      apiKeyHMAC: HMAC.code(Array(apiKey.utf8), key: key), at: store.options.clock.nowNanos())
  }

  private static func urlSafe(_ bytes: [UInt8]) -> String {
    Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
      .replacing("=", with: "")
  }
}
