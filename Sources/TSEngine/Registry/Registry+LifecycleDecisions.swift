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

  /// Raises the floor of `table` to what its setting `retention` says at `instant`; without the setting,
  /// or below the floor it has, nothing happens. The value is the floor that it set, or nil.
  package func advanceRetention(
    _ table: TableID, at instant: Int64, _ context: DecisionContext
  ) -> Decision<Int64?> {
    guard let floor = types[table]?.retention?.floor(at: instant), floor > lifecycles.floor(of: table)
    else { return Decision(events: [], result: .success(nil)) }
    return floored(table, floor, context)
  }

  /// Sets the age, nil for ever, and the floor with it, up or down.
  package func setRetention(
    _ name: String, age text: String?, at instant: Int64, _ context: DecisionContext
  ) -> Decision<Void> {
    var decision = setTypeSetting(name, RetentionAge.settingKey, text ?? "", context)
    guard case .success = decision.result, let table = types[name]?.schema.id else { return decision }
    let floor = text.flatMap { RetentionAge($0) }?.floor(at: instant) ?? .min
    if floor != lifecycles.floor(of: table) {
      decision.events += floored(table, floor, context).events
    }
    return decision
  }

  private func floored(_ table: TableID, _ floor: Int64, _ context: DecisionContext) -> Decision<Int64?> {
    Decision(
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
