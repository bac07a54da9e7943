import TSEngine

/// What lives are made of. A new kind of operation of the store is added to `operations`, here and
/// nowhere else: every campaign then meets it at each of its steps.
enum Workload {
  struct Operation: Sendable {
    let name: String
    let run: @Sendable (Life, Store) throws(StorageError) -> Void
  }

  static let operations: [Operation] = [
    Operation(name: "append", run: append), Operation(name: "group", run: group),
    Operation(name: "declare", run: declare), Operation(name: "rollup", run: rollup),
    Operation(name: "seal", run: seal),
    Operation(name: "messages", run: messages), Operation(name: "bulk", run: bulk),
    Operation(name: "append", run: append), Operation(name: "decide", run: decide),
    Operation(name: "rollup", run: rollup), Operation(name: "seal", run: seal),
    Operation(name: "compact") { (_, store) throws(StorageError) in try store.compact() },
    Operation(name: "declare", run: declare), Operation(name: "append", run: append),
    Operation(name: "witness") { (life, store) throws(StorageError) in life.maintain(store) },
    Operation(name: "backup", run: backup),
    Operation(name: "checkpoint") { (_, store) throws(StorageError) in while try store.checkpointStep() {} },
    Operation(name: "delete", run: delete), Operation(name: "append", run: append),
    Operation(name: "resolve", run: resolve),
    Operation(name: "ask", run: ask),
    Operation(name: "settle", run: settle), Operation(name: "backup", run: backup),
    Operation(name: "retention", run: retention), Operation(name: "seal", run: seal),
    Operation(name: "build") { (_, store) throws(StorageError) in try store.buildRollups() },
    Operation(name: "step", run: step), Operation(name: "restore", run: restore),
    Operation(name: "reopen") { (life, _) throws(StorageError) in try life.reopen() },
    Operation(name: "drop", run: drop), Operation(name: "group", run: group),
    Operation(name: "age", run: age), Operation(name: "purge", run: purge),
    Operation(name: "declare", run: declare), Operation(name: "append", run: append),
    Operation(name: "ask", run: ask),
  ]

  private static func seal(_ life: Life, _ store: Store) throws(StorageError) { try store.seal() }

  private static func append(_ life: Life, _ store: Store) throws(StorageError) {
    try life.attempt(life.nextRequest(), store) { (batch) throws(StorageError) in
      try store.append(batch, creator: Bench.actor)
    }
  }

  /// Several requests that wait together and share a sync; each is acknowledged when the store says
  /// so, not when it returns.
  private static func group(_ life: Life, _ store: Store) throws(StorageError) {
    // Retention looks around once a minute: not between these.
    life.maintain(store)
    if life.isOver { return }
    let answers = GroupAnswers(life)
    for index in 0..<3 {
      let request = life.nextRequest()
      let batch = request(store.symbols)
      answers.add(
        request, life.ledger.send(request, now: life.clock.nowNanos(), store.symbols))
      do throws(StorageError) {
        try store.append(.init(batch, creator: Bench.actor)) { answers.take($0, of: index) }
      } catch {
        answers.take(.failure(error), of: index)
      }
    }
    _ = store.maintain()
    try answers.settle(store.symbols)
  }

  private static func messages(_ life: Life, _ store: Store) throws(StorageError) {
    let message = ReceivedMessage(device: "d1", interface: "i", topic: "t/\(life.step)")
    life.ledger.sentMessageCount += 1
    do throws(StorageError) {
      let lsn = try store.record([
        OperationalRecord(recordedAt: life.clock.nowNanos(), kind: .messageReceived(message))
      ])
      life.ledger.ackedMessageCount += 1
      life.ledger.ackedLSN = max(life.ledger.ackedLSN, lsn)
    } catch {
      if !life.isOver { life.ledger.sentMessageCount -= 1 }
      throw error
    }
  }

  private static func bulk(_ life: Life, _ store: Store) throws(StorageError) {
    let request = life.nextRequest()
    try life.attempt(request, store) { (batch) throws(StorageError) in
      var writer = try store.bulkWriter(batch.table, creator: Bench.actor)
      try writer.append(batch)
      return try writer.commit()
    }
  }

  /// Some instants of one device.
  private static func delete(_ life: Life, _ store: Store) throws(StorageError) {
    let device = "d\(life.random.below(3))"
    let first = Bench.start + Int64(life.random.below(6)) * 1_000_000_000
    let times = first...(first + Int64(life.random.below(8)) * 500_000_000)
    let spans = (0..<2).map { SeriesSpans(device: device, probe: Int32($0), times: [times]) }
    var after = life.ledger.states[0]
    after.delete(1, spans)
    try life.attempt(after) { () throws(StorageError) in
      try store.delete(1, spans, extent: RemovalExtent(), actor: Bench.actor)
    }
  }

