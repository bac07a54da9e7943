import TSEngine

/// Rollups of the workload, and what they must come to: buckets folded from the visible rows one by one, with nothing
/// of the engine's own folding. Columns of ints only: sums of floats depend on their order.
enum RollupJudge {
  static let lengths: [Int64] = [2_000_000_000, 3_600_000_000_000]

  /// Declares the rollup of `table`, or drops it.
  static func toggle(_ table: String, every: Int64, _ store: Store) throws(StorageError) {
    _ = try store.decide(actor: Bench.actor) { (registry, context) -> Decision<Void> in
      guard let id = registry.types[table]?.schema.id else { return .refused(.unknownType) }
      if registry.rollups[id, every] != nil { return registry.dropRollup(table, every: every, context) }
      return registry.declareRollup(table, every: every, columns: table == Lab.name ? ["v"] : [], context)
    }
  }

  /// - Throws: when an answer differs from folding what the same snapshot shows; nothing when either cannot be read.
  static func check(_ snapshot: Snapshot) throws(Judge.Wrong) {
    let rollups = snapshot.registry.rollups.all
    guard !rollups.isEmpty else { return }
    var rows: [SeriesKey: [Reading.Row]] = [:]
    do throws(StorageError) {
      try Reading.each(snapshot, tables: Set(rollups.map(\.table))) { rows[$0, default: []] += $1 }
    } catch { return }
    for rollup in rollups {
      for key in snapshot.series(of: rollup.table) {
        let told: RollupBuckets
        do throws(StorageError) {
          told = try snapshot.rollup(of: key, every: rollup.every, -5_000_000_000_000_000_000..<5_000_000_000_000_000_000)
        } catch { continue }
        let wanted = fold(rows[key] ?? [], every: rollup.every, told.columns)
        try compare(told, wanted, "\(key) by \(RollupDeclaration.text(every: rollup.every))")
      }
    }
  }

  private static func compare(
    _ told: RollupBuckets, _ wanted: [Int64: [RollupCell]], _ what: String
  ) throws(Judge.Wrong) {
    var seen = 0
    for bucket in 0..<told.count where !told.isEmpty(bucket) {
      seen += 1
      let cells = (0..<told.columns.count).map { told.cell(bucket, $0) }
      let start = told.starts[bucket]
      guard wanted[start] == cells else {
        throw Judge.Wrong(
          text: "rollup \(what) at \(start): \(cells) instead of \(wanted[start] ?? []), "
            + "stored \(told.isStored[bucket]), last change \(told.lastChanges[bucket])")
      }
    }
    guard seen == wanted.count else {
      throw Judge.Wrong(text: "rollup \(what): \(seen) buckets instead of \(wanted.count)")
    }
  }

  /// Cells by start of the bucket, those with something in them. `rows` in order of time.
  private static func fold(
    _ rows: [Reading.Row], every: Int64, _ columns: [RollupColumn]
  ) -> [Int64: [RollupCell]] {
    var buckets: [Int64: [RollupCell]] = [:]
    let nothing = [RollupCell](repeating: RollupCell(), count: columns.count)
    func start(_ time: Int64) -> Int64 { time - ((time % every) + every) % every }
    for row in rows {
      for (index, column) in columns.enumerated() {
        guard let value = row.cells[column.id] else { continue }
        let span = column.spanColumn.flatMap { row.cells[$0] } ?? column.defaultSpan
        let home = start(row.time)
        var cell = buckets[home, default: nothing][index]
        if cell.count == 0 { (cell.first, cell.minimum, cell.maximum) = (value, value, value) }
        cell.count += 1
        cell.sum += Int128(value)
        cell.last = value
        cell.minimum = min(cell.minimum, value)
        cell.maximum = max(cell.maximum, value)
        buckets[home, default: nothing][index] = cell
        var (from, rest) = (row.time, span)
        while rest > 0 {
          let part = min(rest, start(from) + every - from)
          var covered = buckets[start(from), default: nothing][index]
          covered.covered += Int128(part)
          covered.integral += Int128(value) * Int128(part)
          buckets[start(from), default: nothing][index] = covered
          (from, rest) = (from + part, rest - part)
        }
      }
    }
    return buckets
  }
}

extension Cells {
  subscript(_ column: ColumnID) -> Int64? { mask >> UInt8(column) & 1 == 1 ? slots[Int(column)] : nil }
}

extension Judge {
  /// A list of series has every one that shows something, and none that nobody ever wrote to.
  static func checkSeries(_ snapshot: Snapshot, _ states: [Model]) throws(Wrong) {
    for table in Reading.tables(of: snapshot) {
      let listed = Set(snapshot.series(of: table.id))
      let isComplete = states.contains { $0.series(of: table.id).isSubset(of: listed) }
      let strange = listed.subtracting(states[states.count - 1].everSeries(of: table.id))
      guard isComplete, strange.isEmpty else {
        throw Wrong(
          text: "series of table \(table.id): \(strange.sorted()) are nobody's"
            + (isComplete ? "" : ", others are missing in \(listed.sorted())"))
      }
    }
  }
}
