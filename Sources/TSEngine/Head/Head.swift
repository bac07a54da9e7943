import Synchronization

/// The in-memory part of a store: the readings of one stretch of the log that no data segment
/// holds yet. Append-only until it is frozen and dropped whole, so whoever holds a `Head` sees
/// all of its rows up to the LSN they ask for, whatever happens to the store meanwhile.
package final class Head: Sendable {
  /// Rows of one series. Chunks are in order of arrival, each in time order within; a late frame
  /// starts a chunk of its own, so chunks may overlap in time.
  private struct Series: Sendable {
    var number: Int
    var table: TableID
    var closed: [HeadChunk] = []
    var open: OpenRows?
  }

  private struct State: Sendable {
    /// Slot in `series` by series number; -1 where the head has none.
    var slots: [Int32] = []
    var series: [Series] = []
    var shapes = OpenShape.Recent()
    var rowCount = 0
    var openByteCount = 0
    var closedByteCount = 0
    /// Full chunks that are not encoded yet, in order of their filling.
    var full: [(slot: Int, chunk: Int)] = []
    /// Entries of `full` before this one are done.
    var encodedCount = 0
    var fullByteCount = 0
  }

  /// Rows after which a chunk is full.
  package static let chunkRows = 1024
  /// Full chunks of more bytes than this are encoded by who appends.
  private static let fullByteLimit = 64 << 20

  /// Rows as they came from the writer, not yet with their series: that is done beside the writer, or by the
  /// first reader, who sees them in any case.
  private struct Inbox: Sendable {
    var parts: [CommitGroup.Part] = []
    var byteCount = 0
  }

  /// Bytes of rows received beyond which who brings more takes them out.
  private static let inboxByteLimit = 32 << 20

  private let inbox = Mutex(Inbox())
  /// Entered through `withState` alone.
  private let state = Mutex(State())
  /// Open and closed bytes after the last change: the writer asks at every group, also while rows of the
  /// one before come in.
  private let heldByteCount = Atomic<Int>(0)
  private let receivedByteCount = Atomic<Int>(0)
  /// Operational records of the same stretch of the log.
  private let operational = Mutex(UnsealedRecords<OperationalRecord>())
  /// Registry events of the same stretch.
  private let journal = Mutex(UnsealedRecords<Event>())
  /// Whoever encodes holds it: one chunk at a time, each with its table's builder.
  private let builders = Mutex([TableID: BlockBuilder]())
  private let schema: @Sendable (TableID) -> TableSchema?
  private let symbols: SymbolTable

  package init(symbols: SymbolTable, schema: @escaping @Sendable (TableID) -> TableSchema?) {
    self.symbols = symbols
    self.schema = schema
  }

  // MARK: Appending

  /// Appends a batch: frame i has LSN `lsn(i)`, and run r is of the series `numbers[r]`. Not visible
  /// to snapshots of earlier LSNs. One lock for the whole batch.
  /// - Returns: bytes of full chunks that wait to be encoded.
  @discardableResult
  package func append(
    _ batch: FrameBatch, series numbers: [Int], lsn: (_ frame: Int) -> LSN
  ) -> Int {
    let waiting = withState { state in
      Self.append(batch, series: numbers, lsn: lsn, to: &state)
      note(state)
      return state.fullByteCount
    }
    if waiting > Self.fullByteLimit { while fullByteCount > Self.fullByteLimit, encodeNext() {} }
    return waiting
  }

  /// As `append`, in a fraction of the time: the rows are taken to their series by `takeIn`, or by whoever reads.
  /// - Returns: bytes of rows that wait for that.
  package func receive(_ part: CommitGroup.Part) -> Int {
    let byteCount = part.batch.values.count * 8 + part.batch.cells.count * 32
    let waiting = inbox.withLock { inbox in
      inbox.parts.append(part)
      inbox.byteCount += byteCount
      return inbox.byteCount
    }
    receivedByteCount.add(byteCount, ordering: .relaxed)
    guard waiting > Self.inboxByteLimit else { return waiting }
    takeIn()
    while fullByteCount > Self.fullByteLimit, encodeNext() {}
    return 0
  }

  /// Takes what was received to its series.
  package func takeIn() { withState { _ in } }

  /// Everything received before is in the state.
  private func withState<Result: Sendable>(_ body: (inout State) -> Result) -> Result {
    state.withLock { state in
      let received = inbox.withLock { inbox in
        defer { inbox = Inbox() }
        return inbox
      }
      if !received.parts.isEmpty {
        for part in received.parts {
          Self.append(part.batch, series: part.series, lsn: { part.firstLSN + LSN($0) }, to: &state)
        }
        note(state)
        receivedByteCount.subtract(received.byteCount, ordering: .relaxed)
      }
      return body(&state)
    }
  }

  private static func append(
    _ batch: FrameBatch, series numbers: [Int], lsn: (_ frame: Int) -> LSN, to state: inout State
  ) {
    for (index, frame) in batch.frames.enumerated() {
      for run in frame.runs {
        append(run, of: batch, series: numbers[run], lsn: lsn(index), to: &state)
      }
    }
  }

  private static func append(
    _ run: Int, of batch: FrameBatch, series number: Int, lsn: LSN, to state: inout State
  ) {
    let slot = slot(of: number, batch.table, in: &state)
    let added = batch.runs[run].count
    if let open = state.series[slot].open,
      !open.accepts(from: batch.runs[run].first) || open.count + added > rowLimit(slot, state.series[slot].closed.count)
    {
      close(slot, in: &state)
    }
    state.rowCount += added
    guard let before = state.series[slot].open?.byteCount else {
      var open = OpenRows(for: run, of: batch, shapes: &state.shapes)
      open.append(run, of: batch, lsn: lsn, shapes: &state.shapes)
      state.openByteCount += open.byteCount
      state.series[slot].open = open
      return
    }
    state.series[slot].open?.append(run, of: batch, lsn: lsn, shapes: &state.shapes)
    state.openByteCount += (state.series[slot].open?.byteCount ?? 0) - before
  }

  /// Series that started together must not fill their chunks together: encoding would come in
  /// waves. So first chunks end at different lengths.
  private static func rowLimit(_ slot: Int, _ closedCount: Int) -> Int {
    closedCount > 0 ? chunkRows : chunkRows / 4 + (slot &* 157) % (chunkRows * 3 / 4)
  }

  private static func slot(of number: Int, _ table: TableID, in state: inout State) -> Int {
    while state.slots.count <= number { state.slots.append(-1) }
    if state.slots[number] >= 0 { return Int(state.slots[number]) }
    state.slots[number] = Int32(state.series.count)
    state.series.append(Series(number: number, table: table))
    return state.series.count - 1
  }

  /// Small chunks (late frames) stay as they are, and so do runs longer than any block; others wait to
  /// be encoded.
  private static func close(_ slot: Int, in state: inout State) {
    guard let open = state.series[slot].open.take() else { return }
    state.openByteCount -= open.byteCount
    state.closedByteCount += open.byteCount
    if (StretchReader.pageRows...BlockGrid.maxRows).contains(open.count) {
      state.full.append((slot, state.series[slot].closed.count))
      state.fullByteCount += open.byteCount
    }
    state.series[slot].closed.append(.open(open))
  }

  /// Adds durable records, in LSN order.
  package func append(_ records: [OperationalRecord]) {
    operational.withLock { $0.append(records) }
  }

  /// Adds durable events, in LSN order.
  package func append(_ events: [Event]) {
    journal.withLock { $0.append(events) }
  }

  // MARK: Encoding

  private var fullByteCount: Int { withState { $0.fullByteCount } }

  /// Encodes the chunk that has been full for longest; false when none waits. Appends and readers
  /// go on meanwhile. O(rows of a chunk).
  package func encodeNext() -> Bool {
    builders.withLock { builders in
      let task: (slot: Int, chunk: Int, table: TableID, rows: OpenRows)? = withState { state in
        guard state.encodedCount < state.full.count else { return nil }
        let (slot, chunk) = state.full[state.encodedCount]
        guard case .open(let rows) = state.series[slot].closed[chunk] else { return nil }
        return (slot, chunk, state.series[slot].table, rows)
      }
      guard let task else { return false }
      let rows = task.rows.rows()
      // A column declared since the builder was made needs a new one.
      if builders[task.table]?.knows(rows.columns) != true {
        builders[task.table] = schema(task.table).map { BlockBuilder(schema: $0, symbols: symbols) }
      }
      var encoded: HeadChunk?
      // Taken out and put back, so that it is not copied.
      if var builder = builders.removeValue(forKey: task.table) {
        if builder.knows(rows.columns) { encoded = .block(MemoryBlock(rows, builder: &builder)) }
        builders[task.table] = builder
      }
      withState { state in
        state.encodedCount += 1
        if state.encodedCount == state.full.count {
          state.full.removeAll(keepingCapacity: true)
          state.encodedCount = 0
        }
        state.fullByteCount -= task.rows.byteCount
        guard let encoded else { return }
        state.closedByteCount += encoded.byteCount - task.rows.byteCount
        note(state)
        state.series[task.slot].closed[task.chunk] = encoded
      }
      return true
    }
  }

  // MARK: Reading

  package var rowCount: Int { withState { $0.rowCount } }

  /// Operational records, as far as they are durable.
  package var records: UnsealedRecords<OperationalRecord> { operational.withLock { $0 } }
  /// Registry events, as far as they are durable.
  package var events: UnsealedRecords<Event> { journal.withLock { $0 } }

  /// Bytes held, roughly, those of records and events included. O(1).
  package var byteCount: Int {
    heldByteCount.load(ordering: .relaxed) + receivedByteCount.load(ordering: .relaxed)
      + operational.withLock { $0.byteCount } + journal.withLock { $0.byteCount }
  }

  private func note(_ state: borrowing State) {
    heldByteCount.store(state.openByteCount + state.closedByteCount, ordering: .relaxed)
  }

  /// Numbers of the series that have rows here.
  package var seriesNumbers: [Int] { withState { $0.series.map(\.number) } }

  /// The chunks of the given series (nil: all), each cut at `lsn`, without empty ones, in order of
  /// arrival. Shares their memory; O(chunks).
  package func chunks(
    of numbers: [Int]?, through lsn: LSN
  ) throws(StorageError) -> [(series: Int, chunks: [HeadChunk])] {
    let found: [(Int, [HeadChunk])] = withState { state in
      let slots =
        numbers?.compactMap { $0 < state.slots.count && state.slots[$0] >= 0 ? Int(state.slots[$0]) : nil }
        ?? Array(state.series.indices)
      return slots.map { slot in
        let series = state.series[slot]
        return (series.number, series.closed + (series.open.map { [.open($0)] } ?? []))
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
