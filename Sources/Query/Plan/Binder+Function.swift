/// Functions of one row by name: what they take, and which kernel they become.
extension Binder {
  func function(_ call: FunctionCall, _ scope: Scope, _ range: SourceRange) throws(SQLError) -> BoundExpr {
    let name = call.name.last.name.lowercased()
    if let named = call.arguments.compactMap(\.name).first {
      throw .unsupported("a named argument", at: named.range)
    }
    if let over = call.over {
      guard Self.windowNames.contains(name) || Self.aggregateNames.contains(name) else {
        throw SQLError(
          .undefinedFunction, "there is no window function \(name)", at: call.name.range,
          hint: Suggestion.hint(for: name, among: Self.windowNames.sorted() + Self.aggregateNames.sorted()))
      }
      return try window(name, call, over, scope, range)
    }
    if Self.windowNames.contains(name) {
      throw SQLError(.windowingError, "\(name) needs an OVER clause", at: range, hint: "\(name)(…) OVER (ORDER BY ts)")
    }
    if Self.aggregateNames.contains(name) { return try aggregate(name, call, scope, range) }
    if name == "locf" || name == "interpolate" { return try carried(name, call, scope, range) }
    guard call.filter == nil, !call.isDistinct, call.orderBy.isEmpty, call.withinGroup.isEmpty, !call.isStar else {
      throw SQLError(.syntaxError, "\(name) is not an aggregate function", at: range)
    }
    var arguments: [BoundExpr] = []
    for argument in call.arguments {
      arguments.append(try name == "date_part" ? clock(argument.value, scope) : bind(argument.value, scope))
    }
    let ranges = call.arguments.map(\.value.range)
    if let special = try timeFunction(name, arguments, ranges, range) { return folding.fold(special) }
    if let plain = try valueFunction(name, arguments, ranges, range) { return folding.fold(plain) }
    if Self.laterNames.contains(name) { throw .unsupported("the function \(name)", at: range) }
    throw SQLError(
      .undefinedFunction, "there is no function \(name)", at: call.name.range,
      hint: Suggestion.hint(for: name, among: Self.scalarNames.sorted() + Self.aggregateNames.sorted()))
  }

  static let scalarNames: Set<String> = [
    "abs", "ceil", "ceiling", "coalesce", "concat", "current_date", "current_timestamp", "date_bin", "date_part",
    "date_trunc", "exp", "floor", "greatest", "least", "left", "length", "char_length", "ln", "log", "log10", "lower",
    "ltrim", "btrim", "mod", "now", "nullif", "position", "power", "pow", "replace", "reverse", "right", "round", "rtrim",
    "sign", "split_part", "sqrt", "starts_with", "strpos", "substr", "substring", "time_bucket", "to_timestamp", "trim",
    "trunc", "upper", "if", "ifnull", "time_bucket_gapfill", "locf", "interpolate",
  ]

  /// Known words of the dialect that are yet to come.
  static let laterNames: Set<String> = ["coverage", "histogram", "lttb", "array_agg"]

  /// - Throws: 42883 when the count of arguments is not in `counts`.
  private func expect(
    _ counts: ClosedRange<Int>, _ arguments: [BoundExpr], _ name: String, _ range: SourceRange
  ) throws(SQLError) {
    guard counts.contains(arguments.count) else {
      let wanted = counts.lowerBound == counts.upperBound ? "\(counts.lowerBound)" : "\(counts.lowerBound) to \(counts.upperBound)"
      throw SQLError(
        .undefinedFunction, "\(name) takes \(wanted) argument\(wanted == "1" ? "" : "s"), found \(arguments.count)", at: range)
    }
  }

  // MARK: - Time

