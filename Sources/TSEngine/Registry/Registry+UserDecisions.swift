/// People and tokens.
extension Registry {
  package func createUser(
    _ name: String, isAdmin: Bool = false, _ context: DecisionContext
  ) -> Decision<UserID> {
    guard Self.isUserName(name) else { return .refused(.invalidName) }
    guard users[named: name] == nil, name != Users.parkedName else { return .refused(.nameTaken) }
    var id = UserID(context.random64())
    while id.raw < UserID.firstRandom || users[id] != nil {
      // As for codes: the next try differs whatever the generator does.
      id = UserID(max(UserID.firstRandom, id.raw &+ 1))
    }
    return Decision(
      events: [
        context.event(self, .userCreated(user: id, name: name, isAdmin: isAdmin, isActive: true))
      ], result: .success(id))
  }

  /// Makes the owner of devices that are nobody's, once in the life of a store (L-03). The value
  /// tells whether it was made now.
  package func ensureParkedUser(_ context: DecisionContext) -> Decision<Bool> {
    guard !users.hasParkedUser else { return Decision(events: [], result: .success(false)) }
    return Decision(
      events: [
        context.event(
          self,
          .userCreated(user: .parked, name: Users.parkedName, isAdmin: false, isActive: false))
      ], result: .success(true))
  }

  /// The user goes and every device of theirs is parked by that event (L-04). The codes that
  /// follow let the devices be claimed again. The value counts the devices.
  package func deleteUser(_ user: UserID, _ context: DecisionContext) -> Decision<Int> {
    guard user != .parked else { return .refused(.parkedUser) }
    guard users.isPerson(user) else { return .refused(.unknownUser) }
    let parked = associations.devices(of: user)
    var events = [context.event(self, .userDeleted(user: user))]
    for device in parked { events.append(codeEvent(device, context)) }
    return Decision(events: events, result: .success(parked.count))
  }

  /// `hash` in PHC or crypt form; empty takes the password away.
  package func setPassword(
    of user: UserID, hash: String, _ context: DecisionContext
  ) -> Decision<Void> {
    guard user != .parked else { return .refused(.parkedUser) }
    guard users.isPerson(user) else { return .refused(.unknownUser) }
    guard hash.isEmpty || hash.utf8.first == UInt8(ascii: "$"), hash.utf8.count <= 1024 else {
      return .refused(.invalidValue)
    }
    return Decision(
      events: [context.event(self, .userPasswordSet(user: user, hash: hash))], result: .success(()))
  }

  package func setUserField(
    _ user: UserID, _ field: String, _ value: FieldValue, _ context: DecisionContext
  ) -> Decision<Void> {
    guard user != .parked else { return .refused(.parkedUser) }
    guard users.isPerson(user) else { return .refused(.unknownUser) }
    guard Self.isFieldName(field) else { return .refused(.invalidName) }
    if field == "is_admin" || field == "is_active" {
      guard case .bool = value else { return .refused(.invalidValue) }
    }
    return Decision(
      events: [context.event(self, .userFieldChanged(user: user, field: field, value: value))],
      result: .success(()))
  }

  package func issueToken(_ grant: TokenGrant, _ context: DecisionContext) -> Decision<Void> {
    guard (1...64).contains(grant.publicID.utf8.count), grant.hmac.count == 32,
      grant.expiresAt > context.time(self), grant.label.count <= 255
    else { return .refused(.invalidValue) }
    guard tokens[grant.publicID] == nil else { return .refused(.exists) }
    if let user = grant.user, !users.isPerson(user) { return .refused(.unknownUser) }
    if let device = grant.device, !devices.contains(device) { return .refused(.unknownDevice) }
    if grant.role == .device, grant.device == nil { return .refused(.unknownDevice) }
    if grant.role == .user, grant.user == nil { return .refused(.unknownUser) }
    return Decision(events: [context.event(self, .tokenIssued(grant))], result: .success(()))
  }

  package func revokeToken(_ publicID: String, _ context: DecisionContext) -> Decision<Void> {
    guard let token = tokens[publicID], token.revokedAt == nil else {
      return .refused(.unknownToken)
    }
    return Decision(
      events: [context.event(self, .tokenRevoked(publicID: publicID))], result: .success(()))
  }

  /// 1 to 150 characters, none of them a control character or a space at either end.
  static func isUserName(_ name: String) -> Bool {
    guard (1...150).contains(name.count), name.first != " ", name.last != " " else { return false }
    return name.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
  }
}
