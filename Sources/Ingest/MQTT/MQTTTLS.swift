import Glibc

/// How a connection to a broker is encrypted (D-26). All files are PEM.
package struct MQTTTLS: Sendable, Equatable {
  /// Who may vouch for the broker; nil: whom this system trusts.
  package var caFile: String?
  /// What we show a broker that asks for it (mutual TLS): both or none.
  package var certFile: String?
  package var keyFile: String?

  static let systemDirectory = "/etc/ssl/certs"

  package init(caFile: String? = nil, certFile: String? = nil, keyFile: String? = nil) {
    self.caFile = caFile
    self.certFile = certFile
    self.keyFile = keyFile
  }

  /// What is wrong with the files as they are now, with the file and the remedy; nil when they can be read.
  package var problem: String? {
    if (certFile == nil) != (keyFile == nil) {
      return "a certificate and its key go together: give both --mqtt-cert FILE and --mqtt-key FILE (cert= and key= of the URL)"
    }
    for (file, what, option) in [
      (caFile, "the CA's certificate", "--mqtt-ca"), (certFile, "our certificate", "--mqtt-cert"),
      (keyFile, "our key", "--mqtt-key"),
    ] {
      // SAFETY: a text of C for the duration of the call.
      guard let file, unsafe access(file, R_OK) != 0 else { continue }
      // SAFETY: a static string of the C library, copied.
      let reason = unsafe String(cString: strerror(errno))
      return "\(what) \(file) cannot be read (\(reason)); \(option) names a PEM file that this user may read"
    }
    return nil
  }
}

/// Why an encrypted connection came to nothing, in words that name file and remedy.
struct TLSFailure {
  /// OpenSSL's verdict on the broker's certificate: 0 is good, or there was none yet.
  var verification = 0
  /// OpenSSL's words for it.
  var verificationText = ""
  /// What the library logged: files it cannot use, OpenSSL's error.
  var log: [String] = []

  func text(_ tls: MQTTTLS, host: String) -> String? {
    // OpenSSL's verdict is then that something was wrong.
    if log.contains(where: { $0.contains("host name verification failed") }) { return wrongName(host) }
    if verification != 0 { return "the broker's certificate is not accepted: \(verificationText); \(remedy(tls))" }
    if let file = log.first(where: { $0.hasPrefix("Error: ") }) {
      // `Error: Unable to load client certificate "x.pem".`
      return "\(file.dropFirst(7)) It must be a PEM file, and a key without a password that goes with its certificate."
    }
    guard let last = log.last(where: { $0.hasPrefix("OpenSSL Error") }) else { return nil }
    // `OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed`
    let reason = String(last.split(separator: ":").last ?? "")
    if reason.contains("certificate verify failed") { return wrongName(host) }
    let ours = tls.certFile.map { "our certificate \($0)" } ?? "our certificate"
    if reason.contains("certificate required") || reason.contains("handshake failure") && tls.certFile == nil {
      return "the broker asks for a certificate (\(reason)); give --mqtt-cert FILE and --mqtt-key FILE"
    }
    if reason.contains("certificate expired") { return "the broker says that \(ours) has expired; have a new one issued" }
    if reason.contains("unknown ca") { return "the broker does not know the CA of \(ours); its cafile must hold that CA" }
    if reason.contains("wrong version number") { return "the broker's port speaks no TLS; use mqtt://, or its port for TLS (8883 as a rule)" }
    return "TLS: \(reason)"
  }

  private func wrongName(_ host: String) -> String {
    "the broker's certificate is not for \(host); connect by a name that stands in it"
  }

  private func remedy(_ tls: MQTTTLS) -> String {
    switch Int32(verification) {
    case X509Verdict.expired: return "have the broker's certificate (its certfile) renewed"
    case X509Verdict.notYetValid: return "compare the clocks of both machines"
    default:
      let file = tls.caFile ?? MQTTTLS.systemDirectory
      return "it was not issued by a CA of \(file); give that of the broker as --mqtt-ca FILE (ca= of the URL)"
    }
  }

  /// - Source: openssl/x509_vfy.h
  private enum X509Verdict {
    static let notYetValid: Int32 = 9
    static let expired: Int32 = 10
  }
}
