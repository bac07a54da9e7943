import Synchronization

/// The plan as lines of text, one an operator, indented below what they feed.
enum Explain {
  struct Summary {
    var nanos: Int64
    var peakBytes: Int
  }

  /// - Parameter summary: of the run that EXPLAIN ANALYZE made; nil shows the plan alone.
  static func lines(_ root: Operator, _ summary: Summary?) -> [String] {
    var lines: [String] = []
    append(root, 0, summary != nil, &lines)
    if let summary {
      lines.append("time: \(milliseconds(summary.nanos)) ms, memory: \(summary.peakBytes) bytes at most")
    }
    return lines
  }

  private static func append(_ node: Operator, _ depth: Int, _ analyzed: Bool, _ lines: inout [String]) {
    let indent = String(repeating: "  ", count: depth)
    var line = indent + node.title
    if analyzed {
      let below = node.children.reduce(Int64(0)) { $0 + $1.metrics.nanos.load(ordering: .relaxed) }
      let own = max(0, node.metrics.nanos.load(ordering: .relaxed) - below)
      line += "  (rows: \(node.metrics.rows.load(ordering: .relaxed)), time: \(milliseconds(own)) ms)"
    }
    lines.append(line)
    if analyzed {
      for note in node.metrics.notes.withLock({ $0 }) { lines.append(indent + "    " + note) }
    }
    for child in node.children { append(child, depth + 1, analyzed, &lines) }
  }

  private static func milliseconds(_ nanos: Int64) -> String {
    let micros = nanos / 1_000
    let fraction = String(micros % 1_000 + 1_000).dropFirst()
    return "\(micros / 1_000).\(fraction)"
  }
}
