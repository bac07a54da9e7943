import Synchronization

/// A sub-query that reads the row it stands in: answered once for each combination of captured values.
final class SubqueryNode: ExpressionNode {
  private let query: Subquery
  private let terms: [ExpressionNode]
  private let context: ExecutionContext
  private let out: Vector
  private var answers: [[SQLValue]: SubqueryAnswer] = [:]
  private let charge: MemoryCharge
  /// What answers all combinations at once, where the query's shape allows it.
  private var shape: SubqueryIndex.Shape?
  private var index: SubqueryIndex?
  private var nanos: Int64 = 0
  private let folding: Folding

  init(_ query: Subquery, _ terms: [ExpressionNode], _ context: ExecutionContext) {
    self.query = query
    self.terms = terms
    self.context = context
    charge = MemoryCharge(context)
    shape = SubqueryIndex.shape(query)
    folding = Folding(pool: context.pool)
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
        answer = try self.answer(captured.map { $0.value(row, context.pool) })
      }
      last = (row, answer)
      write(answer, inputs, row)
    }
    return out
  }

  private func answer(_ values: [SQLValue]) throws(SQLError) -> SubqueryAnswer {
    if let known = answers[values] { return known }
    if let shape, index != nil || nanos >= context.limits.patienceNanos {
      if index == nil { index = try made(shape) }
      guard let index else { return try self.answer(values) }
      let constants = Dictionary(uniqueKeysWithValues: zip(query.captures, values))
      return try index.answer(try shape.outer.map { (e) throws(SQLError) in try value(e.substituting(constants, folding)) })
    }
    let begin = monotonicNanos()
    let answer = try context.answer(query, values)
    nanos += monotonicNanos() - begin
    var bytes = 128 + values.count * 48
    if case .members(let members) = answer { bytes += members.byteCount }
    try charge.add(bytes)
    answers[values] = answer
    return answer
  }

  /// Nil when it cannot be made: it reads rows that no single answer needs, and may fail at them or hold too much.
  private func made(_ shape: SubqueryIndex.Shape) throws(SQLError) -> SubqueryIndex? {
    do throws(SQLError) {
      return try context.index(query, shape)
    } catch {
      if error.state == .queryCancelled { throw error }
      self.shape = nil
      return nil
    }
  }

  /// Of an expression that reads no row any more.
  private func value(_ expression: BoundExpr) throws(SQLError) -> SQLValue {
    if let constant = expression.constantValue { return constant }
    return try NodeBuilder(context).node(expression).evaluate(Batch([], count: 1), nil).value(0, context.pool)
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
