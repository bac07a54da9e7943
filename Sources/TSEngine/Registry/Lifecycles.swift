/// What befalls stored readings: removals, retention floors, the order of versions, resolutions.
/// Readings themselves never change; readers, the writer and the compactor ask here which of them
/// count.
package struct Lifecycles: Sendable, Equatable {
  package struct Table: Sendable, Equatable {
    package fileprivate(set) var removals: [SeriesKey: Removals] = [:]
    package fileprivate(set) var floors = RetentionFloors()
    package fileprivate(set) var order = VersionOrder()
    /// LSNs of the events that resolved a conflict, ascending; each brought the row behind it.
    package fileprivate(set) var resolutions: [LSN] = []
    /// The last event of these: what was told of the table's readings before it may not hold.
    package fileprivate(set) var changedLSN: LSN = 0

    /// Within which times each removing event may have taken readings, oldest first. Follows from
    /// removals and floors.
    fileprivate var changes: [Removal] = []

    var removesNothing: Bool { removals.isEmpty && floors.all.isEmpty }

    /// Whether an event within `lsns` may have taken readings within `times`.
    /// - Complexity: O(log events + events within `lsns`).
    package func mayHaveRemoved(within times: ClosedRange<Int64>, by lsns: ClosedRange<LSN>) -> Bool {
      var (low, high) = (0, changes.count)
      while low < high {
        let middle = (low + high) / 2
        if changes[middle].lsn < lsns.lowerBound { low = middle + 1 } else { high = middle }
      }
      return changes[low...].prefix { $0.lsn <= lsns.upperBound }.contains { $0.times.overlaps(times) }
    }
  }

  private var tables: [TableID: Table] = [:]

  package init() {}

  /// Nil for a table to whose readings nothing has happened: the common case costs one look-up.
  package subscript(table: TableID) -> Table? { tables[table] }

  package func order(of table: TableID) -> VersionOrder { tables[table]?.order ?? VersionOrder() }
  package func floor(of table: TableID) -> Int64 { tables[table]?.floors.current ?? .min }

  /// The event that decided for the version that `lsn` brought, or nil. O(log n).
  package func resolution(of table: TableID, lsn: LSN) -> LSN? {
    guard let resolutions = tables[table]?.resolutions else { return nil }
    var (low, high) = (0, resolutions.count)
    while low < high {
      let middle = (low + high) / 2
      if resolutions[middle] + 1 < lsn { low = middle + 1 } else { high = middle }
    }
    return low < resolutions.count && resolutions[low] + 1 == lsn ? resolutions[low] : nil
  }

  /// What is removed of one series, or nil when nothing is.
  package func removals(of key: SeriesKey) -> SeriesRemovals? {
    guard let table = tables[key.table], !table.removesNothing else { return nil }
    let (series, everywhere) = (table.removals[key], table.removals[.everySeries(of: key.table)])
    if series == nil, everywhere == nil, table.floors.all.isEmpty { return nil }
    return SeriesRemovals(
      series: series ?? Removals(), everywhere: everywhere ?? Removals(), floors: table.floors)
  }

  /// - Parameter types: with the event applied.
  mutating func apply(_ event: Event, types: Types) {
    switch event.kind {
    case .retentionSet(let table, let floor):
      tables[table, default: Table()].floors.append(.init(instant: floor, lsn: event.lsn))
      tables[table]?.changedLSN = event.lsn
      if floor > .min { tables[table]?.changes.append(Removal(.min...(floor - 1), lsn: event.lsn)) }
    case .tableDropped(let table, _, _):
      for table in [table, table.quarantine] {
        tables[table, default: Table()].floors.append(.init(instant: .max, lsn: event.lsn))
        tables[table]?.changedLSN = event.lsn
        tables[table]?.changes.append(Removal(.min...(.max - 1), lsn: event.lsn))
      }
    case .readingsDeleted(let table, let spans, _, _):
      remove(spans, of: table, event.lsn)
    case .quarantineSettled(let table, let spans, _, _, _):
      remove(spans, of: table.quarantine, event.lsn)
    case .conflictResolved(let series, _, _):
      tables[series.table, default: Table()].resolutions.append(event.lsn)
      tables[series.table]?.changedLSN = event.lsn
      guard order(of: series.table).keepsFirst else { return }
      tables[series.table]?.order.append(.init(lsn: event.lsn + 1, keepsFirst: false))
      tables[series.table]?.order.append(.init(lsn: event.lsn + 2, keepsFirst: true))
    case .typeSettingChanged(let type, ConflictPolicy.settingKey, let value):
      guard let table = types[type]?.schema.id else { return }
      let keepsFirst = (ConflictPolicy(rawValue: value) ?? .last) != .last
      tables[table, default: Table()].changedLSN = event.lsn
      tables[table]?.order.append(.init(lsn: event.lsn + 1, keepsFirst: keepsFirst))
    default: break
    }
  }

  private mutating func remove(_ spans: [SeriesSpans], of table: TableID, _ lsn: LSN) {
    tables[table, default: Table()].changedLSN = lsn
    for span in spans where !span.times.isEmpty {
      tables[table]?.noteChange(span.times[0].lowerBound...span.times[span.times.count - 1].upperBound, lsn)
      let key = SeriesKey(table: table, device: span.device, probe: span.probe)
      tables[table, default: Table()].removals[key, default: Removals()].insert(
        span.times.map { Removal($0, lsn: lsn) })
    }
  }
}

