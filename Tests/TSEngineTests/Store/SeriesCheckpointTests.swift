import Testing

@testable import TSEngine

/// The series checkpoint: an opening reads no index that it covers, and knows no less for it.
@Suite struct SeriesCheckpointTests {
  private let start = StoreBench.start
  private let second: Int64 = 1_000_000_000

  /// Some segments with overlaps, gaps, quarantined and irregular rows, and a checkpoint.
  private func filled(_ bench: StoreBench, segments: Int = 6) throws {
    let store = try bench.open()
    for round in 0..<Int64(segments) {
      var batch = FrameBatch(table: 1)
      for device in 0..<5 {
        batch.addPower("device-\(device)", at: start + (round * 3 + Int64(device)) * second, probes: [1, 7])
      }
      batch.beginFrame(device: "odd")
      batch.beginRun(probe: -2, times: .explicit([start + round, start + round * second + 11]))
      batch.add(1, constant: round)
      _ = try store.append(batch, creator: StoreBench.actor)
      _ = try store.append(.power("old", at: -5 - round * second), creator: StoreBench.actor)
      try store.seal()
    }
    try store.close()
    #expect(bench.disk.exists("s/SERIES"))
  }

  private func bench() -> StoreBench { StoreBench(checkpointSegmentLimit: 1) }

  /// What a series index knows, by key.
  private func coverage(_ store: Store) -> [SeriesKey: Coverage] {
    store.shared.series.withLock { index in
      Dictionary(
        uniqueKeysWithValues: (0..<index.count).map { (index.key($0), index.coverage.coverage($0)) })
    }
  }

  private func withoutCheckpoint(_ disk: SimDisk) throws -> SimDisk {
    let copy = SimDisk(copyOf: disk)
    try copy.remove("s/SERIES")
    return copy
  }

  @Test func anOpeningReadsNoIndexThatTheCheckpointCovers() throws {
    let bench = bench()
    try filled(bench)
    let store = try bench.open()
    #expect(store.segments.directories.count == 0)
    #expect(store.damages.isEmpty)
    let plain = try StoreBench(disk: withoutCheckpoint(bench.disk)).open()
    #expect(plain.segments.directories.count == 12)
    #expect(Set(coverage(store).keys) == Set(coverage(plain).keys))
    #expect(try StoreReading.rows(store.snapshot()) == StoreReading.rows(plain.snapshot()))
    // A reader of another process uses it, too.
    let reader = try bench.openReader()
    #expect(reader.segments.directories.count == 0)
    #expect(try StoreReading.rows(reader.snapshot()) == StoreReading.rows(plain.snapshot()))
  }

  @Test func whatWasThereIsKnownAndWhatIsNewIsNew() throws {
    let bench = bench()
    try filled(bench)
    let store = try bench.open()
    for round in 0..<Int64(6) {
      let again = FrameBatch.power("device-2", at: start + (round * 3 + 2) * second, probes: [1, 7])
      #expect(try store.append(again).same == 40)
    }
    let other = FrameBatch.power("device-2", at: start + 2 * second, probes: [1], value: 9)
    #expect(try store.append(other).conflict == 20)
    #expect(try store.append(.power("device-2", at: start + 100 * second)).new == 60)
  }

  /// Younger segments, also those a compaction wrote, are read; what it covers may be gone.
  @Test func itMayBeOlderThanTheSegments() throws {
    let bench = bench()
    try filled(bench)
    let old = try #require(bench.disk.allContents()["s/SERIES"])
    var store = try bench.open()
    _ = try store.append(.power("young", at: start), creator: StoreBench.actor)
    try store.compact()
    try store.close()
    #expect(bench.disk.allContents()["s/SERIES"] != old)
    bench.disk.damage("s/SERIES") { $0 = old }
    store = try bench.open()
    #expect(store.segments.directories.count > 0)
    #expect(try store.append(.power("young", at: start)).same == 60)
    #expect(try store.append(.power("device-0", at: start, probes: [1, 7])).same == 40)
  }

  @Test func aNumberGivenAgainIsNotTakenForTheSegmentThatHadIt() throws {
    let bench = bench()
    try filled(bench)
    let store = try bench.open()
    let checkpoint = SeriesCheckpoint.load(
      bench.disk, StoreBench.path, store.storeID, into: SeriesCatalog())
    for segment in store.snapshot().segments {
      #expect(checkpoint.covers(segment.meta))
      var other = segment.meta
      other.rowCount += 1
      #expect(!checkpoint.covers(other))
    }
  }

