import Glibc

/// Makes runnable nodes of bound expressions: the one place where kernels are chosen by type.
struct NodeBuilder {
  let pool: TextPool
  /// Of the run; nil where constants are folded, which hold no queries.
  private let context: ExecutionContext?

  init(_ context: ExecutionContext) {
    pool = context.pool
    self.context = context
  }

  /// For constants, before any run.
  init(folding pool: TextPool) {
    self.pool = pool
    context = nil
  }

  func node(_ expression: BoundExpr) -> ExpressionNode {
    switch expression {
    case .column(let index, let type): ColumnNode(index, type)
    case .constant(let value, let type): ConstantNode(value, type, pool)
    case .arithmetic(let operation, let a, let b, let type): arithmetic(operation, a, b, type)
    case .negate(let operand): negate(operand)
    case .compare(let operation, let a, let b): compare(operation, a, b)
    case .and(let terms): AndNode(terms.map(node), isOr: false)
    case .or(let terms): AndNode(terms.map(node), isOr: true)
    case .not(let operand): NotNode(node(operand))
    case .isNull(let operand, let negated): TestNode(node(operand), .null, negated: negated)
    case .isTruth(let operand, let truth, let negated):
      TestNode(node(operand), truth ? .isTrue : .isFalse, negated: negated)
    case .isDistinct(let a, let b, let negated):
      DistinctNode(node(a), node(b), equal: compare(.equal, a, b), negated: negated)
    case .conditional(let branches, let otherwise, let type):
      ConditionalNode(
        branches.map { (node($0.condition), node($0.result)) }, node(otherwise), type)
    case .coalesce(let terms, let type): CoalesceNode(terms.map(node), type)
    case .cast(let operand, let type): cast(operand, type)
    case .inSet(let operand, let set, let hasNull): InSetNode(node(operand), set, hasNull: hasNull, pool)
    case .call(let function, let arguments, let type): call(function, arguments, type)
    case .outer(_, let type): ConstantNode(.null, type, pool)
    case .subquery(let query, let terms):
      if let context { SubqueryNode(query, terms.map(node), context) } else { ConstantNode(.null, query.type, pool) }
    }
  }

  private func arithmetic(
    _ operation: Arithmetic, _ a: BoundExpr, _ b: BoundExpr, _ type: SQLType
  ) -> ExpressionNode {
    switch (a.type, b.type) {
    case (.int, .int):
      return BinaryKernelNode(node(a), node(b), .int, ArithmeticKernels.integer(operation)) {
        ArithmeticKernels.integerFailure(operation, $0, $1)
      }
    case (.float, .float):
      return BinaryKernelNode(node(a), node(b), .float, ArithmeticKernels.float(operation)) {
        ArithmeticKernels.floatFailure(operation, double($1))
      }
    case (.timestamp, .interval):
      if case .constant(.interval(let interval), _) = b, let nanos = interval.fixedNanos {
        let step = node(.constant(.int(nanos), .int))
        return BinaryKernelNode(node(a), step, .timestamp, ArithmeticKernels.integer(operation)) {
          ArithmeticKernels.integerFailure(operation, $0, $1).map { _ in .timestampOverflow() }
        }
      }
      return RowNode([node(a), node(b)], .timestamp) { (v, row, out) throws(SQLError) in
        let interval = v[1].interval(row)
        guard let moved = Calendar.adding(interval, to: v[0][row], negated: operation == .subtract) else {
          throw .timestampOverflow()
        }
        out[row] = moved
      }
    case (.timestamp, .timestamp):
      return RowNode([node(a), node(b)], .interval) { (v, row, out) throws(SQLError) in
        let (nanos, overflow) = v[0][row].subtractingReportingOverflow(v[1][row])
        if overflow { throw .timestampOverflow() }
        let days = nanos / Calendar.nanosPerDay
        let interval = Interval(days: Int32(clamping: days), nanos: nanos - days * Calendar.nanosPerDay)
        out[row] = interval.nanos
        out.setHigh(row, interval.highSlot)
      }
    case (.interval, .interval):
      return RowNode([node(a), node(b)], .interval) { (v, row, out) throws(SQLError) in
        try setInterval(out, row, combined(v[0].interval(row), v[1].interval(row), operation))
      }
    case (.interval, .float):
      return RowNode([node(a), node(b)], .interval) { (v, row, out) throws(SQLError) in
        let factor = double(v[1][row])
        if operation == .divide, factor == 0 { throw .divisionByZero() }
        try setInterval(out, row, scaled(v[0].interval(row), operation == .divide ? 1 / factor : factor))
      }
    default:
      return RowNode([node(a), node(b)], .wide) { (v, row, out) throws(SQLError) in
        out.setWide(row, try wideArithmetic(operation, v[0].wide(row), v[1].wide(row)))
      }
    }
  }

