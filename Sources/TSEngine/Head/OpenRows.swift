/// The open chunk of one series in a head: rows in time order that still grow at their end.
///
/// A value of two counts and shared memory that is only ever appended to, so a snapshot takes it as
/// it is in O(1) and the writer goes on without a copy. What cannot be appended in the present
/// shape (another column, a constant that changes, an irregular step, a full buffer) moves the rows
/// into a wider one; that is rare.
package struct OpenRows: Sendable {
  private var shape: OpenShape
  private var buffer: GrowOnlyBuffer
  package private(set) var count = 0
  private var runCount = 0
  /// Instant of the first row.
  private var start: Int64
  private var texts: [TextHold] = []

  /// An empty chunk whose shape suits `run`.
  init(for run: Int, of batch: FrameBatch, shapes: inout OpenShape.Recent) {
    shape = shapes.shared(OpenShape(for: run, of: batch, rowCapacity: Self.capacity(batch.runs[run].count)))
    buffer = GrowOnlyBuffer(byteCount: shape.byteCount)
    start = batch.runs[run].first
  }

  /// Rows that a buffer for `rows` holds: few at first, for fleets of idle series, and never much
  /// more than a chunk takes.
  private static func capacity(_ rows: Int) -> Int {
    if rows >= Head.chunkRows { return rows }
    var capacity = 1
    while capacity < rows { capacity *= capacity < 64 ? 4 : 2 }
    return capacity
  }

  /// Bytes of memory held.
  package var byteCount: Int { buffer.byteCount + 64 }
  package var firstTime: Int64 { start }
  package var lastTime: Int64 {
    shape.step.map { $0.tick(from: start, count - 1) } ?? buffer.word(at: shape.times + (count - 1) * 8)
  }
  /// LSNs that brought the rows, oldest and newest.
  package var lsnBounds: ClosedRange<LSN> { lsnRun(0).lsn...lsnRun(runCount - 1).lsn }

  /// True when rows from the instant `first` on may go behind those that are here.
  func accepts(from first: Int64) -> Bool { count == 0 || first > lastTime }

  // MARK: Appending

  /// Appends run `run` of a batch; LSNs do not fall.
  mutating func append(
    _ run: Int, of batch: FrameBatch, lsn: LSN, shapes: inout OpenShape.Recent
  ) {
    precondition(accepts(from: batch.runs[run].first), "rows must come in time order")
    if !batch.texts.isEmpty { texts.keep(batch.texts) }
    if !store(run, of: batch, lsn: lsn) {
      widen(for: run, of: batch, shapes: &shapes)
      precondition(store(run, of: batch, lsn: lsn), "a widened chunk takes the run it was made for")
    }
  }

  /// False, without effect on what readers see, when the run does not fit shape or buffer.
  private mutating func store(_ run: Int, of batch: FrameBatch, lsn: LSN) -> Bool {
    let added = batch.runs[run].count
    guard count + added <= shape.rowCapacity, runCount < shape.runCapacity, follows(run, of: batch),
      shape.takes(run, of: batch)
    else { return false }
    for (at, column) in shape.columns.enumerated() where column.constant == nil {
      let cell = batch.cell(column.id, ofRun: run, near: at)
      store(cell, column, added, of: batch)
    }
    if shape.step == nil {
      let times = batch.runs[run].times
      for row in 0..<added { buffer.store(times.tick(row), at: shape.times + (count + row) * 8) }
    }
    count += added
    buffer.store(Int64(count), at: runCount * 16)
    buffer.store(Int64(bitPattern: lsn), at: runCount * 16 + 8)
    runCount += 1
    return true
  }

  private func store(
    _ cell: FrameBatch.Cell?, _ column: OpenShape.Column, _ added: Int, of batch: FrameBatch
  ) {
    let at = column.slots + count * 8
    func mark(_ isValid: (Int) -> Bool) {
      guard let validity = column.validity else { return }
      for row in 0..<added { buffer.storeByte(isValid(row) ? 1 : 0, at: validity + count + row) }
    }
    switch cell?.content {
    case .constant(let value):
      buffer.fill(value, count: added, at: at)
      mark { _ in true }
    case .values(let first):
      buffer.store(batch.values.span.extracting(first..<(first + added)), at: at)
      mark { _ in true }
    case .nullable(let first, let validityStart):
      buffer.store(batch.values.span.extracting(first..<(first + added)), at: at)
      mark { batch.validity[validityStart + $0] }
    case nil:
      // A null's slot repeats the value before: it packs best.
      buffer.fill(count > 0 ? buffer.word(at: at - 8) : 0, count: added, at: at)
      mark { _ in false }
    }
  }

  /// Whether a run goes on at the step of this chunk, where it has one.
  private func follows(_ run: Int, of batch: FrameBatch) -> Bool {
    guard let step = shape.step else { return true }
    guard case .regular(let next) = batch.runs[run].times, step == OpenShape.Step(next) else { return false }
    // All of it must be one stretch: its length may not fit where each part's does.
    return count == 0
      || (step.isWhole(count) && step.run(from: start, count + next.count) != nil
        && step.tick(from: start, count) == next.start)
  }

  private mutating func widen(
    for run: Int, of batch: FrameBatch, shapes: inout OpenShape.Recent
  ) {
    let rows = count + batch.runs[run].count
    let wider = shapes.shared(
      shape.widened(
        for: run, of: batch, count: count, isRegular: follows(run, of: batch),
        rowCapacity: max(Self.capacity(rows), shape.rowCapacity),
        runCapacity: shape.runCapacity * (runCount == shape.runCapacity || rows > shape.rowCapacity ? 2 : 1)))
    let next = GrowOnlyBuffer(byteCount: wider.byteCount)
    next.copy(runCount * 16, of: buffer, from: 0, to: 0)
    if wider.step == nil {
      let known = times
      for row in 0..<count { next.store(known.tick(row), at: wider.times + row * 8) }
    }
    for column in wider.columns where column.constant == nil {
      let old = shape.columns.first { $0.id == column.id }
      if let value = old?.constant {
        next.fill(value, count: count, at: column.slots)
      } else if let old {
        next.copy(count * 8, of: buffer, from: old.slots, to: column.slots)
      } else {
        next.fill(0, count: count, at: column.slots)
      }
      guard let validity = column.validity else { continue }
      for row in 0..<count {
        let known = old?.validity.map { buffer.byte(at: $0 + row) } ?? (old == nil ? 0 : 1)
        next.storeByte(known, at: validity + row)
      }
    }
    shape = wider
    buffer = next
  }

  // MARK: Reading

  private func lsnRun(_ index: Int) -> RowSet.LSNRun {
    RowSet.LSNRun(
      end: Int(buffer.word(at: index * 16)),
      lsn: LSN(bitPattern: buffer.word(at: index * 16 + 8)))
  }

  /// All instants as one regular run, when they are one.
  package var regularTimes: RegularTimes? { shape.step?.run(from: start, count) }

  private var times: SampleTimes {
    regularTimes.map { .regular($0) } ?? .explicit(buffer.words(count, at: shape.times))
  }

  /// The rows so far, copied. O(rows × columns).
  package func rows() -> RowSet {
    var lsns: [RowSet.LSNRun] = []
    for index in 0..<runCount {
      let run = lsnRun(index)
      if lsns.last?.lsn == run.lsn { lsns.removeLast() }
      lsns.append(run)
    }
    var rows = RowSet(
      times: times,
      columns: shape.columns.map { column in
        let content: RowSet.Column.Content =
          column.constant.map { .constant($0) } ?? .values(buffer.words(count, at: column.slots))
        return RowSet.Column(id: column.id, content: content, validity: column.validity.map(bits))
      },
      lsns: lsns)
    rows.texts = texts
    return rows
  }

  private func bits(_ validity: Int) -> [UInt64] {
    var words = [UInt64](repeating: 0, count: (count + 63) / 64)
    for row in 0..<count where buffer.byte(at: validity + row) != 0 {
      words[row / 64] |= 1 << UInt64(row % 64)
    }
    return words
  }

  /// The rows that LSNs up to `lsn` brought: all, a prefix, or nil when there are none.
  package func prefix(through lsn: LSN) -> OpenRows? {
    var runs = runCount
    while runs > 0, lsnRun(runs - 1).lsn > lsn { runs -= 1 }
    guard runs > 0 else { return nil }
    var prefix = self
    prefix.count = lsnRun(runs - 1).end
    prefix.runCount = runs
    return prefix
  }
}

extension FrameBatch {
  /// The cell of a column in a run; it is often the one at `index`. O(cells).
  @inline(__always)
  func cell(_ column: ColumnID, ofRun run: Int, near index: Int) -> Cell? {
    let range = runs[run].cells
    let guess = range.lowerBound &+ index
    if guess < range.upperBound, cells[guess].column == column { return cells[guess] }
    for at in range where cells[at].column == column { return cells[at] }
    return nil
  }
}
