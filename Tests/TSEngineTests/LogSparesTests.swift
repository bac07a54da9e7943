import Testing

@testable import TSEngine

/// The next segment is made beside the writer; a sync in it changes nothing of the file system's own.
@Suite struct LogSparesTests {
  private let bench: LogBench

  init() throws { bench = try LogBench() }

  private func segments() throws -> [UInt64] {
    try LogReader(bench.disk, store: LogBench.store, storeID: LogBench.id).segmentIDs()
  }

  private func byteCount(_ id: UInt64) -> Int? { bench.disk.contents(LogBench.segment(id))?.count }

  /// Makes what the writer asked for, whole.
  private func prepare(_ writer: LogWriter) {
    while writer.spares.hasWork { _ = writer.spares.step() }
  }

  @Test func theLogGoesOnInASpareWhereItsBlocksEnd() throws {
    let writer = try bench.open(ahead: 8_192).writer
    #expect(byteCount(1) == 4_096 + 8_192, "zeros come with the header")
    try writer.commit([1])
    #expect(writer.spares.hasWork, "asked for in good time")
    prepare(writer)
    #expect(try segments() == [1, 2])
    #expect(byteCount(2) == 4_096 + 8_192)
    let truncations = bench.disk.count(of: .truncate)
    try writer.commit([2])
    #expect(writer.segmentID == 1, "two batches fill the first segment")
    try writer.commit([3])
    #expect(writer.segmentID == 2)
    #expect(bench.disk.count(of: .truncate) == truncations, "nothing of the file system's in a commit")
    for body in 4...9 as ClosedRange<UInt8> {
      prepare(writer)
      try writer.commit([body])
    }
    #expect(writer.segmentID > 4)
    let (scan, records) = try LogBench.scan(bench.disk)
    #expect(records.map(\.body) == (1...9).map { [$0] } && records.map(\.lsn) == Array(1...9))
    #expect(scan.damaged.isEmpty && scan.tail == .clean && scan.jumps.isEmpty)
    try writer.close()
    let last = try #require(try segments().last)
    #expect(last == writer.segmentID, "the close takes the spare away")
    #expect(byteCount(last) == writer.segmentByteCount, "and the zeros behind the last batch")
    #expect(try bench.open().records.count == 9)
  }

  @Test func aLogThatOutrunsItsSparesGrowsByItself() throws {
    let writer = try bench.open(ahead: 4_096).writer
    for body in 1...20 as ClosedRange<UInt8> { try writer.commit([body]) }
    #expect(writer.segmentID == 1)
    #expect(byteCount(1) == writer.segmentByteCount)
    prepare(writer)
    try writer.commit([21])
    #expect(writer.segmentID == 2)
    #expect(try LogBench.scan(bench.disk).1.count == 21)
  }

  @Test func aSegmentThatWasLeftLosesItsZerosWhenNobodyReadsIt() throws {
    let writer = try bench.open(ahead: 65_536).writer
    try writer.commit([1])
    try writer.rotate()
    #expect(byteCount(1) == 4_096 + 65_536)
    prepare(writer)
    #expect(byteCount(1) == 4_096 + 65_536)
    try writer.spares.trimLeft()
    #expect(byteCount(1) == 3 * 4_096)
    #expect(try LogBench.scan(bench.disk).0.damaged.isEmpty)
  }

  /// A rotation takes the spare where there is one, and makes a segment where it is half made.
  @Test(arguments: [0, 1, 2, 3, 4]) func aRotationGoesOnWhateverIsReady(steps: Int) throws {
    let writer = try bench.open(ahead: 3 << 20).writer
    try writer.commit([UInt8](repeating: 7, count: 40_000))
    #expect(writer.spares.hasWork)
    for _ in 0..<steps { _ = writer.spares.step() }
    try writer.rotate()
    #expect(writer.segmentID == 2)
    #expect(byteCount(2) == 4_096 + (steps < 2 ? 65_536 : 1 << 20))
    try writer.commit([2])
    prepare(writer)
    #expect(try bench.disk.list("\(LogBench.store)/log").allSatisfy { !FileNames.isTemporary($0) })
    #expect(try LogBench.scan(bench.disk).1.map(\.lsn) == [1, 2])
  }

  /// What was prepared is no segment: an opening takes the file away and gives its number again.
  @Test func aPreparedFileIsNoSegment() throws {
    let writer = try bench.open(ahead: 8_192).writer
    try writer.commit([1])
    prepare(writer)
    bench.disk.restart()
    let (scan, records) = try LogBench.scan(bench.disk)
    #expect(scan.segments.map(\.id) == [1] && scan.tail == .clean && records.count == 1)
    let opened = try bench.open()
    #expect(opened.outcome.scan.damaged.isEmpty)
    #expect(opened.writer.segmentID == 2 && byteCount(2) == 4_096)
    #expect(try opened.writer.commit([2]) == 2)
  }

