/// Whose a device becomes.
extension Registry {
  package struct Claimed: Sendable, Equatable {
    package var device: String
    package var user: UserID
  }

  /// `user` typed a code or its first digits (L-22 to L-26). A wrong one is recorded, for the
  /// lock-out, and refused.
  package func claim(
    code text: String, by user: UserID, _ context: DecisionContext
  ) -> Decision<Claimed> {
    guard users.isPerson(user), users[user]?.isActive == true else { return .refused(.unknownUser) }
    let now = context.time(self)
    if let until = lockEnd(of: user, now, context.policy) { return .refused(.locked(until: until)) }
    switch device(claimableBy: text, at: now) {
    case .success(let device):
      return Decision(
        events: [
          context.event(
            self,
            .deviceAssociated(device: device, user: user, previousUser: .parked, via: .claim))
        ], result: .success(Claimed(device: device, user: user)))
    case .failure(let refusal):
      guard refusal.countsAsWrongTry else { return .refused(refusal) }
      let tries = attempts[user]
      // Tries that lie a lock's length back are forgotten.
      let isRecent = tries.map { now &- $0.lastAt < context.policy.lockNanos } ?? false
      let attempt = isRecent ? (tries?.count ?? 0) &+ 1 : 1
      return Decision(
        events: [
          context.event(self, .codeTried(user: user, attempt: attempt, refusal: "\(refusal)"))
        ], result: .failure(refusal))
    }
  }

  /// The parked device that `text` claims at `now`.
  ///
  /// Expired codes take part in ambiguity: whoever reads an expired code off a display must not
  /// get another's device that happens to start alike.
  package func device(claimableBy text: String, at now: Int64) -> Result<String, Refusal> {
    guard !text.isEmpty else { return .failure(.emptyCode) }
    guard text.utf8.count >= AssociationCode.shownDigitCount else { return .failure(.shortCode) }
    guard let prefix = CodePrefix(text) else { return .failure(.invalidCode) }
    let matching = codes.matching(prefix)
    let parked = matching.filter { associations.owner(of: $0.device) == .parked }
    guard let only = parked.first else {
      return .failure(matching.isEmpty ? .invalidCode : .alreadyAssociated)
    }
    guard parked.count == 1 else { return .failure(.ambiguousCode) }
    guard !only.isUsed, now < only.expiresAt else { return .failure(.expiredCode) }
    return .success(only.device)
  }

  private func lockEnd(of user: UserID, _ now: Int64, _ policy: RegistryPolicy) -> Int64? {
    guard let tries = attempts[user], tries.count >= policy.wrongTriesBeforeLock else { return nil }
    let (end, overflow) = tries.lastAt.addingReportingOverflow(policy.lockNanos)
    return !overflow && now < end ? end : nil
  }

  /// An administrator gives `device` to `user` (L-07), from `instant` on or from now. To the
  /// parked user it is a dissociation.
  package func associate(
    _ device: String, with user: UserID, at instant: Int64? = nil, _ context: DecisionContext
  ) -> Decision<Void> {
    if user == .parked { return dissociate(device, at: instant, context) }
    guard devices.contains(device) else { return .refused(.unknownDevice) }
    guard users.isPerson(user) else { return .refused(.unknownUser) }
    if let refusal = refusal(of: instant, for: device, context) { return .refused(refusal) }
    let owner = associations.owner(of: device)
    guard owner != user else { return Decision(events: [], result: .success(())) }
    return Decision(
      events: [
        context.event(
          self, .deviceAssociated(device: device, user: user, previousUser: owner, via: .admin),
          effectiveAt: instant)
      ], result: .success(()))
  }

  /// Parks `device` and gives it a new code (L-25).
  package func dissociate(
    _ device: String, at instant: Int64? = nil, _ context: DecisionContext
  ) -> Decision<Void> {
    guard devices.contains(device) else { return .refused(.unknownDevice) }
    let owner = associations.owner(of: device)
    guard owner != .parked else { return .refused(.notAssociated) }
    if let refusal = refusal(of: instant, for: device, context) { return .refused(refusal) }
    return Decision(
      events: [
        context.event(
          self, .deviceDissociated(device: device, previousUser: owner), effectiveAt: instant),
        codeEvent(device, context),
      ], result: .success(()))
  }

