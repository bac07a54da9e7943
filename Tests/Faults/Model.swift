import TSEngine

/// The reference: what a store must show, as a plain dictionary of the newest version of each row.
struct Model {
  private(set) var rows: [RowKey: Cells] = [:]
  private(set) var sum = RowSum()
  /// Superseded versions.
  private(set) var older: [RowKey: [Cells]] = [:]
  /// Rows that were deleted, or fell below the floor: they show again when that event is lost.
  private(set) var removed: [RowKey: [Cells]] = [:]
  /// Of the table `power`.
  private(set) var floor = Int64.min
  /// How long readings of `power` are kept.
  var age: RetentionAge?
  private(set) var lab: Lab?
  private var nextTable: TableID = 16

  /// Takes in what `batch` says, as the store's answer must count it.
  mutating func append(_ batch: FrameBatch, now: Int64, _ symbols: SymbolTable) -> AppendResult {
    var result = AppendResult()
    for frame in batch.frames {
      for index in frame.runs {
        let run = batch.runs[index]
        for row in 0..<run.times.count {
          let time = run.times.tick(row)
          let isAbsurd = time < Bench.floor || time > now + Bench.future
          if !isAbsurd, batch.table == 1, time < floor {
            result.expired += 1
            continue
          }
          let table = isAbsurd ? batch.table.quarantine : batch.table
          let key = RowKey(
            series: SeriesKey(table: table, device: frame.device, probe: run.probe), time: time)
          put(batch.cells(run: index, row: row, symbols), at: key, isAbsurd, &result)
        }
      }
    }
    return result
  }

  private mutating func put(
    _ cells: Cells, at key: RowKey, _ isAbsurd: Bool, _ result: inout AppendResult
  ) {
    guard let newest = rows[key] else {
      rows[key] = cells
      sum.add(RowSum.hash(key.series), key.time, cells)
      if isAbsurd { result.quarantined += 1 } else { result.new += 1 }
      return
    }
    if newest == cells {
      result.same += 1
      return
    }
    result.conflict += 1
    supersede(newest, by: cells, at: key)
  }

  private mutating func supersede(_ newest: Cells, by cells: Cells, at key: RowKey) {
    let series = RowSum.hash(key.series)
    older[key, default: []].append(newest)
    rows[key] = cells
    sum.remove(series, key.time, newest)
    sum.add(series, key.time, cells)
  }

  /// A person chose `cells` among the versions of a reading. False when it is not one of them.
  mutating func resolve(_ key: RowKey, to cells: Cells) -> Bool {
    guard let newest = rows[key] else { return false }
    if newest == cells { return true }
    guard older[key]?.contains(cells) ?? false else { return false }
    supersede(newest, by: cells, at: key)
    return true
  }

  /// The quarantined readings of some series end there: they come into their table, their times
  /// moved by `shift`, or are given up.
  mutating func settle(
    _ action: QuarantineAction, shift: Int64, of isChosen: (SeriesKey) -> Bool
  ) -> AppendResult {
    let twin = TableID(1).quarantine
    let settled = rows.filter { $0.key.series.table == twin && isChosen($0.key.series) }
    remove { $0.series.table == twin && isChosen($0.series) }
    var result = AppendResult()
    guard action == .released else { return result }
    for (key, cells) in settled {
      var target = key
      target.series.table = 1
      target.time += shift
      if target.time < floor { result.expired += 1 } else { put(cells, at: target, false, &result) }
    }
    return result
  }

  /// The rows of `spans` are deleted.
  mutating func delete(_ table: TableID, _ spans: [SeriesSpans]) {
    remove { key in
      key.series.table == table
        && spans.contains { span in
          span.device == key.series.device && span.probe == key.series.probe
            && span.times.contains { $0.contains(key.time) }
        }
    }
  }

  /// Readings before `floor` expire.
  mutating func setFloor(_ floor: Int64) {
    self.floor = floor
    remove { $0.series.table == 1 && $0.time < floor }
  }

  /// The table of the tests is declared, or gets a column; nil when it has all of them.
  mutating func declareLab() -> Lab? {
    if lab == nil {
      lab = Lab(id: nextTable, columnCount: Lab.leastColumns)
      nextTable += 1
    } else {
      guard let count = lab?.columnCount, count < Lab.columns.count else { return nil }
      lab?.columnCount = count + 1
    }
    return lab
  }

  /// It goes with all its readings.
  /// - Returns: how many there were.
  mutating func dropLab() -> Int {
    guard let id = lab?.id else { return 0 }
    let before = rows.count
    remove { $0.series.table == id || $0.series.table == id.quarantine }
    lab = nil
    return before - rows.count
  }

  /// Series that show something.
  func series(of table: TableID) -> Set<SeriesKey> {
    Set(rows.keys.lazy.map(\.series).filter { $0.table == table })
  }

