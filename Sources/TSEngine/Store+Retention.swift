/// Retention by age: floors that follow the clock.
extension Store {
  /// How often maintenance looks whether a floor is due.
  private static let lookNanos: Int64 = 60_000_000_000

  /// Raises the floors of tables that have a `retention` and are due, an event each. Readings below are
  /// gone for every reader at once; compaction takes them off the disk when their grace is over.
  ///
  /// Ages count from the clock, but never from later than the newest reading: a clock that is ahead
  /// must not take what the devices still send. So a table without new readings keeps what it has.
  /// - Returns: how many floors rose.
  /// - Throws: as `decide`.
  @discardableResult
  package func retentionStep() throws(StorageError) -> Int {
    var count = 0
    let snapshot = snapshot()
    for type in snapshot.registry.types.all {
      guard let age = type.retention, let text = type.settings[RetentionAge.settingKey] else { continue }
      let table = type.schema.id
      let instant = snapshot.retentionInstant(of: table, now: options.clock.nowNanos())
      guard age.floor(at: instant) > snapshot.registry.lifecycles.floor(of: table) else { continue }
      let taken = try decide(
        actor: Actor(.system, "retention"), cause: Cause(reason: "retention = \(text)")
      ) { $0.advanceRetention(table, at: instant, $1) }
      if case .success(.some) = taken.result { count += 1 }
    }
    return count
  }

  /// Sets how long readings of `table` are kept, nil for ever, and its floor with it: a longer age lowers
  /// the floor for what comes from now on; what went stays gone. Durable on return.
  /// - Throws: as `decide`; `.invalid` for a table that is not there.
  package func setRetention(
    _ table: String, _ age: String?, actor: Actor, cause: Cause = Cause()
  ) throws(StorageError) {
    guard let id = registry.types[table]?.schema.id else { throw StorageError(.invalid, "unknown table") }
    let instant = snapshot().retentionInstant(of: id, now: options.clock.nowNanos())
    let taken = try decide(actor: actor, cause: cause) {
      $0.setRetention(table, age: age, at: instant, $1)
    }
    if case .failure(let refusal) = taken.result { throw StorageError(.invalid, refusal.sentence) }
  }

  /// As `retentionStep`, once a minute; what fails is tried again then.
  func retainWhenDue() {
    guard let writing, failure == nil else { return }
    let now = options.clock.monotonicNanos()
    let isDue = writing.nextRetentionNanos.withLock { next in
      guard now >= next else { return false }
      next = now + Self.lookNanos
      return true
    }
    if isDue { _ = try? retentionStep() }
  }
}

extension Snapshot {
  /// From when ages of `table` count: now, or its newest reading when that is earlier. O(series).
  package func retentionInstant(of table: TableID, now: Int64) -> Int64 {
    guard case .store(_, let shared) = backing else { return now }
    return min(now, shared.series.newestInstant(of: table) ?? now)
  }

  /// What a retention of `age` would take at `now`: its dry run. Rows are counted exactly.
  /// - Parameter goesOn: asked at each stretch; false ends the count where it is.
  package func extent(
    of table: TableID, olderThan age: RetentionAge, now: Int64, while goesOn: () -> Bool = { true }
  ) throws(StorageError) -> RemovalExtent {
    let floor = age.floor(at: now)
    guard floor > .min else { return RemovalExtent() }
    return try extent(of: table, [.everySeries([.min...(floor - 1)])], while: goesOn)
  }
}

extension SeriesCatalog {
  /// The newest instant that any series of `table` may have; nil without readings. O(series).
  fileprivate func newestInstant(of table: TableID) -> Int64? {
    withLock { index in
      var newest: Int64?
      for number in 0..<index.count where index.table(number) == table {
        guard let last = index.coverage.last(number) else { continue }
        newest = max(newest ?? last, last)
      }
      return newest
    }
  }
}
