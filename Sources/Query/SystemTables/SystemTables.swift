import TSEngine

/// Tables that any snapshot answers by itself.
package enum SystemTables {
  /// They tell of files and sums, of everybody's, or go by instants that are wrong: for administrators.
  static let administrative: Set<String> = ["segments", "rollups", "quarantine"]

  package static func tables(of catalog: any Catalog) -> [any RowTable] {
    [
      TablesTable(snapshot: catalog.snapshot), ColumnsTable(snapshot: catalog.snapshot),
      SeriesTable(snapshot: catalog.snapshot), BlocksTable(snapshot: catalog.snapshot),
    ]
  }
}

private struct TablesTable: RowTable {
  let snapshot: Snapshot
  let name = "tables"
  let columns = [
    RowColumn("name", .text), RowColumn("series", .int), RowColumn("rows", .int), RowColumn("first_ts", .timestamp),
    RowColumn("last_ts", .timestamp),
  ]

  func scan(_ emit: ([SQLValue]) throws(SQLError) -> Bool) throws(SQLError) {
    for table in snapshot.tables {
      let stretches = try snapshot.allStretches(of: table)
      let (first, last) = (stretches.map(\.firstTime).min(), stretches.map(\.lastTime).max())
      let goOn = try emit([
        .text(table.name), .int(Int64(seriesCount(of: table, stretches))),
        .int(stretches.reduce(0) { $0 + Int64($1.rowCount) }), first.map { .timestamp($0) } ?? .null,
        last.map { .timestamp($0) } ?? .null,
      ])
      if !goOn { return }
    }
  }

  /// Whoever sees a part counts the series of that.
  private func seriesCount(of table: TableSchema, _ stretches: [Stretch]) -> Int {
    snapshot.viewer == nil ? snapshot.series(of: table.id).count : Set(stretches.map(\.series)).count
  }
}

private struct ColumnsTable: RowTable {
  let snapshot: Snapshot
  let name = "columns"
  let columns = [
    RowColumn("table", .text), RowColumn("name", .text), RowColumn("type", .text), RowColumn("unit", .text),
    RowColumn("minimum", .int), RowColumn("maximum", .int),
  ]

  func scan(_ emit: ([SQLValue]) throws(SQLError) -> Bool) throws(SQLError) {
    for table in snapshot.tables {
      for column in ReadingsTable(table, alias: table.name).columns {
        let schema = table.columns.first { $0.name == column.name }
        let goOn = try emit([
          .text(table.name), .text(column.name), .text(column.column.type.rawValue), schema.map { .text($0.unit) } ?? .null,
          (schema?.minimum).map { .int($0) } ?? .null, (schema?.maximum).map { .int($0) } ?? .null,
        ])
        if !goOn { return }
      }
    }
  }
}

private struct SeriesTable: RowTable {
  let snapshot: Snapshot
  let name = "series"
  let columns = [
    RowColumn("table", .text), RowColumn("sensor", .text), RowColumn("probe", .int), RowColumn("rows", .int),
    RowColumn("first_ts", .timestamp), RowColumn("last_ts", .timestamp),
  ]

  func scan(_ emit: ([SQLValue]) throws(SQLError) -> Bool) throws(SQLError) {
    for table in snapshot.tables {
      let stretches = try snapshot.allStretches(of: table)
      var start = 0
      while start < stretches.count {
        var end = start + 1
        while end < stretches.count, stretches[end].series == stretches[start].series { end += 1 }
        let goOn = try emit([
          .text(table.name), .text(stretches[start].series.device), .int(Int64(stretches[start].series.probe)),
          .int(stretches[start..<end].reduce(0) { $0 + Int64($1.rowCount) }), .timestamp(stretches[start].firstTime),
          .timestamp(stretches[end - 1].lastTime),
        ])
        if !goOn { return }
        start = end
      }
    }
  }
}

/// One row a stretch, as a scan sees it.
private struct BlocksTable: RowTable {
  let snapshot: Snapshot
  let name = "blocks"
  let columns = [
    RowColumn("table", .text), RowColumn("sensor", .text), RowColumn("probe", .int), RowColumn("rows", .int),
    RowColumn("first_ts", .timestamp), RowColumn("last_ts", .timestamp), RowColumn("has_statistics", .bool),
  ]

  func scan(_ emit: ([SQLValue]) throws(SQLError) -> Bool) throws(SQLError) {
    for table in snapshot.tables {
      for stretch in try snapshot.allStretches(of: table) {
        let known = table.columns.first.map { stretch.statistics(of: $0.id) != nil } ?? false
        let goOn = try emit([
          .text(table.name), .text(stretch.series.device), .int(Int64(stretch.series.probe)),
          .int(Int64(stretch.rowCount)), .timestamp(stretch.firstTime), .timestamp(stretch.lastTime), .bool(known),
        ])
        if !goOn { return }
      }
    }
  }
}

extension Snapshot {
  fileprivate func allStretches(of table: TableSchema) throws(SQLError) -> [Stretch] {
    do throws(StorageError) { return try scan(table.id).stretches } catch { throw error.sqlError }
  }
}
