import TSEngine

/// (table, device, probe, ts)
struct RowKey: Hashable {
  var series: SeriesKey
  var time: Int64
}

/// The values of a row by column id: `mask` says which are there. Texts stand as hashes, because
/// symbol codes belong to one process.
struct Cells: Hashable {
  var mask: UInt8 = 0
  var slots = SIMD8<Int64>()

  mutating func set(_ column: ColumnID, _ slot: Int64) {
    mask |= 1 << UInt8(column)
    slots[Int(column)] = slot
  }
}

/// Order-independent sums of rows: equal when the rows are, but for one in 2^64.
struct RowSum: Hashable {
  var count = 0
  var sum: UInt64 = 0

  mutating func add(_ series: UInt64, _ time: Int64, _ cells: Cells) {
    count += 1
    sum &+= Self.hash(series, time, cells)
  }

  mutating func remove(_ series: UInt64, _ time: Int64, _ cells: Cells) {
    count -= 1
    sum &-= Self.hash(series, time, cells)
  }

  static func + (a: RowSum, b: RowSum) -> RowSum { RowSum(count: a.count + b.count, sum: a.sum &+ b.sum) }

  static func hash(_ series: SeriesKey) -> UInt64 {
    mixed(text(series.device), UInt64(series.table) << 32 | UInt64(UInt32(bitPattern: series.probe)))
  }

  static func text(_ text: String) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return hash
  }

  private static func hash(_ series: UInt64, _ time: Int64, _ cells: Cells) -> UInt64 {
    var hash = mixed(series, UInt64(bitPattern: time))
    hash = mixed(hash, UInt64(cells.mask))
    for column in 0..<8 where cells.mask >> UInt8(column) & 1 == 1 {
      hash = mixed(hash, UInt64(bitPattern: cells.slots[column]))
    }
    return hash
  }

  static func mixed(_ a: UInt64, _ b: UInt64) -> UInt64 {
    var mixed = (a ^ b) &* 0x9E37_79B9_7F4A_7C15
    mixed = (mixed ^ (mixed >> 29)) &* 0xBF58_476D_1CE4_E5B9
    return mixed ^ (mixed >> 32) &+ a &<< 7
  }
}

/// Reads stores the way a query does.
enum Reading {
  /// Every table that there is or was, and its twin: a dropped one must show nothing.
  static func tables(of snapshot: Snapshot) -> [TableSchema] {
    let types = snapshot.registry.types
    return (types.all + types.dropped).flatMap { type in
      [type.schema.id, type.schema.id.quarantine].compactMap { snapshot.registry.schema($0) }
    }
  }

  /// Messages, those of journal segments too.
  static func messageCount(_ snapshot: Snapshot) throws(StorageError) -> Int {
    var count = 0
    let failure = snapshot.records { (record: OperationalRecord) -> Bool in
      if case .messageReceived = record.kind { count += 1 }
      return true
    }
    if let failure { throw failure }
    return count
  }

  /// The sum of all visible rows, those held in quarantine too, by owner of the series.
  static func sums(
    _ snapshot: Snapshot, owner: (SeriesKey) -> Int = { _ in 0 }, count: Int = 1
  ) throws(StorageError) -> [RowSum] {
    var sums = [RowSum](repeating: RowSum(), count: count)
    try each(snapshot) { key, rows in
      let (series, place) = (RowSum.hash(key), owner(key))
      for row in rows { sums[place].add(series, row.time, row.cells) }
    }
    return sums
  }

  /// Calls `body` with the rows of each stretch; those of a series come in order of time.
  /// - Parameter tables: only these; nil is all.
  static func each(
    _ snapshot: Snapshot, tables: Set<TableID>? = nil, _ body: (SeriesKey, [Row]) -> Void
  ) throws(StorageError) {
    for table in Self.tables(of: snapshot) where tables?.contains(table.id) ?? true {
      for stretch in try snapshot.scan(table.id).stretches {
        body(stretch.series, try rows(stretch, table, snapshot.symbols))
      }
    }
  }

  struct Row {
    var time: Int64
    var lsn: LSN
    var cells: Cells
  }

  /// Every visible row; those of a stretch that cannot be read are left out and `unread` called.
  static func all(
    _ snapshot: Snapshot, unread: (StorageError) -> Void
  ) throws(StorageError) -> [RowKey: Row] {
    var found: [RowKey: Row] = [:]
    for table in tables(of: snapshot) {
      for stretch in try snapshot.scan(table.id).stretches {
        do throws(StorageError) {
          for row in try rows(stretch, table, snapshot.symbols) {
            let before = found.updateValue(row, forKey: RowKey(series: stretch.series, time: row.time))
            if before != nil { unread(StorageError(.invalid, "a reading twice")) }
          }
        } catch {
          unread(error)
        }
      }
    }
    return found
  }

  private static func rows(
    _ stretch: Stretch, _ table: TableSchema, _ symbols: SymbolTable
  ) throws(StorageError) -> [Row] {
    let columns = table.columns
    let reader = try stretch.reader(columns.map(\.id))
    let count = reader.rowCount
    var times = [Int64](repeating: 0, count: count)
    var lsns = [UInt64](repeating: 0, count: count)
    var timeSpan = times.mutableSpan
    reader.times(0..<count, into: &timeSpan)
    var lsnSpan = lsns.mutableSpan
    try reader.lsns(0..<count, into: &lsnSpan)
    // It holds the texts.
    defer { withExtendedLifetime(reader) {} }
    var rows = (0..<count).map { Row(time: times[$0], lsn: lsns[$0], cells: Cells()) }
    for (index, column) in columns.enumerated() where !reader.isAllNull(index) {
      var slots = [Int64](repeating: 0, count: count)
      var out = slots.mutableSpan
      try reader.decode(index, pages: 0..<reader.pageCount, into: &out)
      let isText = column.type == .symbol || column.type == .text
      for page in 0..<reader.pageCount {
        let mask = reader.validity(index, page: page)
        for row in (page * 256)..<min(count, page * 256 + 256) {
          if let mask, mask[row % 256 / 64] >> UInt64(row % 64) & 1 == 0 { continue }
          rows[row].cells.set(column.id, isText ? text(slots[row], symbols) : slots[row])
        }
      }
    }
    return rows
  }

  static func text(_ code: Int64, _ symbols: SymbolTable) -> Int64 {
    Int64(bitPattern: RowSum.text(symbols.text(of: code) ?? "?"))
  }
}

extension FrameBatch {
  /// The cells of one row of a run.
  func cells(run: Int, row: Int, _ symbols: SymbolTable) -> Cells {
    var cells = Cells()
    for index in runs[run].cells {
      let column = self.cells[index].column
      guard let slot = slot(column, run: run, row: row) else { continue }
      cells.set(column, Lab.isText(table, column) ? Reading.text(slot, symbols) : slot)
    }
    return cells
  }
}
