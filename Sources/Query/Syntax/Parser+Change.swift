/// INSERT, UPDATE, DELETE and COPY.
extension Parser {
  mutating func insert() throws(SQLError) -> Insert {
    advance()
    try expect(.into, "after INSERT")
    let table = try objectName("a table name")
    let columns = at(.leftParen) && !isQueryInParentheses ? try columnNames() : []
    var source: Query?
    if !accept(.default, .values) {
      guard atQuery || at(.leftParen) else {
        throw expected("VALUES or a query", words: [.values, .select, .with])
      }
      source = try query()
    }
    return Insert(table: table, columns: columns, source: source, returning: try returning())
  }

  private var isQueryInParentheses: Bool {
    switch peek().keyword {
    case .select, .with, .table: true
    case .values: peek(2).kind == .leftParen
    default: peek().kind == .leftParen
    }
  }

  private mutating func returning() throws(SQLError) -> [Select.Item] {
    accept(.returning) ? try selectItems() : []
  }

  private mutating func changedAlias() throws(SQLError) -> Identifier? {
    if accept(.as) { return try label("an alias after AS") }
    return atAlias ? try identifier("an alias") : nil
  }

  mutating func update() throws(SQLError) -> Update {
    advance()
    let table = try objectName("a table name")
    let alias = try changedAlias()
    try expect(.set, "and the new values")
    let assignments = try list { p throws(SQLError) in
      let column = try p.identifier("a column name")
      try p.expect(.equal, "\"=\" and the new value")
      return Update.Assignment(column: column, value: try p.expression())
    }
    var from: [TableReference] = []
    if accept(.from) { from = try list { p throws(SQLError) in try p.tableReference() } }
    let filter = accept(.where) ? try expression() : nil
    return Update(
      table: table, alias: alias, assignments: assignments, from: from, filter: filter,
      returning: try returning())
  }

  mutating func delete() throws(SQLError) -> Delete {
    advance()
    try expect(.from, "after DELETE")
    let table = try objectName("a table name")
    let alias = try changedAlias()
    var using: [TableReference] = []
    if accept(.using) { using = try list { p throws(SQLError) in try p.tableReference() } }
    let filter = accept(.where) ? try expression() : nil
    return Delete(
      table: table, alias: alias, using: using, filter: filter, returning: try returning())
  }

  // MARK: - COPY

  mutating func copy() throws(SQLError) -> Copy {
    advance()
    let subject: Copy.Subject
    if at(.leftParen) {
      subject = .query(try queryInParentheses())
    } else {
      let table = try objectName("a table name or a query in parentheses")
      subject = .table(table, columns: try columnNames())
    }
    let direction: Copy.Direction
    if case .table = subject, accept(.from) {
      direction = .from
    } else {
      guard accept(.to) else { throw expected("FROM or TO", words: [.from, .to]) }
      direction = .to
    }
    let stream: Keyword = direction == .from ? .stdin : .stdout
    let place: Copy.Place
    if accept(stream) {
      place = .standardStream
    } else {
      place = .file(try stringLiteral("a file name or \(stream.spelling)"))
    }
    return Copy(subject: subject, direction: direction, place: place, options: try copyOptions())
  }

  /// `[WITH] (format csv, header)`, or the old `[WITH] CSV HEADER DELIMITER ','`.
  private mutating func copyOptions() throws(SQLError) -> [NamedOption] {
    let hasWith = accept(.with)
    if at(.leftParen) { return try optionList() }
    var options: [NamedOption] = []
    while at(.word) {
      let name = try label("an option")
      switch name.name {
      case "csv", "binary", "text":
        let format = Identifier("format", name.range)
        let value = Expression(.literal(.string(name.name)), name.range)
        options.append(NamedOption(name: format, value: value))
      case "header": options.append(NamedOption(name: name, value: nil))
      case "delimiter", "null", "quote", "escape":
        _ = accept(.as)
        let from = start
        let text = try stringLiteral("a string after \(name.name.uppercased())")
        options.append(
          NamedOption(name: name, value: Expression(.literal(.string(text)), range(from: from))))
      default:
        throw SQLError(
          .syntaxError, "COPY has no option \"\(name.name)\"", at: name.range,
          hint: "write WITH (format csv, header)")
      }
    }
    if hasWith, options.isEmpty { throw expected("options after WITH") }
    return options
  }
}
