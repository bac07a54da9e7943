import Testing

@testable import Query

/// SplitMix64: the whole run follows from its seed.
struct SeededRandom: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

@Suite struct SyntaxFuzzTests {
  private static let words: [String] =
    Keyword.allCases.map(\.rawValue) + Symbol.allCases.map(\.rawValue) + [
      "a", "b", "t", "power", "ts", "\"Q\"", "'text'", "E'a\\n'", "$$x$$", "1", "2.5", "1e9", "5m",
      "1h30m", "$1", ":p", "(", ")", "(", ")", ",", ",", ".", "[", "]", "::", ";", "count(*)",
      "interval '1 day'", "timestamp '2026-01-01'", "/* c */", "-- c\n", "select 1", "(select 2)",
      "from t", "order by", "group by", "over (", "partition by", "not null", "int", "float", "'",
      "\"", "\u{0}", "전력", "\\", "0x1f", "1_000", "9223372036854775808", "\n", "\t",
    ]

  @Test func `100,000 texts of random tokens never trap, and what parses prints and parses again`()
    throws
  {
    var parsed = 0
    for seed in 0..<100_000 as Range<UInt64> {
      var random = SeededRandom(seed)
      var text = Bool.random(using: &random) ? "select a, b from t where " : ""
      for _ in 0..<Int.random(in: 1...14, using: &random) {
        text += Self.words.randomElement(using: &random)! + " "
      }
      guard let statements = try? SQL.parseScript(text) else { continue }
      for statement in statements {
        parsed += 1
        try expectRoundTrip(statement, "seed \(seed): \(text)")
      }
    }
    #expect(parsed > 1000)
  }

  @Test func `random bytes never trap the parser, the scanner or an error's picture`() {
    for seed in 0..<20_000 as Range<UInt64> {
      var random = SeededRandom(seed)
      let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
        Bool.random(using: &random)
          ? UInt8.random(in: 0...255, using: &random)
          : Array("'\"$$/*-:e\\(;5m.1E".utf8).randomElement(using: &random)!
      }
      do throws(SQLError) { _ = try SQL.parseScript(bytes) } catch {
        #expect(error.line != nil, "seed \(seed)")
        _ = error.rendered(in: String(decoding: bytes, as: UTF8.self))
      }
      let text = String(decoding: bytes, as: UTF8.self)
      var end: UInt32 = 0
      for token in Scanner.tokens(text) {
        #expect(token.range.lower >= end, "seed \(seed)")
        end = token.range.upper
      }
      #expect(end == UInt32(text.utf8.count), "seed \(seed)")
      _ = Scanner.completeness(text)
    }
  }

  @Test(arguments: [
    "SELECT 1 FROM power p ASOF JOIN b ON p.ts >= b.ts WHERE a IN (1, 2) ORDER BY 1 LIMIT 5",
    "SELECT count(*) FILTER (WHERE a > 1) OVER (PARTITION BY b ROWS 1 PRECEDING) FROM t SAMPLE BY 5m",
    "CREATE TABLE w (ts TIMESTAMP, t DOUBLE UNIT 'C' RANGE -80 AND 80)",
    "INSERT INTO t (a, b) VALUES (E'x\\u00e4', $$y$$), (interval '1 day', -5)",
  ])
  func `a query cut at any byte is an error or a shorter query`(text: String) {
    let bytes = Array(text.utf8)
    for count in 0...bytes.count { _ = try? SQL.parseScript(Array(bytes[..<count])) }
    for index in bytes.indices {
      for bit in 0..<8 {
        var flipped = bytes
        flipped[index] ^= 1 << bit
        _ = try? SQL.parseScript(flipped)
      }
    }
  }
}
