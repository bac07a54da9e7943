/// Expressions of the tree to bound expressions: names become positions, literals values, operators
/// functions of types.
extension Binder {
  /// Binds `expression` and checks that it is a condition.
  func condition(_ expression: Expression, _ scope: Scope, _ clause: String) throws(SQLError) -> BoundExpr {
    let bound = try bind(expression, scope)
    guard bound.type == .bool || bound.type == .null || isTextConstant(bound) else {
      throw SQLError(
        .datatypeMismatch, "\(clause) needs a condition, found \(bound.type.rawValue)", at: expression.range)
    }
    return try coerce(bound, to: .bool, expression.range)
  }

  func bind(_ expression: Expression, _ scope: Scope) throws(SQLError) -> BoundExpr {
    let range = expression.range
    switch expression.kind {
    case .literal(let literal): return try self.literal(literal, range)
    case .column(let name): return try column(name, scope)
    case .parameter(let number):
      guard number >= 1, number <= parameters.count else {
        throw SQLError(.undefinedParameter, "there is no parameter $\(number)", at: range)
      }
      return .constant(parameters[number - 1], parameters[number - 1].type)
    case .namedParameter(let name):
      guard let value = namedParameters[name] else {
        throw SQLError(
          .undefinedParameter, "there is no parameter :\(name)", at: range,
          hint: Suggestion.hint(for: name, among: namedParameters.keys.sorted()))
      }
      return .constant(value, value.type)
    case .unary(let symbol, let operand): return try unary(symbol, bind(operand, scope), range)
    case .binary(let symbol, let left, let right):
      return try binary(symbol, bind(left, scope), bind(right, scope), range)
    case .and(let terms): return try logical(terms, scope, "AND") { .and($0) }
    case .or(let terms): return try logical(terms, scope, "OR") { .or($0) }
    case .not(let operand): return folding.fold(.not(try condition(operand, scope, "NOT")))
    case .isTest(let operand, let test, let negated):
      return try isTest(operand, test, negated, scope)
    case .isDistinct(let left, let right, let negated):
      let (a, b) = try matched(bind(left, scope), bind(right, scope), "IS DISTINCT FROM", range)
      return folding.fold(.isDistinct(a, b, negated: negated))
    case .between(let value, let low, let high, let symmetric, let negated):
      return try between(value, low, high, symmetric, negated, scope, range)
    case .inList(let operand, let list, let negated): return try inList(operand, list, negated, scope, range)
    case .like(let kind, let text, let pattern, let escape, let negated):
      return try like(kind, text, pattern, escape, negated, scope, range)
    case .call(let call): return try function(call, scope, range)
    case .cast(let operand, let name): return try cast(bind(operand, scope), name, range)
    case .conditional(let conditional): return try self.conditional(conditional, scope, range)
    case .extract(let field, let operand): return try extract(field, clock(operand, scope), range)
    case .atTimeZone(let operand, let zone): return try atTimeZone(bind(operand, scope), bind(zone, scope), range)
    case .collate(let operand, let name):
      guard ["c", "posix", "default", "ucs_basic"].contains(name.last.name.lowercased()) else {
        throw .unsupported("the collation \"\(name.last.name)\"", at: name.range)
      }
      return try bind(operand, scope)
    case .defaultValue: throw SQLError(.syntaxError, "DEFAULT stands only in INSERT and UPDATE", at: range)
    case .inQuery, .exists, .subquery, .quantified: return try subquery(expression, scope)
    case .array, .arrayQuery, .element: throw .unsupported("an array", at: range)
    case .row: throw .unsupported("a row value", at: range)
    }
  }

