/// Kinds of events about rollups, to and from protobuf.
extension EventKind {
  /// - Precondition: a kind of this group.
  var rollupMessage: PBEvent.OneOf_Kind {
    switch self {
    case .rollupDeclared(let table, let every, let columns):
      return .rollupDeclared(
        .with {
          $0.table = table
          $0.every = every
          $0.columns = columns.map(UInt32.init)
        })
    case .rollupDropped(let table, let every):
      return .rollupDropped(
        .with {
          $0.table = table
          $0.every = every
        })
    default: preconditionFailure("a kind of another group")
    }
  }

  static func ofRollup(_ message: PBEvent.OneOf_Kind) throws(StorageError) -> EventKind {
    switch message {
    case .rollupDeclared(let m):
      try Known.check(m)
      var columns: [ColumnID] = []
      for column in m.columns {
        guard let id = ColumnID(exactly: column), id > columns.last ?? 0 else {
          throw StorageError(.corrupt, "columns of a rollup out of order")
        }
        columns.append(id)
      }
      return .rollupDeclared(
        table: try Known.table(m.table), every: try legal(m.every), columns: columns)
    case .rollupDropped(let m):
      try Known.check(m)
      return .rollupDropped(table: try Known.table(m.table), every: try legal(m.every))
    default: throw StorageError(.corrupt, "an event of another group")
    }
  }

  private static func legal(_ every: Int64) throws(StorageError) -> Int64 {
    guard RollupDeclaration.isLegal(every: every) else {
      throw StorageError(.corrupt, "buckets of \(every) nanoseconds do not divide a day")
    }
    return every
  }
}
