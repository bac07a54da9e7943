import Foundation
import TSEngine
import Testing

@testable import Ingest
@testable import Server

/// Frames over a broker: those of a batch are stored together, and each is answered by itself (P-05, P-10, T-03).
@Suite struct FrameMessagesTests {
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("frames-\(UUID().uuidString)").path

  private func frame(_ sensor: String, _ second: Int, power: Int = 800) -> String {
    #"{"version":"221013","sensor_id":"\#(sensor)","timestamp":\#(1_666_000_000 + second),"data":[{"probe_id":1,"#
      + #""probe_type":"CT","power":[\#(power),801],"pf":[990,991],"voltage":[2300,2301]}]}"#
  }

  private func arrived(_ sensor: String, _ payload: String, _ id: UInt16 = 1) -> FrameMessages.Arrived {
    FrameMessages.Arrived(
      message: MQTTMessage(
        topic: "powermon/\(sensor)/data", payload: Array(payload.utf8), qos: 1, retained: false, packetID: id),
      sensor: sensor)
  }

  private func texts(_ outcome: FrameMessages.Outcome) -> [String: String] {
    Dictionary(
      outcome.answers.map { ($0.topic, String(decoding: $0.payload, as: UTF8.self)) }, uniquingKeysWith: { $0 + $1 })
  }

  @Test func aBatchIsStoredTogetherAndEachFrameIsAnswered_P05_P10_T03() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let store = try Store.open(folder, StoreOptions())
    let door = FrameDoor(store)
    let messages = FrameMessages(store, door, ServerMetrics(), prefixes: ["site/things"])
    let (a, b, c) = ("gresystem000001", "gresystem000002", "gresystem000003")
    let first = messages.store([
      arrived(a, frame(a, 0), 1), arrived(b, frame(a, 0), 2), arrived(b, "{", 3), arrived(c, frame(c, 0), 4),
      arrived(a, frame(a, 1), 5), arrived(c, "", 6),
    ])
    #expect(first.unsettled.isEmpty && first.answers.count == 5)
    let answers = texts(first)
    #expect(answers["powermon/\(a)/ack"]?.ranges(of: #""new":2,"same":0"#).count == 2)
    #expect(answers["powermon/\(a)/ack"]?.contains(#""timestamp":1666000001"#) == true)
    #expect(answers["powermon/\(b)/ack"]?.contains("not the sensor of the topic") == true)
    #expect(answers["powermon/\(c)/ack"]?.contains(#""new":2"#) == true)
    // One commit: everything that was stored has one last LSN.
    #expect(answers["powermon/\(c)/ack"]?.contains(#""lsn":\#(store.snapshot().lsn)"#) == true)

    // A redelivery, a conflict and what is new, in one batch.
    let again = texts(
      messages.store([
        arrived(a, frame(a, 0), 1), arrived(c, frame(c, 0, power: 900), 7), arrived(b, frame(b, 2), 8),
      ]))
    #expect(again["powermon/\(a)/ack"]?.contains(#""new":0,"same":2"#) == true)
    #expect(again["powermon/\(c)/ack"]?.contains(#""same":1,"conflict":1"#) == true)
    #expect(again["powermon/\(b)/ack"]?.contains(#""new":2"#) == true)

    var received: [ReceivedMessage] = []
    let failure = store.snapshot().records { record in
      if case .messageReceived(let message) = record.kind { received.append(message) }
      return true
    }
    #expect(failure == nil && received.count == 6)
    #expect(received.allSatisfy { $0.topic == "powermon/\($0.device)/data" && $0.qos == 1 })
    #expect(received.map(\.packetID) == [8, 7, 1, 5, 4, 1])
    // An answer goes where its sender asked, unless tsq or devices alone speak there (L-51).
    func answered(_ topic: String) -> String? {
      var asked = arrived(a, frame(a, 9))
      asked.message.responseTopic = topic
      return messages.store([asked]).answers.first?.topic
    }
    for topic in ["reply/to/me", "powermon/\(a)/mine", "thingsx/a"] { #expect(answered(topic) == topic) }
    for topic in [
      "powermon/\(b)/ack", "devices/b827eb08451e/lamp/associated", "things/lock/front/cmd", "$SYS/x", "powermon/\(a)/data",
      "reply/#", "tsq/connection/x/state", "", "site/things/lock/front/ack",
    ] { #expect(answered(topic) == "powermon/\(a)/ack", "\(topic)") }
    try store.close()
  }
}
