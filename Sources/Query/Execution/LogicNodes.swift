/// Three-valued logic and the expressions that evaluate some arguments for some rows only.

/// AND: false wins over NULL. Later terms run only where the earlier ones are not false, so a guard
/// written first protects what comes after it.
final class AndNode: ExpressionNode {
  private let terms: [ExpressionNode]
  private let isOr: Bool
  private let out = Vector(.bool)

  /// - Parameter isOr: the dual, OR: true wins over NULL.
  init(_ terms: [ExpressionNode], isOr: Bool) {
    self.terms = terms
    self.isOr = isOr
    super.init(.bool)
  }

  override func evaluate(_ batch: Batch, _ active: RowMask?) throws(SQLError) -> Vector {
    let count = batch.count
    let decided: Int64 = isOr ? 1 : 0
    var open = active ?? RowMask(count: count)
    out.clearNulls()
    out.isConstant = false
    mapSlots(out, out, count) { _ in 1 - decided }
    for (index, term) in terms.enumerated() {
      if open.isEmpty { break }
      let value = try term.evaluate(batch, index == 0 ? active : open)
      open.forEach { row in
        if !value.isValid(row) {
          out.setNull(row)
        } else if value[row] == decided {
          out[row] = decided
        }
      }
      var closed = open
      for word in closed.words.indices {
        var bits: UInt64 = 0
        var rest = open.words[word] & value.validityWord(word)
        while rest != 0 {
          let bit = rest.trailingZeroBitCount
          rest &= rest &- 1
          if value[word * 64 + bit] == decided { bits |= 1 << UInt64(bit) }
        }
        closed.words[word] = bits
        // A decided row is not null, whatever came before.
        if bits != 0, out.hasNulls { out.setValidityWord(word, out.validityWord(word) | bits) }
      }
      open.subtract(closed)
    }
    return out
  }
}

final class NotNode: ExpressionNode {
  private let operand: ExpressionNode
  private let out = Vector(.bool)
  init(_ operand: ExpressionNode) {
    self.operand = operand
    super.init(.bool)
  }
  override func evaluate(_ batch: Batch, _ active: RowMask?) throws(SQLError) -> Vector {
    let a = try operand.evaluate(batch, active)
    out.copyNulls(a)
    mapSlots(a, out, batch.count) { $0 ^ 1 }
    return out
  }
}

/// IS NULL, IS TRUE, IS FALSE and their negations: never null.
final class TestNode: ExpressionNode {
  enum Test { case null, isTrue, isFalse }
  private let operand: ExpressionNode
  private let test: Test
  private let negated: Bool
  private let out = Vector(.bool)

  init(_ operand: ExpressionNode, _ test: Test, negated: Bool) {
    self.operand = operand
    self.test = test
    self.negated = negated
    super.init(.bool)
  }

  override func evaluate(_ batch: Batch, _ active: RowMask?) throws(SQLError) -> Vector {
    let a = try operand.evaluate(batch, active)
    for row in 0..<batch.count {
      let isTrue =
        switch test {
        case .null: !a.isValid(row)
        case .isTrue: a.isValid(row) && a[row] != 0
        case .isFalse: a.isValid(row) && a[row] == 0
        }
      out[row] = isTrue != negated ? 1 : 0
    }
    return out
  }
}

/// IS [NOT] DISTINCT FROM: equality in which NULL equals NULL.
final class DistinctNode: ExpressionNode {
  private let left: ExpressionNode
  private let right: ExpressionNode
  private let equal: ExpressionNode
  private let negated: Bool
  private let out = Vector(.bool)

  init(_ left: ExpressionNode, _ right: ExpressionNode, equal: ExpressionNode, negated: Bool) {
    self.left = left
    self.right = right
    self.equal = equal
    self.negated = negated
    super.init(.bool)
  }

  override func evaluate(_ batch: Batch, _ active: RowMask?) throws(SQLError) -> Vector {
    let same = try equal.evaluate(batch, active)
    let a = try left.evaluate(batch, active)
    let b = try right.evaluate(batch, active)
    for row in 0..<batch.count {
      let (x, y) = (a.isValid(row), b.isValid(row))
      let isSame = x && y ? same[row] != 0 : x == y
      out[row] = isSame == negated ? 1 : 0
    }
    return out
  }
}

