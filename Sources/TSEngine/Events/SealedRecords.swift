/// Events and operational records of one kind of journal as their bytes, in order of their LSNs, a chunk at a time.
///
/// Of the first segment the chunks below the range are passed over, unchecked. What may have held records and fails
/// its check ends it, unless damage is read around; either way the store's damages tell of it from then on.
struct SealedRecords {
  private let shared: Shared
  private let lsns: ClosedRange<LSN>
  private let skipsDamage: Bool
  private var journals: ArraySlice<Manifest.JournalSegment>
  /// Where the next chunk of the first of `journals` begins; nil before the first one.
  private var offset: Int?
  private var records: ArraySlice<JournalSegment.Record> = []
  /// Of the segment at hand, the LSN of the last record.
  private var last: LSN = 0
  /// The first of the range that a salvage left behind.
  private var leftBehind: Manifest.Damage?

  init(
    _ content: Manifest.JournalSegment.Content, _ live: Live, _ shared: Shared, _ lsns: ClosedRange<LSN>, skipsDamage: Bool
  ) {
    (self.shared, self.lsns, self.skipsDamage) = (shared, lsns, skipsDamage)
    journals = live.manifest.journals
      .filter { $0.content == content && $0.newestLSN >= lsns.lowerBound && $0.oldestLSN <= lsns.upperBound }
      .sorted { $0.oldestLSN < $1.oldestLSN }[...]
    guard content == .registry, !skipsDamage else { return }
    leftBehind = live.manifest.leftBehind.first { $0.lastLSN >= lsns.lowerBound && $0.firstLSN <= lsns.upperBound }
  }

  /// The next record of the range, which stays; nil behind the last one.
  /// - Throws: `.io`; `.corrupt`, naming the journal, its LSNs and the remedy, where records may be lost, now and at
  ///   every further call.
  mutating func peek() throws(StorageError) -> JournalSegment.Record? {
    while true {
      if let record = records.first {
        guard record.lsn <= lsns.upperBound else {
          (journals, records, leftBehind) = ([], [], nil)
          return nil
        }
        let isWanted = record.kind == LogRecordKind.event.rawValue || record.kind == LogRecordKind.message.rawValue
        if isWanted, record.lsn >= lsns.lowerBound { return record }
        records.removeFirst()
        continue
      }
      guard let journal = journals.first else {
        try requireLeft(through: lsns.upperBound)
        return nil
      }
      try requireLeft(through: journal.newestLSN)
      try readChunk(of: journal)
    }
  }

  /// Goes behind the record that `peek` gave.
  mutating func drop() { records.removeFirst() }

  private func requireLeft(through lsn: LSN) throws(StorageError) {
    guard let leftBehind, leftBehind.firstLSN <= lsn else { return }
    throw leftBehind.error("what happened then", .leftBehind)
  }

  private mutating func readChunk(of journal: Manifest.JournalSegment) throws(StorageError) {
    if offset == nil { last = 0 }
    var start = offset ?? 0
    if offset == nil, journal.oldestLSN < lsns.lowerBound {
      start = try shared.journalReader?.chunk(of: journal, with: lsns.lowerBound) ?? 0
    }
    let part = try shared.part(of: journal, at: start, skipsDamage) { [last] found in
      // A chunk of version 1 in the wrong place passes its own check.
      zip([last] + found.map(\.lsn), found).allSatisfy { $0 <= $1.lsn }
    }
    records = part.records[...]
    last = records.last?.lsn ?? last
    offset = part.next
    if offset == nil { journals.removeFirst() }
  }
}
