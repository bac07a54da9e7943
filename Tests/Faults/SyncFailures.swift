import Glibc
import TSEngine

/// R7: each sync fails, of each file and each directory.
struct SyncFailures: Campaign {
  let name = "sync-failures"
  let criterion = "R7"
  let claim = "a failed sync of log or manifest: nothing is acknowledged by it or after it, no file is synced twice, reads go on; a file whose first sync failed never counts"
  let counts = (small: 300, full: 10_000, nightly: 100_000)

  func run(seed: UInt64, _ tally: Tally, only: Int?) {
    var point = 0
    Forks.each(seed, tally) { mark, operations in
      for (index, operation) in operations.enumerated()
      where operation.kind == .sync || operation.kind == .syncDirectory {
        for number in [EIO, ENOSPC] {
          visit(&point, seed, tally, only: only, "step \(mark.step) \(operation.kind) of \(operation.path) fails with \(number)") {
            (point) throws(Judge.Wrong) in try fail(mark, index, operation, number, UInt64(point))
          }
        }
      }
    }
  }

  private func fail(
    _ mark: Life.Mark, _ index: Int, _ operation: DiskOperation, _ number: Int32, _ dice: UInt64
  ) throws(Judge.Wrong) {
    let life = Life(from: mark)
    defer { life.end() }
    life.disk.base.plan([SimFault(.change(index), .error(number))])
    var seen = 0
    var (acked, syncs, opening) = (LSN(0), 0, 0)
    life.disk.before = { next in
      if seen == index { (acked, opening) = (life.ledger.ackedLSN, life.openings) }
      if seen > index, next.kind == .sync, next.path == operation.path { syncs += 1 }
      seen += 1
    }
    // What is opened after the failure is another process, judged below.
    for _ in 0..<3 where opening == 0 || (life.store != nil && life.openings == opening) {
      life.work(steps: 1)
    }
    if let complaint = life.complaint { throw Judge.Wrong(text: complaint) }
    if let store = life.store {
      _ = try Judge.check(store, life.ledger)
      let isLog = operation.path.hasPrefix("s/log/") || operation.path.hasPrefix("s/manifest/")
      let isSame = life.openings == opening
      if operation.kind == .sync, isLog, isSame, !operation.path.hasSuffix(".tmp") {
        guard store.failure?.code == .failStopped else {
          throw Judge.Wrong(text: "the store goes on: \(String(describing: store.failure))")
        }
        guard life.ledger.ackedLSN == acked else {
          throw Judge.Wrong(text: "lsn \(life.ledger.ackedLSN) acknowledged after a failed sync at \(acked)")
        }
        // Rows that may not survive show to nobody.
        guard let shown = try? Reading.sums(store.snapshot())[0], shown == life.ledger.states[0].sum else {
          throw Judge.Wrong(text: "shows what no sync made durable")
        }
        if syncs > 0 { throw Judge.Wrong(text: "synced again after a failure") }
      }
    }
    life.drop()
    if dice % 2 == 0 { life.disk.base.crash(seed: dice) } else { life.disk.base.restart() }
    try Judge.recover(life.disk.base, life.ledger, at: life.clock.nowNanos(), seed: dice)
  }
}
