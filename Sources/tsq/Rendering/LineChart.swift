import Query

/// Series over time (or over a number) as braille lines with axes.
struct LineChart {
  struct Series {
    var name: String
    /// Ascending in x.
    var points: [(x: Double, y: Double)]
  }

  var series: [Series]
  /// x is nanoseconds since the epoch.
  var isTime: Bool
  var width: Int
  var height: Int
  var colour: Bool
  /// What y is, above the axis.
  var title = ""

  func render() -> String {
    let all = series.flatMap(\.points).filter { $0.x.isFinite && $0.y.isFinite }
    guard let first = all.first else { return "nothing to draw: no row has a number\n" }
    var (lowX, highX, lowY, highY) = (first.x, first.x, first.y, first.y)
    for point in all {
      (lowX, highX) = (min(lowX, point.x), max(highX, point.x))
      (lowY, highY) = (min(lowY, point.y), max(highY, point.y))
    }
    let plotRows = max(3, height - 3)
    let yScale = AxisScale(values: lowY, highY, markCount: max(2, plotRows / 4))
    let labelWidth = yScale.marks.map { yScale.label($0).count }.max() ?? 1
    let plotColumns = max(10, width - labelWidth - 2)
    let xScale =
      isTime
      ? AxisScale(times: lowX, highX, markCount: max(2, plotColumns / 16))
      : AxisScale(values: lowX, highX, markCount: max(2, plotColumns / 12))
    var canvas = BrailleCanvas(columns: plotColumns, rows: plotRows)
    for (index, one) in series.enumerated() { draw(one, index, xScale, yScale, &canvas) }
    return header(lowX, highX) + plot(canvas, yScale, labelWidth) + axis(xScale, plotColumns, labelWidth)
  }

  /// Points far apart are not joined: a line over a gap would show readings that nobody took.
  private func draw(
    _ one: Series, _ index: Int, _ xScale: AxisScale, _ yScale: AxisScale, _ canvas: inout BrailleCanvas
  ) {
    let points = one.points.filter { $0.x.isFinite && $0.y.isFinite }
    let steps = zip(points, points.dropFirst()).map { $1.x - $0.x }.sorted()
    let gap = steps.isEmpty ? 0 : steps[steps.count / 2] * 4
    var previous: (x: Int, y: Int)?
    var previousX = 0.0
    for point in points {
      let at = (
        x: Int((xScale.position(point.x) * Double(canvas.width - 1)).rounded()),
        y: Int(((1 - yScale.position(point.y)) * Double(canvas.height - 1)).rounded())
      )
      if let from = previous, point.x - previousX <= gap {
        canvas.line(from: from, to: at, owner: index)
      } else {
        canvas.set(at.x, at.y, owner: index)
      }
      (previous, previousX) = (at, point.x)
    }
  }

  private func header(_ lowX: Double, _ highX: Double) -> String {
    var parts: [String] = []
    if !title.isEmpty { parts.append(title) }
    if series.count > 1 {
      let named = series.enumerated().map { index, one in
        colour ? paint(index) + "⣿ " + ANSI.reset + one.name : "\(index + 1): \(one.name)"
      }
      parts.append(named.joined(separator: "  "))
    }
    if isTime {
      parts.append("\(Self.instant(lowX)) … \(Self.instant(highX))")
    }
    return parts.isEmpty ? "" : parts.joined(separator: "   ") + "\n"
  }

  /// To the microsecond: a double holds today's nanoseconds to the nearest 256.
  private static func instant(_ x: Double) -> String {
    TimestampText.format(Int64(clamping: (x / 1000).rounded()) * 1000)
  }

  private func plot(_ canvas: BrailleCanvas, _ scale: AxisScale, _ labelWidth: Int) -> String {
    var labels: [Int: String] = [:]
    for mark in scale.marks {
      labels[Int(((1 - scale.position(mark)) * Double(canvas.rows - 1)).rounded())] = scale.label(mark)
    }
    return (0..<canvas.rows).map { row in
      let label = labels[row] ?? ""
      let space = String(repeating: " ", count: max(0, labelWidth - label.count))
      let line = canvas.text(row: row) { colour ? paint($0) : nil }
      return "\(space)\(label) \(label.isEmpty ? "│" : "┤")\(line)\n"
    }.joined()
  }

  private func axis(_ scale: AxisScale, _ columns: Int, _ labelWidth: Int) -> String {
    var rule = Array(repeating: Character("─"), count: columns)
    var text = Array(repeating: Character(" "), count: columns)
    var free = 0
    for mark in scale.marks {
      let at = Int((scale.position(mark) * Double(columns - 1)).rounded())
      guard at >= 0, at < columns else { continue }
      rule[at] = "┬"
      let label = Array(scale.label(mark))
      let start = min(max(0, at - label.count / 2), columns - label.count)
      guard start >= free, start >= 0 else { continue }
      text.replaceSubrange(start..<start + label.count, with: label)
      free = start + label.count + 1
    }
    let margin = String(repeating: " ", count: labelWidth + 1)
    var line = margin + " " + String(text)
    while line.last == " " { line.removeLast() }
    return "\(margin)└\(String(rule))\n\(line)\n"
  }

  private func paint(_ index: Int) -> String { ANSI.palette[index % ANSI.palette.count] }
}
