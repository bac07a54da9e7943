/// A type as a file or a request declares it, its parent's fields not yet among its own.
package struct TypeDraft: Sendable, Equatable {
  package var name: String
  package var label: String
  /// Of columns that the type has itself.
  package var columns: [ColumnSchema]
  package var defaultSpanNanos: Int64?
  package var details: TypeDetails
  /// Nil: the parent's, or the usual.
  package var meta: TypeMeta?

  package init(name: String) {
    (self.name, label, columns, details) = (name, "", [], TypeDetails())
  }
}

extension Registry {
  /// What a table has whose declaration says nothing of it.
  package static let usualSpanNanos: Int64 = 1_000_000_000

  /// Declares types in the order given, each perhaps a child of one before; all or none. A child has its parent's fields and may
  /// override them; later changes of the parent reach it when it is declared again (D-01). The value is the names.
  package func declareTypes(_ drafts: [TypeDraft], _ context: DecisionContext) -> Decision<[String]> {
    var current = self
    var events: [Event] = []
    for draft in drafts {
      let declared = current.declareType(draft, context)
      if case .failure(let refusal) = declared.result { return .refused(refusal) }
      events += declared.events
      current = current.after(declared.events)
    }
    return Decision(events: events, result: .success(drafts.map(\.name)))
  }

  private func declareType(_ draft: TypeDraft, _ context: DecisionContext) -> Decision<Void> {
    var (columns, details) = (draft.columns, draft.details)
    var span = draft.defaultSpanNanos
    if !details.parent.isEmpty {
      guard let parent = types.parent(named: details.parent), details.parent != draft.name else {
        return .refused(.unknownType)
      }
      columns = TypeDetails.merged(parent.schema.columns, columns, by: \.name)
      details = details.inheriting(parent.details, meta: draft.meta)
      span = span ?? parent.schema.defaultSpanNanos
    } else {
      details.meta = draft.meta ?? TypeMeta()
    }
    for index in columns.indices { columns[index].id = 0 }
    if details.isAbstract {
      return declareAbstract(draft, columns, span ?? Self.usualSpanNanos, details, context)
    }
    // What the table has stays in front, wherever it stands now.
    let names = types[draft.name]?.schema.columns.map(\.name) ?? []
    let kept = names.compactMap { name in columns.first { $0.name == name } }
    let label = draft.label.isEmpty ? types[draft.name]?.label ?? "" : draft.label
    let declared = declareType(
      draft.name, label: label, columns: kept + columns.filter { !names.contains($0.name) },
      defaultSpanNanos: span ?? types[draft.name]?.schema.defaultSpanNanos ?? Self.usualSpanNanos,
      details: details, context)
    return Decision(events: declared.events, result: declared.result.map { _ in })
  }

  private func declareAbstract(
    _ draft: TypeDraft, _ columns: [ColumnSchema], _ span: Int64, _ details: TypeDetails,
    _ context: DecisionContext
  ) -> Decision<Void> {
    guard Self.isFieldName(draft.name), draft.name != DeviceType.lampi else { return .refused(.invalidName) }
    guard types[draft.name] == nil else { return .refused(.exists) }
    guard details.isSound, span > 0, columns.map(\.name).allSatisfy(Self.isColumnName),
      columns.count <= 1024, columns.allSatisfy(Self.isPossible)
    else { return .refused(.invalidValue) }
    var numbered = columns
    for index in numbered.indices { numbered[index].id = ColumnID(index + 1) }
    let schema = TableSchema(id: 0, name: draft.name, columns: numbered, defaultSpanNanos: span)
    let known = types.parent(named: draft.name)
    if known?.schema == schema, known?.details == details, known?.label == draft.label {
      return Decision(events: [], result: .success(()))
    }
    return Decision(
      events: [context.event(self, .typeDeclared(schema: schema, label: draft.label, details: details))],
      result: .success(()))
  }
}
