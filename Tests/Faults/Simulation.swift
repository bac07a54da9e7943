import Glibc
import TSEngine

/// R10: the whole store under several clients, from one seed: threads, clock, randomness and disk
/// simulated, every kind of fault at random, opened again after each end.
struct Simulation: Campaign {
  let name = "simulation"
  let criterion = "R10"
  let claim = "the whole store from one seed, all faults on, clock jumps, reopening: acked ⊆ recovered ⊆ sent; same seed, same trace"
  let counts = (small: 40, full: 10_000, nightly: 200_000)
  /// One in so many seeds runs twice to compare the traces.
  private static let repeatEvery: UInt64 = 16

  func run(seed: UInt64, _ tally: Tally, only: Int?) {
    var point = 0
    visit(&point, seed, tally, only: nil, "simulation") { (_) throws(Judge.Wrong) in
      let first = World(seed: seed)
      try first.run()
      guard seed % Self.repeatEvery == 0 || only != nil else { return }
      let second = World(seed: seed)
      try second.run()
      if first.trace != second.trace {
        throw Judge.Wrong(text: "the second run differs: \(World.difference(first, second))")
      }
    }
  }
}

/// - Safety of `@unchecked Sendable`: one thread at a time; the scheduler runs nothing by itself.
private final class World: @unchecked Sendable {
  private struct Client {
    var maker: BatchMaker
    /// What is acknowledged, then that with the request under way.
    var states = [Model()]
    var expected: AppendResult?
  }

  private static let turns = 160
  private let seed: UInt64
  private let disk: WatchedDisk
  private let clock = SimClock(nanos: Bench.start)
  private var random: SimRandom
  private var scheduler: SimScheduler
  private var store: Store?
  private var clients: [Client]
  private var ackedLSN: LSN = 0
  private var ackedEvents: [Event] = []
  private var complaint: String?
  /// A read may have failed: what was to be compared with it counts as new.
  private var readsFailed = false
  private var backupCount = 0
  private var newestBackup: String?
  private(set) var trace: UInt64 = 0
  /// What changed the disk, and the trace by then.
  private var history: [(text: String, trace: UInt64)] = []

  init(seed: UInt64) {
    self.seed = seed
    disk = WatchedDisk(SimDisk(seed: seed))
    random = SimRandom(seed: seed &* 0x9E37_79B9 &+ 11)
    scheduler = SimScheduler(clock: clock)
    clients = (0..<3).map { index in
      var maker = BatchMaker(seed: seed &* 7 &+ UInt64(index))
      maker.prefix = ["a", "b", "c"][index]
      return Client(maker: maker)
    }
    disk.before = { [unowned self] operation in
      let text = "\(operation.kind) \(operation.path) \(operation.offset)"
      note(RowSum.text(text))
      note(UInt64(CRC32C.checksum(operation.bytes)))
      history.append((text, trace))
    }
  }

  /// Where two runs of one seed part.
  static func difference(_ a: World, _ b: World) -> String {
    let same = zip(a.history, b.history).prefix { $0.trace == $1.trace }.count
    let texts = [a, b].map { same < $0.history.count ? $0.history[same].text : "nothing" }
    return "operation \(same) is \(texts[0]), then \(texts[1])"
  }

  private func note(_ value: UInt64) { trace = RowSum.mixed(trace, value) }

  func run() throws(Judge.Wrong) {
    try open()
    for _ in 0..<Self.turns {
      try turn()
      if let complaint { throw Judge.Wrong(text: complaint) }
    }
    disk.base.plan([])
    disk.base.capacity = nil
    try drain()
    try check()
    drop()
    comeUp(isKill: false)
    try open()
    if let store { try Judge.checkDigest(store) }
  }

  private var isIdle: Bool { clients.allSatisfy { $0.expected == nil } }

