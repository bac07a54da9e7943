import Foundation
import Synchronization
import TSEngine
import Testing

@testable import Ingest

/// R9 over MQTT: whenever tsq is killed, what the broker took is stored once and processed once.
///
/// `make kills` runs them with `TSQ_KILLS=200` over the release build (`TSQ_BINARY`).
@Suite(.serialized) struct BrokerKillTests {
  private static let isCampaign = ProcessInfo.processInfo.environment["TSQ_KILLS"] != nil

  private static func kills(_ few: Int) -> Int {
    ProcessInfo.processInfo.environment["TSQ_KILLS"].flatMap { Int($0) } ?? few
  }

  /// Messages a round of life and death: as many as the publisher can where there is time.
  private static var messagesAKill: Int { isCampaign ? 1_000 : 120 }

  /// A publisher at full rate on a thread of its own, whoever listens.
  private final class Publisher: Sendable {
    private struct Counts {
      var sent = 0
      var confirmed = 0
      var allowed = 0
      var isEnding = false
    }

    private let counts = Mutex(Counts())
    private let loop: MQTTLoop
    private let threads = [DispatchSemaphore(value: 0), DispatchSemaphore(value: 0)]

    /// - Parameter message: the n-th one.
    init(_ broker: Broker, _ message: @escaping @Sendable (Int) -> MQTTPublication) {
      var options = MQTTOptions(host: "127.0.0.1", port: broker.port, clientID: "meters")
      options.outgoingLimit = 1_000
      let loop = MQTTLoop(options) { _ in .committed([]) }
      self.loop = loop
      let threads = threads
      Thread.detachNewThread {
        loop.run()
        threads[0].signal()
      }
      Thread.detachNewThread { [self] in
        while let number = next() {
          let sent = loop.publish(message(number)) { ok in
            if ok { self.counts.withLock { $0.confirmed += 1 } }
          }
          if sent { counts.withLock { $0.sent += 1 } } else { usleep(200) }
        }
        threads[1].signal()
      }
    }

    /// Nil at the end.
    private func next() -> Int? {
      while true {
        let (sent, allowed, isEnding) = counts.withLock { ($0.sent, $0.allowed, $0.isEnding) }
        if sent < allowed { return sent }
        if isEnding { return nil }
        usleep(500)
      }
    }

    func allow(_ more: Int) { counts.withLock { $0.allowed += more } }
    var sent: Int { counts.withLock { $0.sent } }

    /// Returns how many were sent, once the broker has all of them.
    func end() throws -> Int {
      counts.withLock { $0.isEnding = true }
      threads[1].wait()
      try waitUntil("every message is with the broker") { counts.withLock { $0.confirmed == $0.sent } }
      loop.stop()
      threads[0].wait()
      return sent
    }
  }

  private static func subscribed(_ server: ServeProcess) throws {
    try waitUntil("subscribed") { server.output.contains("mqtt mqtt subscribed") }
  }

  private static func number(_ server: ServeProcess, _ sql: String) -> Int {
    let answer = try? server.client().request("POST", "/api/query", Array(sql.utf8)).list.first
    return answer?["n"] as? Int ?? -1
  }

  private static func declareThing(_ server: ServeProcess) throws {
    let type = "type: probe\nreadings: {n: int}\n"
    #expect(try server.client().post("/api/types", type).status == 201)
    #expect(try server.client().post("/api/devices", #"{"id":"p-1","type":"probe"}"#).status == 201)
  }

  private static func thing(_ number: Int) -> MQTTPublication {
    // An instant of its own for each: a message processed twice would be two messages of one number.
    let payload = #"{"n":\#(number),"timestamp":\#(1_700_000_000 + number)}"#
    return MQTTPublication(topic: "things/probe/p-1/data", payload: Array(payload.utf8), qos: 1)
  }

