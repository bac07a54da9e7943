/// Leaves of the rows that one LSN brought to one series, wherever these are: the same distinct
/// rows give the same leaves, however they are spread over sets.
struct LeafRows {
  private typealias Place = (set: Int, row: Int)

  private let series: SeriesKey
  private let lsn: LSN
  private let sets: [RowSet]
  private let schema: LeafSchema

  init(_ sets: [RowSet], of series: SeriesKey, lsn: LSN, schema: LeafSchema) {
    self.series = series
    self.lsn = lsn
    self.sets = sets
    self.schema = schema
  }

  /// Calls `emit` for each leaf, in order of time; its bytes are in `writer`.
  func forEach<Failure: Error>(
    _ writer: inout LeafWriter, _ emit: (LeafKey, LeafWriter) throws(Failure) -> Void
  ) throws(Failure) {
    let places = order(&writer)
    var start = 0
    while start < places.count {
      var (end, instants) = (start, 0)
      while end < places.count {
        let isNew = end == start || time(places[end]) != time(places[end - 1])
        if isNew, instants == ProofFormat.leafInstantCount { break }
        if isNew { instants += 1 }
        end += 1
      }
      let part = places[start..<end]
      writer.write(
        schema, lsn: lsn, device: series.device, probe: series.probe, times: part.map { time($0) },
        columns: columns(part))
      try emit(
        LeafKey(
          lsn: lsn, table: series.table, device: series.device, probe: series.probe,
          time: time(places[start])), writer)
      start = end
    }
  }

  /// Calls `isFound` for each run of as many instants as a leaf holds, or of what is left behind its
  /// first one, that holds `time`, until it says yes.
  func forEachRun(
    holding time: Int64, _ writer: inout LeafWriter, _ isFound: (LeafKey, LeafWriter) -> Bool
  ) {
    let places = order(&writer)
    // Where each instant begins.
    let starts = places.indices.filter { $0 == 0 || self.time(places[$0]) != self.time(places[$0 - 1]) }
    guard let instant = starts.firstIndex(where: { self.time(places[$0]) == time }) else { return }
    for first in max(0, instant - ProofFormat.leafInstantCount + 1)...instant {
      let last = first + ProofFormat.leafInstantCount
      let part = places[starts[first]..<(last < starts.count ? starts[last] : places.count)]
      writer.write(
        schema, lsn: lsn, device: series.device, probe: series.probe, times: part.map { self.time($0) },
        columns: columns(part))
      let key = LeafKey(
        lsn: lsn, table: series.table, device: series.device, probe: series.probe,
        time: self.time(places[starts[first]]))
      if isFound(key, writer) { return }
    }
  }

  private func time(_ place: Place) -> Int64 { sets[place.set].times.tick(place.row) }

  private func columns(_ places: ArraySlice<Place>) -> [LeafWriter.Column] {
    schema.columns.compactMap { column in
      let parts = sets.map { $0.column(column.id) }
      guard parts.contains(where: { $0 != nil }) else { return nil }
      var slots: [Int64] = []
      var valid: [Bool] = []
      for place in places {
        let slot = parts[place.set]?.slot(row: place.row)
        slots.append(slot ?? 0)
        valid.append(slot != nil)
      }
      return LeafWriter.Column(schema: column, slots: slots[...], valid: valid[...])
    }
  }

  /// The distinct rows in order of time; of one instant, in order of their bytes.
  private func order(_ writer: inout LeafWriter) -> [Place] {
    if sets.count == 1 { return (0..<sets[0].count).map { (0, $0) } }
    var sorted: [(time: Int64, place: Place)] = []
    for (index, set) in sets.enumerated() {
      for row in 0..<set.count { sorted.append((set.times.tick(row), (index, row))) }
    }
    sorted.sort { $0.time < $1.time }
    var ordered: [Place] = []
    var start = 0
    while start < sorted.count {
      var end = start + 1
      while end < sorted.count, sorted[end].time == sorted[start].time { end += 1 }
      if end - start == 1 {
        ordered.append(sorted[start].place)
      } else {
        var versions: [(bytes: [UInt8], place: Place)] = []
        for row in sorted[start..<end] { versions.append((bytes(row.place, &writer), row.place)) }
        versions.sort { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        for (index, version) in versions.enumerated()
        where index == 0 || versions[index - 1].bytes != version.bytes {
          ordered.append(version.place)
        }
      }
      start = end
    }
    return ordered
  }

  private func bytes(_ place: Place, _ writer: inout LeafWriter) -> [UInt8] {
    var values: [(column: LeafSchema.Column, slot: Int64)] = []
    for column in schema.columns {
      guard let slot = sets[place.set].column(column.id)?.slot(row: place.row) else { continue }
      values.append((column, slot))
    }
    return writer.bytes(ofRow: values)
  }
}

extension RowSet.Column {
  /// Nil where the row is null.
  fileprivate func slot(row: Int) -> Int64? {
    if let validity, validity[row / 64] >> UInt64(row % 64) & 1 == 0 { return nil }
    switch content {
    case .constant(let value): return value
    case .values(let slots): return slots[row]
    }
  }
}
