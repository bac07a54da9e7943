import TSEngine

/// What happens all the time, as tables: one row a record, newest first.
enum OperationalTables {
  static func tables(of snapshot: Snapshot) -> [any RowTable] {
    [calls(snapshot), clock(snapshot), connections(snapshot), states(snapshot)]
  }

  /// What went to and fro on meters' channels and carried no readings (P-25).
  private static func calls(_ snapshot: Snapshot) -> ClosureTable {
    table(
      "calls", snapshot, isReplayed: false,
      [
        RowColumn("device_id", .text), RowColumn("direction", .int), RowColumn("sent", .bool), RowColumn("id", .text),
        RowColumn("name", .text), RowColumn("body", .text),
      ]
    ) { record in
      guard case .callRecorded(let call) = record.kind else { return nil }
      return [
        .text(call.device), .int(Int64(call.direction.rawValue)), .bool(call.isSent), .text(call.id), .text(call.name),
        .text(call.body),
      ]
    }
  }

  /// Every comparison of a device's clock with ours (P-07), newest first: server minus device, what the exchange
  /// took, how fast the offset moved since the one before, and when the next is due.
  private static func clock(_ snapshot: Snapshot) -> ClosureTable {
    ClosureTable(
      name: "clock",
      columns: [
        RowColumn("lsn", .int), RowColumn("recorded_at", .timestamp), RowColumn("device_id", .text),
        RowColumn("offset_ns", .int), RowColumn("round_trip_ns", .int), RowColumn("drift_ppm", .float),
        RowColumn("due_at", .timestamp),
      ]
    ) { emit throws(SQLError) in
      var syncs: [(record: OperationalRecord, device: String, offset: Int64, roundTrip: Int64)] = []
      let failure = snapshot.replayedRecords { record in
        if case .clockSynced(let device, let offset, let roundTrip) = record.kind {
          syncs.append((record, device, offset, roundTrip))
        }
        return true
      }
      if let failure { throw failure.sqlError }
      var drifts: [Double?] = []
      var older: [String: (offset: Int64, at: Int64)] = [:]
      for sync in syncs.reversed() {
        let at = sync.record.recordedAt
        drifts.append(
          older[sync.device].flatMap { before in
            at > before.at ? Double(sync.offset - before.offset) / Double(at - before.at) * 1e6 : nil
          })
        older[sync.device] = (sync.offset, at)
      }
      for (sync, drift) in zip(syncs, drifts.reversed()) {
        let due = sync.record.recordedAt.addingReportingOverflow(snapshot.registry.syncIntervalNanos(of: sync.device))
        let goOn = try emit([
          .int(Int64(bitPattern: sync.record.lsn)), .timestamp(sync.record.recordedAt), .text(sync.device),
          .int(sync.offset), .int(sync.roundTrip), drift.map { .float($0) } ?? .null,
          .timestamp(due.overflow ? .max : due.partialValue),
        ])
        if !goOn { return }
      }
    }
  }

  /// What devices said of their state (L-41).
  private static func states(_ snapshot: Snapshot) -> ClosureTable {
    table(
      "device_states", snapshot, isReplayed: false,
      [
        RowColumn("device_id", .text), RowColumn("client", .text), RowColumn("hue", .float),
        RowColumn("saturation", .float), RowColumn("brightness", .float), RowColumn("is_on", .bool),
        RowColumn("state", .text),
      ]
    ) { record in
      guard case .stateReported(let device, let client, let fields) = record.kind else { return nil }
      func value(_ name: String) -> SQLValue {
        switch fields.first(where: { $0.name == name })?.value {
        case .float(let number)?: .float(number)
        case .bool(let flag)?: .bool(flag)
        default: .null
        }
      }
      return [
        .text(device), .text(client), value("color.h"), value("color.s"), value("brightness"), value("on"),
        .text(RowJSON.object(fields.map { ($0.name, $0.value) })),
      ]
    }
  }

  /// Every change between connected and not (L-12): how long a device was there is the time to its next row.
  private static func connections(_ snapshot: Snapshot) -> ClosureTable {
    table(
      "connections", snapshot,
      [
        RowColumn("device_id", .text), RowColumn("connected", .bool), RowColumn("interface", .text),
        RowColumn("source", .text),
      ]
    ) { record in
      guard case .connectionChanged(let device, let interface, let connected, let source) = record.kind else {
        return nil
      }
      return [.text(device), .bool(connected), .text(interface), .text(source)]
    }
  }

  /// `lsn` and `recorded_at`, then what `row` makes of a record; nil for records of other kinds.
  /// - Parameter isReplayed: records of these kinds lie beside the events.
  static func table(
    _ name: String, _ snapshot: Snapshot, isReplayed: Bool = true, _ columns: [RowColumn],
    _ row: @escaping @Sendable (OperationalRecord) -> [SQLValue]?
  ) -> ClosureTable {
    ClosureTable(
      name: name, columns: [RowColumn("lsn", .int), RowColumn("recorded_at", .timestamp)] + columns
    ) { emit throws(SQLError) in
      let each = { (record: OperationalRecord) throws(SQLError) -> Bool in
        guard let values = row(record) else { return true }
        return try emit([.int(Int64(bitPattern: record.lsn)), .timestamp(record.recordedAt)] + values)
      }
      let failure = isReplayed ? try snapshot.replayedRecords(each) : try snapshot.records(each)
      if let failure { throw failure.sqlError }
    }
  }
}
