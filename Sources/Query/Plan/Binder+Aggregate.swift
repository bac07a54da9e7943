import TSEngine

/// Aggregate functions. While a grouped SELECT is bound, a call becomes column
/// `aggregateBase + i` for aggregate i; `Binder+Select` puts the real position there.
extension Binder {
  static let aggregateBase = 1 << 24

  static let aggregateNames: Set<String> = [
    "count", "sum", "avg", "mean", "min", "max", "first", "last", "stddev", "stddev_samp", "stddev_pop", "variance",
    "var_samp", "var_pop", "rms", "quantile", "quantile_cont", "quantile_disc", "quantile_approx", "percentile_cont",
    "percentile_disc", "median", "energy", "argmin", "argmax", "arg_min", "arg_max", "min_by", "max_by", "bool_and",
    "bool_or", "every", "approx_count_distinct", "delta", "increase", "rate", "integral", "time_weighted_avg", "corr",
    "mode", "string_agg",
  ]

  func aggregate(
    _ name: String, _ call: FunctionCall, _ scope: Scope, _ range: SourceRange
  ) throws(SQLError) -> BoundExpr {
    guard aggregates != nil else {
      throw SQLError(.groupingError, "the aggregate function \(name) does not stand here", at: range, hint: aggregateHint)
    }
    // Arguments must not hold aggregates themselves.
    let (outer, outerWindows) = (aggregates, windows)
    (aggregates, windows) = (nil, nil)
    aggregateHint = "aggregates do not nest; use a sub-query in FROM"
    defer { (aggregates, windows) = (aggregates ?? outer, outerWindows) }
    let aggregate = try boundAggregate(name, call, scope, range)
    var list = outer ?? []
    let index = list.firstIndex(of: aggregate) ?? list.count
    if index == list.count { list.append(aggregate) }
    aggregates = list
    return .column(Self.aggregateBase + index, aggregate.type)
  }

  /// The aggregate that a call means, with its DISTINCT and FILTER.
  func boundAggregate(
    _ name: String, _ call: FunctionCall, _ scope: Scope, _ range: SourceRange
  ) throws(SQLError) -> Aggregate {
    var aggregate = try bound(name, call, scope, range)
    if let surroundings, aggregate.arguments.columns.isEmpty, !aggregate.arguments.isEmpty,
      aggregate.arguments.contains(where: { $0.readsOuter(surroundings.numbers) })
    {
      throw .unsupported("an aggregate of columns of the query around", at: range, hint: "compute it there")
    }
    if call.isDistinct {
      switch aggregate.function {
      case .count: aggregate.function = .countDistinct
      case .minimum, .maximum, .countDistinct: break
      case .sum, .average, .variance, .mode, .quantile: aggregate.function = .distinct(aggregate.function)
      case .joined where aggregate.arguments.count == 1: aggregate.function = .distinct(aggregate.function)
      default: throw .unsupported("DISTINCT in \(name)", at: range)
      }
    }
    if name == "string_agg", let key = call.orderBy.first {
      guard call.orderBy.count == 1, !call.isDistinct, case .joined(let separator, _) = aggregate.function else {
        throw .unsupported("this ORDER BY in string_agg", at: range, hint: "one key, without DISTINCT")
      }
      aggregate.function = .joined(separator: separator, isDescending: key.isDescending)
      aggregate.arguments.append(try edgeKey(bind(key.expression, scope), key.expression.range))
    }
    guard call.orderBy.isEmpty || name == "string_agg" else { throw .unsupported("ORDER BY in \(name)", at: range, hint: "first and last go by ts") }
    if let filter = call.filter { aggregate = filtered(aggregate, try condition(filter, scope, "FILTER")) }
    return aggregate
  }

