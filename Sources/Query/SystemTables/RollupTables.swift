import TSEngine

/// Declared rollups: `rollups`, one row a rollup, and a table a rollup with its buckets (`power_15m`).
enum RollupTables {
  static func tables(of snapshot: Snapshot) -> [any RowTable] {
    [rollups(snapshot)]
      + snapshot.registry.rollups.all.compactMap { rollup in
        snapshot.registry.schema(rollup.table).map { buckets(snapshot, rollup, $0) }
      }
  }

  /// How a rollup is called: by its table and length.
  static func name(_ rollup: RollupDeclaration, _ schema: TableSchema) -> String {
    RollupDeclaration.tableName(schema.name, every: rollup.every)
  }

  private static func rollups(_ snapshot: Snapshot) -> ClosureTable {
    ClosureTable(
      name: "rollups",
      columns: [
        RowColumn("name", .text), RowColumn("table", .text), RowColumn("every", .text),
        RowColumn("columns", .text), RowColumn("declared_lsn", .int), RowColumn("windows", .int),
        RowColumn("stored_windows", .int), RowColumn("buckets", .int), RowColumn("bytes", .int),
        RowColumn("built_lsn", .int),
      ]
    ) { emit throws(SQLError) in
      for rollup in snapshot.registry.rollups.all {
        guard let schema = snapshot.registry.schema(rollup.table) else { continue }
        let columns = RollupColumn.columns(of: rollup, schema).compactMap { column in
          schema.columns.first { $0.id == column.id }?.name
        }
        let parts = snapshot.rollupSegments.map(\.meta).filter {
          $0.table == rollup.table && $0.every == rollup.every
        }
        let goOn = try emit([
          .text(name(rollup, schema)), .text(schema.name),
          .text(RollupDeclaration.text(every: rollup.every)), .text(columns.joined(separator: " ")),
          .int(Int64(bitPattern: rollup.lsn)), .int(Int64(parts.count)),
          .int(Int64(parts.count { $0.rowCount > 0 })),
          .int(parts.reduce(0) { $0 + Int64($1.rowCount) }),
          .int(parts.reduce(0) { $0 + Int64($1.byteCount) }),
          // Older ones may have changes behind them that are told from readings.
          parts.map(\.builtLSN).min().map { .int(Int64(bitPattern: $0)) } ?? .null,
        ])
        if !goOn { return }
      }
    }
  }

  /// One row a bucket of a series. `coverage` is covered time by the bucket's length, over 1 where
  /// samples overlap; `integral` of an int column is exact (W·ns of a power).
  private static func buckets(
    _ snapshot: Snapshot, _ rollup: RollupDeclaration, _ schema: TableSchema
  ) -> ClosureTable {
    let columns = RollupColumn.columns(of: rollup, schema)
    var all = [RowColumn("ts", .timestamp), RowColumn("sensor", .text), RowColumn("probe", .int)]
    for column in columns {
      let name = schema.columns.first { $0.id == column.id }?.name ?? "?"
      let value: SQLType = column.isFloat ? .float : .int
      let sum: SQLType = column.isFloat ? .float : .wide
      all += [
        RowColumn("\(name)_count", .int), RowColumn("\(name)_sum", sum),
        RowColumn("\(name)_min", value), RowColumn("\(name)_max", value),
        RowColumn("\(name)_first", value), RowColumn("\(name)_last", value),
        RowColumn("\(name)_integral", sum), RowColumn("\(name)_coverage", .float),
      ]
    }
    all += [RowColumn("revision", .int), RowColumn("last_change", .int), RowColumn("stored", .bool)]
    return ClosureTable(name: name(rollup, schema), columns: all) { emit throws(SQLError) in
      for series in snapshot.series(of: rollup.table) {
        let buckets: RollupBuckets
        do throws(StorageError) {
          buckets = try snapshot.rollup(of: series, every: rollup.every, Int64.min..<Int64.max)
        } catch {
          throw error.sqlError
        }
        for index in 0..<buckets.count {
          var row: [SQLValue] = [
            .timestamp(buckets.starts[index]), .text(series.device), .int(Int64(series.probe)),
          ]
          for (position, column) in columns.enumerated() {
            row += values(buckets.cell(index, position), isFloat: column.isFloat, rollup.every)
          }
          row += [
            buckets.revisions[index].map { .int(Int64($0)) } ?? .null,
            .int(Int64(bitPattern: buckets.lastChanges[index])), .bool(buckets.isStored[index]),
          ]
          if try !emit(row) { return }
        }
      }
    }
  }

  private static func values(_ cell: RollupCell, isFloat: Bool, _ every: Int64) -> [SQLValue] {
    func value(_ slot: Int64) -> SQLValue {
      guard cell.count > 0 else { return .null }
      return isFloat ? .float(Double(bitPattern: UInt64(bitPattern: slot))) : .int(slot)
    }
    func sum(_ wide: Int128, _ float: Double, _ isSet: Bool) -> SQLValue {
      isSet ? isFloat ? .float(float) : .wide(wide) : .null
    }
    return [
      .int(Int64(cell.count)), sum(cell.sum, cell.floatSum, cell.count > 0), value(cell.minimum),
      value(cell.maximum), value(cell.first), value(cell.last),
      sum(cell.integral, cell.floatIntegral, cell.covered > 0 || cell.count > 0),
      .float(Double(cell.covered) / Double(every)),
    ]
  }
}
