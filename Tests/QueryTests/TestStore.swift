import Query
import TSEngine

@testable import Query

/// A small store in memory whose every value a reader can compute by hand:
/// two meters of the table `power` with three (two) probes, one reading a second for ten minutes
/// from 2026-01-01T00:00:00Z; a gap of a minute in m1/2; nulls in pf; and a declared table `weather`.
struct TestCatalog: Catalog {
  var snapshot: Snapshot
  var owned: [String: [OwnerRun]] = [:]
  var rowTables: [any RowTable] = []

  func owners(of device: String, during times: Range<Int64>) -> [OwnerRun] { owned[device] ?? [] }
  func receivedAt(_ lsn: LSN) -> Int64? { lsn == 0 ? nil : TestStore.start + Int64(lsn) * 1_000_000_000 }
}

struct TestRows: RowTable {
  var name: String
  var columns: [RowColumn]
  var rows: [[SQLValue]]
  func scan(_ emit: ([SQLValue]) throws(SQLError) -> Bool) throws(SQLError) {
    for row in rows { if try !emit(row) { return } }
  }
}

/// One reading before it is laid out in stretches.
struct TestRow {
  var ts: Int64
  var power: Int64
  var pf: Int64?
  var voltage: Int64
}

enum TestStore {
  /// 2026-01-01T00:00:00Z
  static let start: Int64 = 1_767_225_600_000_000_000
  static let second: Int64 = 1_000_000_000

  static func rows(_ device: String, _ probe: Int32) -> [TestRow] {
    (0..<600).compactMap { i -> TestRow? in
      // m1/2 has no reading in its third minute.
      if device == "m1", probe == 2, (120..<180).contains(i) { return nil }
      let base = Int64(probe) * 1000 + (device == "m2" ? 500 : 0)
      return TestRow(
        ts: start + Int64(i) * second, power: base + Int64(i), pf: i % 10 == 3 ? nil : Int64(900 + i % 100),
        voltage: Int64(2200 + i % 7))
    }
  }

  static let series: [(String, Int32)] = [("m1", 1), ("m1", 2), ("m1", 3), ("m2", 1), ("m2", 2)]

  /// How the same readings lie in the store.
  enum Layout: Sendable {
    /// Rows in memory, without statistics.
    case rows
    /// Encoded blocks with statistics.
    case blocks
    /// Encoded blocks of the cold form.
    case cold
    /// Two overlapping sources a stretch, one with the odd and one with the even rows.
    case merged
    /// Blocks that all series share.
    case shared
  }

  /// - Parameter cut: rows of a stretch.
  static func catalog(cut: Int = 300, _ layout: Layout = .rows) -> TestCatalog {
    let symbols = SymbolTable()
    var builder = BlockBuilder(
      schema: .power, symbols: symbols, coldBefore: layout == .cold ? .max : .min)
    let ct = symbols.code(of: "CT")
    let versions = [symbols.code(of: "221013"), symbols.code(of: "230101")]
    var power: [Stretch] = []
    var shared: [(key: SeriesKey, rows: RowSet)] = []
    for (device, probe) in series {
      let rows = rows(device, probe)
      for from in stride(from: 0, to: rows.count, by: cut) {
        let part = Array(rows[from..<min(from + cut, rows.count)])
        let version = versions[device == "m1" ? 0 : 1]
        let source: Stretch.Source
        switch layout {
        case .rows: source = .rows(rowSet(part, ct, version))
        case .blocks, .cold: source = .block(MemoryBlock(rowSet(part, ct, version), builder: &builder).reader)
        case .merged:
          let halves = [0, 1].map { half in part.indices.filter { $0 % 2 == half }.map { part[$0] } }
          source = .merged(halves.filter { !$0.isEmpty }.map { .rows(rowSet($0, ct, version)) })
        case .shared:
          shared.append((SeriesKey(table: 1, device: device, probe: probe), rowSet(part, ct, version)))
          continue
        }
        power.append(Stretch(series: SeriesKey(table: 1, device: device, probe: probe), source: source))
      }
    }
    if !shared.isEmpty { power = members(of: shared, &builder) }
    let weather = TableSchema(
      id: 2, name: "weather",
      columns: [
        ColumnSchema(id: 1, name: "temperature", type: .float, unit: "°C"),
        ColumnSchema(id: 2, name: "raining", type: .bool), ColumnSchema(id: 3, name: "sky", type: .symbol),
      ],
      defaultSpanNanos: 60 * second)
    let skies = ["clear", "Cloudy", "rain"].map { symbols.code(of: $0) }
    let temperatures: [Double] = [1.5, -2.25, 0.1, 0.2, 0.3, 1e16, 1, -1e16]
    let sky = RowSet(
      times: .explicit((0..<8).map { start + Int64($0) * 60 * second }),
      columns: [
        RowSet.Column(id: 1, content: .values(temperatures.map { Int64(bitPattern: $0.bitPattern) })),
        RowSet.Column(id: 2, content: .values([0, 1, 0, 0, 1, 0, 0, 1]), validity: [0b0111_1111]),
        RowSet.Column(id: 3, content: .values((0..<8).map { skies[$0 % 3] })),
      ], lsns: [RowSet.LSNRun(end: 8, lsn: 7)])
    let stretches = [
      TableSchema.power.id: power,
      weather.id: [Stretch(series: SeriesKey(table: 2, device: "w1", probe: 1), rows: sky)],
    ]
    let snapshot = Snapshot(lsn: 100, symbols: symbols, tables: [.power, weather], stretches: stretches)
    return TestCatalog(snapshot: snapshot, owned: owned, rowTables: [devices])
  }

