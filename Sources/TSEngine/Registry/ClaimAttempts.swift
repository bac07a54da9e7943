import HashTreeCollections

/// Wrong tries in a row of each user, for the lock-out (L-26). How many lock and for how long is
/// the decision's business; this only remembers.
package struct ClaimAttempts: Sendable, Equatable {
  package struct Tries: Sendable, Equatable {
    package let count: UInt32
    package let lastAt: Int64
  }
  private var byUser: TreeDictionary<UserID, Tries> = [:]

  package init() {}

  package subscript(user: UserID) -> Tries? { byUser[user] }

  mutating func apply(_ event: Event) {
    switch event.kind {
    case .codeTried(let user, let attempt, _):
      byUser[user] = Tries(count: attempt, lastAt: event.recordedAt)
    case .deviceAssociated(_, let user, _, .claim), .userDeleted(let user):
      byUser[user] = nil
    default: break
    }
  }
}

extension ClaimAttempts: Checkpointed {
  func encode(into writer: inout ByteWriter) {
    writer.varint(byUser.count)
    for (user, tries) in byUser.sorted(by: { $0.key < $1.key }) {
      writer.put(user.raw)
      writer.put(tries.count)
      writer.put(tries.lastAt)
    }
  }

  init(from reader: inout ByteReader) throws(StorageError) {
    for _ in 0..<(try reader.count(limit: reader.remaining)) {
      let user = UserID(try reader.next(UInt64.self))
      byUser[user] = Tries(
        count: try reader.next(UInt32.self), lastAt: try reader.next(Int64.self))
    }
  }
}
