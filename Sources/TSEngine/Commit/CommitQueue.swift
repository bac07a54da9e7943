import Synchronization

/// The bounded queue into the writer, and the right to be the writer.
///
/// Whoever finds work and no leader becomes the leader and commits what waits, in groups; the
/// others wait for their answers. So a lone producer commits on its own thread without a hand-over,
/// and many producers share each sync.
package final class CommitQueue: Sendable {
  private struct State: Sendable {
    var waiting: [CommitRequest] = []
    var byteCount = 0
    var isLed = false
    var isClosed = false
    /// Takes the lead over, for good.
    var successor: Latch<Bool>?
  }

  private let state = Mutex(State())
  private let byteLimit: Int

  package init(byteLimit: Int) { self.byteLimit = byteLimit }

  /// - Throws: `.overloaded` when the queue is full, `.closed`.
  package func submit(_ request: CommitRequest) throws(StorageError) {
    let limit = byteLimit
    let refusal = state.withLock { state -> StorageError? in
      if state.isClosed { return StorageError(.closed, "the store is closed") }
      // What makes room (rotation, installation) is never refused for want of room.
      if !request.standsAlone, state.byteCount > 0, state.byteCount + request.byteCount > limit {
        return StorageError(.overloaded, "the queue into the writer is full")
      }
      state.waiting.append(request)
      state.byteCount += request.byteCount
      return nil
    }
    if let refusal { throw refusal }
  }

  /// Makes the caller the leader; false when there is one or nothing waits.
  package func lead() -> Bool {
    state.withLock { state in
      if state.isLed || state.waiting.isEmpty { return false }
      state.isLed = true
      return true
    }
  }

  /// Ends the caller's lead, or hands it to who waits for it.
  package func follow() {
    let successor = state.withLock { state in
      state.isLed = state.successor != nil
      return state.successor.take()
    }
    successor?.fulfil(true)
  }

  /// Makes the caller the last leader: waits for the present one and never gives the lead back.
  package func leadForGood() {
    let handover = Latch<Bool>()
    let isFree = state.withLock { state in
      if state.isLed { state.successor = handover }
      defer { state.isLed = true }
      return !state.isLed
    }
    if !isFree { _ = handover.wait() }
  }

  /// The oldest requests, about `byteLimit` bytes of them but at least one. For the leader.
  package func take(byteLimit: Int) -> [CommitRequest] {
    state.withLock { state in
      var count = 0
      var bytes = 0
      while count < state.waiting.count, count == 0 || bytes < byteLimit {
        bytes += state.waiting[count].byteCount
        count += 1
      }
      let taken = Array(state.waiting[..<count])
      state.waiting.removeSubrange(..<count)
      state.byteCount -= bytes
      return taken
    }
  }

  /// Puts back what the leader took and could not serve yet, in front.
  package func putBack(_ requests: [CommitRequest]) {
    state.withLock { state in
      state.waiting.insert(contentsOf: requests, at: 0)
      for request in requests { state.byteCount += request.byteCount }
    }
  }

  package var isEmpty: Bool { state.withLock { $0.waiting.isEmpty } }

  /// Refuses further requests; those that wait are still served.
  package func close() { state.withLock { $0.isClosed = true } }
}
