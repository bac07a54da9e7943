import Testing

@testable import TSEngine

/// R4 and R5: every cut, every flip, every misplaced sector is an error or the valid prefix; what
/// was acknowledged is served or reported with its LSNs.
@Suite struct LogDamageTests {
  private static let sector = LogFormat.sectorByteCount

  /// Segment 1 of three batches and a closing seal, segment 2 of two batches and an idle seal.
  private static func sample() throws -> (LogBench, [LogBench.Record]) {
    let bench = try LogBench()
    var all: [LogBench.Record] = []
    let opened = try bench.open()
    for lsn in 1...5 as ClosedRange<UInt64> {
      let body = [UInt8](repeating: UInt8(lsn), count: Int(lsn) * 9)
      all.append(.init(lsn: try opened.writer.commit(body), body: body))
      if lsn == 3 { try opened.writer.rotate() }
    }
    try opened.writer.writeIdleSeal()
    return (bench, all)
  }

  /// Every record is right, and every missing one lies in a reported range.
  private static func check(
    _ scan: LogScan, _ records: [LogBench.Record], of all: [LogBench.Record], _ note: String
  ) {
    #expect(records.allSatisfy { all.contains($0) }, "\(note): a wrong record")
    #expect(zip(records, records.dropFirst()).allSatisfy { $0.lsn < $1.lsn }, "\(note): order")
    let reported = scan.damaged.compactMap(\.lsns)
    for record in all where !records.contains(record) {
      #expect(reported.contains { $0.contains(record.lsn) }, "\(note): \(record.lsn) lost unseen")
    }
  }

  @Test func everyFlippedBitIsDetectedAndNothingAcknowledgedVanishesUnseen() throws {
    let (bench, all) = try Self.sample()
    #expect(try LogBench.scan(bench.disk).1 == all)
    var flips = 0
    for id in [1, 2] as [UInt64] {
      let path = LogBench.segment(id)
      let byteCount = try #require(bench.disk.contents(path)).count
      let isSeal = { (byte: Int) in id == 2 && byte >= byteCount - Self.sector }
      for byte in 0..<byteCount {
        // Every bit of what carries meaning; of the zeros between, one bit in 24 bytes.
        let at = byte % Self.sector
        let isDense = at < 128 || at >= Self.sector - 6
        for bit in 0..<8 where isDense || (byte % 24 == 0 && bit == byte / 24 % 8) {
          flips += 1
          bench.disk.flipBit(path, 8 * byte + bit)
          let (scan, records) = try LogBench.scan(bench.disk)
          bench.disk.flipBit(path, 8 * byte + bit)
          let note = "segment \(id) byte \(byte) bit \(bit)"
          // The last idle seal has no witness itself; torn, it takes nothing with it.
          #expect(!scan.damaged.isEmpty || (isSeal(byte) && scan.tail != .clean), "\(note)")
          Self.check(scan, records, of: all, note)
          let inSector = scan.damaged.flatMap { $0.lsns.map(Array.init) ?? [] }
          #expect(inSector.count <= 1, "\(note): one batch at most is lost")
        }
      }
    }
    #expect(flips > 10_000)
  }

  @Test func everyPrefixOfTheLastBatchWithAnyRestIsATornTail() throws {
    let bench = try LogBench()
    let opened = try bench.open()
    try opened.writer.commit([1])
    try opened.writer.commit([2, 2])
    let body = [UInt8](repeating: 3, count: 150)
    try opened.writer.commit(body)
    let path = LogBench.segment(1)
    let full = try #require(bench.disk.contents(path))
    let start = full.count - Self.sector
    var random = SimRandom(seed: 3)
    for kept in Array(0...220) + Array(stride(from: 221, to: Self.sector, by: 331)) {
      for rest in 0..<4 {
        var bytes = Array(full[..<(start + kept)])
        let missing = Self.sector - kept
        switch rest {
        case 0: break
        case 1: bytes += [UInt8](repeating: 0, count: missing + Self.sector)
        case 2: bytes += (0..<missing).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        default: bytes += full[Self.sector..<(Self.sector + missing)]
        }
        let copy = SimDisk(copyOf: bench.disk)
        copy.damage(path) { $0 = bytes }
        let (outcome, records) = try LogBench.repair(copy)
        let isWhole = kept >= 64 + 3 + body.count
        #expect(records.count == (isWhole ? 3 : 2) || (kept > 60 && rest != 0), "\(kept) \(rest)")
        #expect(records.prefix(2).map(\.lsn) == [1, 2])
        #expect(outcome.scan.damaged.isEmpty, "\(kept) \(rest)")
        if case .torn(let offset) = outcome.scan.tail {
          // A whole batch counts; torn is what lies behind it.
          let end = records.count == 3 ? start + 64 + 3 + body.count : start
          #expect(offset == end)
          let name = try #require(outcome.tornCopy)
          let isKept = copy.contents("s/log/\(name)") == Array(bytes[end...])
          #expect(isKept)
          #expect(copy.contents(path)?.count == end)
        }
        // The log goes on behind it.
        let again = try LogBench.open(copy, bench.clock, ahead: 0)
        #expect(try again.writer.commit([4]) == UInt64(records.count + 1))
        #expect(try LogBench.scan(copy).1.count == records.count + 1)
      }
    }
  }

