import Testing

@testable import TSEngine

/// Events and operational records as a snapshot gives them, in pages.
@Suite struct SnapshotJournalTests {
  let bench = StoreBench()

  private func record(_ device: String, _ store: Store) throws -> LSN {
    let message = ReceivedMessage(device: device, interface: "test", topic: "t")
    let kind = OperationalKind.messageReceived(message)
    return try store.record([OperationalRecord(recordedAt: StoreBench.start, kind: kind)])
  }

  @Test func eventsComeInPagesFromAnyPositionAndNotFromAfterTheSnapshot() throws {
    let store = try bench.open()
    for name in ["ann", "bob", "cid"] {
      _ = try store.decide(actor: StoreBench.actor) { $0.createUser(name, $1) }
    }
    let snapshot = store.snapshot()
    let all = try snapshot.events()
    #expect(try all.map(\.lsn) == all.map(\.lsn).sorted() && all.count == snapshot.eventCount())
    _ = try store.decide(actor: StoreBench.actor) { $0.createUser("dan", $1) }
    #expect(try snapshot.events() == all && snapshot.eventCount() == all.count)
    for first in 0...(store.durableLSN + 1) {
      #expect(try snapshot.events(from: first) == all.filter { $0.lsn >= first }, "from \(first)")
      #expect(try snapshot.events(from: first, limit: 1) == Array(all.filter { $0.lsn >= first }.prefix(1)))
    }
  }

  @Test func recordsComeNewestFirstAcrossTheSealInPagesThatMeet() throws {
    let store = try bench.open()
    var lsns: [LSN] = []
    for number in 0..<12 {
      lsns.append(try record("m\(number)", store))
      if number == 3 || number == 7 { try store.seal() }
    }
    let snapshot = store.snapshot()
    _ = try record("later", store)
    var pages: [LSN] = []
    var end = LSN.max
    while case let page = try snapshot.newestRecords(before: end, limit: 5, where: { _ in true }), !page.isEmpty {
      #expect(page.count <= 5)
      pages += page.map(\.lsn)
      end = page[page.count - 1].lsn
    }
    #expect(pages == lsns.reversed())
    let odd = try snapshot.newestRecords(limit: 3) { $0.lsn % 2 == 1 }.map(\.lsn)
    #expect(odd == Array(lsns.reversed().filter { $0 % 2 == 1 }.prefix(3)))
    #expect(try snapshot.newestRecords(limit: 0, where: { _ in true }).isEmpty)
  }
}
