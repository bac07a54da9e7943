import Testing

@testable import TSEngine

/// The rows of a stretch within some instants are those of the whole, wherever they lie.
@Suite struct StretchWindowTests {
  let bench = StoreBench()
  let second: Int64 = 1_000_000_000

  /// What `set` holds within `times`, a line a row.
  private func lines(_ set: RowSet?, in times: Range<Int64>) -> [String] {
    guard let set else { return [] }
    var run = 0
    return (0..<set.count).compactMap { row in
      while set.lsns[run].end <= row { run += 1 }
      guard times.contains(set.times.tick(row)) else { return nil }
      let cells = set.columns.map(\.id).sorted().map { id in set.slot(id, row: row).map { "\(id)=\($0)" } ?? "" }
      return "\(set.times.tick(row)) \(set.lsns[run].lsn) \(cells.filter { !$0.isEmpty })"
    }
  }

  private func check(_ store: Store, _ note: String) throws {
    let stretches = try store.snapshot().scan(TableSchema.power.id).stretches
    #expect(!stretches.isEmpty)
    var random = SimRandom(seed: 5)
    for stretch in stretches {
      let whole = try stretch.rows()
      let span = stretch.lastTime - stretch.firstTime + 2 * second
      for _ in 0..<40 {
        let start = stretch.firstTime - second + Int64.random(in: 0...span, using: &random)
        let times = start..<(start + Int64.random(in: 0...(3 * second), using: &random))
        let found = try stretch.rows(in: times)
        #expect(lines(found, in: times) == lines(whole, in: times), "\(note) \(times)")
        #expect(found?.count ?? 0 == lines(whole, in: times).count, "\(note): nothing beside the window")
      }
      let all = (stretch.firstTime - 1)..<(stretch.lastTime + 1)
      #expect(lines(try stretch.rows(in: all), in: all) == lines(whole, in: all), "\(note): all")
    }
  }

  @Test func aWindowHoldsTheRowsOfTheWholeInHeadBlockAndMerge() throws {
    let store = try bench.open()
    for number in 0..<150 as Range<Int64> {
      // A gap makes a block irregular; a scalar voltage makes nulls.
      let at = StoreBench.start + (number + (number > 70 ? 5 : 0)) * second
      var batch = FrameBatch.power("m1", at: at, probes: [1], value: number)
      batch.addPower("m2", at: at, probes: [1], value: number)
      _ = try store.append(batch, creator: StoreBench.actor)
    }
    try check(store, "head")
    try store.seal()
    try check(store, "block")
    // Other values for some seconds: two sources overlap.
    for number in 40..<60 as Range<Int64> {
      let at = StoreBench.start + number * second
      _ = try store.append(.power("m1", at: at, probes: [1], value: number + 7), creator: StoreBench.actor)
    }
    try check(store, "block and head")
    try store.seal()
    try check(store, "two blocks")
    try store.compact()
    try check(store, "compacted")
  }
}
