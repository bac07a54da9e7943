/// Rows of one series growing at their end, in time order: what a loader or a merge gathers before a
/// block is cut. Columns that do not change cost nothing per row.
package struct RowAccumulator: Sendable {
  private struct Column: Sendable {
    var id: ColumnID
    /// Slot of every row so far while `slots` is nil.
    var constant: Int64
    var slots: [Int64]?
    /// An empty array with room, for when slots are needed.
    var spare: [Int64] = []
    /// Validity, one bit a row; nil while no row is null.
    var validity: BitRow?
    /// Rows were appended since the last `finish`.
    var touched = false

    mutating func extend(from count: Int, by added: Int, constant value: Int64) {
      touched = true
      validity?.append(repeating: true, count: added)
      if count == 0 && slots == nil { constant = value }
      if slots == nil, constant == value { return }
      makeDense(count)
      slots?.append(contentsOf: repeatElement(value, count: added))
    }

    mutating func extend(
      from count: Int, by added: Int, _ values: ArraySlice<Int64>, valid: ArraySlice<Bool>?
    ) {
      touched = true
      if let valid {
        if validity == nil { validity = BitRow(repeating: true, count: count) }
        for flag in valid { validity?.append(flag) }
      } else {
        validity?.append(repeating: true, count: added)
      }
      makeDense(count)
      slots?.append(contentsOf: values)
    }

    mutating func extendWithNulls(from count: Int, by added: Int) {
      if validity == nil { validity = BitRow(repeating: true, count: count) }
      validity?.append(repeating: false, count: added)
      guard let filler = slots?.last else { return }
      slots?.append(contentsOf: repeatElement(filler, count: added))
    }

    private mutating func makeDense(_ count: Int) {
      if slots != nil { return }
      var dense = spare
      spare = []
      dense.append(contentsOf: repeatElement(constant, count: count))
      slots = dense
    }
  }

  private var regular: RegularTimes?
  private var instants: [Int64] = []
  private var columns: [Column] = []
  private var lsns: [RowSet.LSNRun] = []
  private var texts: [TextHold] = []
  /// Empty arrays with room, for columns to come.
  private var spares: [[Int64]] = []
  package private(set) var count = 0

  package init() {}

  /// Forgets all rows and keeps the room of the columns, where nobody else holds their arrays.
  package mutating func removeAll() {
    while var column = columns.popLast() {
      guard var room = column.slots else { continue }
      // The only reference now, so that emptying it keeps its memory.
      column.slots = nil
      room.removeAll(keepingCapacity: true)
      spares.append(room)
    }
    (regular, count) = (nil, 0)
    instants.removeAll(keepingCapacity: true)
    lsns.removeAll(keepingCapacity: true)
    texts.removeAll()
  }

  package var firstTime: Int64 { regular?.start ?? instants[0] }
  package var lastTime: Int64 { regular?.last ?? instants[count - 1] }

  /// True when rows at `times` may go behind those that are here.
  package func accepts(_ times: SampleTimes) -> Bool { count == 0 || times.first > lastTime }

  /// Appends one run of a batch.
  /// - Precondition: `accepts(run.times)`, and LSNs do not fall.
  package mutating func append(_ run: FrameBatch.Run, of batch: FrameBatch, lsn: LSN) {
    precondition(accepts(run.times), "rows must come in time order")
    let added = run.times.count
    texts.keep(batch.texts)
    for index in run.cells {
      let cell = batch.cells[index]
      let at = columnIndex(cell.column)
      switch cell.content {
      case .constant(let value):
        columns[at].extend(from: count, by: added, constant: value)
      case .values(let start):
        columns[at].extend(from: count, by: added, batch.values[start..<(start + added)], valid: nil)
      case .nullable(let start, let validityStart):
        columns[at].extend(
          from: count, by: added, batch.values[start..<(start + added)],
          valid: batch.validity[validityStart..<(validityStart + added)])
      }
    }
    finish(run.times, lsn: lsn)
  }

  /// Appends rows `range` of `rows`.
  /// - Precondition: they go behind those that are here.
  package mutating func append(_ rows: RowSet, _ range: Range<Int>) {
    guard !range.isEmpty else { return }
    if count == 0, columns.isEmpty, range == 0..<rows.count { return adopt(rows) }
    if !rows.texts.isEmpty { texts.keep(rows.holds(of: range)) }
    for column in rows.columns {
      let at = columnIndex(column.id)
      let valid = column.validity.map { words in range.map { words[$0 / 64] >> UInt64($0 % 64) & 1 == 1 } }
      switch column.content {
      case .constant(let value) where valid == nil:
        columns[at].extend(from: count, by: range.count, constant: value)
      case .constant(let value):
        columns[at].extend(
          from: count, by: range.count, [Int64](repeating: value, count: range.count)[...],
          valid: valid.map { $0[...] })
      case .values(let slots):
        columns[at].extend(from: count, by: range.count, slots[range], valid: valid.map { $0[...] })
      }
    }
    var row = range.lowerBound
    for run in rows.lsns where run.end > row && row < range.upperBound {
      let end = min(run.end, range.upperBound)
      addLSN(run.lsn, end: count + end - range.lowerBound)
      row = end
    }
    let times: SampleTimes
    if case .regular(let run) = rows.times, let slice = run.slice(range) {
      times = .regular(slice)
    } else {
      times = .explicit(range.map { rows.times.tick($0) })
    }
    finish(times, lsn: nil)
  }

  /// Becomes `rows`, sharing their arrays until the next append.
  private mutating func adopt(_ rows: RowSet) {
    columns = rows.columns.map { column in
      var adopted = Column(id: column.id, constant: 0, slots: nil, validity: nil)
      switch column.content {
      case .constant(let value): adopted.constant = value
      case .values(let slots): adopted.slots = slots
      }
      adopted.validity = column.validity.map { BitRow(words: $0, count: rows.count) }
      return adopted
    }
    lsns = rows.lsns
    texts = rows.texts
    appendTimes(rows.times)
    count = rows.count
  }

  /// The rows so far. O(1): shares the arrays until the next append.
  package func rows() -> RowSet {
    var rows = RowSet(
      times: regular.map { .regular($0) } ?? .explicit(instants),
      columns: columns.map { column in
        RowSet.Column(
          id: column.id, content: column.slots.map { .values($0) } ?? .constant(column.constant),
          validity: column.validity?.words)
      },
      lsns: lsns)
    rows.texts = texts
    return rows
  }

  private mutating func columnIndex(_ id: ColumnID) -> Int {
    if let at = columns.firstIndex(where: { $0.id == id }) { return at }
    var column = Column(id: id, constant: 0, slots: nil, validity: nil)
    column.spare = spares.popLast() ?? []
    if count > 0 { column.validity = BitRow(repeating: false, count: count) }
    columns.append(column)
    return columns.count - 1
  }

  /// Null rows for columns that got none, then times and LSN.
  private mutating func finish(_ times: SampleTimes, lsn: LSN?) {
    let end = count + times.count
    for at in columns.indices where !columns[at].touched {
      columns[at].extendWithNulls(from: count, by: times.count)
    }
    if let lsn { addLSN(lsn, end: end) }
    appendTimes(times)
    count = end
    for at in columns.indices { columns[at].touched = false }
  }

  private mutating func addLSN(_ lsn: LSN, end: Int) {
    if let last = lsns.last, last.lsn == lsn {
      lsns[lsns.count - 1].end = end
    } else {
      lsns.append(RowSet.LSNRun(end: end, lsn: lsn))
    }
  }

  private mutating func appendTimes(_ times: SampleTimes) {
    if case .regular(let next) = times {
      if count == 0 {
        regular = next
        return
      }
      if let joined = regular?.joined(with: next) {
        regular = joined
        return
      }
    }
    if let run = regular {
      instants.reserveCapacity(run.count + times.count)
      for row in 0..<run.count { instants.append(run.tick(row)) }
      regular = nil
    }
    switch times {
    case .regular(let next): for row in 0..<next.count { instants.append(next.tick(row)) }
    case .explicit(let next): instants.append(contentsOf: next)
    }
  }
}
