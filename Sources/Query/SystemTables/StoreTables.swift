import TSEngine

/// The engine's own state as tables: what was superseded or held back, messages, files.
enum StoreTables {
  static func tables(of snapshot: Snapshot) -> [any RowTable] {
    [conflicts(snapshot), messages(snapshot), quarantine(snapshot), segments(snapshot)]
  }

  /// One row a superseded version, with the values readers see beside those they do not.
  private static func conflicts(_ snapshot: Snapshot) -> ClosureTable {
    ClosureTable(
      name: "conflicts",
      columns: [
        RowColumn("table", .text), RowColumn("sensor", .text), RowColumn("probe", .int),
        RowColumn("ts", .timestamp), RowColumn("lsn", .int), RowColumn("kept", .text),
        RowColumn("received_at", .timestamp), RowColumn("superseded_lsn", .int),
        RowColumn("superseded", .text), RowColumn("superseded_received_at", .timestamp),
        RowColumn("resolution", .int),
      ]
    ) { emit throws(SQLError) in
      for table in snapshot.tables {
        let failure = try snapshot.conflicts(of: table.id) { conflict throws(SQLError) in
          let kept = conflict.versions[0]
          let resolution = snapshot.registry.lifecycles.resolution(of: table.id, lsn: kept.lsn)
          for lost in conflict.versions.dropFirst() {
            let goOn = try emit([
              .text(table.name), .text(conflict.series.device), .int(Int64(conflict.series.probe)),
              .timestamp(conflict.time), .int(Int64(bitPattern: kept.lsn)),
              .text(RowJSON.row(kept.values, table, snapshot.symbols)),
              .optional(snapshot.commitTime(of: kept.lsn)), .int(Int64(bitPattern: lost.lsn)),
              .text(RowJSON.row(lost.values, table, snapshot.symbols)),
              .optional(snapshot.commitTime(of: lost.lsn)),
              resolution.map { .int(Int64(bitPattern: $0)) } ?? .null,
            ])
            if !goOn { return false }
          }
          return true
        }
        if let failure { throw failure.sqlError }
      }
    }
  }

  private static func quarantine(_ snapshot: Snapshot) -> ClosureTable {
    ClosureTable(
      name: "quarantine",
      columns: [
        RowColumn("table", .text), RowColumn("sensor", .text), RowColumn("probe", .int),
        RowColumn("ts", .timestamp), RowColumn("lsn", .int), RowColumn("received_at", .timestamp),
        RowColumn("reason", .text), RowColumn("reading", .text),
      ]
    ) { emit throws(SQLError) in
      for table in snapshot.tables {
        do {
          for stretch in try snapshot.scan(table.id.quarantine).stretches {
            let rows = try stretch.rows()
            var run = 0
            for row in 0..<rows.count {
              while rows.lsns[run].end <= row { run += 1 }
              let (time, lsn) = (rows.times.tick(row), rows.lsns[run].lsn)
              let received = snapshot.commitTime(of: lsn)
              let goOn = try emit([
                .text(table.name), .text(stretch.series.device), .int(Int64(stretch.series.probe)),
                .timestamp(time), .int(Int64(bitPattern: lsn)), .optional(received),
                .text(time > received ?? 0 ? "future" : "past"),
                .text(
                  RowJSON.row(
                    rows.columns.map { ($0.id, rows.slot($0.id, row: row)) }, table,
                    snapshot.symbols)),
              ])
              if !goOn { return }
            }
          }
        } catch let error as StorageError {
          throw error.sqlError
        } catch let error as SQLError {
          throw error
        } catch {
          throw SQLError(.internalError, "quarantine could not be read")
        }
      }
    }
  }

  private static func messages(_ snapshot: Snapshot) -> ClosureTable {
    ClosureTable(
      name: "messages",
      columns: [
        RowColumn("lsn", .int), RowColumn("recorded_at", .timestamp), RowColumn("kind", .text),
        RowColumn("device_id", .text), RowColumn("interface", .text), RowColumn("topic", .text),
        RowColumn("version", .text), RowColumn("device_time", .timestamp),
        RowColumn("frame_lsn", .int), RowColumn("extras", .text),
        RowColumn("payload_json", .text), RowColumn("payload_raw", .text), RowColumn("content_type", .text),
        RowColumn("correlation_id", .text), RowColumn("user_properties", .text),
        RowColumn("processing_status", .text), RowColumn("processing_error", .text),
        RowColumn("received_at", .timestamp), RowColumn("processed_at", .timestamp), RowColumn("text", .text),
      ]
    ) { emit throws(SQLError) in
      var processed: [LSN: (error: String, at: Int64)] = [:]
      let failure = try snapshot.records(hidden: { processed[$0] = nil }) { record throws(SQLError) in
        // The newest first: what became of a message comes before it.
        if case .messageProcessed(let lsn, let error) = record.kind { processed[lsn] = (error, record.recordedAt) }
        guard case .messageReceived(let message) = record.kind else { return true }
        return try emit([
          .int(Int64(bitPattern: record.lsn)), .timestamp(record.recordedAt),
          .text(record.kind.name), .text(message.device), .text(message.interface),
          .text(message.topic), .optional(message.version.isEmpty ? nil : message.version),
          .optional(message.deviceTime == 0 ? nil : message.deviceTime),
          .int(Int64(bitPattern: message.frameLSN)),
          .optional(message.extras.isEmpty ? nil : message.extras),
        ] + MessageRow.rest(message, record.recordedAt, processed.removeValue(forKey: record.lsn)))
      }
      if let failure { throw failure.sqlError }
    }
  }

  private static func segments(_ snapshot: Snapshot) -> ClosureTable {
    ClosureTable(
      name: "segments",
      columns: [
        RowColumn("id", .int), RowColumn("table", .text), RowColumn("series", .int),
        RowColumn("blocks", .int), RowColumn("rows", .int), RowColumn("bytes", .int),
        RowColumn("first_ts", .timestamp), RowColumn("last_ts", .timestamp),
        RowColumn("bits_per_row", .float),
      ]
    ) { emit throws(SQLError) in
      for segment in snapshot.segments {
        let rows = segment.meta.rowCount
        let table = snapshot.registry.schema(segment.table)
        let blocks: BlockDirectory?
        do throws(StorageError) {
          blocks = try segment.directoryIfWhole()
        } catch {
          throw error.sqlError
        }
        let goOn = try emit([
          .int(Int64(segment.id)),
          .text((table?.name ?? "?") + (segment.table.isQuarantine ? " (quarantine)" : "")),
          blocks.map { .int(Int64($0.series.count)) } ?? .null,
          blocks.map { .int(Int64($0.blockCount)) } ?? .null,
          .int(Int64(rows)), .int(Int64(segment.byteCount)), .timestamp(segment.firstTime),
          .timestamp(segment.lastTime), .float(Double(segment.byteCount * 8) / Double(max(rows, 1))),
        ])
        if !goOn { return }
      }
    }
  }
}
