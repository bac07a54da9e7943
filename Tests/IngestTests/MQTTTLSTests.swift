import Foundation
import Synchronization
import Testing

@testable import Ingest

/// D-26: brokers over TLS, with certificates on both sides.
@Suite(.serialized) struct MQTTTLSTests {
  private typealias Inbox = MQTTLoopTests.Inbox

  private func options(_ broker: Broker, _ client: String, _ filters: [String] = [], _ tls: MQTTTLS) -> MQTTOptions {
    var options = MQTTLoopTests.options(broker, client, filters)
    options.tls = tls
    return options
  }

  @Test("D-26: messages of each QoS come and go over TLS and mutual TLS", arguments: [0, 1, 2] as [Int32], [false, true])
  func messagesComeAndGo(_ qos: Int32, _ isMutual: Bool) throws {
    let files = try Certificates()
    let broker = try Broker(files.listener("server", isMutual: isMutual))
    try broker.start()
    let inbox = Inbox()
    let confirmed = Mutex<[Bool]>([])
    let tls = isMutual ? files.mutual : files.one
    try MQTTLoopTests.with(options(broker, "both", ["a/+"], tls), inbox) { loop in
      try waitUntil("subscribed") { inbox.subscribed }
      // More than a record of TLS holds, and an empty one.
      for payload in [[UInt8](repeating: 7, count: 100_000), []] {
        #expect(loop.publish(MQTTPublication(topic: "a/x", payload: payload, qos: qos)) { ok in confirmed.withLock { $0.append(ok) } })
      }
      try waitUntil("arrived and confirmed") { inbox.count == 2 && confirmed.withLock { $0.count } == 2 }
      #expect(inbox.messages.withLock { $0.map(\.payload.count) } == [100_000, 0])
      #expect(confirmed.withLock { $0 } == [true, true])
    }
  }

  /// Acknowledgements fill the pair of sockets by which libmosquitto wakes its own loop; from then on it takes one packet
  /// a call. A record of TLS has hundreds, and of those that are decrypted the socket shows nothing.
  @Test("D-26: what is decrypted already is read without waiting for the socket")
  func decryptedBytesAreRead() throws {
    let files = try Certificates()
    let count = 1_500
    var bytes: [UInt8] = [0x20, 3, 0, 0, 0]
    for id in 1...count {
      bytes += [0x32, 7, 0, 1, UInt8(ascii: "x"), UInt8(id >> 8), UInt8(id & 255), 0, UInt8(id & 255)]
    }
    let pipe = "\(files.folder)/pipe"
    #expect(mkfifo(pipe, 0o600) == 0)
    let end = open(pipe, O_RDWR)
    defer { close(end) }
    let port = Broker.freePort()
    let server = try ChildProcess(
      "/bin/sh",
      [
        "-c", "exec openssl s_server -quiet -accept 127.0.0.1:\(port) -cert \(files.path("server.pem")) "
          + "-key \(files.path("server.key")) < \(pipe)",
      ])
    defer { server.end(SIGKILL) }
    #expect(write(end, bytes, bytes.count) == bytes.count)
    var options = MQTTOptions(host: "127.0.0.1", port: port, clientID: "hidden")
    options.tls = files.one
    options.firstRetryMillis = 20
    // What it has to say it says to the first who connects, and nothing more: what is not read then is never read.
    let inbox = Inbox()
    try MQTTLoopTests.with(options, inbox) { _ in
      try waitUntil("all of them", seconds: 60) { inbox.count == count }
    }
  }

