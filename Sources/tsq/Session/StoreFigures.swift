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

  init(_ store: Store) {
    let live = store.shared.live.withLock { $0 }
    let snapshot = store.snapshot()
    durableLSN = live.durableLSN
    tables = snapshot.tables.count
    series = snapshot.tables.reduce(0) { $0 + snapshot.series(of: $1.id).count }
    segments = live.manifest.data.count
    sealedRows = live.manifest.data.reduce(0) { $0 + $1.rowCount }
    dataBytes = live.manifest.data.reduce(0) { $0 + $1.byteCount }
    headRows = live.heads.reduce(0) { $0 + $1.rowCount }
    devices = live.registry.devices.count
    users = live.registry.users.count
    events = store.events.count
    damages = store.damages.count
    firstTime = live.manifest.data.map(\.firstTime).min()
    lastTime = live.manifest.data.map(\.lastTime).max()
  }

  func rows(_ directory: String) -> [(String, ResultColumn.Kind, String?)] {
    [
      ("store", .text, directory), ("durable_lsn", .number, "\(durableLSN)"), ("tables", .number, "\(tables)"),
      ("series", .number, "\(series)"), ("sealed_rows", .number, "\(sealedRows)"),
      ("head_rows", .number, "\(headRows)"), ("data_segments", .number, "\(segments)"),
      ("data_bytes", .number, "\(dataBytes)"),
      ("bytes_per_row", .number, sealedRows > 0 ? AxisScale.number(Double(dataBytes) / Double(sealedRows), step: 0.001) : nil),
      ("first_sealed", .timestamp, firstTime.map(Timestamp.text)),
      ("last_sealed", .timestamp, lastTime.map(Timestamp.text)), ("devices", .number, "\(devices)"),
      ("users", .number, "\(users)"), ("events", .number, "\(events)"), ("damages", .number, "\(damages)"),
    ]
  }
}
