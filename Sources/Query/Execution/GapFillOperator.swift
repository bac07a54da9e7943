/// Puts buckets without rows between those with some: per series, in order of time. Rows are held, buckets
/// are made as they leave.
final class GapFillOperator: Operator {
  private let gap: GapFill

  init(_ child: Operator, _ gap: GapFill) {
    self.gap = gap
    super.init(child.types, [child])
  }

  override var title: String { "FILL gaps of \(gap.keyCount - 1) keys' series" }

  private var seriesColumns: [Int] { (0..<gap.keyCount).filter { $0 != gap.bucket } }

  override func run(_ context: ExecutionContext, _ sink: Consumer) throws(SQLError) {
    let (gap, columns) = (gap, seriesColumns)
    var table = GroupTable(types: columns.map { types[$0] })
    var store = RowStore(types: types)
    /// Rows of each series.
    var series: [[Int]] = columns.isEmpty ? [[]] : []
    let charge = MemoryCharge(context)
    try children[0].start(context, SinkConsumer { (batch) throws(SQLError) in
      try charge.add(batch.count * (store.rowByteCount + table.bytesPerGroup + 8))
      let start = store.count
      store.append(batch)
      for row in 0..<batch.count where batch.columns[gap.bucket].isValid(row) {
        let group = columns.isEmpty ? 0 : table.find(columns.map { batch.columns[$0] }, row: row, sequence: 0)
        if group == series.count { series.append([]) }
        series[group].append(start + row)
      }
      return true
    })
    let instants = series.flatMap { $0 }.map { store.slots[gap.bucket][$0] }
    guard let from = gap.from.map(gap.grid.start) ?? instants.min(),
      let last = gap.to.map({ gap.grid.start(of: $0 == .min ? $0 : $0 - 1) }) ?? instants.max()
    else { return }
    let writer = GapWriter(gap, store, types, context, sink)
    for rows in series {
      let sorted = rows.sorted { store.slots[gap.bucket][$0] < store.slots[gap.bucket][$1] }
      if try !writer.write(sorted, min(from, sorted.first.map { store.slots[gap.bucket][$0] } ?? from), last) { return }
    }
    try writer.end()
  }
}

/// Writes the buckets of one series after the other.
private final class GapWriter {
  private let gap: GapFill
  private let store: RowStore
  private let pool: TextPool
  private let writer: BatchWriter
  private var out: Batch { writer.out }

  init(_ gap: GapFill, _ store: RowStore, _ types: [SQLType], _ context: ExecutionContext, _ sink: Consumer) {
    self.gap = gap
    self.store = store
    pool = context.pool
    writer = BatchWriter(types, context, sink)
  }

  /// False when the sink had enough.
  func write(_ rows: [Int], _ from: Int64, _ last: Int64) throws(SQLError) -> Bool {
    var next = 0
    var bucket = from
    // Of each filled column: the row of the last value, and of the next one.
    var before = [Int?](repeating: nil, count: gap.fills.count)
    var after = [Int](repeating: 0, count: gap.fills.count)
    while true {
      if next < rows.count, store.slots[gap.bucket][rows[next]] <= bucket {
        bucket = store.slots[gap.bucket][rows[next]]
        for column in out.columns.indices { store.write(column, rows[next], out.columns[column], out.count) }
        for index in gap.fills.indices where store.isValid(gap.keyCount + index, rows[next]) { before[index] = rows[next] }
        next += 1
      } else {
        guard bucket <= last || next < rows.count else { return true }
        for column in 0..<gap.keyCount {
          if column == gap.bucket {
            out.columns[column][out.count] = bucket
          } else if let row = rows.first {
            store.write(column, row, out.columns[column], out.count)
          }
        }
        for index in gap.fills.indices {
          after[index] = max(after[index], next)
          while after[index] < rows.count, !store.isValid(gap.keyCount + index, rows[after[index]]) { after[index] += 1 }
          fill(index, bucket, before[index], after[index] < rows.count ? rows[after[index]] : nil)
        }
      }
      if try !writer.next() { return false }
      let following = gap.grid.next(after: bucket)
      if following <= bucket || following == .max { return true }
      bucket = following
      if bucket > last, next >= rows.count { return true }
    }
  }

  private func fill(_ index: Int, _ bucket: Int64, _ before: Int?, _ after: Int?) {
    let column = gap.keyCount + index
    let vector = out.columns[column]
    switch gap.fills[index] {
    case .null: vector.setNull(out.count)
    case .value(let value): vector.set(out.count, value, pool)
    case .previous: if let before { store.write(column, before, vector, out.count) } else { vector.setNull(out.count) }
    case .linear:
      guard let before, let after else { return vector.setNull(out.count) }
      let (t0, t1) = (Int128(store.slots[gap.bucket][before]), Int128(store.slots[gap.bucket][after]))
      let (gone, length) = (Int128(bucket) - t0, t1 - t0)
      let (a, b) = (store.slots[column][before], store.slots[column][after])
      if vector.type == .float {
        vector[out.count] = slot(of: double(a) + (double(b) - double(a)) * (Double(gone) / Double(length)))
      } else {
        // Between two integers of 64 bits: no step of it leaves 128 but the product, which is divided first.
        let rise = Int128(b) - Int128(a)
        let whole = rise / length * gone
        let rest = Double(rise % length) * (Double(gone) / Double(length))
        vector[out.count] = Int64(clamping: Int128(a) + whole + Int128(rest.rounded()))
      }
    }
  }

  func end() throws(SQLError) { try writer.end() }
}
