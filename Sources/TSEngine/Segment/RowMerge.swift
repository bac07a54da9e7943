/// Merges row sets of one series that overlap in time.
package enum RowMerge {
  /// All rows in time order; where several have the same instant, the one of the newest LSN (of
  /// equal LSNs, the one of the later set). O(rows log sets).
  package static func newest(_ sets: [RowSet]) -> RowSet { split(sets).newest }

  package struct Split {
    package var newest: RowSet
    /// Every version but the newest of an instant, in time order each (one set a version deep).
    package var superseded: [RowSet] = []
    /// Rows that repeat a later one of the same LSN in every value; they are in neither. Of another
    /// LSN they stay: who asks what was known between the two must find the earlier one.
    package var identicalCount = 0
  }

  /// As `newest`, and the rows that lost.
  package static func split(_ sets: [RowSet]) -> Split {
    if sets.count == 1 { return Split(newest: sets[0]) }
    let order = sortedRows(sets)
    var layers = [RowAccumulator()]
    var identical = 0
    var start = 0
    while start < order.count {
      var end = start + 1
      while end < order.count, order[end].tick == order[start].tick { end += 1 }
      // Newest first, so layer 0 is what readers see.
      var layer = 0
      var newer: Place?
      for place in order[start..<end].reversed() {
        if let newer, place.lsn == newer.lsn, isEqual(sets, place, newer) {
          identical += 1
          continue
        }
        if layer == layers.count { layers.append(RowAccumulator()) }
        layers[layer].append(sets[Int(place.set)], Int(place.row)..<(Int(place.row) + 1))
        newer = place
        layer += 1
      }
      start = end
    }
    let rows = layers.map { $0.rows().compacted() }
    return Split(
      newest: rows[0], superseded: Array(rows.dropFirst()), identicalCount: identical)
  }

  package struct Fold {
    /// What must be stored: the newest rows, then versions they supersede, a set a version deep.
    package var layers: [RowSet] = []
    package var new = 0
    package var same = 0
    package var conflict = 0
  }

  /// `sets` in order of arrival against rows that are there already: each row is new, the same as
  /// the one before it or in conflict with it, as the writer sorts frames (`Sorter`).
  package static func fold(_ sets: [RowSet], onto known: RowSet?) -> Fold {
    var fold = Fold()
    if known == nil, sets.count == 1 {
      fold.new = sets[0].count
      fold.layers = sets
      return fold
    }
    let all = [known].compactMap { $0 } + sets
    var order = sortedRows(all)
    order.sort { ($0.tick, $0.set) < ($1.tick, $1.set) }
    var layers: [RowAccumulator] = []
    var start = 0
    while start < order.count {
      var end = start
      var before: Place?
      var kept: [Place] = []
      while end < order.count, order[end].tick == order[start].tick {
        let place = order[end]
        end += 1
        if known != nil, place.set == 0 {
          before = place
          continue
        }
        if let before, isEqual(all, place, before) {
          fold.same += 1
          continue
        }
        if before == nil { fold.new += 1 } else { fold.conflict += 1 }
        kept.append(place)
        before = place
      }
      for (layer, place) in kept.reversed().enumerated() {
        if layer == layers.count { layers.append(RowAccumulator()) }
        layers[layer].append(all[Int(place.set)], Int(place.row)..<(Int(place.row) + 1))
      }
      start = end
    }
    fold.layers = layers.map { $0.rows().compacted() }
    return fold
  }

  private static func isEqual(_ sets: [RowSet], _ a: Place, _ b: Place) -> Bool {
    let (first, second) = (sets[Int(a.set)], sets[Int(b.set)])
    return Set(first.columns.map(\.id)).union(second.columns.map(\.id)).allSatisfy {
      first.slot($0, row: Int(a.row)) == second.slot($0, row: Int(b.row))
    }
  }

  private struct Place {
    var tick: Int64
    var lsn: LSN
    var set: Int32
    var row: Int32
  }

  private static func sortedRows(_ sets: [RowSet]) -> [Place] {
    var places: [Place] = []
    places.reserveCapacity(sets.reduce(0) { $0 + $1.count })
    for (set, rows) in sets.enumerated() {
      var run = 0
      for row in 0..<rows.count {
        while rows.lsns[run].end <= row { run += 1 }
        places.append(
          Place(
            tick: rows.times.tick(row), lsn: rows.lsns[run].lsn, set: Int32(set), row: Int32(row)))
      }
    }
    places.sort { ($0.tick, $0.lsn, $0.set) < ($1.tick, $1.lsn, $1.set) }
    return places
  }
}

extension RowSet {
  /// The same rows, with explicit instants that form one regular run said as one.
  package func compacted() -> RowSet {
    guard case .explicit(let instants) = times, instants.count > 1 else { return self }
    let (step, overflow) = instants[1].subtractingReportingOverflow(instants[0])
    guard !overflow,
      let regular = RegularTimes(
        start: instants[0], count: instants.count, stepNumerator: step, stepDenominator: 1),
      regular.last == instants[instants.count - 1],
      instants.indices.allSatisfy({ regular.tick($0) == instants[$0] })
    else { return self }
    var rows = self
    rows.times = .regular(regular)
    return rows
  }
}
