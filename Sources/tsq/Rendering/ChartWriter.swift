import Query

/// Draws an answer instead of printing it. The first timestamp column is x, else the first
/// numeric one when there are two; the numeric columns are y; a text column beside one numeric
/// column names the series. Without an x the text names bars.
struct ChartWriter: RowWriter {
  /// More points than any terminal has dots for; rows behind them are not drawn, and that is said.
  static let pointLimit = 400_000

  private let sink: any ByteSink
  private let style: OutputStyle
  private let height: Int
  private var columns: [ResultColumn] = []
  private var shape = Shape.none
  private var names: [String] = []
  private var points: [String: [(x: Double, y: Double)]] = [:]
  private var bars: [(label: String, value: Double)] = []
  private var pointCount = 0
  private var leftOut = 0

  private enum Shape {
    case none
    case lines(x: Int, ys: [Int], series: Int?)
    case bars(label: Int, y: Int)
  }

  init(sink: any ByteSink, style: OutputStyle, height: Int) {
    self.sink = sink
    self.style = style
    self.height = height
  }

  mutating func begin(_ columns: [ResultColumn]) throws(OutputError) {
    self.columns = columns
    let numbers = columns.indices.filter { columns[$0].kind == .number }
    let text = columns.firstIndex { $0.kind == .text }
    if let time = columns.firstIndex(where: { $0.kind == .timestamp }), !numbers.isEmpty {
      shape = .lines(x: time, ys: text == nil ? numbers : [numbers[numbers.count - 1]], series: text)
    } else if let text, let last = numbers.last {
      shape = .bars(label: text, y: last)
    } else if numbers.count >= 2 {
      shape = .lines(x: numbers[0], ys: Array(numbers.dropFirst()), series: nil)
    }
  }

  mutating func write(_ rows: any ResultRows) throws(OutputError) {
    for row in 0..<rows.rowCount {
      guard pointCount < Self.pointLimit else {
        leftOut += 1
        continue
      }
      switch shape {
      case .none: return
      case .bars(let label, let y):
        guard let value = rows.number(row: row, column: y) else { continue }
        bars.append((rows.text(row: row, column: label) ?? style.null, value))
        pointCount += 1
      case .lines(let x, let ys, let series):
        guard let at = rows.number(row: row, column: x) else { continue }
        for y in ys {
          guard let value = rows.number(row: row, column: y) else { continue }
          add(at, value, series.map { rows.text(row: row, column: $0) ?? style.null } ?? columns[y].name)
        }
      }
    }
  }

  private mutating func add(_ x: Double, _ y: Double, _ name: String) {
    if points[name] == nil { names.append(name) }
    points[name, default: []].append((x, y))
    pointCount += 1
  }

  mutating func end() throws(OutputError) {
    let width = style.width ?? 80
    switch shape {
    case .none:
      try sink.write(
        "nothing to draw: a chart needs a timestamp and a number, a text and a number, or two numbers\n")
    case .bars(_, let y):
      try sink.write(
        BarChart(bars: bars, width: width, colour: style.colour, title: columns[y].name).render())
    case .lines(let x, let ys, _):
      let series = names.map { LineChart.Series(name: $0, points: points[$0]!.sorted { $0.x < $1.x }) }
      let chart = LineChart(
        series: series, isTime: columns[x].kind == .timestamp, width: width, height: height,
        colour: style.colour, title: ys.map { columns[$0].name }.joined(separator: ", "))
      try sink.write(chart.render())
    }
    if leftOut > 0 { try sink.write("\(leftOut) more rows are not drawn: aggregate by time_bucket\n") }
    try sink.flush()
  }
}