  /// FILTER: rows that fail it have a NULL argument.
  private func filtered(_ aggregate: Aggregate, _ condition: BoundExpr) -> Aggregate {
    if aggregate.function == .countRows {
      return Aggregate(
        function: .count,
        arguments: [.conditional([.init(condition: condition, result: .constant(.int(1), .int))], otherwise: .constant(.null, .int), .int)])
    }
    var result = aggregate
    let value = aggregate.arguments[0]
    result.arguments[0] = .conditional(
      [.init(condition: condition, result: value)], otherwise: .constant(.null, value.type), value.type)
    return result
  }

  private func bound(
    _ name: String, _ call: FunctionCall, _ scope: Scope, _ range: SourceRange
  ) throws(SQLError) -> Aggregate {
    if call.isStar || (name == "count" && call.arguments.isEmpty) {
      guard name == "count" else { throw SQLError(.undefinedFunction, "only count takes *", at: range) }
      return Aggregate(function: .countRows, arguments: [])
    }
    if !call.withinGroup.isEmpty { return try withinGroup(name, call, scope, range) }
    var arguments: [BoundExpr] = []
    for argument in call.arguments { arguments.append(try bind(argument.value, scope)) }
    let ranges = call.arguments.map(\.value.range)
    let counts: ClosedRange<Int> =
      switch name {
      case "first", "last", "energy", "delta", "increase", "rate": 1...2
      case "integral", "time_weighted_avg": 1...3
      case "corr", "string_agg": 2...2
      case "quantile", "quantile_cont", "quantile_disc", "quantile_approx": 2...2
      case "argmin", "argmax", "arg_min", "arg_max", "min_by", "max_by": 2...2
      default: 1...1
      }
    guard counts.contains(arguments.count) else {
      throw SQLError(
        .undefinedFunction, "\(name) takes \(counts.lowerBound)\(counts.count > 1 ? " or \(counts.upperBound)" : "") argument(s), found \(arguments.count)", at: range)
    }
    return try aggregate(name, arguments, ranges, scope, range)
  }

  private func aggregate(
    _ name: String, _ a: [BoundExpr], _ ranges: [SourceRange], _ scope: Scope, _ range: SourceRange
  ) throws(SQLError) -> Aggregate {
    func numeric() throws(SQLError) -> BoundExpr {
      guard a[0].type.isNumeric || a[0].type == .null else {
        throw SQLError(.undefinedFunction, "\(name) of \(a[0].type.rawValue) does not exist", at: ranges[0])
      }
      return a[0].type == .null ? .constant(.null, .int) : a[0]
    }
    func moment() throws(SQLError) -> BoundExpr {
      let x = try numeric()
      return x.type == .wide ? folding.fold(.cast(x, .float)) : x
    }
    switch name {
    case "count": return Aggregate(function: .count, arguments: a)
    case "approx_count_distinct": return Aggregate(function: .countDistinct, arguments: a)
    case "sum": return Aggregate(function: .sum, arguments: [try numeric()])
    case "avg", "mean": return Aggregate(function: .average, arguments: [try numeric()])
    case "min": return Aggregate(function: .minimum, arguments: a)
    case "max": return Aggregate(function: .maximum, arguments: a)
    case "bool_and", "every": return Aggregate(function: .minimum, arguments: [try coerce(a[0], to: .bool, ranges[0])])
    case "bool_or": return Aggregate(function: .maximum, arguments: [try coerce(a[0], to: .bool, ranges[0])])
    case "stddev", "stddev_samp": return Aggregate(function: .variance(.sampleDeviation), arguments: [try moment()])
    case "stddev_pop": return Aggregate(function: .variance(.populationDeviation), arguments: [try moment()])
    case "variance", "var_samp": return Aggregate(function: .variance(.sampleVariance), arguments: [try moment()])
    case "var_pop": return Aggregate(function: .variance(.populationVariance), arguments: [try moment()])
    case "rms": return Aggregate(function: .variance(.rootMeanSquare), arguments: [try moment()])
    case "median": return Aggregate(function: .quantile(0.5, isContinuous: true), arguments: [try moment()])
    case "quantile", "quantile_cont", "quantile_approx", "quantile_disc":
      let fraction = try fraction(a[1], ranges[1])
      return Aggregate(function: .quantile(fraction, isContinuous: name != "quantile_disc"), arguments: [try moment()])
    case "first", "last":
      let key = a.count > 1 ? try edgeKey(a[1], ranges[1]) : try companion("ts", of: a[0], scope, name, range)
      return Aggregate(function: name == "first" ? .first : .last, arguments: [a[0], key])
    case "argmin", "arg_min", "min_by": return Aggregate(function: .first, arguments: [a[0], try edgeKey(a[1], ranges[1])])
    case "argmax", "arg_max", "max_by": return Aggregate(function: .last, arguments: [a[0], try edgeKey(a[1], ranges[1])])
    case "delta", "increase", "rate", "integral", "time_weighted_avg":
      return try overTime(name, a, ranges, scope, range)
    case "corr":
      return Aggregate(function: .correlation, arguments: [try coerce(a[0], to: .float, ranges[0]), try coerce(a[1], to: .float, ranges[1])])
    case "mode":
      if a[0].type.hasHighSlot { throw .unsupported("mode of \(a[0].type.rawValue)", at: ranges[0]) }
      return Aggregate(function: .mode, arguments: a)
    case "string_agg":
      guard case .constant(.text(let separator), _) = a[1] else { throw .unsupported("a separator that is no constant", at: ranges[1]) }
      return Aggregate(function: .joined(separator: separator, isDescending: false), arguments: [asText(a[0])])
    default: return try energy(a, ranges, scope, range)
    }
  }

