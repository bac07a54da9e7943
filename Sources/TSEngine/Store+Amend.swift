/// Acts on stored readings: deletes, resolutions of conflicts, what becomes of the quarantine. Each
/// is an event with its actor and reason; no stored byte changes until compaction.
extension Store {
  /// Stretches that one delete may have.
  private static let spanLimit = 500_000
  /// Of one event, so that it stays below what a record may hold.
  private static let spansPerEvent = 40_000
  /// How often an act is prepared anew because rows came meanwhile.
  private static let attempts = 8

  /// Removes the readings of `spans`, applied at read at once. A retransmission of them is new.
  /// Durable on return.
  ///
  /// - Parameters:
  ///   - extent: what `Snapshot.extent` said of them; recorded with the event.
  ///   - seenAt: the LSN at which the instants were chosen by their values. Rows that came to these
  ///     instants since are not what was chosen: the delete is refused then.
  /// - Returns: the LSN of the last event.
  /// - Throws: `.conflict` when rows came since `seenAt`; choose again. `.invalid`; as `append`.
  package func delete(
    _ table: TableID, _ spans: [SeriesSpans], extent: RemovalExtent, seenAt: LSN? = nil,
    actor: Actor, cause: Cause = Cause()
  ) throws(StorageError) -> LSN {
    guard registry.types.isLive(table) else {
      throw StorageError(.invalid, "unknown table")
    }
    let parts = try Self.parts(spans)
    guard !parts.isEmpty else { return durableLSN }
    let context = DecisionContext(
      now: options.clock.nowNanos(), actor: actor, cause: cause, random: options.rng)
    let checked = try checkedUntouched(table, spans, since: seenAt)
    return try amend { live throws(StorageError) in
      if let checked { try Self.checkUntouched(table, spans, since: checked, live, self.shared) }
      var registry = live.registry
      var events: [Event] = []
      for (index, part) in parts.enumerated() {
        // The extent is of the whole act: its first event tells it.
        let event = context.event(
          registry,
          .readingsDeleted(
            table: table, spans: part, rows: index == 0 ? UInt64(extent.rowCount) : 0,
            bytes: index == 0 ? UInt64(extent.byteCount) : 0))
        events.append(event)
        registry = registry.after([event])
      }
      return CommitRequest.Amendment(events)
    }.lsn
  }

  /// Decides which version of a reading is right: the one that `chosen` brought. Durable on return.
  /// - Throws: `.invalid` when there is no such version; as `append`.
  package func resolve(
    _ series: SeriesKey, at instant: Int64, choosing chosen: LSN, actor: Actor,
    cause: Cause = Cause()
  ) throws(StorageError) -> LSN {
    guard !series.table.isQuarantine else { throw StorageError(.invalid, "unknown table") }
    let context = DecisionContext(
      now: options.clock.nowNanos(), actor: actor, cause: cause, random: options.rng)
    return try amend { live throws(StorageError) in
      let sources = SeriesSources(live: live)
      let number = self.shared.series.withLock {
        $0.existingNumber(table: series.table, device: series.device, probe: series.probe)
      }
      var batch = FrameBatch(table: series.table)
      for kind in [BlockEntry.Kind.main, .superseded] {
        for source in try sources.sources(
          of: series, number: number, times: instant...instant, kind: kind)
        where batch.isEmpty {
          let rows = try source.rows()
          guard let row = rows.times.row(of: instant), rows.lsnOfEachRow()[row] == chosen else {
            continue
          }
          try batch.append(rows, row..<(row + 1), of: series, shift: 0)
        }
      }
      guard !batch.isEmpty else {
        throw StorageError(.invalid, "no version of this reading came at LSN \(chosen)")
      }
      var amendment = CommitRequest.Amendment([
        context.event(
          live.registry, .conflictResolved(series: series, time: instant, chosenLSN: chosen))
      ])
      amendment.rows = batch
      amendment.isVerbatim = true
      return amendment
    }.lsn
  }

  /// Ends the quarantine of the readings of `spans`: `dropped` ones go, `released` ones come into
  /// `table`, their times moved by `shift`. Nothing else is touched. Durable on return.
  /// - Parameter seenAt: the LSN at which the spans were chosen by what lay there; nothing is done when
  ///   other rows came to them since.
  /// - Returns: what became of the released ones: new, same, conflict, or expired below the
  ///   retention floor.
  /// - Throws: `.conflict` when the table rejects one, or when rows came meanwhile; as `append`.
  package func settleQuarantine(
    of table: TableID, _ spans: [SeriesSpans], _ action: QuarantineAction, shift: Int64 = 0,
    seenAt: LSN? = nil, actor: Actor, cause: Cause = Cause()
  ) throws(StorageError) -> AppendResult {
    guard registry.types.isLive(table) else {
      throw StorageError(.invalid, "unknown table")
    }
    let parts = try Self.parts(spans)
    guard parts.count == 1 else {
      if parts.isEmpty { return AppendResult() }
      throw StorageError(.invalid, "too many separate stretches; do it in parts")
    }
    let context = DecisionContext(
      now: options.clock.nowNanos(), actor: actor, cause: cause, random: options.rng)
    var attempt = 0
    while true {
      let snapshot = snapshot()
      var rows = FrameBatch(table: table)
      var rowCount = 0
      if action == .released {
        rows = try snapshot.frames(of: table.quarantine, spans, as: table, shift: shift)
        rowCount = rows.rowCount
      } else {
        rowCount = try snapshot.extent(of: table.quarantine, spans).rowCount
      }
      if rowCount == 0 { return AppendResult() }
      do throws(StorageError) {
        let (released, count) = (rows, UInt64(rowCount))
        return try amend { live throws(StorageError) in
          try Self.checkUntouched(
            table.quarantine, spans, since: min(seenAt ?? .max, snapshot.lsn), live, self.shared)
          // What was settled by somebody else since is not there to be settled again.
          if live.registry.lifecycles[table.quarantine]?.changedLSN ?? 0 > snapshot.lsn {
            throw Self.touched
          }
          var amendment = CommitRequest.Amendment([
            context.event(
              live.registry,
              .quarantineSettled(
                table: table, spans: parts[0], action: action,
                shift: action == .released ? shift : 0, rows: count))
          ])
          if action == .released { amendment.rows = released }
          return amendment
        }
      } catch {
        attempt += 1
        guard error == Self.touched, seenAt == nil, attempt < Self.attempts else { throw error }
      }
    }
  }

