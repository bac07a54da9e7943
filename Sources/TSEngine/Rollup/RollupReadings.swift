/// The readings of one series, for computing buckets from them.
struct RollupReadings {
  /// What the series has around the times asked for, in no order.
  let sources: [Stretch.Source]
  /// The same in order of time, apart from each other.
  private let groups: [(source: Stretch.Source, longestSpan: Int64)]
  private let spans: SpanRules

  /// All sources with a sample that lies in `times` or covers some of it.
  /// - Complexity: O(segments + blocks of the series around `times`); the first time also the
  ///   index of each segment before, for its longest span.
  init(
    _ live: Live, _ shared: Shared, through: LSN?, of key: SeriesKey, columns: [RollupColumn],
    times: Range<Int64>, visibility: Visibility? = nil
  ) throws(StorageError) {
    spans = SpanRules(columns)
    guard !times.isEmpty else {
      (sources, groups) = ([], [])
      return
    }
    let number = shared.series.withLock {
      $0.existingNumber(table: key.table, device: key.device, probe: key.probe)
    }
    let last = times.upperBound - 1
    var first = times.lowerBound
    for segment in live.segments where segment.table == key.table && segment.firstTime <= last {
      let span = try segment.longestSpan(spans)
      if segment.lastTime.saturatingAdd(span) > times.lowerBound {
        first = min(first, times.lowerBound.saturatingSubtract(span))
      }
    }
    // Of the few chunks of heads each is looked at: what a newer row of the same instant says lies
    // in no earlier source than the chunk itself.
    var heads = live
    heads.segments = []
    for source in try SeriesSources(live: heads, through: through, visibility: visibility)
      .sources(of: key, number: number, times: Int64.min...last)
    where source.firstTime < first {
      let span = try spans.longest(in: source)
      if source.lastTime.saturatingAdd(span) > times.lowerBound { first = min(first, source.firstTime) }
    }
    let all = SeriesSources(live: live, through: through, visibility: visibility)
    sources = try all.sources(of: key, number: number, times: first...last)
    var groups: [(source: Stretch.Source, longestSpan: Int64)] = []
    for group in Stretch.Source.grouped(sources, all.order(of: key.table)) {
      groups.append((group, try spans.longest(in: group)))
    }
    self.groups = groups
  }

  /// The buckets of `range`, which lies in the times this was made for.
  func buckets(
    every: Int64, columns: [RollupColumn], _ range: Range<Int64>
  ) throws(StorageError) -> RollupFold {
    var fold = RollupFold(every: every, columns: columns, range: range)
    for (source, span) in groups {
      guard source.firstTime < range.upperBound, source.lastTime.saturatingAdd(span) >= range.lowerBound,
        let rows = try source.rows(in: range.lowerBound.saturatingSubtract(span)..<range.upperBound)
      else { continue }
      try fold.add(rows)
    }
    return fold
  }

  /// Calls `body` with each visible row that came after `lsn`, with the longest span of its samples.
  func forEachRow(
    after lsn: LSN, touching range: Range<Int64>, reach: Int64,
    _ body: (_ instant: Int64, _ span: Int64, _ lsn: LSN) -> Void
  ) throws(StorageError) {
    for source in sources where source.lsnBounds.upperBound > lsn {
      let span = max(reach, try spans.longest(in: source))
      guard source.firstTime < range.upperBound, source.lastTime.saturatingAdd(span) >= range.lowerBound,
        let rows = try source.rows(in: range.lowerBound.saturatingSubtract(span)..<range.upperBound)
      else { continue }
      var row = 0
      let views = spans.views(of: rows)
      for run in rows.lsns {
        defer { row = run.end }
        guard run.lsn > lsn else { continue }
        for index in row..<run.end {
          body(rows.times.tick(index), spans.longest(views, index), run.lsn)
        }
      }
    }
  }
}

/// How long samples of a table's columns last.
struct SpanRules: Sendable, Equatable {
  private var columns: [ColumnID] = []
  /// Of samples that say nothing.
  private var standard: Int64 = 0

  init(_ columns: [RollupColumn]) {
    for column in columns {
      standard = max(standard, column.defaultSpan)
      if let span = column.spanColumn, !self.columns.contains(span) { self.columns.append(span) }
    }
  }

  /// No sample of the source lasts longer. No I/O for blocks.
  func longest(in source: Stretch.Source) throws(StorageError) -> Int64 {
    switch source {
    case .rows(let rows): return longest(in: rows)
    case .open(let open): return longest(in: open.rows())
    case .block(let block): return longest { block.enclosingStatistics($0) }
    case .masked(let source, _): return try longest(in: source)
    case .merged(let sources, _):
      var span: Int64 = 0
      for source in sources { span = max(span, try longest(in: source)) }
      return span
    }
  }

  func longest(_ statistics: (ColumnID) -> ColumnStatistics?) -> Int64 {
    columns.reduce(standard) { span, column in
      guard let known = statistics(column), known.validCount > 0 else { return span }
      return max(span, known.maximum)
    }
  }

  private func longest(in rows: RowSet) -> Int64 {
    let views = views(of: rows)
    return (0..<rows.count).reduce(standard) { max($0, longest(views, $1)) }
  }

  func views(of rows: RowSet) -> [SlotView] { columns.map { SlotView(rows.column($0)) } }
  func longest(_ views: [SlotView], _ row: Int) -> Int64 {
    views.reduce(standard) { max($0, $1.slot(row) ?? 0) }
  }
}

extension DataSegmentReader {
  /// No sample in it lasts longer. O(blocks) at first, then O(1).
  func longestSpan(_ rules: SpanRules) throws(StorageError) -> Int64 {
    if let (known, span) = longestSpan, known == rules { return span }
    guard let directory = try directoryIfWhole() else { return 0 }
    var span: Int64 = 0
    for table in [directory.table, directory.shared.table] {
      for block in table.rows.indices {
        span = max(span, rules.longest { table.statistics(block, $0) })
      }
    }
    note(longestSpan: span, by: rules)
    return span
  }
}

extension Int64 {
  func saturatingAdd(_ other: Int64) -> Int64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? (other < 0 ? .min : .max) : sum
  }
  func saturatingSubtract(_ other: Int64) -> Int64 {
    let (difference, overflow) = subtractingReportingOverflow(other)
    return overflow ? (other < 0 ? .max : .min) : difference
  }
}