  /// delta, increase, rate (x [, t]); integral, time_weighted_avg (x [, t] [, 'linear' | 'hold']). Series are told
  /// apart by the sensor and the probe beside x.
  private func overTime(
    _ name: String, _ a: [BoundExpr], _ ranges: [SourceRange], _ scope: Scope, _ range: SourceRange
  ) throws(SQLError) -> Aggregate {
    guard a[0].type == .int || a[0].type == .float else {
      throw SQLError(.undefinedFunction, "\(name) of \(a[0].type.rawValue) does not exist", at: ranges[0])
    }
    var rest = Array(zip(a, ranges).dropFirst())
    var isHold = false
    if name == "integral" || name == "time_weighted_avg", let last = rest.last, case .constant(.text(let way), _) = last.0,
      TimestampText.parse(way) == nil
    {
      guard way == "linear" || way == "hold" else {
        throw SQLError(.invalidParameterValue, "\(name) goes 'linear' or 'hold'", at: last.1)
      }
      isHold = way == "hold"
      rest.removeLast()
    }
    guard rest.count < 2 else { throw SQLError(.undefinedFunction, "\(name) takes a value and an instant", at: range) }
    let time: BoundExpr
    if let given = rest.first {
      time = try coerce(given.0, to: .timestamp, given.1)
    } else {
      time = try companion("ts", of: a[0], scope, name, range)
    }
    var series: [BoundExpr] = []
    let owners = relations(of: a[0], scope)
    if owners.count == 1, let device = scope.position("device", ofRelation: owners[0]),
      let probe = scope.position("probe", ofRelation: owners[0])
    {
      series = [device, probe].map { .column($0, scope.columns[$0].type) }
    }
    let function: AggregateFunction.OverTime =
      switch name {
      case "delta": .delta
      case "increase": .increase
      case "rate": .rate
      case "integral": .integral(isHold: isHold)
      default: .average(isHold: isHold)
      }
    return Aggregate(function: .series(function), arguments: [a[0], time] + series)
  }

  private func edgeKey(_ key: BoundExpr, _ range: SourceRange) throws(SQLError) -> BoundExpr {
    guard [.int, .float, .timestamp, .bool].contains(key.type) else { throw .unsupported("an order by \(key.type.rawValue)", at: range) }
    return key
  }

