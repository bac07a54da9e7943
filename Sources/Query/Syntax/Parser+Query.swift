/// Queries around SELECT: WITH, set operations, VALUES, ORDER BY and LIMIT.
extension Parser {
  mutating func query() throws(SQLError) -> Query {
    let outer = try enter()
    let from = start
    let isRecursive: Bool
    var tables: [CommonTable] = []
    if accept(.with) {
      isRecursive = accept(.recursive)
      tables = try list { p throws(SQLError) in try p.commonTable() }
    } else {
      isRecursive = false
    }
    let first = try queryPrimary()
    let body = try setOperators(after: first, minimum: 0)
    var query = Query(with: tables, isRecursive: isRecursive, body: body, range: range(from: from))
    try tail(of: &query)
    query.range = range(from: from)
    try leave(outer)
    return query
  }

  /// Whether what follows a query in parentheses makes it a branch of a longer one.
  var atQueryTail: Bool {
    switch current.keyword {
    case .union, .intersect, .except, .order, .limit, .offset, .fetch: true
    default: false
    }
  }

  /// The rest of a query whose first branch has been read.
  mutating func query(continuing first: Query.Body, from: UInt32) throws(SQLError) -> Query {
    let body = try setOperators(after: plain(first), minimum: 0)
    var query = Query(body: body, range: range(from: from))
    try tail(of: &query)
    query.range = range(from: from)
    return query
  }

  /// A branch in parentheses needs them in the tree only for clauses of its own.
  private func plain(_ body: Query.Body) -> Query.Body {
    guard case .nested(let query) = body, query.with.isEmpty, query.orderBy.isEmpty,
      query.limit == nil, query.offset == nil
    else { return body }
    return query.body
  }

  private mutating func commonTable() throws(SQLError) -> CommonTable {
    let name = try identifier("a name for the WITH query")
    let columns = try columnNames()
    try expect(.as, "and a query in parentheses")
    var isMaterialized: Bool?
    if accept(.not, .materialized) {
      isMaterialized = false
    } else if accept(.materialized) {
      isMaterialized = true
    }
    let query = try queryInParentheses()
    return CommonTable(name: name, columns: columns, isMaterialized: isMaterialized, query: query)
  }

  mutating func queryInParentheses() throws(SQLError) -> Query {
    try expect(.leftParen, "\"(\" and a query")
    let result = try query()
    try expect(.rightParen, "\")\"")
    return result
  }

  // MARK: - Set operations

  /// INTERSECT binds tighter than UNION and EXCEPT; all are left-associative.
  private mutating func setOperators(
    after first: Query.Body, minimum: Int
  ) throws(SQLError) -> Query.Body {
    var left = first
    while let (op, level) = setOperator(), level >= minimum {
      advance()
      let all = accept(.all)
      if !all { _ = accept(.distinct) }
      let outer = try enter()
      let right = try setOperators(after: try queryPrimary(), minimum: level + 1)
      try leave(outer)
      left = .combined(op, all: all, left, right)
      try grow()
    }
    return left
  }

  private func setOperator() -> (SetOperator, level: Int)? {
    switch current.keyword {
    case .union: (.union, 0)
    case .except: (.except, 0)
    case .intersect: (.intersect, 1)
    default: nil
    }
  }

  private mutating func queryPrimary() throws(SQLError) -> Query.Body {
    switch current.keyword {
    case .select: return .select(try select())
    case .values:
      advance()
      return .values(try list { p throws(SQLError) in try p.valuesRow() })
    case .table:
      let from = start
      advance()
      let name = try objectName("a table name")
      return .table(TableReference(kind: .table(name, TimeTravel()), range: range(from: from)))
    case .history where at(.history, .of): return .table(try deviceHistory())
    default: break
    }
    guard at(.leftParen) else {
      throw expected("SELECT, VALUES, TABLE or \"(\"", words: [.select, .values, .table])
    }
    return plain(.nested(try queryInParentheses()))
  }

  private mutating func valuesRow() throws(SQLError) -> [Expression] {
    try parenthesized { p throws(SQLError) in try p.expression() }
  }

  // MARK: - ORDER BY, LIMIT

  private mutating func tail(of query: inout Query) throws(SQLError) {
    if at(.order) { query.orderBy = try orderBy() }
    var hasLimit = false
    while true {
      if at(.limit) || at(.fetch) {
        guard !hasLimit else { throw repeated("LIMIT") }
        hasLimit = true
        if accept(.limit) { query.limit = try limit() } else { try fetch(&query) }
      } else if at(.offset) {
        guard query.offset == nil else { throw repeated("OFFSET") }
        advance()
        query.offset = try expression()
        _ = accept(.rows) || accept(.row)
      } else {
        break
      }
    }
    if query.withTies, query.orderBy.isEmpty {
      throw SQLError(.syntaxError, "WITH TIES needs ORDER BY", at: query.limit?.range)
    }
  }

  private mutating func limit() throws(SQLError) -> Expression? {
    if accept(.all) { return nil }
    let count = try expression()
    if at(.comma) {
      throw SQLError(
        .syntaxError, "LIMIT takes one number", at: current.range, hint: "write LIMIT 20 OFFSET 10")
    }
    return count
  }

  /// FETCH FIRST n ROWS ONLY.
  private mutating func fetch(_ query: inout Query) throws(SQLError) {
    advance()
    guard accept(.first) || accept(.next) else {
      throw expected("FIRST or NEXT", words: [.first, .next])
    }
    if at(.row) || at(.rows) {
      query.limit = Expression(.literal(.integer(1)), current.range)
    } else {
      query.limit = try expression(.other)
    }
    guard accept(.rows) || accept(.row) else { throw expected("ROWS", words: [.rows]) }
    if accept(.only) { return }
    guard accept(.with, .ties) else { throw expected("ONLY or WITH TIES", words: [.only, .with]) }
    query.withTies = true
  }

  func repeated(_ clause: String) -> SQLError {
    SQLError(.syntaxError, "\(clause) stands here twice", at: current.range)
  }
}
