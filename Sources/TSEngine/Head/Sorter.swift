/// Sorts the rows of one batch into what is new, the same, in conflict, absurd or expired, and builds
/// the batches that remain. The slow half of `Intake`.
///
/// Versions of one reading always get LSNs of their own: a run that says of a series again what its
/// frame has said starts another frame.
struct Sorter {
  private let batch: FrameBatch
  private let bounds: Intake.Bounds
  private let policy: ConflictPolicy
  private var result = AppendResult()
  /// Index 0: the table; 1: its quarantine twin.
  private var out: [Intake.Part]
  private var frameOpen = [false, false]
  /// Of the open frames.
  private var frameSeries: [Set<Int>] = [[], []]
  private var frame = 0
  /// Runs placed so far, by series: rows of this very batch that later runs may repeat.
  private var placed: [Int: [(part: Int, run: Int)]] = [:]

  init(_ batch: FrameBatch, _ bounds: Intake.Bounds, _ policy: ConflictPolicy) {
    self.batch = batch
    self.bounds = bounds
    self.policy = policy
    out = [
      Intake.Part(batch: FrameBatch(table: batch.table), series: [], frames: []),
      Intake.Part(batch: FrameBatch(table: batch.table.quarantine), series: [], frames: []),
    ]
    for part in out.indices { out[part].batch.texts = batch.texts }
  }

  mutating func beginFrame(_ index: Int) {
    frame = index
    frameOpen = [false, false]
  }

  /// The rows of a run, cut where its instants leave the accepted bounds.
  func split(_ run: Int) -> [(fate: Intake.Fate, rows: Range<Int>)] {
    batch.runs[run].times.split(at: bounds)
  }

  mutating func expire(_ count: Int) { result.expired += count }

  /// Keeps what must be stored of rows `rows` of `run`. `known` holds the durable rows around
  /// them, `pending` covers what this batch has placed of the series.
  mutating func place(
    _ run: Int, _ rows: Range<Int>, _ times: SampleTimes, twin: Bool, series: Int,
    known: RowSet?, pending: Coverage?
  ) throws(StorageError) {
    var repeats = false
    if case .maybe = pending?.check(times) ?? .absent { repeats = true }
    var keep: [Int] = []
    for row in rows {
      let keepsFirst = !twin && policy != .last
      switch compare(run, row, known, repeats ? placed[series] ?? [] : [], keepsFirst) {
      case .absent:
        if twin { result.quarantined += 1 } else { result.new += 1 }
        keep.append(row)
      case .same:
        result.same += 1
      case .differs:
        if !twin, policy == .reject { throw Intake.rejected }
        result.conflict += 1
        keep.append(row)
      }
    }
    if !keep.isEmpty { store(run, keep, part: twin ? 1 : 0, series: series) }
  }

  func accepted() -> Intake.Accepted {
    Intake.Accepted(parts: out.filter { !$0.batch.isEmpty }, result: result)
  }

  private enum Comparison { case absent, same, differs }

  /// Row `row` of `run` against the row of that instant that wins so far.
  private func compare(
    _ run: Int, _ row: Int, _ known: RowSet?, _ earlier: [(part: Int, run: Int)],
    _ keepsFirst: Bool
  ) -> Comparison {
    let tick = batch.runs[run].times.tick(row)
    if keepsFirst {
      let comparison = compare(run, row, known, tick)
      return comparison == .absent ? compare(run, row, earlier, tick) : comparison
    }
    let comparison = compare(run, row, earlier.reversed(), tick)
    return comparison == .absent ? compare(run, row, known, tick) : comparison
  }

  private func compare(
    _ run: Int, _ row: Int, _ earlier: [(part: Int, run: Int)], _ tick: Int64
  ) -> Comparison {
    for place in earlier {
      let have = out[place.part].batch
      guard let at = have.runs[place.run].times.row(of: tick) else { continue }
      let equal = columns(of: run, and: place.run, of: have).allSatisfy {
        batch.texts.isSame(
          $0, batch.slot($0, run: run, row: row), have.slot($0, run: place.run, row: at),
          or: have.texts)
      }
      return equal ? .same : .differs
    }
    return .absent
  }

