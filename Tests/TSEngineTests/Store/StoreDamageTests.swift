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
  static func sample() throws -> Sample {
    let bench = StoreBench(seed: 4)
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
    let count = store.snapshot().events().count
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
    let snapshot = store.snapshot()
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
    let isAll = found.count == sample.visible.count && snapshot.events().count == sample.eventCount
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
}
