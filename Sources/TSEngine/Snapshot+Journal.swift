/// The journal and the operational records as of a snapshot.
extension Snapshot {
  /// Registry events from the LSN `first` on up to this snapshot, oldest first, one after the other. Sealed
  /// ones are read from journal segments as they are reached; it throws where one of them is damaged, unless
  /// this snapshot reads around damage.
  /// - Complexity: O(journal segments + bytes of those with LSNs of the range) in all; holds 64 KiB.
  package func eventCursor(from first: LSN = 0) -> EventCursor {
    guard case .store(let live, let shared) = backing, first <= lsn else { return EventCursor() }
    return EventCursor(
      live, shared, first...lsn, skipsDamage: skipsDamage, visibility: visibility, hidesCodes: hidesCodes)
  }

  /// The same in an array, at most `limit`.
  /// - Throws: `.io`; `.corrupt` where events may be lost (`EventCursor.next`).
  package func events(from first: LSN = 0, limit: Int = .max) throws(StorageError) -> [Event] {
    var (cursor, found) = (eventCursor(from: first), [Event]())
    while found.count < limit, let event = try cursor.next() { found.append(event) }
    return found
  }

  /// The registry as everything recorded at or before `instant` left it, connections included (T-04).
  /// - Throws: as `events`.
  /// - Complexity: reads and applies the journal up to there: seconds for a million events.
  package func registry(at instant: Int64) throws(StorageError) -> Registry {
    if let visibility { return try unbounded.registry(at: instant).seen(by: visibility.viewer) }
    var (cursor, past) = (eventCursor(), Registry())
    while let event = try cursor.next(), event.recordedAt <= instant { past.apply(event) }
    var records: [OperationalRecord] = []
    let failure = replayedRecords { record in
      if record.recordedAt <= instant { records.append(record) }
      return true
    }
    if let failure { throw failure }
    for record in records.reversed() { past.apply(record) }
    return hidesCodes ? past.withoutCodes() : past
  }

  /// The journal of one device (T-04).
  /// - Throws: as `events`.
  /// - Complexity: reads all journal segments: a second for a million events.
  package func history(of device: String) throws(StorageError) -> [Event] {
    var (cursor, history) = (eventCursor(), DeviceHistory(of: device))
    while let event = try cursor.next() { history.apply(event) }
    return history.events
  }

  /// How many registry events there are up to this snapshot. O(log unsealed events); of the sealed past
  /// they are counted, as far as the opening could read them.
  /// - Throws: as `events`, for a snapshot of the past.
  package func eventCount() throws(StorageError) -> Int {
    guard case .store(let live, _) = backing else { return 0 }
    if lsn >= live.manifest.sealedLSN {
      return live.heads.reduce(live.sealedEventCount) { $0 + $1.events.firstIndex(atOrAbove: lsn + 1) }
    }
    var (cursor, count) = (eventCursor(), 0)
    while try cursor.next() != nil { count += 1 }
    return count
  }

  /// Commands sent at the LSN `first` or later, and what became of them. O(events from there on).
  /// - Throws: as `events`.
  package func commandHistory(from first: LSN = 0) throws(StorageError) -> CommandHistory {
    var (cursor, history) = (eventCursor(from: first), CommandHistory())
    while let event = try cursor.next() { history.apply(event) }
    return history
  }

  /// Operational records below the LSN `end` that `isWanted`, newest first, at most `limit`; sealed
  /// ones too.
  /// - Throws: `.io`, `.corrupt` when part of a journal segment cannot be read, unless this snapshot reads
  ///   around damage.
  /// - Complexity: O(records looked at); a journal segment that is reached is read as a
  ///   whole, but only what is looked at is decoded.
  package func newestRecords(
    before end: LSN = .max, limit: Int, where isWanted: (OperationalRecord) -> Bool
  ) throws(StorageError) -> [OperationalRecord] {
    guard case .store(let live, let shared) = backing, limit > 0 else { return [] }
    if let visibility {
      try requireWholeRegistry()
      return try unbounded.newestRecords(before: end, limit: limit) { visibility.shown($0).map(isWanted) ?? false }
        .compactMap { visibility.shown($0) }
    }
    var found: [OperationalRecord] = []
    for record in live.unsealedRecords(through: min(lsn, end == 0 ? 0 : end - 1)) where isWanted(record) {
      found.append(record)
      if found.count == limit { return found }
    }
    for journal in live.manifest.journals.sorted(by: { $0.newestLSN > $1.newestLSN })
    where journal.content == .operational && journal.oldestLSN < end {
      for sealed in try shared.sealedContent(journal, skipsDamage).records.reversed() where sealed.lsn < end {
        let record = try Journal.decodeRecord(sealed.bytes.rawSpan, lsn: sealed.lsn)
        if isWanted(record) { found.append(record) }
        if found.count == limit { return found }
      }
    }
    return found
  }

  /// Readings in memory that no data segment holds yet.
  package var headRowCount: Int {
    guard case .store(let live, _) = backing else { return 0 }
    return live.heads.reduce(0) { $0 + $1.rowCount }
  }
}

extension Shared {
  /// What a journal segment holds; what is damaged of it the store's damages tell of from then on.
  /// - Throws: `.io`, `.notFound`, `.corrupt`; where `skipsDamage`, `.io` alone.
  func sealedContent(
    _ journal: Manifest.JournalSegment, _ skipsDamage: Bool
  ) throws(StorageError) -> JournalSegment.Content {
    var content = JournalSegment.Content()
    do throws(StorageError) {
      content = try journalReader?.read(journal) ?? content
    } catch {
      guard error.isDamage, skipsDamage else { throw error }
      content.lose(0..<journal.byteCount)
    }
    for damaged in content.damaged { note(Manifest.Damage(damaged, of: journal)) }
    if let lost = content.lost.first, !skipsDamage {
      throw Manifest.Damage(lost, of: journal).error("which messages came then")
    }
    return content
  }

  /// The operational records of a journal segment, in LSN order.
  /// - Throws: as above.
  func sealedRecords(
    _ journal: Manifest.JournalSegment, _ skipsDamage: Bool
  ) throws(StorageError) -> [OperationalRecord] {
    var records: [OperationalRecord] = []
    for record in try sealedContent(journal, skipsDamage).records where record.kind == LogRecordKind.message.rawValue {
      records.append(try Journal.decodeRecord(record.bytes.rawSpan, lsn: record.lsn))
    }
    return records
  }
}
