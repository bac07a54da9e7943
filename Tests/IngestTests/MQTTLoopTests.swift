import Foundation
import Synchronization
import Testing

@testable import Ingest

/// The loop against a real mosquitto (DESIGN.md section 7, RELIABILITY 1.1, R9).
@Suite(.serialized) struct MQTTLoopTests {
  final class Inbox: Sendable {
    let messages = Mutex<[MQTTMessage]>([])
    let events = Mutex<[MQTTEvent]>([])
    var count: Int { messages.withLock { $0.count } }
    func take(_ batch: [MQTTMessage]) { messages.withLock { $0 += batch } }
    func note(_ event: MQTTEvent) { events.withLock { $0.append(event) } }
    func saw(_ matches: (MQTTEvent) -> Bool) -> Bool {
      events.withLock { $0.contains(where: matches) }
    }
    var subscribed: Bool { saw { if case .subscribed = $0 { true } else { false } } }
  }

  /// A loop on a thread of its own, stopped and joined at the end.
  static func with(
    _ options: MQTTOptions, _ inbox: Inbox,
    answer: @escaping @Sendable ([MQTTMessage]) -> MQTTOutcome = { _ in .committed([]) },
    _ body: (MQTTLoop) throws -> Void
  ) throws {
    let loop = MQTTLoop(options, observer: { inbox.note($0) }) { batch in
      let outcome = answer(batch)
      if case .committed = outcome { inbox.take(batch) }
      return outcome
    }
    let done = DispatchSemaphore(value: 0)
    Thread.detachNewThread {
      loop.run()
      done.signal()
    }
    defer {
      loop.stop()
      done.wait()
    }
    try body(loop)
  }

  static func options(_ broker: Broker, _ client: String, _ filters: [String] = []) -> MQTTOptions {
    var options = MQTTOptions(host: "127.0.0.1", port: broker.port, clientID: client)
    options.filters = filters
    options.stateTopic = "tsq/connection/\(client)/state"
    options.firstRetryMillis = 20
    options.lastRetryMillis = 100
    return options
  }

