import Testing

@testable import TSEngine

/// Blocks that several series share: what goes in comes out, whatever it is; bytes that are not of the
/// form are refused; and a fleet of slow series stays small.
@Suite struct SharedBlockTests {
  private static let schema = TableSchema(
    id: 7, name: "mixed",
    columns: [
      ColumnSchema(id: 1, name: "n", type: .int), ColumnSchema(id: 2, name: "f", type: .float),
      ColumnSchema(id: 3, name: "b", type: .bool), ColumnSchema(id: 4, name: "s", type: .symbol),
      ColumnSchema(id: 5, name: "t", type: .text),
    ], defaultSpanNanos: 1_000_000_000)

  /// Sections as they lie, unchecked: what a checksum would have caught comes through.
  private struct Sections: SectionSource {
    var bytes: [UInt8]
    func bytes(of section: Section) throws(StorageError) -> [UInt8] {
      switch section {
      case .inline(let inline): return inline
      case .stored(let offset, let byteCount, _):
        guard offset + byteCount <= bytes.count else { throw StorageError(.truncated, "short") }
        return Array(bytes[offset..<(offset + byteCount)])
      }
    }
  }

  /// Few rows of several series, and the bytes of a segment that has them in shared blocks.
  private struct Sample {
    let symbols = SymbolTable()
    var keys: [SeriesKey] = []
    var few: [BlockBuilder.Few] = []
    var sections: [UInt8] = []
    var index: [UInt8] = []

    init(seed: UInt64, plain: Bool = false) {
      var random = SimRandom(seed: seed &* 77 &+ 3)
      var builder = BlockBuilder(schema: SharedBlockTests.schema, symbols: symbols)
      let names = plain ? 4 : 1 + random.below(40)
      for name in 0..<names {
        let device = plain ? "meter-\(name / 2)" : SharedBlockTests.device(name, &random)
        keys.append(SeriesKey(table: 7, device: device, probe: plain ? Int32(name % 2) : Int32(random.below(5)) - 2))
      }
      keys = Set(keys).sorted()
      var before: RowSet?
      for series in keys.indices where plain || random.below(5) > 0 {
        let rows =
          plain
          ? SharedBlockTests.plainRows(series, symbols)
          : SharedBlockTests.rows(&random, symbols, before)
        few.append(BlockBuilder.Few(series: series, rows: rows))
        before = rows
      }
      sections = [UInt8](repeating: 0, count: SegmentFormat.headerByteCount)
      var shared: [SegmentIndex.Shared] = []
      let size = plain ? few.count : 1 + random.below(max(1, few.count))
      for start in stride(from: 0, to: few.count, by: max(1, size)) {
        let part = Array(few[start..<min(start + size, few.count)])
        var (block, members) = builder.build(part)
        let base = sections.count
        func moved(_ section: Section) -> Section {
          guard case .stored(let offset, let byteCount, let crc) = section else { return section }
          return .stored(offset: base + offset, byteCount: byteCount, crc: crc)
        }
        block.entry.timeSection = block.entry.timeSection.map(moved)
        block.entry.lsnSection = block.entry.lsnSection.map(moved)
        for index in block.entry.columns.indices {
          block.entry.columns[index].section = moved(block.entry.columns[index].section)
        }
        sections += block.bytes
        shared.append(SegmentIndex.Shared(entry: block.entry, members: members))
      }
      var out = ByteWriter()
      SegmentIndex.encode(
        table: 7, columns: SharedBlockTests.schema.columns, series: keys, blocks: [], shared: shared,
        into: &out)
      index = out.bytes
    }

    func directory(baseLSN: LSN = 0) throws(StorageError) -> BlockDirectory {
      let index = try SegmentIndex(
        decoding: index.rawSpan, sectionLimit: sections.count, baseLSN: baseLSN)
      return BlockDirectory(
        index: index, numbers: [], symbols: symbols, source: Sections(bytes: sections),
        baseLSN: baseLSN)
    }
  }

  private static func device(_ number: Int, _ random: inout SimRandom) -> String {
    switch random.below(4) {
    case 0: String(repeating: "x", count: 1 + random.below(128))
    case 1: "gresystem" + String(1_000 + number)
    default: "m\(number)"
    }
  }

  private static func plainRows(_ series: Int, _ symbols: SymbolTable) -> RowSet {
    let instants = (0..<3).map { Int64(series / 2) * 1_000_000 + Int64($0) * 60_000_000_000 }
    return RowSet(
      times: .explicit(instants),
      columns: [
        .init(id: 1, content: .values([1, 2, 3].map { $0 + Int64(series) })),
        .init(id: 4, content: .constant(symbols.code(of: "v1"))),
      ], lsns: (0..<3).map { RowSet.LSNRun(end: $0 + 1, lsn: LSN(10 * $0 + 1 + series / 2)) })
  }

