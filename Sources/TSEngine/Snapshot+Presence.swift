extension Snapshot {
  /// When devices that say they are there, and of whom the unsealed log knows nothing, were last heard of: from the
  /// messages of the last overdue time before the newest. Who is older than that is overdue whatever it was.
  /// - Complexity: O(1) where there are none of them; else O(messages of that time), at most.
  func recalledPresence() -> [String: Int64] {
    var wanted = Set(registry.devices.claimingPresence.lazy.map(\.id).filter { registry.presence[$0] == nil })
    if wanted.isEmpty { return [:] }
    let longest = registry.types.all.map(\.details.meta.heartbeatNanos).max() ?? TypeMeta().heartbeatNanos
    let window = Int64(Double(longest) * TypeMeta.multiplier)
    var found: [String: Int64] = [:]
    var newest: Int64?
    // What damage hides is missing: such a device is taken for silent sooner.
    let around = readingAroundDamage()
    _ = around.records { (record: OperationalRecord) throws(Never) in
      let end = newest ?? record.recordedAt
      newest = end
      if end - record.recordedAt > window { return false }
      if case .messageReceived(let message) = record.kind, !message.payload.isEmpty,
        wanted.remove(message.device) != nil
      {
        found[message.device] = record.recordedAt
      }
      return !wanted.isEmpty
    }
    return found
  }
}

extension Shared {
  /// At the opening, before anything is written.
  func recallPresence() {
    let live = live.withLock { $0 }
    guard live.registry.devices.isAnyoneClaimingPresence else { return }
    let older = Snapshot(live: live, shared: self).recalledPresence()
    self.live.withLock { $0.registry.recall(older) }
  }
}
