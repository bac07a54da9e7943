import Testing

@testable import Query

/// Patterns come from clients and are walked by recursion: what nests without bound is refused.
@Suite struct RegexDepthTests {
  @Test func stackedQuantifiersAreRefusedAndFewAreFine() {
    for quantifier in ["{1}", "*", "+", "?"] {
      let hostile = "a" + String(repeating: quantifier, count: 60_000)
      #expect(RegexPattern(hostile, caseInsensitive: false) == nil)
    }
    #expect(RegexPattern("a{1}{2}", caseInsensitive: false) != nil)
  }
}
