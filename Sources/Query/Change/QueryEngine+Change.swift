import TSEngine

extension QueryEngine {
  /// How often a delete is resolved anew because readings came to its instants.
  private static let removalAttempts = 3

  /// Whether a statement changes readings or tables, so that it needs a store open for writing.
  package static func isChange(_ sql: String) -> Bool { (try? SQL.parse(sql)).map { isChange($0.kind) } ?? false }

  static func isChange(_ statement: Statement.Kind) -> Bool {
    switch statement {
    case .delete, .insert, .createTable, .addColumns, .drop(.table, _, _): true
    default: false
    }
  }

  /// As `prepare`, for a store open for writing: a change is done before this returns, and its answer
  /// is one row of what it did.
  /// `limits` and `cancel` are of a DELETE, of EXPLAIN DELETE and of the rows of an INSERT, which are worked out here.
  /// - Throws: as `prepare`; 40001 when readings kept coming to the instants a DELETE chose.
  package static func execute(
    _ sql: String, on store: Store, actor: Actor, parameters: [SQLValue] = [],
    named: [String: SQLValue] = [:], limits: QueryLimits = QueryLimits(),
    cancel: CancelFlag = CancelFlag(), right: ChangeRight = .all
  ) throws(SQLError) -> PreparedQuery {
    do throws(SQLError) {
      let statement = try SQL.parse(sql)
      try right.check(statement)
      let catalog = StoreCatalog(store.snapshot())
      guard isChange(statement.kind) else {
        return try prepare(
          statement, catalog, parameters: parameters, named: named, limits: limits, cancel: cancel)
      }
      let change = Change(
        store: store, actor: actor, reason: String(sql.prefix(1000)), parameters: parameters, named: named,
        limits: limits, cancel: cancel, right: right)
      let answer: String
      switch statement.kind {
      case .delete(let delete): answer = try change.delete(delete, attempts: removalAttempts)
      case .insert(let insert): answer = try change.insert(insert)
      case .createTable(let table): answer = try change.create(table)
      case .addColumns(let name, let ifExists, let columns):
        answer = try change.add(columns, to: name, ifExists: ifExists)
      case .drop(_, let names, let ifExists): answer = try change.drop(names, ifExists: ifExists)
      default: throw .unsupported("this statement", at: statement.range)
      }
      return try prepare(answer, StoreCatalog(store.snapshot()))
    } catch {
      throw error.located(in: Array(sql.utf8))
    }
  }

  /// What a DROP TABLE would take, as a query.
  static func dropAnswer(
    _ names: [ObjectName], ifExists: Bool, _ snapshot: Snapshot
  ) throws(SQLError) -> String {
    var whole = RemovalExtent()
    for name in names {
      if ifExists, snapshot.table(named: name.last.name) == nil { continue }
      let schema = try InsertPlan.table(name, StoreCatalog(snapshot))
      do throws(StorageError) { whole += try snapshot.extent(ofTable: schema.id) } catch { throw error.sqlError }
    }
    return whole.answer()
  }
}

/// One statement that changes a store.
private struct Change {
  let store: Store
  let actor: Actor
  let reason: String
  let parameters: [SQLValue]
  let named: [String: SQLValue]

  let limits: QueryLimits
  let cancel: CancelFlag
  let right: ChangeRight

  private var catalog: StoreCatalog { StoreCatalog(store.snapshot()) }

  // MARK: Readings

  func delete(_ delete: Delete, attempts: Int) throws(SQLError) -> String {
    var attempt = 1
    while true {
      let removal = try DeletePlan(
        delete, catalog, parameters: parameters, named: named, limits: limits, cancel: cancel)
      do throws(SQLError) {
        let lsn = try removal.apply(to: store, actor: actor, reason: reason)
        return removal.answer(lsn: lsn)
      } catch {
        guard error.state == .serializationFailure, attempt < attempts else { throw error }
        attempt += 1
      }
    }
  }

  func insert(_ insert: Insert) throws(SQLError) -> String {
    let catalog = catalog
    let plan = try InsertPlan(
      insert, catalog, reading: right == .insertValues ? NothingCatalog(store.symbols) : catalog,
      symbols: store.symbols, parameters: parameters, named: named, limits: limits, cancel: cancel)
    var result = AppendResult()
    result.lsn = store.durableLSN
    if !plan.batch.isEmpty {
      do throws(StorageError) {
        result = try store.append(plan.batch, creator: actor)
      } catch {
        throw error.sqlError
      }
    }
    return #"SELECT \#(result.new) AS "new", \#(result.same) AS same, \#(result.conflict) AS conflict, "#
      + "\(result.quarantined) AS quarantined, \(result.expired) AS expired, \(result.lsn) AS lsn"
  }

  // MARK: Tables

  func create(_ table: CreateTable) throws(SQLError) -> String {
    let (name, catalog) = (table.name.last.name, catalog)
    if let schema = catalog.snapshot.table(named: name) {
      guard table.ifNotExists else {
        throw SQLError(
          .duplicateTable, "the table \"\(name)\" exists already", at: table.name.range,
          hint: "add columns with ALTER TABLE \(name) ADD COLUMN, or write IF NOT EXISTS")
      }
      return Self.answer(schema, store.durableLSN)
    }
    guard !(catalog.rowTables + SystemTables.tables(of: catalog)).contains(where: { $0.name == name }) else {
      throw SQLError(
        .duplicateTable, "tsq has a table \"\(name)\" of its own", at: table.name.range,
        hint: "give the table another name")
    }
    let declaration = Declaration(catalog, parameters: parameters, named: named)
    let columns = try declaration.columns(of: table.columns)
    let (label, span) = try options(table.options, declaration)
    return try decide(table.name.range) { registry, context in
      if registry.types[name] != nil { return .refused(.exists) }
      return registry.declareType(
        name, label: label ?? name, columns: columns, defaultSpanNanos: span, context)
    }
  }

