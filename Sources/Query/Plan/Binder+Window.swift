/// Window functions. While a SELECT is bound, a call becomes column `windowBase + i` for use i;
/// `placed` gives it its place behind the columns of the plan.
extension Binder {
  static let windowBase = 1 << 25

  static let windowNames: Set<String> = [
    "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead", "first_value", "last_value",
    "nth_value",
  ]

  func window(
    _ name: String, _ call: FunctionCall, _ reference: WindowReference, _ scope: Scope, _ range: SourceRange
  ) throws(SQLError) -> BoundExpr {
    guard let outer = windows else {
      throw SQLError(
        .windowingError, "a window function stands in the select list and in ORDER BY alone", at: range,
        hint: "compute it in a sub-query in FROM")
    }
    // Arguments hold no window functions themselves.
    windows = nil
    defer { windows = windows ?? outer }
    let specification = try self.specification(reference)
    var partition: [BoundExpr] = []
    for key in specification.partitionBy { partition.append(try bind(key, scope)) }
    var order: [SortOrder] = []
    for key in specification.orderBy { order.append(sortOrder(key, try bind(key.expression, scope))) }
    var bound = try windowCall(name, call, scope, range)
    if case .aggregate = bound.function { bound.frame = try frame(specification, order) }
    if [.firstValue, .lastValue, .nthValue].contains(bound.function) { bound.frame = try frame(specification, order) }
    let use = WindowUse(partition: partition, order: order, call: bound, range: range)
    var list = outer
    let index = list.firstIndex(of: use) ?? list.count
    if index == list.count { list.append(use) }
    windows = list
    return .column(Self.windowBase + index, bound.type)
  }

  /// The specification of OVER with what it takes from a window of the WINDOW clause.
  private func specification(_ reference: WindowReference) throws(SQLError) -> WindowSpecification {
    func named(_ name: Identifier, _ depth: Int) throws(SQLError) -> WindowSpecification {
      guard depth < 32, let found = namedWindows.first(where: { $0.name.name == name.name }) else {
        throw SQLError(
          .undefinedObject, "there is no window \"\(name.name)\"", at: name.range,
          hint: Suggestion.hint(for: name.name, among: namedWindows.map(\.name.name)))
      }
      return try whole(found.specification, depth + 1)
    }
    func whole(_ specification: WindowSpecification, _ depth: Int) throws(SQLError) -> WindowSpecification {
      guard let base = specification.base else { return specification }
      let below = try named(base, depth)
      guard specification.partitionBy.isEmpty, specification.orderBy.isEmpty || below.orderBy.isEmpty else {
        throw SQLError(.windowingError, "a window keeps the partitions and the order of the one it refines", at: specification.range)
      }
      guard below.frame == nil else {
        throw SQLError(.windowingError, "a window with a frame cannot be refined", at: specification.range)
      }
      var result = specification
      result.partitionBy = below.partitionBy
      if result.orderBy.isEmpty { result.orderBy = below.orderBy }
      return result
    }
    switch reference {
    case .named(let name): return try named(name, 0)
    case .inline(let specification): return try whole(specification, 0)
    }
  }

  private func windowCall(
    _ name: String, _ call: FunctionCall, _ scope: Scope, _ range: SourceRange
  ) throws(SQLError) -> WindowCall {
    guard Self.windowNames.contains(name) else {
      let aggregate = try boundAggregate(name, call, scope, range)
      return WindowCall(function: .aggregate(aggregate.function), arguments: aggregate.arguments, frame: .whole)
    }
    guard call.filter == nil, !call.isDistinct, call.orderBy.isEmpty, call.withinGroup.isEmpty, !call.isStar else {
      throw SQLError(.syntaxError, "\(name) takes neither DISTINCT, FILTER nor ORDER BY", at: range)
    }
    var a: [BoundExpr] = []
    for argument in call.arguments { a.append(try bind(argument.value, scope)) }
    let ranges = call.arguments.map(\.value.range)
    func expect(_ counts: ClosedRange<Int>) throws(SQLError) {
      guard counts.contains(a.count) else {
        let wanted = counts.count > 1 ? "\(counts.lowerBound) to \(counts.upperBound)" : "\(counts.lowerBound)"
        throw SQLError(.undefinedFunction, "\(name) takes \(wanted) arguments, found \(a.count)", at: range)
      }
    }
    switch name {
    case "row_number", "rank", "dense_rank", "percent_rank", "cume_dist":
      try expect(0...0)
      let functions: [String: WindowCall.Function] = [
        "row_number": .rowNumber, "rank": .rank, "dense_rank": .denseRank, "percent_rank": .percentRank,
        "cume_dist": .cumeDist,
      ]
      return WindowCall(function: functions[name] ?? .rowNumber, arguments: [], frame: .whole)
    case "ntile":
      try expect(1...1)
      return WindowCall(function: .ntile, arguments: [try coerce(a[0], to: .int, ranges[0])], frame: .whole)
    case "lag", "lead":
      try expect(1...3)
      var arguments = [a[0], a.count > 1 ? try coerce(a[1], to: .int, ranges[1]) : .constant(.int(1), .int)]
      if a.count > 2 {
        let (value, fallback) = try matched(a[0], a[2], name, ranges[2])
        arguments[0] = value
        arguments.append(fallback)
      }
      return WindowCall(function: name == "lag" ? .lag : .lead, arguments: arguments, frame: .whole)
    case "nth_value":
      try expect(2...2)
      return WindowCall(function: .nthValue, arguments: [a[0], try coerce(a[1], to: .int, ranges[1])], frame: .whole)
    default:
      try expect(1...1)
      return WindowCall(function: name == "first_value" ? .firstValue : .lastValue, arguments: a, frame: .whole)
    }
  }