  /// Stretches of one shared block.
  private static func members(
    of parts: [(key: SeriesKey, rows: RowSet)], _ builder: inout BlockBuilder
  ) -> [Stretch] {
    let keys = Set(parts.map(\.key)).sorted()
    let few = parts.map { part in
      BlockBuilder.Few(series: keys.firstIndex(of: part.key) ?? 0, rows: part.rows)
    }
    let (block, members) = builder.build(few)
    var index = SegmentIndex(table: 1, columns: TableSchema.power.columns, series: SeriesNames(keys))
    index.shared.append(block.entry, members)
    let directory = BlockDirectory(
      index: index, numbers: [], symbols: builder.symbols, source: BlockBytes(bytes: block.bytes),
      baseLSN: 0)
    return zip(parts, directory.positions).map { part, position in
      Stretch(series: part.key, source: .block(directory.reader(position)))
    }
  }

  private struct BlockBytes: SectionSource {
    let bytes: [UInt8]
    func bytes(of section: Section) throws(StorageError) -> [UInt8] {
      switch section {
      case .inline(let inline): inline
      case .stored(let offset, let byteCount, _): Array(bytes[offset..<(offset + byteCount)])
      }
    }
  }

  /// m1 is Ann's for five minutes and a half second, then nobody's for a minute, then Bob's.
  static let owned: [String: [OwnerRun]] = [
    "m1": [
      OwnerRun(times: Int64.min..<start + 300 * second + second / 2, owner: "ann"),
      OwnerRun(times: start + 300 * second + second / 2..<start + 360 * second, owner: nil),
      OwnerRun(times: start + 360 * second..<Int64.max, owner: "bob"),
    ]
  ]

  static let devices = TestRows(
    name: "devices",
    columns: [RowColumn("id", .text), RowColumn("name", .text), RowColumn("kind", .text), RowColumn("since", .timestamp)],
    rows: [
      [.text("m1"), .text("Kitchen"), .text("power"), .timestamp(start)],
      [.text("m3"), .text("Garage"), .text("power"), .null],
      [.text("m2"), .text("Shed"), .null, .timestamp(start + 60 * second)],
    ])

  private static func rowSet(_ rows: [TestRow], _ ct: Int64, _ version: Int64) -> RowSet {
    var validity = [UInt64](repeating: 0, count: (rows.count + 63) / 64)
    for (row, reading) in rows.enumerated() where reading.pf != nil { validity[row / 64] |= 1 << UInt64(row % 64) }
    let isRegular = rows.last!.ts - rows[0].ts == Int64(rows.count - 1) * second
    let times: SampleTimes =
      isRegular
      ? .regular(RegularTimes(start: rows[0].ts, span: Int64(rows.count) * second, count: rows.count)!)
      : .explicit(rows.map(\.ts))
    let columns = [
      RowSet.Column(id: 1, content: .values(rows.map(\.power))),
      RowSet.Column(id: 2, content: .values(rows.map { $0.pf ?? 0 }), validity: validity),
      RowSet.Column(id: 3, content: .values(rows.map(\.voltage))),
      RowSet.Column(id: 4, content: .constant(second)),
      RowSet.Column(id: 6, content: .constant(ct)), RowSet.Column(id: 7, content: .constant(version)),
    ]
    return RowSet(times: times, columns: columns, lsns: [RowSet.LSNRun(end: rows.count, lsn: 5)])
  }
}
