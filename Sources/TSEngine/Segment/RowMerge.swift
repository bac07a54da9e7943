/// Merges row sets of one series that overlap in time.
package enum RowMerge {
  /// All rows in time order; where several have the same instant, the one that wins by `order` (of
  /// equal LSNs, the one of the later set). O(rows log sets).
  package static func winners(_ sets: [RowSet], _ order: VersionOrder) -> RowSet {
    split(sets, order).winners
  }

  package struct Split {
    package var winners: RowSet
    /// Every version but the winner of an instant, in time order each (one set a version deep).
    package var superseded: [RowSet] = []
    /// Rows that repeat a later one of the same LSN in every value; they are in neither. Of another
    /// LSN they stay: who asks what was known between the two must find the earlier one.
    package var identicalCount = 0
  }

  /// As `winners`, and the rows that lost.
  /// - Parameter removals: rows that they remove but that must be kept lose against all others.
  package static func split(
    _ sets: [RowSet], _ order: VersionOrder, hiding removals: SeriesRemovals? = nil
  ) -> Split {
    if sets.count == 1 { return Split(winners: sets[0]) }
    let order = sortedRows(sets, order, removals)
    var layers = [RowAccumulator()]
    var identical = 0
    var start = 0
    while start < order.count {
      var end = start + 1
      while end < order.count, order[end].tick == order[start].tick { end += 1 }
      // Winners first, so layer 0 is what readers see.
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
      winners: rows[0], superseded: Array(rows.dropFirst()), identicalCount: identical)
  }

  package struct Fold {
    /// What must be stored: the rows that win among themselves, then versions they supersede, a set
    /// a version deep. Versions of one instant have LSNs from 0 in order of arrival.
    package var layers: [RowSet] = []
    package var new = 0
    package var same = 0
    package var conflict = 0
  }

  /// `sets` in order of arrival against rows that are there already: each row is new, the same as
  /// the one before it or in conflict with it, as the writer sorts frames (`Sorter`).
  package static func fold(
    _ sets: [RowSet], onto known: RowSet?, keepsFirst: Bool = false
  ) -> Fold {
    var fold = Fold()
    if known == nil, sets.count == 1 {
      fold.new = sets[0].count
      fold.layers = sets
      return fold
    }
    let all = [known].compactMap { $0 } + sets
    var order = sortedRows(all, VersionOrder(), nil)
    order.sort { ($0.tick, $0.set) < ($1.tick, $1.set) }
    var layers: [(rows: RowAccumulator, lsns: [LSN])] = []
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
        if before == nil || !keepsFirst { before = place }
      }
      for layer in kept.indices {
        if layer == layers.count { layers.append((RowAccumulator(), [])) }
        let arrival = keepsFirst ? layer : kept.count - 1 - layer
        let place = kept[arrival]
        layers[layer].rows.append(all[Int(place.set)], Int(place.row)..<(Int(place.row) + 1))
        layers[layer].lsns.append(LSN(arrival))
      }
      start = end
    }
    fold.layers = layers.map { layer in
      var rows = layer.rows.rows().compacted()
      rows.setLSNs(layer.lsns)
      return rows
    }
    return fold
  }

  private static func isEqual(_ sets: [RowSet], _ a: Place, _ b: Place) -> Bool {
    let (first, second) = (sets[Int(a.set)], sets[Int(b.set)])
    return Set(first.columns.map(\.id)).union(second.columns.map(\.id)).allSatisfy {
      first.texts.isSame(
        $0, first.slot($0, row: Int(a.row)), second.slot($0, row: Int(b.row)), or: second.texts)
    }
  }

  private struct Place {
    var tick: Int64
    /// By which versions of one instant win.
    var rank: UInt64
    var lsn: LSN
    var set: Int32
    var row: Int32
  }

  private static func sortedRows(
    _ sets: [RowSet], _ order: VersionOrder, _ removals: SeriesRemovals?
  ) -> [Place] {
    var places: [Place] = []
    places.reserveCapacity(sets.reduce(0) { $0 + $1.count })
    for (set, rows) in sets.enumerated() {
      let hidden = removals?.hidden(of: rows)
      var run = 0
      for row in 0..<rows.count {
        while rows.lsns[run].end <= row { run += 1 }
        let lsn = rows.lsns[run].lsn
        let rank =
          hidden?[row] == true ? VersionOrder.hiddenRank(of: lsn) : order.rank(of: lsn)
        places.append(
          Place(
            tick: rows.times.tick(row), rank: rank, lsn: lsn, set: Int32(set), row: Int32(row)))
      }
    }
    places.sort { ($0.tick, $0.rank, $0.set) < ($1.tick, $1.rank, $1.set) }
    return places
  }
}

extension RowSet {
  /// Says which LSN brought each row.
  mutating func setLSNs(_ all: [LSN]) {
    lsns.removeAll()
    for (row, lsn) in all.enumerated() {
      if lsns.last?.lsn == lsn {
        lsns[lsns.count - 1].end = row + 1
      } else {
        lsns.append(LSNRun(end: row + 1, lsn: lsn))
      }
    }
  }

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