  /// A change of owner may take effect in the past, but not before the newest one: the events
  /// tell the new state (and announce it), so the change must be the newest.
  private func refusal(
    of instant: Int64?, for device: String, _ context: DecisionContext
  ) -> Refusal? {
    guard let instant else { return nil }
    if instant > context.time(self) { return .future }
    let since = associations.timeline(of: device).newestSince
    return since.map { instant < $0 } ?? false ? .beforeExisting : nil
  }

  /// A new code for a parked device (L-26).
  package func renewCode(
    of device: String, _ context: DecisionContext
  ) -> Decision<AssociationCode> {
    guard devices.contains(device) else { return .refused(.unknownDevice) }
    guard associations.owner(of: device) == .parked else { return .refused(.alreadyAssociated) }
    let code = freshCode(context)
    return Decision(events: [codeEvent(device, context, code)], result: .success(code))
  }

  /// Whether a parked device has no code that still claims: to renew at its next sign of life.
  package func needsCode(_ device: String, at now: Int64) -> Bool {
    guard devices.contains(device), associations.owner(of: device) == .parked else { return false }
    guard let issued = codes[device] else { return true }
    return issued.isUsed || issued.expiresAt <= now
  }

  /// New codes for those of `devices` that need one (L-26), in one batch. The value names them.
  package func renewCodes(of devices: [String], _ context: DecisionContext) -> Decision<[String]> {
    var (current, events, renewed) = (self, [Event](), [String]())
    for device in devices where current.needsCode(device, at: context.time(current)) {
      let more = current.renewCode(of: device, context).events
      current = current.after(more)
      events += more
      renewed.append(device)
    }
    return Decision(events: events, result: .success(renewed))
  }

  /// Announced devices that were recorded before codes existed (L-20), ascending. O(devices).
  package var devicesWithoutCode: [String] {
    devices.sorted().filter { Announcements.isAnnounced(type: $0.type) && codes[$0.id] == nil }
      .map(\.id).filter { associations.owner(of: $0) == .parked }
  }

  func codeEvent(
    _ device: String, _ context: DecisionContext, _ code: AssociationCode? = nil
  ) -> Event {
    let (end, overflow) =
      context.time(self).addingReportingOverflow(context.policy.codeLifetimeNanos)
    return context.event(
      self,
      .codeIssued(
        device: device, code: code ?? freshCode(context), expiresAt: overflow ? .max : end))
  }

  /// A code that no device has (L-20).
  private func freshCode(_ context: DecisionContext) -> AssociationCode {
    var code = AssociationCode(high: context.random64(), low: context.random64())
    while codes.contains(code) {
      // Counting on ends whatever the generator does; drawing again from a stuck one would not.
      let (low, carry) = code.low.addingReportingOverflow(1)
      code = AssociationCode(high: code.high &+ (carry ? 1 : 0), low: low)
    }
    return code
  }

  /// The retained state is to be published again, though it was confirmed (L-30).
  package func requestAnnouncement(
    of device: String, _ context: DecisionContext
  ) -> Decision<Void> {
    guard devices.contains(device) else { return .refused(.unknownDevice) }
    guard announcements[device] != nil else { return .refused(.notAnnounced) }
    return Decision(
      events: [context.event(self, .announcementRequested(device: device))], result: .success(()))
  }

  /// The broker has taken the message of state `stateLSN`. Nothing to record when it is known.
  package func confirmAnnouncement(
    of device: String, stateLSN: LSN, _ context: DecisionContext
  ) -> Decision<Void> {
    guard let entry = announcements[device], stateLSN > entry.confirmedLSN,
      stateLSN <= entry.stateLSN
    else { return Decision(events: [], result: .success(())) }
    return Decision(
      events: [
        context.event(self, .announcementConfirmed(device: device, stateLSN: stateLSN))
      ], result: .success(()))
  }
}

extension Refusal {
  /// Whether it tells a guesser something about other people's codes.
  var countsAsWrongTry: Bool {
    switch self {
    case .invalidCode, .alreadyAssociated, .expiredCode: true
    default: false
    }
  }
}
