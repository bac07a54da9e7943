import Testing

@testable import TSEngine

@Suite struct AnnouncementTests {
  @Test("L-21: topic and payloads of the retained message")
  func payloads() throws {
    var ledger = Ledger()
    let (id, alice) = (ledger.device(), ledger.user("alice"))
    let entry = try #require(ledger.registry.announcements[id])
    #expect(entry.topic == "devices/b827eb08451e/lamp/associated")
    #expect(entry.state.payload == #"{"associated": false, "code": "\#(ledger.code(id))"}"#)
    ledger.decide { $0.claim(code: $0.code(id), by: alice, $1) }
    #expect(ledger.registry.announcements[id]?.state.payload == #"{"associated": true}"#)
    ledger.decide { $0.createDevice("gresystem000001", type: "power", $1) }
    #expect(ledger.registry.announcements["gresystem000001"] == nil)
  }

  @Test("L-30 T-09: what was not confirmed is pending after a replay, what was is not")
  func outbox() throws {
    var ledger = Ledger()
    let (id, alice) = (ledger.device(), ledger.user("alice"))
    let first = try #require(ledger.registry.announcements.pending().first)
    ledger.decide { $0.claim(code: $0.code(id), by: alice, $1) }
    // The confirmation of the older state does not cover the newer one.
    ledger.decide { $0.confirmAnnouncement(of: id, stateLSN: first.stateLSN, $1) }
    #expect(replay(ledger.log).announcements.pending().map(\.state) == [.associated])
    let second = try #require(ledger.registry.announcements.pending().first)
    ledger.decide { $0.confirmAnnouncement(of: id, stateLSN: second.stateLSN, $1) }
    #expect(!replay(ledger.log).announcements.hasPending)
    let count = ledger.log.count
    ledger.decide { $0.confirmAnnouncement(of: id, stateLSN: second.stateLSN, $1) }
    #expect(ledger.log.count == count)
    // Asked for by hand.
    ledger.decide { $0.requestAnnouncement(of: id, $1) }
    #expect(replay(ledger.log).announcements.pending().map(\.state) == [.associated])
    #expect(ledger.decide { $0.requestAnnouncement(of: "ff", $1) }.failure == .unknownDevice)
  }

  @Test("L-08 L-30: a deleted device's message is cleared once, then forgotten")
  func cleared() throws {
    var ledger = Ledger()
    let id = ledger.device()
    ledger.decide { $0.deleteDevice(id, $1) }
    let entry = try #require(ledger.registry.announcements.pending().first)
    #expect(entry.state == .cleared && entry.state.payload.isEmpty)
    ledger.record([
      ledger.context.event(
        ledger.registry, .announcementConfirmed(device: id, stateLSN: entry.stateLSN))
    ])
    #expect(ledger.registry.announcements[id] == nil)
    #expect(!ledger.registry.announcements.hasPending)
  }
}
