/// A bound expression ready to run over batches: a tree with its kernels chosen and its result
/// vectors allocated, one per thread. `evaluate` may return a vector of the batch, a vector of its
/// own, or a constant; the caller reads it before it evaluates the node again.
class ExpressionNode {
  let type: SQLType

  init(_ type: SQLType) { self.type = type }

  /// - Parameter active: rows whose errors count; nil is all of the batch.
  func evaluate(_ batch: Batch, _ active: RowMask?) throws(SQLError) -> Vector {
    preconditionFailure("abstract")
  }
}

final class ColumnNode: ExpressionNode {
  private let index: Int
  init(_ index: Int, _ type: SQLType) {
    self.index = index
    super.init(type)
  }
  override func evaluate(_ batch: Batch, _ active: RowMask?) throws(SQLError) -> Vector { batch.columns[index] }
}

final class ConstantNode: ExpressionNode {
  private let vector: Vector
  init(_ value: SQLValue, _ type: SQLType, _ pool: TextPool) {
    vector = Vector(type)
    vector.set(0, value, pool)
    if value == .null {
      vector.setAllNull()
      vector.isConstant = true
    } else {
      vector.fill(vector[0], high: vector.highSlot(0))
    }
    super.init(type)
  }
  override func evaluate(_ batch: Batch, _ active: RowMask?) throws(SQLError) -> Vector { vector }
}

/// A strict function of two slots with a kernel.
final class BinaryKernelNode: ExpressionNode {
  private let left: ExpressionNode
  private let right: ExpressionNode
  private let kernel: BinaryKernel
  private let failure: @Sendable (Int64, Int64) -> SQLError?
  private let out: Vector

  /// - Parameter failure: the error of one pair of slots; asked only after the kernel saw a failure.
  init(
    _ left: ExpressionNode, _ right: ExpressionNode, _ type: SQLType, _ kernel: @escaping BinaryKernel,
    failure: @escaping @Sendable (Int64, Int64) -> SQLError? = { _, _ in nil }
  ) {
    self.left = left
    self.right = right
    self.kernel = kernel
    self.failure = failure
    out = Vector(type)
    super.init(type)
  }

  override func evaluate(_ batch: Batch, _ active: RowMask?) throws(SQLError) -> Vector {
    let a = try left.evaluate(batch, active)
    let b = try right.evaluate(batch, active)
    out.intersectNulls(a, b)
    out.isConstant = a.isConstant && b.isConstant
    let failed = kernel(a, b, out, out.isConstant ? Vector.capacity : batch.count)
    if failed {
      var error: SQLError?
      (active ?? RowMask(count: batch.count)).forEach { row in
        if error == nil, out.isValid(row) { error = failure(a[row], b[row]) }
      }
      if let error { throw error }
    }
    return out
  }
}

/// A strict function of one slot with a kernel.
final class UnaryKernelNode: ExpressionNode {
  private let operand: ExpressionNode
  private let kernel: UnaryKernel
  private let failure: @Sendable (Int64) -> SQLError?
  private let out: Vector

  init(
    _ operand: ExpressionNode, _ type: SQLType,
    failure: @escaping @Sendable (Int64) -> SQLError? = { _ in nil }, _ kernel: @escaping UnaryKernel
  ) {
    self.operand = operand
    self.kernel = kernel
    self.failure = failure
    out = Vector(type)
    super.init(type)
  }

  override func evaluate(_ batch: Batch, _ active: RowMask?) throws(SQLError) -> Vector {
    let a = try operand.evaluate(batch, active)
    out.copyNulls(a)
    out.isConstant = a.isConstant
    if kernel(a, out, out.isConstant ? Vector.capacity : batch.count) {
      var error: SQLError?
      (active ?? RowMask(count: batch.count)).forEach { row in
        if error == nil, out.isValid(row) { error = failure(a[row]) }
      }
      if let error { throw error }
    }
    return out
  }
}

/// A strict function of whole vectors, one row at a time: intervals and wide integers, which are
/// too rare for kernels.
final class RowNode: ExpressionNode {
  typealias Body = (_ arguments: [Vector], _ row: Int, _ out: Vector) throws(SQLError) -> Void
  private let arguments: [ExpressionNode]
  private let body: Body
  private let out: Vector

  init(_ arguments: [ExpressionNode], _ type: SQLType, _ body: @escaping Body) {
    self.arguments = arguments
    self.body = body
    out = Vector(type)
    super.init(type)
  }