  /// `WITH (label = 'Weather Station', span = '1s')`.
  private func options(
    _ options: [NamedOption], _ declaration: Declaration
  ) throws(SQLError) -> (label: String?, span: Int64) {
    var (label, span): (String?, Int64) = (nil, 1_000_000_000)
    for option in options {
      let value = try option.value.map { (e) throws(SQLError) in try declaration.constant(e) }
      switch (option.name.name, value) {
      case ("label", .text(let text)?): label = text
      case ("span", .text(let text)?):
        guard let nanos = Interval(text: text)?.fixedNanos, nanos > 0 else {
          throw SQLError(.invalidParameterValue, "a span is a time such as '1s'", at: option.value?.range)
        }
        span = nanos
      default:
        throw SQLError(
          .syntaxError, "there is no such option", at: option.name.range,
          hint: Suggestion.hint(for: option.name.name, among: ["label", "span"]) ?? "there are label and span")
      }
    }
    return (label, span)
  }

  func add(_ definitions: [ColumnDefinition], to name: ObjectName, ifExists: Bool) throws(SQLError) -> String {
    let catalog = catalog
    if ifExists, catalog.snapshot.table(named: name.last.name) == nil {
      return "SELECT NULL AS \"table\", 0 AS columns, \(store.durableLSN) AS lsn"
    }
    let schema = try InsertPlan.table(name, catalog)
    let declaration = Declaration(catalog, parameters: parameters, named: named)
    var added: [ColumnSchema] = []
    for definition in definitions {
      let column = try declaration.column(definition)
      if (schema.columns + added).contains(where: { $0.name == column.name }) {
        if definition.ifNotExists { continue }
        throw SQLError(
          .duplicateColumn, "the table \(schema.name) has a column \"\(column.name)\"", at: definition.name.range,
          hint: "columns can be added, not changed or dropped")
      }
      added.append(column)
    }
    return try decide(name.range) { [added] registry, context in
      guard let now = registry.types[schema.name], now.schema.id == schema.id else { return .refused(.unknownType) }
      let names = Set(now.schema.columns.map(\.name))
      return registry.declareType(
        schema.name, label: now.label, columns: now.schema.columns + added.filter { !names.contains($0.name) },
        defaultSpanNanos: now.schema.defaultSpanNanos, context)
    }
  }

  private func decide(
    _ range: SourceRange,
    _ decision: @escaping @Sendable (Registry, DecisionContext) -> Decision<TableSchema>
  ) throws(SQLError) -> String {
    let outcome: (result: Result<TableSchema, Refusal>, lsn: LSN)
    do throws(StorageError) {
      outcome = try store.decide(actor: actor, cause: Cause(reason: reason), decision)
    } catch {
      throw error.sqlError
    }
    switch outcome.result {
    case .success(let schema): return Self.answer(schema, outcome.lsn)
    case .failure(let refusal): throw refusal.sqlError(at: range)
    }
  }

  func drop(_ names: [ObjectName], ifExists: Bool) throws(SQLError) -> String {
    var whole = RemovalExtent()
    var newest = store.durableLSN
    // All or none, as far as can be told before: what is missing is told before anything goes.
    let snapshot = store.snapshot()
    var tables: [(schema: TableSchema, range: SourceRange)] = []
    for name in names {
      if ifExists, snapshot.table(named: name.last.name) == nil { continue }
      let schema = try InsertPlan.table(name, StoreCatalog(snapshot))
      if let refusal = snapshot.registry.dropRefusal(schema.name) { throw refusal.sqlError(at: name.range) }
      tables.append((schema, name.range))
    }
    for (schema, range) in tables {
      let extent: RemovalExtent
      let outcome: (result: Result<Void, Refusal>, lsn: LSN)
      do throws(StorageError) {
        extent = try snapshot.extent(ofTable: schema.id)
        outcome = try store.decide(actor: actor, cause: Cause(reason: reason)) { registry, context in
          guard registry.types[schema.name]?.schema.id == schema.id else { return .refused(.unknownType) }
          return registry.dropTable(schema.name, extent: extent, context)
        }
      } catch {
        throw error.sqlError
      }
      if case .failure(let refusal) = outcome.result { throw refusal.sqlError(at: range) }
      whole += extent
      newest = max(newest, outcome.lsn)
    }
    return whole.answer(newest)
  }

  // MARK: Answers

  private static func answer(_ schema: TableSchema, _ lsn: LSN) -> String {
    #"SELECT '\#(schema.name)' AS "table", \#(schema.columns.count) AS columns, \#(lsn) AS lsn"#
  }
}

extension RemovalExtent {
  /// The row that answers a statement which takes it, as a query.
  func answer(_ lsn: LSN? = nil) -> String {
    let took = #"SELECT \#(rowCount) AS "rows", \#(seriesCount) AS series, \#(byteCount) AS bytes"#
    return lsn.map { "\(took), \($0) AS lsn" } ?? took
  }
}

extension Refusal {
  fileprivate func sqlError(at range: SourceRange) -> SQLError {
    let state: SQLState =
      switch self {
      case .invalidName: .invalidName
      case .unknownType: .undefinedTable
      case .exists: .duplicateTable
      case .builtIn: .insufficientPrivilege
      default: .invalidTableDefinition
      }
    return SQLError(state, sentence, at: range)
  }
}