  /// A broker that is none: a socket that listens on a free loopback port.
  static func listener() -> (socket: Int32, port: Int32) {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var (address, length) = (sockaddr_in(), socklen_t(MemoryLayout<sockaddr_in>.size))
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = bind(listener, $0, length)
        _ = getsockname(listener, $0, &length)
      }
    }
    #expect(listen(listener, 8) == 0)
    return (listener, Int32(UInt16(bigEndian: address.sin_port)))
  }

  @Test(arguments: [0, 1, 2] as [Int32], [MQTTOptions.ProtocolVersion.v311, .v5])
  func aPublicationOfEachQoSArrivesAndIsConfirmed(
    _ qos: Int32, _ version: MQTTOptions.ProtocolVersion
  ) throws {
    let broker = try Broker()
    try broker.start()
    let inbox = Inbox()
    let confirmed = Mutex<[Bool]>([])
    var options = Self.options(broker, "both", ["a/+/b"])
    options.version = version
    try Self.with(options, inbox) { loop in
      try waitUntil("subscribed") { inbox.subscribed }
      let sent = MQTTPublication(
        topic: "a/x/b", payload: [0, 1, 255], qos: qos, retain: true, correlationData: [7, 0])
      #expect(loop.publish(sent) { ok in confirmed.withLock { $0.append(ok) } })
      try waitUntil("arrived and confirmed") {
        inbox.count == 1 && confirmed.withLock { !$0.isEmpty }
      }
      let message = inbox.messages.withLock { $0[0] }
      #expect(message.topic == "a/x/b" && message.payload == [0, 1, 255])
      #expect(message.qos == min(qos, 1) && !message.isOversized)
      #expect(message.correlationData == (version == .v5 ? [7, 0] : nil))
      #expect(confirmed.withLock { $0 } == [true])
      #expect(
        loop.publish(MQTTPublication(topic: "wild/#", payload: [])) { ok in
          confirmed.withLock { $0.append(ok) }
        })
      try waitUntil("refused") { confirmed.withLock { $0 } == [true, false] }
    }
  }

  /// INTERFACES section 5: on MQTT 5 the answer goes to the response topic with the correlation data.
  @Test func aRequestIsAnsweredOnItsResponseTopicAfterTheCommit() throws {
    let broker = try Broker()
    try broker.start()
    let inbox = Inbox()
    try Self.with(
      Self.options(broker, "server", ["ask"]), inbox,
      answer: { batch in
        .committed(
          batch.compactMap { message in
            message.responseTopic.map {
              MQTTPublication(
                topic: $0, payload: message.payload, qos: 1,
                correlationData: message.correlationData)
            }
          })
      }
    ) { _ in
      try waitUntil("subscribed") { inbox.subscribed }
      let output = "\(broker.folder)/reply"
      let client = try ChildProcess(
        "/usr/bin/mosquitto_rr",
        [
          "-p", "\(broker.port)", "-V", "mqttv5", "-t", "ask", "-e", "reply/1", "-m", "hello",
          "-D", "publish", "correlation-data", "c1", "-F", "%p %D", "-W", "20",
        ], output: output)
      client.wait()
      let text = String(decoding: fileBytes(output), as: UTF8.self)
      #expect(text == "hello c1\n")
    }
  }

  /// L-43: our own liveness, and waiting for an absent broker (L-17).
  @Test func itWaitsForAnAbsentBrokerComesBackAndTellsItsState() throws {
    let broker = try Broker()
    let (inbox, watcher) = (Inbox(), Inbox())
    try Self.with(Self.options(broker, "tsq", ["x"]), inbox) { loop in
      try waitUntil("a failed try") {
        inbox.saw { if case .connectionFailed = $0 { true } else { false } }
      }
      #expect(loop.publish(MQTTPublication(topic: "x", payload: [1], qos: 1)))
      try broker.start()
      try waitUntil("what was queued while it was away") { inbox.count == 1 }
      broker.stop()
      try waitUntil("the loss") { inbox.saw { if case .disconnected = $0 { true } else { false } } }
      try broker.start()
      #expect(loop.publish(MQTTPublication(topic: "x", payload: [2], qos: 1)))
      try waitUntil("the second message") { inbox.messages.withLock { $0.last?.payload } == [2] }
      try Self.with(Self.options(broker, "watcher", ["tsq/connection/tsq/state"]), watcher) { _ in
        try waitUntil("alive") { watcher.messages.withLock { $0.last?.payload } == [0x31] }
        #expect(watcher.messages.withLock { $0.last?.retained } == true)
      }
    }
    try Self.with(Self.options(broker, "watcher2", ["tsq/connection/tsq/state"]), watcher) { _ in
      try waitUntil("gone") { watcher.messages.withLock { $0.last?.payload } == [0x30] }
    }
  }

  /// mosquitto 2.0.11 without a limit of queued messages ends a connection at each publication that it refuses.
  @Test func aBrokerThatEndsWhatItAcceptedIsNotTriedAgainWithoutAPause() throws {
    let (listener, port) = MQTTLoopTests.listener()
    defer { close(listener) }
    var options = MQTTOptions(host: "127.0.0.1", port: port, clientID: "refused")
    options.firstRetryMillis = 3_600_000
    let inbox = Inbox()
    try Self.with(options, inbox) { _ in
      let client = accept(listener, nil, nil)
      var bytes = [UInt8](repeating: 0, count: 1024)
      _ = read(client, &bytes, bytes.count)
      // CONNACK, MQTT 5: no session, success, no properties.
      _ = write(client, [0x20, 3, 0, 0, 0] as [UInt8], 5)
      shutdown(client, Int32(SHUT_WR))
      try waitUntil("the loss") { inbox.saw { if case .disconnected = $0 { true } else { false } } }
      close(client)
      var waiting = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
      #expect(poll(&waiting, 1, 300) == 0, "it came back at once")
    }
  }

  /// A store that cannot take a batch yet gets the same batch again; a stop before that
  /// acknowledges nothing, and the next session is delivered all of it.
  @Test func whatIsNotCommittedIsDeliveredAgainAfterAStop() throws {
    let broker = try Broker()
    try broker.start()
    let inbox = Inbox()
    let sizes = Mutex<[Int]>([])
    let options = Self.options(broker, "slow", ["x"])
    try Self.with(
      options, inbox,
      answer: { batch in
        sizes.withLock { $0.append(batch.count) }
        return .retry(batch, afterMillis: 10)
      }
    ) { _ in
      try waitUntil("subscribed") { inbox.subscribed }
      let confirmed = Mutex(0)
      try Self.with(Self.options(broker, "publisher"), Inbox()) { publisher in
        for index in 0..<50 {
          let message = MQTTPublication(topic: "x", payload: [UInt8(index)], qos: 1)
          #expect(publisher.publish(message) { _ in confirmed.withLock { $0 += 1 } })
        }
        try waitUntil("the broker has all") { confirmed.withLock { $0 } == 50 }
      }
      try waitUntil("several tries") { sizes.withLock { $0.count >= 3 } }
      #expect(Set(sizes.withLock { $0 }).count == 1, "the same batch again")
      #expect(inbox.count == 0)
    }
    try Self.with(options, inbox) { _ in
      try waitUntil("delivered again") {
        Set(inbox.messages.withLock { $0.compactMap(\.payload.first) }).count == 50
      }
    }
  }

  /// Of a batch in which some messages cannot be settled, only these come again; none of the batch
  /// is acknowledged before the last of them is durable, and then all are.
  @Test func onlyWhatFailedIsHandedOverAgainAndNothingIsAcknowledgedBefore() throws {
    let broker = try Broker()
    try broker.start()
    let inbox = Inbox()
    let rounds = Mutex<[[UInt8]]>([])
    let isStuck = Mutex(true)
    let options = Self.options(broker, "partly", ["x"])
    // Every fifth message fails while the store is stuck.
    @Sendable func answer(_ batch: [MQTTMessage]) -> MQTTOutcome {
      rounds.withLock { $0.append(batch.compactMap(\.payload.first)) }
      let failed = isStuck.withLock { $0 } ? batch.filter { $0.payload[0] % 5 == 0 } : []
      let settled = batch.filter { message in !failed.contains { $0.payload == message.payload } }
      let answers = settled.map { MQTTPublication(topic: "answers", payload: $0.payload, qos: 1) }
      return failed.isEmpty ? .committed(answers) : .retry(failed, afterMillis: 5, answers: answers)
    }
    func publishAll() throws {
      let confirmed = Mutex(0)
      try Self.with(Self.options(broker, "publisher"), Inbox()) { publisher in
        for index in 0..<50 {
          let message = MQTTPublication(topic: "x", payload: [UInt8(index)], qos: 1)
          #expect(publisher.publish(message) { _ in confirmed.withLock { $0 += 1 } })
        }
        try waitUntil("the broker has all") { confirmed.withLock { $0 } == 50 }
      }
    }
    try Self.with(options, inbox, answer: answer) { _ in
      try waitUntil("subscribed") { inbox.subscribed }
      try publishAll()
      try waitUntil("rounds of what failed alone") {
        rounds.withLock { $0.suffix(3).allSatisfy { !$0.isEmpty && $0.allSatisfy { $0 % 5 == 0 } } && $0.count > 5 }
      }
    }
    let before = rounds.withLock { $0.flatMap { $0 } }
    for number in 0..<50 as Range<UInt8> where number % 5 != 0 {
      #expect(before.count { $0 == number } <= 1, "\(number) was settled in its first round")
    }
    // Stopped while stuck: the broker delivers all of the batch again.
    rounds.withLock { $0 = [] }
    isStuck.withLock { $0 = false }
    let answers = Inbox()
    try Self.with(Self.options(broker, "asker", ["answers"]), answers) { _ in
      try waitUntil("listening") { answers.subscribed }
      let again = Inbox()
      try Self.with(options, again, answer: answer) { _ in
        try waitUntil("all answered") {
          Set(answers.messages.withLock { $0.compactMap(\.payload.first) }) == Set(0..<50)
        }
      }
      // The answers were sent behind the acknowledgements: nothing is left to deliver.
      rounds.withLock { $0 = [] }
      let last = Inbox()
      try Self.with(options, last, answer: answer) { loop in
        #expect(loop.publish(MQTTPublication(topic: "x", payload: [99], qos: 1)))
        try waitUntil("the marker") { rounds.withLock { $0.flatMap { $0 } }.contains(99) }
      }
      #expect(rounds.withLock { $0.flatMap { $0 } } == [99])
    }
  }

  /// S9
  @Test func anOversizedMessageIsToldAndNotKept() throws {
    let broker = try Broker()
    try broker.start()
    let inbox = Inbox()
    try Self.with(Self.options(broker, "big", ["x"]), inbox) { loop in
      try waitUntil("subscribed") { inbox.subscribed }
      #expect(
        loop.publish(
          MQTTPublication(topic: "x", payload: Array(repeating: 1, count: 256 << 10), qos: 1)))
      #expect(
        loop.publish(
          MQTTPublication(topic: "x", payload: Array(repeating: 1, count: (256 << 10) + 1), qos: 1))
      )
      try waitUntil("both") { inbox.count == 2 }
      #expect(inbox.messages.withLock { $0.map(\.isOversized) } == [false, true])
      #expect(inbox.messages.withLock { $0.map(\.payload.count) } == [256 << 10, 0])
    }
  }

  /// R9 and the issue: 20 kills at full rate lose nothing that was acknowledged to the publisher.
  @Test func twentyKillsOfASubscriberAtFullRateLoseNoMessage() throws {
    let broker = try Broker()
    try broker.start()
    try Self.loseNothing(broker, kills: 20, publisher: Self.options(broker, "publisher"))
  }

  /// - Parameter probe: files of TLS for the process that is killed.
  static func loseNothing(_ broker: Broker, kills: Int, publisher: MQTTOptions, probe files: [String] = []) throws {
    let probe = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
      .appendingPathComponent("ingest-probe").path
    var random = SeededRandom(42)
    func subscriber() throws -> ChildProcess {
      try? FileManager.default.removeItem(atPath: "\(broker.folder)/ready")
      let process = try ChildProcess(
        probe, ["subscribe", "\(broker.port)", "killed", "k/#", broker.folder] + files)
      try waitUntil("the subscriber is ready") {
        FileManager.default.fileExists(atPath: "\(broker.folder)/ready")
      }
      return process
    }
    func records() -> [UInt64] {
      let bytes = fileBytes("\(broker.folder)/log")
      return (0..<(bytes.count / 8)).map { index in
        (0..<8).reduce(0) { $0 | UInt64(bytes[index * 8 + $1]) << UInt64($1 * 8) }
      }
    }

    var process = try subscriber()
    let inbox = Inbox()
    let confirmed = Mutex<Set<UInt64>>([])
    try Self.with(publisher, inbox) { loop in
      var next: UInt64 = 0
      func publish(millis: Int) {
        let end = ContinuousClock.now + .milliseconds(millis)
        while ContinuousClock.now < end {
          let number = next
          let payload = (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64($0 * 8)) }
          let queued = loop.publish(
            MQTTPublication(topic: "k/\(number % 7)", payload: payload, qos: 1)
          ) { ok in if ok { _ = confirmed.withLock { $0.insert(number) } } }
          if queued { next += 1 } else { usleep(500) }
        }
      }
      for _ in 0..<kills {
        publish(millis: 20 + Int(random.next() % 80))
        process.end(SIGKILL)
        publish(millis: 5)
        process = try subscriber()
      }
      try waitUntil("every publication confirmed") { confirmed.withLock { $0.count } == Int(next) }
      try waitUntil("every confirmed message in the log") {
        confirmed.withLock { $0 }.isSubset(of: Set(records()))
      }
      process.end(SIGTERM)
      let log = records()
      print(
        "mqtt kill test: \(next) messages, \(kills) kills, 0 missing, \(log.count - Set(log).count) redelivered"
      )
      #expect(Set(log) == Set(0..<next))
    }
  }
}
