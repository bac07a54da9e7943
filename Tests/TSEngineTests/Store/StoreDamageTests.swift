import Testing

@testable import TSEngine

/// Every bit of a small store flipped, every file cut at every byte: an error or a report that
/// names what is lost, never a trap, never a wrong value.
@Suite struct StoreDamageTests {
  struct Sample {
    let disk: SimDisk
    /// All versions of every row.
    let versions: [RowKey: [Cells]]
    let visible: [RowKey: Cells]
    let eventCount: Int
    let files: [(path: String, byteCount: Int)]
  }

  /// Sealed, compacted, superseded, bulk, quarantined and unsealed rows, events, a message.
  static func sample(_ sharing: BlockBuilder.Sharing = BlockBuilder.Sharing()) throws -> Sample {
    let bench = StoreBench(seed: 4, sharing: sharing)
    var model = StoreModel()
    var store = try bench.open()
    func append(_ batch: FrameBatch, messages: [ReceivedMessage] = []) throws {
      _ = model.append(batch, now: bench.clock.nowNanos(), symbols: store.symbols, schema: .power)
      _ = try store.append(batch, creator: StoreBench.actor, messages: messages)
    }
    let start = StoreBench.start
    try append(.power("m1", at: start))
    try store.seal()
    try append(.power("m1", at: start, probes: [1], count: 5, value: 3))
    try append(.power("m2", at: start, probes: [7], count: 300))
    try store.compact()
    try append(.power("m1", at: start + 20_000_000_000, probes: [1]))
    try append(.power("m1", at: -5, probes: [1], count: 3))
    var load = try store.bulkWriter(1, creator: StoreBench.actor)
    let bulk = FrameBatch.power("m3", at: start, probes: [1])
    try load.append(bulk)
    _ = try load.commit()
    _ = model.append(bulk, now: bench.clock.nowNanos(), symbols: store.symbols, schema: .power)
    try store.seal()
    try append(
      .power("m4", at: start), messages: [ReceivedMessage(device: "m4", interface: "m", topic: "t")])
    try store.close()
    store = try bench.open()
    try append(.power("m4", at: start + 1_000_000_000, probes: [2]))
    try append(.power("m4", at: start + 2_000_000_000, probes: [2]))
    let count = try store.snapshot().events().count
    try store.close()
    let files = bench.disk.allContents().map { (path: $0.key, byteCount: $0.value.count) }
      .filter { !$0.path.hasSuffix("LOCK") && !$0.path.hasSuffix("RESERVE") }
      .sorted { $0.path < $1.path }
    return Sample(
      disk: bench.disk, versions: model.versions, visible: model.visible, eventCount: count,
      files: files)
  }

  /// Opens and reads a damaged copy. Returns whether anything was said of damage.
  static func read(_ disk: SimDisk, of sample: Sample, readOnly: Bool, _ note: String) throws -> Bool {
    let bench = StoreBench(seed: 5, disk: disk)
    let store: Store
    do {
      store = try readOnly ? bench.openReader() : bench.open()
    } catch { return true }
    var told = !store.damages.isEmpty
    let snapshot = store.snapshot().readingAroundDamage()
    for segment in snapshot.segments where segment.isDamaged {
      // Who does not ask to read around it is told, whatever else is there (R9).
      let error = #expect(throws: StorageError.self) { _ = try store.snapshot().scan(segment.table) }
      #expect(error?.code == .corrupt && error?.file == segment.file.path, "\(note)")
    }
    var found: [RowKey: Cells] = [:]
    for table in [TableID(1), TableID(1).quarantine] {
      for stretch in try snapshot.scan(table).stretches {
        do {
          for (key, cells, _) in try StoreReading.rows(stretch, .power, snapshot.symbols, note) {
            found[key] = cells
          }
        } catch { told = true }
      }
    }
    for (key, cells) in found {
      if sample.visible[key] == cells { continue }
      // An older version shows only where the newer one is known to be lost.
      let known = sample.versions[key]?.contains(cells) ?? false
      if !known || !told { Issue.record("\(note): wrong value at \(key)") }
    }
    let isAll = try found.count == sample.visible.count && snapshot.events().count == sample.eventCount
    if !isAll && !told { Issue.record("\(note): \(sample.visible.count - found.count) rows lost in silence") }
    if !readOnly { try? store.close() }
    return told
  }

