/// One horizontal bar a row, from zero, in eighths of a cell.
struct BarChart {
  var bars: [(label: String, value: Double)]
  var width: Int
  var colour: Bool
  var title = ""

  func render() -> String {
    let known = bars.filter { $0.value.isFinite }
    guard !known.isEmpty else { return "nothing to draw: no row has a number\n" }
    let labels = known.map { DisplayWidth.truncate(VisibleText.of($0.label), to: max(8, width / 3)) }
    let labelWidth = labels.map { DisplayWidth.of($0) }.max() ?? 0
    let largest = known.map { abs($0.value) }.max() ?? 0
    let figures = known.map { AxisScale.number($0.value, step: Self.figureStep(largest)) }
    let figureWidth = figures.map(\.count).max() ?? 0
    let room = max(8, width - labelWidth - figureWidth - 3)
    let lines = known.indices.map { index in
      let space = String(repeating: " ", count: labelWidth - DisplayWidth.of(labels[index]))
      let pad = String(repeating: " ", count: figureWidth - figures[index].count)
      let share = largest > 0 ? abs(known[index].value) / largest : 0
      let bar = Self.bar(eighths: Int((share * Double(room * 8)).rounded()))
      let paint = known[index].value < 0 ? ANSI.red : ANSI.cyan
      return "\(labels[index])\(space)  \(pad)\(figures[index]) \(colour ? paint + bar + ANSI.reset : bar)\n"
    }
    return (title.isEmpty ? "" : title + "\n") + lines.joined()
  }

  private static func bar(eighths: Int) -> String {
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]
    return String(repeating: "█", count: eighths / 8) + part
  }

  private static func figureStep(_ largest: Double) -> Double {
    largest >= 1000 ? 1 : largest >= 10 ? 0.1 : 0.001
  }
}

/// A series in one line of text.
enum Sparkline {
  static func of(_ values: [Double?]) -> String {
    let known = values.compactMap { $0 }.filter(\.isFinite)
    guard let low = known.min(), let high = known.max() else { return "" }
    let steps: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
    return String(
      values.map { value in
        guard let value, value.isFinite else { return " " }
        return high > low ? steps[min(7, Int((value - low) / (high - low) * 8))] : steps[3]
      })
  }
}
