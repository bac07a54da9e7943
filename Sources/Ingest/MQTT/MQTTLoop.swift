import CMosquitto
import Glibc
import Synchronization

/// The acknowledgement-safe MQTT client (DESIGN.md section 7): reads until the socket is drained
/// or a batch is full, hands the batch over, and only when the handler says that it is durable
/// lets the acknowledgements out. A process killed at any instant has acknowledged nothing that
/// it had not committed; the broker delivers the rest again (QoS 1, persistent session).
///
/// `run` keeps one thread until `stop`. It waits for an absent broker and comes back after every
/// loss of the connection, with growing pauses.
package final class MQTTLoop: Sendable {
  package typealias Handler = @Sendable ([MQTTMessage]) -> MQTTOutcome

  /// Publications handed to the library and not confirmed, at most: far fewer than packet ids.
  private static let unconfirmedLimit = 2_000

  private static let flushLimit = 1_000

  private struct Outgoing: Sendable {
    var publication: MQTTPublication
    var confirmed: (@Sendable (Bool) -> Void)?
  }
  private struct State {
    var outgoing: [Outgoing] = []
    var stopping = false
  }

  private let options: MQTTOptions
  private let handler: Handler
  private let observer: @Sendable (MQTTEvent) -> Void
  private let state = Mutex(State())
  /// A pipe: reading end, writing end.
  private let wakeDescriptors: (reading: Int32, writing: Int32)

  /// `handler` is called on the loop's thread, one batch at a time, and returns after the commit.
  package init(
    _ options: MQTTOptions, observer: @escaping @Sendable (MQTTEvent) -> Void = { _ in },
    handler: @escaping Handler
  ) {
    self.options = options
    self.handler = handler
    self.observer = observer
    var ends: [Int32] = [-1, -1]
    // SAFETY: the array has room for the two descriptors. Without them a wake is only a delay.
    _ = unsafe pipe(&ends)
    for end in ends {
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
    }
    wakeDescriptors = (ends[0], ends[1])
  }

  deinit {
    close(wakeDescriptors.reading)
    close(wakeDescriptors.writing)
  }

  /// Queues a publication from any thread; it is sent when there is a connection. `confirmed` is
  /// called on the loop's thread: true once the broker has the message (QoS 1, 2) or it was
  /// written (QoS 0), false when the broker or the library refused it. What is not confirmed at a
  /// stop is not called back: the outbox sends it again at the next start.
  /// - Returns: false when the queue is full; nothing was queued.
  package func publish(
    _ publication: MQTTPublication, confirmed: (@Sendable (Bool) -> Void)? = nil
  ) -> Bool {
    let queued = state.withLock { state in
      guard !state.stopping, state.outgoing.count < options.outgoingLimit else { return false }
      state.outgoing.append(Outgoing(publication: publication, confirmed: confirmed))
      return true
    }
    if queued { wake() }
    return queued
  }

  /// Ends `run` after the batch at hand, with a clean disconnect.
  package func stop() {
    state.withLock { $0.stopping = true }
    wake()
  }

  private var isStopping: Bool { state.withLock { $0.stopping } }

  private func wake() {
    var byte: UInt8 = 1
    // SAFETY: one byte is read from `byte`. A full pipe wakes just as well.
    _ = unsafe Glibc.write(wakeDescriptors.writing, &byte, 1)
  }
}

// MARK: - The loop

extension MQTTLoop {
  /// Blocks until `stop`.
  package func run() {
    var version = options.version
    var session: MosquittoSession?
    var pause = options.firstRetryMillis
    while !isStopping {
      guard let current = session ?? MosquittoSession(options, version: version) else {
        fail(options.tls?.problem ?? "no client could be made", &pause)
        continue
      }
      session = current
      observer(.connecting)
      var code = current.connect(options, version: version)
      if code == Int32(MOSQ_ERR_SUCCESS.rawValue) {
        let began = ContinuousClock.now
        let wasConnected = serve(current, version)
        if ContinuousClock.now - began > .milliseconds(options.lastRetryMillis) { pause = options.firstRetryMillis }
        if isStopping { return }
        if let answer = current.connectAnswer, answer.code != 0 {
          // 1 and 0x84: the broker does not speak this version.
          if version == .v5, answer.code == 1 || answer.code == 0x84 {
            version = .v311
            session = nil
            continue
          }
          fail(MosquittoSession.connectText(answer.code, version), &pause)
          continue
        }
        code = current.disconnectCode ?? Int32(MOSQ_ERR_CONN_LOST.rawValue)
        if wasConnected {
          observer(.disconnected(reason: MosquittoSession.text(code)))
          // A broker may accept us and end it at what it does not like, each time.
          rest(&pause)
          continue
        }
      }
      fail(current.tlsReason(options) ?? MosquittoSession.text(code), &pause)
    }
  }

