import Testing

@testable import Query

@Suite struct SyntaxPieceTests {
  @Test func `an error draws a caret under its place, wide letters and tabs aligned`() {
    func picture(_ text: String) -> String {
      do throws(SQLError) { _ = try SQL.parse(text) } catch { return error.rendered(in: text) }
      return ""
    }
    #expect(
      picture("SELECT *\n\tFORM power") == """
        ERROR 42601: expected a clause, an operator or the end of the query, found "FORM"
        LINE 2: \tFORM power
                \t^^^^
        HINT: did you mean FROM?
        """)
    #expect(picture("SELECT '온도' x y").hasSuffix("\n" + String(repeating: " ", count: 24) + "^"))
    #expect(picture("SELECT " + String(repeating: "a, ", count: 200) + ")").contains("LINE 1: …"))
  }

  @Test func `the nearest name is suggested only when it is near`() {
    let names = ["power", "voltage", "sensor", "ts", "pf"]
    #expect(Suggestion.nearest(to: "pwoer", among: names) == "power")
    #expect(Suggestion.nearest(to: "VOLTAGES", among: names) == "voltage")
    #expect(Suggestion.nearest(to: "temperature", among: names) == nil)
    #expect(Suggestion.nearest(to: "ab", among: names) == nil)
    #expect(Suggestion.nearest(to: "", among: names) == nil)
    #expect(Suggestion.hint(for: "senzor", among: names) == "did you mean \"sensor\"?")
  }

  @Test(arguments: [
    ("", Scanner.Completeness.empty), (" ; -- c\n", .empty), ("SELECT 1;", .complete),
    ("SELECT 1; -- done", .complete), ("SELECT 1", .incomplete(.noSemicolon)),
    ("SELECT 1; SELECT", .incomplete(.noSemicolon)), ("SELECT (1;", .incomplete(.openParenthesis)),
    ("SELECT 'a;", .incomplete(.openQuote)), ("SELECT \"a;", .incomplete(.openQuote)),
    ("SELECT 1; /* a", .incomplete(.openQuote)), ("SELECT $x$ ; $y$ ;", .incomplete(.openQuote)),
    ("SELECT $x$ ; $x$ ;", .complete),
  ])
  func `a shell can tell whether the statement is complete`(
    text: String, expected: Scanner.Completeness
  ) {
    #expect(Scanner.completeness(text) == expected)
  }

  @Test func `the scanner gives every token with its place, wrong ones too`() {
    let tokens = Scanner.tokens("select \"A\" -- c\n, 12abc 'x")
    #expect(
      tokens.map(\.kind) == [.word, .quotedName, .comment, .comma, .invalid, .invalid, .endOfText])
    #expect(tokens[0].keyword == .select)
    #expect(tokens[4].range == SourceRange(18, 23))
    #expect(tokens[5].range == SourceRange(24, 26))
  }

  @Test(arguments: [
    ("5 minutes", Interval(nanos: 300_000_000_000)), ("1h30m", Interval(nanos: 5_400_000_000_000)),
    ("1 day 02:30:00.5", Interval(days: 1, nanos: 9_000_500_000_000)),
    ("-1 year 2 mons", Interval(months: -10)), ("1.5 hours", Interval(nanos: 5_400_000_000_000)),
    ("1.5 days", Interval(days: 1, nanos: 43_200_000_000_000)),
    ("2 weeks ago", Interval(days: -14)),
    ("1M", Interval(months: 1)), ("0.5 years", Interval(months: 6)),
    ("7", Interval(nanos: 7_000_000_000)),
    ("-00:00:00.000000001", Interval(nanos: -1)),
  ])
  func `interval texts are read exactly, and written so that they read back`(
    text: String, expected: Interval
  ) {
    #expect(Interval(text: text) == expected)
    #expect(Interval(text: expected.text) == expected)
    if let duration = expected.duration {
      #expect(Interval(duration: Array(duration.utf8)[...]) == expected)
    }
  }

  @Test(arguments: [
    "", "x", "5 parsecs", "1:99", "9999999999999 years", "99999999999999999999 s", "-", "1.",
    "1..2 s",
  ])
  func `texts that are no interval are refused`(text: String) {
    #expect(Interval(text: text) == nil)
  }

  @Test func `extreme intervals are written and read back`() {
    for interval in [
      Interval(months: .min, days: .min, nanos: .min),
      Interval(months: .max, days: .max, nanos: .max),
    ] {
      #expect(Interval(text: interval.text) == interval)
    }
  }

  @Test func `statements of a script keep their places`() throws {
    let text = "SELECT 1; ;\n  SELECT 2 ; -- end"
    let ranges = try SQL.split(Array(text.utf8))
    #expect(ranges == [SourceRange(0, 8), SourceRange(14, 22)])
    #expect(try SQL.parseScript(text).map(\.range) == ranges)
  }

  @Test func `an expression's range covers its text, parentheses included`() throws {
    let expression = try SQL.parseExpression(" (a + b) * c ")
    #expect(expression.range == SourceRange(1, 12))
  }
}
