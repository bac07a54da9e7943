import CZlib
import Glibc
import TSEngine
import Testing

@testable import Ingest

/// CSV and NDJSON import (INTERFACES section 1).
@Suite struct RowImporterTests {
  struct Result {
    var chunks: [ImportChunk] = []
    var rejects: [RejectedLine] = []
    var rows = 0

    /// device/probe@time=values of the first columns, sorted; "-" where there is none.
    var text: [String] {
      chunks.flatMap { chunk in
        chunk.times.indices.map { row in
          let values = TableSchema.power.columns.prefix(3).map { schema -> String in
            guard let column = chunk.columns.first(where: { $0.id == schema.id }),
              column.validity.isEmpty || column.validity[row]
            else { return "-" }
            return "\(column.slots[row])"
          }
          return "\(chunk.device)/\(chunk.probe)@\(chunk.times[row])="
            + values.joined(separator: ",")
        }
      }.sorted()
    }
  }

  static func file(_ bytes: [UInt8]) -> String {
    var template = Array("/tmp/tsq-import-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    close(descriptor)
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  static func read(
    _ bytes: [UInt8], _ format: ImportFormat = .csv, table: TableSchema = .power,
    symbols: SymbolTable = SymbolTable()
  ) throws(ImportError) -> Result {
    let path = file(bytes)
    defer { unlink(path) }
    var result = Result()
    var importer = RowImporter(try ByteSource(path: path), table: table, symbols: symbols)
    try importer.run(format) {
      result.chunks.append($0)
    } reject: {
      result.rejects.append($0)
    }
    result.rows = importer.rowCount
    return result
  }

  static func read(_ text: String, _ format: ImportFormat = .csv) throws(ImportError) -> Result {
    try read(Array(text.utf8), format)
  }

  static func gzip(_ bytes: [UInt8]) -> [UInt8] {
    var stream = z_stream()
    deflateInit2_(
      &stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size))
    var (input, output) = (bytes, [UInt8](repeating: 0, count: bytes.count + 1_000))
    let count = input.withUnsafeMutableBufferPointer { source in
      output.withUnsafeMutableBufferPointer { target in
        stream.next_in = source.baseAddress
        stream.avail_in = UInt32(source.count)
        stream.next_out = target.baseAddress
        stream.avail_out = UInt32(target.count)
        deflate(&stream, Z_FINISH)
        return target.count - Int(stream.avail_out)
      }
    }
    deflateEnd(&stream)
    return Array(output[0..<count])
  }

  @Test func aHeaderSaysWhatTheColumnsAre() throws {
    let text =
      "timestamp_ms,sensor_id,probe_id,power,pf,voltage\n1000,7,0,5,-3,\n1000,7,1,,,2300\r\n\n2000,7,0,6,,1"
    let result = try Self.read(text)
    #expect(result.rejects.isEmpty)
    #expect(result.rows == 3)
    #expect(
      result.text == ["7/0@1000000000=5,-3,-", "7/0@2000000000=6,-,1", "7/1@1000000000=-,-,2300"])
  }

