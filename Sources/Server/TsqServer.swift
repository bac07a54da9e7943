import Hummingbird
import HummingbirdCore
import Logging
import Synchronization
import TSEngine

/// `tsq serve`: everything that runs, and its end in order.
package final class TsqServer: Sendable {
  /// Lines for standard output: listeners as they are ready, the admin token once.
  package typealias Line = @Sendable (String) -> Void

  private static let headerByteLimit = 16 << 10
  /// A request that is read slower than this, or a connection without one, is closed.
  private static let idleSeconds: Int64 = 60

  private let store: Store
  private let options: ServerOptions
  private let authority: Authority
  private let metrics = ServerMetrics()
  private let frames: FrameDoor
  private let ready: Ready
  private let daemons: [BrokerDaemon]
  private let announcer: Announcer
  private let heartbeats: HeartbeatWatch
  private let commands: CommandOutbox
  private let renewal: CodeRenewal
  private let brokerFiles: BrokerFiles?
  /// tsq itself at brokers that take their logins from it.
  private let logins: [BrokerAccess.Login]

  /// - Parameters:
  ///   - line: what a person or script at the start waits for.
  ///   - log: what happens, one line each.
  /// - Throws: as the store.
  package init(
    _ store: Store, _ options: ServerOptions, line: @escaping Line, log: @escaping Line
  ) throws(StorageError) {
    self.store = store
    self.options = options
    frames = FrameDoor(store)
    let discovery = Discovery(store, options.discovery, metrics, log: log)
    try discovery.makeParkedUser()
    if options.isDev {
      authority = try .open(store)
    } else {
      let made = try Authority.make(store, given: options.adminToken)
      authority = made.authority
      if let token = made.newToken { line("admin token (shown once, keep it): \(token)") }
    }
    let ready = Ready(line)
    self.ready = ready
    // The daemons wake the announcer, which publishes through them.
    let changed = Mutex<(@Sendable () -> Void)?>(nil)
    let box = Box(changed)
    let (frames, metrics) = (frames, metrics)
    let states = LampStates(store, metrics, log: log)
    daemons = options.brokers.map { broker in
      BrokerDaemon(
        broker, store, frames, discovery, states, metrics,
        things: ThingDoor(store, metrics, prefix: options.thingsPrefix), group: options.mqttGroup, log: log,
        registryChanged: { box.call() },
        onReady: { ready.mqtt(broker) })
    }
    announcer = Announcer(
      store, metrics,
      brokers: daemons.map { daemon in { daemon.publish($0, $1) } })
    heartbeats = HeartbeatWatch(store, log: log)
    commands = CommandOutbox(
      store, prefix: options.thingsPrefix,
      brokers: zip(options.brokers, daemons).map { broker, daemon in (broker.name, { daemon.publish($0, $1) }) })
    let (announcer, commands) = (announcer, commands)
    renewal = CodeRenewal(store, log: log) { announcer.wake() }
    let logins = BrokerAccess.Login.all(options.brokers, store.options.rng)
    self.logins = logins
    brokerFiles = options.brokerFiles.map {
      BrokerFiles(store, $0, logins: logins, discoveryPrefix: options.discovery.prefix,
        thingsPrefix: options.thingsPrefix, log: log)
    }
    let (renewal, brokerFiles) = (renewal, brokerFiles)
    box.set { [weak announcer, weak commands, weak renewal, weak brokerFiles] in
      announcer?.wake()
      commands?.wake()
      renewal?.wake()
      brokerFiles?.wake()
    }
  }

  /// A call that is known only later.
  private final class Box: Sendable {
    private let call_: Mutex<(@Sendable () -> Void)?>
    init(_ initial: consuming Mutex<(@Sendable () -> Void)?>) { call_ = initial }
    func set(_ call: @escaping @Sendable () -> Void) { call_.withLock { $0 = call } }
    func call() { call_.withLock { $0 }?() }
  }

  /// Says which listener is ready, and `ready` after the HTTP one: a broker may be away for long.
  private final class Ready: Sendable {
    private let line: Line
    private let told = Mutex<Set<String>>([])
    init(_ line: @escaping Line) { self.line = line }

    func http(_ address: String) {
      line("http listening on http://\(address)")
      line("ready")
    }

    func mqtt(_ broker: ServerOptions.Broker) {
      let isFirst = told.withLock { $0.insert(broker.name).inserted }
      if isFirst { line("mqtt \(broker.name) subscribed on \(broker.url)") }
    }
  }

  /// Serves until SIGINT or SIGTERM, then drains: no new connections, requests at hand are
  /// answered, brokers told goodbye. The store is the caller's to close.
  /// - Throws: when it cannot listen.
  package func run() async throws {
    try announcer.start()
    try heartbeats.start()
    try commands.start()
    if !daemons.isEmpty { try renewal.start() }
    try brokerFiles?.start()
    for daemon in daemons { daemon.start() }
    defer {
      brokerFiles?.stop()
      renewal.stop()
      for daemon in daemons { daemon.stop() }
      announcer.stop()
      heartbeats.stop()
      commands.stop()
    }
    var logger = Logger(label: "tsq")
    logger.logLevel = .error
    let (announcer, commands, renewal, brokerFiles) = (announcer, commands, renewal, brokerFiles)
    var made = HTTPDoor(
      store, authority, frames, metrics, publicURL: options.publicURL, readerPatienceNanos: options.readerPatienceNanos,
      registryChanged: {
        announcer.wake()
        commands.wake()
        renewal.wake()
        brokerFiles?.wake()
      },
      publish: { [daemons] publication in
        daemons.map { $0.publish(publication) { _ in } }.filter { $0 }.count
      })
    made.brokerNames = commands.brokerNames
    if options.answersBrokers {
      made.brokerRules = HTTPDoor.BrokerRules(
        logins: logins, discoveryPrefix: options.discovery.prefix, thingsPrefix: options.thingsPrefix)
    }
    let door = made
    await door.closeLeftMeters()
    let ready = ready
    let host = options.listen.host
    let application = Application(
      responder: door,
      server: HTTPServerBuilder { responder in
        UpgradableChannel(
          http: HTTP1Channel(
            responder: responder,
            configuration: .init(
              idleTimeout: .seconds(Self.idleSeconds),
              httpDecoderConfiguration: .init(
                maxHeaderFieldSize: Self.headerByteLimit, maxHeaderListSize: Self.headerByteLimit,
                maxHeaderFieldCount: 100))),
          admit: { door.meterAccess($0) }, serve: { await door.serveMeter($0, $1) })
      },
      configuration: .init(
        address: .hostname(host, port: options.listen.port), serverName: "tsq", backlog: 1024),
      onServerRunning: { channel in
        var address = ServerOptions.Address(host: host, port: channel.localAddress?.port ?? 0)
        address.host = host
        ready.http(address.text)
      },
      logger: logger)
    try await application.runService()
  }
}

extension ServerOptions.Address {
  init(host: String, port: Int) {
    self.host = host
    self.port = port
  }
}
