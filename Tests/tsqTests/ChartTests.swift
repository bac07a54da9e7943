import Query
import Testing

@testable import tsq

@Suite struct ChartTests {
  @Test func `a line chart is as wide and high as it is told, with axes labelled`() {
    let points = (0..<600).map { (x: 1_767_225_600e9 + Double($0) * 1e9, y: Double($0 % 100)) }
    let chart = LineChart(
      series: [.init(name: "power", points: points)], isTime: true, width: 60, height: 12, colour: false,
      title: "power")
    let lines = chart.render().split(separator: "\n").map(String.init)
    #expect(lines.count == 12)
    #expect(lines.allSatisfy { DisplayWidth.of($0) <= 60 })
    #expect(lines[0].hasPrefix("power   2026-01-01T00:00:00Z"))
    #expect(lines[1].contains("100 ┤"))
    #expect(lines.last!.contains("00:05"))
  }

  @Test func `a gap in time is not drawn over`() {
    let near = (0..<20).map { (x: Double($0), y: 1.0) }
    let far = (0..<20).map { (x: 1000 + Double($0), y: 1.0) }
    let chart = LineChart(
      series: [.init(name: "y", points: near + far)], isTime: false, width: 60, height: 8, colour: false)
    let empty = chart.render().unicodeScalars.count { $0.value == 0x2800 }
    #expect(empty > 50 * 5)
  }

  @Test func `one point, equal values and no value at all are drawn without a trap`() {
    for points in [[(x: 1.0, y: 5.0)], [(1, 5), (2, 5)], [(1, .nan)], [(1, .infinity)], []] {
      let chart = LineChart(
        series: [.init(name: "y", points: points)], isTime: false, width: 10, height: 3, colour: false)
      #expect(!chart.render().isEmpty)
    }
  }

  @Test func `bars are in proportion and lined up with wide labels`() {
    let text = BarChart(bars: [("서울", 10), ("b", 5), ("c", 0)], width: 40, colour: false).render()
    let lines = text.split(separator: "\n")
    #expect(lines[0].count { $0 == "█" } / 2 == lines[1].count { $0 == "█" })
    #expect(lines[0].hasPrefix("서울"))
    #expect(lines[1].hasPrefix("b   "))
  }

  @Test func `a chart writer takes time as x and a text column as series`() throws {
    let sink = MemorySink()
    var writer = ChartWriter(sink: sink, style: OutputStyle(colour: false, width: 70), height: 10)
    try writer.begin([
      ResultColumn(name: "n", kind: .number), ResultColumn(name: "sensor", kind: .text),
      ResultColumn(name: "watts", kind: .number),
    ])
    try writer.write(TextRows(cells: [["1", "a", "5"], ["2", nil, "6"], ["3", "b", nil]]))
    try writer.end()
    #expect(sink.text.hasPrefix("watts\n"))
    #expect(sink.text.contains("NULL"))
  }

  @Test func `sparklines span the range of their values`() {
    #expect(Sparkline.of([0, 1, nil, 7]) == "▁▂ █")
    #expect(Sparkline.of([3, 3]) == "▄▄")
  }
}