  private func timeFunction(
    _ name: String, _ a: [BoundExpr], _ ranges: [SourceRange], _ range: SourceRange
  ) throws(SQLError) -> BoundExpr? {
    switch name {
    case "now", "current_timestamp", "transaction_timestamp", "statement_timestamp", "clock_timestamp", "localtimestamp":
      try expect(0...0, a, name, range)
      return .constant(.timestamp(nowNanos), .timestamp)
    case "current_date", "today":
      return .constant(.timestamp(TimeGrid.fixed(width: Calendar.nanosPerDay, origin: 0).start(of: nowNanos)), .timestamp)
    case "date_trunc":
      try expect(2...3, a, name, range)
      guard case .constant(.text(let unit), _) = a[0] else { throw .unsupported("a unit that is no constant", at: ranges[0]) }
      guard let grid = DateField.named(unit)?.grid else {
        throw SQLError(
          .invalidParameterValue, "there is no unit \"\(unit)\"", at: ranges[0],
          hint: Suggestion.hint(for: unit, among: DateField.allCases.filter { $0.grid != nil }.map(\.rawValue)))
      }
      let zone = a.count > 2 ? try timeZone(a[2], ranges[2]) : nil
      return .call(.bucket(zoned(grid, zone)), [try coerce(a[1], to: .timestamp, ranges[1])], .timestamp)
    case "time_bucket", "date_bin":
      try expect(2...3, a, name, range)
      let grid = try grid(a[0], ranges[0], origin: a.count > 2 ? a[2] : nil, ranges.last ?? range)
      return .call(.bucket(grid), [try coerce(a[1], to: .timestamp, ranges[1])], .timestamp)
    case "time_bucket_gapfill": return try gapBucket(a, ranges, range)
    case "date_part":
      try expect(2...2, a, name, range)
      guard case .constant(.text(let field), _) = a[0] else { throw .unsupported("a field that is no constant", at: ranges[0]) }
      return try extract(field, a[1], ranges[0])
    case "to_timestamp":
      try expect(1...1, a, name, range)
      return .call(.toTimestamp, [try coerce(a[0], to: .float, ranges[0])], .timestamp)
    default: return nil
    }
  }

  func zoned(_ grid: TimeGrid, _ zone: SQLTimeZone?) -> TimeGrid {
    if let zone, !zone.isUTC { return .zoned(grid, zone) }
    return grid
  }

  /// The grid of time_bucket. Without an origin, buckets align to Monday 2000-01-03, months to January.
  func grid(
    _ width: BoundExpr, _ range: SourceRange, origin: BoundExpr?, _ originRange: SourceRange
  ) throws(SQLError) -> TimeGrid {
    guard case .constant(.interval(let interval), _) = try coerce(width, to: .interval, range) else {
      throw .unsupported("a bucket width that is no constant", at: range)
    }
    var start: Int64?
    var zone: SQLTimeZone?
    if let origin {
      if case .constant(.text(let text), _) = origin, TimestampText.parse(text) == nil {
        zone = try timeZone(origin, originRange)
      } else if case .constant(.timestamp(let instant), _) = try coerce(origin, to: .timestamp, originRange) {
        start = instant
      } else {
        throw .unsupported("an origin that is no constant", at: originRange)
      }
    }
    if interval.months > 0, interval.days == 0, interval.nanos == 0 {
      let month = start.map { Calendar.monthIndex(Calendar.date(ofDay: Calendar.split($0).day)) } ?? 2000 * 12
      return zoned(.months(Int64(interval.months), origin: month), zone)
    }
    guard let nanos = interval.fixedNanos, nanos > 0 else {
      throw SQLError(.invalidParameterValue, "a bucket width is positive, and either months or days and time", at: range)
    }
    return zoned(.fixed(width: nanos, origin: start ?? 946_857_600_000_000_000), zone)
  }

  // MARK: - Values

