/// What the store knew at an earlier moment.
extension Snapshot {
  /// This store's readings as they were known at `lsn`: without what came later, and with what was
  /// superseded or removed since. The registry stays that of this snapshot.
  ///
  /// Nothing is read here. A scan of instants of which rows known at `lsn` were physically removed
  /// throws: a wrong answer would be the alternative.
  package func asKnown(at lsn: LSN) -> Snapshot {
    guard case .store(let live, let shared) = backing, lsn < self.lsn else { return self }
    return Snapshot(live: live, shared: shared, knownAt: lsn).bounded(as: self)
  }

  /// As above, at an instant of the commit clock, to the millisecond.
  package func asKnown(atTime instant: Int64) -> Snapshot {
    guard case .store(_, let shared) = backing else { return self }
    return asKnown(at: shared.clock.withLock { $0.newestLSN(at: instant) })
  }

  /// - Throws: `.invalid` when files no longer hold all that was known of `table` within `times`.
  func checkKnown(_ table: TableID, _ times: ClosedRange<Int64>) throws(StorageError) {
    guard let knownAt, case .store(let live, _) = backing,
      let part = live.manifest.removed[table]?.known(at: knownAt, within: times)
    else { return }
    if isBounded {
      throw StorageError(.invalid, "readings known at LSN \(knownAt) were removed for good; ask for a later one")
    }
    throw StorageError(
      .invalid,
      "readings between \(part.times.lowerBound) and \(part.times.upperBound) ns known at LSN \(knownAt) "
        + "were removed for good by LSN \(part.removedLSN); ask for that LSN or later, or for other times")
  }
}

/// How much a removal takes.
package struct RemovalExtent: Sendable, Equatable {
  package var rowCount = 0
  package var seriesCount = 0
  /// Encoded bytes of the rows, roughly: blocks that are cut count by their share of rows.
  package var byteCount = 0

  package init() {}

  package static func += (sum: inout RemovalExtent, part: RemovalExtent) {
    sum.rowCount += part.rowCount
    sum.seriesCount += part.seriesCount
    sum.byteCount += part.byteCount
  }
}

extension Snapshot {
  /// What a table and its quarantine hold: the dry run of dropping it.
  package func extent(ofTable table: TableID) throws(StorageError) -> RemovalExtent {
    var whole = RemovalExtent()
    for table in [table, table.quarantine] {
      whole += try extent(
        of: table,
        series(of: table).map {
          SeriesSpans(device: $0.device, probe: $0.probe, times: [.min ... .max])
        })
    }
    return whole
  }

  /// What the instants of `spans` hold: the dry run of a delete. Rows are counted exactly.
  /// - Parameter goesOn: asked at each stretch; false ends the count where it is.
  /// - Complexity: O(stretches), and reads of the stretches that a span cuts.
  package func extent(
    of table: TableID, _ spans: [SeriesSpans], while goesOn: () -> Bool = { true }
  ) throws(StorageError) -> RemovalExtent {
    var extent = RemovalExtent()
    try forEachStretch(of: table, spans) { stretch, times throws(StorageError) in
      guard goesOn() else { return 0 }
      let whole = stretch.firstTime...stretch.lastTime
      var count = stretch.rowCount
      if !stretch.hasExactRowCount || !times.contains(where: { $0.contains(whole) }) {
        let reader = try stretch.reader([])
        count = times.reduce(0) { sum, span in
          let end =
            span.upperBound == .max
            ? reader.rowCount : reader.firstRow(atOrAfter: span.upperBound + 1)
          return sum + end - reader.firstRow(atOrAfter: span.lowerBound)
        }
      }
      extent.rowCount += count
      extent.byteCount += stretch.source.byteCount * count / max(1, stretch.rowCount)
      return count
    } perSeries: { count in
      if count > 0 { extent.seriesCount += 1 }
    }
    return extent
  }