  private func turn() throws(Judge.Wrong) {
    if disk.base.isOff || store?.failure != nil { return try end(isKill: random.below(3) == 0) }
    guard let store else { return try open() }
    let choice = random.below(50)
    note(UInt64(choice))
    if choice == 36 { return try end(isKill: random.flip()) }
    do throws(StorageError) {
      switch choice {
      case 0..<14: try send(random.below(clients.count), store)
      case 14..<26: for _ in 0...random.below(3) { _ = scheduler.runOne(&random) }
      case 26..<29: clock.advance(nanos: Int64(random.below(80_000_000)))
      case 29: try store.seal()
      case 30 where random.below(2) == 0: try store.compact()
      case 31:
        let number = random.below(1000)
        _ = try store.decide(actor: Bench.actor) { $0.createUser("u\(number)", $1) }
      case 32 where isIdle: jump()
      case 37: try delete(random.below(clients.count), store)
      case 38: try resolve(random.below(clients.count), store)
      case 39: try settle(random.below(clients.count), store)
      case 40 where random.flip(): try backup(store)
      case 41: try expire(store)
      case 42, 43:
        try RollupJudge.toggle(
          random.below(3) == 0 ? Lab.name : "power", every: RollupJudge.lengths[random.below(2)], store)
      case 44: try store.buildRollups()
      case 45, 46: try declare(store)
      case 47 where random.flip(): try drop(store)
      case 48: try checkRollups(store)
      case 33: plan()
      case 34: disk.base.capacity = random.flip() ? nil : disk.base.usedByteCount + random.below(30_000)
      case 35:
        try store.close()
        drop()
      default: break
      }
    } catch {
      if error.code == .invalid || error.code == .corrupt { complaint = "\(error)" }
    }
    if random.below(6) == 0 { try check() }
  }

  // MARK: Clients

  private func send(_ index: Int, _ store: Store) throws(StorageError) {
    guard clients[index].expected == nil, clients[index].states.count == 1 else { return }
    let batch = clients[index].maker.batch(store.symbols, of: clients[index].states[0].lab)
    var after = clients[index].states[0]
    let expected = after.append(batch, now: clock.nowNanos(), store.symbols)
    clients[index].states = [clients[index].states[0], after]
    clients[index].expected = expected
    do throws(StorageError) {
      try store.append(.init(batch, creator: Bench.actor)) { [weak self, weak store] in
        self?.take($0, of: index, store)
      }
    } catch {
      clients[index].states.removeLast()
      clients[index].expected = nil
      throw error
    }
  }

  private func delete(_ index: Int, _ store: Store) throws(StorageError) {
    let first = Bench.start + Int64(random.below(6)) * 1_000_000_000
    let device = device(of: index)
    let times = [first...(first + Int64(random.below(8)) * 500_000_000)]
    let spans = (0..<2).map { SeriesSpans(device: device, probe: Int32($0), times: times) }
    try act(of: index, store) { $0.delete(1, spans) } work: { () throws(StorageError) in
      try store.delete(1, spans, extent: RemovalExtent(), actor: Bench.actor)
    }
  }

  private func resolve(_ index: Int, _ store: Store) throws(StorageError) {
    let prefix = clients[index].maker.prefix
    guard
      let choice = try Choice(of: store.snapshot(), &random, where: { $0.device.hasPrefix(prefix) })
    else { return }
    try act(of: index, store) { model in
      if !model.resolve(choice.key, to: choice.cells) { complaint = "a version that never came: \(choice)" }
    } work: { () throws(StorageError) in
      try store.resolve(
        choice.key.series, at: choice.key.time, choosing: choice.lsn, actor: Bench.actor)
    }
  }

  private func settle(_ index: Int, _ store: Store) throws(StorageError) {
    let device = device(of: index)
    let action: QuarantineAction = random.below(4) == 0 ? .dropped : .released
    var expected = AppendResult()
    try act(of: index, store) { model in
      expected = model.settle(action, shift: 0) { $0.device == device }
    } work: { () throws(StorageError) in
      var answer = try store.settleQuarantine(
        of: 1, SeriesSpans.all(of: device), action, actor: Bench.actor)
      let lsn = answer.lsn
      answer.lsn = 0
      if !answer.isRight(expected, readsFailed: readsFailed) {
        complaint = "settled \(answer) instead of \(expected)"
      }
      return lsn
    }
  }

  private func device(of index: Int) -> String { "\(clients[index].maker.prefix)\(random.below(3))" }

  /// An act of a client, who waits for it, on what it has stored: `change` says what comes of it.
  private func act(
    of index: Int, _ store: Store, _ change: (inout Model) -> Void,
    work: () throws(StorageError) -> LSN
  ) throws(StorageError) {
    guard clients[index].expected == nil, clients[index].states.count == 1 else { return }
    var after = clients[index].states[0]
    change(&after)
    do throws(StorageError) {
      let lsn = try work()
      clients[index].states = [after]
      ackedLSN = max(ackedLSN, lsn)
    } catch {
      if disk.base.isOff || store.failure != nil { clients[index].states.append(after) }
      throw error
    }
  }