  private static func rows(
    _ random: inout SimRandom, _ symbols: SymbolTable, _ before: RowSet?
  ) -> RowSet {
    let count = [1, 1, 2, 5, 63, 300][random.below(6)]
    let starts: [Int64] = [0, 1_700_000_000_000_000_000, .min, .max - 400_000_000_000, -1]
    var time = starts[random.below(5)] &+ Int64(random.below(3))
    let steps: [Int64] = [1, 60_000_000_000, 60_000_000_000, 1_000]
    let step = steps[random.below(4)]
    let isEven = random.below(2) == 0
    var instants: [Int64] = []
    for _ in 0..<count {
      instants.append(time)
      guard time < .max - 2 * step - 4 else { break }
      time += isEven ? step : step + Int64(random.below(3))
    }
    if random.below(4) == 0, let before { instants = (0..<before.count).map { before.times.tick($0) } }
    var lsn = LSN(1 + random.below(100))
    var rows = RowSet(times: .explicit(instants), columns: [], lsns: [])
    for row in instants.indices {
      if random.below(3) > 0 { lsn = random.below(6) == 0 ? LSN(1 + random.below(100)) : lsn + 7 }
      rows.lsns.append(RowSet.LSNRun(end: row + 1, lsn: lsn))
    }
    if random.below(4) == 0, let before, before.count == rows.count { rows.lsns = before.lsns }
    let hold = TextHold((0..<3).map { "text \($0) \(random.below(9))" }, of: 5, in: symbols)
    for column in schema.columns where random.below(4) > 0 {
      let slots = instants.map { _ -> Int64 in
        switch column.type {
        case .bool: Int64(random.below(2))
        case .symbol: symbols.code(of: "s\(random.below(4))")
        case .text: hold.code(random.below(3))
        case .float: Int64(bitPattern: [0.5, -0.0, .nan, 1e300, 230.1][random.below(5)].bitPattern)
        case .int: [0, .min, .max, Int64(random.below(1000))][random.below(4)]
        }
      }
      var set = RowSet.Column(id: column.id, content: .values(slots))
      if random.below(3) == 0 {
        set.validity = (0..<((instants.count + 63) / 64)).map { _ in random.next() }
      }
      rows.columns.append(set)
    }
    rows.texts = [hold]
    return rows.compacted()
  }

  /// Instant, LSN and values of each row; nulls left out, texts as such.
  private static func lines(_ rows: RowSet, _ symbols: SymbolTable, base: LSN = 0) -> [String] {
    let lsns = rows.lsnOfEachRow()
    return (0..<rows.count).map { row in
      let cells = schema.columns.compactMap { column -> String? in
        guard let slot = rows.slot(column.id, row: row) else { return nil }
        let isText = column.type == .symbol || column.type == .text
        return "\(column.id)=" + (isText ? symbols.text(of: slot) ?? "?" : String(slot))
      }
      return "\(rows.times.tick(row)) \(lsns[row] + base) " + cells.joined(separator: " ")
    }
  }

  // MARK: The form

  @Test func whatGoesInComesOut() throws {
    for seed in 0..<UInt64(seedCount(60)) {
      let sample = Sample(seed: seed)
      let base: LSN = seed % 3 == 0 ? 1_000 : 0
      let directory = try sample.directory(baseLSN: base)
      #expect(Array(directory.series) == sample.keys)
      #expect(directory.positions.count == sample.few.count, "seed \(seed)")
      #expect(directory.rowCount == sample.few.reduce(0) { $0 + $1.rows.count })
      for (position, part) in sample.few.enumerated() {
        let note: Comment = "seed \(seed) member \(position)"
        let reader = directory.reader(position)
        #expect(directory.series(ofBlock: position) == sample.keys[part.series], note)
        #expect(Array(directory.blocks(ofSeries: part.series)) == [position], note)
        let rows = try reader.rows()
        let wanted = Self.lines(part.rows, sample.symbols, base: base)
        #expect(Self.lines(rows, sample.symbols) == wanted, note)
        #expect(reader.firstTime == part.rows.times.first && reader.lastTime == part.rows.times.last, note)
        #expect(reader.rowCount == part.rows.count, note)
        #expect(rows.lsns.allSatisfy { (reader.entry.oldestLSN...reader.entry.newestLSN).contains($0.lsn) }, note)
        if let regular = reader.entry.regular {
          #expect((0..<part.rows.count).allSatisfy { regular.tick($0) == part.rows.times.tick($0) }, note)
        }
        try Self.checkPages(reader, part.rows, sample.symbols, note)
      }
      for block in directory.shared.table.rows.indices { try SharedBlock.check(block, in: directory) }
    }
  }

