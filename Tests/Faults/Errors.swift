import Glibc
import TSEngine

/// R6: each file operation fails, once and for as long as it lasts, with each errno; writes come to
/// a part of their bytes.
struct Errors: Campaign {
  let name = "errors"
  let criterion = "R6"
  let claim = "any operation failing once or sticky with EIO, ENOSPC, EDQUOT, EFBIG, EINTR, EMFILE, or short: no false ack, reads go on, a full disk heals"
  let counts = (small: 1_200, full: 140_000, nightly: 800_000)

  private static let effects: [SimFault.Effect] = [
    .error(EIO), .error(ENOSPC), .error(EDQUOT), .error(EFBIG), .error(EINTR), .error(EMFILE),
    .partialWrite(1_000, errno: EIO), .partialWrite(4_096, errno: ENOSPC), .partialWrite(1, errno: EDQUOT),
  ]

  func run(seed: UInt64, _ tally: Tally, only: Int?) {
    var point = 0
    Forks.each(seed, tally) { mark, operations in
      for index in operations.indices {
        for effect in Self.effects where Self.applies(effect, to: operations[index]) {
          for isSticky in [false, true] {
            let what = "step \(mark.step) \(operations[index].kind) of \(operations[index].path): \(effect), sticky \(isSticky)"
            visit(&point, seed, tally, only: only, what) { (point) throws(Judge.Wrong) in
              try fail(mark, operations[...index], effect, isSticky, UInt64(point))
            }
          }
        }
      }
    }
  }

  private static func applies(_ effect: SimFault.Effect, to operation: DiskOperation) -> Bool {
    if case .partialWrite(let count, _) = effect {
      return operation.kind == .write && count < operation.bytes.count
    }
    return true
  }

  private static func isFull(_ effect: SimFault.Effect) -> Bool {
    switch effect {
    case .error(let number), .partialWrite(_, let number): number == ENOSPC || number == EDQUOT
    default: false
    }
  }

  private func fail(
    _ mark: Life.Mark, _ operations: ArraySlice<DiskOperation>, _ effect: SimFault.Effect,
    _ isSticky: Bool, _ dice: UInt64
  ) throws(Judge.Wrong) {
    guard let operation = operations.last else { return }
    let (index, life) = (operations.count - 1, Life(from: mark))
    var isOrdinaryFull = Self.isFull(effect)
    if isSticky, isOrdinaryFull {
      // A full disk refuses what takes room; truncation, removal and syncs of it go on.
      guard operation.kind == .write || operation.kind == .create else { return }
      let before = operations.dropLast().count { $0.kind == operation.kind }
      life.disk.base.plan([SimFault(.nth(operation.kind, before), effect, isSticky: true)])
    } else {
      isOrdinaryFull = isOrdinaryFull && (operation.kind == .write || operation.kind == .create)
      life.disk.base.plan([SimFault(.change(index), effect, isSticky: isSticky)])
    }
    life.work(steps: 2)
    if let complaint = life.complaint { throw Judge.Wrong(text: complaint) }
    if let store = life.store {
      _ = try Judge.check(store, life.ledger)
      life.disk.base.plan([])
      if isOrdinaryFull, let failure = store.failure {
        throw Judge.Wrong(text: "a full disk ended writing: \(failure)")
      }
      if store.failure == nil {
        do throws(StorageError) { try life.work() } catch {
          throw Judge.Wrong(text: "the fault is gone, yet: \(error)")
        }
      }
    }
    if let complaint = life.complaint { throw Judge.Wrong(text: complaint) }
    life.drop()
    if dice % 2 == 0 { life.disk.base.crash(seed: dice) } else { life.disk.base.restart() }
    try Judge.recover(
      life.disk.base, life.ledger, at: life.clock.nowNanos(), seed: dice, checksDigest: dice % 8 == 0)
  }
}

/// Takes lives up at each of their steps.
enum Forks {
  /// Calls `body` with the life before each of its steps and the operations that two further steps
  /// from there, the opening included, consist of.
  static func each(_ seed: UInt64, _ tally: Tally, _ body: (Life.Mark, [DiskOperation]) -> Void) {
    let life = Life(seed: seed)
    for _ in 0..<CrashPoints.steps {
      guard tally.isOpen else { return }
      let mark = life.mark
      let dry = Life(from: mark)
      var operations: [DiskOperation] = []
      dry.disk.before = { operations.append($0) }
      dry.work(steps: 2)
      body(mark, operations)
      life.work(steps: 1)
    }
  }
}
