import TSEngine
import Testing

@testable import Ingest

/// P-01 to P-04, P-09, P-10, P-12, S1: the power meter's frame at the door.
@Suite struct PowerFrameTests {
  struct Parsed {
    var batch = FrameBatch(table: TableSchema.power.id)
    var infos: [FrameInfo] = []
    var symbols = SymbolTable()

    /// Values of a column in one run; nil rows are null, an absent column is all null.
    func column(_ name: String, run: Int) -> [Int64?] {
      let run = batch.runs[run]
      let id = TableSchema.power.columns[TableSchema.power.index(ofColumn: name)!].id
      let count = run.times.count
      guard let cell = batch.cells[run.cells].first(where: { $0.column == id }) else {
        return Array(repeating: nil, count: count)
      }
      switch cell.content {
      case .constant(let value): return Array(repeating: value, count: count)
      case .values(let start): return batch.values[start..<(start + count)].map { $0 }
      case .nullable(let start, let validity):
        return (0..<count).map { batch.validity[validity + $0] ? batch.values[start + $0] : nil }
      }
    }
  }

  static func parse(_ bytes: [UInt8], scales: PowerWireScales = PowerWireScales())
    throws(FrameError) -> Parsed
  {
    var parsed = Parsed()
    var parser = PowerFrameParser(scales: scales, symbols: parsed.symbols)
    try parser.parse(bytes, into: &parsed.batch, infos: &parsed.infos)
    parsed.batch.internVersions(of: parsed.infos, in: parsed.symbols)
    return parsed
  }

  static func good(_ name: String) throws -> Parsed {
    try parse(Fixtures.bytes("payloads/good/\(name).json"))
  }