  @Test(arguments: 0..<4) func aFlippedBitIsNeverAWrongValue(part: Int) throws {
    let sample = try Self.sample()
    let step = max(1, 3_000_000 / seedCount(1000) | 1)
    var index = 0
    for file in sample.files {
      for bit in stride(from: part * step / 4, to: file.byteCount * 8, by: step) {
        index += 1
        guard index % 4 == part else { continue }
        let disk = SimDisk(copyOf: sample.disk)
        disk.flipBit(file.path, bit)
        let note = "\(file.path) bit \(bit)"
        _ = try Self.read(disk, of: sample, readOnly: index % 8 < 4, note)
      }
    }
  }

  @Test(arguments: 0..<4) func aFileCutShortIsNeverAWrongValue(part: Int) throws {
    let sample = try Self.sample()
    let step = max(1, 2_000_000 / seedCount(1000))
    for file in sample.files {
      let isLastLog = file.path == sample.files.last { $0.path.hasPrefix("s/log/") }?.path
      // Cutting the newest batches off the log is what a torn write looks like.
      if isLastLog { continue }
      let stride = max(1, min(step, file.byteCount / 7 | 1))
      for end in Swift.stride(from: 0, to: file.byteCount, by: stride) where end / stride % 4 == part {
        let disk = SimDisk(copyOf: sample.disk)
        disk.damage(file.path) { $0.removeLast($0.count - end) }
        _ = try Self.read(disk, of: sample, readOnly: end % 2 == 0, "\(file.path) cut at \(end)")
      }
    }
  }

  @Test func aMissingFileIsReportedAndNothingIsDeletedForIt() throws {
    let sample = try Self.sample()
    for file in sample.files where !file.path.hasSuffix("STORE") {
      if file.path == sample.files.last(where: { $0.path.hasPrefix("s/log/") })?.path { continue }
      let disk = SimDisk(copyOf: sample.disk)
      try disk.remove(file.path)
      let before = disk.allContents().keys.filter { $0.hasSuffix(".data") || $0.hasSuffix(".journal") }
      _ = try Self.read(disk, of: sample, readOnly: false, "\(file.path) missing")
      let after = disk.allContents().keys
      for path in before {
        #expect(after.contains { $0.hasPrefix(path) }, "\(path) deleted for \(file.path)")
      }
    }
  }

  @Test func verifyReadsEverythingAndFindsEachDamage() throws {
    let sample = try Self.sample()
    let bench = StoreBench(seed: 5, disk: sample.disk)
    let whole = try Verify.run(bench.options(readOnly: true), StoreBench.path)
    #expect(whole.isWhole && whole.setAside.isEmpty && whole.tornTails.isEmpty, "\(whole)")
    let bytes = sample.files.reduce(0) { $0 + $1.byteCount }
    #expect(whole.fileCount == sample.files.count && whole.byteCount == bytes)
    #expect(whole.rowCount > 300 && whole.eventCount > 0 && whole.batchCount > 2)
    for file in sample.files {
      for bit in stride(from: 3, to: file.byteCount * 8, by: max(1, file.byteCount * 8 / 9)) {
        let disk = SimDisk(copyOf: sample.disk)
        disk.flipBit(file.path, bit)
        let damaged = StoreBench(seed: 5, disk: disk)
        let report = try? Verify.run(damaged.options(readOnly: true), StoreBench.path)
        // Behind the last batch nothing witnesses, damage cannot be told from a torn write.
        let isLastSector = file.path.contains("log/") && bit / 8 >= file.byteCount - 4096
        let isTold = report?.isWhole != true || (isLastSector && report?.tornTails.isEmpty == false)
        #expect(isTold, "\(file.path) bit \(bit) of \(file.byteCount)")
      }
    }
  }

