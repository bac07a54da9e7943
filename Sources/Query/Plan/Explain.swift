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

  /// The plan as it stands before a run, and below it those of its sub-queries.
  static func lines(_ plan: LogicalPlan, _ pool: TextPool) -> [String] {
    lines(PhysicalBuilder(pool: pool).build(plan), nil) + subqueries(plan, pool)
  }

  /// The plans of sub-queries in expressions of `plan`, and of those within them.
  static func subqueries(_ plan: LogicalPlan, _ pool: TextPool) -> [String] {
    var found: [Subquery] = []
    func collect(_ expression: BoundExpr) {
      if case .subquery(let query, _) = expression, !found.contains(query) { found.append(query) }
      for child in expression.children { collect(child) }
    }
    _ = plan.mapExpressions { expression in
      collect(expression)
      return expression
    }
    return found.flatMap { query in
      let often = query.captures.isEmpty ? "once" : "for each combination of \(query.captures.count) columns around"
      return ["SUB-QUERY, \(often)"] + lines(query.plan, pool).map { "  " + $0 }
    }
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
