extension Printer {
  mutating func query(_ query: Query) {
    if !query.with.isEmpty {
      write(query.isRecursive ? "WITH RECURSIVE " : "WITH ")
      separated(query.with) { $0.commonTable($1) }
      write(" ")
    }
    body(query.body)
    if !query.orderBy.isEmpty {
      write(" ")
      orderBy(query.orderBy)
    }
    clause("OFFSET", query.offset)
    if query.withTies, let limit = query.limit {
      write(" FETCH FIRST ")
      expression(limit, .other)
      write(" ROWS WITH TIES")
    } else {
      clause("LIMIT", query.limit)
    }
  }

  private mutating func commonTable(_ table: CommonTable) {
    name(table.name)
    names(table.columns)
    write(" AS ")
    if let isMaterialized = table.isMaterialized {
      write(isMaterialized ? "MATERIALIZED " : "NOT MATERIALIZED ")
    }
    bracketed("(", ")") { $0.query(table.query) }
  }

  /// - Parameter level: 1 inside INTERSECT, which binds tighter; 2 to the right of it.
  private mutating func body(_ body: Query.Body, level: Int = 0) {
    switch body {
    case .select(let select): self.select(select)
    case .values(let rows):
      write("VALUES ")
      separated(rows) { printer, row in printer.bracketed("(", ")") { $0.list(row) } }
    case .table(let table):
      if case .table = table.kind { write("TABLE ") }
      self.table(table)
    case .nested(let query): bracketed("(", ")") { $0.query(query) }
    case .combined(let op, let all, let left, let right):
      let own = op == .intersect ? 1 : 0
      if own < level { write("(") }
      self.body(left, level: own)
      write(" \(op.rawValue)\(all ? " ALL" : "") ")
      self.body(right, level: own + 1)
      if own < level { write(")") }
    }
  }

  private mutating func select(_ select: Select) {
    write("SELECT")
    switch select.distinct {
    case .all: break
    case .rows: write(" DISTINCT")
    case .on(let keys): bracketed(" DISTINCT ON (", ")") { $0.list(keys) }
    }
    if !select.items.isEmpty {
      write(" ")
      items(select.items)
    }
    tables("FROM", select.from)
    clause("WHERE", select.filter)
    if let latest = select.latestOn {
      clause("LATEST ON", latest.time)
      write(" PARTITION BY ")
      list(latest.partitionBy)
    }
    if let sample = select.sampleBy { sampleBy(sample) }
    if !select.groupBy.isEmpty {
      write(" GROUP BY ")
      list(select.groupBy)
    }
    clause("HAVING", select.having)
    if !select.windows.isEmpty {
      write(" WINDOW ")
      separated(select.windows) { printer, window in
        printer.name(window.name)
        printer.write(" AS ")
        printer.window(window.specification)
      }
    }
  }

  mutating func items(_ items: [Select.Item]) {
    separated(items) { printer, item in
      switch item {
      case .star: printer.write("*")
      case .tableStar(let name):
        printer.name(name)
        printer.write(".*")
      case .expression(let value, let alias):
        printer.expression(value)
        printer.alias(alias)
      }
    }
  }

  mutating func alias(_ alias: Identifier?) {
    guard let alias else { return }
    write(" AS ")
    name(alias)
  }

  mutating func tables(_ word: String, _ tables: [TableReference]) {
    guard !tables.isEmpty else { return }
    write(" \(word) ")
    separated(tables) { $0.table($1) }
  }

  private mutating func sampleBy(_ sample: SampleBy) {
    write(" SAMPLE BY " + (sample.step.duration ?? "INTERVAL " + Self.literal(sample.step.text)))
    clause("FROM", sample.from)
    clause("TO", sample.to)
    if !sample.fill.isEmpty {
      write(" FILL (")
      separated(sample.fill) { printer, fill in
        switch fill {
        case .none: printer.write("NONE")
        case .null: printer.write("NULL")
        case .previous: printer.write("PREV")
        case .linear: printer.write("LINEAR")
        case .value(let value): printer.expression(value)
        }
      }
      write(")")
    }
    switch sample.alignment {
    case .firstObservation: write(" ALIGN TO FIRST OBSERVATION")
    case .calendar(let zone, let offset):
      write(" ALIGN TO CALENDAR")
      clause("TIME ZONE", zone)
      clause("WITH OFFSET", offset)
    case nil: break
    }
  }

  // MARK: - Tables

  mutating func table(_ table: TableReference) {
    switch table.kind {
    case .table(let name, let travel):
      self.name(name)
      clause("FOR SYSTEM_TIME AS OF", travel.systemTime)
      clause("WITH REGISTRY AT", travel.registryAt)
      clause("AS KNOWN AT", travel.knownAt)
    case .function(let function): call(function)
    case .subquery(let query): bracketed("(", ")") { $0.query(query) }
    case .deviceHistory(let device):
      write("HISTORY OF DEVICE ")
      expression(device)
    case .join(let join):
      // Only a join with an alias needs parentheses of its own.
      if table.alias != nil { write("(") }
      self.join(join)
      if table.alias != nil { write(")") }
    }
    alias(table.alias)
    names(table.columnAliases)
  }

  private mutating func join(_ join: Join) {
    table(join.left)
    write(" ")
    if join.condition == .natural { write("NATURAL ") }
    if join.isAsof { write("ASOF ") }
    write(join.kind.rawValue + " ")
    if case .join = join.right.kind, join.right.alias == nil {
      bracketed("(", ")") { $0.table(join.right) }
    } else {
      table(join.right)
    }
    switch join.condition {
    case .none, .natural: break
    case .on(let condition): clause("ON", condition)
    case .using(let columns):
      write(" USING")
      names(columns)
    }
  }
}
