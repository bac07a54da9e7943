/// Retention by age: floors that follow the clock.
extension Store {
  /// How often maintenance looks whether a floor is due.
  private static let lookNanos: Int64 = 60_000_000_000

  /// Raises the floors of tables that have a `retention` and are due, an event each. Readings below are
  /// gone for every reader at once; compaction takes them off the disk when their grace is over.
  /// - Returns: how many floors rose.
  /// - Throws: as `decide`.
  @discardableResult
  package func retentionStep() throws(StorageError) -> Int {
    let now = options.clock.nowNanos()
    var count = 0
    let registry = registry
    for type in registry.types.all {
      guard let age = type.retention, let text = type.settings[RetentionAge.settingKey],
        age.floor(at: now) > registry.lifecycles.floor(of: type.schema.id)
      else { continue }
      let table = type.schema.id
      let taken = try decide(
        actor: Actor(.system, "retention"), cause: Cause(reason: "retention = \(text)")
      ) { $0.advanceRetention(table, $1) }
      if case .success(.some) = taken.result { count += 1 }
    }
    return count
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
