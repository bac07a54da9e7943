import Query
import TSEngine

/// A store opened by this process for reading, also beside one that writes. Each statement sees
/// the store as it was when the session began, or when it last changed it: for a DELETE the store is
/// opened for writing as long as that takes.
final class LocalSession: SQLSession {
  let place: String
  private let directory: String
  private var store: Store
  private let skipsDamage: Bool
  private let cancellation = Cancellation()

  private var snapshot: Snapshot {
    skipsDamage ? store.snapshot().readingAroundDamage() : store.snapshot()
  }

  /// - Parameter skipsDamage: reads what is left where files are damaged.
  init(_ directory: String, skipsDamage: Bool = false) throws {
    place = directory
    self.directory = directory
    self.skipsDamage = skipsDamage
    store = try Self.open(directory)
  }

  private static func open(_ directory: String) throws -> Store {
    var options = StoreOptions()
    options.isReadOnly = true
    options.createIfMissing = false
    do throws(StorageError) {
      return try Store.open(System.resolved(directory), options)
    } catch {
      throw CommandError(error, store: directory)
    }
  }

  /// Does a statement that changes readings; gives its answer.
  private func change(_ sql: String, _ values: QueryParameters, _ cancel: CancelFlag) throws -> PreparedQuery {
    let answer = try StoreAccess.writing(directory) { store in
      try QueryEngine.execute(
        sql, on: store, actor: StoreAccess.actor, parameters: values.positional, named: values.named,
        cancel: cancel)
    }
    store = try Self.open(directory)
    return answer
  }

  var canceller: @Sendable () -> Void { { [cancellation] in cancellation.cancel() } }

  func run(
    _ sql: String, parameters: [String: String], into writer: inout any RowWriter
  ) throws -> QuerySummary {
    let began = System.monotonicNanos()
    let flag = CancelFlag()
    cancellation.begin(flag)
    defer { cancellation.end() }
    let values = try QueryParameters(parameters)
    let query =
      QueryEngine.isChange(sql)
      ? try change(sql, values, flag)
      : try QueryEngine.prepare(
        sql, StoreCatalog(snapshot), parameters: values.positional, named: values.named, cancel: flag)
    let printed: Result<Int, OutputError>
    do throws(SQLError) {
      printed = try query.run(into: &writer, cancel: flag)
    } catch {
      throw error.located(in: Array(sql.utf8))
    }
    return QuerySummary(rowCount: try printed.get(), nanos: System.monotonicNanos() - began)
  }

  func relations() throws -> [Relation] {
    let catalog = StoreCatalog(store.snapshot())
    let rows = try texts("SELECT \"table\", name, type, unit FROM columns")
    let readings = catalog.snapshot.tables.map { table in
      let columns = rows.filter { $0[0] == table.name }
      return Relation(
        name: table.name, isSystem: false,
        columns: columns.map { Relation.Column(name: $0[1] ?? "", type: $0[2] ?? "", unit: $0[3]) })
    }
    let system = (catalog.rowTables + SystemTables.tables(of: catalog)).map { table in
      Relation(
        name: table.name, isSystem: true,
        columns: table.columns.map { Relation.Column(name: $0.name, type: $0.type.rawValue) })
    }
    return readings + system.sorted { $0.name < $1.name }
  }
}
