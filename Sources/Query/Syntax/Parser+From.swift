/// FROM: tables, functions, sub-queries and joins.
extension Parser {
  mutating func tableReference() throws(SQLError) -> TableReference {
    let outer = try enter()
    let from = start
    let first = try tableFactor()
    let result = try joins(after: first, from: from)
    try leave(outer)
    return result
  }

  // MARK: - Joins

  private struct JoinWords {
    var kind = Join.Kind.inner
    var isAsof = false
    var isNatural = false
  }

  private mutating func joins(
    after first: TableReference, from: UInt32
  ) throws(SQLError) -> TableReference {
    var left = first
    while let words = try joinWords() {
      let outer = try enter()
      let right = try tableFactor()
      try leave(outer)
      let condition = try joinCondition(words)
      let join = Join(
        kind: words.kind, isAsof: words.isAsof, left: left, right: right, condition: condition)
      left = TableReference(kind: .join(join), range: range(from: from))
      try grow()
    }
    return left
  }

  private mutating func joinWords() throws(SQLError) -> JoinWords? {
    var words = JoinWords()
    words.isNatural = accept(.natural)
    if at(.asof), !atAlias {
      words.isAsof = true
      advance()
    }
    switch current.keyword {
    case .join: break
    case .inner: advance()
    case .cross where !words.isAsof && !words.isNatural:
      advance()
      words.kind = .cross
    case .left, .right, .full:
      words.kind = at(.left) ? .left : at(.right) ? .right : .full
      guard !words.isAsof || words.kind == .left else {
        throw expected("JOIN or LEFT JOIN after ASOF")
      }
      advance()
      _ = accept(.outer)
    default:
      if words.isNatural { throw expected("JOIN", words: [.join]) }
      return nil
    }
    try expect(.join)
    return words
  }

  private mutating func joinCondition(_ words: JoinWords) throws(SQLError) -> Join.Condition {
    if words.isNatural { return .natural }
    if words.kind == .cross { return .none }
    if accept(.on) { return .on(try expression()) }
    if accept(.using) { return .using(try columnNamesRequired()) }
    // ASOF without a condition matches by time alone.
    if words.isAsof { return .none }
    throw expected(
      "ON or USING", words: [.on, .using], hint: "a join without a condition is a CROSS JOIN")
  }

  private mutating func columnNamesRequired() throws(SQLError) -> [Identifier] {
    try parenthesized { p throws(SQLError) in try p.identifier("a column name") }
  }

  // MARK: - Factors

  private mutating func tableFactor() throws(SQLError) -> TableReference {
    let from = start
    var table: TableReference
    if at(.leftParen) {
      switch try parenthesizedTable() {
      case .table(let inner):
        table = inner
        // A join in parentheses may take an alias of its own; a plain table has had its chance.
        guard case .join = table.kind else { return table }
      case .query(let query):
        table = TableReference(kind: .subquery(query), range: range(from: from))
      }
    } else if at(.lateral) {
      throw SQLError(.featureNotSupported, "LATERAL is not supported", at: current.range)
    } else if at(.history, .of) {
      table = try deviceHistory()
    } else {
      let name = try objectName("a table name")
      if at(.leftParen) {
        var call = FunctionCall(name: name)
        try arguments(of: &call)
        table = TableReference(kind: .function(call), range: range(from: from))
      } else {
        return try namedTable(name, from: from)
      }
    }
    try alias(of: &table)
    table.range = range(from: from)
    return table
  }

  private mutating func namedTable(
    _ name: ObjectName, from: UInt32
  ) throws(SQLError) -> TableReference {
    var travel = TimeTravel()
    var table = TableReference(kind: .table(name, travel), range: name.range)
    try timeTravel(&travel)
    try alias(of: &table)
    try timeTravel(&travel)
    table.kind = .table(name, travel)
    table.range = range(from: from)
    return table
  }

  private mutating func alias(of table: inout TableReference) throws(SQLError) {
    if at(.as), !at(.as, .known, .at) {
      advance()
      table.alias = try label("an alias after AS")
    } else if atAlias {
      table.alias = try identifier("an alias")
    }
    if table.alias != nil { table.columnAliases = try columnNames() }
  }

  private enum ParenthesizedTable {
    case table(TableReference)
    case query(Query)
  }

  /// `(query)` or `(join)`; as with values, only the end tells where parentheses nest.
  private mutating func parenthesizedTable() throws(SQLError) -> ParenthesizedTable {
    let outer = try enter()
    try expect(.leftParen, "\"(\"")
    let result: ParenthesizedTable
    if atQuery || at(.history, .of) {
      result = .query(try query())
    } else if at(.leftParen) {
      result = try nestedTable()
    } else {
      result = .table(try tableReference())
    }
    try expect(.rightParen, "\")\"")
    try leave(outer)
    return result
  }

  private mutating func nestedTable() throws(SQLError) -> ParenthesizedTable {
    let from = start
    var left: TableReference
    switch try parenthesizedTable() {
    case .query(let query):
      if at(.rightParen) { return .query(query) }
      if atQueryTail { return .query(try self.query(continuing: .nested(query), from: from)) }
      left = TableReference(kind: .subquery(query), range: range(from: from))
    case .table(let table): left = table
    }
    if left.alias == nil { try alias(of: &left) }
    left.range = range(from: from)
    return .table(try joins(after: left, from: from))
  }
}
