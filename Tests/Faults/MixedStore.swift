import TSEngine

/// A closed store with some of everything: sealed, compacted, superseded, bulk, quarantined and
/// unsealed rows, events, messages; and what must be read from it.
final class MixedStore: Sendable {
  let seed: UInt64
  let disk: SimDisk
  let nanos: Int64
  let model: Model
  let rows: [RowKey: Reading.Row]
  let events: [Event]
  let messageCount: Int
  /// LSNs of those that removed readings.
  let removals: [LSN]
  /// Events that say which version of a reading is read.
  let choices: [LSN]
  /// Events that say which tables there are.
  let declarations: [LSN]
  /// All files that hold data, in order.
  let files: [(path: String, byteCount: Int)]
  /// The store as a kill left it amid a seal, with a data segment that the manifest does not name.
  let interrupted: SimDisk?
  /// The log segment in use when the store was closed.
  let lastLog: String

  init(seed: UInt64, steps: Int = Workload.operations.count + 10) {
    let life = Life(seed: seed)
    life.work(steps: steps)
    // What a journal says of readings, of which nothing went off the disk yet.
    life.work(["append", "declare", "append", "seal", "delete", "delete", "age", "seal", "append", "append", "drop", "seal"])
    try? life.reopen()
    for _ in 0..<2 {
      guard let store = life.store else { break }
      try? life.attempt(life.nextRequest(), store) { (batch) throws(StorageError) in
        try store.append(batch, creator: Bench.actor)
      }
    }
    let snapshot = life.store?.snapshot()
    rows = snapshot.flatMap { try? Reading.all($0, unread: { _ in }) } ?? [:]
    events = (try? snapshot?.events()) ?? []
    messageCount = snapshot.flatMap { try? Reading.messageCount($0) } ?? 0
    choices = events.filter {
      switch $0.kind {
      case .conflictResolved: true
      case .typeSettingChanged(_, let key, _): key == ConflictPolicy.settingKey
      default: false
      }
    }.map(\.lsn)
    removals = events.filter {
      switch $0.kind {
      case .readingsDeleted, .retentionSet, .quarantineSettled, .tableDropped: true
      default: false
      }
    }.map(\.lsn)
    declarations = events.filter {
      switch $0.kind {
      case .typeDeclared, .tableDropped: true
      default: false
      }
    }.map(\.lsn)
    interrupted = Self.interrupted(life.mark)
    try? life.store?.close()
    life.drop()
    self.seed = seed
    nanos = life.clock.nowNanos()
    model = life.ledger.states[0]
    disk = SimDisk(copyOf: life.disk.base, seed: seed)
    files = disk.allContents().map { (path: $0.key, byteCount: $0.value.count) }
      .filter { $0.path.hasPrefix("s/") && !$0.path.hasSuffix("LOCK") && !$0.path.hasSuffix("RESERVE") }
      .sorted { $0.path < $1.path }
    lastLog = files.last { $0.path.hasPrefix("s/log/") }?.path ?? ""
  }

  private static func interrupted(_ mark: Life.Mark) -> SimDisk? {
    let life = Life(from: mark)
    defer { life.end() }
    try? life.open()
    var found: SimDisk?
    life.disk.before = { operation in
      if operation.path.hasPrefix("s/manifest/log/"), found == nil { found = SimDisk(copyOf: life.disk.base) }
    }
    try? life.store?.seal()
    return found
  }

  /// Opens a copy of the interrupted store with a file of it damaged: while damage is known, no data
  /// segment goes, for the manifest may have lost what names it.
  func openInterrupted(_ dice: inout SimRandom) throws(Judge.Wrong) {
    guard let interrupted else { return }
    let disk = SimDisk(copyOf: interrupted)
    let before = disk.allContents().filter { $0.key.hasPrefix("s/data/") && $0.key.hasSuffix(".data") }
    let targets = disk.allContents().filter { $0.key.hasPrefix("s/log/") || before[$0.key] != nil }
      .sorted { $0.key < $1.key }
    let target = targets[dice.below(targets.count)]
    disk.flipBit(target.key, dice.below(target.value.count * 8))
    guard let store = try? Store.open(Bench.path, Bench.options(disk, SimClock(nanos: nanos), seed: seed)),
      !store.damages.isEmpty
    else { return }
    let after = disk.allContents().keys
    for path in before.keys {
      guard after.contains(where: { $0 == path || $0.hasPrefix(path + "@") }) else {
        throw Judge.Wrong(text: "\(path) was removed though \(store.damages) was known")
      }
    }
  }

  /// Whether a byte belongs to the seal that the closing wrote; nothing witnesses it, and it holds
  /// nothing.
  func isLastSeal(_ path: String, byte: Int) -> Bool {
    let lastManifest = files.last { $0.path.hasPrefix("s/manifest/log/") }?.path
    guard path == lastLog || path == lastManifest else { return false }
    return byte >= (files.first { $0.path == path }?.byteCount ?? 0) - 4096
  }

