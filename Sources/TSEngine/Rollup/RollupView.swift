/// One rollup of one series as a state of the store shows it: what is stored where it still holds,
/// readings for the rest.
///
/// A rollup segment is right at its LSN. A view changes by rows of later LSNs and by removals of later
/// LSNs, and by nothing else (policies judge rows by when they came, compaction changes no view). A
/// row may have displaced one, and a removal may have taken one, that lasted up to the segment's
/// reach: so what either may have changed are the buckets from its instant to its instant + reach.
/// Those are computed anew; where they come to the same, the bucket is as it was.
struct RollupView {
  let live: Live
  let shared: Shared
  /// What was known at this LSN; nil is all that is durable.
  let through: LSN?
  let declaration: RollupDeclaration
  let columns: [RollupColumn]
  let grid: RollupGrid
  /// Nil shows all. What is stored is of all readings, so it answers only where all of them may be seen.
  var visibility: Visibility?

  struct Answer {
    var buckets: RollupBuckets
    /// No sample that counts lasts longer.
    var reach: Int64 = 0
  }

  init(
    _ live: Live, _ shared: Shared, through: LSN?, _ declaration: RollupDeclaration,
    _ schema: TableSchema
  ) {
    self.live = live
    self.shared = shared
    self.through = through
    self.declaration = declaration
    columns = RollupColumn.columns(of: declaration, schema)
    grid = RollupGrid(every: declaration.every)
  }

  private var lsn: LSN { min(through ?? .max, live.durableLSN) }

  /// Segments that may answer, in order of time.
  func segments(_ times: Range<Int64>) -> [RollupSegmentReader] {
    live.rollups.filter {
      $0.isOf(declaration) && $0.meta.builtLSN <= lsn && $0.meta.rowCount > 0 && !$0.isDamaged
        && $0.meta.window.overlaps(times)
    }.sorted { $0.meta.window.lowerBound < $1.meta.window.lowerBound }
  }

  /// - Parameter times: whole buckets.
  /// - Complexity: O(rollup segments + stored buckets in `times` + sources of the series around it
  ///   + rows of the sources that changed it since, or that no rollup holds).
  func buckets(of key: SeriesKey, _ times: Range<Int64>) throws(StorageError) -> Answer {
    let readings = try RollupReadings(
      live, shared, through: through, of: key, columns: columns, times: times, visibility: visibility)
    var answer = Answer(buckets: RollupBuckets(every: declaration.every, columns: columns))
    var next = times.lowerBound
    for segment in segments(times) {
      let part = segment.meta.window.clamped(to: times)
      guard !part.isEmpty, part.lowerBound >= next, mayTell(segment.meta, of: key.device),
        let stored = try segment.buckets(of: key, columns: columns, part)
      else { continue }
      try append(readings, next..<part.lowerBound, to: &answer)
      try append(stored, of: segment.meta, key, readings, part, to: &answer)
      next = part.upperBound
    }
    try append(readings, next..<times.upperBound, to: &answer)
    return answer
  }

  /// A sample of up to `reach` before the window is in its buckets.
  private func mayTell(_ meta: Manifest.RollupSegment, of device: String) -> Bool {
    guard let visibility else { return true }
    let first = meta.window.lowerBound.saturatingSubtract(meta.reach)
    return visibility.seesAll(of: device, first...(meta.window.upperBound - 1))
  }

  /// What no rollup holds.
  private func append(
    _ readings: RollupReadings, _ range: Range<Int64>, to answer: inout Answer
  ) throws(StorageError) {
    guard !range.isEmpty else { return }
    let fold = try readings.buckets(every: declaration.every, columns: columns, range)
    answer.reach = max(answer.reach, fold.reach)
    answer.buckets.append(fold.buckets, 0..<fold.buckets.count)
  }

  private func append(
    _ stored: RollupBuckets, of meta: Manifest.RollupSegment, _ key: SeriesKey,
    _ readings: RollupReadings, _ part: Range<Int64>, to answer: inout Answer
  ) throws(StorageError) {
    answer.reach = max(answer.reach, meta.reach)
    let changes = try changes(since: meta, of: key, readings, part)
    var next = 0
    for range in changes.ranges {
      let (first, end) = (
        stored.firstBucket(atOrAfter: range.lowerBound), stored.firstBucket(atOrAfter: range.upperBound)
      )
      answer.buckets.append(stored, next..<first)
      next = end
      let fold = try readings.buckets(every: declaration.every, columns: columns, range)
      answer.reach = max(answer.reach, fold.reach)
      merge(stored, first..<end, fold.buckets, meta, changes, into: &answer.buckets)
    }
    answer.buckets.append(stored, next..<stored.count)
  }

  // MARK: What may have changed

  private struct Changes {
    /// Whole buckets, ascending, apart from each other.
    var ranges: [Range<Int64>] = []
    /// By start of a bucket, the newest row that touched it.
    var rows: [Int64: LSN] = [:]
    var removals: [(range: Range<Int64>, lsn: LSN)] = []

    func newest(_ start: Int64) -> LSN {
      removals.reduce(rows[start] ?? 0) { $1.range.contains(start) ? max($0, $1.lsn) : $0 }
    }
  }