  /// Retention takes from all clients.
  private func expire(_ store: Store) throws(StorageError) {
    let floor = Bench.start - Int64(random.below(40)) * 86_400_000_000_000
    try actOfAll(store) { if floor != $0.floor { $0.setFloor(floor) } } work: { () throws(StorageError) in
      let (result, lsn) = try store.decide(actor: Bench.actor) { $0.setRetention("power", floor: floor, $1) }
      // A clock that went back refuses a floor in its future.
      if case .failure = result { return nil }
      return lsn
    }
  }

  /// The table of declared columns comes, or gets a column.
  private func declare(_ store: Store) throws(StorageError) {
    var lab: Lab?
    try actOfAll(store) { lab = $0.declareLab() } work: { () throws(StorageError) in
      guard let lab else { return nil }
      let lsn = try Lab.declare(lab, store)
      if lsn == nil { complaint = "declared otherwise than \(lab)" }
      return lsn
    }
  }

  private func drop(_ store: Store) throws(StorageError) {
    guard let lab = clients[0].states[0].lab else { return }
    var expected = 0
    try actOfAll(store) { expected += $0.dropLab() } work: { () throws(StorageError) in
      let (lsn, count) = try Lab.drop(lab, store)
      if count != expected { complaint = "\(count) rows dropped instead of \(expected)" }
      return lsn
    }
  }

  private func checkRollups(_ store: Store) throws(StorageError) {
    do throws(Judge.Wrong) { try RollupJudge.check(store.snapshot()) } catch { complaint = error.text }
  }

  /// An act that concerns all clients, who wait for it; nil when the store answers that nothing was done.
  private func actOfAll(
    _ store: Store, _ change: (inout Model) -> Void, work: () throws(StorageError) -> LSN?
  ) throws(StorageError) {
    guard isIdle, clients.allSatisfy({ $0.states.count == 1 }) else { return }
    let after = clients.map { client in
      var model = client.states[0]
      change(&model)
      return model
    }
    do throws(StorageError) {
      guard let lsn = try work() else { return }
      for index in clients.indices { clients[index].states = [after[index]] }
      ackedLSN = max(ackedLSN, lsn)
    } catch {
      if disk.base.isOff || store.failure != nil {
        for index in clients.indices { clients[index].states.append(after[index]) }
      }
      throw error
    }
  }

  /// A backup, restored at once on a disk without faults.
  private func backup(_ store: Store) throws(StorageError) {
    backupCount += 1
    let folder = "b\(backupCount)"
    _ = try store.backup(to: folder, since: backupCount % 3 == 1 ? nil : newestBackup)
    newestBackup = folder
    let copy = SimDisk(copyOf: disk.base, seed: seed)
    copy.capacity = nil
    let options = Bench.options(copy, SimClock(nanos: clock.nowNanos()), seed: seed)
    let found: [RowSum]
    do throws(StorageError) {
      _ = try Restore.run(options, from: folder, to: "j")
      found = try sums(try Store.open("j", options))
    } catch {
      complaint = "\(folder) does not come back: \(error)"
      return
    }
    for index in clients.indices where !clients[index].states.contains(where: { $0.sum == found[index] }) {
      complaint = "\(folder) holds other rows of client \(index)"
    }
  }

  private func take(_ answer: Result<AppendResult, StorageError>, of index: Int, _ store: Store?) {
    guard let expected = clients[index].expected else { return }
    clients[index].expected = nil
    switch answer {
    case .success(var result):
      note(result.lsn)
      ackedLSN = max(ackedLSN, result.lsn)
      result.lsn = 0
      if !result.isRight(expected, readsFailed: readsFailed) {
        complaint = "answered \(result) instead of \(expected)"
      }
      clients[index].states.removeFirst()
    case .failure(let error):
      note(RowSum.text(error.code.rawValue))
      if !disk.base.isOff, let store, store.failure == nil { clients[index].states.removeLast() }
    }
  }

  private func drain() throws(Judge.Wrong) {
    for _ in 0..<400 {
      if disk.base.isOff || store == nil || store?.failure != nil { try end(isKill: true) }
      if isIdle { return }
      clock.advance(nanos: 20_000_000)
      _ = scheduler.runOne(&random)
    }
    throw Judge.Wrong(text: "a request was never answered")
  }

  // MARK: Faults

  private func jump() {
    let now = clock.nowNanos()
    let hour: Int64 = 3_600_000_000_000
    switch random.below(4) {
    case 0: clock.jump(toNanos: now - hour)
    case 1: clock.jump(toNanos: now + 365 * 24 * hour)
    case 2: clock.jump(toNanos: 1_000_000_000)
    default: clock.jump(toNanos: Bench.start)
    }
  }

