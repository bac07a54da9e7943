/// The journal and the operational records as of a snapshot.
extension Snapshot {
  /// Registry events from the LSN `first` on up to this snapshot, oldest first, at most `limit`.
  /// O(log events + events given).
  package func events(from first: LSN = 0, limit: Int = .max) -> [Event] {
    guard case .store(_, let shared) = backing, first <= lsn else { return [] }
    return shared.events.withLock { events in
      let start = events.partitionPoint { $0.lsn >= first }
      let end = events.partitionPoint { $0.lsn > lsn }
      return Array(events[start..<end].prefix(limit))
    }
  }

  /// How many registry events there are up to this snapshot. O(log events).
  package var eventCount: Int {
    guard case .store(_, let shared) = backing else { return 0 }
    return shared.events.withLock { events in events.partitionPoint { $0.lsn > lsn } }
  }

  /// Operational records below the LSN `end` that `isWanted`, newest first, at most `limit`; sealed
  /// ones too.
  /// - Throws: `.io`, `.corrupt` when a journal segment cannot be read.
  /// - Complexity: O(records looked at); a journal segment that is reached is read as a
  ///   whole, but only what is looked at is decoded.
  package func newestRecords(
    before end: LSN = .max, limit: Int, where isWanted: (OperationalRecord) -> Bool
  ) throws(StorageError) -> [OperationalRecord] {
    guard case .store(let live, let shared) = backing, limit > 0 else { return [] }
    var found: [OperationalRecord] = []
    for record in live.unsealedRecords(through: min(lsn, end == 0 ? 0 : end - 1)) where isWanted(record) {
      found.append(record)
      if found.count == limit { return found }
    }
    for journal in live.manifest.journals.sorted(by: { $0.newestLSN > $1.newestLSN })
    where journal.content == .operational && journal.oldestLSN < end {
      for sealed in try shared.sealedContent(journal.id).records.reversed() where sealed.lsn < end {
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
  /// What a journal segment holds.
  func sealedContent(_ id: UInt64) throws(StorageError) -> JournalSegment.Content {
    try journalReader?.read(id) ?? JournalSegment.Content()
  }

  /// The records of a journal segment, in LSN order.
  func sealedRecords(_ id: UInt64) throws(StorageError) -> [OperationalRecord] {
    var records: [OperationalRecord] = []
    for record in try sealedContent(id).records {
      records.append(try Journal.decodeRecord(record.bytes.rawSpan, lsn: record.lsn))
    }
    return records
  }
}

extension Array {
  /// The first index from which on `isLater` holds; elements for which it holds come last.
  fileprivate func partitionPoint(_ isLater: (Element) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = low + (high - low) / 2
      if isLater(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
