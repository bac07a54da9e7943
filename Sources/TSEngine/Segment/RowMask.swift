/// Rows of a source that do not count: removed ones, and ones that came after what is asked for.
package struct RowMask: Sendable {
  package enum Verdict: Sendable {
    case nothing
    case part(RowMask)
    /// No row is left; the mask says by what.
    case everything(RowMask)
  }

  package var removals: [Removal]
  /// Rows that later LSNs brought do not count.
  package var through: LSN = .max

  package init(removals: [Removal], through: LSN = .max) {
    self.removals = removals
    self.through = through
  }

  /// Whether rows are masked that count, but not for whoever looks.
  var hidesForeign: Bool { removals.contains { $0.lsn == .max } }

  package var isEmpty: Bool { removals.isEmpty && through == .max }

  /// Element r tells whether row r is masked. O(rows + removals · log rows + masked rows).
  package func hidden(of rows: RowSet) -> [Bool] {
    var hidden = [Bool](repeating: false, count: rows.count)
    if rows.count == 0 { return hidden }
    let lsns = rows.lsnOfEachRow()
    for removal in removals {
      var row = rows.times.firstRow(atOrAfter: removal.times.lowerBound)
      while row < rows.count, rows.times.tick(row) <= removal.times.upperBound {
        if lsns[row] < removal.lsn { hidden[row] = true }
        row += 1
      }
    }
    if through != .max {
      for row in 0..<rows.count where lsns[row] > through { hidden[row] = true }
    }
    return hidden
  }

  /// The event that took each row first; 0 where none did. Complexity as of `hidden`.
  package func removers(of rows: RowSet) -> [LSN] {
    var removers = [LSN](repeating: 0, count: rows.count)
    if rows.count == 0 { return removers }
    let lsns = rows.lsnOfEachRow()
    for removal in removals {
      var row = rows.times.firstRow(atOrAfter: removal.times.lowerBound)
      while row < rows.count, rows.times.tick(row) <= removal.times.upperBound {
        if lsns[row] < removal.lsn || Planted.has(.purgeTakesLaterReadings),
          removers[row] == 0 || removers[row] > removal.lsn
        {
          removers[row] = removal.lsn
        }
        row += 1
      }
    }
    return removers
  }

  /// The rows that count; possibly none.
  package func applied(to rows: RowSet) -> RowSet {
    rows.leavingOut(hidden(of: rows))
  }
}

extension RowSet {
  /// The rows whose element of `hidden` is false; possibly none.
  func leavingOut(_ hidden: [Bool]) -> RowSet {
    guard hidden.contains(true) else { return self }
    var kept = RowAccumulator()
    var row = 0
    while row < count {
      let start = row
      while row < count, !hidden[row] { row += 1 }
      kept.append(self, start..<row)
      while row < count, hidden[row] { row += 1 }
    }
    return kept.rows().compacted()
  }

  /// Which LSN brought each row. O(rows).
  func lsnOfEachRow() -> [LSN] {
    var all: [LSN] = []
    all.reserveCapacity(count)
    for run in lsns { for _ in all.count..<run.end { all.append(run.lsn) } }
    return all
  }
}