  private func amend(
    _ make: @escaping @Sendable (Live) throws(StorageError) -> CommitRequest.Amendment
  ) throws(StorageError) -> AppendResult {
    try wait { .amend(make, $0) }
  }

  private static let touched = StorageError(
    .conflict, "readings came to these instants meanwhile; try again")

  /// Checks on this thread, so that in the writer's turn only what came since is left to be checked.
  /// - Returns: the LSN from which on it is, nil when nothing is to be.
  private func checkedUntouched(
    _ table: TableID, _ spans: [SeriesSpans], since lsn: LSN?
  ) throws(StorageError) -> LSN? {
    guard let lsn else { return nil }
    let live = shared.live.withLock { $0 }
    try Self.checkUntouched(table, spans, since: lsn, live, shared)
    return live.durableLSN
  }

  /// - Throws: `touched` when a row within `spans` came after `lsn`.
  /// - Complexity: O(series named), and reads of blocks that came after `lsn` of series that got rows
  ///   since.
  private static func checkUntouched(
    _ table: TableID, _ spans: [SeriesSpans], since lsn: LSN, _ live: Live, _ shared: Shared
  ) throws(StorageError) {
    if live.durableLSN == lsn { return }
    var recent = live
    recent.segments = live.segments.filter { $0.meta.newestLSN + $0.meta.baseLSN > lsn }
    let sources = SeriesSources(live: recent)
    for (key, number, span) in shared.series.changed(spans, of: table, after: lsn) {
      guard let first = span.times.first, let last = span.times.last else { continue }
      for kind in [BlockEntry.Kind.main, .superseded] {
        for source in try sources.sources(
          of: key, number: number, times: first.lowerBound...last.upperBound, kind: kind)
        where source.lsnBounds.upperBound > lsn {
          let rows = try source.rows()
          let lsns = rows.lsnOfEachRow()
          for time in span.times {
            var row = rows.count == 0 ? 0 : rows.times.firstRow(atOrAfter: time.lowerBound)
            while row < rows.count, rows.times.tick(row) <= time.upperBound {
              guard lsns[row] <= lsn else { throw touched }
              row += 1
            }
          }
        }
      }
    }
  }

  /// `spans` in portions that fit an event each.
  private static func parts(_ spans: [SeriesSpans]) throws(StorageError) -> [[SeriesSpans]] {
    var parts: [[SeriesSpans]] = []
    var (room, total) = (0, 0)
    for span in spans where !span.times.isEmpty {
      guard span.isOfEverySeries || DeviceID.isValid(span.device),
        zip(span.times, span.times.dropFirst()).allSatisfy({ $0.upperBound < $1.lowerBound })
      else { throw StorageError(.invalid, "spans must name a device and rise") }
      total += span.times.count
      guard total <= spanLimit else {
        throw StorageError(
          .invalid, "more than \(spanLimit) separate stretches; narrow the choice or do it in parts")
      }
      var rest = span.times[...]
      while !rest.isEmpty {
        // A series costs as much as some stretches.
        if room < 16 {
          parts.append([])
          room = spansPerEvent
        }
        let taken = rest.prefix(room - 15)
        parts[parts.count - 1].append(
          SeriesSpans(device: span.device, probe: span.probe, times: Array(taken)))
        room -= taken.count + 15
        rest = rest.dropFirst(taken.count)
      }
    }
    return parts
  }
}

extension SeriesCatalog {
  /// Series of `spans` that got rows after `lsn` since the store was opened. O(spans), or O(series) for
  /// spans of all series.
  fileprivate func changed(
    _ spans: [SeriesSpans], of table: TableID, after lsn: LSN
  ) -> [(key: SeriesKey, number: Int, span: SeriesSpans)] {
    withLock { index in
      spans.flatMap { span -> [(key: SeriesKey, number: Int, span: SeriesSpans)] in
        if span.isOfEverySeries {
          return (0..<index.count).compactMap { number in
            index.table(number) == table && index.newestLSN(number) > lsn
              ? (index.key(number), number, span) : nil
          }
        }
        guard
          let number = index.existingNumber(table: table, device: span.device, probe: span.probe),
          index.newestLSN(number) > lsn
        else { return [] }
        return [(index.key(number), number, span)]
      }
    }
  }
}