  private func negate(_ operand: BoundExpr) -> ExpressionNode {
    switch operand.type {
    case .float: return UnaryKernelNode(node(operand), .float) { mapSlots($0, $1, $2) { slot(of: -double($0)) }; return false }
    case .wide:
      return RowNode([node(operand)], .wide) { (v, row, out) throws(SQLError) in
        out.setWide(row, try wideArithmetic(.subtract, 0, v[0].wide(row)))
      }
    case .interval:
      return RowNode([node(operand)], .interval) { (v, row, out) throws(SQLError) in
        try setInterval(out, row, combined(Interval(), v[0].interval(row), .subtract))
      }
    default:
      return BinaryKernelNode(node(.constant(.int(0), .int)), node(operand), .int, ArithmeticKernels.integer(.subtract)) {
        ArithmeticKernels.integerFailure(.subtract, $0, $1)
      }
    }
  }

  private func compare(_ operation: Comparison, _ a: BoundExpr, _ b: BoundExpr) -> ExpressionNode {
    switch a.type {
    case .float: return BinaryKernelNode(node(a), node(b), .bool, ComparisonKernels.float(operation))
    case .null, .bool, .int, .timestamp:
      return BinaryKernelNode(node(a), node(b), .bool, ComparisonKernels.integer(operation))
    case .text where operation == .equal || operation == .notEqual:
      return BinaryKernelNode(node(a), node(b), .bool, ComparisonKernels.integer(operation))
    case .text, .wide, .interval:
      let isBefore = rowOrder(a.type, pool)
      return RowNode([node(a), node(b)], .bool) { v, row, out in
        let less = isBefore(v[0], row, v[1], row)
        let greater = isBefore(v[1], row, v[0], row)
        let holds =
          switch operation {
          case .equal: !less && !greater
          case .notEqual: less || greater
          case .less: less
          case .lessOrEqual: !greater
          case .greater: greater
          case .greaterOrEqual: !less
          }
        out[row] = holds ? 1 : 0
      }
    }
  }

  private func cast(_ operand: BoundExpr, _ type: SQLType) -> ExpressionNode {
    let inner = node(operand)
    switch (operand.type, type) {
    case (.int, .float):
      return UnaryKernelNode(inner, .float) { mapSlots($0, $1, $2) { slot(of: Double($0)) }; return false }
    case (.bool, .int):
      return UnaryKernelNode(inner, .int) { mapSlots($0, $1, $2) { $0 }; return false }
    case (.int, .bool):
      return UnaryKernelNode(inner, .bool) { mapSlots($0, $1, $2) { $0 != 0 ? 1 : 0 }; return false }
    case (.float, .int):
      return UnaryKernelNode(
        inner, .int,
        failure: { Int64(exactly: double($0).rounded(.toNearestOrEven)) == nil ? .integerOverflow() : nil }
      ) { a, out, count in
        var failed = false
        mapSlots(a, out, count) {
          guard let whole = Int64(exactly: double($0).rounded(.toNearestOrEven)) else {
            failed = true
            return 0
          }
          return whole
        }
        return failed
      }
    default:
      return ValueNode([inner], type, pool) { (values) throws(SQLError) in
        try ValueFunctions.cast(values[0], to: type)
      }
    }
  }
}

private func setInterval(_ out: Vector, _ row: Int, _ interval: Interval?) throws(SQLError) {
  guard let interval else { throw SQLError(.datetimeOverflow, "an interval is out of range") }
  out[row] = interval.nanos
  out.setHigh(row, interval.highSlot)
}

private func combined(_ a: Interval, _ b: Interval, _ operation: Arithmetic) -> Interval? {
  let isSum = operation == .add
  let months = isSum ? Int64(a.months) + Int64(b.months) : Int64(a.months) - Int64(b.months)
  let days = isSum ? Int64(a.days) + Int64(b.days) : Int64(a.days) - Int64(b.days)
  let nanos = isSum ? a.nanos.addingReportingOverflow(b.nanos) : a.nanos.subtractingReportingOverflow(b.nanos)
  guard let months = Int32(exactly: months), let days = Int32(exactly: days), !nanos.overflow else { return nil }
  return Interval(months: months, days: days, nanos: nanos.partialValue)
}

/// As PostgreSQL: parts of months become days (of 30), parts of days become time.
private func scaled(_ a: Interval, _ factor: Double) -> Interval? {
  let months = Double(a.months) * factor
  let wholeMonths = months.rounded(.towardZero)
  let days = Double(a.days) * factor + (months - wholeMonths) * 30
  let wholeDays = days.rounded(.towardZero)
  let nanos = (Double(a.nanos) * factor + (days - wholeDays) * Double(Calendar.nanosPerDay)).rounded()
  guard let m = Int32(exactly: wholeMonths), let d = Int32(exactly: wholeDays), let n = Int64(exactly: nanos) else { return nil }
  return Interval(months: m, days: d, nanos: n)
}

