/// What a sub-query answered for one combination of its captures.
enum SubqueryAnswer: Sendable {
  case value(SQLValue)
  case exists(Bool)
  case members(Members)

  /// The values or rows of a sub-query, for comparisons with ANY and ALL.
  struct Members: Sendable {
    /// Rows without NULLs, in the form in which equal values are equal.
    var whole: Set<[SQLValue]> = []
    /// Rows with a NULL somewhere.
    var partial: Set<[SQLValue]> = []
    /// Of single values: the least and the greatest.
    var least: SQLValue = .null
    var greatest: SQLValue = .null

    var isEmpty: Bool { whole.isEmpty && partial.isEmpty }

    /// Equal values in one form: zeros are one, and so are all that are not a number; a month is 30 days.
    static func key(_ value: SQLValue) -> SQLValue {
      switch value {
      case .float(let number): .int(orderedKey(number))
      case .interval(let interval): .wide(interval.comparable)
      default: value
      }
    }

    mutating func insert(_ row: [SQLValue]) {
      if row.contains(.null) {
        partial.insert(row.map(Self.key))
        return
      }
      whole.insert(row.map(Self.key))
      guard row.count == 1 else { return }
      if least == .null || row[0].isBefore(least) { least = row[0] }
      if greatest == .null || greatest.isBefore(row[0]) { greatest = row[0] }
    }

    /// `row IN members`; nil is unknown.
    func contains(_ row: [SQLValue]) -> Bool? {
      if isEmpty { return false }
      let row = row.map(Self.key)
      func mayEqual(_ member: [SQLValue]) -> Bool {
        zip(row, member).allSatisfy { $0 == $1 || $0 == .null || $1 == .null }
      }
      if !row.contains(.null) {
        if whole.contains(row) { return true }
        return partial.contains(where: mayEqual) ? nil : false
      }
      return whole.contains(where: mayEqual) || partial.contains(where: mayEqual) ? nil : false
    }

    /// `x operation ANY members`, or ALL; nil is unknown.
    func compare(_ x: SQLValue, _ operation: Comparison, all: Bool) -> Bool? {
      if isEmpty { return all }
      // x op ALL s is not (x negated-op ANY s).
      if all { return compare(x, operation.negated, all: false).map { !$0 } }
      if x == .null { return nil }
      let found: Bool =
        switch operation {
        case .equal: whole.contains([Self.key(x)])
        case .notEqual: whole.count > 1 || (whole.count == 1 && !whole.contains([Self.key(x)]))
        case .less: greatest != .null && x.isBefore(greatest)
        case .lessOrEqual: greatest != .null && !greatest.isBefore(x)
        case .greater: least != .null && least.isBefore(x)
        case .greaterOrEqual: least != .null && !x.isBefore(least)
        }
      return found ? true : partial.isEmpty ? false : nil
    }

    /// Bytes held, roughly.
    var byteCount: Int { (whole.count + partial.count) * 96 }
  }
}

extension SQLValue {
  /// Order of two values of one type, as ORDER BY has it. NULLs do not stand here.
  func isBefore(_ other: SQLValue) -> Bool {
    switch (self, other) {
    case (.bool(let a), .bool(let b)): !a && b
    case (.int(let a), .int(let b)): a < b
    case (.float(let a), .float(let b)): orderedKey(a) < orderedKey(b)
    case (.text(let a), .text(let b)): precedes(a, b)
    case (.timestamp(let a), .timestamp(let b)): a < b
    case (.interval(let a), .interval(let b)): a.comparable < b.comparable
    case (.wide(let a), .wide(let b)): a < b
    default: false
    }
  }
}