  private func literal(_ literal: Literal, _ range: SourceRange) throws(SQLError) -> BoundExpr {
    switch literal {
    case .null: return .null
    case .boolean(let flag): return .constant(.bool(flag), .bool)
    case .integer(let number): return .constant(.int(number), .int)
    case .decimal(let digits):
      if let wide = Int128(digits) { return .constant(.wide(wide), .wide) }
      guard let number = Double(digits) else { throw SQLError(.numericOutOfRange, "a number is out of range", at: range) }
      return .constant(.float(number), .float)
    case .string(let text): return .constant(.text(text), .text)
    case .interval(let interval): return .constant(.interval(interval), .interval)
    case .typed(let name, let text):
      return try cast(.constant(.text(text), .text), name, range)
    }
  }

  private func column(_ name: ObjectName, _ scope: Scope) throws(SQLError) -> BoundExpr {
    let index: Int
    do throws(SQLError) {
      index = try scope.find(name)
    } catch {
      let isUnknown = error.state == .undefinedColumn || error.state == .undefinedTable
      if isUnknown, let outer = try surroundings?.find(name, &lastOuter) { return outer }
      throw error
    }
    columnRanges[index] = name.range
    return .column(index, scope.columns[index].type)
  }

  // MARK: - Operators

  private func unary(_ symbol: UnaryOperator, _ operand: BoundExpr, _ range: SourceRange) throws(SQLError) -> BoundExpr {
    guard symbol != .bitNot else { throw .unsupported("the operator ~", at: range) }
    let value = isTextConstant(operand) ? try coerce(operand, to: .float, range) : operand
    guard value.type.isNumeric || value.type == .interval || value.type == .null else {
      throw SQLError(.undefinedFunction, "there is no operator \(symbol.rawValue) \(value.type.rawValue)", at: range)
    }
    return symbol == .plus ? value : folding.fold(.negate(value))
  }

  private func binary(
    _ symbol: Symbol, _ a: BoundExpr, _ b: BoundExpr, _ range: SourceRange
  ) throws(SQLError) -> BoundExpr {
    if let operation = Arithmetic(rawValue: symbol.rawValue) { return try arithmetic(operation, a, b, range) }
    if let operation = Comparison(rawValue: symbol.rawValue) { return try compare(operation, a, b, range) }
    switch symbol {
    case .concat:
      guard a.type == .text || b.type == .text || a.type == .null || b.type == .null else {
        throw noOperator("||", a.type, b.type, range)
      }
      return folding.fold(.call(.concatStrict, [asText(a), asText(b)], .text))
    case .match, .matchInsensitive, .notMatch, .notMatchInsensitive:
      let insensitive = symbol == .matchInsensitive || symbol == .notMatchInsensitive
      let call = BoundExpr.call(
        .regex(caseInsensitive: insensitive),
        [try coerce(a, to: .text, range), try coerce(b, to: .text, range)], .bool)
      let negated = symbol == .notMatch || symbol == .notMatchInsensitive
      return folding.fold(negated ? .not(call) : call)
    default: throw .unsupported("the operator \(symbol.rawValue)", at: range)
    }
  }

  private func logical(
    _ terms: [Expression], _ scope: Scope, _ word: String, _ make: ([BoundExpr]) -> BoundExpr
  ) throws(SQLError) -> BoundExpr {
    var bound: [BoundExpr] = []
    for term in terms { bound.append(try condition(term, scope, word)) }
    return folding.fold(make(bound))
  }

  private func isTest(
    _ operand: Expression, _ test: TruthTest, _ negated: Bool, _ scope: Scope
  ) throws(SQLError) -> BoundExpr {
    switch test {
    case .null: return folding.fold(.isNull(try bind(operand, scope), negated: negated))
    case .unknown: return folding.fold(.isNull(try condition(operand, scope, "IS UNKNOWN"), negated: negated))
    case .isTrue, .isFalse:
      return folding.fold(.isTruth(try condition(operand, scope, "IS TRUE"), test == .isTrue, negated: negated))
    }
  }

