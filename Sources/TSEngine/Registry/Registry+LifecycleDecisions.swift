/// Decisions about stored readings that need no look at them.
extension Registry {
  /// Readings of `table` before `floor` go, and later ones below it expire; `.min` keeps all from now
  /// on (what went stays gone).
  package func setRetention(
    _ table: String, floor: Int64, _ context: DecisionContext
  ) -> Decision<Void> {
    guard let id = types[table]?.schema.id else { return .refused(.unknownType) }
    guard floor <= context.time(self) else { return .refused(.future) }
    guard floor != lifecycles.floor(of: id) else { return Decision(events: [], result: .success(())) }
    return Decision(
      events: [context.event(self, .retentionSet(table: id, floor: floor))], result: .success(()))
  }

  /// Raises the floor of `table` to what its setting `retention` says now; without the setting, or
  /// below the floor it has, nothing happens. The value is the floor that it set, or nil.
  package func advanceRetention(_ table: TableID, _ context: DecisionContext) -> Decision<Int64?> {
    guard let age = types[table]?.retention else { return Decision(events: [], result: .success(nil)) }
    let floor = age.floor(at: context.time(self))
    guard floor > lifecycles.floor(of: table) else { return Decision(events: [], result: .success(nil)) }
    return Decision(
      events: [context.event(self, .retentionSet(table: table, floor: floor))], result: .success(floor))
  }

  /// The policy of conflicts that come from now on; those that are there stay as they are.
  package func setConflictPolicy(
    _ table: String, _ policy: ConflictPolicy, _ context: DecisionContext
  ) -> Decision<Void> {
    setTypeSetting(
      table, ConflictPolicy.settingKey, policy == .last ? "" : policy.rawValue, context)
  }
}