  /// Every message of a declared type is recorded once and processed once.
  private static func check(_ servers: [ServeProcess], messages: [Int]) throws {
    var numbers: [Int] = []
    for server in servers {
      let rows = try server.client().request("POST", "/api/query", Array("select n from probe".utf8)).list
      let found = rows.compactMap { $0["n"] as? Int }
      let messages = "select count(*) as n from messages where topic = 'things/probe/p-1/data'"
      #expect(number(server, messages) == found.count)
      #expect(number(server, messages + " and processing_status = 'completed'") == found.count)
      numbers += found
    }
    #expect(numbers.sorted() == messages)
  }

  @Test("R9 D-20: kills during MQTT ingest at full rate lose no frame that the broker took, nothing is processed twice")
  func killsLoseNothing() throws {
    let kills = Self.kills(20)
    let broker = try Broker()
    try broker.start()
    let server = try BrokerTests.server(broker)
    try Self.declareThing(server)
    let frame = Frames.json("gresystem00000?", 1_600_000_000).split(separator: "?").map(String.init)
    let ends = frame[1].components(separatedBy: "1600000000")
    // Every 16th message is of a device of a declared type.
    let publisher = Publisher(broker) { number in
      if number % 16 == 15 { return Self.thing(number) }
      let place = number - number / 16
      let json = "\(frame[0])\(place % 5)\(ends[0])\(1_600_000_000 + place / 5)\(ends[1])"
      return MQTTPublication(topic: "powermon/gresystem00000\(place % 5)/data", payload: Array(json.utf8), qos: 1)
    }
    var random = SeededRandom(UInt64(ProcessInfo.processInfo.processIdentifier))
    for _ in 0..<kills {
      publisher.allow(Self.messagesAKill)
      usleep(UInt32(5_000 + random.next() % 60_000))
      server.kill()
      try server.start()
      try Self.subscribed(server)
    }
    let sent = try publisher.end()
    let things = (0..<sent).filter { $0 % 16 == 15 }
    let frames = sent - things.count
    try waitUntil("every frame is stored") { Self.number(server, "select count(*) as n from power") == frames * 60 }
    try waitUntil("every message is processed") { Self.number(server, "select count(*) as n from probe") == things.count }
    try Self.check([server], messages: things)
    #expect(server.stop() == 0)
    try server.reading { snapshot in
      for sensor in 0..<5 {
        let seconds = Set((0..<frames).filter { $0 % 5 == sensor }.map { 1_600_000_000 + Int64($0 / 5) })
        let stored = try snapshot.wholeSeconds(of: "gresystem00000\(sensor)", probe: 2)
        #expect(stored == seconds, "\(sensor)")
      }
    }
    print("mqtt kill test: \(frames) frames, \(things.count) other messages, \(kills) kills, 0 missing, 0 double")
  }

  @Test("R9 D-25: of two processes that share a subscription one is killed, again and again; each message is processed once")
  func killsOfOneOfTwo() throws {
    let kills = Self.kills(8)
    let broker = try Broker()
    try broker.start()
    let servers = try (0..<2).map { _ in try BrokerTests.server(broker, ["--mqtt-group", "fleet"]) }
    for server in servers { try Self.declareThing(server) }
    let publisher = Publisher(broker) { Self.thing($0) }
    var random = SeededRandom(UInt64(ProcessInfo.processInfo.processIdentifier))
    for _ in 0..<kills {
      publisher.allow(Self.messagesAKill / 4)
      usleep(UInt32(5_000 + random.next() % 60_000))
      let server = servers[Int(random.next() % 2)]
      server.kill()
      usleep(UInt32(random.next() % 20_000))
      try server.start()
      try Self.subscribed(server)
    }
    let sent = try publisher.end()
    func count(_ server: ServeProcess) -> Int { Self.number(server, "select count(*) as n from probe") }
    try waitUntil("every message is processed") { servers.reduce(0) { $0 + max(0, count($1)) } >= sent }
    let counts = servers.map(count)
    try Self.check(servers, messages: Array(0..<sent))
    for server in servers { #expect(server.stop() == 0) }
    print("shared kill test: \(sent) messages to \(counts), \(kills) kills of one, 0 missing, 0 double")
  }
}
