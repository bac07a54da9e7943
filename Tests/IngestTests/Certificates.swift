import Foundation

@testable import Ingest

/// A CA, certificates of it and one of a stranger, made by openssl in a folder of its own.
final class Certificates: Sendable {
  let folder: String

  init() throws {
    folder = NSTemporaryDirectory() + "tsq-certificates-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try "subjectAltName=IP:127.0.0.1\n".write(toFile: path("names"), atomically: true, encoding: .utf8)
    try "no PEM".write(toFile: path("noise"), atomically: true, encoding: .utf8)
    for name in ["ca", "other"] {
      try openssl(
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=\(name)",
          "-keyout", path("\(name).key"), "-out", path("\(name).pem")])
    }
    for (name, days) in [("server", "2"), ("client", "2"), ("expired", "-1")] {
      try openssl(
        ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=\(name)",
          "-keyout", path("\(name).key"), "-out", path("\(name).csr")])
      try openssl(
        ["x509", "-req", "-in", path("\(name).csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial",
          "-days", days, "-extfile", path("names"), "-out", path("\(name).pem")])
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  func path(_ name: String) -> String { "\(folder)/\(name)" }

  /// Lines of a broker's configuration.
  func listener(_ certificate: String, isMutual: Bool) -> String {
    """
    cafile \(path("ca.pem"))
    certfile \(path("\(certificate).pem"))
    keyfile \(path("\(certificate).key"))
    require_certificate \(isMutual)
    """
  }

  var one: MQTTTLS { MQTTTLS(caFile: path("ca.pem")) }
  var mutual: MQTTTLS { MQTTTLS(caFile: path("ca.pem"), certFile: path("client.pem"), keyFile: path("client.key")) }

  private func openssl(_ arguments: [String]) throws {
    guard try ChildProcess("/usr/bin/openssl", arguments).waitForStatus() == 0 else {
      throw Timeout(description: "openssl \(arguments.joined(separator: " "))")
    }
  }
}
