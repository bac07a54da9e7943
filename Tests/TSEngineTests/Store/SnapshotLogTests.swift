import Testing

@testable import TSEngine

/// D-30: the log as whoever follows it has it: events and what happens all the time in one order, from any position on.
@Suite struct SnapshotLogTests {
  private let bench = StoreBench()

  /// Sealed twice on the way, so that each kind lies in journals and in memory.
  private func fill(_ store: Store) throws {
    var draft = TypeDraft(name: "probe")
    draft.columns = [ColumnSchema(id: 1, name: "x", type: .int)]
    _ = try store.decide(actor: StoreBench.actor) { [draft] in $0.declareTypes([draft], $1) }.result.get()
    for (id, type) in [("p-1", "probe"), ("m-1", "power"), ("b827eb08451e", "lampi")] {
      _ = try store.decide(actor: StoreBench.actor) { $0.createDevice(id, type: type, $1) }.result.get()
    }
    for round in 0..<3 {
      for id in ["p-1", "m-1", "b827eb08451e", "stranger"] {
        let message = ReceivedMessage(device: id, interface: "mqtt", topic: "t/\(round)", payload: [1])
        let lsn = try store.record([OperationalRecord(recordedAt: StoreBench.start, kind: .messageReceived(message))])
        _ = try store.record([
          OperationalRecord(recordedAt: StoreBench.start, kind: .messageProcessed(messageLSN: lsn, error: "")),
          OperationalRecord(
            recordedAt: StoreBench.start,
            kind: .connectionChanged(device: id, interface: "mqtt", connected: round % 2 == 0, source: "test")),
        ])
        let status: DeviceStatus = round % 2 == 0 ? .online : .error
        _ = try store.decide(actor: StoreBench.actor) { $0.setStatus(id, status, seenAt: nil, $1) }
      }
      if round < 2 { try store.seal() }
    }
  }

  private func all(_ snapshot: Snapshot) throws -> [LogEntry] {
    var records: [OperationalRecord] = []
    _ = snapshot.records { (record: OperationalRecord) throws(Never) in records.append(record); return true }
    _ = snapshot.replayedRecords { (record: OperationalRecord) throws(Never) in records.append(record); return true }
    // Of the unsealed ones both tell.
    var seen: Set<LSN> = []
    let once = records.filter { seen.insert($0.lsn).inserted }
    return (try snapshot.events().map { .event($0) } + once.map { .record($0) }).sorted { $0.lsn < $1.lsn }
  }

  @Test("D-30: pages from any position, of any length and filter, meet: nothing is left out, nothing comes twice")
  func pagesMeet() throws {
    let store = try bench.open()
    try fill(store)
    let snapshot = store.snapshot()
    let whole = try all(snapshot)
    #expect(whole.count > 40 && Set(whole.map(\.lsn)).count == whole.count)
    let filters: [(LogFilter, (LogEntry) -> Bool)] = [
      (LogFilter(kinds: LogFilter.kinds(["all"])), { _ in true }),
      (LogFilter(), { if case .event = $0 { true } else { false } }),
      (LogFilter(kinds: LogFilter.kinds(["status_changed"])), { $0.name == "device.status_changed" }),
      (
        LogFilter(kinds: LogFilter.kinds(["connected", "disconnected", "data_received"])),
        { ["device.connected", "device.disconnected", "message.received"].contains($0.name) }
      ),
      (LogFilter(kinds: LogFilter.kinds(["all"]), device: "p-1"), { $0.device == "p-1" }),
      (LogFilter(kinds: LogFilter.kinds(["all"]), type: "probe"), { $0.device == "p-1" }),
      (LogFilter(kinds: LogFilter.kinds(["message"]), type: "lampi"), { $0.name == "message.received" && $0.device == "b827eb08451e" }),
      (LogFilter(kinds: LogFilter.kinds(["command_sent"])), { _ in false }),
    ]
    for (number, (filter, isWanted)) in filters.enumerated() {
      for limit in [1, 3, 1000] {
        for first in stride(from: 0, through: snapshot.lsn + 2, by: limit == 1 ? 7 : 1) {
          var (found, next) = ([LSN](), LSN(first))
          while true {
            let page = try snapshot.log(from: next, limit: limit, filter)
            #expect(page.entries.count <= limit && page.next >= next)
            found += page.entries.map(\.lsn)
            next = page.next
            if page.entries.count < limit { break }
          }
          let wanted = whole.filter { $0.lsn >= first && isWanted($0) }.map(\.lsn)
          #expect(found == wanted, "filter \(number) from \(first) by \(limit)")
          #expect(next == max(first, snapshot.lsn + 1))
        }
      }
    }
  }