  /// Those that ever had a reading.
  func everSeries(of table: TableID) -> Set<SeriesKey> {
    series(of: table).union(removed.keys.lazy.map(\.series).filter { $0.table == table })
  }

  private mutating func remove(_ isChosen: (RowKey) -> Bool) {
    for (key, cells) in rows where isChosen(key) {
      rows[key] = nil
      removed[key, default: []] += [cells] + (older.removeValue(forKey: key) ?? [])
      sum.remove(RowSum.hash(key.series), key.time, cells)
    }
  }

  /// The first few rows that differ.
  func difference(_ found: [RowKey: Reading.Row]) -> String {
    var lines: [String] = []
    let keys = Set(found.keys).union(rows.keys).sorted {
      $0.series != $1.series ? $0.series < $1.series : $0.time < $1.time
    }
    for key in keys where found[key]?.cells != rows[key] {
      let (is_, should) = (found[key].map { "\($0.cells) of lsn \($0.lsn)" }, rows[key].map { "\($0)" })
      lines.append("\(key.series) \(key.time): \(is_ ?? "nothing") instead of \(should ?? "nothing")")
      if lines.count == 3 { break }
    }
    return "\(found.count) rows instead of \(rows.count); " + lines.joined(separator: "; ")
  }
}

/// Makes batches that meet each other: few devices, few seconds, few values. A value: a copy makes
/// the same batches again.
struct BatchMaker {
  var random: SimRandom
  /// What device names begin with.
  var prefix = "d"
  private let start = Bench.start
  private let second: Int64 = 1_000_000_000

  init(seed: UInt64) { random = SimRandom(seed: seed) }

  /// - Parameter lab: if there is that table, one batch in three is of it.
  mutating func batch(_ symbols: SymbolTable, of lab: Lab? = nil) -> FrameBatch {
    let lab = random.below(3) == 0 ? lab : nil
    var batch = FrameBatch(table: lab?.id ?? 1)
    for _ in 0...random.below(3) {
      batch.beginFrame(device: "\(prefix)\(random.below(3))")
      for _ in 0...random.below(2) { addRun(to: &batch, lab, symbols) }
    }
    return batch
  }

  private mutating func addRun(to batch: inout FrameBatch, _ lab: Lab?, _ symbols: SymbolTable) {
    let times = times()
    batch.beginRun(probe: Int32(random.below(2)), times: times)
    if let lab { return addLabCells(to: &batch, lab, times, symbols) }
    let wrong = random.below(5) == 0 ? Int64(random.below(3)) : 0
    let values = (0..<times.count).map { times.tick($0) / 50_000_000 % 97 + wrong }
    switch random.below(4) {
    case 0: break
    case 1: batch.add(1, constant: wrong)
    case 2: batch.add(1, values, valid: values.map { $0 % 3 != 0 })
    default: batch.add(1, values)
    }
    switch random.below(4) {
    case 0: batch.add(3, values.map { $0 &* 1_000_003 &+ .max / 2 })
    case 1: batch.add(3, constant: 2300)
    default: break
    }
    // Samples that reach beyond the next one.
    if random.below(8) == 0 { batch.add(4, constant: 3_000_000_000) }
    switch random.below(6) {
    case 0: batch.add(7, constant: symbols.code(of: "v\(random.below(2))"))
    case 1:
      let codes = ["", "1.0", "ü"].map { symbols.code(of: $0) }
      batch.add(7, values.map { codes[Int(($0 % 3 + 3) % 3)] })
    default: break
    }
  }

  private mutating func times() -> SampleTimes {
    let first = start + Int64(random.below(6)) * second
    switch random.below(16) {
    case 0, 1:
      var time = first + Int64(random.below(3)) * 25_000_000
      var instants: [Int64] = []
      for _ in 0...random.below(6) {
        instants.append(time)
        time += [1, 50_000_000, 50_000_001, 700_000_000][random.below(4)]
      }
      return .explicit(instants)
    case 2:
      return .regular(.init(start: first, span: second, count: [3, 7, 30][random.below(3)]) ?? fallback)
    case 3:
      // Before the floor, or in no near future.
      let odd: [Int64] = [(946_684_799 as Int64) * second - second, -second, start + 90_000 * second]
      return .regular(.init(start: odd[random.below(3)], span: second, count: 4) ?? fallback)
    case 4:
      let age = Int64(random.below(40)) * 86_400 * second
      return .regular(.init(start: first - age, span: second, count: 20) ?? fallback)
    case 5 where random.below(20) == 0:
      return .regular(.init(start: first, span: 60 * second, count: 300) ?? fallback)
    default:
      return .regular(.init(start: first, span: second, count: 10) ?? fallback)
    }
  }

  private var fallback: RegularTimes { RegularTimes(start: start, count: 1, stepNumerator: 1, stepDenominator: 1)! }
}