private func wideArithmetic(_ operation: Arithmetic, _ x: Int128, _ y: Int128) throws(SQLError) -> Int128 {
  if operation == .divide || operation == .modulo, y == 0 { throw .divisionByZero() }
  let (result, overflow) =
    switch operation {
    case .add: x.addingReportingOverflow(y)
    case .subtract: x.subtractingReportingOverflow(y)
    case .multiply: x.multipliedReportingOverflow(by: y)
    case .divide: x.dividedReportingOverflow(by: y)
    case .modulo: y == -1 ? (0, false) : x.remainderReportingOverflow(dividingBy: y)
    case .power: (x, true)
    }
  if overflow { throw .integerOverflow() }
  return result
}

extension NodeBuilder {
  private func call(_ function: ScalarFunction, _ arguments: [BoundExpr], _ type: SQLType) -> ExpressionNode {
    let nodes = arguments.map(node)
    if let body = ValueFunctions.function(function) { return ValueNode(nodes, type, pool, body) }
    switch function {
    case .greatest: return ExtremeNode(nodes, type, isGreatest: true, pool)
    case .least: return ExtremeNode(nodes, type, isGreatest: false, pool)
    case .concat:
      let empty = node(.constant(.text(""), .text))
      let first: ExpressionNode = CoalesceNode([nodes[0], empty], .text)
      let join: ValueFunction = { .text(ValueFunctions.text($0[0]) + ValueFunctions.text($0[1])) }
      return nodes.dropFirst().reduce(first) { ValueNode([$0, CoalesceNode([$1, empty], .text)], .text, pool, join) }
    case .bucket(let grid):
      return UnaryKernelNode(nodes[0], .timestamp) { grid.starts($0, $1, $2); return false }
    case .extract(let field):
      return UnaryKernelNode(nodes[0], .float) { a, out, count in
        mapSlots(a, out, count) { slot(of: field.extract($0)) }
        return false
      }
    case .localTime(let zone):
      return UnaryKernelNode(nodes[0], .timestamp) { a, out, count in
        var (low, end, offset) = (Int64.max, Int64.min, Int64(0))
        mapSlots(a, out, count) { instant in
          if instant < low || instant >= end {
            (offset, end) = zone.offset(at: instant)
            low = instant
          }
          return instant &+ offset
        }
        return false
      }
    case .intervalSeconds:
      return RowNode(nodes, .float) { v, row, out in
        out[row] = slot(of: Double(v[0].interval(row).comparable) / 1e9)
      }
    case .toTimestamp:
      return RowNode(nodes, .timestamp) { (v, row, out) throws(SQLError) in
        guard let nanos = Int64(exactly: (double(v[0][row]) * 1e9).rounded()) else { throw .timestampOverflow() }
        out[row] = nanos
      }
    case .abs where type == .int:
      return UnaryKernelNode(nodes[0], .int, failure: { $0 == .min ? .integerOverflow() : nil }) { a, out, count in
        var failed = false
        mapSlots(a, out, count) { x in
          failed = failed || x == .min
          return x < 0 ? 0 &- x : x
        }
        return failed
      }
    case .sign where type == .int:
      return UnaryKernelNode(nodes[0], .int) { mapSlots($0, $1, $2) { $0.signum() }; return false }
    default: return floatFunction(function, nodes[0], type)
    }
  }

  private func floatFunction(_ function: ScalarFunction, _ operand: ExpressionNode, _ type: SQLType) -> ExpressionNode {
    // floor, ceil, round and trunc of integers are the integers themselves.
    if type == .int { return operand }
    let body: @Sendable (Double) -> Double =
      switch function {
      case .abs: { Swift.abs($0) }
      case .floor: { $0.rounded(.down) }
      case .ceil: { $0.rounded(.up) }
      case .round: { $0.rounded(.toNearestOrEven) }
      case .trunc: { $0.rounded(.towardZero) }
      case .sqrt: { $0.squareRoot() }
      case .exp: { Glibc.exp($0) }
      case .ln: { Glibc.log($0) }
      case .log10: { Glibc.log10($0) }
      default: { $0 == 0 || $0.isNaN ? $0 : $0 < 0 ? -1 : 1 }
      }
    let isLogarithm = function == .ln || function == .log10
    let isRoot = function == .sqrt
    return UnaryKernelNode(
      operand, .float,
      failure: { bits in
        let x = double(bits)
        if isLogarithm, x <= 0 { return SQLError(SQLState("2201E"), "the logarithm of zero or less") }
        if isRoot, x < 0 { return SQLError(SQLState("2201F"), "the square root of a negative number") }
        return nil
      }
    ) { a, out, count in
      var failed = false
      mapSlots(a, out, count) { bits in
        let x = double(bits)
        failed = failed || (isLogarithm && x <= 0) || (isRoot && x < 0)
        return slot(of: body(x))
      }
      return failed
    }
  }
}
