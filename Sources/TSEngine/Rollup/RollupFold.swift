/// Folds rows of one series, in order of time, into buckets.
///
/// Rows are in order, so buckets are touched in order too: the first that a row touches is never
/// before the first that the row before touched, and what it covers is without gaps from there. So
/// one cursor moves forward and buckets are only ever appended.
struct RollupFold {
  /// Above it somebody asks for more than they can want: a sample that covers a year, by seconds.
  static let bucketLimit = 16 << 20

  let grid: RollupGrid
  /// Whole buckets; what lies outside is left out.
  let range: Range<Int64>
  private(set) var buckets: RollupBuckets
  /// The longest span of a sample that counts somewhere in `range`.
  private(set) var reach: Int64 = 0
  /// Rows whose instant lies in `range` with a value in one of the columns.
  private(set) var rowCount = 0
  private var cursor = 0

  /// - Parameter range: aligned to `every`.
  init(every: Int64, columns: [RollupColumn], range: Range<Int64>) {
    grid = RollupGrid(every: every)
    self.range = range
    buckets = RollupBuckets(every: every, columns: columns)
  }

  /// Adds rows later than all before. O(rows x columns + buckets touched).
  /// - Throws: `.invalid` when the buckets would be more than anyone can want.
  mutating func add(_ rows: RowSet) throws(StorageError) {
    guard rows.count > 0, !range.isEmpty else { return }
    let views = buckets.columns.map { column in
      (
        value: SlotView(rows.column(column.id)),
        span: SlotView(column.spanColumn.flatMap { rows.column($0) })
      )
    }
    guard views.contains(where: { !$0.value.isAbsent }) else { return }
    var run = 0
    for row in 0..<rows.count {
      let instant = rows.times.tick(row)
      if instant >= range.upperBound { break }
      while rows.lsns[run].end <= row { run += 1 }
      var counts = false
      for (index, view) in views.enumerated() {
        guard let value = view.value.slot(row) else { continue }
        let column = buckets.columns[index]
        let span = max(0, view.span.slot(row) ?? column.defaultSpan)
        if try add(value, column.isFloat, at: instant, span, index, rows.lsns[run].lsn) {
          counts = true
        }
      }
      if counts, instant >= range.lowerBound { rowCount += 1 }
    }
  }

  /// False when the sample has nothing to do with `range`.
  private mutating func add(
    _ value: Int64, _ isFloat: Bool, at instant: Int64, _ span: Int64, _ column: Int, _ lsn: LSN
  ) throws(StorageError) -> Bool {
    let (sum, overflow) = instant.addingReportingOverflow(span)
    let end = min(overflow ? .max : sum, range.upperBound)
    let isInside = instant >= range.lowerBound
    guard isInside || end > range.lowerBound else { return false }
    reach = max(reach, span)
    var start = grid.start(of: max(instant, range.lowerBound))
    var place = try place(of: start, from: cursor)
    cursor = place
    if isInside { count(value, isFloat, place * buckets.columns.count + column) }
    var from = max(instant, range.lowerBound)
    while true {
      let bound = grid.end(of: start)
      let until = min(end, bound)
      if until > from {
        cover(value, isFloat, until - from, place * buckets.columns.count + column)
      }
      buckets.lastChanges[place] = max(buckets.lastChanges[place], lsn)
      guard end > bound else { return true }
      (start, from) = (bound, bound)
      place = try self.place(of: start, from: place)
    }
  }

  private mutating func count(_ value: Int64, _ isFloat: Bool, _ cell: Int) {
    func isBelow(_ a: Int64, _ b: Int64) -> Bool {
      isFloat ? FloatOrder.key(bits: a) < FloatOrder.key(bits: b) : a < b
    }
    if buckets.cells[cell].count == 0 {
      buckets.cells[cell].first = value
      buckets.cells[cell].minimum = value
      buckets.cells[cell].maximum = value
    } else {
      if isBelow(value, buckets.cells[cell].minimum) { buckets.cells[cell].minimum = value }
      if isBelow(buckets.cells[cell].maximum, value) { buckets.cells[cell].maximum = value }
    }
    buckets.cells[cell].last = value
    buckets.cells[cell].count += 1
    if isFloat {
      buckets.cells[cell].floatSum += Double(bitPattern: UInt64(bitPattern: value))
    } else {
      buckets.cells[cell].sum &+= Int128(value)
    }
  }

  /// Modulo 2^128, which 2^17 of the largest values in one bucket do not leave.
  private mutating func cover(_ value: Int64, _ isFloat: Bool, _ nanos: Int64, _ cell: Int) {
    buckets.cells[cell].covered &+= Int128(nanos)
    if isFloat {
      buckets.cells[cell].floatIntegral +=
        Double(bitPattern: UInt64(bitPattern: value)) * Double(nanos)
    } else {
      buckets.cells[cell].integral &+= Int128(value) &* Int128(nanos)
    }
  }

  /// Where the bucket that begins at `start` is, at or behind `hint`; made when it is not there.
  private mutating func place(of start: Int64, from hint: Int) throws(StorageError) -> Int {
    var place = hint
    while place < buckets.count, buckets.starts[place] < start { place += 1 }
    if place == buckets.count {
      guard place < Self.bucketLimit else {
        throw StorageError(
          .invalid, "more than \(Self.bucketLimit) buckets; ask for less time or a longer bucket")
      }
      buckets.starts.append(start)
      buckets.lastChanges.append(0)
      buckets.revisions.append(nil)
      buckets.isStored.append(false)
      buckets.cells.append(contentsOf: repeatElement(RollupCell(), count: buckets.columns.count))
    }
    return place
  }
}

/// A column of a row set by row, without a search for it.
struct SlotView {
  private let constant: Int64
  private let slots: [Int64]?
  private let validity: [UInt64]?
  let isAbsent: Bool

  init(_ column: RowSet.Column?) {
    isAbsent = column == nil
    validity = column?.validity
    switch column?.content {
    case .constant(let value):
      constant = value
      slots = nil
    case .values(let values):
      constant = 0
      slots = values
    case nil:
      constant = 0
      slots = nil
    }
  }

  /// Nil is null.
  @inline(__always) func slot(_ row: Int) -> Int64? {
    if isAbsent { return nil }
    if let validity, validity[row / 64] >> UInt64(row % 64) & 1 == 0 { return nil }
    return slots.map { $0[row] } ?? constant
  }
}
