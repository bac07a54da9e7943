@testable import TSEngine

/// What a store must hold, told as a history: every version that ever came, every act that removed
/// some, and the policies they came under. What was visible at any moment follows by playing a key's
/// history from its beginning; nothing here looks at ranks, blocks or masks.
struct LifecycleModel {
  struct Version {
    /// The newest LSN of the act that brought it.
    var lsn: LSN
    var cells: Cells
    /// It displaces what is there: by policy, or as a person decided.
    var displaces: Bool
  }

  struct Act {
    var lsn: LSN
    var removes: (RowKey) -> Bool
  }

  var versions: [RowKey: [Version]] = [:]
  /// In order of LSN.
  var acts: [Act] = []
  var policy = ConflictPolicy.last
  var floor = Int64.min

  // MARK: What is there

  /// The versions of a key that count at `lsn`, in order of arrival, and which of them shows.
  func state(of key: RowKey, at lsn: LSN = .max) -> (live: [Version], shown: Version)? {
    var live: [Version] = []
    var shown: Version?
    var next = 0
    func act(before end: LSN) {
      while next < acts.count, acts[next].lsn < end {
        if acts[next].removes(key) {
          live.removeAll()
          shown = nil
        }
        next += 1
      }
    }
    for version in versions[key] ?? [] where version.lsn <= lsn {
      act(before: version.lsn)
      live.append(version)
      if shown == nil || version.displaces { shown = version }
    }
    act(before: lsn == .max ? .max : lsn + 1)
    return shown.map { (live, $0) }
  }

  func visible(at lsn: LSN = .max) -> [RowKey: Cells] {
    var rows: [RowKey: Cells] = [:]
    for key in versions.keys { if let state = state(of: key, at: lsn) { rows[key] = state.shown.cells } }
    return rows
  }

  // MARK: What happens

  /// Takes in what `batch` says, as the store's answer must count it; nil when the policy refuses it.
  mutating func append(
    _ batch: FrameBatch, now: Int64, lsn: LSN, symbols: SymbolTable, schema: TableSchema = .power
  ) -> AppendResult? {
    let before = self
    var result = AppendResult()
    for (time, key, cells) in batch.rows(symbols, schema) {
      let isAbsurd = time < 946_684_800_000_000_000 || time > now + 300_000_000_000
      if !isAbsurd, time < floor {
        result.expired += 1
        continue
      }
      var key = key
      if isAbsurd { key.series.table = key.series.table.quarantine }
      if !add(cells, at: key, lsn: lsn, &result) {
        self = before
        return nil
      }
    }
    return result
  }

  /// False when the policy refuses it.
  private mutating func add(
    _ cells: Cells, at key: RowKey, lsn: LSN, _ result: inout AppendResult
  ) -> Bool {
    let isTwin = key.series.table.isQuarantine
    let displaces = isTwin || policy == .last
    if let shown = state(of: key)?.shown {
      if shown.cells == cells {
        result.same += 1
        return true
      }
      if !isTwin, policy == .reject { return false }
      result.conflict += 1
    } else if isTwin {
      result.quarantined += 1
    } else {
      result.new += 1
    }
    versions[key, default: []].append(Version(lsn: lsn, cells: cells, displaces: displaces))
    return true
  }

  mutating func remove(_ table: TableID, _ spans: [SeriesSpans], lsn: LSN) {
    acts.append(Act(lsn: lsn) { key in Self.holds(spans, table, key) })
  }

  mutating func setFloor(_ instant: Int64, lsn: LSN) {
    floor = instant
    acts.append(Act(lsn: lsn) { $0.series.table == 1 && $0.time < instant })
  }

  mutating func resolve(_ key: RowKey, to cells: Cells, lsn: LSN) {
    versions[key, default: []].append(Version(lsn: lsn, cells: cells, displaces: true))
  }

  /// Nil when the policy refuses it; then nothing has happened.
  mutating func release(_ spans: [SeriesSpans], shift: Int64, lsn: LSN) -> AppendResult? {
    let before = self
    var result = AppendResult()
    let rows = self.rows(of: TableID(1).quarantine, spans)
    remove(TableID(1).quarantine, spans, lsn: lsn)
    for (key, cells) in rows {
      var target = key
      target.series.table = 1
      target.time += shift
      if target.time < floor {
        result.expired += 1
      } else if !add(cells, at: target, lsn: lsn, &result) {
        self = before
        return nil
      }
    }
    return result
  }

  func rows(of table: TableID, _ spans: [SeriesSpans]) -> [RowKey: Cells] {
    visible().filter { Self.holds(spans, table, $0.key) }
  }

  private static func holds(_ spans: [SeriesSpans], _ table: TableID, _ key: RowKey) -> Bool {
    guard key.series.table == table else { return false }
    return spans.contains { span in
      span.device == key.series.device && span.probe == key.series.probe
        && span.times.contains { $0.contains(key.time) }
    }
  }
}

extension FrameBatch {
  /// Row by row, in order of arrival.
  func rows(_ symbols: SymbolTable, _ schema: TableSchema) -> [(Int64, RowKey, Cells)] {
    let texts = Set(schema.columns.filter { $0.type == .symbol || $0.type == .text }.map(\.id))
    var rows: [(Int64, RowKey, Cells)] = []
    for frame in frames {
      for index in frame.runs {
        let run = runs[index]
        for row in 0..<run.times.count {
          let time = run.times.tick(row)
          var cells: Cells = [:]
          for cell in run.cells {
            let column = self.cells[cell].column
            guard let slot = slot(column, run: index, row: row) else { continue }
            cells[column] = texts.contains(column) ? .text(symbols.text(of: slot) ?? "?") : .int(slot)
          }
          let series = SeriesKey(table: table, device: frame.device, probe: run.probe)
          rows.append((time, RowKey(series: series, time: time), cells))
        }
      }
    }
    return rows
  }
}
