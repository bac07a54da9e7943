import Testing

@testable import TSEngine

@Suite struct RegularTimesTests {
  @Test func sampleILiesAtStartPlusFloorOfISpanByN() throws {
    let times = try #require(RegularTimes(start: 1_000, span: 1_000_000_000, count: 30))
    for i in 0...30 { #expect(times.tick(i) == 1_000 + Int64(i) * 1_000_000_000 / 30) }
    for i in 0..<30 {
      #expect(times.index(of: times.tick(i)) == i)
      #expect(times.lowerBound(times.tick(i)) == i)
      #expect(times.lowerBound(times.tick(i) + 1) == i + 1)
    }
    #expect(times.index(of: 1_001) == nil)
  }

  @Test func consecutiveFramesJoinIntoOneRun() throws {
    for n in [1, 7, 20, 30, 1000] {
      let a = try #require(RegularTimes(start: 5, span: 1_000_000_000, count: n))
      let b = try #require(RegularTimes(start: 1_000_000_005, span: 1_000_000_000, count: n))
      let both = try #require(a.joined(with: b))
      for i in 0..<n { #expect(both.tick(i + n) == b.tick(i)) }
      #expect(both.end == b.end)
      let late = try #require(RegularTimes(start: 1_000_000_006, span: 1_000_000_000, count: n))
      #expect(a.joined(with: late) == nil)
    }
  }

  @Test func impossibleRunsAreRefused() {
    #expect(RegularTimes(start: 0, span: 10, count: 0) == nil)
    #expect(RegularTimes(start: 0, span: 0, count: 1) == nil)
    #expect(RegularTimes(start: 0, span: 3, count: 4) == nil)
    #expect(RegularTimes(start: .max - 5, span: 10, count: 2) == nil)
    #expect(RegularTimes(start: 0, count: .max, stepNumerator: 3, stepDenominator: 1) == nil)
  }
}