  @Test("D-26, R9: over mutual TLS, kills of a subscriber at full rate lose no message, nor does a stop before a commit")
  func killsLoseNoMessage() throws {
    let files = try Certificates()
    let broker = try Broker(files.listener("server", isMutual: true))
    try broker.start()
    let tls = files.mutual
    try MQTTLoopTests.loseNothing(
      broker, kills: 6, publisher: options(broker, "publisher", [], tls),
      probe: [files.path("ca.pem"), files.path("client.pem"), files.path("client.key")])
    let inbox = Inbox()
    let tries = Mutex(0)
    let slow = options(broker, "slow", ["x"], tls)
    try MQTTLoopTests.with(
      slow, inbox,
      answer: { batch in
        tries.withLock { $0 += 1 }
        return .retry(batch, afterMillis: 10)
      }
    ) { _ in
      try waitUntil("subscribed") { inbox.subscribed }
      let confirmed = Mutex(0)
      try MQTTLoopTests.with(options(broker, "publisher2", [], tls), Inbox()) { publisher in
        for index in 0..<50 {
          let message = MQTTPublication(topic: "x", payload: [UInt8(index)], qos: 1)
          #expect(publisher.publish(message) { _ in confirmed.withLock { $0 += 1 } })
        }
        try waitUntil("the broker has all") { confirmed.withLock { $0 } == 50 }
      }
      try waitUntil("several tries") { tries.withLock { $0 } >= 3 }
    }
    try MQTTLoopTests.with(slow, inbox) { _ in
      try waitUntil("delivered again") { Set(inbox.messages.withLock { $0.compactMap(\.payload.first) }).count == 50 }
    }
  }

  @Test("D-26: a connection that TLS refuses says which file is wrong and what to do")
  func refusalsNameFileAndRemedy() throws {
    let files = try Certificates()
    func reason(_ broker: Broker, host: String = "127.0.0.1", _ tls: MQTTTLS) throws -> String {
      let inbox = Inbox()
      var options = options(broker, "refused", ["x"], tls)
      options.host = host
      try MQTTLoopTests.with(options, inbox) { _ in
        try waitUntil("a refusal") {
          inbox.saw { if case .connectionFailed = $0 { true } else if case .disconnected = $0 { true } else { false } }
        }
      }
      return inbox.events.withLock { events in
        events.lazy.compactMap { if case .connectionFailed(let reason, _) = $0 { reason } else { nil } }.first ?? ""
      }
    }
    let broker = try Broker(files.listener("server", isMutual: true))
    try broker.start()
    let stranger = try reason(broker, MQTTTLS(caFile: files.path("other.pem")))
    #expect(stranger.contains("not accepted") && stranger.contains(files.path("other.pem")) && stranger.contains("--mqtt-ca"), "\(stranger)")
    let bare = try reason(broker, files.one)
    #expect(bare.contains("asks for a certificate") && bare.contains("--mqtt-cert"), "\(bare)")
    let named = try reason(broker, host: "localhost", files.mutual)
    #expect(named.contains("is not for localhost"), "\(named)")
    let missing = try reason(broker, MQTTTLS(caFile: "\(files.folder)/nowhere.pem"))
    #expect(missing.contains("\(files.folder)/nowhere.pem") && missing.contains("No such file"), "\(missing)")
    let half = try reason(broker, MQTTTLS(caFile: files.path("ca.pem"), certFile: files.path("client.pem")))
    #expect(half.contains("go together"), "\(half)")
    let noise = try reason(broker, MQTTTLS(caFile: files.path("ca.pem"), certFile: files.path("noise"), keyFile: files.path("client.key")))
    #expect(noise.contains(files.path("noise")) && noise.contains("PEM"), "\(noise)")
    let old = try reason(
      broker, MQTTTLS(caFile: files.path("ca.pem"), certFile: files.path("expired.pem"), keyFile: files.path("expired.key")))
    #expect(old.contains("has expired") && old.contains(files.path("expired.pem")), "\(old)")
    let expired = try Broker(files.listener("expired", isMutual: false))
    try expired.start()
    let late = try reason(expired, files.one)
    #expect(late.contains("expired") && late.contains("renewed"), "\(late)")
    let plain = try Broker()
    try plain.start()
    let open = try reason(plain, files.one)
    #expect(!open.isEmpty && open != "A TLS error occurred.", "\(open)")
  }

  @Test("D-26: the keepalive is 60 s")
  func theKeepaliveIsAMinute() throws {
    let (listener, port) = MQTTLoopTests.listener()
    defer { close(listener) }
    let options = MQTTOptions(host: "127.0.0.1", port: port, clientID: "alive")
    try MQTTLoopTests.with(options, Inbox()) { _ in
      let client = accept(listener, nil, nil)
      defer { close(client) }
      var bytes = [UInt8](repeating: 0, count: 1024)
      let count = read(client, &bytes, bytes.count)
      // Fixed header, then "MQTT", version, flags, keepalive.
      #expect(count > 12 && bytes[0] == 0x10 && Array(bytes[10...11]) == [0, 60])
    }
  }
}
