/// What a statement may begin with, and what must follow its end.
extension Parser {
  mutating func statement() throws(SQLError) -> Statement {
    let outer = try enter()
    let from = start
    let kind = try statementKind()
    let result = Statement(kind: kind, range: range(from: from))
    try leave(outer)
    return result
  }

  /// One statement and nothing after it.
  mutating func wholeStatement() throws(SQLError) -> Statement {
    let result = try statement()
    if at(.endOfText) || at(.semicolon) { return result }
    if case .query = result.kind { try refuseMisplacedClause() }
    throw trailing()
  }

  private mutating func statementKind() throws(SQLError) -> Statement.Kind {
    switch current.keyword {
    case .select, .with, .values, .table: return .query(try query())
    case .history where at(.history, .of): return .query(try query())
    case .explain: return try explain()
    case .create: return try create()
    case .alter: return try alter()
    case .drop: return try drop()
    case .insert: return .insert(try insert())
    case .update: return .update(try update())
    case .delete: return .delete(try delete())
    case .copy: return .copy(try copy())
    case .show: return try show()
    case .set: return try set()
    case .reset: return try reset()
    case .begin, .start, .commit, .end, .rollback, .abort: return .transaction(try transaction())
    case .discard, .deallocate: return try discard()
    default: break
    }
    if at(.leftParen) { return .query(try query()) }
    let starts: [Keyword] = [
      .select, .with, .values, .table, .history, .explain, .create, .alter, .drop, .insert, .update,
      .delete, .copy, .show, .set, .reset, .begin, .commit, .rollback,
    ]
    throw expected("a statement", words: starts)
  }

  /// The sentence for text that follows a complete statement: a misspelt clause, mostly.
  private func trailing() -> SQLError {
    expected(
      "a clause, an operator or the end of the query",
      words: [
        .from, .where, .group, .having, .order, .limit, .offset, .union, .intersect, .except, .join,
        .left, .inner, .window, .sample, .latest, .on, .using, .and, .or, .between, .like, .fetch,
        .returning, .set,
      ])
  }

  private mutating func explain() throws(SQLError) -> Statement.Kind {
    advance()
    var options = ExplainOptions()
    if at(.leftParen), !isQueryBehindParentheses() {
      let list = try optionList()
      for option in list {
        let isOn = try isEnabled(option)
        switch option.name.name {
        case "analyze": options.analyze = isOn
        case "verbose": options.verbose = isOn
        case "costs", "buffers", "timing", "summary", "settings", "wal": break
        default:
          throw SQLError(
            .syntaxError, "EXPLAIN has no option \"\(option.name.name)\"", at: option.name.range,
            hint: Suggestion.hint(for: option.name.name, among: ["analyze", "verbose"]))
        }
      }
    } else {
      options.analyze = accept(.analyze)
      options.verbose = accept(.verbose)
    }
    return .explain(try statement(), options)
  }

  private func isQueryBehindParentheses() -> Bool {
    var ahead = 0
    while ahead <= Limits.nesting, peek(ahead).kind == .leftParen { ahead += 1 }
    switch peek(ahead).keyword {
    case .select, .with, .values, .table: return true
    default: return false
    }
  }

  private func isEnabled(_ option: NamedOption) throws(SQLError) -> Bool {
    switch option.value?.kind {
    case nil: return true
    case .literal(.boolean(let value)): return value
    case .literal(.integer(let value)): return value != 0
    case .column(let name) where name.last.name == "on": return true
    case .column(let name) where name.last.name == "off": return false
    default:
      throw SQLError(.syntaxError, "expected ON or OFF", at: option.value?.range)
    }
  }

  /// `(name [=] value, name, …)`.
  mutating func optionList() throws(SQLError) -> [NamedOption] {
    try parenthesized { p throws(SQLError) in
      let name = try p.label("an option")
      _ = p.accept(.equal)
      if p.at(.comma) || p.at(.rightParen) { return NamedOption(name: name, value: nil) }
      // ON is a reserved word, and yet a value.
      if p.at(.on) {
        let range = p.current.range
        p.advance()
        return NamedOption(name: name, value: Expression(.literal(.boolean(true)), range))
      }
      return NamedOption(name: name, value: try p.expression())
    }
  }
}
