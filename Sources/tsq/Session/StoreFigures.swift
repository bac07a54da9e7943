import Query
import TSEngine

/// A store in figures.
struct StoreFigures {
  var durableLSN: LSN
  var tables: Int
  var series: Int
  var segments: Int
  var sealedRows: Int
  var dataBytes: Int
  var headRows: Int
  var devices: Int
  var users: Int
  var events: Int
  var damages: Int
  var firstTime: Int64?
  var lastTime: Int64?

  init(_ store: Store) throws {
    let snapshot = store.snapshot()
    durableLSN = snapshot.lsn
    tables = snapshot.tables.count
    series = snapshot.tables.reduce(0) { $0 + snapshot.series(of: $1.id).count }
    segments = snapshot.manifest.data.count
    sealedRows = snapshot.manifest.data.reduce(0) { $0 + $1.rowCount }
    dataBytes = snapshot.manifest.data.reduce(0) { $0 + $1.byteCount }
    headRows = snapshot.headRowCount
    devices = snapshot.registry.devices.count
    users = snapshot.registry.users.count
    events = try snapshot.eventCount()
    damages = store.damages.count
    firstTime = snapshot.manifest.data.map(\.firstTime).min()
    lastTime = snapshot.manifest.data.map(\.lastTime).max()
  }

  func rows(_ directory: String) -> [(String, ResultColumn.Kind, String?)] {
    [
      ("store", .text, directory), ("durable_lsn", .number, "\(durableLSN)"), ("tables", .number, "\(tables)"),
      ("series", .number, "\(series)"), ("sealed_rows", .number, "\(sealedRows)"),
      ("head_rows", .number, "\(headRows)"), ("data_segments", .number, "\(segments)"),
      ("data_bytes", .number, "\(dataBytes)"),
      ("bytes_per_row", .number, sealedRows > 0 ? AxisScale.number(Double(dataBytes) / Double(sealedRows), step: 0.001) : nil),
      ("first_sealed", .timestamp, firstTime.map(TimestampText.format)),
      ("last_sealed", .timestamp, lastTime.map(TimestampText.format)), ("devices", .number, "\(devices)"),
      ("users", .number, "\(users)"), ("events", .number, "\(events)"), ("damages", .number, "\(damages)"),
    ]
  }
}
