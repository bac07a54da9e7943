import Testing

@testable import TSEngine

@Suite struct LogWriterTests {
  @Test func everyOpenStartsASegmentUnderAHigherEpoch() throws {
    let bench = try LogBench()
    for life in 1...4 as ClosedRange<UInt64> {
      let opened = try bench.open(ahead: 8192)
      #expect(opened.writer.segmentID == life)
      #expect(try opened.writer.commit([UInt8(life)]) == life)
      if life % 2 == 0 { try opened.writer.close() } else { bench.disk.crash(seed: life) }
    }
    let (scan, records) = try LogBench.scan(bench.disk)
    #expect(scan.epoch == 4 && scan.segments.map(\.id) == [1, 2, 3, 4])
    #expect(records.map(\.body) == [[1], [2], [3], [4]])
  }

  @Test func commitTimeNeverRunsBackwards() throws {
    let bench = try LogBench()
    let writer = try bench.open().writer
    var times: [Int64] = []
    for nanos in [5_000, 1_000, 6_000, -9, 6_001] as [Int64] {
      bench.clock.jump(toNanos: nanos)
      var batch = LogBatchBuilder.frames([1])
      times.append(try writer.append(&batch).commitNanos)
    }
    #expect(times == [5_000, 5_000, 6_000, 6_000, 6_001])
    try writer.close()
    bench.clock.jump(toNanos: 0)
    var batch = LogBatchBuilder.frames([2])
    #expect(try bench.open().writer.append(&batch).commitNanos == 6_001)
  }

  @Test func aSkippedRangeIsReportedAsAJump() throws {
    let bench = try LogBench()
    let writer = try bench.open().writer
    try writer.commit([1])
    writer.skip(to: 100, commitNanos: 0)
    #expect(try writer.commit([2]) == 100)
    writer.skip(to: 200, commitNanos: 0)
    try writer.rotate()
    #expect(try writer.commit([3]) == 200)
    try writer.close()
    #expect(try bench.open(nextLSN: 300).writer.commit([4]) == 300)
    let (scan, records) = try LogBench.scan(bench.disk)
    #expect(scan.jumps.map(\.skipped) == [2...99, 101...199, 201...299])
    #expect(scan.damaged.isEmpty)
    #expect(records.map(\.lsn) == [1, 100, 200, 300])
  }

  @Test func aBatchMayBeAppendedAgainAfterAFullDisk() throws {
    let bench = try LogBench(disk: SimDisk(capacity: 10_000))
    let writer = try bench.open().writer
    var batch = LogBatchBuilder.frames([UInt8](repeating: 1, count: 9_000), [2])
    #expect(throws: StorageError.self) { _ = try writer.append(&batch) }
    bench.disk.capacity = nil
    let appended = try writer.append(&batch)
    try writer.sync()
    #expect(appended.firstLSN == 1 && appended.nextLSN == 3 && writer.durableLSN == 2)
    let (scan, records) = try LogBench.scan(bench.disk)
    #expect(records.count == 2 && scan.epoch == 2, "a truncated LSN comes back under a new epoch")
  }

  @Test func emptyAndOversizedBatchesAreRefusedWithoutEffect() throws {
    let bench = try LogBench()
    let writer = try bench.open().writer
    var empty = LogBatchBuilder()
    var huge = LogBatchBuilder()
    huge.add(.frame, [UInt8](repeating: 0, count: LogFormat.maximumPayloadByteCount))
    for refused in [0, 1] {
      let error = #expect(throws: StorageError.self) {
        _ = refused == 0 ? try writer.append(&empty) : try writer.append(&huge)
      }
      #expect(error?.code == .invalid)
    }
    #expect(try writer.commit([1]) == 1)
  }

  @Test func anIdleSealIsWrittenOnceAndTakesNoLSN() throws {
    let bench = try LogBench()
    let writer = try bench.open().writer
    #expect(!writer.needsIdleSeal)
    try writer.commit([1])
    try writer.writeIdleSeal()
    let byteCount = writer.segmentByteCount
    try writer.writeIdleSeal()
    #expect(writer.segmentByteCount == byteCount && writer.nextLSN == 2)
    let (scan, _) = try LogBench.scan(bench.disk)
    #expect(scan.witnessedLSN == 1)
  }

  @Test func readingFromAnLSNStartsWithItsSegment() throws {
    let bench = try LogBench()
    let writer = try bench.open().writer
    for lsn in 1...6 as ClosedRange<UInt64> {
      try writer.commit([UInt8(lsn)])
      if lsn % 2 == 0 { try writer.rotate() }
    }
    let reader = LogReader(bench.disk, store: LogBench.store, storeID: LogBench.id)
    for lsn in 0...9 as ClosedRange<UInt64> {
      var seen: [LSN] = []
      let scan = try reader.scan(from: lsn) { (info, _) throws(StorageError) in
        seen.append(contentsOf: info.header.lsns.map(Array.init) ?? [])
      }
      let first = min(7, lsn == 0 ? 1 : (lsn - 1) / 2 * 2 + 1)
      #expect(seen == Array(1...6).filter { $0 >= first })
      #expect(scan.nextLSN == 7 && scan.damaged.isEmpty && scan.jumps.isEmpty)
    }
    try reader.removeSegments(before: 3)
    #expect(try reader.segmentIDs() == [3, 4])
    #expect(try bench.open().records.map(\.lsn) == [5, 6])
  }

  @Test func sealsTellWhatTheirSegmentHolds() throws {
    let bench = try LogBench()
    let writer = try bench.open().writer
    try writer.commit([1])
    try writer.commit([2])
    try writer.close()
    var seals: [LogSeal] = []
    _ = try LogReader(bench.disk, store: LogBench.store, storeID: LogBench.id).scan {
      (info, payload) throws(StorageError) in
      var cursor = RecordCursor(payload, header: info.header)
      while let record = try cursor.next() {
        if record.kind == .seal { seals.append(try LogSeal(decoding: record.body)) }
      }
    }
    #expect(seals.map(\.reason) == [.close])
    #expect(seals.first?.batchCount == 2 && seals.first?.nextLSN == 3)
    #expect(throws: StorageError.self) { try writer.commit([3]) }
    try writer.close()
  }
}