  @Test(arguments: 0..<4) func aDamagedCheckpointCostsTimeAndNothingElse(part: Int) throws {
    let bench = bench()
    try filled(bench, segments: 2)
    let plain = try StoreBench(disk: withoutCheckpoint(bench.disk)).open()
    let (rows, known) = (try StoreReading.rows(plain.snapshot()), coverage(plain))
    let byteCount = try #require(bench.disk.allContents()["s/SERIES"]).count
    let step = max(1, 40_000 / seedCount(1000))
    for index in stride(from: part, to: byteCount * 8, by: step) {
      let disk = SimDisk(copyOf: bench.disk)
      if index % 3 == 0 {
        disk.damage("s/SERIES") { $0.removeLast($0.count - index / 8) }
      } else {
        disk.flipBit("s/SERIES", index)
      }
      let store = try StoreBench(disk: disk).open()
      #expect(store.damages.isEmpty)
      let found = coverage(store)
      for (key, coverage) in known {
        for run in coverage.runs {
          let times = SampleTimes.explicit(run.first == run.last ? [run.first] : [run.first, run.last])
          #expect(found[key]?.check(times) == coverage.check(times), "byte \(index / 8): \(key)")
        }
      }
      if index % 5 == 0 { #expect(try StoreReading.rows(store.snapshot()) == rows) }
    }
  }

  /// A covered index is read before anything unnamed is removed: it may be what the unnamed file has.
  @Test func nothingUnnamedIsRemovedWhileACoveredIndexIsDamaged() throws {
    let bench = bench()
    try filled(bench)
    let contents = bench.disk.allContents()
    let name = try #require(contents.keys.sorted().first { $0.hasSuffix(".data") })
    let bytes = try #require(contents[name])
    let file = try bench.disk.open("s/data/000900.data", .create)
    try file.write(bytes.rawSpan, at: 0)
    try file.sync()
    file.close()
    try bench.disk.syncDirectory("s/data")
    let whole = SimDisk(copyOf: bench.disk)
    _ = try StoreBench(disk: whole).open()
    #expect(!whole.exists("s/data/000900.data"))
    bench.disk.damage(name) { $0[$0.count - 60] ^= 1 }
    let store = try StoreBench(disk: bench.disk).open()
    #expect(bench.disk.exists("s/data/000900.data@0.unnamed"))
    #expect(store.damages.count == 1)
  }

  @Test func itIsWrittenInStepsBesideIngest() throws {
    let bench = bench()
    let store = try bench.open()
    _ = try store.append(.power("m1", at: start), creator: StoreBench.actor)
    try store.seal()
    var steps = 0
    while try store.checkpointStep() {
      steps += 1
      _ = try store.append(.power("n\(steps)", at: start), creator: StoreBench.actor)
      #expect(steps < 100)
      if steps == 1 {
        // Whoever is killed here leaves it unfinished.
        let killed = SimDisk(copyOf: bench.disk)
        #expect(killed.exists("s/SERIES.tmp"))
        killed.restart()
        let next = try StoreBench(disk: killed).open()
        #expect(!killed.exists("s/SERIES.tmp"))
        #expect(try next.append(.power("m1", at: start)).same == 60)
      }
      if steps == 2 { break }
    }
    while try store.checkpointStep() {}
    #expect(bench.disk.exists("s/SERIES") && !bench.disk.exists("s/SERIES.tmp"))
    #expect(try !store.checkpointStep(), "nothing has changed")
    bench.disk.restart()
    let again = try bench.open()
    #expect(again.segments.directories.count == 0)
    #expect(try again.append(.power("m1", at: start)).same == 60)
    #expect(try again.append(.power("n1", at: start)).same == 60)
  }

  @Test func aFullDiskLeavesTheOldCheckpointAndNoUnfinishedOne() throws {
    let bench = bench()
    try filled(bench)
    let old = bench.disk.allContents()["s/SERIES"]
    let store = try bench.open()
    _ = try store.append(.power("m1", at: start), creator: StoreBench.actor)
    try store.seal()
    let change = bench.disk.changeCount
    bench.disk.plan([SimFault(.change(change + 2), .error(28))])
    #expect(throws: StorageError.self) { while try store.checkpointStep() {} }
    #expect(bench.disk.allContents()["s/SERIES"] == old && !bench.disk.exists("s/SERIES.tmp"))
    #expect(try store.append(.power("m1", at: start)).same == 60)
  }
}