  @Test("D-30: the work of a page is bounded: short and empty pages meet, too, and each goes on by something")
  func theWorkOfAPageIsBounded() throws {
    let store = try bench.open()
    try fill(store)
    let snapshot = store.snapshot()
    let whole = try all(snapshot).count { $0.device == "p-1" }
    let filter = LogFilter(kinds: LogFilter.kinds(["all"]), device: "p-1")
    for bound in 0..<3 {
      var (found, next, pageCount) = (0, LSN(0), 0)
      while next <= snapshot.lsn {
        let page =
          bound == 2
          ? try snapshot.log(from: next, limit: 100, filter, until: { true })
          : try snapshot.log(from: next, limit: 100, filter, work: [1, 500][bound])
        #expect(page.next > next && page.entries.count <= (bound == 1 ? 7 : 1))
        (found, next, pageCount) = (found + page.entries.count, page.next, pageCount + 1)
      }
      #expect(found == whole && pageCount > (bound == 1 ? whole / 7 : whole), "\(pageCount) pages")
    }
    #expect(try snapshot.log(from: 0, limit: 100, LogFilter(kinds: ["command.sent"]), work: 1).entries.isEmpty)
  }

  @Test("D-30: what is of another kind is passed without being decoded")
  func otherKindsAreNotDecoded() throws {
    for kind in EventSamples.kinds {
      let event = Event(
        lsn: 1, id: EventID(high: 1, low: 2), recordedAt: 5, effectiveAt: 9, actor: StoreBench.actor,
        cause: Cause(lsn: 3, message: "m", reason: "r"), correlation: "c", kind: kind)
      let bytes = try Journal.encode(event)
      #expect(Journal.kindField(bytes.span.bytes) == EventKind.fields[kind.name], "\(kind.name)")
    }
    for kind in EventSamples.records {
      let bytes = try Journal.encode(OperationalRecord(recordedAt: 5, kind: kind))
      #expect(Journal.kindField(bytes.span.bytes) == OperationalKind.fields[kind.name], "\(kind.name)")
    }
    let store = try bench.open()
    try fill(store)
    guard case .store(let live, let shared) = store.snapshot().backing else { return }
    let filter = LogFilter(kinds: ["message.processed", "device.status_changed"])
    var cursor = LogCursor(live, shared, 0...live.durableLSN, filter, skipsDamage: false)
    var (names, passed) = (Set<String>(), 0)
    while let looked = try cursor.next() {
      if let entry = looked.entry { names.insert(entry.name) } else { passed += 1 }
    }
    #expect(names == filter.kinds && passed > 30)
  }

  @Test("D-30, R4: a page begins in the middle of a journal; what lies before damage is told, then the damage")
  func pagesBeginInTheMiddleOfAJournal() throws {
    let store = try bench.open()
    var lsns: [LSN] = []
    for round in 0..<300 {
      let message = ReceivedMessage(device: "m", interface: "mqtt", topic: "t", payload: Array(repeating: UInt8(round % 251), count: 1000))
      lsns.append(try store.record([OperationalRecord(recordedAt: StoreBench.start, kind: .messageReceived(message))]))
      if round % 50 == 0 { _ = try store.decide(actor: StoreBench.actor) { $0.createUser("u\(round)", $1) } }
    }
    try store.seal()
    let snapshot = store.snapshot()
    let journal = try #require(snapshot.manifest.journals.first { $0.content == .operational })
    guard case .store(_, let shared) = snapshot.backing, let reader = shared.journalReader else { return }
    var (offsets, offset) = ([0], try reader.part(of: journal.id, at: 0).next)
    while let next = offset, let part = try? reader.part(of: journal.id, at: next), !part.records.isEmpty {
      offsets.append(next)
      offset = part.next
    }
    #expect(offsets.count >= 4)
    for lsn in 0...(snapshot.lsn + 1) {
      let last = try offsets.last { try reader.part(of: journal.id, at: $0).records.first.map { $0.lsn <= lsn } ?? false }
      #expect(try reader.chunk(of: journal, with: lsn) == last ?? 0)
    }
    let filter = LogFilter(kinds: ["message.received"])
    var (found, next) = ([LSN](), LSN(0))
    while case let page = try snapshot.log(from: next, limit: 1, filter), !page.entries.isEmpty {
      found += page.entries.map(\.lsn)
      next = page.next
    }
    #expect(found == lsns)
    try store.close()

    let path = "s/journal/\(FileNames.journalSegment(journal.id))"
    bench.disk.damage(path) { $0[offsets[2] + 100] ^= 1 }
    let damaged = try bench.open().snapshot()
    let (first, behind) = (
      try reader.part(of: journal.id, at: offsets[1]).records.last?.lsn ?? 0, try reader.part(of: journal.id, at: offsets[3]).records
    )
    let before = try damaged.log(limit: 1000, filter)
    #expect(before.entries.map(\.lsn) == lsns.filter { $0 <= first } && before.next <= first + 2)
    for _ in 0..<2 {
      do {
        _ = try damaged.log(from: before.next, limit: 1, filter)
        Issue.record("the damage was passed over")
      } catch {
        #expect(error.isDamage && error.file?.contains(FileNames.journalSegment(journal.id)) == true, "\(error)")
      }
    }
    let start = try #require(behind.first?.lsn)
    #expect(try damaged.log(from: start, limit: 1000, filter).entries.map(\.lsn) == lsns.filter { $0 >= start })
    let around = try damaged.readingAroundDamage().log(limit: 1000, filter).entries.map(\.lsn)
    #expect(around == lsns.filter { $0 <= first || $0 >= start })
  }

