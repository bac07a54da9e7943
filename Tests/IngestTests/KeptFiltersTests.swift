import Foundation
import Synchronization
import Testing

@testable import Ingest

/// What a session is subscribed to, kept retained at the broker.
@Suite(.serialized) struct KeptFiltersTests {
  private static let topic = "tsq/connection/tsq/filters"

  private func message(_ text: String, retained: Bool = true) -> MQTTMessage {
    MQTTMessage(topic: Self.topic, payload: Array(text.utf8), qos: 1, retained: retained, packetID: 1)
  }

  private func kept(_ filters: String...) -> KeptFilters { KeptFilters(topic: Self.topic, filters: filters, nonce: 7) }

  private func list(_ filters: String...) -> [UInt8] { Array(filters.joined(separator: "\n").utf8) }

  @Test("L-14: what is no more is ended, and what is kept names old and new until the broker has ended the old")
  func oldFiltersAreEnded() {
    var state = kept("a/+", "b")
    #expect(state.first == .ask(Array("?7".utf8)))
    #expect(state.take(message("a/+\nc/#\nd")) == [.keep(list("a/+", "b", "c/#", "d")), .end("c/#"), .end("d")])
    state.isEnding(5)
    state.isEnding(6)
    #expect(state.ended([5]) == nil && state.ended([]) == nil)
    #expect(state.ended([6]) == .keep(list("a/+", "b")))
    #expect(state.ended([]) == nil)
  }

  @Test("what the library takes for no filter is kept no longer")
  func whatCannotBeEndedIsForgotten() {
    var state = kept("a")
    #expect(state.take(message("a\nx#y")) == [.keep(list("a", "x#y")), .end("x#y")])
    #expect(state.ended([]) == .keep(list("a")))
  }

  @Test("a NUL, another byte below a space or bytes that are no UTF-8 make no filter of ours end: C would see another one")
  func bytesThatCSeesOtherwise() {
    for entry in ["powermon/+/data\0x", "powermon/+/data\0", "\u{1}", "powermon/+/data\r"] {
      var state = kept("powermon/+/data")
      #expect(state.take(message("powermon/+/data\n\(entry)")).allSatisfy { if case .end = $0 { false } else { true } })
    }
    var state = kept("a")
    var broken = message("")
    broken.payload = [0xFF, 0x0A, 0x61]
    #expect(state.take(broken).isEmpty)
    // One text to Swift, two filters to a broker.
    state = kept("caf\u{E9}")
    #expect(state.take(message("cafe\u{301}")).contains(.end("cafe\u{301}")))
    state = kept("a")
    #expect(!state.take(message(Self.topic)).contains(.end(Self.topic)))
  }

  @Test("one retained list counts, once a connection; an empty one and others' lists end nothing")
  func othersEndNothing() {
    var state = kept("a")
    #expect(state.take(message("", retained: true)) == [.keep(list("a"))])
    #expect(state.take(message("b")).isEmpty, "once")
    state = kept("a")
    for other in ["b", "a", "", "?6"] { #expect(state.take(message(other, retained: false)).isEmpty, "not of this connection") }
    #expect(state.take(message("?7", retained: false)) == [.keep(list("a"))], "there was none")
    #expect(state.take(message("b")).isEmpty)
    state = kept("a")
    #expect(state.take(message("a")).isEmpty, "nothing new")
    state = kept("a")
    let many = (0..<1000).map { "f/\($0)" }.joined(separator: "\n")
    #expect(state.take(message(many)).count == KeptFilters.limit + 1)
  }

  @Test("L-14: at a broker: a start with other filters ends the old one; a foreign list, a NUL and nothing at all end none")
  func atABroker() throws {
    let broker = try Broker()
    try broker.start()
    func options(_ filters: String...) -> MQTTOptions {
      var options = MQTTLoopTests.options(broker, "tsq", filters)
      options.filtersTopic = Self.topic
      return options
    }
    func ended(_ inbox: MQTTLoopTests.Inbox) -> [String] {
      inbox.events.withLock { $0.compactMap { if case .unsubscribed(let filter) = $0 { filter } else { nil } } }
    }
    func keptList(_ name: String) throws -> String {
      let inbox = MQTTLoopTests.Inbox()
      try MQTTLoopTests.with(MQTTLoopTests.options(broker, name, [Self.topic]), inbox) { _ in
        try waitUntil("the list") { inbox.count > 0 }
      }
      return inbox.messages.withLock { String(decoding: $0.last?.payload ?? [], as: UTF8.self) }
    }
    func publish(_ payload: String, retain: Bool, _ publisher: MQTTLoop) throws {
      let confirmed = Mutex(false)
      let list = MQTTPublication(topic: Self.topic, payload: Array(payload.utf8), qos: 1, retain: retain)
      #expect(publisher.publish(list) { ok in confirmed.withLock { $0 = ok } })
      try waitUntil("the broker has it") { confirmed.withLock { $0 } }
    }
    let first = MQTTLoopTests.Inbox()
    try MQTTLoopTests.with(options("old", "x/+/data"), first) { _ in
      try waitUntil("subscribed") { first.subscribed }
      try waitUntil("kept") { (try? keptList("w\(UInt32.random(in: 0 ... .max))")) == "old\nx/+/data" }
    }
    let second = MQTTLoopTests.Inbox()
    try MQTTLoopTests.with(options("x/+/data"), second) { loop in
      try waitUntil("ended") { ended(second) == ["old"] }
      try waitUntil("kept") { (try? keptList("w\(UInt32.random(in: 0 ... .max))")) == "x/+/data" }
      // Somebody else writes to the topic while the connection is there.
      try MQTTLoopTests.with(MQTTLoopTests.options(broker, "foreign"), MQTTLoopTests.Inbox()) { foreign in
        for payload in ["x/+/data\0y", "z", ""] {
          for retain in [false, true] { try publish(payload, retain: retain, foreign) }
        }
        try publish("x/+/data\0y\nz", retain: true, foreign)
        #expect(foreign.publish(MQTTPublication(topic: "x/1/data", payload: [1], qos: 1)))
        #expect(foreign.publish(MQTTPublication(topic: "old", payload: [2], qos: 1)))
      }
      try waitUntil("it is heard") { second.count > 0 }
      #expect(second.messages.withLock { $0.map(\.topic) } == ["x/1/data"] && ended(second) == ["old"])
    }
    // What somebody left there, the next start reads: of it nothing of ours is ended.
    let third = MQTTLoopTests.Inbox()
    try MQTTLoopTests.with(options("x/+/data"), third) { loop in
      try waitUntil("the list is ours again") { ended(third) == ["z"] }
      #expect(loop.publish(MQTTPublication(topic: "x/2/data", payload: [3], qos: 1)))
      try waitUntil("it is heard") { third.messages.withLock { $0.contains { $0.topic == "x/2/data" } } }
      try waitUntil("kept") { (try? keptList("w\(UInt32.random(in: 0 ... .max))")) == "x/+/data" }
    }
  }
}
