import TSEngine

/// What happens all the time, as tables: one row a record, newest first.
enum OperationalTables {
  static func tables(of snapshot: Snapshot) -> [any RowTable] {
    [connections(snapshot), states(snapshot)]
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
