/// Events and operational records in one order of their LSNs: those of journal segments, then those of the unsealed
/// log, which are in memory. What is of no wanted kind is passed without being decoded.
struct LogCursor {
  /// One that was looked at.
  struct Looked {
    let lsn: LSN
    let byteCount: Int
    /// Nil for one of another kind.
    let entry: LogEntry?
  }

  /// What looking at a record costs beside its bytes.
  private static let lookByteCount = 64

  private static let knownEvents = Set(EventKind.fields.values)
  private static let knownRecords = Set(OperationalKind.fields.values)

  private let lsns: ClosedRange<LSN>
  /// Fields of kinds that are wanted; nil: all.
  private let eventFields: Set<Int>?
  private let recordFields: Set<Int>
  private let kinds: Set<String>?
  private var registry: SealedRecords
  private var operational: SealedRecords?
  private var heads: ArraySlice<(events: UnsealedRecords<Event>, records: UnsealedRecords<OperationalRecord>)>
  /// The next ones of the first of `heads`.
  private var event = 0
  private var record = 0

  init(_ live: Live, _ shared: Shared, _ lsns: ClosedRange<LSN>, _ filter: LogFilter, skipsDamage: Bool) {
    self.lsns = lsns
    kinds = filter.kinds
    eventFields = filter.kinds.map { Set($0.compactMap { EventKind.fields[$0] }) }
    recordFields = Set((filter.kinds ?? []).compactMap { OperationalKind.fields[$0] })
    registry = SealedRecords(.registry, live, shared, lsns, skipsDamage: skipsDamage)
    operational = filter.wantsRecords ? SealedRecords(.operational, live, shared, lsns, skipsDamage: skipsDamage) : nil
    heads = live.heads.map { (events: $0.events, records: $0.records) }[...]
    begin()
  }

  /// - Throws: as `SealedRecords.peek`; `.unsupportedVersion`, `.corrupt` for a record that no version writes.
  mutating func next() throws(StorageError) -> Looked? {
    if let sealed = try nextSealed() {
      let byteCount = Self.lookByteCount + sealed.bytes.count
      return Looked(lsn: sealed.lsn, byteCount: byteCount, entry: try entry(sealed))
    }
    while let head = heads.first {
      let nextEvent = event < head.events.count ? head.events[event] : nil
      let nextRecord = !recordFields.isEmpty && record < head.records.count ? head.records[record] : nil
      if let found = nextEvent, found.lsn < nextRecord?.lsn ?? .max {
        event += 1
        return look(.event(found), found.byteCount)
      }
      if let found = nextRecord {
        record += 1
        return look(.record(found), found.byteCount)
      }
      heads.removeFirst()
      begin()
    }
    return nil
  }

  private mutating func begin() {
    event = heads.first?.events.firstIndex(atOrAbove: lsns.lowerBound) ?? 0
    record = heads.first?.records.firstIndex(atOrAbove: lsns.lowerBound) ?? 0
  }

  private mutating func look(_ entry: LogEntry, _ byteCount: Int) -> Looked? {
    guard entry.lsn <= lsns.upperBound else {
      heads = []
      return nil
    }
    return Looked(
      lsn: entry.lsn, byteCount: Self.lookByteCount + byteCount, entry: kinds?.contains(entry.name) ?? true ? entry : nil)
  }

  private mutating func nextSealed() throws(StorageError) -> JournalSegment.Record? {
    let ours = try registry.peek()
    let theirs = try operational?.peek()
    if let ours, ours.lsn < theirs?.lsn ?? .max {
      registry.drop()
      return ours
    }
    if theirs != nil { operational?.drop() }
    return theirs
  }

  private func entry(_ sealed: JournalSegment.Record) throws(StorageError) -> LogEntry? {
    let field = Journal.kindField(sealed.bytes.rawSpan)
    if sealed.kind == LogRecordKind.event.rawValue {
      if let field, let eventFields, Self.knownEvents.contains(field), !eventFields.contains(field) { return nil }
      return .event(try Journal.decodeEvent(sealed.bytes.rawSpan, lsn: sealed.lsn))
    }
    if recordFields.isEmpty { return nil }
    if let field, Self.knownRecords.contains(field), !recordFields.contains(field) { return nil }
    return .record(try Journal.decodeRecord(sealed.bytes.rawSpan, lsn: sealed.lsn))
  }
}