  private func fail(_ reason: String, _ pause: inout Int) {
    observer(.connectionFailed(reason: reason, retryMillis: pause))
    rest(&pause)
  }

  private func rest(_ pause: inout Int) {
    sleep(millis: pause)
    pause = min(pause * 2, options.lastRetryMillis)
  }

  /// Serves one connection until it ends; true when the broker had accepted it.
  private func serve(
    _ session: MosquittoSession, _ version: MQTTOptions.ProtocolVersion
  ) -> Bool {
    let success = Int32(MOSQ_ERR_SUCCESS.rawValue)
    var accepted = false
    var filters: [Int32: String] = [:]
    var kept: KeptFilters?
    while true {
      if isStopping {
        if accepted { disconnect(session, version) }
        return accepted
      }
      let wanted = session.wantsWrite ? POLLIN | POLLOUT : POLLIN
      if !session.holdsBytes { wait(for: session.socket, wanted, millis: 500) }
      let code = drain(session)
      if !accepted, let answer = session.connectAnswer {
        guard answer.code == 0 else { return false }
        accepted = true
        observer(.connected(sessionPresent: answer.sessionPresent))
        for filter in options.filters {
          if let packetID = session.subscribe(filter) { filters[packetID] = filter }
        }
        kept = options.filtersTopic.map { KeptFilters(topic: $0, filters: options.filters) }
        if let first = kept?.first, let topic = kept?.topic {
          _ = session.subscribe(topic)
          perform([first], &kept, session, version)
        }
        if let topic = options.stateTopic {
          let state = MQTTPublication(topic: topic, payload: [0x31], qos: 2, retain: true)
          _ = session.publish(state, version: version, confirmed: nil)
        }
      }
      // A lost connection has lost its acknowledgements too, but what was read is still good:
      // committed now, its redelivery is told by identity.
      guard commit(session, version, &kept) else { return accepted }
      guard code == success else { return accepted }
      report(session.takeGrants(), filters)
      let ended = session.takeEnded()
      for filter in ended.compactMap({ kept?.filter($0) }) { observer(.unsubscribed(filter: filter)) }
      if let step = kept?.ended(ended) { perform([step], &kept, session, version) }
      if accepted { sendOutgoing(session, version) }
      guard flush(session) == success, session.housekeeping() == success else { return accepted }
    }
  }

  /// Reads until the socket, and what OpenSSL decrypted of it, is empty or the batch is full.
  private func drain(_ session: MosquittoSession) -> Int32 {
    while session.received.count < options.batchLimit,
      session.receivedByteCount < options.batchByteLimit,
      session.holdsBytes || isReady(session.socket, POLLIN)
    {
      let code = session.read()
      guard code == Int32(MOSQ_ERR_SUCCESS.rawValue) else { return code }
    }
    return session.socket >= 0
      ? Int32(MOSQ_ERR_SUCCESS.rawValue) : Int32(MOSQ_ERR_CONN_LOST.rawValue)
  }

  /// Hands over what was read, and again what of it could not be settled, until all is durable;
  /// false when stopped before.
  ///
  /// No acknowledgement of the batch goes out before that, of what is settled neither: the library
  /// has them in one queue, which can only be sent as a whole, and a message that is acknowledged
  /// and not durable is lost. A stop in between costs only redeliveries.
  private func commit(
    _ session: MosquittoSession, _ version: MQTTOptions.ProtocolVersion, _ kept: inout KeptFilters?
  ) -> Bool {
    guard !session.received.isEmpty else { return true }
    var unsettled = session.takeReceived()
    if let topic = options.filtersTopic {
      for message in unsettled where message.topic == topic {
        perform(kept?.take(message) ?? [], &kept, session, version)
      }
      unsettled.removeAll { $0.topic == topic }
    }
    if unsettled.isEmpty { return true }
    while true {
      switch handler(unsettled) {
      case .committed(let answers):
        for answer in answers { _ = session.publish(answer, version: version, confirmed: nil) }
        return true
      case .retry(let messages, let millis, let answers):
        for answer in answers { _ = session.publish(answer, version: version, confirmed: nil) }
        unsettled = messages
        sleep(millis: millis)
        // Nothing is written, so nothing is acknowledged: the broker delivers all of it again.
        if isStopping { return false }
      }
    }
  }

