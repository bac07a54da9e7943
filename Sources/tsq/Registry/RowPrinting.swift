import Query
import TSEngine

extension OutputFormat {
  /// Prints rows that the command made itself.
  func print(_ columns: [ResultColumn], _ rows: [[String?]]) throws {
    var writer = try writer(to: FileSink(descriptor: 1), Terminal.outputStyle)
    try writer.begin(columns)
    try writer.write(TextRows(cells: rows))
    try writer.end()
  }

  /// Prints the events of the journal that `isWanted`, as the table `events` has them.
  func printEvents(of store: Store, where isWanted: (Event) -> Bool) throws {
    let snapshot = store.snapshot()
    var (cursor, wanted) = (snapshot.eventCursor(), Set<Int64>())
    while let event = try cursor.next() {
      if isWanted(event) { wanted.insert(Int64(bitPattern: event.lsn)) }
    }
    guard let table = StoreCatalog(snapshot).rowTables.first(where: { $0.name == "events" }) else {
      throw CommandError.failed("there is no table events")
    }
    var rows: [[String?]] = []
    try table.scan { (row) throws(SQLError) in
      if case .int(let lsn) = row[0], wanted.contains(lsn) { rows.append(row.map(\.text)) }
      return true
    }
    try print(table.columns.map { ResultColumn(name: $0.name, kind: ResultColumn.Kind($0.type)) }, rows)
  }
}
