import Glibc
import TSEngine

/// A store on a simulated disk and the one client that works with it and remembers what it was told.
///
/// - Safety of `@unchecked Sendable`: one thread at a time.
final class Life: @unchecked Sendable {
  let seed: UInt64
  let disk: WatchedDisk
  let clock: SimClock
  private(set) var store: Store?
  var ledger = Ledger()
  var maker: BatchMaker
  var random: SimRandom
  private(set) var step = 0
  /// Stores opened so far, or tried to.
  private(set) var openings = 0
  /// What the client saw that must not be.
  var complaint: String?
  /// The disk may refuse to read: an opening may set aside what it could not read, and say so.
  var mayMissBytes = false
  /// What an opening set aside.
  private(set) var setAside: [Manifest.Damage] = []

  init(seed: UInt64) {
    self.seed = seed
    disk = WatchedDisk(SimDisk(seed: seed))
    clock = SimClock(nanos: Bench.start)
    maker = BatchMaker(seed: seed)
    random = SimRandom(seed: seed &* 31 &+ 7)
  }

  /// Where a life can be taken up again, any number of times.
  struct Mark {
    let seed: UInt64
    let disk: SimDisk
    let nanos: Int64
    let ledger: Ledger
    let maker: BatchMaker
    let random: SimRandom
    let step: Int
  }

  /// Between two steps. What the operating system holds in memory is in it.
  var mark: Mark {
    Mark(
      seed: seed, disk: SimDisk(copyOf: disk.base), nanos: clock.nowNanos(), ledger: ledger,
      maker: maker, random: random, step: step)
  }

  init(from mark: Mark) {
    seed = mark.seed
    disk = WatchedDisk(SimDisk(copyOf: mark.disk, seed: mark.seed))
    clock = SimClock(nanos: mark.nanos)
    ledger = mark.ledger
    maker = mark.maker
    random = mark.random
    step = mark.step
  }

  var options: StoreOptions { Bench.options(disk, clock, seed: seed) }

  func open() throws(StorageError) {
    openings += 1
    let opened = try Store.open(Bench.path, options)
    guard mayMissBytes, let damage = opened.damages.first else {
      store = opened
      return
    }
    // It serves the rest. The client, who wants it all, looks once and goes.
    complaint = complaint ?? Judge.strangeRow(opened, ledger)
    setAside = opened.damages
    throw StorageError(.io, "could not read all: \(damage)", errno: EIO)
  }

  /// Forgets the store as a killed process does.
  func drop() { store = nil }

  /// Lets go of whoever watches.
  func end() {
    disk.before = nil
    disk.after = nil
    store = nil
  }

  /// Whether the client may go on asking this store.
  var isOver: Bool { disk.base.isOff || store.map { $0.failure != nil } ?? false }

  /// One operation of the workload: each kind once, then at random.
  /// - Throws: what the store answered; the ledger knows what it means.
  func work() throws(StorageError) {
    if store == nil { try open() }
    clock.advance(nanos: 1_000_000)
    let all = Workload.operations
    try run(all[step < all.count ? step : random.below(all.count)])
  }

  /// Operations by their names, as long as none is refused.
  func work(_ names: [String]) {
    for name in names {
      guard let operation = Workload.operations.first(where: { $0.name == name }), (try? run(operation)) != nil
      else { return }
    }
  }

  private func run(_ operation: Workload.Operation) throws(StorageError) {
    step += 1
    guard let store else { return }
    try operation.run(self, store)
    if let store = self.store, !isOver { ledger.learn(store) }
  }

  /// Works until `steps` are done or the store is no more. What is refused is refused.
  func work(steps: Int) {
    for _ in 0..<steps where !isOver && complaint == nil {
      do throws(StorageError) { try work() } catch {
        if store == nil { return }
      }
    }
  }

  func reopen() throws(StorageError) {
    let ended = store
    store = nil
    try ended?.close()
    try open()
  }

  // MARK: Requests

  /// The next batch of the maker, which can be made again with the symbols of another process.
  func nextRequest() -> Ledger.Request {
    let (before, lab) = (maker, ledger.states[0].lab)
    var after = before
    // The maker's state moves as if the batch were made; symbols do not matter to it.
    _ = after.batch(SymbolTable(), of: lab)
    maker = after
    return { symbols in
      var copy = before
      return copy.batch(symbols, of: lab)
    }
  }

  /// Sends `request` by `work`, which returns the answer.
  func attempt(
    _ request: @escaping Ledger.Request, _ store: Store,
    _ work: (FrameBatch) throws(StorageError) -> AppendResult
  ) throws(StorageError) {
    let expected = ledger.send(request, now: clock.nowNanos(), store.symbols)
    do throws(StorageError) {
      let answer = try work(request(store.symbols))
      expect(answer, expected)
      ledger.acknowledge(lsn: answer.lsn)
    } catch {
      if !isOver { ledger.refuse() }
      throw error
    }
  }

  /// An act on what is stored, after which it is as `after` says.
  func attempt(_ after: Model, _ work: () throws(StorageError) -> LSN) throws(StorageError) {
    ledger.propose(after)
    do throws(StorageError) {
      ledger.accept(lsn: try work())
    } catch {
      if !isOver { ledger.refuse() }
      throw error
    }
  }

  /// What a store does by itself. Retention by age may raise the floor.
  func maintain(_ store: Store) {
    var after = ledger.states[0]
    let instant = store.snapshot().retentionInstant(of: 1, now: clock.nowNanos())
    let floor = after.age?.floor(at: instant) ?? .min
    let isDue = floor > after.floor && ledger.states.count == 1
    if isDue {
      after.setFloor(floor)
      ledger.propose(after)
    }
    _ = store.maintain()
    guard isDue, !isOver else { return }
    if store.registry.lifecycles.floor(of: 1) == floor { ledger.accept(lsn: store.durableLSN) } else { ledger.refuse() }
  }

  /// - Parameter acked: the newest LSN acknowledged before the request went out, if not the ledger's.
  func expect(_ answer: AppendResult, _ expected: AppendResult, beyond acked: LSN? = nil) {
    let acked = acked ?? ledger.ackedLSN
    var counts = answer
    counts.lsn = 0
    if !counts.isRight(expected, readsFailed: mayMissBytes) { complaint = "step \(step): answered \(counts) instead of \(expected)" }
    if counts.new + counts.conflict + counts.quarantined > 0, answer.lsn <= acked {
      complaint = "step \(step): lsn \(answer.lsn) given again, \(acked) was acknowledged"
    }
  }
}

extension AppendResult {
  /// What cannot be read is stored as new: better twice on the disk than refused for ever. A reader
  /// sees it once all the same.
  func isRight(_ expected: AppendResult, readsFailed: Bool) -> Bool {
    if !readsFailed { return self == expected }
    return new >= expected.new && quarantined >= expected.quarantined && expired == expected.expired
      && new + same + conflict + quarantined
        == expected.new + expected.same + expected.conflict + expected.quarantined
  }
}
