/// Rows kept past their batch: what sorts, joins and ordered parallel scans hold. Columns of slots.
struct RowStore {
  let types: [SQLType]
  private(set) var count = 0
  private(set) var slots: [[Int64]]
  private(set) var highs: [[Int64]]
  /// Bit r%64 of word r/64 is 1 where row r is not null.
  private var validity: [[UInt64]]

  init(types: [SQLType]) {
    self.types = types
    slots = types.map { _ in [] }
    highs = types.map { _ in [] }
    validity = types.map { _ in [] }
  }

  /// Bytes a row takes.
  var rowByteCount: Int { types.reduce(8) { $0 + ($1.hasHighSlot ? 17 : 9) } }

  mutating func append(_ batch: Batch) {
    for (index, vector) in batch.columns.enumerated() {
      for row in 0..<batch.count { slots[index].append(vector[row]) }
      if types[index].hasHighSlot {
        for row in 0..<batch.count { highs[index].append(vector.highSlot(row)) }
      }
      let words = (count + batch.count + 63) / 64
      while validity[index].count < words { validity[index].append(.max) }
      if vector.hasNulls {
        for row in 0..<batch.count where !vector.isValid(row) {
          validity[index][(count + row) >> 6] &= ~(1 << UInt64((count + row) & 63))
        }
      }
    }
    count += batch.count
  }

  mutating func appendEmptyRow() {
    for index in types.indices {
      slots[index].append(0)
      if types[index].hasHighSlot { highs[index].append(0) }
      if count & 63 == 0 { validity[index].append(.max) }
    }
    count += 1
  }

  mutating func replace(_ target: Int, _ batch: Batch, row: Int) {
    for (index, vector) in batch.columns.enumerated() {
      slots[index][target] = vector[row]
      if types[index].hasHighSlot { highs[index][target] = vector.highSlot(row) }
      let bit: UInt64 = 1 << UInt64(target & 63)
      if vector.isValid(row) { validity[index][target >> 6] |= bit } else { validity[index][target >> 6] &= ~bit }
    }
  }

  /// The rows of `order`, in that order.
  func subset(_ order: some Collection<Int>) -> RowStore {
    var result = RowStore(types: types)
    for row in order {
      result.appendEmptyRow()
      let target = result.count - 1
      for index in types.indices {
        result.slots[index][target] = slots[index][row]
        if types[index].hasHighSlot { result.highs[index][target] = highs[index][row] }
        if !isValid(index, row) { result.validity[index][target >> 6] &= ~(1 << UInt64(target & 63)) }
      }
    }
    return result
  }

  func isValid(_ column: Int, _ row: Int) -> Bool {
    validity[column][row >> 6] >> UInt64(row & 63) & 1 == 1
  }

  /// Writes one row's column to row `target` of a vector of its type.
  func write(_ column: Int, _ row: Int, _ out: Vector, _ target: Int) {
    guard isValid(column, row) else { return out.setNull(target) }
    out[target] = slots[column][row]
    if types[column].hasHighSlot { out.setHigh(target, highs[column][row]) }
  }

  /// Pushes the rows of `order` in batches; false when the sink had enough.
  func emit(
    _ order: some RandomAccessCollection<Int>, _ context: ExecutionContext, _ sink: Consumer
  ) throws(SQLError) -> Bool {
    let batch = Batch(types.map { Vector($0) })
    var sequence: UInt64 = 0
    var rows = order[...]
    while !rows.isEmpty {
      try context.checkCancelled()
      let chunk = rows.prefix(Vector.capacity)
      rows = rows.dropFirst(chunk.count)
      for (index, vector) in batch.columns.enumerated() {
        vector.clearNulls()
        for (target, row) in chunk.enumerated() { write(index, row, vector, target) }
      }
      batch.count = chunk.count
      batch.sequence = sequence
      sequence += UInt64(chunk.count)
      if try !sink.consume(batch) { return false }
    }
    return true
  }
}