  private func fraction(_ value: BoundExpr, _ range: SourceRange) throws(SQLError) -> Double {
    guard case .constant(.float(let fraction), _) = try coerce(value, to: .float, range), (0...1).contains(fraction) else {
      throw SQLError(.invalidParameterValue, "the fraction of a quantile is a constant from 0 to 1", at: range)
    }
    return fraction
  }

  private func withinGroup(
    _ name: String, _ call: FunctionCall, _ scope: Scope, _ range: SourceRange
  ) throws(SQLError) -> Aggregate {
    guard name == "percentile_cont" || name == "percentile_disc", call.arguments.count == 1, call.withinGroup.count == 1 else {
      throw .unsupported("WITHIN GROUP of \(name)", at: range)
    }
    let key = call.withinGroup[0]
    var fraction = try fraction(bind(call.arguments[0].value, scope), call.arguments[0].value.range)
    if key.isDescending {
      guard name == "percentile_cont" else { throw .unsupported("percentile_disc in descending order", at: range) }
      fraction = 1 - fraction
    }
    let value = try bind(key.expression, scope)
    guard value.type == .int || value.type == .float else {
      throw SQLError(.undefinedFunction, "\(name) of \(value.type.rawValue) does not exist", at: key.expression.range)
    }
    return Aggregate(function: .quantile(fraction, isContinuous: name == "percentile_cont"), arguments: [value])
  }

  /// energy(x [, 'Wh' | 'Wns']): x in W over each sample's span; a row without a span has the table's.
  private func energy(
    _ a: [BoundExpr], _ ranges: [SourceRange], _ scope: Scope, _ range: SourceRange
  ) throws(SQLError) -> Aggregate {
    var isExact = false
    if a.count > 1 {
      guard case .constant(.text(let unit), _) = a[1], ["wh", "wns"].contains(unit.lowercased()) else {
        throw SQLError(.invalidParameterValue, "the unit of energy is 'Wh' or 'Wns'", at: ranges[1])
      }
      isExact = unit.lowercased() == "wns"
    }
    guard a[0].type == .int || a[0].type == .float else {
      throw SQLError(.undefinedFunction, "energy of \(a[0].type.rawValue) does not exist", at: ranges[0])
    }
    if isExact, a[0].type == .float {
      throw SQLError(.undefinedFunction, "energy in 'Wns' is of integer columns", at: range, hint: "cast to bigint")
    }
    let owners = relations(of: a[0], scope)
    let nanos = owners.compactMap { defaultSpans[$0] }.first
    if owners.count == 1, let nanos, scope.position("span", ofRelation: owners[0]) == nil {
      // A declared table whose samples all cover the same.
      return Aggregate(function: .energy(isExact: isExact), arguments: [a[0], .constant(.int(nanos), .int)])
    }
    let span = try companion("span", of: a[0], scope, "energy", range)
    let standard = BoundExpr.constant(.int(nanos ?? TableSchema.power.defaultSpanNanos), .int)
    return Aggregate(function: .energy(isExact: isExact), arguments: [a[0], .coalesce([span, standard], .int)])
  }

  /// Tables that `expression` reads; all of FROM when it reads none.
  private func relations(of expression: BoundExpr, _ scope: Scope) -> [String] {
    let read = Set(expression.columns.filter { $0 < scope.columns.count }.map { scope.columns[$0].relation })
    return (read.isEmpty ? Set(scope.columns.map(\.relation)) : read).sorted()
  }

  /// The column `name` of the table that `expression` reads.
  private func companion(
    _ name: String, of expression: BoundExpr, _ scope: Scope, _ function: String, _ range: SourceRange
  ) throws(SQLError) -> BoundExpr {
    let found = relations(of: expression, scope).compactMap { scope.position(name, ofRelation: $0) }
    guard found.count == 1, let index = found.first else {
      let hint = function == "energy" ? "read the table itself, or keep its column span" : "give the order: \(function)(x, t)"
      throw SQLError(.undefinedColumn, "\(function) needs the column \"\(name)\" beside its argument", at: range, hint: hint)
    }
    return .column(index, scope.columns[index].type)
  }
}
