/// The names that an expression may use: columns of the FROM clause by position.
struct Scope {
  struct Column: Equatable {
    /// Alias of the relation it belongs to.
    var relation: String
    var name: String
    var alias: String?
    var type: SQLType
    /// Not in `*`.
    var isHidden = false
    /// Found by its qualified name only: the right side of USING.
    var isShadowed = false
  }
  var columns: [Column] = []

  /// Position of the column that `name` means.
  /// - Throws: 42703 and 42702 with the place and a suggestion.
  func find(_ name: ObjectName) throws(SQLError) -> Int {
    let wanted = name.last.name
    let relation = name.parts.count > 1 ? name.parts[name.parts.count - 2].name : nil
    if let relation, !columns.contains(where: { $0.relation == relation }) {
      throw SQLError(
        .undefinedTable, "there is no table \"\(relation)\" in FROM", at: name.parts[name.parts.count - 2].range,
        hint: Suggestion.hint(for: relation, among: Set(columns.map(\.relation)).sorted()))
    }
    let visible = columns.indices.filter { index in
      if let relation { columns[index].relation == relation } else { !columns[index].isShadowed }
    }
    var found = visible.filter { columns[$0].name == wanted }
    if found.isEmpty { found = visible.filter { columns[$0].alias == wanted } }
    guard let first = found.first else {
      let place = relation.map { " in \"\($0)\"" } ?? ""
      throw SQLError(
        .undefinedColumn, "there is no column \"\(wanted)\"\(place)", at: name.last.range,
        hint: Suggestion.hint(for: wanted, among: visible.map { columns[$0].name }))
    }
    if found.count > 1 {
      throw SQLError(
        .ambiguousColumn, "the column \"\(wanted)\" is in more than one table", at: name.range,
        hint: "write \(columns[first].relation).\(wanted)")
    }
    return first
  }

  /// A column of this relation by any of its names, for what functions need beside their arguments.
  func position(_ name: String, ofRelation relation: String) -> Int? {
    columns.firstIndex { $0.relation == relation && $0.name == name }
      ?? columns.firstIndex { $0.relation == relation && $0.alias == name }
  }
}
