import Ingest
import Query
import TSEngine

/// Frames as they were received, newest first (P-11): the message from the log, the samples from
/// the readings it brought.
struct FrameListing {
  let snapshot: Snapshot
  let scales: PowerWireScales

  /// Frames below the log position `before`, newest first. O(limit + records of other kinds between).
  func page(before: LSN, limit: Int) throws(StorageError) -> [String] {
    let records = try snapshot.newestRecords(before: before, limit: limit) { record in
      guard case .messageReceived(let message) = record.kind else { return false }
      return message.payload.isEmpty && message.deviceTime != 0
    }
    var frames: [String] = []
    for record in records {
      guard case .messageReceived(let message) = record.kind else { continue }
      frames.append(try json(record.lsn, record.recordedAt, message))
    }
    return frames
  }

  private func json(
    _ lsn: LSN, _ recordedAt: Int64, _ message: ReceivedMessage
  ) throws(StorageError) -> String {
    var json = JSONText()
    json.add("id", lsn)
    if message.frameLSN != 0 { json.add("lsn", message.frameLSN) }
    json.add("version", message.version)
    json.add("sensor_id", message.device)
    json.add("timestamp", raw: Self.seconds(message.deviceTime))
    json.add("data", raw: try data(message))
    json.add("created", TimestampText.format(recordedAt))
    json.add("interface", message.interface)
    if !message.extras.isEmpty { json.add("extras", raw: message.extras) }
    return json.closed
  }

  /// Seconds since the epoch; with milliseconds and below only where the frame had them.
  private static func seconds(_ nanos: Int64) -> String {
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000)
    guard rest != 0, nanos > 0 else { return "\(seconds)" }
    let digits = String(rest)
    return "\(seconds)." + String(repeating: "0", count: 9 - digits.count) + digits
  }

  private func data(_ message: ReceivedMessage) throws(StorageError) -> String {
    let end = message.deviceTime.addingReportingOverflow(1_000_000_000)
    let times = message.deviceTime..<(end.overflow ? .max : end.partialValue)
    var probes: [String] = []
    // Readings held back for their time lie in the table's twin.
    for table in [TableSchema.power.id, TableSchema.power.id.quarantine] where probes.isEmpty {
      let plan = try snapshot.scan(table, .init(devices: [message.device], times: times))
      var probe: Int32?
      var rows: [Row] = []
      for stretch in plan.stretches {
        if stretch.series.probe != probe {
          if let probe, !rows.isEmpty { probes.append(text(probe, rows)) }
          rows = []
          probe = stretch.series.probe
        }
        // Of a block of minutes, only the pages that hold the frame's second.
        if let found = try stretch.rows(in: times) { rows += Row.rows(found, lsn: message.frameLSN) }
      }
      if let probe, !rows.isEmpty { probes.append(text(probe, rows)) }
    }
    return RegistryJSON.list(probes)
  }

  /// One reading's stored values, by column id.
  private struct Row {
    var slots: [ColumnID: Int64] = [:]

    /// Of the frame `lsn`, or of any where it brought nothing new (0).
    static func rows(_ set: RowSet, lsn: LSN) -> [Row] {
      var rows: [Row] = []
      var run = 0
      for index in 0..<set.count {
        while run < set.lsns.count - 1, set.lsns[run].end <= index { run += 1 }
        guard lsn == 0 || set.lsns[run].lsn == lsn else { continue }
        var row = Row()
        for column in set.columns {
          if let validity = column.validity, validity[index / 64] >> UInt64(index % 64) & 1 == 0 { continue }
          switch column.content {
          case .constant(let slot): row.slots[column.id] = slot
          case .values(let slots): row.slots[column.id] = slots[index]
          }
        }
        rows.append(row)
      }
      return rows
    }
  }

  /// A probe with its values in wire scale.
  private func text(_ probe: Int32, _ rows: [Row]) -> String {
    var json = JSONText()
    json.add("probe_id", probe)
    func id(_ name: String) -> ColumnID {
      TableSchema.power.columns.first { $0.name == name }?.id ?? 0
    }
    if let code = rows[0].slots[id("probe_type")], let type = snapshot.symbols.text(of: code) {
      json.add("probe_type", type)
    }
    func values(_ name: String, _ factor: WireFactor) -> [String] {
      rows.compactMap { $0.slots[id(name)] }.map { Self.wire($0, factor) }
    }
    json.add("power", raw: RegistryJSON.list(values("power", scales.power)))
    json.add("pf", raw: RegistryJSON.list(values("pf", scales.pf)))
    let voltages = values("voltage", scales.voltage)
    // One reading of the whole second is a scalar again (P-03).
    let isScalar = voltages.count == 1 && rows.count > 1
    json.add("voltage", raw: isScalar ? voltages[0] : RegistryJSON.list(voltages))
    return json.closed
  }

  private static func wire(_ stored: Int64, _ factor: WireFactor) -> String {
    let (scaled, overflow) = stored.multipliedReportingOverflow(by: factor.denominator)
    if !overflow, scaled % factor.numerator == 0 { return "\(scaled / factor.numerator)" }
    return "\(Double(stored) * Double(factor.denominator) / Double(factor.numerator))"
  }
}
