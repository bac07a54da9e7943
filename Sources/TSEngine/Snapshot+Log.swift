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
  /// - Returns: nil for a word that names none, and for no word.
  package static func kinds(_ words: [String]) -> Set<String>? {
    if words.isEmpty { return nil }
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
  /// The work of a page that somebody waits for: some tenths of a second.
  package static let logPageWork = 16 << 20

  /// Entries of the log from the LSN `first` on that `filter` takes, oldest first, at most `limit`; and the position
  /// from which the next call goes on: nothing is left out between, and nothing comes twice. A page may be short, or
  /// empty, before the end of the log; that is reached where `next` is above the snapshot's LSN.
  /// - Parameters:
  ///   - work: bytes to look at, about; the page ends where they are used up, one entry further at least.
  ///   - isOver: asked after every entry that was looked at; the page ends where it says so.
  /// - Throws: as `events`; `.corrupt` where records may be lost. What lies before the damage is given first.
  /// - Complexity: O(entries looked at); only those of a wanted kind are decoded. Holds two chunks (64 KiB as a rule).
  package func log(
    from first: LSN = 0, limit: Int, _ filter: LogFilter, work: Int = .max, until isOver: () -> Bool = { false }
  ) throws(StorageError) -> (entries: [LogEntry], next: LSN) {
    if visibility != nil || filter.wantsRecords || filter.type != nil { try requireWholeRegistry() }
    guard case .store(let live, let shared) = backing, first <= lsn else { return ([], first) }
    var cursor = LogCursor(live, shared, first...lsn, filter, skipsDamage: skipsDamage)
    var (entries, next, left) = ([LogEntry](), first, work)
    while entries.count < limit {
      do throws(StorageError) {
        guard let looked = try cursor.next() else { return (entries, lsn + 1) }
        if let entry = looked.entry.flatMap(shown), filter.takes(entry, registry) { entries.append(entry) }
        next = looked.lsn + 1
        left -= looked.byteCount
      } catch {
        if next == first { throw error }
        break
      }
      if left <= 0 || isOver() { break }
    }
    return (entries, next)
  }

  /// The entry as whoever looks may see it.
  private func shown(_ entry: LogEntry) -> LogEntry? {
    switch entry {
    case .event(let event):
      if hidesCodes, case .codeIssued = event.kind { return nil }
      guard let visibility else { return entry }
      return visibility.shown(event).map { .event($0) }
    case .record(let record):
      guard let visibility else { return entry }
      // What became of a message is told with it, in the table of messages.
      if case .messageProcessed = record.kind { return nil }
      return visibility.shown(record).map { .record($0) }
    }
  }
}