  /// The rows that `spans` hold, as frames of `target`, their times moved by `shift`.
  /// - Throws: `.invalid` when a shifted instant does not fit.
  func frames(
    of table: TableID, _ spans: [SeriesSpans], as target: TableID, shift: Int64
  ) throws(StorageError) -> FrameBatch {
    var batch = FrameBatch(table: target)
    try forEachStretch(of: table, spans) { stretch, times throws(StorageError) in
      let rows = try stretch.rows()
      var count = 0
      for span in times {
        let end = span.upperBound == .max ? rows.count : rows.times.firstRow(atOrAfter: span.upperBound + 1)
        var row = rows.times.firstRow(atOrAfter: span.lowerBound)
        while row < end {
          let next = min(end, row + Head.chunkRows)
          try batch.append(rows, row..<next, of: stretch.series, shift: shift)
          count += next - row
          row = next
        }
      }
      return count
    } perSeries: { _ in
    }
    return batch
  }

  /// Calls `body` with each stretch that a span of its series meets, and with those spans; then
  /// `perSeries` with the sum of what it returned.
  private func forEachStretch(
    of table: TableID, _ spans: [SeriesSpans],
    _ body: (Stretch, [ClosedRange<Int64>]) throws(StorageError) -> Int, perSeries: (Int) -> Void
  ) throws(StorageError) {
    let wanted = Dictionary(
      spans.map { (SeriesKey(table: table, device: $0.device, probe: $0.probe), $0.times) },
      uniquingKeysWith: { $0 + $1 })
    let everywhere = wanted[.everySeries(of: table)]
    var filter = ScanFilter()
    if everywhere == nil {
      filter.devices = Set(spans.map(\.device))
      filter.probes = Set(spans.map(\.probe))
    }
    let bounds = spans.flatMap(\.times)
    if let first = bounds.map(\.lowerBound).min(), let last = bounds.map(\.upperBound).max(), last < .max {
      filter.times = first..<(last + 1)
    }
    var sums: [SeriesKey: Int] = [:]
    for stretch in try scan(table, filter).stretches {
      let met = (wanted[stretch.series] ?? everywhere ?? []).filter {
        $0.upperBound >= stretch.firstTime && $0.lowerBound <= stretch.lastTime
      }
      if !met.isEmpty { sums[stretch.series, default: 0] += try body(stretch, met) }
    }
    for (_, sum) in sums { perSeries(sum) }
  }
}

extension Stretch.Source {
  /// Encoded bytes, or what the rows take in memory.
  var byteCount: Int {
    switch self {
    case .rows(let rows): rows.count * 8 * (rows.columns.count + 1)
    case .open: rowCount * 32
    case .block(let block):
      block.columns.reduce(64) { $0 + block.byteCount($1) }
    case .merged(let sources, _): sources.reduce(0) { $0 + $1.byteCount }
    case .masked(let source, _): source.byteCount
    }
  }
}

extension FrameBatch {
  /// Adds rows of a series as a frame of its device.
  /// - Throws: `.invalid` when a shifted instant does not fit.
  mutating func append(
    _ rows: RowSet, _ range: Range<Int>, of series: SeriesKey, shift: Int64
  ) throws(StorageError) {
    var instants: [Int64] = []
    for row in range {
      let (instant, overflow) = rows.times.tick(row).addingReportingOverflow(shift)
      guard !overflow else { throw StorageError(.invalid, "shifted beyond the range of time") }
      instants.append(instant)
    }
    beginFrame(device: series.device)
    beginRun(probe: series.probe, times: .explicit(instants))
    texts.keep(rows.texts)
    for column in rows.columns {
      let valid = range.map { rows.slot(column.id, row: $0) != nil }
      let slots = range.map { rows.slot(column.id, row: $0) ?? 0 }
      if !valid.contains(false) {
        add(column.id, slots)
      } else if valid.contains(true) {
        add(column.id, slots, valid: valid)
      }
    }
  }
}

extension ClosedRange<Int64> {
  fileprivate func contains(_ other: ClosedRange<Int64>) -> Bool {
    lowerBound <= other.lowerBound && upperBound >= other.upperBound
  }
}