  /// The same by pages, as a scan reads.
  private static func checkPages(
    _ block: BlockReader, _ rows: RowSet, _ symbols: SymbolTable, _ note: Comment
  ) throws {
    let reader = try StretchReader(block: block, columns: schema.columns.map(\.id))
    for (index, column) in schema.columns.enumerated() {
      var slots = [Int64](repeating: 0, count: reader.rowCount)
      var span = slots.mutableSpan
      try reader.decode(index, pages: 0..<reader.pageCount, into: &span)
      var isAnyValid = false
      for row in 0..<reader.rowCount {
        let mask = reader.validity(index, page: row / 256)
        let isValid = mask.map { $0[row % 256 / 64] >> UInt64(row % 64) & 1 == 1 } ?? true
        let wanted = rows.slot(column.id, row: row)
        #expect(isValid == (wanted != nil), note)
        isAnyValid = isAnyValid || isValid
        guard isValid, let wanted else { continue }
        if column.type == .symbol || column.type == .text {
          #expect(symbols.text(of: slots[row]) == symbols.text(of: wanted), note)
        } else {
          #expect(slots[row] == wanted, note)
        }
        if let constant = reader.constant(index) { #expect(constant == slots[row], note) }
      }
      #expect(reader.isAllNull(index) == !isAnyValid, note)
    }
  }

  @Test func bytesThatAreNotOfTheFormAreRefusedOrReadAndNeverTrap() throws {
    for seed in 0..<UInt64(seedCount(40)) {
      let sample = Sample(seed: seed)
      var random = SimRandom(seed: seed &+ 900)
      for _ in 0..<150 {
        var damaged = sample
        switch random.below(3) {
        case 0: damaged.index.removeLast(1 + random.below(damaged.index.count))
        case 1:
          let bit = random.below(damaged.index.count * 8)
          damaged.index[bit / 8] ^= 1 << UInt8(bit % 8)
        default:
          let bit = random.below(damaged.sections.count * 8)
          damaged.sections[bit / 8] ^= 1 << UInt8(bit % 8)
        }
        guard let directory = try? damaged.directory() else { continue }
        for position in directory.positions {
          let reader = directory.reader(position)
          _ = try? reader.rows()
          _ = try? StretchReader(block: reader, columns: [1, 2, 3, 4, 5])
          _ = (directory.series(ofBlock: position), reader.byteCount(1), reader.entry)
        }
        for block in directory.shared.table.rows.indices { try? SharedBlock.check(block, in: directory) }
      }
    }
  }

  /// FORMAT.md, section 8: these bytes are read for ever.
  @Test func theBytesOfASmallOneAreThese() throws {
    let sample = Sample(seed: 0, plain: true)
    let text = (sample.index + [0xFF] + sample.sections.dropFirst(SegmentFormat.headerByteCount))
      .map { String($0, radix: 16) }.joined(separator: " ")
    #expect(text == Self.golden)
    let directory = try sample.directory()
    for (position, part) in sample.few.enumerated() {
      #expect(
        Self.lines(try directory.reader(position).rows(), sample.symbols)
          == Self.lines(part.rows, sample.symbols))
    }
  }

  private static let golden =
    "0 2 7 5 1 1 1 6e 2 2 1 66 3 3 1 62 4 4 1 73 5 5 1 74 4 7 6d 65 74 65 72 2d 30 10 2 11 31 0 10 2 "
    + "0 1 0 1 4 c 8 3 0 1 40 1 21 0 1 2 1 6 9 3 0 1 40 1 22 0 2 3 b 13 0 1 c0 84 3d 40 1 21 0 1 7 1 80 "
    + "c0 f5 88 fe 6 1 2 15 2 1 15 9 3 0 1 40 1 22 0 2 3 8 3 2 1 40 1 21 0 1 1 14 2 1 1 17 3 2 5 c3 b 3 "
    + "0 1 2 3 4 5 6 7 8 9 a b 88 a2 69 1c b 5 c 2 5 0 5 1e 4 1 6 1 2 76 31 1 0 11 c ff"

  // MARK: In a store

  private static func minute(_ minute: Int, devices: Range<Int>) -> FrameBatch {
    var batch = FrameBatch(table: 1)
    for device in devices {
      batch.beginFrame(device: "meter-\(1_000 + device)")
      let instant =
        StoreBench.start + Int64(minute) * 60_000_000_000 + Int64(device * 37 % 60) * 1_000_000_000
      for probe in 1...3 as ClosedRange<Int32> {
        batch.beginRun(probe: probe, times: .explicit([instant + Int64(device * minute % 7) * 1_000_000]))
        batch.add(1, constant: Int64(device * 13 % 50 + minute))
        batch.add(2, constant: 950)
        batch.add(3, constant: 2300 + Int64(device % 3))
      }
    }
    return batch
  }

