/// Function calls with all that may follow the name.
extension Parser {
  /// At the `(` after the name.
  mutating func call(_ name: ObjectName) throws(SQLError) -> FunctionCall {
    var call = FunctionCall(name: name)
    try arguments(of: &call)
    if accept(.within, .group) {
      try expect(.leftParen, "\"(\" after WITHIN GROUP")
      call.withinGroup = try orderBy()
      try expect(.rightParen, "\")\"")
    }
    if at(.filter), peek().kind == .leftParen {
      advance()
      advance()
      try expect(.where, "in FILTER (…)")
      call.filter = try expression()
      try expect(.rightParen, "\")\"")
    }
    if accept(.over) {
      call.over =
        at(.leftParen) ? .inline(try window()) : .named(try identifier("a window name or \"(\""))
    }
    return call
  }

  mutating func arguments(of call: inout FunctionCall) throws(SQLError) {
    try expect(.leftParen, "\"(\"")
    if accept(.rightParen) { return }
    if at(.star), peek().kind == .rightParen {
      advance()
      advance()
      call.isStar = true
      return
    }
    call.isDistinct = accept(.distinct)
    if !call.isDistinct { _ = accept(.all) }
    call.arguments = try list { p throws(SQLError) in try p.argument() }
    if at(.order) { call.orderBy = try orderBy() }
    try expect(.rightParen, "\",\" or \")\"")
  }

  private mutating func argument() throws(SQLError) -> FunctionCall.Argument {
    var name: Identifier?
    if isName(current), peek().symbol == .named || peek().symbol == .assign {
      name = try identifier("an argument name")
      advance()
    }
    return FunctionCall.Argument(name: name, value: try expression())
  }

  // MARK: - Sort keys and windows

  /// ORDER BY and its keys.
  mutating func orderBy() throws(SQLError) -> [SortKey] {
    try expect(.order)
    try expect(.by, "after ORDER")
    return try list { p throws(SQLError) in try p.sortKey() }
  }

  private mutating func sortKey() throws(SQLError) -> SortKey {
    var key = SortKey(expression: try expression())
    if accept(.desc) { key.isDescending = true } else { _ = accept(.asc) }
    if accept(.nulls) {
      if accept(.first) {
        key.nulls = .first
      } else {
        guard accept(.last) else { throw expected("FIRST or LAST", words: [.first, .last]) }
        key.nulls = .last
      }
    }
    return key
  }

  /// `( [base] [PARTITION BY …] [ORDER BY …] [frame] )`.
  mutating func window() throws(SQLError) -> WindowSpecification {
    let from = start
    var window = WindowSpecification(range: current.range)
    try expect(.leftParen, "\"(\"")
    let beginsFrame = at(.rows) || at(.range) || at(.groups)
    if isName(current), !at(.partition, .by), !beginsFrame {
      window.base = try identifier("a window name")
    }
    if accept(.partition) {
      try expect(.by, "after PARTITION")
      window.partitionBy = try list { p throws(SQLError) in try p.expression() }
    }
    if at(.order) { window.orderBy = try orderBy() }
    window.frame = try frame()
    guard accept(.rightParen) else {
      throw expected(
        "PARTITION BY, ORDER BY, a frame or \")\"", words: [.partition, .order, .rows, .range])
    }
    window.range = range(from: from)
    return window
  }

  private mutating func frame() throws(SQLError) -> WindowFrame? {
    let unit: WindowFrame.Unit
    if accept(.rows) {
      unit = .rows
    } else if accept(.range) {
      unit = .range
    } else if accept(.groups) {
      unit = .groups
    } else {
      return nil
    }
    var frame = WindowFrame(unit: unit, start: .currentRow, end: .currentRow)
    let from = start
    if accept(.between) {
      frame.start = try bound()
      try expect(.and, "between the bounds of the frame")
      frame.end = try bound()
    } else {
      frame.start = try bound()
    }
    guard frame.start != .unboundedFollowing, frame.end != .unboundedPreceding else {
      throw SQLError(
        .windowingError, "the frame would end before it starts", at: range(from: from))
    }
    frame.exclusion = try exclusion()
    return frame
  }

  private mutating func bound() throws(SQLError) -> WindowFrame.Bound {
    if accept(.current, .row) { return .currentRow }
    if accept(.unbounded, .preceding) { return .unboundedPreceding }
    if accept(.unbounded, .following) { return .unboundedFollowing }
    let distance = try expression(.other)
    if accept(.preceding) { return .preceding(distance) }
    guard accept(.following) else {
      throw expected("PRECEDING or FOLLOWING", words: [.preceding, .following])
    }
    return .following(distance)
  }

  private mutating func exclusion() throws(SQLError) -> WindowFrame.Exclusion? {
    guard accept(.exclude) else { return nil }
    if accept(.current, .row) { return .currentRow }
    if accept(.group) { return .group }
    if accept(.ties) { return .ties }
    guard accept(.no, .others) else { throw expected("CURRENT ROW, GROUP, TIES or NO OTHERS") }
    return nil
  }
}
