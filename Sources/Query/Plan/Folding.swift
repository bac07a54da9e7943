/// Constants are computed once, when the query is bound. What fails is left as it is: the error
/// belongs to the rows that reach it, and a CASE may keep all rows from it.
struct Folding {
  let pool: TextPool

  func fold(_ expression: BoundExpr) -> BoundExpr {
    if expression.constantValue != nil { return expression }
    let children = expression.children
    guard !children.isEmpty || expression.columns.isEmpty,
      children.allSatisfy({ $0.constantValue != nil })
    else { return expression }
    switch expression {
    case .column, .outer, .subquery: return expression
    default: break
    }
    guard let vector = try? NodeBuilder(folding: pool).node(expression).evaluate(Batch([], count: 1), nil) else {
      return expression
    }
    return .constant(vector.value(0, pool), expression.type)
  }
}
