import Synchronization

/// Directories of data segments in memory, within a byte budget; evicted by second chance (CLOCK).
/// The one just asked for stays, whatever its size.
package final class DirectoryCache: Sendable {
  private struct Slot {
    var id: UInt64
    var directory: BlockDirectory
    var used: Bool
  }
  private struct State {
    var places: [UInt64: Int] = [:]
    var slots: [Slot] = []
    var hand = 0
    var byteCount = 0
  }

  private let byteLimit: Int
  private let state = Mutex(State())

  package init(byteLimit: Int) { self.byteLimit = byteLimit }

  package var count: Int { state.withLock { $0.slots.count } }

  /// Nil when it has to be read, or when the one here counts its LSNs from another base.
  package func directory(_ id: UInt64, baseLSN: LSN) -> BlockDirectory? {
    state.withLock { state in
      guard let place = state.places[id], state.slots[place].directory.baseLSN == baseLSN else {
        return nil
      }
      state.slots[place].used = true
      return state.slots[place].directory
    }
  }

  package func insert(_ directory: BlockDirectory, _ id: UInt64) {
    state.withLock { state in
      if let place = state.places[id] { Self.remove(place, &state) }
      while !state.slots.isEmpty, state.byteCount + directory.byteCount > byteLimit {
        Self.evictOne(&state)
      }
      state.places[id] = state.slots.count
      state.slots.append(Slot(id: id, directory: directory, used: false))
      state.byteCount += directory.byteCount
    }
  }

  /// For a segment that is no longer live.
  package func forget(_ id: UInt64) {
    state.withLock { state in
      if let place = state.places[id] { Self.remove(place, &state) }
    }
  }

  private static func evictOne(_ state: inout State) {
    while true {
      if state.hand >= state.slots.count { state.hand = 0 }
      guard state.slots[state.hand].used else { return remove(state.hand, &state) }
      state.slots[state.hand].used = false
      state.hand += 1
    }
  }

  private static func remove(_ place: Int, _ state: inout State) {
    state.byteCount -= state.slots[place].directory.byteCount
    state.places[state.slots[place].id] = nil
    let moved = state.slots.removeLast()
    if place < state.slots.count {
      state.slots[place] = moved
      state.places[moved.id] = place
    }
  }
}