  private func valueFunction(
    _ name: String, _ a: [BoundExpr], _ ranges: [SourceRange], _ range: SourceRange
  ) throws(SQLError) -> BoundExpr? {
    switch name {
    case "coalesce", "ifnull", "greatest", "least":
      guard !a.isEmpty else { throw SQLError(.undefinedFunction, "\(name) takes at least 1 argument", at: range) }
      let type = try common(Array(zip(a, ranges)).map { ($0, $1) }, name)
      var terms: [BoundExpr] = []
      for (term, place) in zip(a, ranges) { terms.append(try coerce(term, to: type, place)) }
      if name == "greatest" { return .call(.greatest, terms, type) }
      return name == "least" ? .call(.least, terms, type) : .coalesce(terms, type)
    case "nullif":
      try expect(2...2, a, name, range)
      let equal = try compare(.equal, a[0], a[1], range)
      return .conditional([.init(condition: equal, result: .constant(.null, a[0].type))], otherwise: a[0], a[0].type)
    case "if":
      try expect(3...3, a, name, range)
      let type = try common([(a[1], ranges[1]), (a[2], ranges[2])], name)
      let branch = BoundExpr.Branch(condition: try coerce(a[0], to: .bool, ranges[0]), result: try coerce(a[1], to: type, ranges[1]))
      return .conditional([branch], otherwise: try coerce(a[2], to: type, ranges[2]), type)
    case "concat":
      guard !a.isEmpty else { throw SQLError(.undefinedFunction, "concat takes at least 1 argument", at: range) }
      return .call(.concat, a.map(asText), .text)
    case "mod":
      try expect(2...2, a, name, range)
      return try arithmetic(.modulo, a[0], a[1], range)
    case "power", "pow":
      try expect(2...2, a, name, range)
      return try arithmetic(.power, a[0], a[1], range)
    default:
      if let math = try mathFunction(name, a, ranges, range) { return math }
      return try textFunction(name, a, ranges, range)
    }
  }

  private func mathFunction(
    _ name: String, _ a: [BoundExpr], _ ranges: [SourceRange], _ range: SourceRange
  ) throws(SQLError) -> BoundExpr? {
    let kinds: [String: ScalarFunction] = [
      "abs": .abs, "floor": .floor, "ceil": .ceil, "ceiling": .ceil, "round": .round, "trunc": .trunc, "sign": .sign,
      "sqrt": .sqrt, "exp": .exp, "ln": .ln, "log": .log10, "log10": .log10,
    ]
    guard let function = kinds[name] else { return nil }
    try expect(1...(name == "round" ? 2 : 1), a, name, range)
    if a.count == 2 {
      return .call(.roundTo, [try coerce(a[0], to: .float, ranges[0]), try coerce(a[1], to: .int, ranges[1])], .float)
    }
    let keepsIntegers = [.abs, .floor, .ceil, .round, .trunc, .sign].contains(function)
    if keepsIntegers, a[0].type == .int { return .call(function, a, .int) }
    let operand = a[0].type == .wide ? folding.fold(.cast(a[0], .float)) : a[0]
    return .call(function, [try coerce(operand, to: .float, ranges[0])], .float)
  }

  private func textFunction(
    _ name: String, _ a: [BoundExpr], _ ranges: [SourceRange], _ range: SourceRange
  ) throws(SQLError) -> BoundExpr? {
    typealias Form = (function: ScalarFunction, counts: ClosedRange<Int>, numbersFrom: Int, result: SQLType)
    let forms: [String: Form] = [
      "lower": (.lower, 1...1, 9, .text), "upper": (.upper, 1...1, 9, .text), "reverse": (.reverse, 1...1, 9, .text),
      "length": (.length, 1...1, 9, .int), "char_length": (.length, 1...1, 9, .int),
      "character_length": (.length, 1...1, 9, .int),
      "substr": (.substring, 2...3, 1, .text), "substring": (.substring, 2...3, 1, .text),
      "trim": (.trim, 1...2, 9, .text), "btrim": (.trim, 1...2, 9, .text),
      "ltrim": (.trimLeading, 1...2, 9, .text), "rtrim": (.trimTrailing, 1...2, 9, .text),
      "replace": (.replace, 3...3, 9, .text), "starts_with": (.startsWith, 2...2, 9, .bool),
      "strpos": (.position, 2...2, 9, .int), "position": (.position, 2...2, 9, .int),
      "left": (.left, 2...2, 1, .text), "right": (.right, 2...2, 1, .text), "split_part": (.splitPart, 3...3, 2, .text),
    ]
    guard let form = forms[name] else { return nil }
    try expect(form.counts, a, name, range)
    var arguments: [BoundExpr] = []
    for (index, argument) in a.enumerated() {
      arguments.append(try coerce(argument, to: index >= form.numbersFrom ? .int : .text, ranges[index]))
    }
    // position(part IN whole) names the part first, strpos(whole, part) the whole.
    if name == "strpos" { arguments.reverse() }
    return .call(form.function, arguments, form.result)
  }
}
