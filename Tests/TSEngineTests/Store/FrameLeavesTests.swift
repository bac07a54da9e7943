import Testing

@testable import TSEngine

/// T-13: leaves made from the bytes of a record are those of its rows.
@Suite struct FrameLeavesTests {
  private let schema = TableSchema(
    id: 9, name: "lab",
    columns: [
      ColumnSchema(id: 1, name: "i", type: .int), ColumnSchema(id: 2, name: "f", type: .float),
      ColumnSchema(id: 4, name: "b", type: .bool), ColumnSchema(id: 5, name: "s", type: .symbol),
      ColumnSchema(id: 200, name: "t", type: .text),
    ], defaultSpanNanos: 1)
  private let symbols = SymbolTable()

  private func times(_ random: inout SimRandom) throws -> SampleTimes {
    let count = random.below(8) == 0 ? 60 + random.below(10) : 1 + random.below(20)
    let start = Int64(random.below(1000)) * 1_000_000_007
    switch random.below(3) {
    case 0: return .regular(try #require(RegularTimes(start: start, span: Int64(count) * 50, count: count)))
    case 1: return .regular(try #require(RegularTimes(start: start, span: Int64(count) * 50 + 1, count: count)))
    default:
      var at = start
      return .explicit((0..<count).map { _ in
        at += 1 + Int64(random.below(3))
        return at
      })
    }
  }

  private func value(_ column: ColumnSchema, _ kind: Int, _ batch: inout FrameBatch, _ random: inout SimRandom) -> Int64 {
    let texts = ["", "ü", "long enough for no small string", "x"]
    let text = texts[kind == 0 ? 3 : random.below(4)]
    switch column.type {
    case .int: return kind == 0 ? -5 : Int64(truncatingIfNeeded: random.next() >> UInt64(random.below(63)))
    case .float: return Int64(bitPattern: (kind == 0 ? -0.0 : Double(random.below(9)) / 7).bitPattern)
    case .bool: return kind == 0 ? 1 : Int64(random.below(2))
    case .symbol: return symbols.code(of: text)
    case .text: return batch.code(of: text, column: column.id, in: symbols)
    }
  }

  private func batch(_ random: inout SimRandom) throws -> FrameBatch {
    var batch = FrameBatch(table: schema.id)
    batch.beginFrame(device: "d\(random.below(3))")
    for probe in 0...random.below(3) {
      let times = try times(&random)
      // Now and then a probe twice, or not in order.
      batch.beginRun(probe: Int32(random.below(9) == 0 ? random.below(3) : probe * 70 - 9), times: times)
      let columns = random.below(9) == 0 ? schema.columns.reversed() : schema.columns
      for column in columns where random.below(4) > 0 {
        let kind = random.below(3)
        let values = (0..<times.count).map { _ in value(column, kind, &batch, &random) }
        switch random.below(4) {
        case 0: batch.add(column.id, constant: values[0])
        case 1:
          let part = random.below(3)
          batch.add(column.id, values, valid: values.map { _ in part == 0 ? random.below(2) == 0 : part == 1 })
        default: batch.add(column.id, values)
        }
      }
    }
    return batch
  }

  /// By the rows, as they are read from sealed blocks.
  private func expected(_ batch: FrameBatch, _ grouper: inout LeafGrouper) {
    var series: [Int32: [RowSet]] = [:]
    for run in batch.frames[0].runs {
      var rows = RowAccumulator()
      rows.append(batch.runs[run], of: batch, lsn: 77)
      series[batch.runs[run].probe, default: []].append(rows.rows())
    }
    var writer = LeafWriter(symbols: symbols)
    for (probe, sets) in series.sorted(by: { $0.key < $1.key }) {
      let key = SeriesKey(table: schema.id, device: batch.frames[0].device, probe: probe)
      LeafRows(sets, of: key, lsn: 77, schema: LeafSchema(schema)).forEach(&writer) { key, leaf in
        #expect(leaf.digest() == MerkleTree.leaf(leaf.bytes))
        grouper.add(key, leaf.digest())
      }
    }
  }

  private func record(_ batch: FrameBatch) -> [UInt8] {
    var out = ByteWriter()
    FrameRecord.encode(batch, frame: 0, symbols: symbols, symbolColumns: [5, 200], into: &out)
    return out.bytes
  }

  @Test func leavesOfARecordAreThoseOfItsRows_T13() throws {
    var random = SimRandom(seed: 3)
    for round in 0..<2_000 {
      let batch = try batch(&random)
      var (made, wanted) = (LeafGrouper(), LeafGrouper())
      var leaves = FrameLeaves(symbols: symbols)
      try leaves.add(record(batch).rawSpan, lsn: 77, schema: { _ in schema }, to: &made)
      expected(batch, &wanted)
      let (count, wantedCount) = (made.count, wanted.count)
      #expect(count == wantedCount, "round \(round)")
      let (root, wantedRoot) = (made.finish(), wanted.finish())
      #expect(root == wantedRoot, "round \(round)")
      #expect(made.groups.map(\.first) == wanted.groups.map(\.first), "round \(round)")
    }
  }

  /// RFC 6962, section 2.1, by the hash that knows no trees.
  @Test func nodesAreHashesOfPrefixAndBothSides_T13() {
    var digest = Digest.zero
    for _ in 0..<20 {
      let next = MerkleTree.node(digest, MerkleTree.leaf([1, 2, 3]))
      #expect(next.bytes == SHA256.hash([1] + digest.bytes + MerkleTree.leaf([1, 2, 3]).bytes))
      digest = next
    }
    for count in 0..<200 {
      let bytes = [UInt8](repeating: 7, count: count)
      var padded = [UInt8](bytes)
      SHA256.pad(&padded)
      #expect(Digest(SHA256.words(ofPadded: padded.rawSpan)).bytes == SHA256.hash(bytes), "\(count) bytes")
    }
  }

  /// A record cut anywhere, or with any byte changed, is refused or read; nothing traps.
  @Test func aDamagedRecordTrapsNowhere_T13() throws {
    var random = SimRandom(seed: 4)
    for _ in 0..<60 {
      let whole = record(try batch(&random))
      for index in whole.indices {
        var changed = whole
        changed[index] ^= 1 << UInt8(random.below(8))
        for bytes in [changed, Array(whole[..<index])] {
          var (leaves, grouper) = (FrameLeaves(symbols: symbols), LeafGrouper())
          do throws(StorageError) {
            try leaves.add(bytes.rawSpan, lsn: 77, schema: { $0 == 9 ? schema : nil }, to: &grouper)
          } catch {
            #expect([.corrupt, .truncated, .unsupportedVersion].contains(error.code))
          }
          _ = grouper.finish()
        }
      }
    }
  }
}