extension ExecutionContext {
  /// Runs `query` for one combination of captured values.
  /// - Throws: 21000 when a scalar sub-query gives more than one row; what its run throws.
  func answer(_ query: Subquery, _ values: [SQLValue]) throws(SQLError) -> SubqueryAnswer {
    try checkCancelled()
    let inner = ExecutionContext(catalog: catalog, pool: pool, limits: limitsLeft, cancel: cancel, isAnalyzing: false)
    let constants = Dictionary(uniqueKeysWithValues: zip(query.captures, values))
    let folding = Folding(pool: pool)
    let plan = try query.plan.substituting(constants, folding).answeringSubqueries(inner)
    let root = query.form == .exists
      ? PhysicalBuilder(pool: pool).build(plan, required: [], filters: []).root : PhysicalBuilder(pool: pool).build(plan)
    var rowCount = 0
    var value = SQLValue.null
    var members = SubqueryAnswer.Members()
    let charge = MemoryCharge(inner)
    try root.run(inner, SinkConsumer { [pool] (batch) throws(SQLError) in
      guard batch.count > 0 else { return true }
      rowCount += batch.count
      switch query.form {
      case .exists: return false
      case .scalar:
        if rowCount > 1 { throw .severalRows() }
        value = batch.columns[0].value(0, pool)
      case .compare, .contains:
        let before = members.byteCount
        for row in 0..<batch.count { members.insert(batch.columns.map { $0.value(row, pool) }) }
        try charge.add(members.byteCount - before)
      }
      return true
    })
    return switch query.form {
    case .scalar: .value(value)
    case .exists: .exists(rowCount > 0)
    case .compare, .contains: .members(members)
    }
  }
}

extension LogicalPlan {
  /// The plan with each sub-query that reads nothing of the query around it answered and in its place a
  /// constant. One that fails stays: the error belongs to the rows that reach it.
  /// - Throws: 57014, 53200.
  func answeringSubqueries(_ context: ExecutionContext) throws(SQLError) -> LogicalPlan {
    guard hasSubquery else { return self }
    let folding = Folding(pool: context.pool)
    return try mapExpressions { (expression) throws(SQLError) in try expression.answering(context, folding) }
  }
}

extension BoundExpr {
  fileprivate func answering(_ context: ExecutionContext, _ folding: Folding) throws(SQLError) -> BoundExpr {
    guard hasSubquery else { return self }
    let mapped = try mapChildren { (child) throws(SQLError) in try child.answering(context, folding) }
    guard case .subquery(let query, let terms) = mapped, query.captures.isEmpty else { return folding.fold(mapped) }
    let answer: SubqueryAnswer
    do throws(SQLError) {
      answer = try context.answer(query, [])
    } catch {
      if error.state == .queryCancelled || error.state == .outOfMemory { throw error }
      return mapped
    }
    switch answer {
    case .value(let value): return .constant(value, query.type)
    case .exists(let exists): return .constant(.bool(exists), .bool)
    case .members(let members): return members.asExpression(query, terms) ?? mapped
    }
  }
}

extension SubqueryAnswer.Members {
  /// The comparison with constants in place of the query, in forms that scans look through; nil where
  /// there is none.
  fileprivate func asExpression(_ query: Subquery, _ terms: [BoundExpr]) -> BoundExpr? {
    guard case .compare(let operation, let all) = query.form else { return nil }
    if isEmpty { return .constant(.bool(all), .bool) }
    let x = terms[0]
    guard !x.type.hasHighSlot, x.type != .float, x.type != .null else { return nil }
    switch (operation, all) {
    case (.equal, false), (.notEqual, true):
      guard !whole.isEmpty else { return nil }
      let isIn = BoundExpr.inSet(x, Set(whole.map { $0[0] }), hasNull: !partial.isEmpty)
      return all ? .not(isIn) : isIn
    case (.equal, true), (.notEqual, false): return nil
    default:
      guard partial.isEmpty else { return nil }
      let wantsGreatest = (operation == .less || operation == .lessOrEqual) != all
      return .compare(operation, x, .constant(wantsGreatest ? greatest : least, x.type))
    }
  }
}