/// CASE: each result is computed only for the rows whose condition chose it.
final class ConditionalNode: ExpressionNode {
  private let branches: [(condition: ExpressionNode, result: ExpressionNode)]
  private let otherwise: ExpressionNode
  private let out: Vector

  init(
    _ branches: [(condition: ExpressionNode, result: ExpressionNode)], _ otherwise: ExpressionNode,
    _ type: SQLType
  ) {
    self.branches = branches
    self.otherwise = otherwise
    out = Vector(type)
    super.init(type)
  }

  override func evaluate(_ batch: Batch, _ active: RowMask?) throws(SQLError) -> Vector {
    var open = active ?? RowMask(count: batch.count)
    out.clearNulls()
    for branch in branches {
      if open.isEmpty { return out }
      let condition = try branch.condition.evaluate(batch, open)
      let chosen = open.whereTrue(condition, batch.count)
      if chosen.isEmpty { continue }
      take(try branch.result.evaluate(batch, chosen), chosen)
      open.subtract(chosen)
    }
    if !open.isEmpty { take(try otherwise.evaluate(batch, open), open) }
    return out
  }

  private func take(_ source: Vector, _ rows: RowMask) {
    rows.forEach { row in
      if source.isValid(row) {
        out[row] = source[row]
        if type.hasHighSlot { out.setHigh(row, source.highSlot(row)) }
      } else {
        out.setNull(row)
      }
    }
  }
}

/// COALESCE, GREATEST and LEAST: functions that pass over NULLs.
final class CoalesceNode: ExpressionNode {
  private let terms: [ExpressionNode]
  private let out: Vector

  init(_ terms: [ExpressionNode], _ type: SQLType) {
    self.terms = terms
    out = Vector(type)
    super.init(type)
  }

  override func evaluate(_ batch: Batch, _ active: RowMask?) throws(SQLError) -> Vector {
    var open = active ?? RowMask(count: batch.count)
    for (index, term) in terms.enumerated() {
      let value = try term.evaluate(batch, open)
      // The usual case: the first term has no nulls and is the answer.
      if index == 0, !value.hasNulls { return value }
      if index == 0 { out.setAllNull() }
      var found = open
      for word in found.words.indices { found.words[word] &= value.validityWord(word) }
      found.forEach { row in
        out[row] = value[row]
        if type.hasHighSlot { out.setHigh(row, value.highSlot(row)) }
      }
      for word in found.words.indices {
        out.setValidityWord(word, out.validityWord(word) | found.words[word])
      }
      open.subtract(found)
      if open.isEmpty { break }
    }
    out.isConstant = false
    return out
  }
}

final class ExtremeNode: ExpressionNode {
  private let terms: [ExpressionNode]
  private let precedes: @Sendable (Vector, Int, Vector, Int) -> Bool
  private let isGreatest: Bool
  private let out: Vector

  init(_ terms: [ExpressionNode], _ type: SQLType, isGreatest: Bool, _ pool: TextPool) {
    self.terms = terms
    self.isGreatest = isGreatest
    precedes = rowOrder(type, pool)
    out = Vector(type)
    super.init(type)
  }

  override func evaluate(_ batch: Batch, _ active: RowMask?) throws(SQLError) -> Vector {
    for (index, term) in terms.enumerated() {
      let value = try term.evaluate(batch, active)
      if index == 0 { out.setAllNull() }
      for row in 0..<batch.count where value.isValid(row) {
        let wins = !out.isValid(row) || (isGreatest ? precedes(out, row, value, row) : precedes(value, row, out, row))
        guard wins else { continue }
        out[row] = value[row]
        out.setHigh(row, value.highSlot(row))
        out.setValidityWord(row >> 6, out.validityWord(row >> 6) | 1 << UInt64(row & 63))
      }
    }
    out.isConstant = false
    return out
  }
}

/// Whether one non-null row comes before another in the order of `type`.
func rowOrder(_ type: SQLType, _ pool: TextPool) -> @Sendable (Vector, Int, Vector, Int) -> Bool {
  switch type {
  case .float: { orderedKey(double($0[$1])) < orderedKey(double($2[$3])) }
  case .text: { $0[$1] != $2[$3] && precedes(pool.text(of: $0[$1]), pool.text(of: $2[$3])) }
  case .wide: { $0.wide($1) < $2.wide($3) }
  case .interval: { $0.interval($1).comparable < $2.interval($3).comparable }
  case .null, .bool, .int, .timestamp: { $0[$1] < $2[$3] }
  }
}
