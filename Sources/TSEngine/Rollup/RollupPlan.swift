/// Which windows of which rollups to build: from the live segments and the registry alone. What it
/// chooses decides how much is read later, never what is answered.
package struct RollupPlan {
  /// A window of a declared rollup that is to be built anew.
  struct Task: Hashable, Sendable {
    var table: TableID
    var every: Int64
    var window: Range<Int64>
  }

  /// What a series must have in a window for its buckets to be stored; below it readings cost no more
  /// than buckets, to keep and to read.
  package struct Options: Sendable {
    /// Rows a bucket, on the mean: it has some eight numbers a column.
    package var rowsPerBucket = 12
    package var leastRows = 1024
  }

  var tasks: [Task] = []
  /// Segments of no declaration, or of windows where no reading is left.
  var dead: Set<UInt64> = []
  /// When (wall clock) a window that was left alone for its freshness is due; `.max` without one.
  var nextDue = Int64.max

  private static let day = RollupDeclaration.day

  /// Windows are multiples of these since the epoch: the first that gives 512 buckets.
  static func windowLength(every: Int64) -> Int64 {
    [day / 4, day, 8 * day, 32 * day].first { $0 / every >= 512 && $0 % every == 0 } ?? 512 * day
  }

  static func window(of instant: Int64, every: Int64) -> Range<Int64> {
    RollupGrid(every: windowLength(every: every)).aligned(instant..<instant.saturatingAdd(1))
  }

  /// - Parameter isFinal: also windows that still fill and were built not long ago.
  /// - Complexity: O(blocks of the tables with rollups + removals).
  init(_ live: Live, now: Int64, isFinal: Bool) throws(StorageError) {
    let read = Set(live.segments.filter { !$0.isDamaged }.map(\.id))
    // Of these times something cannot be read: what is stored stays.
    let unread = live.manifest.data.filter { !read.contains($0.id) }
    for rollup in live.registry.rollups.all {
      guard let schema = live.registry.schema(rollup.table),
        !RollupColumn.columns(of: rollup, schema).isEmpty
      else { continue }
      var newest: [Int64: (window: Range<Int64>, lsn: LSN)] = [:]
      for segment in live.segments where segment.table == rollup.table {
        guard let directory = try segment.directoryIfWhole() else { continue }
        for block in directory.positions.lazy.map({ directory.row($0) }) where block.kind == .main {
          Self.note(block, every: rollup.every, &newest)
        }
      }
      let parts = live.rollups.filter { $0.isOf(rollup) }
      let byWindow = Dictionary(
        parts.map { ($0.meta.window, $0) }, uniquingKeysWith: { _, last in last })
      for part in parts
      where newest[part.meta.window.lowerBound] == nil
        && !unread.contains(where: { $0.table == rollup.table }) {
        dead.insert(part.meta.id)
      }
      for (_, found) in newest.sorted(by: { $0.key < $1.key }) {
        guard !unread.contains(where: { $0.table == rollup.table && $0.meets(found.window) }) else { continue }
        let task = Task(table: rollup.table, every: rollup.every, window: found.window)
        guard let part = byWindow[found.window], !part.isDamaged else {
          tasks.append(task)
          continue
        }
        var isStale = found.lsn > part.meta.builtLSN
        if !isStale { isStale = try Self.isCut(part, live) }
        guard isStale else { continue }
        let due = part.meta.closedUntil.saturatingAdd(Self.windowLength(every: rollup.every) / 16)
        if isFinal || now >= found.window.upperBound || now >= due {
          tasks.append(task)
        } else {
          nextDue = min(nextDue, due)
        }
      }
    }
    for segment in live.rollups
    where live.registry.rollups[segment.meta.table, segment.meta.every].map(segment.isOf) != true {
      dead.insert(segment.meta.id)
    }
  }

  /// Windows that a block touches; of one that is spread over very many, as no writer makes them,
  /// the first ones.
  private static func note(
    _ block: BlockTable.Row, every: Int64,
    _ newest: inout [Int64: (window: Range<Int64>, lsn: LSN)]
  ) {
    var window = window(of: block.firstTime, every: every)
    for _ in 0..<4096 {
      let lsn = max(newest[window.lowerBound]?.lsn ?? 0, block.newestLSN)
      newest[window.lowerBound] = (window, lsn)
      guard block.lastTime >= window.upperBound, window.upperBound < .max else { return }
      window = Self.window(of: window.upperBound, every: every)
    }
  }

  /// Whether a removal since touched a series of it.
  private static func isCut(_ part: RollupSegmentReader, _ live: Live) throws(StorageError) -> Bool {
    let lifecycles = live.registry.lifecycles
    guard lifecycles[part.meta.table]?.changedLSN ?? 0 > part.meta.builtLSN else { return false }
    let times =
      part.meta.window.lowerBound.saturatingSubtract(part.meta.reach)...(part.meta.window.upperBound - 1)
    for key in try part.series() {
      guard let removals = lifecycles.removals(of: key) else { continue }
      if case .nothing = removals.mask(
        times, lsns: 0...part.meta.builtLSN, applied: part.meta.builtLSN)
      { continue }
      return true
    }
    return false
  }
}

extension Manifest.DataSegment {
  fileprivate func meets(_ window: Range<Int64>) -> Bool {
    firstTime < window.upperBound && lastTime >= window.lowerBound
  }
}
