/// The rules by which types meet. A text constant takes the type of what it meets, as PostgreSQL's
/// unknown literals do.
extension Binder {
  /// `expression` as `type`.
  /// - Throws: 42804 where no implicit conversion exists; 22P02 and kin for a text constant that does not read.
  func coerce(_ expression: BoundExpr, to type: SQLType, _ range: SourceRange) throws(SQLError) -> BoundExpr {
    if expression.type == type { return expression }
    if case .constant(.null, _) = expression { return .constant(.null, type) }
    if case .constant(.text(let text), _) = expression { return .constant(try parsed(text, type, range), type) }
    switch (expression.type, type) {
    case (.null, _), (.int, .float), (.int, .wide), (.wide, .float): return folding.fold(.cast(expression, type))
    default:
      throw SQLError(
        .datatypeMismatch, "expected \(type.rawValue), found \(expression.type.rawValue)", at: range,
        hint: "cast it with ::")
    }
  }

  func parsed(_ text: String, _ type: SQLType, _ range: SourceRange) throws(SQLError) -> SQLValue {
    do throws(SQLError) {
      return try ValueFunctions.parse(text, as: type)
    } catch {
      throw SQLError(error.state, error.message, at: range, hint: error.hint)
    }
  }

  /// The type in which values of both can be compared or mixed; nil when there is none.
  func common(_ a: SQLType, _ b: SQLType) -> SQLType? {
    if a == b || b == .null { return a }
    if a == .null { return b }
    guard a.isNumeric, b.isNumeric else { return nil }
    return a == .float || b == .float ? .float : .wide
  }

  /// The common type of several expressions, text constants taking the type of the others.
  func common(
    _ expressions: [(expression: BoundExpr, range: SourceRange)], _ what: String
  ) throws(SQLError) -> SQLType {
    var result = SQLType.null
    for (expression, range) in expressions where !isTextConstant(expression) {
      guard let type = common(result, expression.type) else {
        throw SQLError(
          .datatypeMismatch, "\(what) mixes \(result.rawValue) and \(expression.type.rawValue)", at: range,
          hint: "cast one of them with ::")
      }
      result = type
    }
    return result == .null && expressions.contains { isTextConstant($0.expression) } ? .text : result
  }

  func isTextConstant(_ expression: BoundExpr) -> Bool {
    if case .constant(.text, _) = expression { true } else { false }
  }

  // MARK: - Comparison

  func compare(
    _ operation: Comparison, _ a: BoundExpr, _ b: BoundExpr, _ range: SourceRange
  ) throws(SQLError) -> BoundExpr {
    let (x, y) = try matched(a, b, operation.rawValue, range)
    return folding.fold(.compare(operation, x, y))
  }

  /// Both sides in one type.
  func matched(
    _ a: BoundExpr, _ b: BoundExpr, _ symbol: String, _ range: SourceRange
  ) throws(SQLError) -> (BoundExpr, BoundExpr) {
    if isTextConstant(a), !isTextConstant(b), b.type != .text { return (try coerce(a, to: b.type, range), b) }
    if isTextConstant(b), !isTextConstant(a), a.type != .text { return (a, try coerce(b, to: a.type, range)) }
    guard let type = common(a.type, b.type) else { throw noOperator(symbol, a.type, b.type, range) }
    return (try coerce(a, to: type, range), try coerce(b, to: type, range))
  }

  func noOperator(_ symbol: String, _ a: SQLType, _ b: SQLType, _ range: SourceRange) -> SQLError {
    SQLError(
      .undefinedFunction, "there is no operator \(a.rawValue) \(symbol) \(b.rawValue)", at: range,
      hint: "cast one side with ::")
  }

  // MARK: - Arithmetic

  func arithmetic(
    _ operation: Arithmetic, _ a: BoundExpr, _ b: BoundExpr, _ range: SourceRange
  ) throws(SQLError) -> BoundExpr {
    folding.fold(try unfoldedArithmetic(operation, a, b, range))
  }

  private func unfoldedArithmetic(
    _ operation: Arithmetic, _ a: BoundExpr, _ b: BoundExpr, _ range: SourceRange
  ) throws(SQLError) -> BoundExpr {
    switch (a.type, b.type) {
    case (.timestamp, .interval) where operation == .add || operation == .subtract,
      (.interval, .interval) where operation == .add || operation == .subtract:
      return .arithmetic(operation, a, b, a.type)
    case (.interval, .timestamp) where operation == .add: return .arithmetic(.add, b, a, .timestamp)
    case (.timestamp, .timestamp) where operation == .subtract: return .arithmetic(.subtract, a, b, .interval)
    case (.timestamp, .text) where isTextConstant(b), (.interval, .text) where isTextConstant(b):
      // `ts - '5 minutes'`; a text that is no interval may be a timestamp.
      if let interval = try? coerce(b, to: .interval, range) { return try unfoldedArithmetic(operation, a, interval, range) }
      return try unfoldedArithmetic(operation, a, coerce(b, to: .timestamp, range), range)
    case (.interval, let other) where other.isNumeric && (operation == .multiply || operation == .divide):
      return .arithmetic(operation, a, try coerce(b, to: .float, range), .interval)
    case (let other, .interval) where other.isNumeric && operation == .multiply:
      return .arithmetic(.multiply, b, try coerce(a, to: .float, range), .interval)
    default:
      let (x, y) = try matched(a, b, operation.rawValue, range)
      if operation == .power {
        return .arithmetic(.power, try coerce(x, to: .float, range), try coerce(y, to: .float, range), .float)
      }
      if x.type == .null { return .null }
      guard x.type.isNumeric else { throw noOperator(operation.rawValue, a.type, b.type, range) }
      return .arithmetic(operation, x, y, x.type)
    }
  }

  /// `expression` as text, for `||` and concat.
  func asText(_ expression: BoundExpr) -> BoundExpr {
    expression.type == .text ? expression : folding.fold(.cast(expression, .text))
  }
}
