/// A sub-query that reads the row it stands in: answered once for each combination of captured values.
final class SubqueryNode: ExpressionNode {
  private let query: Subquery
  private let terms: [ExpressionNode]
  private let context: ExecutionContext
  private let memo: SubqueryMemo
  private let out: Vector

  init(_ query: Subquery, _ terms: [ExpressionNode], _ context: ExecutionContext) {
    self.query = query
    self.terms = terms
    self.context = context
    memo = context.memo(of: query)
    out = Vector(query.type)
    super.init(query.type)
  }

  override func evaluate(_ batch: Batch, _ active: RowMask?) throws(SQLError) -> Vector {
    var inputs: [Vector] = []
    for term in terms { inputs.append(try term.evaluate(batch, active)) }
    let captured = Array(inputs[query.operandCount...])
    out.clearNulls()
    out.isConstant = false
    var last: (row: Int, answer: SubqueryAnswer)?
    for row in 0..<batch.count {
      if let active, !active[row] { continue }
      let answer: SubqueryAnswer
      if let last, captured.allSatisfy({ $0.isSame(row, last.row) }) {
        answer = last.answer
      } else {
        answer = try memo.answer(captured.map { $0.value(row, context.pool) }, context)
      }
      last = (row, answer)
      write(answer, inputs, row)
    }
    return out
  }

  private func write(_ answer: SubqueryAnswer, _ inputs: [Vector], _ row: Int) {
    switch answer {
    case .value(let value): out.set(row, value, context.pool)
    case .exists(let exists): out[row] = exists ? 1 : 0
    case .members(let members):
      let operands = inputs[..<query.operandCount].map { $0.value(row, context.pool) }
      let found: Bool? =
        if case .compare(let operation, let all) = query.form {
          members.compare(operands[0], operation, all: all)
        } else {
          members.contains(operands)
        }
      if let found { out[row] = found ? 1 : 0 } else { out.setNull(row) }
    }
  }
}

extension Vector {
  /// Whether two rows hold the same value, or are both null.
  func isSame(_ a: Int, _ b: Int) -> Bool {
    if isConstant { return true }
    guard isValid(a), isValid(b) else { return isValid(a) == isValid(b) }
    return self[a] == self[b] && (!type.hasHighSlot || highSlot(a) == highSlot(b))
  }
}