  private func plan() {
    let at = disk.base.changeCount + random.below(60)
    let errors: [Int32] = [EIO, ENOSPC, EDQUOT, EFBIG, EMFILE]
    let effects: [SimFault.Effect] = [
      .crashBefore, .crashAfter, .crashAmid(random.below(6_000)), .error(errors[random.below(5)]),
      .partialWrite(random.below(6_000), errno: errors[random.below(5)]),
    ]
    var faults = [SimFault(.change(at), effects[random.below(5)], isSticky: random.below(8) == 0)]
    if random.below(3) == 0 {
      let syncs = disk.base.count(of: .sync)
      faults.append(SimFault(.nth(.sync, syncs + random.below(12)), .error(EIO)))
    }
    if random.below(4) == 0 {
      let reads = disk.base.count(of: .read)
      faults.append(SimFault(.nth(.read, reads + random.below(40)), .error(EIO)))
      readsFailed = true
    }
    disk.base.plan(faults)
  }

  private func drop() {
    store = nil
    for index in clients.indices { clients[index].expected = nil }
  }

  private func end(isKill: Bool) throws(Judge.Wrong) {
    note(isKill ? 1 : 2)
    drop()
    comeUp(isKill: isKill)
    try open()
  }

  /// After the process was killed, or the machine lost power.
  private func comeUp(isKill: Bool) {
    if isKill { disk.base.restart() } else { disk.base.crash(seed: random.next()) }
  }

  private func open() throws(Judge.Wrong) {
    var attempt = 0
    while true {
      scheduler = SimScheduler(clock: clock)
      var options = Bench.options(disk, clock, seed: seed)
      options.maintainsItself = true
      options.scheduler = scheduler
      options.sealAgeNanos = 300_000_000
      options.tailByteLimit = 60_000
      do throws(StorageError) {
        store = try Store.open(Bench.path, options)
        break
      } catch {
        note(RowSum.text(error.code.rawValue))
        attempt += 1
        if attempt > 3 { throw Judge.Wrong(text: "does not open: \(error)") }
        // A fault planned earlier struck the opening itself.
        comeUp(isKill: !disk.base.isOff)
        if error.code == .diskFull { disk.base.capacity = nil }
      }
    }
    try check()
    // A planned read error strikes one of the two at most.
    guard let store, let sums = (try? sums(store)) ?? (try? sums(store)) else { return }
    // Of two states that show the same rows the registry tells which it is.
    let registry = store.registry
    let (floor, lab) = (registry.lifecycles.floor(of: 1), Lab(registry))
    for index in clients.indices {
      guard
        let state = clients[index].states.lastIndex(where: {
          $0.sum == sums[index] && $0.floor == floor && $0.lab == lab
        })
      else { continue }
      clients[index].states = [clients[index].states[state]]
    }
  }

  // MARK: Judging

  private func sums(_ store: Store) throws(StorageError) -> [RowSum] {
    try Reading.sums(
      store.snapshot(), owner: { Int($0.device.utf8.first ?? 97) - 97 }, count: clients.count)
  }

  private func check() throws(Judge.Wrong) {
    guard let store, !disk.base.isOff else { return }
    if let damage = store.damages.first { throw Judge.Wrong(text: "calls it damage: \(damage)") }
    let found: [RowSum]
    do throws(StorageError) { found = try sums(store) } catch {
      if disk.base.isOff || error.errno != nil { return }
      throw Judge.Wrong(text: "cannot be read: \(error)")
    }
    for index in clients.indices where !clients[index].states.contains(where: { $0.sum == found[index] }) {
      let rows = (try? Reading.all(store.snapshot(), unread: { _ in })) ?? [:]
      let own = rows.filter { $0.key.series.device.hasPrefix(clients[index].maker.prefix) }
      throw Judge.Wrong(
        text: "client \(index), none of \(clients[index].states.count) states fits: "
          + clients[index].states[0].difference(own))
    }
    let events: [Event]
    do throws(StorageError) { events = try store.snapshot().events() } catch {
      if disk.base.isOff || error.errno != nil { return }
      throw Judge.Wrong(text: "events cannot be read: \(error)")
    }
    guard events.prefix(ackedEvents.count) == ackedEvents[...] else {
      throw Judge.Wrong(text: "visible events are gone")
    }
    ackedEvents = events
    guard store.durableLSN >= ackedLSN else {
      throw Judge.Wrong(text: "lsn \(store.durableLSN) is below the acknowledged \(ackedLSN)")
    }
    ackedLSN = max(ackedLSN, store.durableLSN)
  }
}
