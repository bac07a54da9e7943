/// Kinds of events about stored readings, to and from protobuf.
extension EventKind {
  /// - Precondition: a kind of this group.
  var lifecycleMessage: PBEvent.OneOf_Kind {
    switch self {
    case .retentionSet(let table, let floor):
      return .retentionSet(
        .with {
          $0.table = table
          $0.floor = floor
        })
    case .tableDropped(let table, let rows, let bytes):
      return .tableDropped(
        .with {
          $0.table = table
          $0.rows = rows
          $0.bytes = bytes
        })
    case .readingsDeleted(let table, let spans, let rows, let bytes):
      return .readingsDeleted(
        .with {
          $0.table = table
          $0.spans = spans.map(\.message)
          $0.rows = rows
          $0.bytes = bytes
        })
    case .conflictResolved(let series, let time, let chosenLSN):
      return .conflictResolved(
        .with {
          $0.table = series.table
          $0.device = series.device
          $0.probe = series.probe
          $0.time = time
          $0.chosenLsn = chosenLSN
        })
    case .quarantineSettled(let table, let spans, let action, let shift, let rows):
      return .quarantineSettled(
        .with {
          $0.table = table
          $0.spans = spans.map(\.message)
          $0.action =
            switch action {
            case .released: .released
            case .dropped: .dropped
            }
          $0.shift = shift
          $0.rows = rows
        })
    default: preconditionFailure("a kind of another group")
    }
  }

  static func ofLifecycle(_ message: PBEvent.OneOf_Kind) throws(StorageError) -> EventKind {
    switch message {
    case .retentionSet(let m):
      try Known.check(m)
      return .retentionSet(table: try Known.table(m.table), floor: m.floor)
    case .tableDropped(let m):
      try Known.check(m)
      return .tableDropped(table: try Known.table(m.table), rows: m.rows, bytes: m.bytes)
    case .readingsDeleted(let m):
      try Known.check(m)
      return .readingsDeleted(
        table: try Known.table(m.table), spans: try SeriesSpans.decode(m.spans), rows: m.rows,
        bytes: m.bytes)
    case .conflictResolved(let m):
      try Known.check(m)
      return .conflictResolved(
        series: SeriesKey(
          table: try Known.table(m.table), device: try Known.device(m.device), probe: m.probe),
        time: m.time, chosenLSN: m.chosenLsn)
    case .quarantineSettled(let m):
      try Known.check(m)
      let action: QuarantineAction =
        switch m.action {
        case .released: .released
        case .dropped: .dropped
        case .unspecified: throw StorageError(.corrupt, "a quarantine settled in no way")
        case .UNRECOGNIZED: throw Known.newer("a way to settle a quarantine")
        }
      return .quarantineSettled(
        table: try Known.table(m.table), spans: try SeriesSpans.decode(m.spans), action: action,
        shift: m.shift, rows: m.rows)
    default: throw StorageError(.corrupt, "an event of another group")
    }
  }
}

extension Known {
  static var noTable: StorageError { StorageError(.corrupt, "an event without its table") }

  static func table(_ id: UInt32) throws(StorageError) -> TableID {
    guard id > 0, !id.isQuarantine else { throw noTable }
    return id
  }
}

extension SeriesSpans {
  var message: PBSeriesSpans {
    .with {
      $0.device = device
      $0.probe = probe
      $0.bounds.reserveCapacity(2 * times.count)
      var before: Int64 = 0
      for instant in times.flatMap({ [$0.lowerBound, $0.upperBound] }) {
        $0.bounds.append(instant &- before)
        before = instant
      }
    }
  }

  static func decode(_ messages: [PBSeriesSpans]) throws(StorageError) -> [SeriesSpans] {
    var all: [SeriesSpans] = []
    for message in messages {
      try Known.check(message)
      guard message.bounds.count % 2 == 0 else {
        throw StorageError(.corrupt, "a span without its end")
      }
      var span = SeriesSpans(device: message.device, probe: message.probe, times: [])
      if !span.isOfEverySeries { span.device = try Known.device(message.device) }
      var before: Int64 = 0
      for index in stride(from: 0, to: message.bounds.count, by: 2) {
        let first = before &+ message.bounds[index]
        let last = first &+ message.bounds[index + 1]
        guard first <= last, span.times.last.map({ $0.upperBound < first }) ?? true else {
          throw StorageError(.corrupt, "spans out of order")
        }
        span.times.append(first...last)
        before = last
      }
      all.append(span)
    }
    return all
  }
}