/// What is removed of one series.
package struct SeriesRemovals: Sendable {
  let series: Removals
  /// Of all series of the table.
  let everywhere: Removals
  let floors: RetentionFloors
  /// Instants that whoever looks may not see, whatever LSN brought their rows.
  var foreign: [ClosedRange<Int64>] = []

  /// Which rows of a source between `times`, brought by `lsns`, are gone.
  /// - Parameters:
  ///   - applied: removals up to this LSN have been applied to the source's bytes already.
  ///   - through: only what was known at this LSN.
  package func mask(
    _ times: ClosedRange<Int64>, lsns: ClosedRange<LSN>, applied: LSN = 0, through: LSN = .max
  ) -> RowMask.Verdict {
    var found: [Removal] = []
    var hidesAll = false
    let oldest = max(lsns.lowerBound, applied)
    func add(_ removal: Removal) {
      guard removal.lsn > oldest, removal.lsn <= through else { return }
      found.append(removal)
      if removal.lsn > lsns.upperBound, removal.times.lowerBound <= times.lowerBound,
        removal.times.upperBound >= times.upperBound
      { hidesAll = true }
    }
    floors.forEach(meeting: times, from: oldest, through: through, add)
    series.forEach(meeting: times, add)
    everywhere.forEach(meeting: times, add)
    for range in foreign where range.overlaps(times) {
      found.append(Removal(range, lsn: .max))
      if range.lowerBound <= times.lowerBound, range.upperBound >= times.upperBound { hidesAll = true }
    }
    if found.isEmpty { return .nothing }
    let mask = RowMask(removals: found)
    return hidesAll ? .everything(mask) : .part(mask)
  }
}

extension Lifecycles: Checkpointed {
  func encode(into writer: inout ByteWriter) {
    writer.varint(tables.count)
    for (id, table) in tables.sorted(by: { $0.key < $1.key }) {
      writer.put(id)
      writer.varint(table.removals.count)
      for (key, removals) in table.removals.sorted(by: { $0.key < $1.key }) {
        writer.string(key.device)
        writer.put(key.probe)
        writer.varint(removals.all.count)
        for removal in removals.all {
          writer.put(removal.times.lowerBound)
          writer.put(removal.times.upperBound)
          writer.varint(removal.lsn)
        }
      }
      writer.varint(table.floors.all.count)
      for floor in table.floors.all {
        writer.put(floor.instant)
        writer.varint(floor.lsn)
      }
      writer.varint(table.order.changes.count)
      for change in table.order.changes {
        writer.varint(change.lsn)
        writer.put(UInt8(change.keepsFirst ? 1 : 0))
      }
      writer.varint(table.resolutions.count)
      for lsn in table.resolutions { writer.varint(lsn) }
      writer.varint(table.changedLSN)
    }
  }

  init(from reader: inout ByteReader) throws(StorageError) {
    for _ in 0..<(try reader.count(limit: reader.remaining)) {
      let id = try reader.next(TableID.self)
      tables[id] = try Table(from: &reader, id)
    }
  }

  var isEmpty: Bool { tables.isEmpty }
}

extension Lifecycles.Table {
  fileprivate init(from reader: inout ByteReader, _ id: TableID) throws(StorageError) {
    for _ in 0..<(try reader.count(limit: reader.remaining)) {
      let device = try reader.string()
      let key = SeriesKey(table: id, device: device, probe: try reader.next(Int32.self))
      var entries: [Removal] = []
      for _ in 0..<(try reader.count(limit: reader.remaining)) {
        let first = try reader.next(Int64.self)
        let last = try reader.next(Int64.self)
        guard first <= last else {
          throw StorageError(.corrupt, "a removal that ends before it begins", offset: reader.offset)
        }
        entries.append(Removal(first...last, lsn: try reader.varint()))
      }
      removals[key, default: Removals()].insert(entries)
    }
    for _ in 0..<(try reader.count(limit: reader.remaining)) {
      let instant = try reader.next(Int64.self)
      floors.append(.init(instant: instant, lsn: try reader.varint()))
    }
    for _ in 0..<(try reader.count(limit: reader.remaining)) {
      let lsn = try reader.varint()
      order.append(.init(lsn: lsn, keepsFirst: try reader.next(UInt8.self) != 0))
    }
    for _ in 0..<(try reader.count(limit: reader.remaining)) {
      resolutions.append(try reader.varint())
    }
    changedLSN = try reader.varint()
    restoreChanges()
  }
}

extension Lifecycles.Table {
  /// What the event of `lsn`, the newest, took may lie within `times`.
  fileprivate mutating func noteChange(_ times: ClosedRange<Int64>, _ lsn: LSN) {
    guard let last = changes.last, last.lsn == lsn else {
      return changes.append(Removal(times, lsn: lsn))
    }
    changes[changes.count - 1].times =
      min(last.times.lowerBound, times.lowerBound)...max(last.times.upperBound, times.upperBound)
  }

  private mutating func restoreChanges() {
    var all = removals.values.flatMap(\.all)
    for floor in floors.all where floor.instant > .min {
      all.append(Removal(.min...(floor.instant - 1), lsn: floor.lsn))
    }
    for removal in all.sorted(by: { $0.lsn < $1.lsn }) { noteChange(removal.times, removal.lsn) }
  }
}

extension SeriesKey {
  /// Stands for all series of a table, those to come too, in what is removed of it.
  package static func everySeries(of table: TableID) -> SeriesKey {
    SeriesKey(table: table, device: "", probe: 0)
  }
}
