import Glibc
import TSEngine

/// Texts of a column, as plain bytes, packed and cold, beside zstd over the same bytes: bytes a text. Made from
/// a seed after payloads of real meters; columns of 3,000 rows, sections whole, codes and lengths in them.
enum TextBench {
  static func measured() throws -> String {
    var lines: [String] = []
    for (name, rows) in samples() {
      let packed = try TextRun(rows, isCold: false)
      let cold = try TextRun(rows, isCold: true)
      let distinct = rows.reduce(into: (seen: Set<String>(), texts: [String]())) {
        if $0.seen.insert($1).inserted { $0.texts.append($1) }
      }.texts
      let joined = distinct.joined()
      let plain = Double(rows.reduce(0) { $0 + $1.utf8.count + 1 }) / Double(rows.count)
      let cells = [
        name, "\(rows.count)", "\(distinct.count)", figure(plain, 2, width: 0),
        figure(packed.bytes, 2, width: 0), figure(cold.bytes, 2, width: 0),
        zstd(joined, 3, rows.count), zstd(joined, 19, rows.count),
        figure(packed.encodeRate, 0, width: 0), figure(packed.decodeRate, 0, width: 0),
        figure(cold.encodeRate, 0, width: 0), figure(cold.decodeRate, 0, width: 0),
      ]
      lines.append("| " + cells.joined(separator: " | ") + " |")
    }
    return """
      | texts | rows | distinct | plain | packed | cold | zstd -3 | zstd -19 | packed enc, MB/s | dec | cold enc | dec |
      | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
      \(lines.joined(separator: "\n"))
      """
  }

  static func samples() -> [(name: String, rows: [String])] {
    var random = Random(state: 1)
    let states = ["ok", "on", "off", "standby", "fault: overvoltage", "fault: phase missing", "calibrating"]
    return [
      ("states, symbols", (0..<3000).map { _ in states[random.below(20) < 18 ? 0 : random.below(7)] }),
      ("meter names, symbols", (0..<3000).map { "meter-\(100_000 + $0)" }),
      (
        "JSON messages",
        (0..<3000).map { index in
          #"{"src":"shellyemg3-dcb4d9c564\#(random.below(2) == 0 ? "f4" : "00")","dst":"shellyemg3/events","#
            + #""method":"NotifyStatus","params":{"ts":\#(1_788_820_998 + index).\#(10 + random.below(90)),"#
            + #""em1:0":{"id":0,"current":\#(15 + random.below(3)).\#(100 + random.below(900)),"#
            + #""act_power":-\#(1_850 + random.below(100)).\#(random.below(10)),"voltage":11\#(5 + random.below(5)).\#(random.below(10))}}}"#
        }
      ),
      (
        "error texts",
        (0..<3000).map { index in
          switch random.below(4) {
          case 0: "connection to 10.0.\(random.below(4)).\(random.below(256)):1883 refused (attempt \(random.below(9)))"
          case 1: "timeout after \(random.below(5_000)) ms while reading register 0x\(random.hex(4))"
          case 2: "checksum mismatch in frame \(index * 7): expected \(random.hex(8)), found \(random.hex(8))"
          default: "sensor 2210\(10 + random.below(90)) is not known"
          }
        }
      ),
      (
        "UUIDs",
        (0..<3000).map { _ in
          "\(random.hex(8))-\(random.hex(4))-4\(random.hex(3))-a\(random.hex(3))-\(random.hex(12))"
        }
      ),
    ]
  }

  /// SplitMix64.
  private struct Random {
    var state: UInt64

    mutating func below(_ bound: UInt64) -> Int {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return Int((z ^ (z >> 31)) % bound)
    }

    mutating func hex(_ count: Int) -> String {
      var text = ""
      for _ in 0..<count { text += String(below(16), radix: 16) }
      return text
    }
  }

  /// Bytes a row of the program's output; empty where it is not installed.
  private static func zstd(_ text: String, _ level: Int, _ rows: Int) -> String {
    let path = "microbench-texts.tmp"
    guard let file = fopen(path, "w") else { return "" }
    fputs(text, file)
    fclose(file)
    defer { unlink(path) }
    guard let pipe = popen("zstd -q -\(level) -c \(path) 2>/dev/null", "r") else { return "" }
    defer { pclose(pipe) }
    let count = Document.bytes(of: pipe).count
    return count == 0 ? "" : figure(Double(count) / Double(rows), 2, width: 0)
  }
}

private struct TextRun {
  /// A row.
  var bytes: Double
  /// MB of plain text a second of processor time.
  var encodeRate: Double
  var decodeRate: Double

  init(_ rows: [String], isCold: Bool) throws {
    var numbers: [String: Int64] = [:]
    var texts: [String] = []
    let codes = rows.map { row in
      if let number = numbers[row] { return number }
      numbers[row] = Int64(texts.count)
      texts.append(row)
      return Int64(texts.count - 1)
    }
    let plain = Double(rows.reduce(0) { $0 + $1.utf8.count + 1 })
    var encoder = ColumnEncoder(isCold: isCold)
    var out = ByteWriter()
    let encoding = leastCPUSeconds(5) {
      out.bytes.removeAll(keepingCapacity: true)
      _ = SymbolColumn.encode(codes.span, valid: nil, text: { texts[Int($0)] }, using: &encoder, into: &out)
    }
    var found: [String] = []
    let decoding = try leastCPUSeconds(5) {
      found.removeAll(keepingCapacity: true)
      _ = try SymbolColumn(out.bytes, count: rows.count) {
        found.append($0)
        return 0
      }
    }
    precondition(found == texts, "texts differ")
    bytes = Double(out.count) / Double(rows.count)
    encodeRate = plain / encoding / 1e6
    decodeRate = plain / decoding / 1e6
  }
}
