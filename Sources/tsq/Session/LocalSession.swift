import Query
import TSEngine

/// A store opened by this process for reading, also beside one that writes. Each statement sees
/// the store as it was when the session began.
final class LocalSession: SQLSession {
  let place: String
  private let store: Store
  private let cancellation = Cancellation()

  init(_ directory: String) throws {
    place = directory
    var options = StoreOptions()
    options.isReadOnly = true
    options.createIfMissing = false
    do throws(StorageError) {
      store = try Store.open(System.resolved(directory), options)
    } catch {
      throw CommandError(error, store: directory)
    }
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
    let query = try QueryEngine.prepare(
      sql, StoreCatalog(store.snapshot()), parameters: values.positional, named: values.named)
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
