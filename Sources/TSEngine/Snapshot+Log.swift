/// One thing that happened: to the registry, or one of those that happen all the time.
package enum LogEntry: Sendable {
  case event(Event)
  case record(OperationalRecord)

  package var lsn: LSN {
    switch self {
    case .event(let event): event.lsn
    case .record(let record): record.lsn
    }
  }

  /// The name of its kind.
  package var name: String {
    switch self {
    case .event(let event): event.kind.name
    case .record(let record): record.kind.name
    }
  }

  package var device: String? {
    switch self {
    case .event(let event): event.kind.device
    case .record(let record): record.kind.device
    }
  }
}

/// Which entries of the log somebody waits for (D-30).
package struct LogFilter: Sendable {
  /// What hooks of device libraries are called, and the kinds that they are here.
  package static let signals = [
    "data_received": "message.received", "status_changed": "device.status_changed", "connected": "device.connected",
    "disconnected": "device.disconnected", "command_sent": "command.sent", "provisioned": "credentials.issued",
  ]

  /// Names of kinds; nil: all of the registry.
  package var kinds: Set<String>?
  /// Of devices of this type as they are known now. Of one that is gone, its making alone tells the type.
  package var type: String?
  package var device: String?

  package init(kinds: Set<String>? = nil, type: String? = nil, device: String? = nil) {
    (self.kinds, self.type, self.device) = (kinds, type, device)
  }

  /// Kinds as somebody names them: `device.connected`; `device`, for all that begin so; `connected` and other signals;
  /// `all`.
  /// - Returns: nil for a word that names none.
  package static func kinds(_ words: [String]) -> Set<String>? {
    var wanted: Set<String> = []
    for word in words {
      let some = names.filter { $0 == signals[word] ?? word || $0.hasPrefix(word + ".") || word == "all" }
      if some.isEmpty { return nil }
      wanted.formUnion(some)
    }
    return wanted
  }

  /// Whether there is such a type, or no type is asked for.
  package func isOfKnownType(_ registry: Registry) -> Bool {
    type.map { $0 == DeviceType.lampi || registry.types.parent(named: $0) != nil } ?? true
  }

  /// Of all kinds, ascending.
  package static let names = EventKind.names.union(OperationalKind.names).sorted()

  /// Whether kinds beside the registry's are wanted.
  var wantsRecords: Bool { kinds.map { !$0.isDisjoint(with: OperationalKind.names) } ?? false }

  func takes(_ entry: LogEntry, _ registry: Registry) -> Bool {
    if let kinds, !kinds.contains(entry.name) { return false }
    if let device, entry.device != device, !isParking(of: device, entry, registry) { return false }
    guard let type else { return true }
    if case .event(let event) = entry {
      switch event.kind {
      case .deviceDiscovered(_, let made, _, _), .deviceCreated(_, let made, _): return made == type
      default: break
      }
    }
    return entry.device.flatMap { registry.devices[$0]?.type } == type
  }

  /// Whether it took the device from a user who was deleted.
  private func isParking(of device: String, _ entry: LogEntry, _ registry: Registry) -> Bool {
    guard case .event(let event) = entry, case .userDeleted = event.kind else { return false }
    return registry.associations.timeline(of: device).transitions.contains { $0.lsn == event.lsn }
  }
}

extension Snapshot {
  /// Entries of the log from the LSN `first` on that `filter` takes, oldest first, at most `limit`; and the position
  /// from which the next call goes on: nothing is left out between, and nothing comes twice.
  /// - Throws: as `events`; `.corrupt` where records may be lost.
  /// - Complexity: O(entries from `first` on) to the last one given; journals that are reached are read as a whole.
  package func log(
    from first: LSN = 0, limit: Int, _ filter: LogFilter
  ) throws(StorageError) -> (entries: [LogEntry], next: LSN) {
    if visibility != nil || filter.wantsRecords || filter.type != nil { try requireWholeRegistry() }
    var entries: [LogEntry] = []
    var cursor = eventCursor(from: first)
    while entries.count < limit, let event = try cursor.next() {
      if filter.takes(.event(event), registry) { entries.append(.event(event)) }
    }
    var last = entries.count < limit ? lsn : entries.last?.lsn ?? lsn
    if filter.wantsRecords, first <= last {
      for record in try records(in: first...last, limit: limit, where: { filter.takes(.record($0), registry) }) {
        entries.append(.record(record))
      }
      entries.sort { $0.lsn < $1.lsn }
      if entries.count >= limit {
        entries.removeSubrange(limit...)
        last = entries.last?.lsn ?? last
      }
    }
    return (entries, max(first, last + 1))
  }

  /// Operational records of the range that `isWanted`, oldest first: all of them up to the `limit`th, and perhaps more.
  private func records(
    in lsns: ClosedRange<LSN>, limit: Int, where isWanted: (OperationalRecord) -> Bool
  ) throws(StorageError) -> [OperationalRecord] {
    guard case .store(let live, let shared) = backing else { return [] }
    func shown(_ record: OperationalRecord) -> OperationalRecord? {
      guard lsns.contains(record.lsn) else { return nil }
      guard let visibility else { return isWanted(record) ? record : nil }
      // What became of a message is told with it, in the table of messages.
      if case .messageProcessed = record.kind { return nil }
      return visibility.shown(record).flatMap { isWanted($0) ? $0 : nil }
    }
    var found: [OperationalRecord] = []
    // Journals of one sealing, events and messages, are of the same stretch.
    for journal in live.manifest.journals.sorted(by: { $0.oldestLSN < $1.oldestLSN })
    where journal.newestLSN >= lsns.lowerBound && journal.oldestLSN <= lsns.upperBound {
      if found.count >= limit {
        found.sort { $0.lsn < $1.lsn }
        if journal.oldestLSN > found[limit - 1].lsn { return found }
      }
      found += try shared.sealedRecords(journal, skipsDamage).compactMap(shown)
    }
    found.sort { $0.lsn < $1.lsn }
    if found.count >= limit { return found }
    for head in live.heads {
      for index in head.records.firstIndex(atOrAbove: lsns.lowerBound)..<head.records.count {
        guard let record = shown(head.records[index]) else { continue }
        found.append(record)
        if found.count >= limit { return found }
      }
    }
    return found
  }
}