  @Test func zeroedSwappedStaleAndMisdirectedSectorsAreReported() throws {
    let (bench, all) = try Self.sample()
    let paths = [LogBench.segment(1), LogBench.segment(2)]
    let files = try paths.map { try #require(bench.disk.contents($0)) }
    let small = 512
    for (index, path) in paths.enumerated() {
      for at in stride(from: 0, to: files[index].count, by: small) {
        var replacements = [[UInt8](repeating: 0, count: small)]
        for (other, from) in [(0, 4_096), (1, 4_096), (1, 8_192), (index, (at + 4_096) % 16_384)] {
          replacements.append(Array(files[other][from..<(from + small)]))
        }
        for replacement in replacements where replacement != Array(files[index][at..<(at + small)]) {
          bench.disk.damage(path) { $0.replaceSubrange(at..<(at + small), with: replacement) }
          let (scan, records) = try LogBench.scan(bench.disk)
          bench.disk.damage(path) { $0 = files[index] }
          let isLastSeal = index == 1 && at >= files[1].count - Self.sector
          #expect(!scan.damaged.isEmpty || isLastSeal, "\(path) \(at)")
          Self.check(scan, records, of: all, "\(path) \(at)")
        }
      }
    }
  }

  @Test func aMissingSegmentIsReportedWithItsLSNs() throws {
    let (bench, all) = try Self.sample()
    try LogBench.open(bench.disk, bench.clock, ahead: 0).writer.commit([6])
    try bench.disk.remove(LogBench.segment(2))
    let (scan, records) = try LogBench.scan(bench.disk)
    #expect(scan.damaged.map(\.reason) == [.missingSegment])
    #expect(scan.damaged.map(\.lsns) == [4...5])
    #expect(records.map(\.lsn) == [1, 2, 3, 6])
    #expect(all.count == 5)
  }

  @Test func aFlipInTheLastBatchIsDamageOnceASealWitnessesIt() throws {
    for isSealed in [false, true] {
      let bench = try LogBench()
      let opened = try bench.open()
      try opened.writer.commit([1])
      try opened.writer.commit([2])
      if isSealed { try opened.writer.writeIdleSeal() }
      #expect(opened.writer.needsIdleSeal == !isSealed)
      bench.disk.flipBit(LogBench.segment(1), 8 * (2 * Self.sector + 66))
      let (scan, records) = try LogBench.scan(bench.disk)
      #expect(records.map(\.lsn) == [1])
      // Without the seal this is the one window the format cannot decide; see Docs/FORMAT.md.
      #expect(scan.tail == (isSealed ? .clean : .torn(offset: 2 * Self.sector)))
      #expect(scan.damaged.map(\.lsns) == (isSealed ? [2...2] : []))
    }
  }

  /// The write of a last batch that came to all of its payload and not to all of its padding is
  /// torn: no alarm, and the batch counts. A witness behind it makes the same bytes damage (R5).
  @Test func paddingTornWithTheLastBatchIsNoDamageR5() throws {
    for isSealed in [false, true] {
      let bench = try LogBench()
      let opened = try bench.open()
      try opened.writer.commit([1])
      try opened.writer.commit([2])
      if isSealed { try opened.writer.writeIdleSeal() }
      let path = LogBench.segment(1)
      bench.disk.damage(path) { bytes in
        for index in (3 * Self.sector - 900)..<(3 * Self.sector) { bytes[index] = 0x5A }
      }
      let before = try #require(bench.disk.contents(path))
      let (outcome, records) = try LogBench.repair(bench.disk)
      #expect(records.map(\.lsn) == [1, 2])
      #expect(outcome.scan.damaged.map(\.reason) == (isSealed ? [.padding] : []))
      let after = try #require(bench.disk.contents(path))
      if isSealed {
        #expect(after == before, "damaged bytes are never changed")
      } else {
        let kept = try #require(outcome.tornCopy)
        #expect(after + (bench.disk.contents("s/log/\(kept)") ?? []) == before)
      }
      let (again, sameRecords) = try LogBench.repair(bench.disk)
      #expect(sameRecords == records && again.tornByteCount == 0)
      #expect(again.scan.damaged == outcome.scan.damaged)
    }
  }

  @Test func anLSNKnownElsewhereMakesAMissingTailDamage() throws {
    let bench = try LogBench()
    let opened = try bench.open()
    try opened.writer.commit([1])
    try opened.writer.commit([2])
    bench.disk.damage(LogBench.segment(1)) { $0.removeLast(Self.sector) }
    #expect(try LogBench.repair(bench.disk).0.scan.damaged.isEmpty)
    let (outcome, records) = try LogBench.repair(bench.disk, durable: 2)
    #expect(records.map(\.lsn) == [1])
    #expect(outcome.scan.damaged.map(\.lsns) == [2...2])
    #expect(outcome.scan.nextLSN == 3)
  }

  @Test func damageIsKeptBurnedAndServedAroundForEver() throws {
    let (bench, all) = try Self.sample()
    let path = LogBench.segment(2)
    bench.disk.flipBit(path, 8 * (Self.sector + 10))
    let damaged = try #require(bench.disk.contents(path))
    for round in 0..<3 {
      let opened = try bench.open()
      #expect(opened.records.prefix(4).map(\.lsn) == [1, 2, 3, 5])
      #expect(opened.outcome.scan.damaged.map(\.lsns) == [4...4])
      #expect(opened.outcome.scan.damaged.map(\.isBurned) == [round > 0])
      #expect(opened.outcome.scan.jumps.isEmpty)
      #expect(opened.outcome.damagedCopies == ["000002@4096.damaged"])
      #expect(bench.disk.contents(path) == damaged, "the damaged bytes are never changed")
      #expect(try opened.writer.commit([9]) == UInt64(6 + round))
    }
    #expect(all.count == 5)
  }

  @Test func aTailOfUnknownLengthIsBurnedNotReused() throws {
    let bench = try LogBench()
    let opened = try bench.open()
    try opened.writer.commit([1])
    try opened.writer.commit([2])
    bench.disk.flipBit(LogBench.segment(1), 8 * (2 * Self.sector + 20))
    // The header is gone, so nothing tells how many LSNs it had; the manifest knows of LSN 2.
    let again = try bench.open(durable: 2)
    let lost = try #require(again.outcome.scan.damaged.first?.lsns)
    #expect(lost.lowerBound == 2)
    #expect(try again.writer.commit([3]) == lost.upperBound + 1)
    let third = try bench.open()
    #expect(third.records.map(\.body) == [[1], [3]])
    #expect(third.outcome.scan.damaged.map(\.isBurned) == [true])
  }

  @Test func anUnreadableSectorIsDamageNotATornTail() throws {
    let bench = try LogBench()
    let opened = try bench.open()
    try opened.writer.commit([1])
    try opened.writer.commit([2])
    // Reads of the scan: header, the window, then sector by sector.
    let reads = bench.disk.count(of: .read)
    bench.disk.plan([
      SimFault(.nth(.read, reads + 1), .error(5)), SimFault(.nth(.read, reads + 3), .error(5)),
    ])
    let (scan, records) = try LogBench.scan(bench.disk)
    #expect(records.map(\.lsn) == [1])
    #expect(scan.tail == .damaged)
    #expect(scan.damaged.first?.lsns?.contains(2) == true)
  }

  @Test func randomBytesInPlaceOfASegmentNeverTrap() throws {
    var random = SimRandom(seed: 11)
    let (bench, all) = try Self.sample()
    let original = try #require(bench.disk.contents(LogBench.segment(1)))
    for _ in 0..<200 {
      bench.disk.damage(LogBench.segment(1)) { bytes in
        bytes = original
        for _ in 0...random.below(4) {
          let at = random.below(bytes.count)
          for index in at..<min(bytes.count, at + random.below(600)) {
            bytes[index] = UInt8(truncatingIfNeeded: random.next())
          }
        }
        if random.below(3) == 0 { bytes.removeLast(random.below(bytes.count + 1)) }
      }
      let (scan, records) = try LogBench.scan(bench.disk)
      let isHeaderGone = scan.damaged.contains { $0.reason == .segmentHeader }
      if isHeaderGone {
        #expect(records.allSatisfy { all.contains($0) })
      } else {
        Self.check(scan, records, of: all, "burst")
      }
    }
  }
}
