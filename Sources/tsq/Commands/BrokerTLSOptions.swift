import ArgumentParser
import Ingest
import Server

/// Files of encrypted connections to brokers (D-26), for those whose URL does not name its own.
struct BrokerTLSOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Who may vouch for brokers of mqtts:// (whom this system trusts).", valueName: "FILE"))
  var mqttCa: String?
  @Option(help: ArgumentHelp("A certificate for brokers that ask for one.", valueName: "FILE")) var mqttCert: String?
  @Option(help: ArgumentHelp("Its key.", valueName: "FILE")) var mqttKey: String?

  /// - Throws: `CommandError` exit 2, naming the file that cannot be read, or what goes with nothing.
  func complete(_ brokers: inout [ServerOptions.Broker]) throws {
    let isGiven = mqttCa != nil || mqttCert != nil || mqttKey != nil
    if isGiven, !brokers.contains(where: { $0.tls != nil }) {
      throw CommandError.usage("--mqtt-ca, --mqtt-cert and --mqtt-key are for encrypted connections: mqtts://HOST:8883")
    }
    for index in brokers.indices {
      guard var tls = brokers[index].tls else { continue }
      tls.caFile = tls.caFile ?? mqttCa
      if tls.certFile == nil, tls.keyFile == nil { (tls.certFile, tls.keyFile) = (mqttCert, mqttKey) }
      brokers[index].tls = tls
      if let problem = tls.problem { throw CommandError.usage("\(brokers[index].url): \(problem)") }
    }
  }
}