  private func frame(
    _ specification: WindowSpecification, _ order: [SortOrder]
  ) throws(SQLError) -> WindowCall.Frame {
    guard let written = specification.frame else { return order.isEmpty ? .whole : WindowCall.Frame() }
    var frame = WindowCall.Frame(unit: written.unit, exclusion: written.exclusion)
    if written.unit == .groups, order.isEmpty {
      throw SQLError(.windowingError, "GROUPS needs an ORDER BY", at: specification.range)
    }
    frame.start = try bound(written.start, written.unit, order, specification.range)
    frame.end = try bound(written.end, written.unit, order, specification.range)
    func place(_ bound: WindowCall.Frame.Bound) -> Int {
      switch bound {
      case .unboundedPreceding: 0
      case .preceding: 1
      case .currentRow: 2
      case .following: 3
      case .unboundedFollowing: 4
      }
    }
    guard frame.start != .unboundedFollowing, frame.end != .unboundedPreceding, place(frame.start) <= place(frame.end) else {
      throw SQLError(.windowingError, "a frame does not end before it starts", at: specification.range)
    }
    return frame
  }

  private func bound(
    _ bound: WindowFrame.Bound, _ unit: WindowFrame.Unit, _ order: [SortOrder], _ range: SourceRange
  ) throws(SQLError) -> WindowCall.Frame.Bound {
    func distance(_ expression: Expression) throws(SQLError) -> SQLValue {
      let value = try bind(expression, Scope())
      guard unit == .range else {
        guard case .int(let count) = try coerce(value, to: .int, expression.range).constantValue, count >= 0 else {
          throw SQLError(.invalidParameterValue, "the distance of a frame is a constant count of rows", at: expression.range)
        }
        return .int(count)
      }
      guard order.count == 1 else {
        throw SQLError(.windowingError, "RANGE with a distance needs one ORDER BY key", at: range)
      }
      let key = order[0].expression.type
      let type: SQLType = key == .timestamp ? .interval : key
      guard [.int, .float, .interval].contains(type) else {
        throw SQLError(.windowingError, "RANGE with a distance goes by a number or a timestamp", at: range)
      }
      guard let found = try coerce(value, to: type, expression.range).constantValue, found != .null else {
        throw SQLError(.invalidParameterValue, "the distance of a frame is a constant", at: expression.range)
      }
      let isNegative =
        switch found {
        case .int(let number): number < 0
        case .float(let number): !(number >= 0)
        case .interval(let interval): interval.comparable < 0
        default: true
        }
      if isNegative { throw SQLError(.invalidParameterValue, "the distance of a frame is not negative", at: expression.range) }
      return found
    }
    switch bound {
    case .unboundedPreceding: return .unboundedPreceding
    case .preceding(let expression): return .preceding(try distance(expression))
    case .currentRow: return .currentRow
    case .following(let expression): return .following(try distance(expression))
    case .unboundedFollowing: return .unboundedFollowing
    }
  }

  /// Puts the uses behind `plan`, those of one order and partition together.
  /// - Returns: the plan, and the column of each use.
  func placed(_ uses: [WindowUse], on plan: LogicalPlan) -> (plan: LogicalPlan, columns: [Int]) {
    var plan = plan
    var columns = [Int](repeating: 0, count: uses.count)
    var rest = Array(uses.indices)
    while let first = rest.first {
      let group = rest.filter { uses[$0].partition == uses[first].partition && uses[$0].order == uses[first].order }
      rest.removeAll { group.contains($0) }
      let width = plan.types.count
      for (place, use) in group.enumerated() { columns[use] = width + place }
      plan = .window(
        plan, WindowPlan(partition: uses[first].partition, order: uses[first].order, calls: group.map { uses[$0].call }))
    }
    return (plan, columns)
  }
}
