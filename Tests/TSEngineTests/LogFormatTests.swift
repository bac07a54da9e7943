import Testing

@testable import TSEngine

/// Bytes written by hand after the format's document, not by the code under test.
@Suite struct LogFormatTests {
  private func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    (0..<MemoryLayout<T>.size).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  @Test func theFirstSegmentIsAsTheDocumentDrawsIt() throws {
    let bench = try LogBench()
    let opened = try bench.open()
    bench.clock.jump(toNanos: 1_700_000_000_123_456_789)
    try opened.writer.commit([0xAA, 0xBB, 0xCC])
    let file = try #require(bench.disk.contents(LogBench.segment(1)))

    let uuid = little(LogBench.id.high) + little(LogBench.id.low)
    var header = [UInt8]("TSQLOG".utf8) + [0, 1]
    header += little(UInt32(1)) + little(UInt32(0)) + uuid
    header += little(UInt64(1)) + little(UInt32(1)) + little(UInt32(0)) + little(UInt64(1))
    header += [UInt8](repeating: 0, count: 4092 - header.count)
    let segmentCRC = CRC32C.checksum(header)
    header += little(segmentCRC)

    let payload: [UInt8] = [1, 3, 0xAA, 0xBB, 0xCC]
    let before = [UInt8]("TSQB".utf8)
    var after = little(UInt32(5)) + little(CRC32C.checksum(payload))
    after += little(UInt64(1)) + little(UInt32(1)) + little(segmentCRC) + little(UInt64(0))
    after += little(Int64(1_700_000_000_123_456_789)) + little(UInt32(1)) + little(UInt32(1))
    after += little(UInt64(1))
    let place = uuid + little(UInt64(1)) + little(UInt64(4096))
    let batchCRC = CRC32C.checksum(place + before + after)
    var batch = before + little(batchCRC) + after + payload
    #expect(batch.count == 64 + 5)
    batch += [UInt8](repeating: 0, count: 4096 - batch.count)

    #expect(Array(file[..<4096]) == header)
    #expect(Array(file[4096...]) == batch)
  }

  @Test func aSegmentWrittenByHandIsRead() throws {
    let bench = try LogBench()
    _ = try bench.open().writer.commit([1, 2, 3])
    let bytes = try #require(bench.disk.contents(LogBench.segment(1)))
    let other = SimDisk()
    try other.createDirectory("s/log")
    let file = try other.open(LogBench.segment(1), .create)
    try file.write(bytes.rawSpan, at: 0)
    let (scan, records) = try LogBench.scan(other)
    #expect(records == [.init(lsn: 1, body: [1, 2, 3])])
    #expect(scan.nextLSN == 2 && scan.tail == .clean && scan.damaged.isEmpty)
  }

  @Test func recordsOfEveryLengthComeBack() throws {
    for length in [0, 1, 127, 128, 129, 16_383, 16_384, 16_385, 70_000] {
      let body = [UInt8](repeating: UInt8(truncatingIfNeeded: length), count: length)
      var copied = LogBatchBuilder()
      copied.add(.event, body)
      copied.add(.frame, [7])
      var encoded = LogBatchBuilder()
      encoded.add(.event) { $0.append(body) }
      encoded.add(.frame) { $0.put(UInt8(7)) }
      #expect(copied.buffer.bytes == encoded.buffer.bytes, "one form for each length")
      #expect(copied.lsnCount == 2)
    }
  }

  @Test func aBodyThatFailsToEncodeLeavesNoTrace() throws {
    var batch = LogBatchBuilder.frames([1])
    let before = batch.buffer.bytes
    #expect(throws: StorageError.self) {
      try batch.add(.frame) { (writer) throws(StorageError) in
        writer.put(UInt64(9))
        throw StorageError(.invalid, "no")
      }
    }
    #expect(batch.buffer.bytes == before && batch.lsnCount == 1)
  }

  @Test func recordCursorThrowsOnAnyBytesAndNeverTraps() {
    var random = SimRandom(seed: 5)
    for _ in 0..<3_000 {
      let bytes = (0..<random.below(40)).map { _ in
        UInt8(truncatingIfNeeded: random.next() & (random.flip() ? 0x07 : 0xFF))
      }
      let header = LogBatchHeader(
        payloadByteCount: bytes.count, payloadCRC: 0, firstLSN: 1,
        lsnCount: UInt32(random.below(4)), previousCRC: 0, durableLSN: 0, commitNanos: 0,
        epoch: 1, durableSectors: 0, segmentID: 1)
      var cursor = RecordCursor(bytes.rawSpan, header: header)
      var count = 0
      do {
        while let record = try cursor.next() { count += record.body.byteCount + 1 }
      } catch {
        #expect([.corrupt, .truncated, .unsupportedVersion].contains(error.code))
      }
      #expect(count <= bytes.count)
    }
  }

  @Test func aNewerSegmentIsRefusedNotRepaired() throws {
    let bench = try LogBench()
    try bench.open().writer.close()
    bench.disk.damage(LogBench.segment(1)) { bytes in
      bytes[8] = 2
      let crc = CRC32C.checksum(bytes.rawSpan.extracting(0..<4092))
      bytes.replaceSubrange(4092..<4096, with: little(crc))
    }
    let error = #expect(throws: StorageError.self) { _ = try LogBench.repair(bench.disk) }
    #expect(error?.code == .unsupportedVersion)
    #expect(error?.file == LogBench.segment(1))
  }

  @Test func fileNamesAreReadBackAndForeignNamesAreNot() {
    #expect(FileNames.logSegment(7) == "000007.log")
    for id: UInt64 in [0, 7, 999_999, 1_000_000, .max] {
      #expect(FileNames.logSegmentID(FileNames.logSegment(id)) == id)
      #expect(FileNames.dataSegmentID(FileNames.dataSegment(id)) == id)
      #expect(FileNames.journalSegmentID(FileNames.journalSegment(id)) == id)
    }
    for name in ["7.log", "0000007.log", "+00007.log", "000007.log.tmp", "000007@1.torn", ".log"] {
      #expect(FileNames.logSegmentID(name) == nil)
    }
  }
}
