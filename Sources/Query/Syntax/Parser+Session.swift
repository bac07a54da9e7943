/// SHOW, SET, transactions and what drivers send besides queries.
extension Parser {
  mutating func show() throws(SQLError) -> Statement.Kind {
    advance()
    var words: [String] = []
    while at(.word) || at(.quotedName) {
      var word = try label("a name").name
      while accept(.dot) { word += "." + (try label("a name after \".\"").name) }
      words.append(word)
    }
    guard !words.isEmpty else { throw expected("ALL, TABLES or the name of a setting") }
    if words == ["time", "zone"] { words = ["timezone"] }
    return .show(words)
  }

  mutating func set() throws(SQLError) -> Statement.Kind {
    advance()
    if accept(.transaction) { return .transaction(.characteristics(readOnly: try modes())) }
    if at(.session), peek().keyword == .characteristics {
      advance()
      advance()
      guard accept(.as, .transaction) else { throw expected("AS TRANSACTION", words: [.as]) }
      return .transaction(.characteristics(readOnly: try modes()))
    }
    var scope: SetVariable.Scope?
    if !isAssignment(peek()) {
      if accept(.session) { scope = .session } else if accept(.local) { scope = .local }
    }
    if accept(.time, .zone) {
      return .set(SetVariable(scope: scope, name: "timezone", values: try settingValues()))
    }
    var name = try identifier("the name of a setting").name
    while accept(.dot) { name += "." + (try label("a name after \".\"").name) }
    guard accept(.equal) || accept(.to) else { throw expected("\"=\" or TO", words: [.to]) }
    return .set(SetVariable(scope: scope, name: name, values: try settingValues()))
  }

  private func isAssignment(_ token: Token) -> Bool {
    token.symbol == .equal || token.keyword == .to
  }

  /// Words, ON and OFF count as values; DEFAULT is none.
  private mutating func settingValues() throws(SQLError) -> [Expression] {
    if accept(.default) { return [] }
    return try list { p throws(SQLError) in
      guard p.at(.word), p.current.keyword != .interval, p.current.keyword != .true,
        p.current.keyword != .false
      else { return try p.expression() }
      let word = try p.label("a value")
      return Expression(.literal(.string(word.name)), word.range)
    }
  }

  mutating func reset() throws(SQLError) -> Statement.Kind {
    advance()
    if accept(.all) { return .reset(nil) }
    if accept(.time, .zone) { return .reset("timezone") }
    var name = try identifier("the name of a setting or ALL").name
    while accept(.dot) { name += "." + (try label("a name after \".\"").name) }
    return .reset(name)
  }

  mutating func discard() throws(SQLError) -> Statement.Kind {
    let isDiscard = at(.discard)
    advance()
    if isDiscard {
      return .discard("DISCARD " + (try label("ALL").name.uppercased()))
    }
    if accept(.all) { return .discard("DEALLOCATE ALL") }
    return .discard("DEALLOCATE " + Printer.quoted(try identifier("the name of a statement").name))
  }

  // MARK: - Transactions

  mutating func transaction() throws(SQLError) -> TransactionCommand {
    let word = current.keyword
    advance()
    switch word {
    case .start:
      try expect(.transaction, "after START")
      return .begin(readOnly: try modes())
    case .begin:
      _ = accept(.work) || accept(.transaction)
      return .begin(readOnly: try modes())
    default:
      _ = accept(.work) || accept(.transaction)
      return word == .commit || word == .end ? .commit : .rollback
    }
  }

  /// ISOLATION LEVEL … is read and needs nothing: every query sees one snapshot.
  private mutating func modes() throws(SQLError) -> Bool? {
    var readOnly: Bool?
    while true {
      if accept(.isolation) {
        try expect(.level, "after ISOLATION")
        try isolationLevel()
      } else if accept(.read) {
        if accept(.only) {
          readOnly = true
        } else {
          guard accept(.write) else { throw expected("ONLY or WRITE", words: [.only, .write]) }
          readOnly = false
        }
      } else {
        return readOnly
      }
      _ = accept(.comma)
    }
  }

  private mutating func isolationLevel() throws(SQLError) {
    let first = try label("an isolation level").name
    switch first {
    case "serializable": return
    case "repeatable" where accept(.read): return
    case "read":
      let second = try label("COMMITTED or UNCOMMITTED").name
      if second == "committed" || second == "uncommitted" { return }
    default: break
    }
    throw SQLError(
      .syntaxError, "there is no such isolation level", at: range(from: current.range.lower),
      hint: "write SERIALIZABLE, REPEATABLE READ or READ COMMITTED")
  }
}
