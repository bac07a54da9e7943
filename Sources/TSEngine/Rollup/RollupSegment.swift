import Synchronization

extension Manifest {
  /// The buckets of one rollup within one window: derived, and right at one LSN. Without rows it has
  /// no file: everything in the window is told from readings.
  package struct RollupSegment: Sendable, Equatable {
    package var id: UInt64
    package var table: TableID
    package var every: Int64
    /// Of the declaration it was built for; of any other it says nothing.
    package var declaredLSN: LSN
    package var window: Range<Int64>
    /// The view of the readings at this LSN is what it holds.
    package var builtLSN: LSN
    /// Buckets that ended by then were closed: a later change is a revision.
    package var closedUntil: Int64
    /// No sample that counts in it lasts longer.
    package var reach: Int64 = 0
    package var rowCount = 0
    package var byteCount = 0
  }
}

/// A live rollup segment. Its file is a data segment whose rows are buckets.
package final class RollupSegmentReader: Sendable {
  package let meta: Manifest.RollupSegment
  let segment: DataSegmentReader?
  private let damaged = Mutex(false)

  package init(_ context: SegmentContext, _ meta: Manifest.RollupSegment) {
    self.meta = meta
    guard meta.rowCount > 0 else {
      segment = nil
      return
    }
    var context = context
    // Its series are those of the data; it numbers none.
    context.catalog = nil
    let data = Manifest.DataSegment(
      id: meta.id, table: meta.table, rowCount: meta.rowCount, byteCount: meta.byteCount,
      firstTime: meta.window.lowerBound, lastTime: meta.window.upperBound, oldestLSN: 0,
      newestLSN: meta.builtLSN)
    let folder = FileNames.path(context.store, FileNames.rollupDirectory)
    segment = DataSegmentReader(
      context, data,
      file: SegmentFile(
        context.disk, path: FileNames.path(folder, FileNames.dataSegment(meta.id)), id: meta.id,
        open: context.open, pin: context.pin))
  }

  /// Bytes failed their check: readings answer, and the segment is made anew.
  package var isDamaged: Bool { damaged.withLock { $0 } }

  func isOf(_ rollup: RollupDeclaration) -> Bool {
    meta.table == rollup.table && meta.every == rollup.every && meta.declaredLSN == rollup.lsn
  }

  /// The series it has buckets of, sorted; none when it is damaged.
  func series() throws(StorageError) -> [SeriesKey] {
    try whole { () throws(StorageError) in try segment?.directory().series }.map { Array($0) } ?? []
  }

  /// Its buckets of a series in `times`, as they were stored; nil when the series is not in it, or
  /// when it is damaged.
  /// - Complexity: O(blocks of the series + buckets of those that meet `times`).
  func buckets(
    of key: SeriesKey, columns: [RollupColumn], _ times: Range<Int64>
  ) throws(StorageError) -> RollupBuckets? {
    try whole { () throws(StorageError) -> RollupBuckets? in
      guard let directory = try segment?.directory(), let series = directory.series(key) else {
        return nil
      }
      var found = RollupBuckets(every: meta.every, columns: columns)
      for position in directory.blocks(ofSeries: series) {
        let block = directory.reader(position)
        guard block.firstTime < times.upperBound, block.lastTime >= times.lowerBound else { continue }
        let all = try RollupRows.buckets(
          try block.rows(), every: meta.every, columns: columns, schema: directory.columns)
        let first = all.firstBucket(atOrAfter: times.lowerBound)
        found.append(all, first..<max(first, all.firstBucket(atOrAfter: times.upperBound)))
      }
      return found
    }
  }

  /// Damage is contained and remembered.
  private func whole<Value>(
    _ body: () throws(StorageError) -> Value?
  ) throws(StorageError) -> Value? {
    if isDamaged { return nil }
    do throws(StorageError) {
      return try body()
    } catch {
      guard [.corrupt, .truncated, .notFound].contains(error.code) else { throw error }
      damaged.withLock { $0 = true }
      return nil
    }
  }
}

/// Buckets as rows of a data segment: the instant is the bucket's start, the LSN its last change.
/// FORMAT.md, "Rollup segment".
enum RollupRows {
  private static let revisionID: ColumnID = 1
  private static let stride: ColumnID = 16

  /// Of each column of readings that has something in some bucket; a high half is left out where it is
  /// the low one's sign throughout.
  private enum Field: ColumnID, CaseIterable {
    case count = 0, sum, sumHigh, minimum, maximum, first, last, integral, integralHigh, covered
    case coveredHigh

    var name: String {
      switch self {
      case .sumHigh: "sum_high"
      case .integralHigh: "integral_high"
      case .coveredHigh: "covered_high"
      default: "\(self)"
      }
    }

    /// Float where the column is.
    var followsType: Bool {
      switch self {
      case .sum, .minimum, .maximum, .first, .last, .integral: true
      default: false
      }
    }
    /// Null where there is no sample.
    var needsSample: Bool {
      switch self {
      case .minimum, .maximum, .first, .last: true
      default: false
      }
    }
  }

  /// Column k of the rollup has fields of ids 16·(k + 1) + field, named by the id of the column of
  /// readings: `3.sum`.
  static func schema(_ table: TableID, _ columns: [RollupColumn]) -> TableSchema {
    var all = [ColumnSchema(id: revisionID, name: "revision", type: .int)]
    for (index, column) in columns.enumerated() {
      for field in Field.allCases {
        all.append(
          ColumnSchema(
            id: id(index, field), name: "\(column.id).\(field.name)",
            type: column.isFloat && field.followsType ? .float : .int))
      }
    }
    return TableSchema(id: table, name: "rollup", columns: all, defaultSpanNanos: 0)
  }

