import Query
import TSEngine

/// A store opened by this process for reading, also beside one that writes. Each statement sees
/// the store as it was when the session began, or when it last changed it: for a DELETE the store is
/// opened for writing as long as that takes.
final class LocalSession: SQLSession {
  let place: String
  private let directory: String
  private var store: Store
  private let cancellation = Cancellation()

  init(_ directory: String) throws {
    place = directory
    self.directory = directory
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
  private func change(_ sql: String, _ values: QueryParameters) throws -> PreparedQuery {
    let answer = try StoreAccess.writing(directory) { store in
      try QueryEngine.execute(
        sql, on: store, actor: StoreAccess.actor, parameters: values.positional, named: values.named)
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
      ? try change(sql, values)
      : try QueryEngine.prepare(
        sql, StoreCatalog(store.snapshot()), parameters: values.positional, named: values.named)
    try writer.begin(query.columns.map { ResultColumn(name: $0.name, kind: ResultColumn.Kind($0.type)) })
    let printer = Printer(writer, types: query.columns.map(\.type))
    do throws(SQLError) {
      try query.run(cancel: flag) { printer.print($0) }
    } catch {
      throw error.located(in: Array(sql.utf8))
    }
    writer = printer.writer
    if let failure = printer.failure { throw failure }
    try writer.end()
    return QuerySummary(rowCount: printer.rowCount, nanos: System.monotonicNanos() - began)
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

  /// What the rows go through: the query may hand them over from where nothing else can be thrown.
  private final class Printer {
    var writer: any RowWriter
    var rowCount = 0
    var failure: OutputError?
    private let types: [SQLType]

    init(_ writer: any RowWriter, types: [SQLType]) {
      self.writer = writer
      self.types = types
    }

    func print(_ batch: ResultBatch) -> Bool {
      do throws(OutputError) {
        try writer.write(BatchRows(batch: batch, types: types))
        rowCount += batch.rowCount
        return true
      } catch {
        failure = error
        return false
      }
    }
  }
}

/// A batch of a query as the writers see it.
struct BatchRows: ResultRows {
  let batch: ResultBatch
  let types: [SQLType]

  var rowCount: Int { batch.rowCount }

  func isNull(row: Int, column: Int) -> Bool { batch.isNull(row, column) }

  func append(row: Int, column: Int, to text: inout [UInt8]) {
    switch types[column] {
    case .int: text.append(decimal: batch.slot(row, column))
    case .timestamp: Timestamp.append(batch.slot(row, column), to: &text)
    case .bool: text.append(contentsOf: (batch.slot(row, column) != 0 ? "true" : "false").utf8)
    case .text: text.append(contentsOf: batch.pool.text(of: batch.slot(row, column)).utf8)
    case .float, .interval, .wide, .null: text.append(contentsOf: (batch.value(row, column).text ?? "").utf8)
    }
  }

  func number(row: Int, column: Int) -> Double? {
    guard !batch.isNull(row, column) else { return nil }
    return switch batch.value(row, column) {
    case .int(let number), .timestamp(let number): Double(number)
    case .float(let number): number
    case .wide(let number): Double(number)
    case .null, .bool, .text, .interval: nil
    }
  }
}

extension ResultColumn.Kind {
  init(_ type: SQLType) {
    self =
      switch type {
      case .int, .float, .wide: .number
      case .bool: .bool
      case .timestamp: .timestamp
      case .text, .interval, .null: .text
      }
  }
}

extension [UInt8] {
  mutating func append(decimal number: Int64) {
    let start = count
    var rest = number.magnitude
    repeat {
      append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
      rest /= 10
    } while rest > 0
    if number < 0 { append(UInt8(ascii: "-")) }
    self[start...].reverse()
  }
}