  static func frame(_ probe: String, _ head: String = "") -> [UInt8] {
    Array(#"{"sensor_id":"gre000001","timestamp":1666000000,\#(head)"data":[\#(probe)]}"#.utf8)
  }

  @Test(arguments: Fixtures.names(in: "payloads/good", suffix: ".json"))
  func goodPayloadsAreTaken(_ name: String) throws {
    let parsed = try Self.good(name)
    #expect(parsed.batch.frames.count == parsed.infos.count)
    #expect(parsed.infos.allSatisfy { $0.rowCount > 0 })
    #expect(parsed.batch.rowCount == parsed.infos.reduce(0) { $0 + $1.rowCount })
  }

  @Test(arguments: Fixtures.names(in: "payloads/bad", suffix: ".json"))
  func badPayloadsAreRefusedWithThePathOfTheFault(_ name: String) {
    let expected = Fixtures.lines("payloads/bad/\(name).expected")
    do {
      _ = try Self.parse(Fixtures.bytes("payloads/bad/\(name).json"))
      Issue.record("was taken")
    } catch {
      #expect(error.path == expected[0])
      #expect(error.kind.rawValue == expected[1])
      #expect(!error.reason.isEmpty)
    }
  }

  /// P-01, P-02
  @Test func sampleILiesAtTimestampPlusITimes50Millis() throws {
    let parsed = try Self.good("frame")
    #expect(parsed.batch.frames.map(\.device) == ["gresystem000001"])
    #expect(parsed.batch.runs.map(\.probe) == [1, 2, 3])
    for run in 0..<3 {
      let times = parsed.batch.runs[run].times
      #expect(
        (0..<20).map { times.tick($0) }
          == (0..<20).map { 1_666_000_000_000_000_000 + $0 * 50_000_000 })
      #expect(parsed.column("power", run: run) == (0..<20).map { 1000 + $0 })
      #expect(parsed.column("pf", run: run) == Array(repeating: 990, count: 20))
      #expect(parsed.column("voltage", run: run) == (0..<20).map { 2300 + $0 % 3 })
      #expect(parsed.column("span", run: run) == Array(repeating: 50_000_000, count: 20))
      #expect(parsed.column("voltage_span", run: run) == Array(repeating: 50_000_000, count: 20))
      #expect(
        parsed.symbols.text(of: try #require(parsed.column("probe_type", run: run)[0])) == "CT")
      #expect(
        parsed.symbols.text(of: try #require(parsed.column("version", run: run)[7])) == "221013")
    }
    #expect(parsed.infos[0].token == "t0ken")
    #expect(parsed.infos[0].timestampText == "1666000000")
    #expect(parsed.infos[0].extras == nil)
  }

  /// P-03
  @Test func scalarVoltageIsOneReadingOfTheWholeSecond() throws {
    let parsed = try Self.good("scalar-voltage")
    #expect(parsed.column("voltage", run: 0) == [2300, nil])
    #expect(parsed.column("voltage_span", run: 0) == [1_000_000_000, nil])
    #expect(parsed.column("span", run: 0) == [500_000_000, 500_000_000])
    let single = try Self.good("aliases")
    #expect(single.column("voltage", run: 2) == [2300])
    #expect(single.column("voltage_span", run: 2) == [1_000_000_000])
  }

  /// P-04
  @Test func otherLengthsSpreadOverTheSecondAndSpansSumToIt() throws {
    for n in [1, 2, 3, 7, 19, 30, 999, 1000] {
      let list = "[" + Array(repeating: "5", count: n).joined(separator: ",") + "]"
      let parsed = try Self.parse(
        Self.frame(#"{"power":\#(list),"pf":\#(list),"voltage":\#(list)}"#))
      let times = parsed.batch.runs[0].times
      for i in 0..<n { #expect(times.tick(i) - times.first == Int64(i) * 1_000_000_000 / Int64(n)) }
      for column in ["span", "voltage_span"] {
        let spans = parsed.column(column, run: 0).compactMap { $0 }
        #expect(spans.count == n)
        #expect(spans.reduce(0, +) == 1_000_000_000)
      }
    }
  }

  /// P-09
  @Test(
    arguments: [
      ("1666000000", 1_666_000_000_000_000_000), ("1666000000123", 1_666_000_000_123_000_000),
      ("1788820998.37", 1_788_820_998_370_000_000), ("0", 0), ("-1", -1_000_000_000),
      ("1.666e9", 1_666_000_000_000_000_000), ("99999999", 99_999_999_000_000_000),
      (#""2022-10-17T09:46:40Z""#, 1_666_000_000_000_000_000),
      (#""2022-10-17T18:46:40.25+09:00""#, 1_666_000_000_250_000_000),
      (#""2022-10-17 04:16:40-0530""#, 1_666_000_000_000_000_000),
      (#""2024-02-29T23:59:59.999999999z""#, 1_709_251_199_999_999_999),
      (#""1969-12-31T23:59Z""#, -60_000_000_000),
    ] as [(String, Int64)])
  func timestampsAreExact(_ text: String, _ nanos: Int64) throws {
    let body =
      #"{"sensor_id":"gre000001","timestamp":\#(text),"data":[{"power":[1],"pf":[1],"voltage":1}]}"#
    let parsed = try Self.parse(Array(body.utf8))
    #expect(parsed.infos[0].startNanos == nanos)
    #expect(parsed.batch.runs[0].times.first == nanos)
    #expect(parsed.infos[0].timestampText == text)
  }

  /// P-10
  @Test func unknownKeysAreKeptAsWrittenAndSecretsAreNot() throws {
    let parsed = try Self.good("unknown-keys")
    #expect(
      parsed.infos[0].extras
        == #"{"rssi":-60,"fw":{"a":[1,null,true,"x"]},"emoji":"😀","data":[{"temp":46.5}]}"#)
    let masked = try Self.parse(
      Self.frame(
        #"{"power":[1],"pf":[1],"voltage":1,"token":"a"}"#, #""secret":"b","token":"c","x":1e999,"#)
    )
    #expect(masked.infos[0].extras == #"{"secret":"***","x":1e999,"data":[{"token":"***"}]}"#)
    #expect(masked.infos[0].token == "c")
  }

  /// P-10
  @Test func fourByteCharactersSurvive() throws {
    #expect(
      try Self.good("four-byte-version").infos[0].version == String(repeating: "😀", count: 64))
    let escaped = try Self.parse(
      Self.frame(#"{"power":[1],"pf":[1],"voltage":1}"#, #""version":"\ud83d\ude00\n\u00e9\/","#))
    #expect(escaped.infos[0].version == "😀\né/")
  }

  /// P-12
  @Test func wireScalesAreExactOrRefused() throws {
    let scales = PowerWireScales(
      power: WireFactor(1, over: 10), pf: WireFactor(10), voltage: WireFactor(10))
    let body = Self.frame(#"{"power":[30,-20],"pf":[98.5,-1],"voltage":[230,229.9]}"#)
    let parsed = try Self.parse(body, scales: scales)
    #expect(parsed.column("power", run: 0) == [3, -2])
    #expect(parsed.column("pf", run: 0) == [985, -10])
    #expect(parsed.column("voltage", run: 0) == [2300, 2299])
    for (probe, path) in [
      (#"{"power":[31],"pf":[1],"voltage":1}"#, "data[0].power[0]"),
      (#"{"power":[30],"pf":[1.01],"voltage":1}"#, "data[0].pf[0]"),
      (#"{"power":[30],"pf":[1],"voltage":[922337203685477580.8]}"#, "data[0].voltage[0]"),
    ] {
      #expect {
        try Self.parse(Self.frame(probe), scales: scales)
      } throws: { ($0 as? FrameError)?.path == path && ($0 as? FrameError)?.kind == .range }
    }
  }

  /// Int64's ends are values like any other; a refused request leaves what was there before.
  @Test func aBadFrameTakesBackOnlyItsOwnRequest() throws {
    #expect(try Self.good("int64-extremes").column("power", run: 0) == [.max, .min])
    var parsed = try Self.good("array")
    var parser = PowerFrameParser(symbols: parsed.symbols)
    let before = (parsed.batch.values, parsed.batch.cells.count, parsed.infos)
    let bad = Array("[".utf8) + Fixtures.bytes("payloads/good/frame.json") + Array(",{}]".utf8)
    #expect {
      try parser.parse(bad, into: &parsed.batch, infos: &parsed.infos)
    } throws: { ($0 as? FrameError)?.path == "[1].sensor_id" }
    #expect(parsed.batch.values == before.0)
    #expect(parsed.batch.cells.count == before.1)
    #expect(parsed.infos == before.2)
    #expect(parsed.batch.frames.count == 2)
  }

  /// A stranger must not grow memory: texts get a code only when the caller has admitted the frames.
  @Test func readingFramesInternsNothing() throws {
    let symbols = SymbolTable()
    var parser = PowerFrameParser(symbols: symbols)
    let before = symbols.texts()
    let probe = #"{"power":[1],"pf":[1],"voltage":1}"#
    let versions = ["v0", "v1", "v0"]
    let bodies = versions.map { Self.frame(probe, #""version":"\#($0)","#) }
    var batch = FrameBatch(table: TableSchema.power.id)
    var infos: [FrameInfo] = []
    let request = [UInt8(ascii: "[")] + Array(bodies.joined(separator: [UInt8(ascii: ",")])) + [UInt8(ascii: "]")]
    try parser.parse(request, into: &batch, infos: &infos)
    #expect(infos.allSatisfy { $0.hasNewVersion } && symbols.texts() == before)
    batch.internVersions(of: infos, in: symbols)
    #expect(symbols.texts() == before + ["v0", "v1"])
    let parsed = Parsed(batch: batch, infos: infos, symbols: symbols)
    for (run, version) in versions.enumerated() {
      #expect(parsed.column("version", run: run) == [symbols.existingCode(of: version)])
    }
    // Known now, they are told at once.
    batch.removeAll()
    infos.removeAll()
    try parser.parse(request, into: &batch, infos: &infos)
    #expect(infos.allSatisfy { !$0.hasNewVersion })
  }

  /// S1: whatever a mutation makes of good payloads, the parser answers, and what it takes holds together.
  @Test func hundredThousandMutationsNeverTrap() throws {
    let seed: UInt64 = 0x7571
    var random = SeededRandom(seed)
    let corpus = Fixtures.names(in: "payloads/good", suffix: ".json")
      .map { Fixtures.bytes("payloads/good/\($0).json") }.filter { $0.count < 700 }
    let words = [
      "null", "true", "-", "1e999", "[", "]", "{", "}", "\"", "\\u", "\\", ",", ":", ".",
      "99999999999999999999", "\u{0}", "😀",
    ]
    .map { Array($0.utf8) }
    var parser = PowerFrameParser(symbols: SymbolTable())
    var batch = FrameBatch(table: TableSchema.power.id)
    var infos: [FrameInfo] = []
    var (taken, refused) = (0, 0)
    for _ in 0..<100_000 {
      var body = corpus[Int(random.next() % UInt64(corpus.count))]
      for _ in 0...(random.next() % 3) where !body.isEmpty {
        let at = Int(random.next() % UInt64(body.count))
        switch random.next() % 5 {
        case 0: body[at] ^= 1 << UInt8(random.next() % 8)
        case 1: body[at] = UInt8(truncatingIfNeeded: random.next())
        case 2: body.removeSubrange(at..<min(body.count, at + Int(random.next() % 9)))
        case 3: body.insert(contentsOf: words[Int(random.next() % UInt64(words.count))], at: at)
        default: body.removeSubrange(at...)
        }
      }
      do {
        try parser.parse(body, into: &batch, infos: &infos)
        taken += 1
        #expect(batch.rowCount == infos.reduce(0) { $0 + $1.rowCount }, "seed \(seed)")
        batch.removeAll()
        infos.removeAll()
      } catch {
        refused += 1
        if !batch.isEmpty || !infos.isEmpty {
          Issue.record("residue of a refused request, seed \(seed)")
        }
      }
    }
    #expect(taken > 1_000 && refused > 10_000)
  }
}