  /// A header that is torn while a spare becomes a segment leaves a prepared file, however many of its sectors
  /// came through; the batches before it are whole.
  @Test func aTornHeaderOfASpareIsNoSegment() throws {
    for sectors in 0...8 {
      let bench = try LogBench()
      let writer = try bench.open(ahead: 4_096).writer
      try writer.commit([1])
      while writer.spares.hasWork { _ = writer.spares.step() }
      try writer.rotate()
      bench.disk.damage(LogBench.segment(2)) { bytes in
        for at in (sectors * 512)..<4_096 { bytes[at] = 0 }
      }
      bench.disk.restart()
      let opened = try bench.open()
      #expect(opened.outcome.scan.damaged.isEmpty)
      #expect(opened.records.map(\.lsn) == [1])
      #expect(try opened.writer.commit([2]) == 2)
    }
  }

  /// R4: what reads as zeros and was not prepared is damage: the only file of a log, one cut short, two in a row.
  @Test(arguments: [0, 1, 2]) func zerosWhereASegmentWasAreDamage(way: Int) throws {
    let writer = try bench.open(ahead: 8_192).writer
    try writer.commit([1])
    if way > 0 { try writer.rotate() }
    bench.disk.restart()
    for id in try segments().suffix(way == 2 ? 2 : 1) {
      bench.disk.damage(LogBench.segment(id)) { bytes in
        bytes = [UInt8](repeating: 0, count: way == 1 ? 0 : bytes.count)
      }
    }
    let before = try segments()
    let opened = try bench.open()
    #expect(!opened.outcome.scan.damaged.isEmpty)
    #expect(Set(before.prefix(1)).isSubset(of: try segments()), "nothing is healed by deletion")
  }

  /// A damaged header is no torn one where batches follow.
  @Test func aDamagedHeaderWithBatchesBehindItIsDamage() throws {
    let writer = try bench.open(ahead: 8_192).writer
    try writer.commit([1])
    prepare(writer)
    try writer.rotate()
    try writer.commit([2])
    bench.disk.restart()
    bench.disk.flipBit(LogBench.segment(2), 99)
    let opened = try bench.open()
    #expect(opened.outcome.scan.damaged.map(\.reason) == [.segmentHeader])
    #expect(opened.records.map(\.lsn) == [1, 2])
  }

  /// Nothing acknowledged depends on a spare: whatever fails while one is made, the log goes on, and tries again.
  @Test(arguments: [SimFault.Operation.create, .write, .sync, .rename, .syncDirectory, .remove])
  func whatFailsIsGivenUp(operation: SimFault.Operation) throws {
    let writer = try bench.open(ahead: 4_096).writer
    try writer.commit([1])
    let ordinal = bench.disk.count(of: operation)
    bench.disk.plan([SimFault(.nth(operation, ordinal), .error(28), isSticky: true)])
    _ = writer.spares.step()
    bench.disk.plan([])
    for body in 2...5 as ClosedRange<UInt8> { try writer.commit([body]) }
    bench.clock.advance(nanos: 6_000_000_000)
    try writer.commit([6])
    prepare(writer)
    try writer.commit([7])
    #expect(writer.segmentID >= 2)
    #expect(try LogBench.scan(bench.disk).1.map(\.lsn) == Array(1...7))
  }

  /// R1, R2: killed or without power at every operation of the way into a spare, nothing acknowledged goes.
  @Test func nothingAcknowledgedIsLostOnTheWayIntoASpare() throws {
    func live(_ disk: SimDisk, _ acknowledged: inout [LSN]) {
      guard let writer = try? LogBench.open(disk, SimClock(), ahead: 8_192).writer else { return }
      for body in 1...6 as ClosedRange<UInt8> {
        guard let lsn = try? writer.commit([body]) else { return }
        acknowledged.append(lsn)
        _ = writer.spares.step()
        if body == 4 { try? writer.rotate() }
      }
      try? writer.close()
    }
    let whole = try LogBench().disk
    var all: [LSN] = []
    let before = whole.changeCount
    live(whole, &all)
    #expect(all == Array(1...6))
    for change in before..<whole.changeCount {
      for (index, effect) in [SimFault.Effect.crashBefore, .crashAmid(700), .crashAfter].enumerated() {
        let disk = try LogBench().disk
        disk.plan([SimFault(.change(change), effect)])
        var acknowledged: [LSN] = []
        live(disk, &acknowledged)
        if index == 1 { disk.restart() } else { disk.crash(seed: UInt64(change)) }
        let opened = try LogBench.open(disk, SimClock(), ahead: 8_192)
        #expect(opened.outcome.scan.damaged.isEmpty)
        #expect(Array(opened.records.map(\.lsn).prefix(acknowledged.count)) == acknowledged)
        #expect(try opened.writer.commit([9]) == LSN(opened.records.count + 1))
      }
    }
  }
}