  private static func retention(_ life: Life, _ store: Store) throws(StorageError) {
    let floor = Bench.start - Int64(life.random.below(40)) * 86_400_000_000_000
    var after = life.ledger.states[0]
    if floor != after.floor { after.setFloor(floor) }
    try life.attempt(after) { () throws(StorageError) in
      try store.decide(actor: Bench.actor) { $0.setRetention("power", floor: floor, $1) }.lsn
    }
  }

  /// How long readings are kept, or for ever: the floor comes with it.
  private static func age(_ life: Life, _ store: Store) throws(StorageError) {
    let text = life.random.below(4) == 0 ? nil : "\(2 + life.random.below(40))d"
    let now = life.clock.nowNanos()
    let instant = store.snapshot().retentionInstant(of: 1, now: now)
    var after = life.ledger.states[0]
    let newest = after.rows.keys.lazy.filter { $0.series.table == 1 }.map(\.time).max() ?? .min
    if instant > now || instant < min(now, newest) { life.complaint = "ages count from \(instant)" }
    after.age = text.flatMap { RetentionAge($0) }
    let floor = after.age?.floor(at: instant) ?? .min
    if floor != after.floor { after.setFloor(floor) }
    try life.attempt(after) { () throws(StorageError) in
      try store.setRetention("power", text, actor: Bench.actor)
      return store.durableLSN
    }
  }

  /// The table of declared columns comes, or gets a column.
  private static func declare(_ life: Life, _ store: Store) throws(StorageError) {
    var after = life.ledger.states[0]
    guard let lab = after.declareLab() else { return }
    try life.attempt(after) { () throws(StorageError) in
      guard let lsn = try Lab.declare(lab, store) else {
        life.complaint = "declared otherwise than \(lab)"
        return 0
      }
      return lsn
    }
  }

  private static func drop(_ life: Life, _ store: Store) throws(StorageError) {
    var after = life.ledger.states[0]
    guard let lab = after.lab else { return }
    let expected = after.dropLab()
    try life.attempt(after) { () throws(StorageError) in
      let (lsn, count) = try Lab.drop(lab, store)
      if count != expected { life.complaint = "\(count) rows dropped instead of \(expected)" }
      return lsn
    }
  }

  private static func rollup(_ life: Life, _ store: Store) throws(StorageError) {
    let isOfLab = life.ledger.states[0].lab != nil && life.random.below(3) == 0
    try RollupJudge.toggle(
      isOfLab ? Lab.name : "power", every: RollupJudge.lengths[life.random.below(2)], store)
  }

  /// Rollups, as whoever goes on working sees them.
  private static func ask(_ life: Life, _ store: Store) throws(StorageError) {
    do throws(Judge.Wrong) {
      try RollupJudge.check(store.snapshot())
      try Judge.checkSeries(store.snapshot(), life.ledger.states)
    } catch { life.complaint = error.text }
  }

  /// What was removed goes off the disk at once, dropped tables as a whole.
  private static func purge(_ life: Life, _ store: Store) throws(StorageError) {
    try store.compact(purges: true)
    let snapshot = store.snapshot()
    let dropped = Set(snapshot.registry.types.dropped.map(\.schema.id))
    if let left = snapshot.segments.first(where: { dropped.contains($0.table & ~TableID(0).quarantine) }) {
      life.complaint = "rows of the dropped table \(left.table) are still in \(left.file.path)"
    }
  }

  /// One of the readings that came in several versions.
  private static func resolve(_ life: Life, _ store: Store) throws(StorageError) {
    guard let choice = try Choice(of: store.snapshot(), &life.random) else { return }
    var after = life.ledger.states[0]
    guard after.resolve(choice.key, to: choice.cells) else {
      life.complaint = "a version that never came: \(choice)"
      return
    }
    try life.attempt(after) { () throws(StorageError) in
      try store.resolve(
        choice.key.series, at: choice.key.time, choosing: choice.lsn, actor: Bench.actor)
    }
  }

  /// All that one device has in quarantine.
  private static func settle(_ life: Life, _ store: Store) throws(StorageError) {
    let device = "d\(life.random.below(3))"
    let action: QuarantineAction = life.random.below(4) == 0 ? .dropped : .released
    let shift = life.random.flip() ? 0 : Int64(life.random.below(6)) * 1_000_000_000
    var after = life.ledger.states[0]
    let expected = after.settle(action, shift: shift) { $0.device == device }
    try life.attempt(after) { () throws(StorageError) in
      let answer = try store.settleQuarantine(
        of: 1, SeriesSpans.all(of: device), action, shift: shift, actor: Bench.actor)
      life.expect(answer, expected)
      return answer.lsn
    }
  }

  /// The first of every four is whole, the others hold what is new since the one before.
  private static func backup(_ life: Life, _ store: Store) throws(StorageError) {
    let folder = "b\(life.step)"
    let before = life.ledger.copies.backups
    life.ledger.copies.unfinished = folder
    do throws(StorageError) {
      _ = try store.backup(to: folder, since: before.count % 4 == 0 ? nil : before.last?.folder)
    } catch {
      if !life.isOver { life.ledger.copies.unfinished = nil }
      throw error
    }
    life.ledger.copies.backups.append(.init(folder: folder, rows: life.ledger.states[0].sum))
    life.ledger.copies.unfinished = nil
  }