  private func compare(_ run: Int, _ row: Int, _ known: RowSet?, _ tick: Int64) -> Comparison {
    guard let known, let at = known.times.row(of: tick) else { return .absent }
    var columns = Set(known.columns.map(\.id))
    for cell in batch.runs[run].cells { columns.insert(batch.cells[cell].column) }
    let equal = columns.allSatisfy {
      batch.texts.isSame(
        $0, batch.slot($0, run: run, row: row), known.slot($0, row: at), or: known.texts)
    }
    return equal ? .same : .differs
  }

  private func columns(of run: Int, and other: Int, of have: FrameBatch) -> Set<ColumnID> {
    Set(batch.runs[run].cells.map { batch.cells[$0].column })
      .union(have.runs[other].cells.map { have.cells[$0].column })
  }

  private mutating func store(_ run: Int, _ rows: [Int], part: Int, series: Int) {
    if !frameOpen[part] || frameSeries[part].contains(series) {
      out[part].batch.beginFrame(device: batch.frames[frame].device)
      out[part].frames.append(frame)
      frameOpen[part] = true
      frameSeries[part].removeAll()
    }
    frameSeries[part].insert(series)
    let source = batch.runs[run]
    let contiguous = rows[rows.count - 1] - rows[0] + 1 == rows.count
    let times =
      contiguous
      ? source.times.rows(rows[0]..<(rows[0] + rows.count))
      : .explicit(rows.map { source.times.tick($0) })
    out[part].batch.beginRun(probe: source.probe, times: times)
    for index in source.cells {
      let cell = batch.cells[index]
      switch cell.content {
      case .constant(let value):
        out[part].batch.add(cell.column, constant: value)
      case .values(let start):
        out[part].batch.add(cell.column, rows.map { batch.values[start + $0] })
      case .nullable(let start, let validityStart):
        out[part].batch.add(
          cell.column, rows.map { batch.values[start + $0] },
          valid: rows.map { batch.validity[validityStart + $0] })
      }
    }
    placed[series, default: []].append((part, out[part].batch.runs.count - 1))
    out[part].series.append(series)
  }
}

extension SampleTimes {
  /// Stretches of rows that share a fate, in order. An absurd time is quarantined, retention or not.
  package func split(at bounds: Intake.Bounds) -> [(fate: Intake.Fate, rows: Range<Int>)] {
    if bounds.accepts(first), bounds.accepts(last) { return [(.accepted, 0..<count)] }
    func fate(_ row: Int) -> Intake.Fate {
      let instant = tick(row)
      if !bounds.sane.contains(instant) { return .quarantined }
      return instant < bounds.floor ? .expired : .accepted
    }
    var parts: [(Intake.Fate, Range<Int>)] = []
    var row = 0
    while row < count {
      let shared = fate(row)
      var end = row + 1
      while end < count, fate(end) == shared { end += 1 }
      parts.append((shared, row..<end))
      row = end
    }
    return parts
  }

  /// The first row at or after `instant`; `count` when there is none. O(log n).
  package func firstRow(atOrAfter instant: Int64) -> Int {
    switch self {
    case .regular(let regular): return regular.lowerBound(instant)
    case .explicit(let instants):
      var (low, high) = (0, instants.count)
      while low < high {
        let middle = (low + high) / 2
        if instants[middle] < instant { low = middle + 1 } else { high = middle }
      }
      return low
    }
  }

  /// The row at exactly `instant`, or nil. O(log n).
  package func row(of instant: Int64) -> Int? {
    let row = firstRow(atOrAfter: instant)
    return row < count && tick(row) == instant ? row : nil
  }
}

extension FrameBatch {
  /// The slot of a column in one row of a run; nil is null. O(cells of the run).
  package func slot(_ column: ColumnID, run: Int, row: Int) -> Int64? {
    for index in runs[run].cells where cells[index].column == column {
      switch cells[index].content {
      case .constant(let value): return value
      case .values(let start): return values[start + row]
      case .nullable(let start, let validityStart):
        return validity[validityStart + row] ? values[start + row] : nil
      }
    }
    return nil
  }
}

extension RowSet {
  /// The slot of a column in one row; nil is null. O(columns).
  package func slot(_ column: ColumnID, row: Int) -> Int64? {
    guard let column = self.column(column) else { return nil }
    if let validity = column.validity, validity[row / 64] >> UInt64(row % 64) & 1 == 0 { return nil }
    switch column.content {
    case .constant(let value): return value
    case .values(let slots): return slots[row]
    }
  }
}
