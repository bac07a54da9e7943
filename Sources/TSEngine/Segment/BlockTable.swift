/// Blocks in columns of plain words: what the index of a data segment becomes in memory. A block of
/// three columns takes some 350 bytes and no object of its own, and a plan over thousands of blocks
/// touches nothing but these arrays.
package struct BlockTable: Sendable {
  package struct Row: Sendable {
    package var firstTime: Int64
    package var lastTime: Int64
    package var oldestLSN: LSN
    package var newestLSN: LSN
    package var regular: RegularTimes?
    package var rowCount: UInt32
    package var kind: BlockEntry.Kind
    package var isCold: Bool
    fileprivate var times: Place
    fileprivate var lsns: Place
    fileprivate var firstCell: UInt32
    fileprivate var cellCount: UInt16
  }

  /// A section: in the file, or in `pool` when `offset` is negative.
  fileprivate struct Place: Sendable {
    static let none = Place(offset: 0, byteCount: .max, crc: 0)
    var offset: Int
    var byteCount: UInt32
    var crc: UInt32
  }

  /// A column of a block. The sum in two halves, as an Int128 would double the stride.
  fileprivate struct Cell: Sendable {
    var place: Place
    var minimum: Int64
    var maximum: Int64
    var first: Int64
    var last: Int64
    var sumLow: UInt64
    var sumHigh: Int64
    /// Of the statistics, as damage may make it differ from the block's rows.
    var count: Int
    var nullCount: UInt32
    var column: ColumnID
    var flags: UInt8
  }

  private enum Flag {
    static let sum: UInt8 = 1
    static let float: UInt8 = 2
    static let symbol: UInt8 = 4
  }

  package private(set) var rows: [Row] = []
  private var cells: [Cell] = []
  private var pool: [UInt8] = []

  package init() {}

  package mutating func reserve(blocks: Int, cells count: Int) {
    rows.reserveCapacity(blocks)
    cells.reserveCapacity(count)
  }

  /// Bytes held, roughly. O(1).
  package var byteCount: Int {
    rows.capacity * MemoryLayout<Row>.stride + cells.capacity * MemoryLayout<Cell>.stride
      + pool.capacity
  }

  package mutating func append(_ entry: BlockEntry) {
    rows.append(
      Row(
        firstTime: entry.firstTime, lastTime: entry.lastTime, oldestLSN: entry.oldestLSN,
        newestLSN: entry.newestLSN, regular: entry.regular, rowCount: UInt32(entry.rowCount),
        kind: entry.kind, isCold: entry.isCold, times: place(entry.timeSection), lsns: place(entry.lsnSection),
        firstCell: UInt32(cells.count), cellCount: UInt16(entry.columns.count)))
    for column in entry.columns { cells.append(cell(column)) }
  }

  private mutating func cell(_ column: BlockEntry.Column) -> Cell {
    let statistics = column.statistics
    let sum = statistics.sum ?? 0
    return Cell(
      place: place(column.section), minimum: statistics.minimum, maximum: statistics.maximum,
      first: statistics.first, last: statistics.last, sumLow: UInt64(truncatingIfNeeded: sum),
      sumHigh: Int64(truncatingIfNeeded: sum >> 64), count: statistics.count,
      nullCount: UInt32(clamping: statistics.nullCount), column: column.id,
      flags: (statistics.sum != nil ? Flag.sum : 0) | (statistics.isFloat ? Flag.float : 0)
        | (statistics.isSymbol ? Flag.symbol : 0))
  }

  private mutating func place(_ section: Section?) -> Place {
    switch section {
    case nil: return .none
    case .stored(let offset, let byteCount, let crc)?:
      return Place(offset: offset, byteCount: UInt32(byteCount), crc: crc)
    case .inline(let bytes)?:
      defer { pool.append(contentsOf: bytes) }
      return Place(offset: -1 - pool.count, byteCount: UInt32(bytes.count), crc: 0)
    }
  }

  private func section(_ place: Place) -> Section? {
    if place.byteCount == .max { return nil }
    if place.offset >= 0 {
      return .stored(offset: place.offset, byteCount: Int(place.byteCount), crc: place.crc)
    }
    let start = -1 - place.offset
    return .inline(Array(pool[start..<(start + Int(place.byteCount))]))
  }

  private func cell(_ position: Int, _ column: ColumnID) -> Cell? {
    let row = rows[position]
    for index in Int(row.firstCell)..<(Int(row.firstCell) + Int(row.cellCount))
    where cells[index].column == column { return cells[index] }
    return nil
  }

  // MARK: What a block has

  package func columns(_ position: Int) -> [ColumnID] {
    let row = rows[position]
    return cells[Int(row.firstCell)..<(Int(row.firstCell) + Int(row.cellCount))].map(\.column)
  }

  package func timeSection(_ position: Int) -> Section? { section(rows[position].times) }
  package func lsnSection(_ position: Int) -> Section? { section(rows[position].lsns) }

  /// Nil when the block has no such column.
  package func section(_ position: Int, _ column: ColumnID) -> Section? {
    cell(position, column).flatMap { section($0.place) }
  }

  package func byteCount(_ position: Int, _ column: ColumnID) -> Int {
    cell(position, column).map { Int($0.place.byteCount) } ?? 0
  }

  package func statistics(_ position: Int, _ column: ColumnID) -> ColumnStatistics? {
    guard let cell = cell(position, column) else { return nil }
    var statistics = ColumnStatistics(count: cell.count, nullCount: Int(cell.nullCount))
    (statistics.minimum, statistics.maximum) = (cell.minimum, cell.maximum)
    (statistics.first, statistics.last) = (cell.first, cell.last)
    statistics.sum =
      cell.flags & Flag.sum != 0 ? Int128(cell.sumHigh) << 64 | Int128(cell.sumLow) : nil
    statistics.isFloat = cell.flags & Flag.float != 0
    statistics.isSymbol = cell.flags & Flag.symbol != 0
    return statistics
  }
}
