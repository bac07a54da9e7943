import Query
import Testing

@testable import tsq

/// Prints `cells` in `format`.
func rendered(
  _ format: OutputFormat, _ columns: [ResultColumn], _ cells: [[String?]], style: OutputStyle = .plain,
  batch: Int = 100
) throws -> String {
  let sink = MemorySink()
  var writer = try format.writer(to: sink, style)
  try writer.begin(columns)
  for start in stride(from: 0, to: cells.count, by: batch) {
    try writer.write(TextRows(cells: Array(cells[start..<min(start + batch, cells.count)])))
  }
  try writer.end()
  return sink.text
}

private let columns: [ResultColumn] = [
  ResultColumn(name: "ts", kind: .timestamp), ResultColumn(name: "이름", kind: .text),
  ResultColumn(name: "power", kind: .number), ResultColumn(name: "on", kind: .bool),
]
private let cells: [[String?]] = [
  ["2026-01-01T00:00:00Z", "서울", "12", "true"],
  ["2026-01-01T00:00:00.05Z", nil, "-3", "false"],
]

@Suite struct RenderingTests {
  @Test func `a table lines up wide text, numbers to the right, nulls shown, fractions padded`() throws {
    #expect(
      try rendered(.table, columns, cells) == """
         ts                      | 이름 | power | on
        -------------------------+------+-------+-------
         2026-01-01T00:00:00.00Z | 서울 |    12 | true
         2026-01-01T00:00:00.05Z | NULL |    -3 | false

        """)
  }

  @Test func `json is one array of objects in column order, integers stay integers, null is null`() throws {
    #expect(
      try rendered(.json, columns, cells) == """
        [
        {"ts":"2026-01-01T00:00:00Z","이름":"서울","power":12,"on":true},
        {"ts":"2026-01-01T00:00:00.05Z","이름":null,"power":-3,"on":false}
        ]

        """)
    #expect(try rendered(.json, columns, []) == "[]\n")
  }

  @Test func `ndjson is one object a line and escapes what JSON must`() throws {
    let text = [ResultColumn(name: "a\"b", kind: .text)]
    #expect(
      try rendered(.ndjson, text, [["\"\\\n\u{1}é"], ["plain"]])
        == #"{"a\"b":"\"\\\n\u0001é"}"# + "\n" + #"{"a\"b":"plain"}"# + "\n")
  }

  @Test func `a float that is no number is text in JSON`() throws {
    let number = [ResultColumn(name: "x", kind: .number)]
    #expect(try rendered(.ndjson, number, [["NaN"], ["1e300"], ["-Infinity"]])
      == "{\"x\":\"NaN\"}\n{\"x\":1e300}\n{\"x\":\"-Infinity\"}\n")
  }

  @Test func `csv quotes what needs it and tells a null from an empty text`() throws {
    let two = [ResultColumn(name: "a,b", kind: .text), ResultColumn(name: "n", kind: .number)]
    #expect(
      try rendered(.csv, two, [["x\"y", "1"], ["", nil], [nil, "2"], ["line\nfeed", "3"]])
        == "\"a,b\",n\n\"x\"\"y\",1\n\"\",\n,2\n\"line\nfeed\",3\n")
  }

  @Test func `list has no header, for scripts`() throws {
    #expect(try rendered(.list, columns, cells).split(separator: "\n").last == "2026-01-01T00:00:00.05Z||-3|false")
    #expect(try rendered(.list, [ResultColumn(name: "count", kind: .number)], [["7"]]) == "7\n")
  }

  @Test func `markdown escapes bars and aligns numbers to the right`() throws {
    let two = [ResultColumn(name: "a", kind: .text), ResultColumn(name: "n", kind: .number)]
    #expect(try rendered(.markdown, two, [["x|y", "1"], [nil, "2"]])
      == "| a | n |\n| --- | ---: |\n| x\\|y | 1 |\n| | 2 |\n")
  }

  @Test func `line prints one value a line, names to the right`() throws {
    let two = [ResultColumn(name: "a", kind: .text), ResultColumn(name: "long", kind: .number)]
    #expect(try rendered(.line, two, [["x", "1"], [nil, "2"]])
      == "   a = x\nlong = 1\n\n   a = NULL\nlong = 2\n")
  }

  @Test func `parquet says not yet with exit code 2`() {
    #expect(throws: CommandError.self) { try OutputFormat.parquet.writer(to: MemorySink(), .plain) }
    do { _ = try OutputFormat.parquet.writer(to: MemorySink(), .plain) } catch {
      #expect((error as? CommandError)?.status == .usage)
    }
  }

  @Test func `a value cannot command the terminal`() throws {
    let text = [ResultColumn(name: "a", kind: .text)]
    let table = try rendered(.table, text, [["\u{1B}[2Jx\ty\nz\u{9B}"]])
    #expect(table.contains("\\x1b[2Jx\\ty\\nz\\x9b"))
    #expect(!table.unicodeScalars.contains { $0.value == 0x1B || $0.value == 0x9B })
  }

  @Test func `a table on a narrow terminal cuts texts, never numbers, and keeps to its width`() throws {
    let two = [ResultColumn(name: "text", kind: .text), ResultColumn(name: "n", kind: .number)]
    let style = OutputStyle(colour: false, width: 24)
    let table = try rendered(.table, two, [["전력계전력계전력계전력계", "1234567"]], style: style)
    for line in table.split(separator: "\n") { #expect(DisplayWidth.of(String(line)) <= 24) }
    #expect(table.contains("…"))
    #expect(table.contains("1234567"))
  }

  @Test(arguments: [1, 511, 512, 513, 2000])
  func `a table prints every row once, whatever the sample`(count: Int) throws {
    let number = [ResultColumn(name: "n", kind: .number)]
    let text = try rendered(.table, number, (0..<count).map { ["\($0)"] }, batch: 7)
    let rows = text.split(separator: "\n").dropFirst(2).map { Int($0.trimmed) }
    #expect(rows == Array(0..<count))
  }

  @Test func `text is as wide as a terminal draws it`() {
    #expect(DisplayWidth.of("abc") == 3)
    #expect(DisplayWidth.of("한글") == 4)
    #expect(DisplayWidth.of("\u{1112}\u{1161}\u{11AB}") == 2)
    #expect(DisplayWidth.of("e\u{301}") == 1)
    #expect(DisplayWidth.of("👨‍👩‍👧") == 2)
    #expect(DisplayWidth.of("🇰🇷") == 2)
    #expect(DisplayWidth.of("❤️") == 2)
    #expect(DisplayWidth.of("日本") == 4)
    #expect(DisplayWidth.of("ｱ") == 1)
    #expect(DisplayWidth.truncate("한글전력", to: 5) == "한글…")
    #expect(DisplayWidth.truncate("abc", to: 3) == "abc")
  }

  @Test func `timestamps have as many digits as needed, also before 1970`() {
    #expect(TimestampText.format(0) == "1970-01-01T00:00:00Z")
    #expect(TimestampText.format(1_767_225_600_050_000_000) == "2026-01-01T00:00:00.05Z")
    #expect(TimestampText.format(-1) == "1969-12-31T23:59:59.999999999Z")
    #expect(TimestampText.format(.max) == "2262-04-11T23:47:16.854775807Z")
    #expect(TimestampText.format(.min) == "1677-09-21T00:12:43.145224192Z")
  }

  @Test func `figures read well`() {
    #expect(Figures.grouped(1_234_567) == "1,234,567")
    #expect(Figures.grouped(-123) == "-123")
    #expect(Figures.short(12_345_678) == "12.3 M")
    #expect(Figures.bytes(1536) == "1.50 KiB")
    #expect(Figures.duration(nanos: 1_234_567) == "1.23 ms")
    #expect(Figures.duration(nanos: 3_723_000_000_000) == "1 h 2 min")
  }
}