  override func evaluate(_ batch: Batch, _ active: RowMask?) throws(SQLError) -> Vector {
    var inputs: [Vector] = []
    for argument in arguments { inputs.append(try argument.evaluate(batch, active)) }
    out.clearNulls()
    for row in 0..<batch.count {
      if let active, !active[row] { continue }
      if inputs.allSatisfy({ $0.isValid(row) }) {
        try body(inputs, row, out)
      } else {
        out.setNull(row)
      }
    }
    return out
  }
}

/// A strict function of values. Where all arguments but one text are constant, the answers are kept
/// by code: a function of `sensor` runs once for each sensor, not for each row.
final class ValueNode: ExpressionNode {
  private let arguments: [ExpressionNode]
  private let body: ValueFunction
  private let pool: TextPool
  private let out: Vector
  private struct Answer {
    var slot: Int64
    var high: Int64
    var isNull: Bool
  }
  private var memo: [Int64: Answer] = [:]
  private static let memoLimit = 1 << 18

  init(_ arguments: [ExpressionNode], _ type: SQLType, _ pool: TextPool, _ body: @escaping ValueFunction) {
    self.arguments = arguments
    self.body = body
    self.pool = pool
    out = Vector(type)
    super.init(type)
  }

  override func evaluate(_ batch: Batch, _ active: RowMask?) throws(SQLError) -> Vector {
    var inputs: [Vector] = []
    for argument in arguments { inputs.append(try argument.evaluate(batch, active)) }
    let varying = inputs.indices.filter { !inputs[$0].isConstant }
    out.clearNulls()
    out.isConstant = false
    guard batch.count > 0 else { return out }
    if varying.isEmpty {
      try compute(inputs, 0)
      if out.hasNulls { out.setAllNull() } else { out.fill(out[0], high: out.highSlot(0)) }
      out.isConstant = true
      return out
    }
    let key = varying.count == 1 && inputs[varying[0]].type == .text && isMemoSafe ? inputs[varying[0]] : nil
    for row in 0..<batch.count {
      if let active, !active[row] { continue }
      guard let key, key.isValid(row) else {
        try compute(inputs, row)
        continue
      }
      if let answer = memo[key[row]] {
        if answer.isNull { out.setNull(row) } else { out[row] = answer.slot }
        out.setHigh(row, answer.high)
      } else {
        try compute(inputs, row)
        if memo.count >= Self.memoLimit { memo.removeAll(keepingCapacity: true) }
        memo[key[row]] = Answer(slot: out[row], high: out.highSlot(row), isNull: !out.isValid(row))
      }
    }
    return out
  }

  /// Constant arguments are constants of the query, or of a stretch (`sensor`): only the former keep.
  private var isMemoSafe: Bool {
    arguments.count { !($0 is ConstantNode) } == 1
  }

  private func compute(_ inputs: [Vector], _ row: Int) throws(SQLError) {
    var values: [SQLValue] = []
    for input in inputs {
      guard input.isValid(row) else { return out.setNull(row) }
      values.append(input.value(row, pool))
    }
    out.set(row, try body(values), pool)
  }
}

/// `x IN (…)` by a hash set of slots.
final class InSetNode: ExpressionNode {
  private let operand: ExpressionNode
  private let members: Set<Int64>
  private let hasNull: Bool
  private let isFloat: Bool
  private let out = Vector(.bool)

  init(_ operand: ExpressionNode, _ set: Set<SQLValue>, hasNull: Bool, _ pool: TextPool) {
    self.operand = operand
    self.hasNull = hasNull
    let scratch = Vector(operand.type)
    isFloat = operand.type == .float
    var members: Set<Int64> = []
    for value in set {
      scratch.set(0, value, pool)
      members.insert(isFloat ? orderedKey(double(scratch[0])) : scratch[0])
    }
    self.members = members
    super.init(.bool)
  }

  override func evaluate(_ batch: Batch, _ active: RowMask?) throws(SQLError) -> Vector {
    let a = try operand.evaluate(batch, active)
    out.copyNulls(a)
    out.isConstant = false
    if isFloat {
      mapSlots(a, out, batch.count) { members.contains(orderedKey(double($0))) ? 1 : 0 }
    } else {
      mapSlots(a, out, batch.count) { members.contains($0) ? 1 : 0 }
    }
    if hasNull {
      // Not found beside a NULL is unknown.
      for row in 0..<batch.count where out[row] == 0 { out.setNull(row) }
    }
    return out
  }
}
