extension Printer {
  mutating func statement(_ statement: Statement) {
    switch statement.kind {
    case .query(let query): self.query(query)
    case .explain(let inner, let options):
      write("EXPLAIN \(options.analyze ? "ANALYZE " : "")\(options.verbose ? "VERBOSE " : "")")
      self.statement(inner)
    case .createTable(let table): createTable(table)
    case .createView(let view):
      write(view.orReplace ? "CREATE OR REPLACE VIEW " : "CREATE VIEW ")
      name(view.name)
      names(view.columns)
      write(" AS ")
      query(view.query)
    case .addColumns(let table, let ifExists, let columns):
      write(ifExists ? "ALTER TABLE IF EXISTS " : "ALTER TABLE ")
      name(table)
      write(" ")
      separated(columns) { printer, column in
        printer.write(column.ifNotExists ? "ADD COLUMN IF NOT EXISTS " : "ADD COLUMN ")
        printer.column(column)
      }
    case .drop(let kind, let names, let ifExists):
      write("DROP \(kind.rawValue) \(ifExists ? "IF EXISTS " : "")")
      separated(names) { $0.name($1) }
    case .insert(let insert): self.insert(insert)
    case .update(let update): self.update(update)
    case .delete(let delete): self.delete(delete)
    case .copy(let copy): self.copy(copy)
    default: session(statement.kind)
    }
  }

  // MARK: - Definitions

  private mutating func createTable(_ table: CreateTable) {
    write(table.ifNotExists ? "CREATE TABLE IF NOT EXISTS " : "CREATE TABLE ")
    name(table.name)
    write(" (")
    separated(table.columns) { $0.column($1) }
    write(")")
    if !table.options.isEmpty {
      write(" WITH ")
      options(table.options)
    }
  }

  private mutating func column(_ column: ColumnDefinition) {
    name(column.name)
    write(" ")
    type(column.type)
    if let unit = column.unit { write(" UNIT " + Self.literal(unit)) }
    if let scale = column.scale {
      write(" SCALE ")
      expression(scale, .other)
    }
    if let bounds = column.bounds {
      write(" RANGE ")
      expression(bounds.lower, .other)
      write(" AND ")
      expression(bounds.upper, .other)
    }
    if column.isNotNull { write(" NOT NULL") }
  }

  private mutating func options(_ options: [NamedOption]) {
    write("(")
    separated(options) { printer, option in
      printer.name(option.name)
      if let value = option.value {
        printer.write(" = ")
        printer.expression(value)
      }
    }
    write(")")
  }

  // MARK: - Changes

  private mutating func insert(_ insert: Insert) {
    write("INSERT INTO ")
    name(insert.table)
    names(insert.columns)
    write(" ")
    if let source = insert.source { query(source) } else { write("DEFAULT VALUES") }
    returning(insert.returning)
  }

  private mutating func update(_ update: Update) {
    write("UPDATE ")
    name(update.table)
    alias(update.alias)
    write(" SET ")
    separated(update.assignments) { printer, assignment in
      printer.name(assignment.column)
      printer.write(" = ")
      printer.expression(assignment.value)
    }
    tables("FROM", update.from)
    clause("WHERE", update.filter)
    returning(update.returning)
  }

  private mutating func delete(_ delete: Delete) {
    write("DELETE FROM ")
    name(delete.table)
    alias(delete.alias)
    tables("USING", delete.using)
    clause("WHERE", delete.filter)
    returning(delete.returning)
  }

  private mutating func returning(_ items: [Select.Item]) {
    guard !items.isEmpty else { return }
    write(" RETURNING ")
    self.items(items)
  }

  private mutating func copy(_ copy: Copy) {
    write("COPY ")
    switch copy.subject {
    case .table(let table, let columns):
      name(table)
      names(columns)
    case .query(let query): bracketed("(", ")") { $0.query(query) }
    }
    write(" \(copy.direction.rawValue) ")
    switch copy.place {
    case .file(let path): write(Self.literal(path))
    case .standardStream: write(copy.direction == .from ? "STDIN" : "STDOUT")
    }
    if !copy.options.isEmpty {
      write(" WITH ")
      options(copy.options)
    }
  }

  // MARK: - Sessions

  private mutating func session(_ kind: Statement.Kind) {
    switch kind {
    case .show(let words): write("SHOW " + words.map(Self.dotted).joined(separator: " "))
    case .set(let set):
      write("SET \(set.scope.map { $0.rawValue + " " } ?? "")\(Self.dotted(set.name)) = ")
      if set.values.isEmpty { write("DEFAULT") } else { list(set.values) }
    case .reset(let name): write("RESET " + (name.map(Self.dotted) ?? "ALL"))
    case .transaction(let command): transaction(command)
    case .discard(let text): write(text)
    default: break
    }
  }

  /// A setting's name, whose dots are part of it.
  private static func dotted(_ name: String) -> String {
    name.split(separator: ".").map { quoted(String($0)) }.joined(separator: ".")
  }

  private mutating func transaction(_ command: TransactionCommand) {
    func mode(_ readOnly: Bool?) -> String {
      readOnly.map { $0 ? " READ ONLY" : " READ WRITE" } ?? ""
    }
    switch command {
    case .begin(let readOnly): write("BEGIN" + mode(readOnly))
    case .commit: write("COMMIT")
    case .rollback: write("ROLLBACK")
    case .characteristics(let readOnly): write("SET TRANSACTION" + mode(readOnly))
    }
  }
}
