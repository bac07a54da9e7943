import ArgumentParser
import Glibc
import Server
import TSEngine

struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Take frames over HTTP and MQTT and answer questions, until stopped.",
    discussion: """
      Prints a line for each listener, then "ready". Ctrl-C or SIGTERM finishes
      what is under way and ends with 0. The first start of a new store prints
      an admin token, once, unless TSQ_ADMIN_TOKEN gives one (32 characters or more).

      EXAMPLES:
        tsq serve --dev
        tsq serve --store /var/lib/tsq --mqtt mqtt://127.0.0.1:1883
        tsq serve --mqtt a=mqtt://127.0.0.1 --mqtt b=mqtts://broker.example --mqtt-ca /etc/tsq/ca.pem
      """)

  @Option(help: ArgumentHelp("Where HTTP listens.", valueName: "HOST:PORT")) var listen = "127.0.0.1:8086"
  @Option(help: ArgumentHelp("The PostgreSQL wire (not yet).", valueName: "HOST:PORT|off")) var pg: String?
  @Option(help: ArgumentHelp("A broker to subscribe; several may be named.", valueName: "[NAME=]mqtt[s]://HOST:PORT"))
  var mqtt: [String] = []
  @OptionGroup var brokerTLS: BrokerTLSOptions
  @Option(help: ArgumentHelp("Where devices of declared types talk: TOPIC/<type>/<id>/data.", valueName: "TOPIC"))
  var thingsPrefix = ThingTopic.defaultPrefix
  @Option(help: ArgumentHelp("Share these devices' messages with other servers of this group.", valueName: "NAME"))
  var mqttGroup: String?
  @Option(
    help: ArgumentHelp(
      "Keep mosquitto's password and ACL files here (password_file DIR/passwords, acl_file DIR/acl).", valueName: "DIR"))
  var brokerFiles: String?
  @Option(help: ArgumentHelp("The broker's pid_file: it reads the files again when they change.", valueName: "FILE"))
  var brokerPid: String?
  @Flag(help: "Answer a broker on this machine at /api/broker (mosquitto-go-auth); not behind a proxy.")
  var brokerBackend = false
  @Option(help: ArgumentHelp("Where bridges report their state.", valueName: "TOPIC"))
  var discoveryPrefix = DiscoveryPolicy().prefix
  @Option(help: ArgumentHelp("New devices a minute, at most.", valueName: "N"))
  var discoveryRate = DiscoveryPolicy().newDevicesPerMinute
  @Option(help: ArgumentHelp("Only discover ids that start so; several may be named.", valueName: "HEX"))
  var discoveryAllow: [String] = []
  @Option(help: ArgumentHelp("Where meters are told to send to (where they asked).", valueName: "URL"))
  var publicURL: String?
  @Option(help: ArgumentHelp("How long an association code claims.", valueName: "SECONDS")) var codeLifetime = 600.0
  @Option(help: ArgumentHelp("Cut a client that leaves an answer unread for so long.", valueName: "SECONDS"))
  var readerPatience = Double(ServerOptions.defaultReaderPatienceNanos) / 1e9
  @Option(help: ArgumentHelp("A certificate (not yet).", valueName: "FILE")) var tlsCert: String?
  @Option(help: ArgumentHelp("Its key (not yet).", valueName: "FILE")) var tlsKey: String?
  @Option(help: ArgumentHelp("A file of settings (not yet).", valueName: "FILE")) var config: String?
  @Flag(help: "Let other machines in without encryption.") var insecure = false
  @Flag(help: "No authentication; this machine only.") var dev = false
  @OptionGroup var location: StoreLocation

  func run() throws {
    let options = try serverOptions()
    let directory = try location.directory("serve")
    let store: Store
    do {
      var storeOptions = StoreOptions()
      storeOptions.policy.codeLifetimeNanos = Int64(codeLifetime * 1e9)
      store = try Store.open(directory, storeOptions)
    } catch {
      throw CommandError(error, store: directory)
    }
    let damages = store.damages.count
    if damages > 0 {
      Self.write(
        "\(damages) damaged places are left out of answers; run \"tsq verify\" to see which",
        to: STDERR_FILENO)
    }
    if let left = store.checkpointFailure {
      Self.write(
        "the registry checkpoint was left aside (\(left.reason)); the journals were read instead", to: STDERR_FILENO)
    }
    var failure: CommandError?
    do {
      let server = try TsqServer(
        store, options, line: { Self.write($0, to: STDOUT_FILENO) },
        log: { Self.write($0, to: STDERR_FILENO) })
      if pg != nil { Self.write("pg off (not there yet)", to: STDOUT_FILENO) }
      try Self.serve(server)
    } catch let error as StorageError {
      failure = CommandError(error, store: directory)
    } catch {
      failure = CommandError(.unavailable, "cannot listen on \(options.listen.text): \(error)")
    }
    do {
      try store.close()
    } catch {
      failure = failure ?? CommandError(error, store: directory)
    }
    if let failure { throw failure }
  }

  private static func serve(_ server: TsqServer) throws {
    let ended = Latch<Result<Void, any Error>>()
    Task.detached {
      do {
        try await server.run()
        ended.fulfil(.success(()))
      } catch {
        ended.fulfil(.failure(error))
      }
    }
    try ended.wait().get()
  }

  /// One line, whole, from any thread.
  private static func write(_ line: String, to descriptor: Int32) {
    let bytes = Array((line + "\n").utf8)
    var done = 0
    while done < bytes.count {
      let count = bytes[done...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count > 0 { done += count } else if errno != EINTR { return }
    }
  }

  private func serverOptions() throws -> ServerOptions {
    if config != nil { throw CommandError.notYet("--config", instead: "give the settings as options") }
    if tlsCert != nil || tlsKey != nil {
      throw CommandError.notYet("--tls-cert", instead: "put a proxy that speaks TLS in front")
    }
    if let pg, pg != "off" { throw CommandError.notYet("--pg", instead: "use --pg off") }
    guard let address = ServerOptions.Address(listen) else {
      throw CommandError.usage("--listen \(listen) is no address; one looks like 127.0.0.1:8086")
    }
    if dev, !address.isLoopback {
      throw CommandError.usage(
        "--dev lets everybody in, so it listens on this machine only; use --listen 127.0.0.1:\(address.port), or leave out --dev")
    }
    if !address.isLoopback, !insecure {
      throw CommandError.usage(
        "\(address.text) can be reached from other machines and is not encrypted; say --insecure if that is meant")
    }
    var options = ServerOptions(listen: address)
    options.isDev = dev
    for text in mqtt {
      guard let broker = ServerOptions.Broker(text) else {
        throw CommandError.usage(
          "--mqtt takes [name=]mqtt://host:1883 or [name=]mqtts://host:8883?ca=FILE&cert=FILE&key=FILE")
      }
      guard !options.brokers.contains(where: { $0.name == broker.name }) else {
        throw CommandError.usage("two brokers are called \"\(broker.name)\"; name them: --mqtt a=mqtt://… --mqtt b=mqtt://…")
      }
      options.brokers.append(broker)
    }
    try brokerTLS.complete(&options.brokers)
    if let brokerFiles {
      guard !options.brokers.isEmpty, options.brokers.allSatisfy({ $0.username != nil && $0.password != nil }) else {
        throw CommandError.usage("--broker-files shuts out who has no password, tsq too: --mqtt mqtt://tsq:PASSWORD@host:1883")
      }
      options.brokerFiles = BrokerFiles.Options(directory: brokerFiles, pidFile: brokerPid)
    } else if brokerPid != nil {
      throw CommandError.usage("--broker-pid goes with --broker-files")
    }
    options.answersBrokers = brokerBackend
    if let token = System.environment("TSQ_ADMIN_TOKEN") {
      guard token.utf8.count >= Authority.minimumGivenLength else {
        throw CommandError.usage("TSQ_ADMIN_TOKEN has less than \(Authority.minimumGivenLength) characters")
      }
      options.adminToken = token
    }
    guard !discoveryPrefix.isEmpty, !discoveryPrefix.contains(where: { "+#".contains($0) }), discoveryRate >= 0 else {
      throw CommandError.usage("--discovery-prefix is a topic without wildcards, --discovery-rate a number from 0 on")
    }
    guard codeLifetime > 0, codeLifetime <= 1e9 else {
      throw CommandError.usage("--code-lifetime is a number of seconds above 0")
    }
    guard readerPatience > 0, readerPatience <= 86_400 else {
      throw CommandError.usage("--reader-patience is a number of seconds above 0, at most a day")
    }
    options.readerPatienceNanos = Int64(readerPatience * 1e9)
    guard !thingsPrefix.isEmpty, !thingsPrefix.contains(where: { "+#$".contains($0) }), !thingsPrefix.hasSuffix("/"),
      mqttGroup.map({ !$0.isEmpty && !$0.contains(where: { "+#/".contains($0) }) }) ?? true
    else {
      throw CommandError.usage("--things-prefix is a topic without wildcards, --mqtt-group a name without + # /")
    }
    options.thingsPrefix = thingsPrefix
    options.mqttGroup = mqttGroup
    if let publicURL {
      guard publicURL.hasPrefix("http://") || publicURL.hasPrefix("https://"), !publicURL.hasSuffix("/") else {
        throw CommandError.usage("--public-url is like https://tsq.example, without a slash at its end")
      }
      options.publicURL = publicURL
    }
    options.discovery.prefix = discoveryPrefix
    options.discovery.newDevicesPerMinute = discoveryRate
    options.discovery.allowedPrefixes = discoveryAllow.map { $0.lowercased() }
    return options
  }
}
