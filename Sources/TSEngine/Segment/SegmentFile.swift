import Synchronization

/// The file of a live data segment, opened when it is first read. As long as somebody holds one,
/// the file stays on disk (`DeadFiles`), so it may be closed and opened again at any time.
package final class SegmentFile: Sendable {
  package let id: UInt64
  package let path: String
  fileprivate let disk: any Disk
  private let open: OpenFiles
  /// Keeps the writer of another process from removing the file.
  private let pin: Pin?
  /// The manifest's LSN from which on it was live; 0 when that was before this process.
  private let birth = Mutex<LSN>(0)

  package init(_ disk: any Disk, path: String, id: UInt64, open: OpenFiles, pin: Pin? = nil) {
    self.disk = disk
    self.path = path
    self.id = id
    self.open = open
    self.pin = pin
  }

  package var bornAt: LSN { birth.withLock { $0 } }
  func wasBorn(at lsn: LSN) { birth.withLock { $0 = lsn } }

  /// Exactly the bytes of `range`.
  /// - Throws: `.truncated` when the file is shorter, `.notFound`, `.io`.
  package func bytes(_ range: Range<Int>) throws(StorageError) -> [UInt8] {
    try open.file(self).bytes(range)
  }

  package func byteCount() throws(StorageError) -> Int { try open.file(self).byteCount() }

  /// Gives up the descriptor; the next read opens the file again.
  package func letGo() { open.forget(id) }
}

/// Descriptors of data segments: a bounded number, so that a store of any age seals on. The one
/// that goes is found by second chance (CLOCK); whoever is reading it goes on, for a file closes
/// with its last reference.
package final class OpenFiles: Sendable {
  private struct Slot {
    var id: UInt64
    var file: any DiskFile
    var used: Bool
  }
  private struct State {
    var places: [UInt64: Int] = [:]
    var slots: [Slot] = []
    var hand = 0
  }

  /// EMFILE and ENFILE: the process, or the machine, has no descriptor left.
  private static let outOfDescriptors: Set<Int32> = [24, 23]

  private let limit: Int
  private let state = Mutex(State())

  /// - Precondition: `limit` is at least 1.
  package init(limit: Int) {
    precondition(limit > 0, "room for one descriptor")
    self.limit = limit
  }

  /// How many are open now.
  package var count: Int { state.withLock { $0.slots.count } }

  fileprivate func file(_ wanted: SegmentFile) throws(StorageError) -> any DiskFile {
    let known: (any DiskFile)? = state.withLock { state in
      guard let place = state.places[wanted.id] else { return nil }
      state.slots[place].used = true
      return state.slots[place].file
    }
    if let known { return known }
    let file = try openMakingRoom(wanted)
    return state.withLock { state in
      // Somebody may have been faster.
      if let place = state.places[wanted.id] { return state.slots[place].file }
      while state.slots.count >= limit { Self.evictOne(&state) }
      state.places[wanted.id] = state.slots.count
      state.slots.append(Slot(id: wanted.id, file: file, used: false))
      return file
    }
  }

  private func openMakingRoom(_ wanted: SegmentFile) throws(StorageError) -> any DiskFile {
    do throws(StorageError) {
      return try wanted.disk.open(wanted.path, .read)
    } catch {
      guard let number = error.errno, Self.outOfDescriptors.contains(number) else { throw error }
      state.withLock { state in
        for _ in 0..<((state.slots.count + 1) / 2) { Self.evictOne(&state) }
      }
      return try wanted.disk.open(wanted.path, .read)
    }
  }

  fileprivate func forget(_ id: UInt64) {
    state.withLock { state in
      if let place = state.places[id] { Self.remove(place, &state) }
    }
  }

  private static func evictOne(_ state: inout State) {
    while !state.slots.isEmpty {
      if state.hand >= state.slots.count { state.hand = 0 }
      guard state.slots[state.hand].used else { return remove(state.hand, &state) }
      state.slots[state.hand].used = false
      state.hand += 1
    }
  }

  private static func remove(_ place: Int, _ state: inout State) {
    state.places[state.slots[place].id] = nil
    let moved = state.slots.removeLast()
    if place < state.slots.count {
      state.slots[place] = moved
      state.places[moved.id] = place
    }
  }
}
