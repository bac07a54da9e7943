/// Kinds of events about commands, to and from protobuf.
extension EventKind {
  /// - Precondition: a kind of this group.
  var commandMessage: PBEvent.OneOf_Kind {
    switch self {
    case .commandSent(let order):
      return .commandSent(
        .with {
          $0.id = order.id
          $0.device = order.device
          $0.name = order.name
          $0.payload = order.payload
          $0.broker = order.broker
          $0.expiresAt = order.expiresAt
          $0.answer = order.answerNanos
        })
    case .commandPublished(let id, let device):
      return .commandPublished(
        .with {
          $0.id = id
          $0.device = device
        })
    case .commandAnswered(let id, let device, let isDone, let answer):
      return .commandAnswered(
        .with {
          $0.id = id
          $0.device = device
          $0.done = isDone
          $0.answer = answer
        })
    case .commandEnded(let id, let device, let end, let reason):
      return .commandEnded(
        .with {
          $0.id = id
          $0.device = device
          $0.reason = reason
          $0.end =
            switch end {
            case .expired: .expired
            case .timedOut: .timedOut
            case .failed: .failed
            }
        })
    default: preconditionFailure("a kind of another group")
    }
  }

  static func ofCommand(_ message: PBEvent.OneOf_Kind) throws(StorageError) -> EventKind {
    switch message {
    case .commandSent(let m):
      try Known.check(m)
      return .commandSent(
        CommandOrder(
          id: m.id, device: try Known.device(m.device), name: m.name, payload: m.payload, broker: m.broker,
          expiresAt: m.expiresAt, answerNanos: m.answer))
    case .commandPublished(let m):
      try Known.check(m)
      return .commandPublished(id: m.id, device: try Known.device(m.device))
    case .commandAnswered(let m):
      try Known.check(m)
      return .commandAnswered(id: m.id, device: try Known.device(m.device), isDone: m.done, answer: m.answer)
    case .commandEnded(let m):
      try Known.check(m)
      let end: CommandEnd =
        switch m.end {
        case .expired: .expired
        case .timedOut: .timedOut
        case .failed: .failed
        case .unspecified: throw StorageError(.corrupt, "a command that ended in no way")
        case .UNRECOGNIZED: throw Known.newer("an end of a command")
        }
      return .commandEnded(id: m.id, device: try Known.device(m.device), end: end, reason: m.reason)
    default: throw StorageError(.corrupt, "an event of another group")
    }
  }

  /// Adds what a command's event says beside its device.
  func addCommand(to json: inout JSONText) {
    switch self {
    case .commandSent(let order):
      json.add("id", order.id)
      json.add("command", order.name)
      json.add("payload", raw: order.payload.isEmpty ? "null" : order.payload)
      json.add("broker", order.broker)
      json.add("expires_at", order.expiresAt)
    case .commandPublished(let id, _): json.add("id", id)
    case .commandAnswered(let id, _, let isDone, let answer):
      json.add("id", id)
      json.add("done", isDone)
      json.add("answer", answer)
    case .commandEnded(let id, _, let end, let reason):
      json.add("id", id)
      json.add("end", end.rawValue)
      json.add("reason", reason)
    default: preconditionFailure("a kind of another group")
    }
  }
}