  private static func id(_ column: Int, _ field: Field) -> ColumnID {
    stride * ColumnID(column + 1) + field.rawValue
  }

  /// - Precondition: at least one bucket.
  static func rows(_ buckets: RollupBuckets) -> RowSet {
    var columns = [
      RowSet.Column(id: revisionID, content: .values(buckets.revisions.map { Int64($0 ?? 0) }))
    ]
    for (index, column) in buckets.columns.enumerated() {
      let cells = (0..<buckets.count).map { buckets.cell($0, index) }
      guard cells.contains(where: { !$0.isEmpty }) else { continue }
      var valid = [UInt64](repeating: 0, count: (cells.count + 63) / 64)
      for (row, cell) in cells.enumerated() where cell.count > 0 {
        valid[row / 64] |= 1 << UInt64(row % 64)
      }
      let hasEmpty = cells.contains { $0.count == 0 }
      // Nowhere a sample: one constant says it.
      let hasNone = !cells.contains { $0.count > 0 }
      for field in Field.allCases where !(hasNone && field.needsSample) {
        guard let slots = slots(field, cells, column) else { continue }
        columns.append(
          RowSet.Column(
            id: id(index, field), content: .values(slots),
            validity: field.needsSample && hasEmpty ? valid : nil))
      }
    }
    var rows = RowSet(times: .explicit(buckets.starts), columns: columns, lsns: [])
    rows.setLSNs(buckets.lastChanges)
    return rows.compacted()
  }

  /// Nil for a high half that says nothing.
  private static func slots(
    _ field: Field, _ cells: [RollupCell], _ column: RollupColumn
  ) -> [Int64]? {
    func wide(_ value: (RollupCell) -> Int128, isHigh: Bool) -> [Int64]? {
      if !isHigh { return cells.map { Int64(truncatingIfNeeded: value($0)) } }
      if column.isFloat, field != .coveredHigh { return nil }
      guard cells.contains(where: { Int64(exactly: value($0)) == nil }) else { return nil }
      return cells.map { Int64(truncatingIfNeeded: value($0) >> 64) }
    }
    func bits(_ value: (RollupCell) -> Double) -> [Int64] {
      cells.map { Int64(bitPattern: value($0).bitPattern) }
    }
    switch field {
    case .count: return cells.map { Int64($0.count) }
    case .sum: return column.isFloat ? bits(\.floatSum) : wide(\.sum, isHigh: false)
    case .sumHigh: return wide(\.sum, isHigh: true)
    case .minimum: return cells.map(\.minimum)
    case .maximum: return cells.map(\.maximum)
    case .first: return cells.map(\.first)
    case .last: return cells.map(\.last)
    case .integral: return column.isFloat ? bits(\.floatIntegral) : wide(\.integral, isHigh: false)
    case .integralHigh: return wide(\.integral, isHigh: true)
    case .covered: return wide(\.covered, isHigh: false)
    case .coveredHigh: return wide(\.covered, isHigh: true)
    }
  }

  /// - Parameter schema: of the file; a column that it does not have had no sample then.
  /// - Throws: `.corrupt` when the rows are no buckets.
  static func buckets(
    _ rows: RowSet, every: Int64, columns: [RollupColumn], schema: [ColumnSchema]
  ) throws(StorageError) -> RollupBuckets {
    var buckets = RollupBuckets(every: every, columns: columns)
    let ids = Dictionary(schema.map { ($0.name, $0.id) }, uniquingKeysWith: { first, _ in first })
    let revisions = SlotView(rows.column(revisionID))
    buckets.lastChanges = rows.lsnOfEachRow()
    for row in 0..<rows.count {
      let start = rows.times.tick(row)
      guard start % every == 0, let revision = UInt32(exactly: revisions.slot(row) ?? 0) else {
        throw StorageError(.corrupt, "a row of a rollup that is no bucket")
      }
      buckets.starts.append(start)
      buckets.revisions.append(revision)
    }
    buckets.isStored = [Bool](repeating: true, count: rows.count)
    buckets.cells = [RollupCell](repeating: RollupCell(), count: rows.count * columns.count)
    for (index, column) in columns.enumerated() {
      let views = Field.allCases.map { field in
        SlotView(ids["\(column.id).\(field.name)"].flatMap { rows.column($0) })
      }
      for row in 0..<rows.count {
        buckets.cells[row * columns.count + index] = try cell(column, row) { views[Int($0.rawValue)] }
      }
    }
    return buckets
  }

  private static func cell(
    _ column: RollupColumn, _ row: Int, _ view: (Field) -> SlotView
  ) throws(StorageError) -> RollupCell {
    var cell = RollupCell()
    func slot(_ field: Field) -> Int64 { view(field).slot(row) ?? 0 }
    func wide(_ low: Field, _ high: Field) -> Int128 {
      let value = slot(low)
      guard let upper = view(high).slot(row) else { return Int128(value) }
      return Int128(upper) << 64 | Int128(UInt64(bitPattern: value))
    }
    func double(_ field: Field) -> Double { Double(bitPattern: UInt64(bitPattern: slot(field))) }
    guard let count = Int(exactly: slot(.count)), count >= 0 else {
      throw StorageError(.corrupt, "a bucket of a negative count")
    }
    cell.count = count
    cell.covered = wide(.covered, .coveredHigh)
    if column.isFloat {
      (cell.floatSum, cell.floatIntegral) = (double(.sum), double(.integral))
    } else {
      (cell.sum, cell.integral) = (wide(.sum, .sumHigh), wide(.integral, .integralHigh))
    }
    if count > 0 {
      (cell.minimum, cell.maximum) = (slot(.minimum), slot(.maximum))
      (cell.first, cell.last) = (slot(.first), slot(.last))
    }
    return cell
  }
}
