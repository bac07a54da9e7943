import CCrypto
import Foundation

/// Passwords as mosquitto keeps them: `$7$<iterations>$<salt>$<hash>`, PBKDF2 (RFC 8018) with
/// HMAC-SHA-512, salt and hash in base64.
///
/// - Source: mosquitto 2.0, `mosquitto_passwd`.
package enum MosquittoPassword {
  /// A broker does so many at each connect of a device, so not more than it bears; the passwords hold 256
  /// random bits, which no number of tries finds.
  static let iterations: Int32 = 100_000
  /// What is read is at most this slow.
  private static let iterationLimit: Int32 = 10_000_000
  private static let saltByteCount = 12
  private static let hashByteCount = 64

  /// - Parameter random: gives so many random bytes.
  static func hash(_ password: String, random: (Int) -> [UInt8]) -> String {
    let salt = random(saltByteCount)
    let code = derive(password, salt, iterations)
    return "$7$\(iterations)$\(Data(salt).base64EncodedString())$\(Data(code).base64EncodedString())"
  }

  /// False for a hash of another form, too.
  package static func matches(_ password: String, _ hash: String) -> Bool {
    let parts = hash.split(separator: "$", omittingEmptySubsequences: false)
    guard parts.count == 5, parts[0].isEmpty, parts[1] == "7", let count = Int32(parts[2]),
      (1...iterationLimit).contains(count), let salt = Data(base64Encoded: String(parts[3])),
      let code = Data(base64Encoded: String(parts[4])), code.count == hashByteCount
    else { return false }
    return HMAC.isEqual(derive(password, Array(salt), count), Array(code))
  }

  private static func derive(_ password: String, _ salt: [UInt8], _ iterations: Int32) -> [UInt8] {
    var code = [UInt8](repeating: 0, count: hashByteCount)
    let bytes = password.utf8.map { CChar(bitPattern: $0) }
    let done = PKCS5_PBKDF2_HMAC(
      bytes, Int32(bytes.count), salt, Int32(salt.count), iterations, EVP_sha512(), Int32(code.count), &code)
    precondition(done == 1, "PBKDF2 fails only without memory")
    return code
  }
}