  @Test(
    arguments: [
      ("ts", "1666000000", 1_666_000_000_000_000_000),
      ("time", "1666000000123", 1_666_000_000_123_000_000),
      ("timestamp", "1666000000123456", 1_666_000_000_123_456_000),
      ("ts", "1666000000123456789", 1_666_000_000_123_456_789),
      ("TS", "1666000000.5", 1_666_000_000_500_000_000),
      ("time", "2022-10-17T09:46:40.25Z", 1_666_000_000_250_000_000),
      ("time", "\"2022-10-17 18:46:40+09:00\"", 1_666_000_000_000_000_000),
      ("timestamp_s", "12", 12_000_000_000), ("timestamp_ms", "-1", -1_000_000),
      ("timestamp_us", "5", 5_000), ("timestamp_ns", "5", 5),
      ("timestamp_ms", "1666000000123.5", 1_666_000_000_123_500_000),
    ] as [(String, String, Int64)])
  func timesAreReadByNameOrMagnitude(_ name: String, _ text: String, _ nanos: Int64) throws {
    let csv = try Self.read("device,\(name),power\nd.1-_x,\(text),1\n")
    #expect(csv.text == ["d.1-_x/1@\(nanos)=1,-,-"])
    let value =
      text.contains("-") && text.contains(":") ? "\"\(text.filter { $0 != "\"" })\"" : text
    let json = try Self.read(
      #"{"device":"d.1-_x","\#(name)":\#(value),"power":1,"pf":null}"#, .ndjson)
    #expect(json.text == csv.text)
  }

  @Test(arguments: [
    "", "power,pf\n", "ts,power\n", "ts,sensor,watts\n1,a,1\n", "ts,time,sensor\n",
    "ts,sensor,power,power\n", "ts,sensor,device_id\n",
  ])
  func aHeaderThatSaysTooLittleIsAnError(_ text: String) {
    #expect { try Self.read(text) } throws: {
      if case .header = $0 as? ImportError { true } else { false }
    }
  }

  @Test func badLinesAreRejectedWithTheirNumber() throws {
    let lines = [
      "1,a,1,5", "x,a,1,5", "1,a b,1,5", "1,a,1", "1,a,1,5,6", "1,a,1,5.5",
      "1,a,1,9223372036854775808", "1,a,z,5", ",a,1,5", "1,,1,5",
      "1,a,1,5x", "1,a,1,\"5", "2022-10-17T09:46:40,a,1,5", "99999999999999999999,a,1,5",
      "2,\"a\",\"1\",\"7\"", "3, a , 1 ,8.0",
      "4,a,,9e1",
    ]
    let result = try Self.read("ts,sensor,probe,power\n" + lines.joined(separator: "\n"))
    #expect(result.rejects.map(\.number) == Array(3...15))
    #expect(result.rejects.allSatisfy { !$0.reason.isEmpty })
    #expect(result.rejects[0].text == "x,a,1,5")
    #expect(result.rows == 4)
    #expect(result.text.first == "a/1@1000000000=5,-,-")
    #expect(result.text.last == "a/1@4000000000=90,-,-")
  }

  @Test func badObjectsAreRejectedWithTheirNumber() throws {
    let lines = [
      #"{"ts":1,"sensor":"a","power":5}"#, #"{"ts":1,"sensor":"a","watts":5}"#,
      #"{"ts":1,"sensor":"a","power":5,"power":6}"#,
      #"{"ts":1,"time":1,"sensor":"a"}"#, #"[1]"#, #"{"ts":1,"sensor":"a","power":"5"}"#,
      #"{"ts":1,"sensor":"a","power":5}x"#, "{}",
      #" {"ts" : 2, "sensor" : 12, "probe":3, "power" : 6.0 } "#,
    ]
    let result = try Self.read(lines.joined(separator: "\n"), .ndjson)
    #expect(result.rejects.map(\.number) == Array(2...8))
    #expect(result.text == ["12/3@2000000000=6,-,-", "a/1@1000000000=5,-,-"])
  }

  @Test func gzipIsToldByItsBytesAndMayHaveSeveralMembers() throws {
    let (a, b) = (Array("ts,sensor,power\n1,a,5\n2,".utf8), Array("a,6\n".utf8))
    #expect(
      try Self.read(Self.gzip(a) + Self.gzip(b)).text == [
        "a/1@1000000000=5,-,-", "a/1@2000000000=6,-,-",
      ])
    let cut = Self.gzip(a).dropLast(5)
    #expect { try Self.read(Array(cut)) } throws: {
      $0 as? ImportError == .source("the gzip file is cut short")
    }
    var damaged = Self.gzip(a)
    damaged[14] ^= 0xFF
    #expect { try Self.read(damaged) } throws: {
      if case .source = $0 as? ImportError { true } else { false }
    }
  }

  @Test func rowsComeInOrderOfTimeAndRowsOfOneInstantInOrderOfTheFile() throws {
    let result = try Self.read("ts,sensor,power\n3,a,1\n1,a,2\n3,a,3\n2,a,4\n3,a,5\n")
    #expect(
      result.chunks.map(\.times) == [
        [1_000_000_000, 2_000_000_000, 3_000_000_000], [3_000_000_000], [3_000_000_000],
      ])
    #expect(result.chunks.map { $0.columns[0].slots } == [[2, 4, 1], [3], [5]])
  }

  @Test func otherTypesOfColumnsAreRead() throws {
    let table = TableSchema(
      id: 9, name: "weather",
      columns: [
        ColumnSchema(id: 1, name: "temperature", type: .float),
        ColumnSchema(id: 2, name: "raining", type: .bool),
        ColumnSchema(id: 3, name: "place", type: .symbol),
        ColumnSchema(id: 4, name: "hum", type: .int, minimum: 0, maximum: 100),
      ], defaultSpanNanos: 1)
    let symbols = SymbolTable()
    let csv =
      "ts,device,temperature,raining,place,hum\n1,a,-2.5e1,true,\"Zürich, \"\"ZH\"\"\",100\n2,a,nan,true,x,1\n3,a,1,maybe,x,1\n4,a,1,true,x,101\n"
    let result = try Self.read(Array(csv.utf8), table: table, symbols: symbols)
    #expect(result.rejects.map(\.number) == [4, 5])
    #expect(Double(bitPattern: UInt64(bitPattern: result.chunks[0].columns[0].slots[1])).isNaN)
    let slots = result.chunks[0].columns.map { $0.slots[0] }
    #expect(Double(bitPattern: UInt64(bitPattern: slots[0])) == -25)
    #expect(slots[1] == 1 && slots[3] == 100)
    #expect(symbols.text(of: slots[2]) == "Zürich, \"ZH\"")
  }

  /// A line may lie anywhere across the reader's buffers.
  @Test func linesAcrossBuffersAndBoundedChunks() throws {
    var text = "timestamp_ms,sensor,power\n"
    let count = 150_000
    for row in 0..<count { text += "\(1_546_300_800_000 + row * 50),m\(row % 3),\(row)\n" }
    text.removeLast()
    let result = try Self.read(text)
    #expect(result.rows == count && result.rejects.isEmpty)
    #expect(result.chunks.allSatisfy { $0.times.count <= SeriesBuffers.chunkRows })
    #expect(
      result.chunks.reduce(0) { $0 + $1.columns[0].slots.reduce(0, +) }
        == Int64(count * (count - 1) / 2))
    let series = result.chunks.filter { $0.device == "m0" }
    #expect(series.reduce(0) { $0 + $1.times.count } == count / 3)
    #expect(series[0].stretches().count == 1)
  }

  /// S1: mutated lines are taken or rejected, one by one.
  @Test(arguments: [ImportFormat.csv, .ndjson])
  func mutatedLinesNeverTrap(_ format: ImportFormat) throws {
    let seed: UInt64 = 0xC5
    var random = SeededRandom(seed)
    let lines =
      format == .csv
      ? ["1666000000,a,1,5,\"6\",-7", "2022-10-17T09:46:40Z,b, 2 ,,,1.0"]
      : [
        #"{"ts":1666000000,"sensor":"a","probe":1,"power":5,"pf":null,"voltage":-7}"#,
        #"{"time":"2022-10-17T09:46:40Z","device":5,"power":1e3}"#,
      ]
    var bytes = Array("ts,sensor,probe,power,pf,voltage\n".utf8)
    if format == .ndjson { bytes = [] }
    let count = 20_000
    for _ in 0..<count {
      var line = Array(lines[Int(random.next() % 2)].utf8)
      for _ in 0...(random.next() % 3) {
        let at = Int(random.next() % UInt64(line.count))
        switch random.next() % 3 {
        case 0: line[at] ^= 1 << UInt8(random.next() % 8)
        case 1: line[at] = UInt8(truncatingIfNeeded: random.next())
        default:
          line.insert(
            contentsOf: Array("\\u\"9,{[-.e".utf8.shuffled(using: &random).prefix(3)), at: at)
        }
      }
      bytes += line.map { $0 == 10 ? 11 : $0 } + [10]
    }
    let result = try Self.read(bytes, format)
    #expect(result.rows + result.rejects.count == count, "seed \(seed)")
    #expect(result.rows == result.chunks.reduce(0) { $0 + $1.times.count })
    #expect(result.rows > 100 && result.rejects.count > 1_000)
  }

  @Test func regularStretchesAreFoundAndCoverAllRows() throws {
    var times: [Int64] = [5, 9, 10]
    times += (0..<40).map { 1_000 + $0 * 50 }
    times += [4_000, 4_007]
    times += (0..<90).map { 1_000_000_000 + $0 * 1_000_000_000 / 30 }
    let chunk = ImportChunk(
      device: "a", probe: 1, times: times,
      columns: [.init(id: 3, slots: times, validity: times.map { $0 % 2 == 0 })])
    let stretches = chunk.stretches()
    #expect(stretches.map(\.rows) == [0..<3, 3..<43, 43..<45, 45..<135])
    for (rows, runTimes) in stretches {
      #expect(rows.count == runTimes.count)
      for row in rows { #expect(runTimes.tick(row - rows.lowerBound) == times[row]) }
    }
    var batch = FrameBatch(table: TableSchema.power.id)
    chunk.append(to: &batch, spanNanos: 7)
    #expect(batch.rowCount == times.count && batch.frames.count == 1 && batch.runs.count == 4)
    #expect(batch.runs.allSatisfy { $0.cells.count == 3 })
  }
}
