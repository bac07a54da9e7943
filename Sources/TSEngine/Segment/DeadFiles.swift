import Synchronization

/// Data segments that the manifest no longer names. A file goes when no snapshot of this process
/// holds it and no pin of another process may; what is left at the end goes at the next open.
package final class DeadFiles: Sendable {
  private struct Dead {
    /// The only reference when nobody reads the file any more.
    var file: SegmentFile
    /// The manifest's LSN from which on no state names it.
    var died: LSN
  }

  private let dead = Mutex([Dead]())

  package init() {}

  package var count: Int { dead.withLock { $0.count } }

  /// - Parameter lsn: of the durable edit that took them out of the manifest.
  package func bury(_ files: [SegmentFile], at lsn: LSN) {
    dead.withLock { dead in
      for file in files {
        file.letGo()
        dead.append(Dead(file: file, died: lsn))
      }
    }
  }

  /// Removes the files that nobody can be reading. What cannot be removed is tried again next time.
  /// O(dead files + pins).
  package func sweep(_ disk: any Disk, store: String) {
    guard count > 0 else { return }
    let unheld = dead.withLock { dead in
      var unheld: [Dead] = []
      var held: [Dead] = []
      while var last = dead.popLast() {
        if isKnownUniquelyReferenced(&last.file) { unheld.append(last) } else { held.append(last) }
      }
      dead = held.reversed()
      return unheld
    }
    guard !unheld.isEmpty else { return }
    guard let pins = Pin.living(disk, store: store) else {
      return dead.withLock { $0 += unheld }
    }
    for grave in unheld {
      // A snapshot that is gone by now may have opened it again.
      grave.file.letGo()
      let isPinned = pins.contains { $0 >= grave.file.bornAt && $0 < grave.died }
      if !isPinned { try? disk.remove(grave.file.path) }
      if isPinned || disk.exists(grave.file.path) { dead.withLock { $0.append(grave) } }
    }
  }
}
