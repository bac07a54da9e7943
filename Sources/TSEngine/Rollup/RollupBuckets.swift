/// What one column's samples come to within one bucket.
///
/// A sample at ts of span s covers [ts, ts + s). It counts where its instant lies, and gives each
/// bucket value x the nanoseconds it covers there: parts sum to the unsplit total, exactly for ints.
package struct RollupCell: Sendable, Equatable {
  /// Non-null samples whose instants lie in the bucket; without any, the next five say nothing.
  package var count = 0
  /// Of an int column, exact.
  package var sum: Int128 = 0
  /// Of a float column: added in order of time, so it does not depend on how rows are stored.
  package var floatSum = 0.0
  /// Slots; floats compare in PostgreSQL's order, NaN greatest.
  package var minimum: Int64 = 0
  package var maximum: Int64 = 0
  package var first: Int64 = 0
  package var last: Int64 = 0
  /// Value x nanoseconds covered (power: W·ns), exact; of a float column as `floatSum`.
  package var integral: Int128 = 0
  package var floatIntegral = 0.0
  /// Nanoseconds covered: `every` is full coverage, more where samples overlap.
  package var covered: Int128 = 0

  package init() {}

  /// Bit by bit: NaN equals itself.
  package static func == (a: RollupCell, b: RollupCell) -> Bool {
    a.count == b.count && a.sum == b.sum && a.floatSum.bitPattern == b.floatSum.bitPattern
      && a.minimum == b.minimum && a.maximum == b.maximum && a.first == b.first && a.last == b.last
      && a.integral == b.integral && a.floatIntegral.bitPattern == b.floatIntegral.bitPattern
      && a.covered == b.covered
  }

  var isEmpty: Bool { count == 0 && covered == 0 }
}

/// A column that a rollup has.
package struct RollupColumn: Sendable, Equatable {
  package var id: ColumnID
  package var isFloat: Bool
  /// Where the span of its samples stands: `<name>_span`, else `span`; nil is the default for all.
  package var spanColumn: ColumnID?
  package var defaultSpan: Int64

  /// Those of a declaration as the table is now: for none declared all numbers but spans.
  package static func columns(
    of declaration: RollupDeclaration, _ schema: TableSchema
  ) -> [RollupColumn] {
    func column(_ name: String) -> ColumnSchema? {
      schema.columns.first { $0.name == name && $0.type == .int }
    }
    func isSpan(_ name: String) -> Bool {
      guard name.hasSuffix("_span") else { return name == "span" }
      let of = String(name.dropLast(5))
      return schema.columns.contains { $0.name == of }
    }
    return schema.columns.filter { column in
      column.isNumber
        && (declaration.columns.isEmpty
          ? !isSpan(column.name) : declaration.columns.contains(column.id))
    }.map { (wanted: ColumnSchema) in
      let span = column(wanted.name + "_span") ?? column("span")
      return RollupColumn(
        id: wanted.id, isFloat: wanted.type == .float,
        spanColumn: span.flatMap { $0.id == wanted.id ? nil : $0.id },
        defaultSpan: schema.defaultSpanNanos)
    }
  }
}

/// Buckets of one series, in order of time; those without samples and coverage are not there.
/// All arrays are aligned: bucket i begins at `starts[i]`, its cell of column c is
/// `cells[i * columns.count + c]`.
package struct RollupBuckets: Sendable, Equatable {
  package let every: Int64
  package let columns: [RollupColumn]
  /// Nanoseconds since the Unix epoch, multiples of `every`.
  package var starts: [Int64] = []
  package var cells: [RollupCell] = []
  /// No act after this LSN has changed the bucket.
  package var lastChanges: [LSN] = []
  /// How often a build of the rollup found the bucket changed after its end had passed; nil for one
  /// that is in no rollup and is told from readings alone.
  package var revisions: [UInt32?] = []
  /// Whether the bucket came from a rollup as it is stored; else from readings.
  package var isStored: [Bool] = []

  package init(every: Int64, columns: [RollupColumn]) {
    self.every = every
    self.columns = columns
  }

  package var count: Int { starts.count }
  package var storedCount: Int { isStored.count { $0 } }

  package func cell(_ bucket: Int, _ column: Int) -> RollupCell {
    cells[bucket * columns.count + column]
  }

  func row(_ bucket: Int) -> ArraySlice<RollupCell> {
    cells[bucket * columns.count..<(bucket + 1) * columns.count]
  }

  /// Nothing in it: deleted, and kept because it was corrected.
  package func isEmpty(_ bucket: Int) -> Bool { row(bucket).allSatisfy(\.isEmpty) }

  mutating func append(_ other: RollupBuckets, _ range: Range<Int>) {
    starts += other.starts[range]
    cells += other.cells[range.lowerBound * columns.count..<range.upperBound * columns.count]
    lastChanges += other.lastChanges[range]
    revisions += other.revisions[range]
    isStored += other.isStored[range]
  }

  mutating func append(
    start: Int64, _ row: ArraySlice<RollupCell>, lastChange: LSN, revision: UInt32?, isStored: Bool
  ) {
    starts.append(start)
    cells += row
    lastChanges.append(lastChange)
    revisions.append(revision)
    self.isStored.append(isStored)
  }

  /// The first bucket that begins at or after `instant`. O(log buckets).
  func firstBucket(atOrAfter instant: Int64) -> Int {
    var (low, high) = (0, starts.count)
    while low < high {
      let middle = (low + high) / 2
      if starts[middle] < instant { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// Bucket bounds on the line of Int64 nanoseconds.
package struct RollupGrid: Sendable {
  package let every: Int64

  /// The start of the bucket of `instant`; that of the first whole one for instants before it.
  func start(of instant: Int64) -> Int64 {
    let into = ((instant % every) + every) % every
    let (start, overflow) = instant.subtractingReportingOverflow(into)
    return overflow ? Int64.min / every * every : start
  }

  /// The end of a bucket, `.max` where that does not fit.
  func end(of start: Int64) -> Int64 {
    let (end, overflow) = start.addingReportingOverflow(every)
    return overflow ? .max : end
  }

  /// `times` widened to whole buckets.
  func aligned(_ times: Range<Int64>) -> Range<Int64> {
    guard !times.isEmpty else { return times }
    let first = start(of: times.lowerBound)
    return first..<max(first, end(of: start(of: times.upperBound - 1)))
  }
}