  /// Opens a damaged copy and reads it: no wrong value, no loss without a report that names it.
  /// Returns whether anything was said of damage.
  @discardableResult
  func read(
    _ disk: SimDisk, damaged path: String, isLastSeal: Bool, readOnly: Bool
  ) throws(Judge.Wrong) -> Bool {
    var options = Bench.options(WatchedDisk(disk), SimClock(nanos: nanos), seed: seed)
    options.isReadOnly = readOnly
    // Who takes the last batch and the seal that witnesses it with one stroke leaves a torn tail.
    let isWitnessHit = path == lastLog
      && disk.contents(path)?.suffix(4096) != self.disk.contents(path)?.suffix(4096)
    let store: Store
    do throws(StorageError) {
      store = try Store.open(Bench.path, options)
    } catch {
      // Which files are live, or whether this is a store, cannot be guessed.
      if path == "s/STORE" || path.hasPrefix("s/manifest/") { return true }
      throw Judge.Wrong(text: "does not open: \(error)")
    }
    var unread = 0
    let snapshot = store.snapshot().readingAroundDamage()
    let found: [RowKey: Reading.Row]
    do throws(StorageError) {
      found = try Reading.all(snapshot) { _ in unread += 1 }
    } catch {
      throw Judge.Wrong(text: "cannot be read: \(error)")
    }
    // An opening reads no journal that REGISTRY covers (T-05): what such a one said is known all the same, so
    // its damage, met when its events are asked for, excuses no reading.
    var damages = store.damages
    let recovered = store.durableLSN
    func isReported(_ lsn: LSN) -> Bool {
      unread > 0 || (isWitnessHit && store.tornByteCount > 0 && lsn > recovered) || damages.contains { $0.firstLSN <= lsn && lsn <= $0.lastLSN }
    }
    let isRemovalReported = removals.contains(where: isReported)
    let isChoiceReported = choices.contains(where: isReported)
    // Which tables and columns there are may not be known: of `power` it always is.
    let isLabKnown = !declarations.contains(where: isReported)
    for (key, row) in found where rows[key].map({ $0.cells != row.cells }) ?? true {
      if !isLabKnown, key.series.table & ~TableID(0).quarantine != 1 { continue }
      if isRemovalReported, model.removed[key]?.contains(row.cells) ?? false { continue }
      guard let right = rows[key], model.older[key]?.contains(row.cells) ?? false,
        isReported(right.lsn) || isChoiceReported
      else {
        throw Judge.Wrong(
          text: "a wrong value at \(key.series) \(key.time): \(row.cells) of lsn \(row.lsn) instead of "
            + "\(rows[key].map { "\($0.cells) of lsn \($0.lsn)" } ?? "none"); older \(model.older[key] ?? []), "
            + "removed \(model.removed[key] ?? []); reported: \(damages), torn: \(store.tornByteCount) bytes")
      }
    }
    for (key, row) in rows where found[key] == nil && !isReported(row.lsn) {
      if !isLabKnown, key.series.table & ~TableID(0).quarantine != 1 { continue }
      throw Judge.Wrong(text: "\(key.series) \(key.time) of lsn \(row.lsn) lost in silence; reported: \(damages)")
    }
    if path.hasPrefix("s/journal/") { try readPlainly(store, path) }
    if readOnly || Self.isDerived(path) { try RollupJudge.check(store.snapshot()) }
    let there = Set(try Judge.events(of: snapshot).map(\.lsn))
    damages = store.damages
    for event in events where !there.contains(event.lsn) && !isReported(event.lsn) {
      throw Judge.Wrong(text: "event \(event.lsn) lost in silence; reported: \(damages)")
    }
    // An opening replaces the manifest's segments by one; without a witness the seal's loss is none.
    if isLastSeal { return unread > 0 || !damages.isEmpty }
    let stem = path.split(separator: ".").first ?? ""
    guard disk.allContents().keys.contains(where: { $0 == path || $0.hasPrefix(stem + "@") }) || !damages.isEmpty else {
      throw Judge.Wrong(text: "\(path) is gone")
    }
    return unread > 0 || !damages.isEmpty
  }

  /// Whatever is wrong with it, it is no damage of what is stored.
  static func isDerived(_ path: String) -> Bool { path == "s/SERIES" || path == "s/REGISTRY" || path.hasPrefix("s/rollups/") }

  /// Without reading around damage: what a damaged journal may have changed is refused by its name, all else is as it was.
  private func readPlainly(_ store: Store, _ path: String) throws(Judge.Wrong) {
    let snapshot = store.snapshot()
    if let found = try orRefused(path, { () throws(StorageError) in try snapshot.events() }), found != events {
      throw Judge.Wrong(text: "events are others without a word; reported: \(store.damages)")
    }
    if let found = try orRefused(path, { () throws(StorageError) in try Reading.messageCount(snapshot) }),
      found != messageCount
    {
      throw Judge.Wrong(text: "\(found) messages of \(messageCount) without a word; reported: \(store.damages)")
    }
    let found = try orRefused(path) { () throws(StorageError) in try Reading.all(snapshot, unread: { _ in }) }
    guard let found else { return }
    let known = Set(Reading.tables(of: snapshot).map(\.id))
    for (key, row) in rows where known.contains(key.series.table) && found[key]?.cells != row.cells {
      throw Judge.Wrong(text: "\(key.series) \(key.time) is another without a word; reported: \(store.damages)")
    }
    if let key = found.keys.first(where: { rows[$0] == nil }) {
      throw Judge.Wrong(text: "\(key.series) \(key.time) is there again without a word; reported: \(store.damages)")
    }
  }

  /// Nil when it is refused, naming the damaged file.
  private func orRefused<Value>(
    _ path: String, _ read: () throws(StorageError) -> Value
  ) throws(Judge.Wrong) -> Value? {
    do throws(StorageError) { return try read() } catch {
      if error.code == .corrupt, let file = error.file, path.hasSuffix(file) || file.hasSuffix(path) { return nil }
      throw Judge.Wrong(text: "refuses otherwise: \(error)")
    }
  }
}