  private func between(
    _ value: Expression, _ low: Expression, _ high: Expression, _ symmetric: Bool, _ negated: Bool,
    _ scope: Scope, _ range: SourceRange
  ) throws(SQLError) -> BoundExpr {
    let x = try bind(value, scope)
    let (a, b) = (try bind(low, scope), try bind(high, scope))
    func within(_ low: BoundExpr, _ high: BoundExpr) throws(SQLError) -> BoundExpr {
      folding.fold(.and([
        try compare(.greaterOrEqual, x, low, range), try compare(.lessOrEqual, x, high, range),
      ]))
    }
    var result = try within(a, b)
    if symmetric { result = folding.fold(.or([result, try within(b, a)])) }
    return negated ? folding.fold(.not(result)) : result
  }

  private func inList(
    _ operand: Expression, _ list: [Expression], _ negated: Bool, _ scope: Scope, _ range: SourceRange
  ) throws(SQLError) -> BoundExpr {
    let x = try bind(operand, scope)
    var set: Set<SQLValue> = []
    var hasNull = false
    var others: [BoundExpr] = []
    for item in list {
      let (left, member) = try matched(x, bind(item, scope), "IN", item.range)
      if case .constant(let value, _) = member, left == x, !x.type.hasHighSlot {
        if value == .null { hasNull = true } else { set.insert(value) }
      } else {
        others.append(.compare(.equal, left, member))
      }
    }
    if !set.isEmpty || hasNull { others.insert(.inSet(x, set, hasNull: hasNull), at: 0) }
    let result = folding.fold(others.count == 1 ? others[0] : .or(others))
    return negated ? folding.fold(.not(result)) : result
  }

  private func like(
    _ kind: LikeKind, _ text: Expression, _ pattern: Expression, _ escape: Expression?, _ negated: Bool,
    _ scope: Scope, _ range: SourceRange
  ) throws(SQLError) -> BoundExpr {
    guard kind != .similar else { throw .unsupported("SIMILAR TO", at: range, hint: "use ~ with a regular expression") }
    var arguments = [
      try coerce(bind(text, scope), to: .text, text.range), try coerce(bind(pattern, scope), to: .text, pattern.range),
    ]
    if let escape { arguments.append(try coerce(bind(escape, scope), to: .text, escape.range)) }
    let call = BoundExpr.call(.like(caseInsensitive: kind == .ilike), arguments, .bool)
    return folding.fold(negated ? .not(folding.fold(call)) : call)
  }

  // MARK: - Forms

  func cast(_ operand: BoundExpr, _ name: TypeName, _ range: SourceRange) throws(SQLError) -> BoundExpr {
    guard name.arrayDepth == 0 else { throw .unsupported("an array type", at: range) }
    guard let type = Self.type(named: name.name) else {
      throw SQLError(
        .undefinedObject, "there is no type \"\(name.name)\"", at: range,
        hint: Suggestion.hint(for: name.name, among: ["bigint", "double precision", "text", "timestamp", "interval", "boolean", "numeric"]))
    }
    if operand.type == type { return operand }
    if case .constant(.text(let text), _) = operand {
      let value = try parsed(text, type, range)
      if name.name == "date", case .timestamp(let instant) = value {
        return .constant(.timestamp(TimeGrid.fixed(width: Calendar.nanosPerDay, origin: 0).start(of: instant)), type)
      }
      return .constant(value, type)
    }
    if name.name == "date", operand.type == .timestamp {
      return folding.fold(.call(.bucket(.fixed(width: Calendar.nanosPerDay, origin: 0)), [operand], .timestamp))
    }
    switch (operand.type, type) {
    case (.null, _), (_, .text), (.text, _), (.int, .float), (.int, .wide), (.int, .bool), (.bool, .int),
      (.wide, .float), (.wide, .int), (.float, .int), (.float, .wide):
      return folding.fold(.cast(operand, type))
    default:
      throw SQLError(.datatypeMismatch, "cannot cast \(operand.type.rawValue) to \(type.rawValue)", at: range)
    }
  }

