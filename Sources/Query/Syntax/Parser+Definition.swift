/// CREATE, ALTER and DROP.
extension Parser {
  mutating func create() throws(SQLError) -> Statement.Kind {
    advance()
    let orReplace = accept(.or, .replace)
    if accept(.view) {
      let name = try objectName("a view name")
      let columns = try columnNames()
      try expect(.as, "and the view's query")
      let query = try query()
      return .createView(
        CreateView(name: name, orReplace: orReplace, columns: columns, query: query))
    }
    guard !orReplace, accept(.table) else {
      throw expected("TABLE or VIEW", words: [.table, .view])
    }
    let ifNotExists = accept(.if, .not, .exists)
    let name = try objectName("a table name")
    let columns = try parenthesized { p throws(SQLError) in try p.columnDefinition() }
    let options = accept(.with) ? try optionList() : []
    return .createTable(
      CreateTable(name: name, ifNotExists: ifNotExists, columns: columns, options: options))
  }

  mutating func alter() throws(SQLError) -> Statement.Kind {
    advance()
    try expect(.table, "after ALTER")
    let ifExists = accept(.if, .exists)
    let name = try objectName("a table name")
    let columns = try list { p throws(SQLError) in
      guard p.accept(.add) else {
        throw p.expected(
          "ADD COLUMN", words: [.add], hint: "columns can be added, not changed or dropped")
      }
      _ = p.accept(.column)
      let ifNotExists = p.accept(.if, .not, .exists)
      var column = try p.columnDefinition()
      column.ifNotExists = ifNotExists
      return column
    }
    return .addColumns(name, ifExists: ifExists, columns)
  }

  mutating func drop() throws(SQLError) -> Statement.Kind {
    advance()
    let kind: DropKind
    if accept(.table) {
      kind = .table
    } else {
      guard accept(.view) else { throw expected("TABLE or VIEW", words: [.table, .view]) }
      kind = .view
    }
    let ifExists = accept(.if, .exists)
    let names = try list { p throws(SQLError) in try p.objectName("a name") }
    _ = accept(.restrict)
    return .drop(kind, names, ifExists: ifExists)
  }

  /// `name type [UNIT '…'] [SCALE n] [RANGE a AND b] [NOT NULL]`, the latter in any order.
  private mutating func columnDefinition() throws(SQLError) -> ColumnDefinition {
    let name = try identifier("a column name")
    let typeStart = start
    let type = try typeName()
    var column = ColumnDefinition(name: name, type: type, typeRange: range(from: typeStart))
    while true {
      if at(.unit) {
        guard column.unit == nil else { throw repeated("UNIT") }
        advance()
        column.unit = try stringLiteral("a unit such as '°C'")
      } else if at(.scale) {
        guard column.scale == nil else { throw repeated("SCALE") }
        advance()
        column.scale = try expression(.other)
      } else if at(.range) {
        guard column.bounds == nil else { throw repeated("RANGE") }
        advance()
        let lower = try expression(.other)
        try expect(.and, "between the bounds of RANGE")
        column.bounds = ColumnDefinition.Bounds(lower: lower, upper: try expression(.other))
      } else if accept(.not, .null) {
        column.isNotNull = true
      } else if !accept(.null) {
        return column
      }
    }
  }
}
