import TSEngine

/// What whoever asks may change by SQL.
package enum ChangeRight: Sendable {
  case all
  /// Rows of VALUES, which are readings as any: a writer's. Nothing is read.
  case insertValues
  case none

  /// - Throws: 42501, with who may.
  func check(_ statement: Statement) throws(SQLError) {
    switch self {
    case .all: return
    case .none:
      guard QueryEngine.isChange(statement.kind) else { return }
      throw SQLError(
        .insufficientPrivilege, "readings and tables are changed by administrators", at: statement.range,
        hint: "a token of the role writer sends readings, one of the role admin changes them")
    case .insertValues:
      if case .insert(let insert) = statement.kind, let source = insert.source, source.with.isEmpty,
        case .values = source.body
      {
        return
      }
      throw SQLError(
        .insufficientPrivilege, "a writer sends readings and reads none", at: statement.range,
        hint: "INSERT INTO … VALUES is a writer's; a token of the role reader reads")
    }
  }
}

/// No table has a row: whoever may not read reads from it.
struct NothingCatalog: Catalog {
  let snapshot: Snapshot

  init(_ symbols: SymbolTable) { snapshot = Snapshot(lsn: 0, symbols: symbols, tables: [], stretches: [:]) }

  func owners(of device: String, during times: Range<Int64>) -> [OwnerRun] { [] }
  func receivedAt(_ lsn: LSN) -> Int64? { nil }
  var rowTables: [any RowTable] { [] }
}
