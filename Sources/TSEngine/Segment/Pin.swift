/// What a reader in another process holds so that the files of its manifest state stay
/// (FORMAT.md, "Pins"): an empty, locked file whose name says the manifest's LSN. The lock goes
/// with the process, whatever ends it.
package final class Pin: Sendable {
  private let disk: any Disk
  private let path: String
  private let lock: any DiskFile

  /// Pins the state of the manifest at `lsn`. The caller reads the manifest again: when it still
  /// is at `lsn`, every writer sees the pin before it removes a file of that state.
  /// - Throws: `.io`, `.notFound` (a writer took the unfinished file for a dead one: try again).
  package init(
    _ disk: any Disk, store: String, lsn: LSN, rng: any RNG
  ) throws(StorageError) {
    let directory = FileNames.path(store, FileNames.pinDirectory)
    if !disk.exists(directory) { try disk.createDirectory(directory) }
    var name: String
    repeat {
      name = FileNames.path(directory, FileNames.pin(lsn, token: StoreID.random(rng).low))
    } while disk.exists(name)
    path = name
    self.disk = disk
    // Locked before it has a name that writers look at.
    let temporary = FileNames.temporary(path)
    lock = try disk.lock(temporary)
    do throws(StorageError) {
      try disk.rename(temporary, to: path)
    } catch {
      lock.close()
      throw error
    }
  }

  deinit {
    try? disk.remove(path)
    lock.close()
  }

  /// The LSNs that living processes pin; files of dead ones are removed. Nil when that cannot be told.
  package static func living(_ disk: any Disk, store: String) -> [LSN]? {
    let directory = FileNames.path(store, FileNames.pinDirectory)
    if !disk.exists(directory) { return [] }
    guard let names = try? disk.list(directory) else { return nil }
    var living: [LSN] = []
    for name in names {
      guard let lsn = FileNames.pinnedLSN(name) else { continue }
      if isDead(disk, FileNames.path(directory, name)) {
        try? disk.remove(FileNames.path(directory, name))
      } else {
        living.append(lsn)
      }
    }
    return living
  }

  /// Removes what readers left that were killed, also while they pinned.
  package static func removeDead(_ disk: any Disk, store: String) {
    _ = living(disk, store: store)
    let directory = FileNames.path(store, FileNames.pinDirectory)
    guard let names = try? disk.list(directory) else { return }
    for name in names where FileNames.isTemporary(name) {
      let path = FileNames.path(directory, name)
      if isDead(disk, path) { try? disk.remove(path) }
    }
  }

  private static func isDead(_ disk: any Disk, _ path: String) -> Bool {
    guard let lock = try? disk.lock(path) else { return false }
    lock.close()
    return true
  }
}