  private func changes(
    since meta: Manifest.RollupSegment, of key: SeriesKey, _ readings: RollupReadings,
    _ part: Range<Int64>
  ) throws(StorageError) -> Changes {
    var changes = Changes()
    if Planted.has(.rollupNotInvalidated) { return changes }
    var meta = meta
    if Planted.has(.rollupReachForgotten) { meta.reach = 0 }
    let grid = grid
    try readings.forEachRow(after: meta.builtLSN, touching: part, reach: meta.reach) {
      instant, span, lsn in
      let end = instant.saturatingAdd(max(1, span, meta.reach))
      guard end > part.lowerBound, instant < part.upperBound else { return }
      var start = grid.start(of: max(instant, part.lowerBound))
      while start < min(end, part.upperBound) {
        changes.rows[start] = max(changes.rows[start] ?? 0, lsn)
        start = grid.end(of: start)
      }
    }
    if let removals = live.registry.lifecycles.removals(of: key) {
      let times = part.lowerBound.saturatingSubtract(meta.reach)...(part.upperBound - 1)
      switch removals.mask(
        times, lsns: 0...meta.builtLSN, applied: meta.builtLSN, through: lsn)
      {
      case .nothing: break
      case .part(let mask), .everything(let mask):
        for removal in mask.removals {
          let first = max(removal.times.lowerBound, part.lowerBound)
          let last = min(removal.times.upperBound.saturatingAdd(meta.reach), part.upperBound - 1)
          guard first <= last else { continue }
          changes.removals.append((grid.aligned(first..<(last + 1)), removal.lsn))
        }
      }
    }
    var all = changes.removals.map(\.range)
    for start in changes.rows.keys { all.append(start..<grid.end(of: start)) }
    all.sort { $0.lowerBound < $1.lowerBound }
    for range in all {
      if let last = changes.ranges.last, range.lowerBound <= last.upperBound {
        changes.ranges[changes.ranges.count - 1] =
          last.lowerBound..<max(last.upperBound, range.upperBound)
      } else {
        changes.ranges.append(range)
      }
    }
    return changes
  }

  /// Stored buckets of a range that may have changed, against what readings say now.
  private func merge(
    _ stored: RollupBuckets, _ range: Range<Int>, _ computed: RollupBuckets,
    _ meta: Manifest.RollupSegment, _ changes: Changes, into out: inout RollupBuckets
  ) {
    let nothing = [RollupCell](repeating: RollupCell(), count: columns.count)[...]
    var (old, new) = (range.lowerBound, 0)
    while old < range.upperBound || new < computed.count {
      let oldStart = old < range.upperBound ? stored.starts[old] : .max
      let newStart = new < computed.count ? computed.starts[new] : .max
      let start = min(oldStart, newStart)
      let before = oldStart == start ? stored.row(old) : nothing
      let after = newStart == start ? computed.row(new) : nothing
      let wasThere = oldStart == start
      var revision = wasThere ? stored.revisions[old] ?? 0 : 0
      var lastChange = wasThere ? stored.lastChanges[old] : 0
      if !before.elementsEqual(after) {
        if grid.end(of: start) <= meta.closedUntil { revision &+= 1 }
        lastChange = max(changes.newest(start), newStart == start ? computed.lastChanges[new] : 0)
      }
      // An emptied one is told as long as it was ever corrected.
      if revision > 0 || after.contains(where: { !$0.isEmpty }) {
        out.append(
          start: start, after, lastChange: lastChange, revision: revision, isStored: false)
      }
      if oldStart == start { old += 1 }
      if newStart == start { new += 1 }
    }
  }
}

extension Snapshot {
  /// Buckets of `every` nanoseconds of one series, those that meet `times`: from rollups where they
  /// are stored and still hold, else computed from readings; equal in either case to computing all
  /// of them from the readings this snapshot shows.
  /// - Throws: `.notFound` when no such rollup is declared; `.invalid` where this snapshot is of the
  ///   past and rows it would show are gone, or for more buckets than memory should hold; `.io`,
  ///   `.corrupt` of readings (damage of a rollup is passed over).
  /// - Complexity: O(stored buckets in `times` + blocks of the series around it + rows that no
  ///   rollup holds yet).
  package func rollup(
    of key: SeriesKey, every: Int64, _ times: Range<Int64>
  ) throws(StorageError) -> RollupBuckets {
    guard let view = rollupView(key.table, every: every) else {
      throw StorageError(
        .notFound, "no rollup of \(RollupDeclaration.text(every: every)) is declared; declare it first")
    }
    // A sample of any earlier instant may reach into the buckets.
    try checkKnown(key.table, .min ... times.upperBound)
    try requireUnaffected(key, before: times.upperBound)
    return try view.buckets(of: key, view.grid.aligned(times)).buckets
  }

  /// Nil when it is not declared.
  func rollupView(_ table: TableID, every: Int64) -> RollupView? {
    guard case .store(let live, let shared) = backing,
      let declaration = registry.rollups[table, every], let schema = registry.schema(table)
    else { return nil }
    var view = RollupView(live, shared, through: knownAt, declaration, schema)
    view.visibility = visibility
    return view
  }

  /// The live segments of declared rollups.
  package var rollupSegments: [RollupSegmentReader] {
    guard case .store(let live, _) = backing, !isBounded else { return [] }
    return live.rollups.filter { segment in
      registry.rollups[segment.meta.table, segment.meta.every].map(segment.isOf) ?? false
    }
  }
}
