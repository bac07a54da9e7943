import Synchronization

/// The in-memory part of a store: the readings of one stretch of the log that no data segment
/// holds yet. Append-only until it is frozen and dropped whole, so whoever holds a `Head` sees
/// all of its rows up to the LSN they ask for, whatever happens to the store meanwhile.
package final class Head: Sendable {
  /// Rows of one series. Chunks are in order of arrival, each in time order within; a late frame
  /// starts a chunk of its own, so chunks may overlap in time.
  private struct Series: Sendable {
    var number: Int
    var closed: [HeadChunk] = []
    var open = RowAccumulator()
  }

  private struct State: Sendable {
    /// Slot in `series` by series number; -1 where the head has none.
    var slots: [Int32] = []
    var series: [Series] = []
    var rowCount = 0
    var closedRowCount = 0
    var closedByteCount = 0
    var newestLSN: LSN = 0
    var builders: [TableID: BlockBuilder] = [:]
  }

  /// Rows after which a chunk is encoded and closed.
  package static let chunkRows = 1024

  private let state = Mutex(State())
  private let schema: @Sendable (TableID) -> TableSchema?
  private let symbols: SymbolTable

  package init(symbols: SymbolTable, schema: @escaping @Sendable (TableID) -> TableSchema?) {
    self.symbols = symbols
    self.schema = schema
  }

  /// One frame's run on its way in.
  package struct Append {
    package var series: Int
    package var table: TableID
    package var run: FrameBatch.Run
    package var lsn: LSN
    package init(series: Int, table: TableID, run: FrameBatch.Run, lsn: LSN) {
      self.series = series
      self.table = table
      self.run = run
      self.lsn = lsn
    }
  }

  /// Appends durable runs of `batch`, in LSN order. One lock for the whole batch.
  package func append(_ runs: [Append], of batch: FrameBatch) {
    state.withLock { state in
      for entry in runs {
        let slot = Self.slot(of: entry.series, in: &state)
        if !state.series[slot].open.accepts(entry.run.times)
          || state.series[slot].open.count >= Self.rowLimit(slot, state.series[slot].closed.count)
        {
          close(slot, table: entry.table, in: &state)
        }
        state.series[slot].open.append(entry.run, of: batch, lsn: entry.lsn)
        state.rowCount += entry.run.times.count
        state.newestLSN = max(state.newestLSN, entry.lsn)
      }
    }
  }

  /// Series that started together must not fill their chunks together: one commit would encode
  /// them all. So first chunks end at different lengths.
  private static func rowLimit(_ slot: Int, _ closedCount: Int) -> Int {
    closedCount > 0 ? chunkRows : chunkRows / 4 + (slot &* 157) % (chunkRows * 3 / 4)
  }

  private static func slot(of number: Int, in state: inout State) -> Int {
    while state.slots.count <= number { state.slots.append(-1) }
    if state.slots[number] >= 0 { return Int(state.slots[number]) }
    state.slots[number] = Int32(state.series.count)
    state.series.append(Series(number: number))
    return state.series.count - 1
  }

  private func close(_ slot: Int, table: TableID, in state: inout State) {
    guard state.series[slot].open.count > 0 else { return }
    let rows = state.series[slot].open.rows()
    // A column declared since the builder was made needs a new one.
    if state.builders[table]?.knows(rows.columns) != true {
      state.builders[table] = schema(table).map { BlockBuilder(schema: $0, symbols: symbols) }
    }
    let chunk = HeadChunk(closing: rows, &state.builders[table])
    state.closedByteCount += chunk.byteCount
    state.closedRowCount += state.series[slot].open.count
    state.series[slot].closed.append(chunk)
    state.series[slot].open = RowAccumulator()
  }

  package var rowCount: Int { state.withLock { $0.rowCount } }

  /// Slots of three columns and a validity bit or two: what a row of an open chunk takes, roughly.
  private static let openRowByteCount = 32

  /// Bytes held, roughly. O(1).
  package var byteCount: Int {
    state.withLock {
      $0.closedByteCount + ($0.rowCount - $0.closedRowCount) * Self.openRowByteCount
    }
  }

  /// Numbers of the series that have rows here.
  package var seriesNumbers: [Int] { state.withLock { $0.series.map(\.number) } }

  /// The chunks of the given series (nil: all), each cut at `lsn`, without empty ones, in order of
  /// arrival. Shares the arrays; O(chunks).
  package func chunks(
    of numbers: [Int]?, through lsn: LSN
  ) throws(StorageError) -> [(series: Int, chunks: [HeadChunk])] {
    let found: [(Int, [HeadChunk])] = state.withLock { state in
      let slots =
        numbers?.compactMap { $0 < state.slots.count && state.slots[$0] >= 0 ? Int(state.slots[$0]) : nil }
        ?? Array(state.series.indices)
      return slots.map { slot in
        let series = state.series[slot]
        let open = series.open.count > 0 ? [HeadChunk(rows: series.open.rows())] : []
        return (series.number, series.closed + open)
      }
    }
    var visible: [(series: Int, chunks: [HeadChunk])] = []
    for (number, chunks) in found {
      var kept: [HeadChunk] = []
      for chunk in chunks { if let cut = try chunk.cut(through: lsn) { kept.append(cut) } }
      if !kept.isEmpty { visible.append((number, kept)) }
    }
    return visible
  }
}

/// Rows of one series in arrival and time order, either as they grow or encoded as a block.
package enum HeadChunk: Sendable {
  case rows(RowSet)
  case block(MemoryBlock)

  package init(rows: RowSet) { self = .rows(rows) }

  /// Encodes full chunks; small ones (late frames) stay as rows.
  package init(closing rows: RowSet, _ builder: inout BlockBuilder?) {
    guard builder?.knows(rows.columns) == true, rows.count >= 256 else {
      self = .rows(rows)
      return
    }
    self = .block(MemoryBlock(rows, builder: &builder!))
  }

  package var firstTime: Int64 {
    switch self {
    case .rows(let rows): rows.times.first
    case .block(let block): block.entry.firstTime
    }
  }
  package var byteCount: Int {
    switch self {
    case .rows(let rows): rows.count * 8 * (rows.columns.count + 1)
    case .block(let block): block.byteCount + 512
    }
  }

  package func rows() throws(StorageError) -> RowSet {
    switch self {
    case .rows(let rows): rows
    case .block(let block): try block.reader.rows()
    }
  }

  /// The rows that LSNs up to `lsn` brought: all, a prefix, or nil when there are none.
  package func cut(through lsn: LSN) throws(StorageError) -> HeadChunk? {
    switch self {
    case .block(let block):
      if block.entry.newestLSN <= lsn { return self }
      if block.entry.oldestLSN > lsn { return nil }
      return try HeadChunk.rows(block.reader.rows()).cut(through: lsn)
    case .rows(let rows):
      guard let last = rows.lsns.last, last.lsn > lsn else { return self }
      let end = rows.lsns.last { $0.lsn <= lsn }?.end ?? 0
      if end == 0 { return nil }
      var prefix = RowAccumulator()
      prefix.append(rows, 0..<end)
      return .rows(prefix.rows())
    }
  }
}
