import Glibc
import TSEngine

/// R6: each read fails, once and for as long as it lasts: of an opening, an append, a compaction, a
/// backup, a query.
struct ReadErrors: Campaign {
  let name = "read-errors"
  let criterion = "R6"
  let claim = "any read failing once or sticky with EIO: a query errs or is right, an opening refuses or names what it lacks, and all is there once the disk reads again"
  let counts = (small: 600, full: 40_000, nightly: 400_000)
  /// Reads of a fork that are met; a life has thousands.
  private static let perFork = 24

  func run(seed: UInt64, _ tally: Tally, only: Int?) {
    var point = 0
    Forks.each(seed, tally) { mark, _ in
      let dry = Life(from: mark)
      dry.work(steps: 2)
      for index in Self.chosen(dry.disk.base.count(of: .read), seed) {
        for isSticky in [false, true] {
          visit(&point, seed, tally, only: only, "step \(mark.step): read \(index) fails, sticky \(isSticky)") {
            (point) throws(Judge.Wrong) in try work(mark, index, isSticky, UInt64(point))
          }
        }
      }
      guard let reads = Self.queryReads(mark) else { return }
      for index in Self.chosen(reads.count, seed) {
        let fault = SimFault(.nth(.read, reads.lowerBound + index), .error(EIO), isSticky: index % 2 == 1)
        visit(&point, seed, tally, only: only, "step \(mark.step): read \(index) of a query fails") {
          (_) throws(Judge.Wrong) in try query(mark, fault)
        }
      }
    }
  }

  private static func chosen(_ count: Int, _ seed: UInt64) -> StrideTo<Int> {
    let step = max(1, count / perFork)
    return stride(from: Int(seed % UInt64(step)), to: count, by: step)
  }

  private func work(
    _ mark: Life.Mark, _ index: Int, _ isSticky: Bool, _ dice: UInt64
  ) throws(Judge.Wrong) {
    let life = Life(from: mark)
    life.mayMissBytes = true
    life.disk.base.plan([SimFault(.nth(.read, index), .error(EIO), isSticky: isSticky)])
    life.work(steps: 2)
    if let complaint = life.complaint { throw Judge.Wrong(text: complaint) }
    life.disk.base.plan([])
    if let store = life.store, store.failure == nil {
      _ = try Judge.check(store, life.ledger)
      do throws(StorageError) { try life.work() } catch {
        throw Judge.Wrong(text: "the disk reads again, yet: \(error)")
      }
      if let complaint = life.complaint { throw Judge.Wrong(text: complaint) }
    }
    life.drop()
    if dice % 2 == 0 { life.disk.base.crash(seed: dice) } else { life.disk.base.restart() }
    if !life.setAside.isEmpty { return try Judge.checkSetAside(life, mark) }
    try Judge.recover(
      life.disk.base, life.ledger, at: life.clock.nowNanos(), seed: dice, checksDigest: dice % 8 == 0)
  }

  /// The reads of a query right behind an opening, which has nothing in memory yet.
  private static func queryReads(_ mark: Life.Mark) -> Range<Int>? {
    let life = Life(from: mark)
    guard (try? life.open()) != nil, let store = life.store else { return nil }
    let before = life.disk.base.count(of: .read)
    guard (try? Reading.sums(store.snapshot())) != nil else { return nil }
    return before..<life.disk.base.count(of: .read)
  }

  private func query(_ mark: Life.Mark, _ fault: SimFault) throws(Judge.Wrong) {
    let life = Life(from: mark)
    try? life.open()
    guard let store = life.store else { throw Judge.Wrong(text: "does not open") }
    let right = life.ledger.states.map(\.sum)
    life.disk.base.plan([fault])
    if let found = try? Reading.sums(store.snapshot())[0], !right.contains(found) {
      throw Judge.Wrong(text: "a wrong answer instead of an error")
    }
    life.disk.base.plan([])
    guard let found = try? Reading.sums(store.snapshot())[0] else {
      throw Judge.Wrong(text: "the disk reads again, a query does not")
    }
    guard right.contains(found) else { throw Judge.Wrong(text: "a wrong answer once the disk reads again") }
  }
}

extension Judge {
  /// A store that set aside what it could not read goes on saying so: what it was given before is
  /// there, or is named by its LSN.
  static func checkSetAside(_ life: Life, _ mark: Life.Mark) throws(Wrong) {
    let before = Life(from: mark)
    let found: [RowKey: Reading.Row]
    let rows: [RowKey: Reading.Row]
    let store: Store
    do throws(StorageError) {
      try before.open()
      store = try Store.open(Bench.path, life.options)
      rows = try before.store.map { (store) throws(StorageError) in
        try Reading.all(store.snapshot(), unread: { _ in })
      } ?? [:]
      found = try Reading.all(store.snapshot(), unread: { _ in })
    } catch {
      throw Wrong(text: "after setting aside: \(error)")
    }
    if let text = strangeRow(store, life.ledger) { throw Wrong(text: text) }
    let damages = store.damages
    for (key, row) in rows where found[key] == nil {
      let isGone = life.ledger.states.contains { $0.rows[key] == nil }
      guard isGone || damages.contains(where: { $0.firstLSN <= row.lsn && row.lsn <= $0.lastLSN }) else {
        throw Wrong(text: "\(key.series) \(key.time) of lsn \(row.lsn) lost in silence; set aside \(life.setAside); reported: \(damages)")
      }
    }
  }

  /// A row that nobody ever sent. For stores that say what they lack: older versions and removed
  /// readings may show in place of what could not be read.
  static func strangeRow(_ store: Store, _ ledger: Ledger) -> String? {
    guard let rows = try? Reading.all(store.snapshot(), unread: { _ in }) else { return nil }
    for (key, row) in rows {
      let isKnown = ledger.states.contains { model in
        model.rows[key] == row.cells || model.older[key]?.contains(row.cells) ?? false
          || model.removed[key]?.contains(row.cells) ?? false
      }
      if !isKnown { return "a row that was never sent: \(key.series) \(key.time)" }
    }
    return nil
  }
}