  private func append(_ minutes: Range<Int>, to store: Store, devices: Range<Int> = 0..<200) throws {
    for minute in minutes {
      let result = try store.append(
        Self.minute(minute, devices: devices), creator: StoreBench.actor)
      #expect(result.new == devices.count * 3)
    }
  }

  /// Five minutes of a fleet, sealed.
  private func fleet() throws -> (StoreBench, Store) {
    let bench = StoreBench(seed: 6, clock: SimClock(nanos: StoreBench.start + 7_200_000_000_000))
    let store = try bench.open()
    try append(0..<5, to: store)
    try store.seal()
    return (bench, store)
  }

  @Test func aFleetOfFewRowsASeriesTakesFewBytesAndFewBlocks() throws {
    let (bench, store) = try fleet()
    let before = try StoreReading.rows(store.snapshot())
    #expect(before.count == 3_000)
    let segment = try #require(store.snapshot().segments.first)
    let directory = try segment.directory()
    #expect(directory.table.rows.isEmpty && directory.blockCount == 2 && directory.positions.count == 600)
    #expect(segment.byteCount < 3_000 * 5, "\(segment.byteCount) bytes for 3,000 rows of 600 series")
    #expect(directory.byteCount < 600 * 400, "\(directory.byteCount) bytes in memory")
    try store.close()
    let reopened = try bench.open()
    #expect(try StoreReading.rows(reopened.snapshot()) == before)
    // What comes again is known for what it is, from the index alone.
    let again = try reopened.append(Self.minute(3, devices: 0..<200), creator: StoreBench.actor)
    #expect(again.same == 600 && again.new == 0)
    try append(5..<6, to: reopened)
    try reopened.close()
    #expect(try Verify.run(bench.options(readOnly: true), StoreBench.path).isWhole)
  }

  @Test func compactionGivesASeriesABlockOfItsOwnOnceItHasTheRows() throws {
    let bench = StoreBench(seed: 6, clock: SimClock(nanos: StoreBench.start + 7_200_000_000_000))
    let store = try bench.open()
    for part in 0..<16 {
      try append((part * 5)..<(part * 5 + 5), to: store, devices: 0..<20)
      try store.seal()
    }
    let before = try StoreReading.rows(store.snapshot())
    let isShared = try store.snapshot().segments.allSatisfy { try $0.directory().table.rows.isEmpty }
    #expect(isShared)
    try store.compact()
    let segments = store.snapshot().segments
    #expect(segments.count == 1)
    let directory = try #require(segments.first).directory()
    #expect(directory.shared.isEmpty && directory.table.rows.count == 60)
    #expect(try StoreReading.rows(store.snapshot()) == before)
    try store.compact()
    #expect(store.snapshot().segments.map(\.id) == segments.map(\.id), "nothing is left to do")
  }

  @Test(arguments: [UInt64(1), 15])
  func aFlippedBitInASharedBlockIsNeverAWrongValue(sharing: UInt64) throws {
    let sample = try StoreDamageTests.sample(.small(sharing))
    for file in sample.files where file.path.hasSuffix(".data") {
      for bit in stride(from: Int(sharing), to: file.byteCount * 8, by: 1 + 250_000 / seedCount(300)) {
        let disk = SimDisk(copyOf: sample.disk)
        disk.flipBit(file.path, bit)
        _ = try StoreDamageTests.read(
          disk, of: sample, readOnly: bit % 2 == 0, "\(file.path) bit \(bit)")
      }
    }
  }

  @Test func aDamagedSharedBlockIsNamedAndTheRestIsSalvaged() throws {
    let (bench, store) = try fleet()
    let all = try StoreReading.rows(store.snapshot())
    let id = try #require(store.snapshot().segments.first).id
    try store.close()
    let path = StoreBench.path + "/data/" + FileNames.dataSegment(id)
    bench.disk.flipBit(path, (SegmentFormat.headerByteCount + 20) * 8)
    let report = try Verify.run(bench.options(readOnly: true), StoreBench.path)
    #expect(!report.isWhole && report.losses.contains { $0.readings != nil })
    let salvaged = try Salvage.run(bench.options(readOnly: true), from: StoreBench.path, to: "rescued")
    #expect(salvaged.losses.count == 1)
    let rescued = try Store.open("rescued", bench.options())
    let rows = try StoreReading.rows(rescued.snapshot())
    #expect(!rows.isEmpty && rows.count < all.count && rows.allSatisfy { all[$0.key] == $0.value })
    #expect(try Verify.run(bench.options(readOnly: true), "rescued").isWhole)
  }
}