  private static func restore(_ life: Life, _ store: Store) throws(StorageError) {
    guard let backup = life.ledger.copies.backups.last else { return }
    let folder = "r\(life.step)"
    life.ledger.copies.restored = .init(folder: folder, rows: backup.rows)
    life.ledger.copies.isRestored = false
    _ = try Restore.run(life.options, from: backup.folder, to: folder)
    life.ledger.copies.isRestored = true
    let rows = try Copies.rows(folder, life.options)
    if rows != backup.rows { life.complaint = "\(folder) is not what was backed up" }
  }

  /// Compaction as its thread goes about it, in quiet days.
  private static func step(_ life: Life, _ store: Store) throws(StorageError) {
    let day: Int64 = 86_400_000_000_000
    life.clock.advance(nanos: day)
    _ = store.compactStep()
    life.clock.advance(nanos: day)
    for _ in 0..<12 { _ = store.compactStep() }
  }

  private static func decide(_ life: Life, _ store: Store) throws(StorageError) {
    let number = life.random.below(1000)
    _ = try store.decide(actor: Bench.actor) { $0.createUser("u\(number)", $1) }
  }
}

/// A version of a reading that has several, chosen by a person.
struct Choice {
  let key: RowKey
  let lsn: LSN
  let cells: Cells

  /// Among the first conflicts of the devices that are asked for; versions of one request share
  /// their LSN, and none of them can be named.
  init?(
    of snapshot: Snapshot, _ random: inout SimRandom, where isAsked: (SeriesKey) -> Bool = { _ in true }
  ) throws(StorageError) {
    var conflicts: [Snapshot.Conflict] = []
    let failure = snapshot.conflicts(of: 1) { conflict -> Bool in
      if isAsked(conflict.series) { conflicts.append(conflict) }
      return conflicts.count < 20
    }
    if let failure { throw failure }
    guard !conflicts.isEmpty else { return nil }
    let conflict = conflicts[random.below(conflicts.count)]
    let version = conflict.versions[random.below(conflict.versions.count)]
    guard conflict.versions.count(where: { $0.lsn == version.lsn }) == 1 else { return nil }
    key = RowKey(series: conflict.series, time: conflict.time)
    lsn = version.lsn
    var cells = Cells()
    for (column, slot) in version.values {
      guard let slot else { continue }
      cells.set(column, column >= 6 ? Reading.text(slot, snapshot.symbols) : slot)
    }
    self.cells = cells
  }
}

extension SeriesSpans {
  /// Everything of a device of these campaigns.
  static func all(of device: String) -> [SeriesSpans] {
    (0..<2).map { SeriesSpans(device: device, probe: Int32($0), times: [.min ... .max]) }
  }
}

/// The answers to requests that went out together, in whatever order they come.
///
/// - Safety of `@unchecked Sendable`: a store stepped by hand answers on the thread that steps it.
private final class GroupAnswers: @unchecked Sendable {
  private let life: Life
  private let base: Model
  /// Before any of them went out: one that brings nothing new is answered with the newest of all.
  private let ackedLSN: LSN
  private var requests: [(request: Ledger.Request, expected: AppendResult)] = []
  private var answers: [Int: Result<AppendResult, StorageError>] = [:]
  private var isOrderly = true

  init(_ life: Life) {
    self.life = life
    base = life.ledger.states[0]
    ackedLSN = life.ledger.ackedLSN
  }

  func add(_ request: @escaping Ledger.Request, _ expected: AppendResult) {
    requests.append((request, expected))
  }

  func take(_ answer: Result<AppendResult, StorageError>, of index: Int) {
    isOrderly = isOrderly && answers.count == index
    answers[index] = answer
    guard isOrderly, case .success(let result) = answer else {
      isOrderly = false
      return
    }
    life.expect(result, requests[index].expected, beyond: ackedLSN)
    life.ledger.acknowledge(lsn: result.lsn)
  }

  func settle(_ symbols: SymbolTable) throws(StorageError) {
    if answers.count < requests.count { life.complaint = "a request was never answered" }
    if isOrderly { return }
    var refusal: StorageError?
    var refused: [Int] = []
    for index in requests.indices {
      guard case .failure(let error) = answers[index] else { continue }
      refusal = error
      refused.append(index)
    }
    // A store that goes on has not stored what it refused; else any of it may be there.
    let subsets = life.isOver ? 1 << refused.count : 1
    life.ledger.replace(
      (0..<subsets).map { subset in
        var model = base
        for index in requests.indices {
          if let place = refused.firstIndex(of: index), subset >> place & 1 == 0 { continue }
          _ = model.append(requests[index].request(symbols), now: life.clock.nowNanos(), symbols)
        }
        return model
      })
    if let refusal { throw refusal }
  }
}
