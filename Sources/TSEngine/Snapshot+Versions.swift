/// Rows that scans leave out: superseded versions, quarantined readings, operational records.
extension Snapshot {
  /// One reading that has more than one version.
  package struct Conflict: Sendable {
    package var series: SeriesKey
    package var time: Int64
    /// The version that readers see, then the others as they would follow it.
    package var versions: [(lsn: LSN, values: [(column: ColumnID, slot: Int64?)])]
    /// Of the texts among the values.
    package var texts: [TextHold] = []
  }

  /// Calls `emit` for each reading of `table` with several versions, in order of (device, probe,
  /// time), until it returns false.
  /// - Complexity: reads the stretches that overlap each other or a side block, nothing else.
  package func conflicts<Failure: Error>(
    of table: TableID, _ emit: (Conflict) throws(Failure) -> Bool
  ) throws(Failure) -> StorageError? {
    guard case .store(let live, let shared) = backing else { return nil }
    let everything = Int64.min...Int64.max
    do throws(StorageError) {
      try checkKnown(table, everything)
      try requireWholeRegistry()
    } catch { return error }
    let sources = SeriesSources(
      live: live, through: knownAt, skipsDamage: skipsDamage, visibility: visibility)
    let order = sources.order(of: table)
    let numbers = shared.series.series(of: table)
    for key in series(of: table) {
      let found: [RowSet]
      do throws(StorageError) {
        let number = numbers.first { $0.key == key }?.number
        let main = try sources.sources(of: key, number: number, times: everything)
        // Of the past, these are among the others.
        let side =
          knownAt == nil
          ? try sources.sources(of: key, number: nil, times: everything, kind: .superseded) : []
        found = try Self.overlapping(side + main)
      } catch {
        return error
      }
      for conflict in Self.versions(of: key, in: found, order) where try !emit(conflict) {
        return nil
      }
    }
    return nil
  }

  /// The sources that share time with another, decoded.
  private static func overlapping(_ sources: [Stretch.Source]) throws(StorageError) -> [RowSet] {
    var sets: [RowSet] = []
    for case .merged(let group, _) in Stretch.Source.grouped(sources) {
      for source in group { sets.append(try source.rows()) }
    }
    // Side rows of several depths may stand alone in time only when their winner was removed.
    return sets
  }

  private static func versions(
    of key: SeriesKey, in sets: [RowSet], _ order: VersionOrder
  ) -> [Conflict] {
    guard sets.count > 1 else { return [] }
    var places: [(time: Int64, lsn: LSN, set: Int, row: Int)] = []
    for (index, rows) in sets.enumerated() {
      var run = 0
      for row in 0..<rows.count {
        while rows.lsns[run].end <= row { run += 1 }
        places.append((rows.times.tick(row), rows.lsns[run].lsn, index, row))
      }
    }
    places.sort { ($0.time, order.rank(of: $1.lsn)) < ($1.time, order.rank(of: $0.lsn)) }
    var conflicts: [Conflict] = []
    var start = 0
    while start < places.count {
      var end = start + 1
      while end < places.count, places[end].time == places[start].time { end += 1 }
      if end - start > 1 {
        let versions = places[start..<end].map { place in
          (
            lsn: place.lsn,
            values: sets[place.set].columns.map {
              (column: $0.id, slot: sets[place.set].slot($0.id, row: place.row))
            }
          )
        }
        var conflict = Conflict(series: key, time: places[start].time, versions: versions)
        for place in places[start..<end] { conflict.texts.keep(sets[place.set].texts) }
        conflicts.append(conflict)
      }
      start = end
    }
    return conflicts
  }

  /// The few operational records that a replay needs (connections, clocks) up to this snapshot, newest first; they
  /// lie beside the events. Ends when `emit` returns false.
  /// - Returns: as `records`.
  /// - Complexity: O(journal segments); one that is reached is read as a whole.
  package func replayedRecords<Failure: Error>(
    _ emit: (OperationalRecord) throws(Failure) -> Bool
  ) throws(Failure) -> StorageError? {
    guard case .store(let live, let shared) = backing else { return nil }
    if let visibility {
      if let failure = lostOwnership { return failure }
      return try unbounded.replayedRecords { (record) throws(Failure) in
        try visibility.shown(record).map(emit) ?? true
      }
    }
    for record in live.unsealedRecords(through: lsn) where record.isReplayed {
      if try !emit(record) { return nil }
    }
    for journal in live.manifest.journals.sorted(by: { $0.newestLSN > $1.newestLSN })
    where journal.content == .registry && journal.oldestLSN <= lsn {
      let records: [OperationalRecord]
      do throws(StorageError) {
        records = try shared.sealedRecords(journal, skipsDamage)
      } catch {
        return error
      }
      for record in records.reversed() where record.lsn <= lsn {
        if try !emit(record) { return nil }
      }
    }
    return nil
  }

  /// Operational records up to this snapshot, newest first: those of the unsealed log, then those
  /// of journal segments, which are read as they are reached. Ends when `emit` returns false.
  /// - Parameter hidden: told the LSN of a message that the viewer does not see.
  /// - Returns: `.corrupt` when part of one cannot be read, unless this snapshot reads around damage.
  package func records<Failure: Error>(
    hidden: (LSN) -> Void = { _ in }, _ emit: (OperationalRecord) throws(Failure) -> Bool
  ) throws(Failure) -> StorageError? {
    guard case .store(let live, let shared) = backing else { return nil }
    if let visibility {
      if let failure = lostOwnership { return failure }
      return try unbounded.records { (record) throws(Failure) in
        if let shown = visibility.shown(record) { return try emit(shown) }
        if case .messageReceived = record.kind { hidden(record.lsn) }
        return true
      }
    }
    for record in live.unsealedRecords(through: lsn) {
      if try !emit(record) { return nil }
    }
    for journal in live.manifest.journals.sorted(by: { $0.newestLSN > $1.newestLSN })
    where journal.content == .operational {
      let records: [OperationalRecord]
      do throws(StorageError) {
        records = try shared.sealedRecords(journal, skipsDamage)
      } catch {
        return error
      }
      for record in records.reversed() where try !emit(record) { return nil }
    }
    return nil
  }
}