  private func perform(
    _ steps: [KeptFilters.Step], _ kept: inout KeptFilters?, _ session: MosquittoSession,
    _ version: MQTTOptions.ProtocolVersion
  ) {
    guard let topic = kept?.topic else { return }
    for step in steps {
      switch step {
      case .ask(let payload):
        _ = session.publish(MQTTPublication(topic: topic, payload: payload, qos: 1), version: version, confirmed: nil)
      case .keep(let payload):
        let list = MQTTPublication(topic: topic, payload: payload, qos: 1, retain: true)
        _ = session.publish(list, version: version, confirmed: nil)
      case .end(let filter):
        guard let packetID = session.unsubscribe(filter) else { continue }
        kept?.isEnding(packetID, filter)
      }
    }
  }

  /// Writes while the socket takes it, some time at most: TLS may have to read before it can write on.
  private func flush(_ session: MosquittoSession) -> Int32 {
    for _ in 0..<Self.flushLimit where session.wantsWrite {
      let code = session.write()
      guard code == Int32(MOSQ_ERR_SUCCESS.rawValue) else { return code }
      if session.wantsWrite, !isReady(session.socket, POLLOUT) { break }
    }
    return Int32(MOSQ_ERR_SUCCESS.rawValue)
  }

  private func sendOutgoing(_ session: MosquittoSession, _ version: MQTTOptions.ProtocolVersion) {
    let room = max(0, Self.unconfirmedLimit - session.unconfirmedCount)
    let outgoing = state.withLock { state in
      let taken = Array(state.outgoing.prefix(room))
      state.outgoing.removeFirst(taken.count)
      return taken
    }
    for item in outgoing
    where !session.publish(item.publication, version: version, confirmed: item.confirmed) {
      item.confirmed?(false)
    }
  }

  private func report(_ grants: [(packetID: Int32, qos: Int32)], _ filters: [Int32: String]) {
    for grant in grants {
      guard let filter = filters[grant.packetID] else { continue }
      observer(
        grant.qos < 0x80
          ? .subscribed(filter: filter, grantedQoS: grant.qos)
          : .subscriptionRefused(filter: filter))
    }
  }

  /// Says goodbye in order: our state, then DISCONNECT; waits for neither longer than a second.
  private func disconnect(_ session: MosquittoSession, _ version: MQTTOptions.ProtocolVersion) {
    sendOutgoing(session, version)
    if let topic = options.stateTopic {
      let state = MQTTPublication(topic: topic, payload: [0x30], qos: 1, retain: true)
      _ = session.publish(state, version: version, confirmed: nil)
    }
    session.queueDisconnect()
    for _ in 0..<10 where session.wantsWrite {
      wait(for: session.socket, POLLOUT, millis: 100)
      guard flush(session) == Int32(MOSQ_ERR_SUCCESS.rawValue) else { return }
    }
  }
}

// MARK: - Waiting

extension MQTTLoop {
  /// Waits for `events` on `socket`, a wake, or the time; an absent socket is not waited for.
  private func wait(for socket: Int32, _ events: Int32, millis: Int32) {
    var descriptors = [
      pollfd(fd: socket, events: Int16(truncatingIfNeeded: events), revents: 0),
      pollfd(fd: wakeDescriptors.reading, events: Int16(POLLIN), revents: 0),
    ]
    // SAFETY: two descriptors lie in the array for the duration of the call.
    _ = unsafe poll(&descriptors, 2, millis)
    if descriptors[1].revents != 0 {
      var bytes = [UInt8](repeating: 0, count: 256)
      // SAFETY: at most the array's 256 bytes are written to it.
      _ = unsafe Glibc.read(wakeDescriptors.reading, &bytes, bytes.count)
    }
  }

  private func isReady(_ socket: Int32, _ events: Int32) -> Bool {
    guard socket >= 0 else { return false }
    var descriptor = pollfd(fd: socket, events: Int16(truncatingIfNeeded: events), revents: 0)
    // SAFETY: one descriptor for the duration of the call.
    return unsafe poll(&descriptor, 1, 0) > 0
  }

  /// Pauses, but not past a stop.
  private func sleep(millis: Int) {
    var left = millis
    while left > 0, !isStopping {
      wait(for: -1, 0, millis: Int32(min(left, 100)))
      left -= 100
    }
  }
}
