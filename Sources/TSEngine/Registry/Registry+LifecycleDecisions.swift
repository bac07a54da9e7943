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

  /// The policy of conflicts that come from now on; those that are there stay as they are.
  package func setConflictPolicy(
    _ table: String, _ policy: ConflictPolicy, _ context: DecisionContext
  ) -> Decision<Void> {
    setTypeSetting(
      table, ConflictPolicy.settingKey, policy == .last ? "" : policy.rawValue, context)
  }
}
