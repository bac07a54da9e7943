@testable import TSEngine

/// Buckets told from visible rows one by one, with nothing of the engine's own folding.
struct RollupModel {
  struct Key: Hashable {
    var series: SeriesKey
    var every: Int64
    var start: Int64
  }

  /// Of each column of `power` that a rollup has: its span's column.
  static let spans: [ColumnID: ColumnID] = [1: 4, 2: 4, 3: 5]

  static func floor(_ time: Int64, _ every: Int64) -> Int64 {
    time - ((time % every) + every) % every
  }

  /// Cells by column, of all buckets that are not empty.
  static func buckets(
    _ rows: [RowKey: Cells], every: Int64, columns: [ColumnID] = [1, 2, 3]
  ) -> [Key: [ColumnID: RollupCell]] {
    var all: [Key: [ColumnID: RollupCell]] = [:]
    for (key, cells) in rows.sorted(by: { $0.key.time < $1.key.time })
    where !key.series.table.isQuarantine {
      for column in columns {
        guard case .int(let value)? = cells[column] else { continue }
        var span: Int64 = 50_000_000
        if case .int(let own)? = cells[spans[column]!] { span = own }
        let home = Key(series: key.series, every: every, start: floor(key.time, every))
        var cell = all[home]?[column] ?? RollupCell()
        if cell.count == 0 { (cell.first, cell.minimum, cell.maximum) = (value, value, value) }
        cell.count += 1
        cell.sum += Int128(value)
        cell.last = value
        cell.minimum = min(cell.minimum, value)
        cell.maximum = max(cell.maximum, value)
        all[home, default: [:]][column] = cell
        var (from, rest) = (key.time, span)
        while rest > 0 {
          let place = Key(series: key.series, every: every, start: floor(from, every))
          let part = min(rest, place.start + every - from)
          var covered = all[place]?[column] ?? RollupCell()
          covered.covered += Int128(part)
          covered.integral += Int128(value) * Int128(part)
          all[place, default: [:]][column] = covered
          (from, rest) = (from + part, rest - part)
        }
      }
    }
    return all
  }

  struct Told: Equatable {
    var cells: [ColumnID: RollupCell]
    var revision: UInt32?
    var lastChange: LSN
    var isStored: Bool
  }

  /// What the store says of all series.
  static func told(
    _ snapshot: Snapshot, every: Int64, _ times: Range<Int64> = -5_000_000_000_000_000_000..<5_000_000_000_000_000_000
  ) throws(StorageError) -> [Key: Told] {
    var all: [Key: Told] = [:]
    for series in snapshot.series(of: 1) {
      let buckets = try snapshot.rollup(of: series, every: every, times)
      for index in 0..<buckets.count {
        var cells: [ColumnID: RollupCell] = [:]
        for (column, schema) in buckets.columns.enumerated() where !buckets.cell(index, column).isEmpty {
          cells[schema.id] = buckets.cell(index, column)
        }
        all[Key(series: series, every: every, start: buckets.starts[index])] = Told(
          cells: cells, revision: buckets.revisions[index], lastChange: buckets.lastChanges[index],
          isStored: buckets.isStored[index])
      }
    }
    return all
  }
}
