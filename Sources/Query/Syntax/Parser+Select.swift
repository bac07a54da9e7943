/// One SELECT.
extension Parser {
  mutating func select() throws(SQLError) -> Select {
    var select = Select(range: current.range)
    let from = start
    try expect(.select)
    try distinct(&select)
    if !atClauseAfterItems { select.items = try selectItems() }
    if accept(.from) {
      select.from = try list { p throws(SQLError) in try p.tableReference() }
    }
    if accept(.where) { select.filter = try expression() }
    if at(.latest, .on) || at(.latest, .by) { select.latestOn = try latestOn() }
    if at(.sample, .by) { select.sampleBy = try sampleBy() }
    if accept(.group) {
      try expect(.by, "after GROUP")
      select.groupBy = try list { p throws(SQLError) in try p.expression() }
    }
    if at(.sample, .by), select.sampleBy == nil { select.sampleBy = try sampleBy() }
    if accept(.having) { select.having = try expression() }
    if accept(.window) {
      select.windows = try list { p throws(SQLError) in try p.namedWindow() }
    }
    try refuseMisplacedClause()
    select.range = range(from: from)
    return select
  }

  private mutating func distinct(_ select: inout Select) throws(SQLError) {
    if accept(.all) { return }
    guard accept(.distinct) else { return }
    guard accept(.on) else {
      select.distinct = .rows
      return
    }
    select.distinct = .on(try parenthesized { p throws(SQLError) in try p.expression() })
  }

  /// `SELECT FROM t`: no items, as PostgreSQL allows.
  private var atClauseAfterItems: Bool {
    switch current.keyword {
    case .from, .where, .group, .having, .window, .order, .limit, .union, .intersect, .except: true
    default: at(.endOfText) || at(.semicolon) || at(.rightParen)
    }
  }

  mutating func selectItems() throws(SQLError) -> [Select.Item] {
    try list { p throws(SQLError) in try p.selectItem() }
  }

  private mutating func selectItem() throws(SQLError) -> Select.Item {
    if at(.star) {
      let range = current.range
      advance()
      return .star(range)
    }
    if let name = try tableStar() { return .tableStar(name) }
    if at(.from) { throw expected("an expression", hint: "there is a comma too many before FROM") }
    let value = try expression()
    if accept(.as) { return .expression(value, alias: try label("an alias after AS")) }
    return .expression(value, alias: atAlias ? try label("an alias") : nil)
  }

  /// `t.*` and `s.t.*`.
  private mutating func tableStar() throws(SQLError) -> ObjectName? {
    guard isName(current) else { return nil }
    var ahead = 1
    while ahead <= 5, peek(ahead).kind == .dot {
      if peek(ahead + 1).symbol == .star {
        var parts = [try identifier("a table name")]
        while accept(.dot), !at(.star) { parts.append(try label("a name")) }
        advance()
        return ObjectName(parts)
      }
      ahead += 2
    }
    return nil
  }

  /// Whether a name here is an alias without AS, and no clause.
  var atAlias: Bool {
    guard isName(current) else { return false }
    switch current.keyword {
    case .asof:
      return !(peek().keyword == .join || peek().keyword == .left || peek().keyword == .inner)
    case .sample: return peek().keyword != .by
    case .latest: return !(peek().keyword == .on || peek().keyword == .by)
    case .set, .over, .filter, .within: return false
    default: return true
    }
  }

  private mutating func namedWindow() throws(SQLError) -> NamedWindow {
    let name = try identifier("a window name")
    try expect(.as, "and a window in parentheses")
    return NamedWindow(name: name, specification: try window())
  }

  func refuseMisplacedClause() throws(SQLError) {
    switch current.keyword {
    case .from, .where, .group, .having, .window: break
    case .sample where at(.sample, .by): break
    case .latest where at(.latest, .on): break
    default: return
    }
    let word = current.keyword?.spelling ?? ""
    throw SQLError(
      .syntaxError, "\(word) is out of place here", at: current.range,
      hint: "the clauses stand in this order: FROM, WHERE, LATEST ON, SAMPLE BY, GROUP BY, HAVING, "
        + "WINDOW, ORDER BY, LIMIT")
  }
}
