/// Registry events in order of their LSNs: those of journal segments, read a chunk at a time, then those
/// of the unsealed log, which are in memory.
///
/// Holds one chunk (64 KiB as a rule). A segment that is reached is read from its beginning. What may have
/// held events and fails its check ends it, unless it reads around damage; then it is left out. Either way
/// the store's damages tell of it from then on.
package struct EventCursor {
  private let reader: JournalReader?
  private let skipsDamage: Bool
  private let shared: Shared?
  private let lsns: ClosedRange<LSN>
  /// Leaves out what its viewer may not see; nil shows all.
  private var visibility: Visibility?
  private var hidesCodes = false
  private var journals: ArraySlice<Manifest.JournalSegment> = []
  /// Where the next chunk of the first of `journals` begins.
  private var offset = 0
  private var records: ArraySlice<JournalSegment.Record> = []
  private var heads: ArraySlice<UnsealedRecords<Event>> = []
  /// The next event of the first of `heads`.
  private var index = 0
  /// The first of the range that a salvage left behind; nil where that is none, or all that is left is wanted.
  private var leftBehind: Manifest.Damage?

  /// Of nothing.
  init() {
    (reader, shared, lsns, skipsDamage) = (nil, nil, 0...0, true)
  }

  init(
    _ live: Live, _ shared: Shared, _ lsns: ClosedRange<LSN>, skipsDamage: Bool = false, visibility: Visibility? = nil,
    hidesCodes: Bool = false
  ) {
    self.init(sealed: live.manifest.journals, shared, lsns, skipsDamage: skipsDamage)
    (self.visibility, self.hidesCodes) = (visibility, hidesCodes)
    heads = live.heads.map(\.events)[...]
    index = heads.first?.firstIndex(atOrAbove: lsns.lowerBound) ?? 0
    guard !skipsDamage else { return }
    leftBehind = live.manifest.leftBehind.first { $0.lastLSN >= lsns.lowerBound && $0.firstLSN <= lsns.upperBound }
  }

  /// Of journal segments alone.
  init(
    sealed segments: [Manifest.JournalSegment], _ shared: Shared, _ lsns: ClosedRange<LSN>,
    skipsDamage: Bool = false
  ) {
    self.skipsDamage = skipsDamage
    self.shared = shared
    self.lsns = lsns
    reader = shared.journalReader
    journals = segments
      .filter { $0.content == .registry && $0.newestLSN >= lsns.lowerBound && $0.oldestLSN <= lsns.upperBound }
      .sorted { $0.oldestLSN < $1.oldestLSN }[...]
    precondition(reader != nil || journals.isEmpty, "journals are read by somebody")
  }

  /// Reads on over what a salvage left behind, and over no other damage.
  mutating func passLeftBehind() { leftBehind = nil }

  /// - Throws: `.corrupt` when a salvage left events at or below `lsn` behind.
  private func requireLeft(through lsn: LSN) throws(StorageError) {
    guard let leftBehind, leftBehind.firstLSN <= lsn else { return }
    throw leftBehind.error("what happened then", .leftBehind)
  }

  /// The next event, or nil behind the last one.
  /// - Throws: `.io`; `.corrupt`, naming the journal, its LSNs and the remedy, where events may be lost, now and
  ///   at every further call; `.unsupportedVersion`, `.corrupt` for an event that no version writes.
  package mutating func next() throws(StorageError) -> Event? {
    while let event = try nextOfAll() {
      if hidesCodes, case .codeIssued = event.kind { continue }
      guard let visibility else { return event }
      if let shown = visibility.shown(event) { return shown }
    }
    return nil
  }

  private mutating func nextOfAll() throws(StorageError) -> Event? {
    while true {
      if let record = records.first {
        guard record.kind == LogRecordKind.event.rawValue, record.lsn >= lsns.lowerBound else {
          records.removeFirst()
          continue
        }
        guard record.lsn <= lsns.upperBound else { return end() }
        let event = try Journal.decodeEvent(record.bytes.rawSpan, lsn: record.lsn)
        records.removeFirst()
        return event
      }
      if let journal = journals.first {
        try requireLeft(through: journal.newestLSN)
        try readChunk(of: journal)
        continue
      }
      try requireLeft(through: lsns.upperBound)
      guard let head = heads.first else { return nil }
      if index < head.count {
        let event = head[index]
        index += 1
        return event.lsn <= lsns.upperBound ? event : end()
      }
      heads.removeFirst()
      index = heads.first?.firstIndex(atOrAbove: lsns.lowerBound) ?? 0
    }
  }

  private mutating func end() -> Event? {
    journals = []
    records = []
    heads = []
    return nil
  }

  private mutating func readChunk(of journal: Manifest.JournalSegment) throws(StorageError) {
    guard let part = try shared?.part(of: journal, at: offset, skipsDamage) else { return }
    records = part.records[...]
    offset = part.next ?? 0
    if part.next == nil { journals.removeFirst() }
  }
}

extension Manifest.JournalSegment {
  /// Whether an event is of this segment; other records may speak of more.
  func holds(_ record: JournalSegment.Record) -> Bool {
    record.kind != LogRecordKind.event.rawValue || (record.lsn >= oldestLSN && record.lsn <= newestLSN)
  }
}

extension Shared {
  /// The chunk of a journal segment at `offset`, 0 for the first one; what is damaged of it the store's damages tell
  /// of from then on.
  /// - Throws: `.io`; `.corrupt`, naming the journal, its LSNs and the remedy, where records may be lost, unless
  ///   `skipsDamage`.
  func part(
    of journal: Manifest.JournalSegment, at offset: Int, _ skipsDamage: Bool,
    where isSound: ([JournalSegment.Record]) -> Bool = { _ in true }
  ) throws(StorageError) -> JournalSegment.Part {
    var part = JournalSegment.Part()
    do throws(StorageError) {
      part = try journalReader?.part(of: journal.id, at: offset) ?? part
      // A whole chunk of another segment, misplaced.
      if !part.records.allSatisfy({ journal.holds($0) }) || !isSound(part.records) {
        part.records = []
        part.lose(offset..<max(offset, part.next ?? journal.byteCount))
      }
    } catch {
      guard error.isDamage else { throw error }
      part.lose(0..<journal.byteCount)
    }
    if Planted.has(.damagedEventsLeftOut) { part.ignoreDamage() }
    for damaged in part.damaged { note(Manifest.Damage(damaged, of: journal)) }
    if let lost = part.lost, !skipsDamage {
      let damage = Manifest.Damage(lost, of: journal)
      guard journal.content == .registry else { throw damage.error("which messages came then") }
      let isCovered = journal.newestLSN <= registryCheckpoint.withLock { $0.lsn }
      throw damage.error("what happened then", isCovered ? .covered : .lost)
    }
    return part
  }

  func note(_ damage: Manifest.Damage) {
    journalDamages.withLock { if !$0.contains(damage) { $0.append(damage) } }
  }
}

extension Manifest.Damage {
  /// Of a part of a journal segment.
  init(_ range: Range<Int>, of journal: Manifest.JournalSegment) {
    self.init(
      file: FileNames.journalSegment(journal.id), offset: range.lowerBound, byteCount: range.count,
      firstLSN: journal.oldestLSN, lastLSN: journal.newestLSN)
  }
}