  @Test("D-30: a change of status tells what it was before; who follows sees it once, whenever they come back")
  func aChangeOfStatusTellsBothStatuses() throws {
    let store = try bench.open()
    try fill(store)
    let filter = LogFilter(kinds: LogFilter.kinds(["status_changed"]), device: "p-1")
    let page = try store.snapshot().log(limit: 100, filter)
    let changes = page.entries.compactMap { entry -> String? in
      guard case .event(let event) = entry, case .deviceStatusChanged(_, let status, _, let previous) = event.kind else {
        return nil
      }
      return "\(previous?.rawValue ?? "?")→\(status.rawValue)"
    }
    #expect(changes == ["offline→online", "online→error", "error→online"])
    _ = try store.decide(actor: StoreBench.actor) { $0.markOffline("p-1", $1) }
    let later = try store.snapshot().log(from: page.next, limit: 100, filter)
    #expect(later.entries.count == 1 && later.entries.first?.lsn ?? 0 >= page.next)
    #expect(try store.snapshot().log(from: later.next, limit: 100, filter).entries.isEmpty)
  }

  @Test("D-30: every kind has a name to ask for it by, and no word asks for none")
  func kindsHaveNames() {
    #expect(Set(EventSamples.kinds.map(\.name)).isSubset(of: EventKind.names))
    #expect(Set(EventSamples.records.map(\.name)).isSubset(of: OperationalKind.names))
    #expect(EventKind.names.isDisjoint(with: OperationalKind.names))
    for (signal, kind) in LogFilter.signals { #expect(LogFilter.kinds([signal]) == [kind]) }
    #expect(LogFilter.kinds(["command"]) == ["command.sent", "command.published", "command.answered", "command.ended"])
    for wrong in ["", "x", "device.", "devic", "device.connect"] { #expect(LogFilter.kinds([wrong]) == nil, "\(wrong)") }
    #expect(LogFilter.kinds(["device.renamed", "x"]) == nil && LogFilter.kinds([]) == nil)
  }

  @Test("L-04, D-30: of a device, the deletion of its user is told")
  func theDeletionOfAUserIsOfTheDevice() throws {
    let store = try bench.open()
    try fill(store)
    let ann = try store.decide(actor: StoreBench.actor) { $0.createUser("ann", $1) }.result.get()
    let bob = try store.decide(actor: StoreBench.actor) { $0.createUser("bob", $1) }.result.get()
    _ = try store.decide(actor: StoreBench.actor) { $0.associate("p-1", with: ann, $1) }
    for user in [ann, bob] { _ = try store.decide(actor: StoreBench.actor) { $0.deleteUser(user, $1) } }
    let told = try store.snapshot().log(limit: 100, LogFilter(kinds: ["user.deleted"], device: "p-1"))
    #expect(told.entries.count == 1)
    let all = try store.snapshot().log(limit: 1000, LogFilter(device: "p-1")).entries.map(\.lsn)
    #expect(all == (try store.snapshot().history(of: "p-1").map(\.lsn)))
  }

  @Test("S8: whoever claims nothing is shown no code, and misses nothing else")
  func codesAreHidden() throws {
    let store = try bench.open()
    try fill(store)
    let snapshot = store.snapshot()
    let hidden = snapshot.withoutCodes()
    #expect(try snapshot.events().contains { $0.kind.name == "code.issued" })
    #expect(try hidden.events() == snapshot.events().filter { $0.kind.name != "code.issued" })
    #expect(snapshot.registry.codes.count > 0 && hidden.registry.codes.count == 0)
    #expect(hidden.registry.devices == snapshot.registry.devices)
  }
}
