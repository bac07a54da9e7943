import Synchronization
import Testing

@testable import TSEngine

/// Open chunks take whatever comes and give the same rows as the plain accumulator does.
@Suite struct OpenRowsTests {
  /// A batch of one device whose runs vary in length, step, columns, constants and nulls.
  private static func batch(_ random: inout SimRandom, runs: Int) -> FrameBatch {
    var batch = FrameBatch(table: 1)
    var next: Int64 = 1_700_000_000_000_000_000
    for _ in 0..<runs {
      batch.beginFrame(device: "m")
      let count = Int(random.next() % 40) + 1
      let step: Int64 = random.next() % 5 == 0 ? 33_333_333 : 50_000_000
      if random.next() % 4 == 0 { next += Int64(random.next() % 3_000_000_000) }
      if random.next() % 6 == 0 {
        let instants = (0..<count).map { next + Int64($0) * step + Int64(random.next() % 1000) }
        batch.beginRun(probe: 1, times: .explicit(instants))
      } else if let times = RegularTimes(start: next, span: step * Int64(count), count: count) {
        batch.beginRun(probe: 1, times: .regular(times))
      }
      next += step * Int64(count)
      for column in [1, 2, 3, 7] as [ColumnID] where random.next() % 9 != 0 {
        let values = (0..<count).map { _ in Int64(bitPattern: random.next()) >> 40 }
        switch random.next() % 4 {
        case 0: batch.add(column, constant: random.next() % 3 == 0 ? 7 : 8)
        case 1: batch.add(column, values, valid: (0..<count).map { _ in random.next() % 3 != 0 })
        default: batch.add(column, values)
        }
      }
    }
    return batch
  }

  private static func cells(_ rows: RowSet) -> [String] {
    (0..<rows.count).map { row in
      let lsn = rows.lsns.first { $0.end > row }?.lsn ?? 0
      let slots = ([1, 2, 3, 7] as [ColumnID]).map { rows.slot($0, row: row).map(String.init) ?? "-" }
      return "\(rows.times.tick(row)) \(lsn) \(slots.joined(separator: " "))"
    }
  }

  @Test func anyRunsGiveTheRowsOfThePlainAccumulator() throws {
    for seed in 1...40 as ClosedRange<UInt64> {
      var random = SimRandom(seed: seed)
      let batch = Self.batch(&random, runs: 12)
      var shapes = OpenShape.Recent()
      var plain = RowAccumulator()
      var open: OpenRows?
      var taken: [(rows: OpenRows, cells: [String])] = []
      for (index, run) in batch.runs.enumerated() {
        let lsn = LSN(10 + index / 2)
        if open == nil { open = OpenRows(for: index, of: batch, shapes: &shapes) }
        open?.append(index, of: batch, lsn: lsn, shapes: &shapes)
        plain.append(run, of: batch, lsn: lsn)
        let now = try #require(open)
        #expect(Self.cells(now.rows()) == Self.cells(plain.rows()), "seed \(seed), run \(index)")
        #expect(now.firstTime == plain.firstTime && now.lastTime == plain.lastTime)
        taken.append((now, Self.cells(plain.rows())))
      }
      for (rows, cells) in taken { #expect(Self.cells(rows.rows()) == cells, "seed \(seed)") }
      let last = try #require(open)
      for lsn in 9...17 as ClosedRange<LSN> {
        let expected = Self.cells(last.rows()).filter { (LSN($0.split(separator: " ")[1]) ?? 0) <= lsn }
        #expect(last.prefix(through: lsn).map { Self.cells($0.rows()) } ?? [] == expected, "seed \(seed)")
      }
    }
  }

  /// Each run fits the clock of nanoseconds; both together are more than one stretch can be.
  @Test func runsThatTogetherExceedAStretchBecomeIrregular() throws {
    let span: Int64 = 92_000_000_000_000_001
    var shapes = OpenShape.Recent()
    var batch = FrameBatch(table: 1)
    let first = try #require(RegularTimes(start: 1_420_070_400_000_000_000, span: span, count: 100))
    let second = try #require(RegularTimes(start: first.end, span: span, count: 100))
    for times in [first, second] {
      batch.beginFrame(device: "m")
      batch.beginRun(probe: 1, times: .regular(times))
      batch.add(1, (0..<100).map { Int64($0) })
    }
    var open = OpenRows(for: 0, of: batch, shapes: &shapes)
    for run in batch.runs.indices { open.append(run, of: batch, lsn: 7, shapes: &shapes) }
    #expect(open.lastTime == second.last && open.count == 200)
    let times = open.rows().times
    #expect((0..<200).allSatisfy { times.tick($0) == ($0 < 100 ? first.tick($0) : second.tick($0 - 100)) })
  }

  /// Readers copy rows out of the shared memory while the writer appends to it.
  @Test func aSnapshotStaysAsItWasWhileTheHeadGrows() throws {
    let head = Head(symbols: SymbolTable(), schema: { _ in .power })
    let visible = Mutex<LSN>(0)
    // A thread of its own: a task would wait for one that this test does not give free.
    let writer = try ThreadScheduler().run("writer") {
      for second in 0..<400 {
        var batch = FrameBatch(table: TableSchema.power.id)
        for device in 0..<3 {
          batch.beginFrame(device: "m\(device)")
          guard
            let times = RegularTimes(start: Int64(second) * 1_000_000_000, span: 1_000_000_000, count: 20)
          else { return .done }
          batch.beginRun(probe: 1, times: .regular(times))
          batch.add(1, (0..<20).map { Int64(second * 20 + $0) })
        }
        head.append(batch, series: [0, 1, 2]) { LSN(second * 3 + $0 + 1) }
        visible.withLock { $0 = LSN(second * 3 + 3) }
        if second % 50 == 0 { _ = head.encodeNext() }
      }
      return .done
    }
    var newest: LSN = 0
    repeat {
      newest = visible.withLock { $0 }
      for (_, chunks) in try head.chunks(of: nil, through: newest) {
        var rows = 0
        for chunk in chunks {
          let set = try chunk.source.rows()
          for row in 0..<set.count { #expect(set.slot(1, row: row) == Int64(rows + row)) }
          rows += set.count
        }
        #expect(rows == Int(newest) / 3 * 20)
      }
    } while newest < 1200
    writer.join()
    while head.encodeNext() {}
    #expect(head.rowCount == 24_000)
    #expect(head.byteCount < 400_000, "full chunks are encoded")
  }
}