  static func type(named name: String) -> SQLType? {
    switch name {
    case "bool", "boolean": .bool
    case "int", "integer", "int2", "int4", "int8", "smallint", "bigint": .int
    case "float", "float4", "float8", "real", "double", "double precision": .float
    case "numeric", "decimal": .float
    case "hugeint", "int16", "int128": .wide
    case "text", "varchar", "char", "bpchar", "symbol", "string", "name", "character varying": .text
    case "timestamp", "timestamptz", "timestamp with time zone", "timestamp without time zone", "date": .timestamp
    case "interval": .interval
    default: nil
    }
  }

  private func conditional(
    _ conditional: Conditional, _ scope: Scope, _ range: SourceRange
  ) throws(SQLError) -> BoundExpr {
    let operand = try conditional.operand.map { (e) throws(SQLError) in try bind(e, scope) }
    var conditions: [BoundExpr] = []
    var results: [(expression: BoundExpr, range: SourceRange)] = []
    for branch in conditional.branches {
      if let operand {
        conditions.append(try compare(.equal, operand, bind(branch.condition, scope), branch.condition.range))
      } else {
        conditions.append(try condition(branch.condition, scope, "WHEN"))
      }
      results.append((try bind(branch.result, scope), branch.result.range))
    }
    let otherwise = conditional.otherwise
    results.append((try otherwise.map { (e) throws(SQLError) in try bind(e, scope) } ?? .null, otherwise?.range ?? range))
    let type = try common(results, "CASE")
    var bound: [BoundExpr] = []
    for result in results { bound.append(try coerce(result.expression, to: type, result.range)) }
    let branches = zip(conditions, bound).map { BoundExpr.Branch(condition: $0, result: $1) }
    return folding.fold(.conditional(branches, otherwise: bound[bound.count - 1], type))
  }

  /// What EXTRACT reads: an instant, or the clocks of a zone at it.
  func clock(_ operand: Expression, _ scope: Scope) throws(SQLError) -> BoundExpr {
    guard case .atTimeZone(let instant, let name) = operand.kind else { return try bind(operand, scope) }
    let zone = try timeZone(bind(name, scope), name.range)
    let bound = try coerce(bind(instant, scope), to: .timestamp, instant.range)
    return zone.isUTC ? bound : folding.fold(.call(.localTime(zone), [bound], .timestamp))
  }

  func extract(_ field: String, _ operand: BoundExpr, _ range: SourceRange) throws(SQLError) -> BoundExpr {
    guard let known = DateField.named(field) else {
      throw SQLError(
        .invalidParameterValue, "there is no field \"\(field)\" of a timestamp", at: range,
        hint: Suggestion.hint(for: field, among: DateField.allCases.map(\.rawValue)))
    }
    if operand.type == .interval {
      guard known == .epoch else { throw .unsupported("a field of an interval other than epoch", at: range) }
      return folding.fold(.call(.intervalSeconds, [operand], .float))
    }
    return folding.fold(.call(.extract(known), [try coerce(operand, to: .timestamp, range)], .float))
  }

  private func atTimeZone(_ operand: BoundExpr, _ zone: BoundExpr, _ range: SourceRange) throws(SQLError) -> BoundExpr {
    let zone = try timeZone(zone, range)
    guard zone.isUTC else {
      throw SQLError(
        .featureNotSupported, "AT TIME ZONE stands inside EXTRACT alone: a timestamp is an instant", at: range,
        hint: "for buckets write date_trunc('day', ts, 'zone') or time_bucket('1 day', ts, 'zone')")
    }
    return try coerce(operand, to: .timestamp, range)
  }

  /// A constant name of a time zone.
  func timeZone(_ name: BoundExpr, _ range: SourceRange) throws(SQLError) -> SQLTimeZone {
    guard case .constant(.text(let name), _) = name else { throw .unsupported("a time zone that is no constant", at: range) }
    guard let zone = SQLTimeZone.named(name) else {
      throw SQLError(
        .invalidParameterValue, "there is no time zone \"\(name)\"", at: range,
        hint: "write a name like Asia/Seoul, or an offset like +09:00")
    }
    return zone
  }
}