  @Test func verifyWorksBesideAWriter() throws {
    let bench = StoreBench()
    let store = try bench.open()
    for second in 0..<6 as Range<Int64> {
      _ = try store.append(
        .power("m1", at: StoreBench.start + second * 1_000_000_000), creator: StoreBench.actor)
      if second % 2 == 1 { try store.seal() }
      let report = try Verify.run(bench.options(readOnly: true), StoreBench.path)
      #expect(report.isWhole && report.newestLSN == store.durableLSN, "\(report)")
    }
  }

  /// R9: an index that is damaged costs the answers that need it, and no others; whoever asks for what is
  /// left gets it.
  @Test func aQueryThatNeedsADamagedIndexFailsAndNamesIt() throws {
    let bench = StoreBench()
    let day: Int64 = 86_400_000_000_000
    let start = StoreBench.start
    var store = try bench.open()
    for age in 0..<3 as Range<Int64> {
      _ = try store.append(
        .power("m\(age)", at: start - age * 40 * day, probes: [1]), creator: StoreBench.actor)
      try store.seal()
    }
    let victim = try #require(store.snapshot().segments.first { $0.firstTime < start - 79 * day })
    try store.close()
    let path = "s/data/\(FileNames.dataSegment(victim.id))"
    let whole = try #require(bench.disk.contents(path))
    bench.disk.damage(path) { $0[$0.count - 60] ^= 1 }
    for readOnly in [false, true] {
      store = try readOnly ? bench.openReader() : bench.open()
      let snapshot = store.snapshot()
      let error = #expect(throws: StorageError.self) { _ = try snapshot.scan(1) }
      #expect(error?.code == .corrupt && error?.file == path)
      #expect(error?.reason.contains("tsq salvage") == true)
      #expect(throws: StorageError.self) {
        _ = try snapshot.scan(1, .init(devices: ["m0"], times: (start - 81 * day)..<(start - 70 * day)))
      }
      #expect(throws: StorageError.self) { _ = try snapshot.asKnown(at: snapshot.lsn - 1).scan(1) }
      let later = try snapshot.scan(1, .init(times: (start - 60 * day)..<(start + day))).stretches
      #expect(later.reduce(0) { $0 + $1.rowCount } == 40, "other times answer")
      let left = try snapshot.readingAroundDamage().scan(1).stretches
      #expect(left.reduce(0) { $0 + $1.rowCount } == (readOnly ? 60 : 40), "around it")
      #expect(store.damages.count { $0.file == FileNames.dataSegment(victim.id) } == 1)
      if !readOnly {
        let answer = try store.append(
          .power("m9", at: start - 80 * day, probes: [1]), creator: StoreBench.actor)
        #expect(answer.new == 20, "what comes there is taken")
        try store.seal()
      }
      try store.close()
    }
    bench.disk.damage(path) { $0 = whole }
    store = try bench.open()
    #expect(try store.snapshot().scan(1).stretches.reduce(0) { $0 + $1.rowCount } == 80, "mended")
  }

  /// What compaction finds damaged is told, and not tried over and over.
  @Test func damageThatCompactionMeetsIsToldAndLeftAlone() throws {
    let bench = StoreBench()
    var store = try bench.open()
    for round in 0..<4 as Range<Int64> {
      var batch = FrameBatch(table: 1)
      batch.beginFrame(device: "m1")
      let times = RegularTimes(
        start: StoreBench.start - round * 1_000_000_000_000, span: 90_000_000_000, count: 1800)!
      batch.beginRun(probe: 1, times: .regular(times))
      batch.add(1, (0..<1800).map { ($0 * 7919) % 1009 })
      _ = try store.append(batch, creator: StoreBench.actor)
      try store.seal()
    }
    let victim = store.snapshot().segments[1]
    try store.close()
    bench.disk.flipBit("s/data/\(FileNames.dataSegment(victim.id))", 8 * 80)
    store = try bench.open { $0.compaction = CompactionPlan.Options() }
    #expect(store.damages.isEmpty)
    func settle() {
      while case .idle(let nanos) = store.compactStep(), nanos < 1_000_000_000 {}
    }
    settle()
    settle()
    #expect(store.damages.map(\.file) == [FileNames.dataSegment(victim.id)])
    #expect(store.damages.first?.firstLSN == victim.meta.oldestLSN)
    bench.clock.advance(nanos: 10 * 86_400_000_000_000)
    let segments = store.snapshot().segments.map(\.id)
    settle()
    settle()
    #expect(store.snapshot().segments.contains { $0.id == victim.id })
    #expect(store.damages.count == 1 && segments.contains(victim.id))
    #expect(throws: StorageError.self) { try store.compact() }
    #expect(store.damages.count == 1)
  }

  /// R5: a bulk append is given its LSN when all before it is durable, so a batch right before it that
  /// fails its check was acknowledged: damage, not a torn write.
  @Test func aBulkAppendWitnessesTheBatchBeforeIt() throws {
    for isFollowed in [false, true] {
      let bench = StoreBench()
      var store = try bench.open()
      _ = try store.append(.power("m1", at: StoreBench.start), creator: StoreBench.actor)
      let lost = try store.append(
        .power("m1", at: StoreBench.start + 1_000_000_000), creator: StoreBench.actor).lsn
      if isFollowed {
        for round in 0..<2 as Range<Int64> {
          var load = try store.bulkWriter(1, creator: StoreBench.actor)
          try load.append(.power("m1", at: StoreBench.start + (5 + round) * 1_000_000_000))
          _ = try load.commit()
        }
      }
      let files = bench.disk.allContents().keys.filter { $0.hasPrefix("s/log/") && $0.hasSuffix(".log") }
      let path = try #require(files.max())
      let disk = SimDisk(copyOf: bench.disk)
      let bytes = try #require(disk.contents(path) as [UInt8]?)
      let batch = try #require(
        stride(from: 0, to: bytes.count, by: 4096).reversed()
          .first { bytes[$0..<($0 + 4)].elementsEqual("TSQB".utf8) })
      disk.damage(path) { $0[batch + 100] ^= 1 }
      store = try StoreBench(seed: 2, disk: disk).open()
      #expect(store.damages.contains { $0.firstLSN <= lost && lost <= $0.lastLSN } == isFollowed)
      #expect(try StoreReading.rows(store.snapshot()).count == (isFollowed ? 180 : 60))
      #expect(try store.append(.power("m2", at: StoreBench.start), creator: StoreBench.actor).new == 60)
      try store.close()
    }
  }

  /// A block that the disk cannot give must not hold back for ever who sends its readings again: over
  /// MQTT that would hold a whole session.
  @Test func whatCannotBeReadDoesNotRefuseWhatComesAgain() throws {
    let bench = StoreBench()
    var store = try bench.open()
    // Not of one regular step, so that only the rows tell what is there.
    var batch = FrameBatch(table: 1)
    batch.beginFrame(device: "m1")
    let times = (0..<40).map { StoreBench.start + $0 * $0 * 1_000_000 } as [Int64]
    batch.beginRun(probe: 1, times: .explicit(times))
    batch.add(1, (0..<40).map { $0 % 7 * 1_000_003 })
    _ = try store.append(batch, creator: StoreBench.actor)
    try store.compact()
    try store.close()
    store = try bench.open { $0.cacheByteLimit = 0 }
    bench.disk.plan([SimFault(.nth(.read, 0), .error(5), isSticky: true)])
    #expect(try store.append(batch, creator: StoreBench.actor).new == 40)
    bench.disk.plan([SimFault(.nth(.read, 0), .error(24), isSticky: true)])
    #expect(throws: StorageError.self) { try store.append(batch, creator: StoreBench.actor) }
    bench.disk.plan([])
    #expect(try store.append(batch, creator: StoreBench.actor).same == 40)
    #expect(try StoreReading.rows(store.snapshot()).count == 40)
  }
}
